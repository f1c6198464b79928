import { systemClock, type Clock } from '../base/clock.ts'
import { systemRandom, type Random } from '../base/random.ts'
import { WindlassError } from '../base/errors.ts'
import type { EmbeddingModel } from './embedding-model.ts'
import { loadStaticModel } from './load-static-model.ts'
import { createOpenAiModel } from './openai-model.ts'
import type { ModelFiles } from './sentence-transformer.ts'
import type { Weights } from './sentence-transformer-recipe.ts'

const overHttp = 'openai:'

const shipped = 'static-384'

/**
 * Opens a model by name: `static-384` from the package, `openai:<model>` over HTTP, any other from `files`, to be run here.
 * @throws {WindlassError} what the server refuses; as `SentenceTransformer.open`; `unsupported` without `files`.
 */
export async function openModel(
  { name, weights, ...settings }: { name: string; dimension?: number; apiKey?: string; baseUrl?: string; weights?: Weights },
  { clock = systemClock, random = systemRandom, files }: { clock?: Clock; random?: Random; files?: ModelFiles } = {},
): Promise<EmbeddingModel> {
  if (name.startsWith(overHttp)) return createOpenAiModel({ ...settings, model: name.slice(overHttp.length), clock, random })
  if (name === shipped) return loadStaticModel()
  if (!files) throw new WindlassError('unsupported', `model ${name} needs a model store to come from`, { path: 'embedding-model' })
  // Loaded on demand: most processes run no such model.
  const { SentenceTransformer } = await import('./sentence-transformer.ts')
  return SentenceTransformer.open({ name, ...(weights && { weights }), ...(settings.dimension !== undefined && { dimension: settings.dimension }) }, files)
}
