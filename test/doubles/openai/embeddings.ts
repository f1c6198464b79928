import { ApiError, badParameter, type Answer, type DoubleRequest } from './answers.ts'
import { wordsOf } from './search.ts'
import type { OpenAiState } from './state.ts'

/** Dimension of each model; those of text-embedding-3 may be asked for fewer. */
const models: Readonly<Record<string, number>> = { 'text-embedding-3-small': 1536, 'text-embedding-3-large': 3072, 'text-embedding-ada-002': 1536 }

export interface EmbeddingLimits {
  readonly inputsMax: number
  readonly tokensMax: number
  readonly inputTokensMax: number
}

/** Of OpenAI's embeddings endpoint. */
export const openAiLimits: EmbeddingLimits = { inputsMax: 2048, tokensMax: 300_000, inputTokensMax: 8192 }

/** Tokens as this double counts them: one for four bytes, one at least. */
export function countTokens(input: string | readonly number[]): number {
  return typeof input === 'string' ? Math.max(1, Math.ceil(Buffer.byteLength(input) / 4)) : input.length
}

/** What an embeddings request weighs against a limit of tokens a minute. */
export function tokensOf(body: DoubleRequest['body']): number {
  const { input } = body
  if (typeof input === 'string') return countTokens(input)
  return Array.isArray(input) ? input.reduce((sum: number, each: string | number[]) => sum + (typeof each === 'number' ? 1 : countTokens(each)), 0) : 0
}

/** Route of `/embeddings`; null for another path. */
export function answerEmbeddings(state: OpenAiState, { method, path, body }: DoubleRequest, limits: EmbeddingLimits): Answer | null {
  if (path !== '/embeddings' || method !== 'POST') return null
  const { model, dimensions, encoding_format: encoding = 'float' } = body as { model?: string; dimensions?: number; encoding_format?: string }
  const full = models[model ?? '']
  if (full === undefined) throw new ApiError(404, `The model \`${model}\` does not exist or you do not have access to it.`, { code: 'model_not_found' })
  if (dimensions !== undefined && model === 'text-embedding-ada-002') throw new ApiError(400, 'This model does not support specifying dimensions.')
  if (dimensions !== undefined && !(Number.isInteger(dimensions) && dimensions >= 1 && dimensions <= full)) throw badParameter('dimensions', `Invalid value for 'dimensions' = ${dimensions}. Must be between 1 and ${full}.`)
  if (encoding !== 'float' && encoding !== 'base64') throw badParameter('encoding_format', `Invalid value: '${encoding}'. Supported values are: 'float' and 'base64'.`, 'invalid_value')
  const inputs = readInputs(body.input, limits)
  const tokens = inputs.reduce((sum, input) => sum + countTokens(input), 0)
  if (tokens > limits.tokensMax) throw new ApiError(400, `Requested ${tokens} tokens, max ${limits.tokensMax} tokens per request`, { type: 'max_tokens_per_request', code: 'max_tokens_per_request' })
  state.embeddedTokens += tokens
  const data = inputs.map((input, index) => {
    const vector = embedWords(typeof input === 'string' ? wordsOf(input) : input.map(String), dimensions ?? full)
    return { object: 'embedding', index, embedding: encoding === 'base64' ? Buffer.from(vector.buffer).toString('base64') : [...vector] }
  })
  return { json: { object: 'list', data, model, usage: { prompt_tokens: tokens, total_tokens: tokens } } }
}

function readInputs(input: unknown, limits: EmbeddingLimits): (string | number[])[] {
  const isTokens = Array.isArray(input) && input.length > 0 && input.every((each) => typeof each === 'number')
  const inputs = (typeof input === 'string' || isTokens ? [input] : input) as (string | number[])[]
  if (!Array.isArray(inputs) || inputs.length === 0 || inputs.some((each) => typeof each !== 'string' && !Array.isArray(each))) throw new ApiError(400, "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.")
  if (inputs.length > limits.inputsMax) throw badParameter('input', `Invalid 'input': array too long. Expected an array with maximum length ${limits.inputsMax}, but got an array with length ${inputs.length} instead.`, 'array_above_max_length')
  if (inputs.some((each) => each.length === 0)) throw new ApiError(400, "'$.input' is invalid: an input must not be empty.")
  for (const [i, each] of inputs.entries()) {
    const tokens = countTokens(each)
    if (tokens > limits.inputTokensMax) throw badParameter('input', `Invalid 'input[${i}]': maximum input length is ${limits.inputTokensMax} tokens.`)
  }
  return inputs
}

/** Words hashed to signed places (the hashing trick), normalized: the same text has the same vector, texts that share words are near. */
export function embedWords(words: readonly string[], dimension: number): Float32Array {
  const vector = new Float32Array(dimension)
  for (const word of words) {
    let hash = 2166136261
    for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), 16777619)
    const place = (hash >>> 1) % dimension
    vector[place] = vector[place]! + (hash & 1 ? 1 : -1)
  }
  const norm = Math.hypot(...vector)
  if (norm === 0) vector[0] = 1
  return vector.map((value) => (norm === 0 ? value : value / norm))
}
