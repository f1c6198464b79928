import { startTimer, type Clock } from '../../base/clock.ts'
import { messageOf, throwIfAborted, WindlassError, type ErrorKind } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import { readWaitMs } from './openai/openai-errors.ts'

/** Whom to ask, and as whom. */
export interface JsonServiceSettings {
  /** At the start of errors: `qdrant`. */
  readonly title: string
  readonly baseUrl: string
  readonly clock: Clock
  readonly random: Random
  /** Headers of a request that say who asks; a signature is of this very request. */
  readonly authorize?: (request: OutgoingRequest) => Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>>
  /** Never in an error. */
  readonly secrets?: readonly string[]
  readonly fetch?: typeof fetch
  /** Attempts of one request. Default 6. */
  readonly attemptsMax?: number
  /** How long one attempt may take. Default 60,000. */
  readonly timeoutMs?: number
  /** What an error answer's body says; null where it is of another form. */
  readonly readMessage: (body: unknown) => string | null
}

/** A request as it is sent. */
export interface OutgoingRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'HEAD'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface JsonRequest {
  readonly method: OutgoingRequest['method']
  /** Below the base URL, with the query. */
  readonly path: string
  /** What it is for: `search collection docs`. */
  readonly operation: string
  readonly json?: unknown
  /** Lines of JSON, each with its line feed. */
  readonly lines?: string
  /** Statuses besides 200 to 299 that are answers and no errors. */
  readonly accept?: readonly number[]
  readonly signal?: AbortSignal | undefined
}

export interface JsonAnswer {
  readonly status: number
  readonly value: unknown
}

const kinds: Readonly<Record<number, ErrorKind>> = { 400: 'invalid', 401: 'unauthenticated', 403: 'denied', 404: 'not-found', 408: 'unavailable', 409: 'conflict', 413: 'too-large', 422: 'invalid', 429: 'unavailable', 507: 'storage-full' }
const messageLengthMax = 400
const backoffMs = 250
const backoffMaxMs = 20_000
const waitMaxMs = 120_000

/** The kind of error that a status of an answer, or of a part of one, is. */
export function kindOfStatus(status: number): ErrorKind {
  return kinds[status] ?? (status >= 500 ? 'unavailable' : 'invalid')
}

/** Sends JSON over HTTP, waits as the server asks and tries again; every request must be safe to repeat. */
export class JsonService {
  readonly #settings: JsonServiceSettings
  readonly #baseUrl: string

  /** @throws {WindlassError} `invalid` for a base URL with a user or password in it, or of another scheme. */
  constructor(settings: JsonServiceSettings) {
    const { title, baseUrl } = settings
    if (!/^https?:\/\/[^@?#]+$/i.test(baseUrl) || !URL.canParse(baseUrl)) throw new WindlassError('invalid', `${title}: the url must start with http:// or https:// and hold no user, password or query`, { path: 'url' })
    this.#settings = settings
    this.#baseUrl = baseUrl.replace(/\/+$/, '')
  }

  /** @throws {WindlassError} by status, after the last attempt; `cancelled`. */
  async send(request: JsonRequest): Promise<JsonAnswer> {
    const { attemptsMax = 6, clock, random } = this.#settings
    for (let attempt = 1; ; attempt++) {
      throwIfAborted(request.signal)
      const outcome = await this.#attempt(request)
      if ('answer' in outcome) return outcome.answer
      const { error, waitMs } = outcome
      if (error.kind !== 'unavailable' || attempt >= attemptsMax || (waitMs ?? 0) > waitMaxMs) throw error
      // Full jitter (Brooker 2015), and those who are told to wait together must not come back together.
      const backoff = random.next() * Math.min(backoffMaxMs, backoffMs * 2 ** attempt)
      await clock.sleep(waitMs === null ? backoff : waitMs + random.next() * 250, request.signal)
    }
  }

  /** `text` without secrets, and not longer than a line. */
  redact(text: string): string {
    const clean = (this.#settings.secrets ?? []).reduce((rest, secret) => (secret === '' ? rest : rest.replaceAll(secret, '…')), text)
    return clean.replace(/\s+/g, ' ').trim().slice(0, messageLengthMax)
  }

  async #attempt({ method, path, operation, json, lines, accept = [], signal }: JsonRequest): Promise<{ answer: JsonAnswer } | { error: WindlassError; waitMs: number | null }> {
    const { title, timeoutMs = 60_000, clock, authorize, fetch: send = fetch } = this.#settings
    const body = lines ?? (json === undefined ? '' : JSON.stringify(json))
    const url = new URL(this.#baseUrl + path)
    const headers: Record<string, string> = body === '' ? {} : { 'content-type': lines === undefined ? 'application/json' : 'application/x-ndjson' }
    // Not within the net below: who lacks credentials need not try again.
    const authorization = (await authorize?.({ method, url, headers, body })) ?? {}
    const late = new AbortController()
    const timer = startTimer(timeoutMs, () => late.abort())
    try {
      const response = await send(url, { method, headers: { ...headers, ...authorization }, ...(body !== '' && { body }), redirect: 'error', signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal })
      const { status } = response
      const text = await response.text()
      if (response.ok || accept.includes(status)) return { answer: { status, value: text === '' ? null : parse(text, response.ok) } }
      const waitMs = readWaitMs(response.headers, clock.now())
      return { error: new WindlassError(kindOfStatus(status), `${title}: ${operation}: answered ${status}: ${this.redact(this.#messageOf(text))}${remedyOf(status)}`, { operation, status, ...(waitMs !== null && { retryAfterMs: waitMs }) }), waitMs }
    } catch (error) {
      throwIfAborted(signal)
      const reason = late.signal.aborted ? `no answer within ${timeoutMs} ms` : this.redact(reasonOf(error))
      return { error: new WindlassError('unavailable', `${title}: ${operation}: ${reason}`, { operation, cause: error }), waitMs: null }
    } finally {
      timer.stop()
    }
  }

  #messageOf(text: string): string {
    const value = parse(text, false)
    return this.#settings.readMessage(value) ?? (text.trim() || 'no message')
  }
}

function parse(text: string, isStrict: boolean): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    // A proxy answers in HTML or plain text.
    if (isStrict) throw error
    return null
  }
}

function remedyOf(status: number): string {
  if (status === 401) return ': set valid credentials'
  return status === 403 ? ': the credentials are known, and may not do this' : ''
}

/** `fetch failed` alone tells nothing: its cause does. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  return cause === undefined ? messageOf(error) : `${messageOf(error)}: ${messageOf(cause)}`
}
