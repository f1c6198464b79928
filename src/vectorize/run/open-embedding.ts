import { CoalescingModel } from '../../embed/coalescing-model.ts'
import { createOpenAiModel, type EmbeddingUsage } from '../../embed/openai-model.ts'
import type { EmbeddingModel } from '../../embed/embedding-model.ts'
import { WindlassError } from '../../base/errors.ts'
import { withoutUndefined } from '../../base/defined.ts'
import type { SyncState } from '../state/sync-state.ts'
import type { VectorizerDeclaration } from '../declaration/declaration.ts'
import type { VectorizeContext } from './context.ts'

export interface Embedding {
  readonly model: EmbeddingModel
  /** What it has been asked for so far. */
  usage(): EmbeddingUsage
}

const nothing: EmbeddingUsage = { requests: 0, retries: 0, texts: 0, tokens: 0, areTokensEstimated: false, cost: 0 }

/** The model that a declaration names. Its dimension is asked for once, and kept in the state. @throws {WindlassError} `unauthenticated` when the variable of its key is not set. */
export async function openEmbedding(declaration: VectorizerDeclaration['embedding'], state: SyncState, context: VectorizeContext): Promise<Embedding> {
  if (declaration.provider === 'static') return { model: await context.loadStaticModel(), usage: () => nothing }
  const { provider: _, apiKeyVariable, baseUrl, ...settings } = declaration
  const apiKey = context.environment[apiKeyVariable]
  // Servers of one's own mostly want none.
  if (!apiKey && baseUrl === undefined) throw new WindlassError('unauthenticated', `embedding by OpenAI needs a key: set ${apiKeyVariable}`, { path: 'embedding.apiKeyVariable' })
  const asked = `${settings.model} ${baseUrl ?? ''}`
  const ownDimension = await state.modelDimension(asked)
  const model = await createOpenAiModel({ ...withoutUndefined({ ...settings, baseUrl, apiKey: apiKey || undefined, ownDimension }), keyName: apiKeyVariable, clock: context.clock, random: context.random })
  if (ownDimension === undefined) await state.setModelDimension(asked, model.ownDimension)
  return { model: new CoalescingModel(model, { clock: context.clock }), usage: () => model.usage() }
}
