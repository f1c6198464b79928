import { createOpenAiModel, type EmbeddingUsage } from '../../embed/openai-model.ts'
import type { EmbeddingModel } from '../../embed/embedding-model.ts'
import { WindlassError } from '../../base/errors.ts'
import { withoutUndefined } from '../../base/defined.ts'
import type { VectorizerDeclaration } from '../declaration/declaration.ts'
import type { VectorizeContext } from './context.ts'

export interface Embedding {
  readonly model: EmbeddingModel
  /** What it has been asked for so far. */
  usage(): EmbeddingUsage
}

const nothing: EmbeddingUsage = { requests: 0, retries: 0, texts: 0, tokens: 0, areTokensEstimated: false, cost: 0 }

/** The model that a declaration names. @throws {WindlassError} `unauthenticated` when the variable of its key is not set. */
export async function openEmbedding(declaration: VectorizerDeclaration['embedding'], context: VectorizeContext): Promise<Embedding> {
  if (declaration.provider === 'static') return { model: await context.loadStaticModel(), usage: () => nothing }
  const { provider: _, apiKeyVariable, baseUrl, ...settings } = declaration
  const apiKey = context.environment[apiKeyVariable]
  // Servers of one's own mostly want none.
  if (!apiKey && baseUrl === undefined) throw new WindlassError('unauthenticated', `embedding by OpenAI needs a key: set ${apiKeyVariable}`, { path: 'embedding.apiKeyVariable' })
  const model = await createOpenAiModel({ ...withoutUndefined({ ...settings, baseUrl, apiKey: apiKey || undefined }), keyName: apiKeyVariable, clock: context.clock, random: context.random })
  return { model, usage: () => model.usage() }
}
