import type { Clock } from '../base/clock.ts'
import { throwIfAborted } from '../base/errors.ts'

/** What a server says of its limits in the headers of an answer; milliseconds until they are whole again. */
export interface RateLimits {
  readonly tokens?: RateLimit
  readonly requests?: RateLimit
}

export interface RateLimit {
  readonly limit: number
  readonly remaining: number
  readonly resetMs: number
}

/** A request on its way. Exactly one of its methods is called, once. */
export interface Admission {
  succeeded(limits: RateLimits): void
  /** @param waitMs What the server asks everybody to wait. */
  refused(waitMs: number, limits: RateLimits): void
  /** Failed in a way that says nothing about load. */
  failed(): void
}

const atFirst = 4

/**
 * Lets requests go when the server can be expected to take them.
 *
 * How many run at once follows additive increase, multiplicative decrease (Chiu & Jain 1989): one more after as many successes as run at
 * once, half after a refusal; refusals of requests that began before the last cut do not cut again. Tokens and requests a minute are a
 * bucket that the server's own headers set and that fills evenly until its reset.
 */
export class RequestPacer {
  readonly #clock: Clock
  readonly #atOnceMax: number
  #limit: number
  #running = 0
  #cutMs = -Infinity
  #notBeforeMs = -Infinity
  #line: Promise<void> = Promise.resolve()
  #wake: (() => void) | null = null
  readonly #buckets = { tokens: new Bucket(), requests: new Bucket() }

  constructor({ clock, requestsAtOnce }: { clock: Clock; requestsAtOnce: number }) {
    this.#clock = clock
    this.#atOnceMax = requestsAtOnce
    this.#limit = Math.min(atFirst, requestsAtOnce)
  }

  /** How many requests may run at once now. */
  get atOnce(): number {
    return Math.floor(this.#limit)
  }

  /**
   * Resolves when a request of so many tokens may go; first come, first served.
   * @throws {WindlassError} `cancelled` when the signal is aborted.
   */
  async admit(tokens: number, signal?: AbortSignal): Promise<Admission> {
    const before = this.#line
    let leave = () => {}
    this.#line = new Promise((resolve) => (leave = resolve))
    try {
      await before
      await this.#waitForTurn(tokens, signal)
      return this.#start(tokens)
    } finally {
      leave()
    }
  }

  async #waitForTurn(tokens: number, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      throwIfAborted(signal)
      if (this.#running >= this.atOnce) {
        await this.#waitForEnd(signal)
        continue
      }
      const nowMs = this.#clock.monotonic()
      const waitMs = Math.max(this.#notBeforeMs - nowMs, this.#buckets.tokens.waitMs(tokens, nowMs), this.#buckets.requests.waitMs(1, nowMs))
      if (waitMs <= 0) return
      await this.#clock.sleep(waitMs, signal)
    }
  }

  /** Until a request ends, or the signal is aborted. */
  async #waitForEnd(signal: AbortSignal | undefined): Promise<void> {
    let wake = () => {}
    const woken = new Promise<void>((resolve) => (wake = resolve))
    this.#wake = wake
    signal?.addEventListener('abort', wake, { once: true })
    await woken
    signal?.removeEventListener('abort', wake)
  }

  #start(tokens: number): Admission {
    const startedMs = this.#clock.monotonic()
    this.#running++
    this.#buckets.tokens.take(tokens, startedMs)
    this.#buckets.requests.take(1, startedMs)
    const end = (limits: RateLimits) => {
      this.#running--
      const nowMs = this.#clock.monotonic()
      if (limits.tokens) this.#buckets.tokens.set(limits.tokens, nowMs)
      if (limits.requests) this.#buckets.requests.set(limits.requests, nowMs)
      this.#wake?.()
      this.#wake = null
    }
    return {
      succeeded: (limits) => {
        this.#limit = Math.min(this.#atOnceMax, this.#limit + 1 / this.#limit)
        end(limits)
      },
      refused: (waitMs, limits) => {
        const nowMs = this.#clock.monotonic()
        this.#notBeforeMs = Math.max(this.#notBeforeMs, nowMs + waitMs)
        if (startedMs >= this.#cutMs) {
          this.#limit = Math.max(1, this.#limit / 2)
          this.#cutMs = nowMs
        }
        end(limits)
      },
      failed: () => end({}),
    }
  }
}

/** What is left of a limit, as far as the server told. Lets everything through until it has. */
class Bucket {
  #limit = Infinity
  #left = Infinity
  #perMs = 0
  #atMs = 0

  set({ limit, remaining, resetMs }: RateLimit, nowMs: number): void {
    this.#limit = Math.max(limit, remaining)
    this.#left = remaining
    this.#perMs = (this.#limit - remaining) / Math.max(1, resetMs)
    this.#atMs = nowMs
  }

  take(count: number, nowMs: number): void {
    this.#left = this.#leftAt(nowMs) - count
    this.#atMs = nowMs
  }

  /** A request larger than the whole limit goes when the bucket is full: only the server can refuse it. */
  waitMs(count: number, nowMs: number): number {
    const missing = Math.min(count, this.#limit) - this.#leftAt(nowMs)
    if (!(missing > 0)) return 0
    return this.#perMs > 0 ? Math.ceil(missing / this.#perMs) : 0
  }

  #leftAt(nowMs: number): number {
    return Math.min(this.#limit, this.#left + (nowMs - this.#atMs) * this.#perMs)
  }
}
