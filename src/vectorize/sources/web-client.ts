import { startTimer, type Clock } from '../../base/clock.ts'
import { isWindlassError, messageOf, throwIfAborted, WindlassError } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'

/** What is asked of servers, and how long and how often. */
export interface WebLimits {
  readonly timeoutMs: number
  readonly attemptsMax: number
  readonly redirectsMax: number
  readonly perHostMax: number
  /** A server that asks for a longer pause is told of instead of waited for. */
  readonly pauseMaxMs: number
  /** A body that nobody asks for holds up the other requests to its host no longer than this. */
  readonly unreadMs: number
}

export const webLimits: WebLimits = { timeoutMs: 30_000, attemptsMax: 4, redirectsMax: 5, perHostMax: 4, pauseMaxMs: 60_000, unreadMs: 10_000 }

/** An answer whose body has not been read. It counts as a request under way until `body` is done or `release` is called. */
export interface WebAnswer {
  /** After redirects. */
  readonly url: string
  readonly status: number
  readonly headers: Headers
  /** Once. Decompressed. @throws {WindlassError} `unavailable` when it breaks off. */
  body(): AsyncIterable<Uint8Array>
  release(): void
}

interface Slot {
  free(): void
}

/** Gets documents from a few web servers, politely: few requests at once to each, and as late as they ask for. */
export class WebClient {
  readonly #clock: Clock
  readonly #random: Random
  readonly #limits: WebLimits
  readonly #allows: (host: string) => boolean
  readonly #busy = new Map<string, number>()
  readonly #waiting = new Map<string, (() => void)[]>()

  /** @param options.allows Whether a host (with its port, where it has one) may be asked: declared, not found in an answer. */
  constructor({ clock, random, allows, limits = webLimits }: { clock: Clock; random: Random; allows: (host: string) => boolean; limits?: WebLimits }) {
    this.#clock = clock
    this.#random = random
    this.#allows = allows
    this.#limits = limits
  }

  /**
   * Gets a URL, through redirects to allowed hosts, again where the server is overloaded or out of reach.
   * @returns An answer of status 200 or 304.
   * @throws {WindlassError} `not-found` for 404 and 410, `denied`, `unauthenticated`, `unavailable` …
   */
  async get(url: string, headers: Readonly<Record<string, string>> = {}, signal?: AbortSignal): Promise<WebAnswer> {
    for (let attempt = 1; ; attempt++) {
      let error: unknown
      try {
        return await this.#follow(url, headers, signal)
      } catch (failure) {
        error = failure
      }
      if (!isWindlassError(error, 'unavailable') || attempt >= this.#limits.attemptsMax) throw error
      const asked = error.details.retryAfterMs
      if (asked !== undefined && asked > this.#limits.pauseMaxMs) throw error
      // Half of it by chance: many clients were turned away at the same moment.
      const pause = asked ?? 500 * 2 ** attempt * (0.5 + this.#random.next() / 2)
      await this.#clock.sleep(pause, signal)
    }
  }

  async #follow(url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal | undefined): Promise<WebAnswer> {
    let place = url
    for (let redirects = 0; ; redirects++) {
      this.#check(place, url)
      const answer = await this.#send(place, headers, signal)
      if (answer.status === 200 || answer.status === 304) return answer
      answer.release()
      const location = answer.headers.get('location')
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === null) throw this.#failure(place, answer)
      if (redirects >= this.#limits.redirectsMax) throw new WindlassError('unavailable', `${url}: redirected more than ${this.#limits.redirectsMax} times`, { path: url })
      place = URL.canParse(location, place) ? new URL(location, place).href : location
    }
  }

  #check(place: string, from: string): void {
    const url = URL.canParse(place) ? new URL(place) : null
    const redirected = place === from ? '' : ` (redirected from ${from})`
    if (url?.protocol !== 'http:' && url?.protocol !== 'https:') throw new WindlassError('denied', `${place}${redirected}: only http:// and https:// are followed`, { path: from })
    if (url.username !== '' || url.password !== '') throw new WindlassError('denied', `${url.protocol}//${url.host}${redirected}: has a user name in it, which is not sent`, { path: from })
    if (!this.#allows(url.host)) throw new WindlassError('denied', `${place}${redirected}: ${url.host} is no host that was declared: add a URL of it to urls, if it is meant`, { path: from })
  }

  async #send(url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal | undefined): Promise<WebAnswer> {
    throwIfAborted(signal)
    const slot = await this.#takeSlot(new URL(url).host)
    const controller = new AbortController()
    const abort = () => controller.abort()
    signal?.addEventListener('abort', abort, { once: true })
    const release = () => {
      signal?.removeEventListener('abort', abort)
      controller.abort()
      slot.free()
    }
    const fail = (error: unknown): never => {
      throwIfAborted(signal)
      const what = isTimeout(controller) ? `no answer within ${this.#limits.timeoutMs / 1000} s` : messageOf((error as { cause?: unknown }).cause ?? error)
      throw new WindlassError('unavailable', `${url}: ${what}`, { path: url, cause: error })
    }
    try {
      throwIfAborted(signal)
      const response = await this.#within(controller, fetch(url, { headers: { 'user-agent': 'windlass', ...headers }, redirect: 'manual', signal: controller.signal }))
      const read = this.#read(response, controller, fail, release)
      return { url, status: response.status, headers: response.headers, body: () => read, release }
    } catch (error) {
      release()
      return fail(error)
    }
  }

  async *#read(response: Response, controller: AbortController, fail: (error: unknown) => never, release: () => void): AsyncIterable<Uint8Array> {
    const reader = response.body?.getReader()
    try {
      while (reader) {
        // Only the server is timed: whoever reads may take its time.
        const piece = await this.#within(controller, reader.read()).catch(fail)
        if (piece.done) return
        yield piece.value
      }
    } finally {
      release()
    }
  }

  async #within<Value>(controller: AbortController, promise: Promise<Value>): Promise<Value> {
    const limit = startTimer(this.#limits.timeoutMs, () => controller.abort(timeoutReason))
    try {
      return await promise
    } finally {
      limit.stop()
    }
  }

  #failure(url: string, { status, headers }: WebAnswer): WindlassError {
    const context = { path: url, status }
    if (status === 404 || status === 410) return new WindlassError('not-found', `${url}: the server answered ${status}: it is gone`, context)
    if (status === 401) return new WindlassError('unauthenticated', `${url}: the server answered 401: it wants a login`, context)
    if (status === 403 || status === 451) return new WindlassError('denied', `${url}: the server answered ${status}`, context)
    const isTransient = status >= 500 || status === 429 || status === 408 || status === 425
    const retryAfterMs = this.#retryAfter(headers)
    return new WindlassError(isTransient ? 'unavailable' : 'invalid', `${url}: the server answered ${status}`, { ...context, ...(retryAfterMs !== undefined && { retryAfterMs }) })
  }

  /** Seconds or a date (RFC 9110, section 10.2.3). */
  #retryAfter(headers: Headers): number | undefined {
    const field = headers.get('retry-after') ?? ''
    const milliseconds = /^\d+$/.test(field.trim()) ? Number(field) * 1000 : Date.parse(field) - this.#clock.now()
    return Number.isNaN(milliseconds) ? undefined : Math.max(0, milliseconds)
  }

  async #takeSlot(host: string): Promise<Slot> {
    const busy = this.#busy.get(host) ?? 0
    if (busy < this.#limits.perHostMax) this.#busy.set(host, busy + 1)
    // The slot is handed over, and stays counted.
    else await new Promise<void>((resolve) => this.#waiting.set(host, [...(this.#waiting.get(host) ?? []), resolve]))
    let isFree = false
    return {
      free: () => {
        if (isFree) return
        isFree = true
        const next = this.#waiting.get(host)?.shift()
        if (next) next()
        else this.#busy.set(host, this.#busy.get(host)! - 1)
      },
    }
  }
}

const timeoutReason = new Error('timed out')

function isTimeout(controller: AbortController): boolean {
  return controller.signal.reason === timeoutReason
}
