import type { Clock } from '../base/clock.ts'
import type { GetOptions, GetResult, ObjectStore } from './object-store.ts'
import { WrappingStore } from './wrapping-store.ts'

/** When a second request is worth its price. */
export interface HedgeSettings {
  /** Never earlier than this. */
  readonly delayMinMs: number
  /** Before enough was measured. */
  readonly delayDefaultMs: number
  /** The part of all range reads that may be sent twice. */
  readonly rateMax: number
}

export const defaultHedgeSettings: HedgeSettings = { delayMinMs: 30, delayDefaultMs: 500, rateMax: 0.05 }

const samplesMax = 256
const samplesMin = 20
// Second requests that may be saved up while none is needed.
const savedMax = 10
// Reads of about one size take about one time: up to 64 KiB, up to 1 MiB, and above.
const sizeClasses = [64 * 1024, 1024 * 1024]

/**
 * Sends a range read a second time when the first takes longer than 95 % of its kind did; the first answer wins, the other is
 * aborted. Hedged requests after Dean and Barroso, "The Tail at Scale" (2013), with their cap of 5 % more requests.
 * Reads with `fresh` are left alone: the engine times those itself.
 */
export class HedgingStore extends WrappingStore {
  readonly #clock: Clock
  readonly #settings: HedgeSettings
  readonly #durations: Durations[] = [new Durations(), new Durations(), new Durations()]
  #saved = 1

  constructor(inner: ObjectStore, { clock, settings = defaultHedgeSettings }: { clock: Clock; settings?: HedgeSettings }) {
    super(inner)
    this.#clock = clock
    this.#settings = settings
  }

  override async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    if (!options.range || options.fresh) return this.inner.get(key, options)
    this.#saved = Math.min(savedMax, this.#saved + this.#settings.rateMax)
    const durations = this.#durations[classOf(options.range)]!
    const startedMs = this.#clock.monotonic()
    const answer = await this.#race(key, options, durations)
    // Where the second won, this is less than the first would have taken: the estimate errs towards hedging, which is capped.
    durations.add(this.#clock.monotonic() - startedMs)
    return answer
  }

  async #race(key: string, options: GetOptions, durations: Durations): Promise<GetResult> {
    const { signal } = options
    const stop = new AbortController()
    const attempts: AbortController[] = []
    const send = () => {
      const controller = new AbortController()
      attempts.push(controller)
      return this.inner.get(key, { ...options, signal: controller.signal })
    }
    const cancel = () => {
      stop.abort(signal?.reason)
      for (const attempt of attempts) attempt.abort(signal?.reason)
    }
    if (signal?.aborted) return this.inner.get(key, options)
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      const first = send()
      const second = this.#clock.sleep(this.#delayMs(durations), stop.signal).then(() => (this.#saved < 1 ? first : this.#second(send)))
      // A first that fails is the answer, unless the second was sent already: retrying is another wrapper's business.
      return await Promise.race([first.catch((error: unknown) => (attempts.length > 1 ? second.catch(() => Promise.reject(error)) : Promise.reject(error))), second.catch(() => first)])
    } finally {
      signal?.removeEventListener('abort', cancel)
      cancel()
    }
  }

  #second(send: () => Promise<GetResult>): Promise<GetResult> {
    this.#saved -= 1
    return send()
  }

  #delayMs(durations: Durations): number {
    return Math.max(this.#settings.delayMinMs, durations.percentile95() ?? this.#settings.delayDefaultMs)
  }
}

function classOf(range: NonNullable<GetOptions['range']>): number {
  const size = 'suffix' in range ? range.suffix : range.end - range.start
  const found = sizeClasses.findIndex((max) => size <= max)
  return found === -1 ? sizeClasses.length : found
}

/** The latest durations of one kind of read. */
class Durations {
  readonly #latest: number[] = []
  #next = 0

  add(durationMs: number): void {
    this.#latest[this.#next] = durationMs
    this.#next = (this.#next + 1) % samplesMax
  }

  /** Undefined until enough was measured. */
  percentile95(): number | undefined {
    if (this.#latest.length < samplesMin) return undefined
    return [...this.#latest].sort((a, b) => a - b)[Math.floor(this.#latest.length * 0.95)]
  }
}
