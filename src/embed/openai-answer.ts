import { WindlassError, type ErrorKind } from '../base/errors.ts'
import type { RateLimit, RateLimits } from './request-pacer.ts'

/** What may be done about an answer that is none: `split` needs fewer or shorter texts, `plain` numbers instead of base64. */
export type Remedy = 'retry' | 'slow-down' | 'split' | 'plain' | 'none'

/** A failure that was answered, or one without an answer. */
export class RequestFailure extends Error {
  readonly remedy: Remedy
  readonly error: WindlassError

  constructor(remedy: Remedy, error: WindlassError) {
    super(error.message, { cause: error })
    this.remedy = remedy
    this.error = error
  }
}

interface ErrorBody {
  readonly error?: string | { readonly message?: string; readonly code?: string | number | null; readonly type?: string | null }
  readonly message?: string
  readonly detail?: unknown
}

interface Place {
  /** `https://host/v1/embeddings`, without a secret. */
  readonly url: string
  readonly model: string
  /** Where the key comes from. */
  readonly keyName: string
}

const tooLong = /maximum (context|input) length|context length|maximum input length|too many tokens|max_tokens_per_request|too long|too large|exceeds? (the )?(maximum|max|limit|batch)|physical batch size|must have less than/i
const messageMax = 300

/** The failure that an answer of a status of 400 or more is. `text` has no secret in it. */
export function failureOf(status: number, text: string, retryAfterMs: number | undefined, place: Place): RequestFailure {
  const { message, code } = readError(text)
  const said = message === '' ? '' : `: ${message.slice(0, messageMax)}`
  const make = (remedy: Remedy, kind: ErrorKind, what: string) =>
    new RequestFailure(remedy, new WindlassError(kind, `${place.url}: ${what}`, { operation: 'embed', status, ...(retryAfterMs !== undefined && { retryAfterMs }) }))
  if (code === 'insufficient_quota') return make('none', 'denied', `the account's quota is used up: add credit, or raise its limit${said}`)
  // llama.cpp answers 500 for a text that is longer than its batch.
  if (status === 400 || (status === 500 && /physical batch size/i.test(message)) || status === 422 || status === 413) {
    if (/encoding_format|base64/i.test(message)) return make('plain', 'unsupported', `does not know base64${said}`)
    if (status === 413 || tooLong.test(`${code} ${message}`)) return make('split', 'too-large', `the texts are too long for ${place.model}${said}`)
    return make('none', 'invalid', `the request was refused with ${status}${said}`)
  }
  if (status === 401) return make('none', 'unauthenticated', `the key was refused: check ${place.keyName}${said}`)
  if (status === 403) return make('none', 'denied', `the key of ${place.keyName} may not use model ${place.model}${said}`)
  if (status === 404) return make('none', 'not-found', `no model ${place.model} here, or no such address: check both, and whether the address ends in /v1${said}`)
  if (status === 429 || status === 503) return make('slow-down', 'unavailable', `the server asks to slow down (${status})${said}`)
  if (status === 408 || status === 409 || (status >= 500 && status !== 501)) return make('retry', 'unavailable', `the server failed with ${status}${said}`)
  return make('none', status === 501 ? 'unsupported' : 'invalid', `the server answered ${status}${said}`)
}

/** OpenAI's `{error: {message, code}}`, Ollama's `{error: "…"}`, FastAPI's `{detail}`; the start of anything else. */
function readError(text: string): { message: string; code: string } {
  try {
    const body = JSON.parse(text) as ErrorBody | null
    if (typeof body?.error === 'string') return { message: body.error, code: '' }
    const message = body?.error?.message ?? body?.message ?? (body?.detail === undefined ? text : JSON.stringify(body.detail))
    return { message: String(message), code: String(body?.error?.code ?? body?.error?.type ?? '') }
  } catch {
    return { message: text.trim(), code: '' }
  }
}

/** `Retry-After` in seconds or as a date, or the finer `retry-after-ms`; undefined where there is neither. */
export function retryAfterOf(headers: Headers, nowMs: number): number | undefined {
  const fine = Number(headers.get('retry-after-ms') ?? Number.NaN)
  if (fine >= 0) return fine
  const text = headers.get('retry-after')
  if (text === null || text.trim() === '') return undefined
  if (Number(text) >= 0) return Number(text) * 1000
  // Only with a weekday: Date.parse takes nearly everything.
  const date = /^[A-Za-z]{3,9},/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs)
}

/** The `x-ratelimit-…` headers, as far as they are complete. */
export function rateLimitsOf(headers: Headers): RateLimits {
  const read = (what: string): RateLimit | undefined => {
    const [limit, remaining] = ['limit', 'remaining'].map((part) => Number(headers.get(`x-ratelimit-${part}-${what}`) ?? Number.NaN))
    const resetMs = parseDuration(headers.get(`x-ratelimit-reset-${what}`) ?? '')
    return limit! > 0 && remaining! >= 0 && resetMs !== undefined ? { limit: limit!, remaining: remaining!, resetMs } : undefined
  }
  const tokens = read('tokens')
  const requests = read('requests')
  return { ...(tokens && { tokens }), ...(requests && { requests }) }
}

const unitsMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `1s`, `6m0s`, `20ms`, `1h30m`, or seconds without a unit, in milliseconds. */
export function parseDuration(text: string): number | undefined {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined
  return [...text.matchAll(/([\d.]+)(ms|s|m|h|d)/g)].reduce((sum, [, count, unit]) => sum + Number(count) * unitsMs[unit!]!, 0)
}

/** An answer's vectors, at length 1 and in the order of the texts; and its tokens where it tells them. */
export interface EmbeddingAnswer {
  readonly vectors: Float32Array[]
  readonly tokens: number | undefined
}

/**
 * Reads `{data: [{index, embedding}], usage}`, in which an embedding is a list of numbers, or little-endian 32-bit floats in base64.
 * @throws {WindlassError} `unavailable` for an answer that is none of these, or has not one vector a text: a proxy's page, a cut body.
 */
export function readAnswer(text: string, count: number, url: string): EmbeddingAnswer {
  const bad = (what: string, cause?: unknown) => new WindlassError('unavailable', `${url}: ${what}`, { operation: 'embed', ...(cause !== undefined && { cause }) })
  let body: { data?: readonly { index?: number; embedding?: unknown }[]; usage?: { prompt_tokens?: number; total_tokens?: number } } | null
  try {
    body = JSON.parse(text) as typeof body
  } catch (error) {
    throw bad('the answer is not JSON', error)
  }
  const data = body?.data
  if (!Array.isArray(data) || data.length !== count) throw bad(`the answer has ${Array.isArray(data) ? data.length : 'no'} vectors for ${count} texts`)
  const vectors = new Array<Float32Array | undefined>(count).fill(undefined)
  for (const [place, { index = place, embedding }] of (data as { index?: number; embedding?: unknown }[]).entries()) {
    const vector = readVector(embedding)
    if (!vector || index < 0 || index >= count || vectors[index]) throw bad(`the answer's entry ${place} is no vector of numbers, or has the index of another`)
    vectors[index] = vector
  }
  const told = body?.usage?.prompt_tokens ?? body?.usage?.total_tokens
  return { vectors: vectors as Float32Array[], tokens: typeof told === 'number' && told > 0 ? told : undefined }
}

/** Null for what is no vector, or has a value that is no number. */
function readVector(embedding: unknown): Float32Array | null {
  let values: Float32Array
  if (Array.isArray(embedding)) {
    if (!embedding.every((value) => typeof value === 'number')) return null
    values = Float32Array.from(embedding)
  } else if (typeof embedding === 'string') {
    const bytes = decodeBase64(embedding)
    if (!bytes || bytes.length % 4 !== 0) return null
    // Read through a view: this machine may be big-endian.
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    values = Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(i * 4, true))
  } else return null
  let sum = 0
  for (const value of values) sum += value * value
  if (values.length === 0 || !Number.isFinite(sum)) return null
  const length = Math.sqrt(sum)
  return length === 0 ? values : values.map((value) => value / length)
}

function decodeBase64(text: string): Uint8Array | null {
  try {
    const characters = atob(text)
    return Uint8Array.from({ length: characters.length }, (_, i) => characters.charCodeAt(i))
  } catch {
    return null
  }
}
