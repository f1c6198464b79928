import type { Clock } from '../../../base/clock.ts'
import { withoutUndefined } from '../../../base/defined.ts'
import { WindlassError } from '../../../base/errors.ts'
import type { Random } from '../../../base/random.ts'
import type { EmbeddingModel } from '../../../embed/embedding-model.ts'
import { createOpenAiModel } from '../../../embed/openai-model.ts'
import type { PgaiConfig } from './pgai-vectorizer.ts'

/** Where models are found. */
export interface ModelContext {
  readonly clock: Clock
  readonly random: Random
  /** Keys and addresses, by the names that pgai's worker reads them under. */
  readonly environment: Readonly<Record<string, string | undefined>>
  loadStaticModel(): Promise<EmbeddingModel>
}

/**
 * The model that a vectorizer's embedding names: OpenAI's and Ollama's own, ours, and any other through a LiteLLM proxy, which speaks
 * OpenAI's API. Vectors are brought to length 1.
 * @throws {WindlassError} `unauthenticated` when the variable of the key is not set, `unsupported` for a provider that is not reached.
 */
export async function openModel({ implementation, model, dimensions, api_key_name, base_url, extra_options }: PgaiConfig['embedding'], context: ModelContext): Promise<EmbeddingModel> {
  const { clock, random, environment } = context
  const open = (options: { model: string; baseUrl?: string | undefined; apiKey?: string | undefined; keyName?: string | undefined }) =>
    createOpenAiModel({ ...withoutUndefined(options), model: options.model, dimension: dimensions, clock, random })
  const keyName = api_key_name ?? 'OPENAI_API_KEY'
  switch (implementation) {
    case 'windlass':
      return context.loadStaticModel()
    case 'openai': {
      const apiKey = environment[keyName]
      const baseUrl = base_url ?? environment.OPENAI_BASE_URL
      if (!apiKey && baseUrl === undefined) throw new WindlassError('unauthenticated', `embedding by OpenAI needs a key: set ${keyName} where the worker runs`, { path: 'embedding.api_key_name' })
      return open({ model, baseUrl, apiKey, keyName })
    }
    case 'ollama':
      return open({ model, baseUrl: `${ollamaHost(base_url ?? environment.OLLAMA_HOST)}/v1` })
    case 'litellm':
    case 'voyageai': {
      const [, openAiModel] = /^openai\/(.+)$/.exec(model) ?? []
      const apiBase = typeof extra_options?.api_base === 'string' ? extra_options.api_base : undefined
      if (openAiModel !== undefined && implementation === 'litellm') return open({ model: openAiModel, baseUrl: apiBase, apiKey: environment[keyName], keyName })
      const proxy = environment.LITELLM_PROXY_API_BASE
      const name = implementation === 'voyageai' && !model.startsWith('voyage/') ? `voyage/${model}` : model
      if (!proxy) throw new WindlassError('unsupported', `model ${name} is reached through a LiteLLM proxy: run one, and set LITELLM_PROXY_API_BASE to its address where the worker runs`, { path: 'embedding.implementation' })
      return open({ model: name, baseUrl: proxy, apiKey: environment.LITELLM_PROXY_API_KEY, keyName: 'LITELLM_PROXY_API_KEY' })
    }
    default:
      throw new WindlassError('unsupported', `embedding ${JSON.stringify(implementation)} is none of openai, ollama, voyageai, litellm and windlass`, { path: 'embedding.implementation' })
  }
}

/** As Ollama's own tools read it: a scheme and a port may be left out. */
function ollamaHost(host = 'http://localhost:11434'): string {
  const withScheme = /^https?:\/\//i.test(host) ? host : `http://${host}`
  const url = new URL(withScheme)
  if (url.port === '' && !/^https/i.test(host)) url.port = '11434'
  return url.href.replace(/\/+$/, '')
}
