import { isWindlassError } from '../../base/errors.ts'
import { newNonce } from '../../base/random.ts'
import { decodeLease, encodeLease, leaseKey } from '../../format/lease.ts'
import type { CollectionCore } from '../core.ts'

/**
 * Keeps the processes of a collection from doing the same maintenance twice. Economy only: correctness never depends on it.
 *
 * A lease is taken over when its etag has not changed for its duration on this process's own monotonic clock, so that no two
 * clocks are compared (docs/protocol.md, I1). It is given back by overwriting, never deleted, and not renewed while idle.
 */
export class MaintenanceLease {
  readonly #core: CollectionCore
  #etag: string | null = null
  #renewedAt = 0
  #seen: { readonly etag: string; readonly at: number } | null = null

  constructor(core: CollectionCore) {
    this.#core = core
  }

  /** @returns whether this process may go on; false also when the store did not let it know. */
  async acquire(): Promise<boolean> {
    const { store, clock, settings } = this.#core.context
    const answer = await store.get(this.#core.prefix + leaseKey, { fresh: true })
    if (answer.kind !== 'found') return this.#put('held', null)
    const lease = decodeLease(answer.bytes, settings.leaseMs)
    if (lease.state === 'held') {
      if (this.#seen?.etag !== answer.etag) this.#seen = { etag: answer.etag, at: clock.monotonic() }
      if (clock.monotonic() - this.#seen.at < lease.durationMs) return false
    }
    return this.#put('held', answer.etag)
  }

  /** Shows others that the holder is alive, once a third of the duration has passed. */
  async renew(): Promise<void> {
    const { clock, settings } = this.#core.context
    if (this.#etag !== null && clock.monotonic() - this.#renewedAt > settings.leaseMs / 3) await this.#put('held', this.#etag)
  }

  /** Gives it back. */
  async release(): Promise<void> {
    if (this.#etag === null) return
    await this.#put('free', this.#etag)
    this.#etag = null
  }

  async #put(state: 'held' | 'free', etag: string | null): Promise<boolean> {
    const { store, random, clock, settings } = this.#core.context
    const bytes = encodeLease({ nonce: newNonce(random), state, durationMs: settings.leaseMs })
    try {
      const answer = await store.put(this.#core.prefix + leaseKey, bytes, { condition: etag === null ? { ifAbsent: true } : { ifMatch: etag } })
      this.#etag = answer.etag
      this.#renewedAt = clock.monotonic()
      return true
    } catch (error) {
      // Whether it was another's success or our own with the answer lost: somebody holds it, and it runs out.
      if (!isWindlassError(error, 'conflict', 'outcome-unknown', 'unavailable')) throw error
      this.#etag = null
      return false
    }
  }
}
