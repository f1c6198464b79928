import type { Clock } from '../../src/base/clock.ts'
import { WindlassError } from '../../src/base/errors.ts'
import type { Random } from '../../src/base/random.ts'
import { Database } from '../../src/engine/database.ts'
import type { EngineSettings } from '../../src/engine/core.ts'
import { CoalescingStore } from '../../src/store/coalescing-store.ts'
import { HedgingStore } from '../../src/store/hedging-store.ts'
import { ListingAbsenceStore } from '../../src/store/listing-absence-store.ts'
import { RetryingStore } from '../../src/store/retrying-store.ts'
import { createAnalyzerById } from '../../src/text/analyzer.ts'
import { graceMs } from './plan.ts'
import { SimStore, type StoreSituation } from './sim-store.ts'
import type { Owner, World } from './world.ts'

/** Small, so that a short history flushes often. */
export const simulatedSettings: Partial<EngineSettings> = {
  graceMs,
  refreshIntervalMs: 60_000,
  flushBytes: 1500,
  flushCommits: 6,
  flushAgeMs: 60_000,
  unflushedBytesMax: 6000,
  unflushedCommitsMax: 12,
  historyMs: 0,
}

/** A process's own clocks, which err each in its own way. */
class ProcessClock implements Clock {
  readonly #world: World
  readonly #owner: Owner
  readonly #epochMs: number
  /** Wall clock minus true time. */
  skewMs: number
  /** How long the monotonic clock stood still while the machine slept. */
  stoppedMs = 0

  constructor(world: World, owner: Owner, epochMs: number, skewMs: number) {
    this.#world = world
    this.#owner = owner
    this.#epochMs = epochMs
    this.skewMs = skewMs
  }

  now(): number {
    return Math.round(this.#world.now + this.#epochMs + this.skewMs)
  }

  monotonic(): number {
    return this.#world.now - this.stoppedMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancelled = () => {
        step.cancel()
        reject(new WindlassError('cancelled', 'cancelled by the caller', { cause: signal?.reason }))
      }
      const step = this.#world.schedule(ms, this.#owner, 'sleep', () => {
        signal?.removeEventListener('abort', cancelled)
        resolve()
      })
      if (signal?.aborted) cancelled()
      else signal?.addEventListener('abort', cancelled, { once: true })
    })
  }
}

/** One process: its clocks, its chance, its stack of stores as in production, its database. */
export class SimProcess implements Owner {
  readonly name: string
  isAlive = true
  frozenUntil = -1
  /** Its clocks told it the truth so far. */
  isSteady = true
  /** Clients of it that still ask. */
  clientsLeft = 0
  readonly clock: ProcessClock
  readonly database: Database
  readonly bare: SimStore
  #isStopped = false

  constructor(name: string, situation: StoreSituation, options: { skewMs: number; cacheBytes: number; mergeFanIn: number; random: Random; lastPut: Map<string, number> }) {
    const { world } = situation
    this.name = name
    this.clock = new ProcessClock(world, this, situation.epochMs, options.skewMs)
    this.bare = new SimStore(situation, this, options.lastPut)
    const { clock } = this
    const { random } = options
    // As in store/open-store.ts.
    const retrying = new RetryingStore(new HedgingStore(this.bare, { clock }), { clock, random })
    const store = new CoalescingStore(new ListingAbsenceStore(retrying, { random }))
    this.database = new Database({ store, clock, random, analyzerFor: createAnalyzerById, settings: { ...simulatedSettings, memoryBudgetBytes: options.cacheBytes, mergeFanIn: options.mergeFanIn } })
  }

  /** Nothing of it runs any more; what it sent may still arrive. */
  crash(): void {
    this.isAlive = false
  }

  /** Nothing of it runs for `ms`. @param stopsMonotonic The machine sleeps, and that clock with it. */
  freeze(now: number, ms: number, stopsMonotonic: boolean): void {
    this.frozenUntil = now + ms
    this.#isStopped = stopsMonotonic
    if (!stopsMonotonic) return
    this.clock.stoppedMs += ms
    this.isSteady = false
  }

  /** Ends its sleep, if it sleeps. Its clock did not stand still for longer than that. */
  wake(now: number): void {
    if (this.#isStopped) this.clock.stoppedMs -= Math.max(0, this.frozenUntil - now)
    this.#isStopped = false
    this.frozenUntil = -1
  }
}
