import type { Clock } from '../base/clock.ts'
import { isWindlassError, messageOf, WindlassError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import type { GetOptions, GetResult, ListOptions, ListedObject, ObjectStore, PutOptions, PutResult } from './object-store.ts'
import { WrappingStore, type ObjectHead } from './wrapping-store.ts'

/** How long to go on trying. */
export interface RetrySettings {
  readonly attemptsMax: number
  /** First wait, doubled each time; the real wait is uniform between 0 and that ("full jitter", Brooker 2015). */
  readonly baseMs: number
  readonly waitMaxMs: number
  /** No new attempt begins after this; the one under way has the store's own limit. */
  readonly deadlineMs: number
}

export const defaultRetrySettings: RetrySettings = { attemptsMax: 6, baseMs: 50, waitMaxMs: 5000, deadlineMs: 60_000 }

/**
 * Tries again what failed for a while and is safe to repeat. Conditional puts are never repeated here: the second could meet the
 * first one's success, and only the engine can tell (docs/protocol.md, B2). Nor are uploads, whose stream is used up.
 */
export class RetryingStore extends WrappingStore {
  readonly #clock: Clock
  readonly #random: Random
  readonly #settings: RetrySettings

  constructor(inner: ObjectStore, { clock, random, settings = defaultRetrySettings }: { clock: Clock; random: Random; settings?: RetrySettings }) {
    super(inner)
    this.#clock = clock
    this.#random = random
    this.#settings = settings
  }

  override get(key: string, options?: GetOptions): Promise<GetResult> {
    return this.#retry(() => this.inner.get(key, options), options?.signal)
  }

  override head(key: string, options?: { signal?: AbortSignal }): Promise<ObjectHead | null> {
    return this.#retry(() => this.inner.head(key, options), options?.signal)
  }

  override put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<PutResult> {
    if (options?.condition) return this.inner.put(key, bytes, options)
    return this.#retry(() => this.inner.put(key, bytes, options), options?.signal)
  }

  /** A page that fails is asked for again from the last key that was seen. */
  override async *list(prefix: string, { startAfter, signal }: ListOptions = {}): AsyncIterable<ListedObject> {
    const attempts = new Attempts(this.#clock, this.#settings)
    for (let last = startAfter; ; ) {
      try {
        for await (const object of this.inner.list(prefix, { ...(last !== undefined && { startAfter: last }), ...(signal && { signal }) })) {
          last = object.key
          attempts.restart()
          yield object
        }
        return
      } catch (error) {
        await this.#wait(attempts.failed(error), error as WindlassError, signal)
      }
    }
  }

  override delete(keys: readonly string[], options?: { signal?: AbortSignal }): Promise<void> {
    return this.#retry(() => this.inner.delete(keys, options), options?.signal)
  }

  async #retry<Value>(task: () => Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
    const attempts = new Attempts(this.#clock, this.#settings)
    for (;;) {
      try {
        return await task()
      } catch (error) {
        await this.#wait(attempts.failed(error), error as WindlassError, signal)
      }
    }
  }

  #wait(failures: number, error: WindlassError, signal: AbortSignal | undefined): Promise<void> {
    const { baseMs, waitMaxMs } = this.#settings
    const jitter = this.#random.next() * Math.min(waitMaxMs, baseMs * 2 ** failures)
    return this.#clock.sleep(Math.max(jitter, error.details.retryAfterMs ?? 0), signal)
  }
}

/** Counts the failures of one operation. */
class Attempts {
  readonly #clock: Clock
  readonly #settings: RetrySettings
  #startedMs: number
  #failures = 0

  constructor(clock: Clock, settings: RetrySettings) {
    this.#clock = clock
    this.#settings = settings
    this.#startedMs = clock.monotonic()
  }

  /** There was progress: what follows is as good as a new operation. */
  restart(): void {
    this.#failures = 0
    this.#startedMs = this.#clock.monotonic()
  }

  /** @returns how many attempts have failed. @throws what must not, or no longer, be tried again. */
  failed(error: unknown): number {
    // Only what may be repeated comes here, so "unknown" is as good as "not done".
    if (!isWindlassError(error, 'unavailable', 'outcome-unknown')) throw error
    const { attemptsMax, deadlineMs } = this.#settings
    const spentMs = this.#clock.monotonic() - this.#startedMs
    const nextMs = spentMs + (error.details.retryAfterMs ?? 0)
    if (++this.#failures < attemptsMax && nextMs <= deadlineMs) return this.#failures
    throw new WindlassError('unavailable', `${messageOf(error)} (tried ${this.#failures} times in ${Math.round(spentMs)} ms)`, { ...error.details, cause: error })
  }
}
