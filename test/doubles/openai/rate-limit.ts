import type { Clock } from '../../../src/base/clock.ts'
import { ApiError } from './answers.ts'

/** Requests and tokens a minute, each a bucket that fills steadily, as OpenAI's do. */
export class RateLimit {
  readonly #clock: Clock
  readonly #perMinute: { requests: number; tokens: number }
  #left: { requests: number; tokens: number }
  #at: number

  constructor(clock: Clock, requestsPerMinute = Infinity, tokensPerMinute = Infinity) {
    this.#clock = clock
    this.#perMinute = { requests: requestsPerMinute, tokens: tokensPerMinute }
    this.#left = { ...this.#perMinute }
    this.#at = clock.monotonic()
  }

  /** Takes what a request needs and tells what is left. @throws {ApiError} 429 with Retry-After when it is not there. */
  take(tokens: number): Record<string, string> {
    this.#fill()
    for (const [what, needed] of [['requests', 1], ['tokens', tokens]] as const) {
      if (this.#left[what] >= needed) continue
      const waitMs = Math.ceil(((needed - this.#left[what]) / this.#perMinute[what]) * 60_000)
      throw new ApiError(429, `Rate limit reached for ${what} per min: Limit ${this.#perMinute[what]}, Requested ${needed}. Please try again in ${waitMs}ms.`, {
        type: what,
        code: 'rate_limit_exceeded',
        headers: { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))), 'retry-after-ms': String(waitMs), ...this.#headers() },
      })
    }
    this.#left.requests -= 1
    this.#left.tokens -= tokens
    return this.#headers()
  }

  #fill(): void {
    const elapsed = (this.#clock.monotonic() - this.#at) / 60_000
    this.#at = this.#clock.monotonic()
    for (const what of ['requests', 'tokens'] as const) {
      if (this.#perMinute[what] !== Infinity) this.#left[what] = Math.min(this.#perMinute[what], this.#left[what] + elapsed * this.#perMinute[what])
    }
  }

  #headers(): Record<string, string> {
    return Object.fromEntries(
      (['requests', 'tokens'] as const)
        .filter((what) => this.#perMinute[what] !== Infinity)
        .flatMap((what) => {
          const missing = this.#perMinute[what] - this.#left[what]
          return [
            [`x-ratelimit-limit-${what}`, String(this.#perMinute[what])],
            [`x-ratelimit-remaining-${what}`, String(Math.floor(this.#left[what]))],
            [`x-ratelimit-reset-${what}`, `${Math.ceil((missing / this.#perMinute[what]) * 60_000)}ms`],
          ]
        }),
    )
  }
}
