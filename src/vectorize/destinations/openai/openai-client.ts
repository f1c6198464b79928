import { startTimer, type Clock } from '../../../base/clock.ts'
import { messageOf, throwIfAborted, WindlassError } from '../../../base/errors.ts'
import type { Random } from '../../../base/random.ts'
import { fromRefusal, isFinal, readWaitMs, redact } from './openai-errors.ts'

export interface OpenAiConnection {
  /** Absent for servers of one's own that ask for none. */
  readonly apiKey?: string
  /** With the version: default `https://api.openai.com/v1`. */
  readonly baseUrl?: string
  readonly clock: Clock
  readonly random: Random
  readonly fetch?: typeof fetch
  /** Attempts of one request that fails; being told to slow down is not counted. Default 6. */
  readonly attemptsMax?: number
  /** How long one attempt may take, and a second more for each 100 KB that is sent. Default 60,000. */
  readonly timeoutMs?: number
}

/** What was asked of the API so far. */
export interface OpenAiUsage {
  requests: number
  /** Of those, repetitions after a failure. */
  retries: number
  /** Of those, because there were too many. */
  slowdowns: number
  sentBytes: number
}

export interface OpenAiRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Below the base URL, with the query. */
  readonly path: string
  /** What it is for, at the start of errors: `upload guide/install.md`. */
  readonly operation: string
  readonly json?: unknown
  readonly form?: FormData
  readonly formBytes?: number
  /** `refused`: repeated only when the server has said that it did nothing; else `outcome-unknown` is thrown. Default `always`. */
  readonly repeat?: 'always' | 'refused'
  /** Asks for `openai-poll-after-ms`, as OpenAI's own client does. */
  readonly isPoll?: boolean
  readonly signal?: AbortSignal | undefined
}

export interface OpenAiAnswer {
  readonly value: unknown
  readonly headers: Headers
}

const backoffMs = 500
const backoffMaxMs = 20_000
const slowdownsMaxMs = 10 * 60_000
const sentBytesPerSecond = 100_000

/** Sends requests to OpenAI's API or one like it, waits as it asks, and turns what goes wrong into our errors, without the key. */
export class OpenAiClient {
  readonly usage: OpenAiUsage = { requests: 0, retries: 0, slowdowns: 0, sentBytes: 0 }
  readonly clock: Clock
  readonly #random: Random
  readonly #baseUrl: string
  readonly #apiKey: string | undefined
  readonly #fetch: typeof fetch
  readonly #attemptsMax: number
  readonly #timeoutMs: number
  #pausedUntil = 0
  #serverAheadMs = 0

  /** @throws {WindlassError} `invalid` for a key or URL that cannot be sent. */
  constructor({ apiKey, baseUrl = 'https://api.openai.com/v1', clock, random, fetch: send = fetch, attemptsMax = 6, timeoutMs = 60_000 }: OpenAiConnection) {
    // Checked here: what fetch says of a header that cannot be sent quotes it.
    if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) throw new WindlassError('invalid', `openai: the API key ${apiKey === '' ? 'is empty' : 'has spaces or characters that no key has'}: set a valid one`, { path: 'apiKey' })
    if (!/^https?:\/\/[^@]+$/.test(baseUrl)) throw new WindlassError('invalid', 'openai: the base URL must start with http:// or https:// and hold no user or password', { path: 'baseUrl' })
    this.#apiKey = apiKey
    this.#baseUrl = baseUrl.replace(/\/+$/, '')
    this.clock = clock
    this.#random = random
    this.#fetch = send
    this.#attemptsMax = attemptsMax
    this.#timeoutMs = timeoutMs
  }

  /** The server's wall clock, milliseconds since 1970, to the second: as far as its answers told. */
  serverNow(): number {
    return this.clock.now() + this.#serverAheadMs
  }

  /**
   * Sends until it is answered or repeating is of no use.
   * @throws {WindlassError} by status; `outcome-unknown` only for `repeat: 'refused'`.
   */
  async send(request: OpenAiRequest): Promise<OpenAiAnswer> {
    const { signal, repeat = 'always', operation } = request
    const start = this.clock.monotonic()
    for (let failures = 0; ; ) {
      throwIfAborted(signal)
      await this.#waitForPause(signal)
      const outcome = await this.#attempt(request)
      if ('answer' in outcome) return outcome.answer
      const { error, waitMs, isSlowdown } = outcome
      if (isSlowdown) {
        if (this.clock.monotonic() - start + (waitMs ?? 0) > slowdownsMaxMs) throw error
        this.usage.slowdowns++
        // Those who are told to wait together must not come back together.
        const pauseMs = (waitMs ?? this.#backoff(failures)) + this.#random.next() * 250
        this.#pausedUntil = Math.max(this.#pausedUntil, this.clock.monotonic() + pauseMs)
      } else {
        failures++
        if (error.kind !== 'unavailable') throw error
        if (repeat === 'refused') throw new WindlassError('outcome-unknown', error.message, { operation, cause: error })
        if (failures >= this.#attemptsMax) throw error
        await this.clock.sleep(waitMs ?? this.#backoff(failures), signal)
      }
      this.usage.retries++
    }
  }

  /** Waits before another try: longer each time, with full jitter (Brooker 2015). */
  backOff(failures: number, signal?: AbortSignal): Promise<void> {
    return this.clock.sleep(this.#backoff(failures), signal)
  }

  #backoff(failures: number): number {
    return this.#random.next() * Math.min(backoffMaxMs, backoffMs * 2 ** failures)
  }

  async #waitForPause(signal: AbortSignal | undefined): Promise<void> {
    for (let left = this.#pausedUntil - this.clock.monotonic(); left > 0; left = this.#pausedUntil - this.clock.monotonic()) await this.clock.sleep(left, signal)
  }

  async #attempt({ method, path, operation, json, form, formBytes, isPoll, signal }: OpenAiRequest): Promise<{ answer: OpenAiAnswer } | { error: WindlassError; waitMs: number | null; isSlowdown: boolean }> {
    const body = json === undefined ? form : JSON.stringify(json)
    const size = typeof body === 'string' ? body.length : (formBytes ?? 0)
    const late = new AbortController()
    const limitMs = this.#timeoutMs + (size / sentBytesPerSecond) * 1000
    const timer = startTimer(limitMs, () => late.abort())
    this.usage.requests++
    this.usage.sentBytes += size
    try {
      const response = await this.#fetch(this.#baseUrl + path, {
        method,
        headers: { ...(this.#apiKey !== undefined && { authorization: `Bearer ${this.#apiKey}` }), 'openai-beta': 'assistants=v2', ...(json !== undefined && { 'content-type': 'application/json' }), ...(isPoll && { 'x-stainless-poll-helper': 'true' }) },
        ...(body !== undefined && { body }),
        redirect: 'error',
        signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal,
      })
      const text = await response.text()
      this.#noteTime(response.headers)
      if (response.ok) return { answer: { value: JSON.parse(text) as unknown, headers: response.headers } }
      const error = fromRefusal(operation, { status: response.status, headers: response.headers, text }, this.#apiKey)
      return { error, waitMs: readWaitMs(response.headers, this.serverNow()), isSlowdown: response.status === 429 && !isFinal(text) }
    } catch (error) {
      throwIfAborted(signal)
      const reason = late.signal.aborted ? `no answer within ${Math.round(limitMs)} ms` : redact(reasonOf(error), this.#apiKey)
      return { error: new WindlassError('unavailable', `openai: ${operation}: ${reason}`, { operation, cause: error }), waitMs: null, isSlowdown: false }
    } finally {
      timer.stop()
    }
  }

  #noteTime(headers: Headers): void {
    const date = Date.parse(headers.get('date') ?? '')
    if (!Number.isNaN(date)) this.#serverAheadMs = date - this.clock.now()
  }
}

/** `fetch failed` alone tells nothing: its cause does. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  return cause === undefined ? messageOf(error) : `${messageOf(error)}: ${messageOf(cause)}`
}
