import type { Clock } from '../base/clock.ts'
import { WindlassError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import type { GetOptions, GetResult, ListOptions, ListedObject, ObjectStore, PutOptions, PutResult } from '../store/object-store.ts'
import { WrappingStore, type ObjectHead } from '../store/wrapping-store.ts'

/** How often each thing goes wrong, from 0 to 1; what is left out never does. */
export interface FaultRates {
  /** Any operation fails before it has an effect. */
  readonly unavailable?: number
  /** A put is lost on its way: no effect, no answer. */
  readonly lostRequest?: number
  /** A put has its effect, and its answer is lost. */
  readonly lostAnswer?: number
  /** A put is sent again by something in between: the caller hears what the second one was told. */
  readonly repeated?: number
  /** A put gets no answer, and has its effect later, if its condition holds then. */
  readonly late?: number
  /** The answer to a read is lost: it was evaluated at some moment that the caller does not know. */
  readonly lostRead?: number
}

/** An operation that is about to run. */
export interface FaultyOperation {
  readonly operation: 'get' | 'head' | 'put' | 'list' | 'delete' | 'upload'
  readonly key: string
  /** How many operations came before it, from 0. */
  readonly index: number
  readonly isConditional: boolean
}

export interface FaultOptions {
  readonly random: Random
  /** Sleeps latencies and late puts; without it there are neither. */
  readonly clock?: Clock
  readonly rates?: FaultRates
  /** Before and after each operation, uniform between these. */
  readonly latencyMs?: { readonly min: number; readonly max: number }
  /** How much later a late put comes, at most. */
  readonly lateMaxMs?: number
  readonly hooks?: {
    /** May wait, to hold an operation back; what it throws is what the operation fails with, without effect. */
    before?(operation: FaultyOperation): Promise<void> | void
    /** After the effect, before the caller hears of it: what it throws replaces the answer. */
    after?(operation: FaultyOperation): Promise<void> | void
  }
}

/**
 * Another store whose network fails, by seed: errors, latencies, answers that are lost, puts that are repeated or late, and a
 * process that dies between any two instructions. Everything it does, a real store or what lies before it has done.
 */
export class FaultyStore extends WrappingStore {
  readonly #options: FaultOptions
  readonly #late = new Set<Promise<unknown>>()
  #count = 0
  #crashed = false

  constructor(inner: ObjectStore, options: FaultOptions) {
    super(inner)
    this.#options = options
    if (inner.upload) this.upload = (key, chunks, settings) => this.#run('upload', key, () => inner.upload!(key, chunks, settings))
  }

  /** The process that used this store is dead: nothing it still does has an effect. What is on the way arrives all the same. */
  crash(): void {
    this.#crashed = true
  }

  get hasCrashed(): boolean {
    return this.#crashed
  }

  /** How many operations were begun. */
  get operationCount(): number {
    return this.#count
  }

  /** Resolves when no late put is on its way any more. */
  async settle(): Promise<void> {
    while (this.#late.size > 0) await Promise.all(this.#late)
  }

  override get(key: string, options?: GetOptions): Promise<GetResult> {
    return this.#run('get', key, () => this.inner.get(key, options))
  }

  override head(key: string, options?: { signal?: AbortSignal }): Promise<ObjectHead | null> {
    return this.#run('head', key, () => this.inner.head(key, options))
  }

  override put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<PutResult> {
    // What is sent later is what it was when it was sent.
    const sent = bytes.slice()
    return this.#run('put', key, () => this.#put(key, sent, options), options?.condition !== undefined)
  }

  override async *list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject> {
    await this.#run('list', prefix, async () => undefined)
    for await (const object of this.inner.list(prefix, options)) {
      this.#stopIfCrashed('list', prefix)
      yield object
    }
  }

  override delete(keys: readonly string[], options?: { signal?: AbortSignal }): Promise<void> {
    return this.#run('delete', keys[0] ?? '', () => this.inner.delete(keys, options))
  }

  async #put(key: string, bytes: Uint8Array, options: PutOptions | undefined): Promise<PutResult> {
    const { rates = {}, clock, random, lateMaxMs = 10_000 } = this.#options
    // A request on its way has no caller who could stop it.
    const { signal: _, ...unstoppable } = options ?? {}
    if (this.#happens(rates.lostRequest)) throw lost(this.url, 'put', key)
    if (clock && this.#happens(rates.late)) {
      const arrival: Promise<unknown> = clock
        .sleep(random.next() * lateMaxMs)
        .then(() => this.inner.put(key, bytes, unstoppable))
        .catch(() => undefined)
        .finally(() => this.#late.delete(arrival))
      this.#late.add(arrival)
      throw lost(this.url, 'put', key)
    }
    const answer = await this.inner.put(key, bytes, options)
    if (this.#happens(rates.lostAnswer)) throw lost(this.url, 'put', key)
    return this.#happens(rates.repeated) ? this.inner.put(key, bytes, options) : answer
  }

  async #run<Value>(operation: FaultyOperation['operation'], key: string, task: () => Promise<Value>, isConditional = false): Promise<Value> {
    const { rates = {}, hooks } = this.#options
    const about: FaultyOperation = { operation, key, index: this.#count++, isConditional }
    this.#stopIfCrashed(operation, key)
    await this.#latency()
    await hooks?.before?.(about)
    // The process may have died while it waited.
    this.#stopIfCrashed(operation, key)
    if (this.#happens(rates.unavailable)) throw new WindlassError('unavailable', `${this.url}: ${operation} of ${key}: injected failure`, { key, operation, status: 503 })
    const value = await task()
    await this.#latency()
    await hooks?.after?.(about)
    this.#stopIfCrashed(operation, key)
    if ((operation === 'get' || operation === 'head') && this.#happens(rates.lostRead)) throw new WindlassError('unavailable', `${this.url}: ${operation} of ${key}: injected loss of the answer`, { key, operation })
    return value
  }

  #stopIfCrashed(operation: string, key: string): void {
    if (this.#crashed) throw new WindlassError('unavailable', `${this.url}: ${operation} of ${key}: this process has crashed`, { key, operation })
  }

  async #latency(): Promise<void> {
    const { clock, latencyMs, random } = this.#options
    if (clock && latencyMs) await clock.sleep(latencyMs.min + random.next() * (latencyMs.max - latencyMs.min))
  }

  #happens(rate: number | undefined): boolean {
    // Draws always, so that one rate does not shift what the others do.
    return this.#options.random.next() < (rate ?? 0)
  }
}

function lost(url: string, operation: string, key: string): WindlassError {
  return new WindlassError('outcome-unknown', `${url}: ${operation} of ${key}: injected loss: it may be written or not`, { key, operation })
}
