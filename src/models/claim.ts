import type { Clock } from '../base/clock.ts'
import { isWindlassError, throwIfAborted } from '../base/errors.ts'
import { newNonce, type Random } from '../base/random.ts'
import type { ObjectStore } from '../store/object-store.ts'

const heartbeatMs = 2000
/** A claim that did not change for so long is a dead process's. */
const silenceMs = 8000
const pauseFirstMs = 50
const pauseMaxMs = 1000

/**
 * Lets one of many processes do what all of them want done, and the others wait for it: an object created with If-None-Match, renewed
 * while the work goes on, deleted afterwards, taken over with If-Match when it falls silent. Economy only: two that both think they
 * hold it do the work twice, and what they write is the same.
 * @param find What the work leaves behind, once it is done; looked for again after every claim that ended.
 * @returns What was found, or what `work` gives.
 */
export async function claimed<Value>(
  key: string,
  { store, clock, random, signal }: { store: ObjectStore; clock: Clock; random: Random; signal?: AbortSignal | undefined },
  find: () => Promise<Value | null>,
  work: () => Promise<Value>,
): Promise<Value> {
  const claim = new Claim(key, store, clock, random)
  let seen = { etag: '', since: clock.monotonic() }
  for (let pause = pauseFirstMs; ; pause = Math.min(pause * 1.5, pauseMaxMs)) {
    throwIfAborted(signal)
    const other = await claim.take(seen.etag !== '' && clock.monotonic() - seen.since > silenceMs ? seen.etag : null)
    if (other === null) {
      const stop = claim.renew()
      try {
        return (await find()) ?? (await work())
      } finally {
        await stop()
      }
    }
    if (other !== seen.etag) seen = { etag: other, since: clock.monotonic() }
    await clock.sleep(pause * (0.5 + random.next()), signal)
  }
}

class Claim {
  readonly #key: string
  readonly #store: ObjectStore
  readonly #clock: Clock
  readonly #nonce: string
  #etag: string | null = null
  #count = 0

  constructor(key: string, store: ObjectStore, clock: Clock, random: Random) {
    this.#key = key
    this.#store = store
    this.#clock = clock
    this.#nonce = newNonce(random)
  }

  /**
   * Takes the claim if nobody has it, or from who fell silent at `silent`.
   * @returns null when it is ours, or when this bucket takes no claims: then everyone works for himself; else its etag.
   */
  async take(silent: string | null): Promise<string | null> {
    try {
      await this.#put(silent === null ? { ifAbsent: true } : { ifMatch: silent })
      return null
    } catch (error) {
      if (isWindlassError(error, 'cancelled')) throw error
      if (!isWindlassError(error, 'conflict', 'outcome-unknown')) return null
    }
    const current = await this.#store.get(this.#key, { fresh: true })
    // Gone since: taken at the next round.
    if (current.kind !== 'found') return ''
    if (new TextDecoder().decode(current.bytes).startsWith(this.#nonce)) this.#etag = current.etag
    return this.#etag === current.etag ? null : current.etag
  }

  /** Shows that this process is alive until the returned function is called, which gives the claim up. */
  renew(): () => Promise<void> {
    const ended = new AbortController()
    const renewing = (async () => {
      while (this.#etag !== null) {
        await this.#clock.sleep(heartbeatMs, ended.signal)
        await this.#put({ ifMatch: this.#etag })
      }
    })().catch(() => undefined)
    return async () => {
      ended.abort()
      await renewing
      // What others took over is theirs: a claim that is deleted wrongly only costs a download.
      if (this.#etag !== null) await this.#store.delete([this.#key]).catch(() => undefined)
    }
  }

  async #put(condition: { ifAbsent: true } | { ifMatch: string }): Promise<void> {
    // Etags may be made of the content: a renewal must not look like what it renews.
    const { etag } = await this.#store.put(this.#key, new TextEncoder().encode(`${this.#nonce} ${++this.#count}\n`), { condition })
    this.#etag = etag
  }
}
