import type { EmbeddingModel } from '../../../embed/embedding-model.ts'
import { loadStaticModel } from '../../../embed/load-static-model.ts'

/** The model of `ai.embedding_windlass()`. */
export function loadWorkerModel(): Promise<EmbeddingModel> {
  return loadStaticModel()
}
