import type { Clock } from '../../base/clock.ts'
import { seededRandom } from '../../base/random.ts'
import { MemoryStore } from '../../store/memory-store.ts'
import type { ObjectStore } from '../../store/object-store.ts'
import type { EngineCollection } from '../collection.ts'
import type { EngineSettings } from '../core.ts'
import type { Database } from '../database.ts'
import { newDatabase } from '../testing.ts'

/** The grace period of these tests. */
export const graceMs = 3_600_000

/** Time that a test moves; sleeping moves it too. */
export class HandClock implements Clock {
  ms = 1_700_000_000_000
  now = (): number => this.ms
  monotonic = (): number => this.ms
  sleep = async (ms: number): Promise<void> => void (this.ms += ms)
}

/** A bucket and a clock that all processes share; `open` starts one that shares nothing else; no history is kept, and nothing is merged by itself. */
export function world(settings: Partial<EngineSettings> = {}): { clock: HandClock; store: MemoryStore; open: (store?: ObjectStore) => Database } {
  const clock = new HandClock()
  const store = new MemoryStore({ clock })
  let processCount = 0
  const open = (each: ObjectStore = store) => newDatabase(each, { clock, random: seededRandom(++processCount), settings: { graceMs, historyMs: 0, mergeFanIn: 1000, ...settings } })
  return { clock, store, open }
}

/** Keys below the collection's prefix. */
export async function keysOf(store: ObjectStore, c: EngineCollection, folder = ''): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(c.core.prefix + folder)) keys.push(key.slice(c.core.prefix.length))
  return keys
}

/** Visits of a sweep, a grace period apart. */
export async function sweepTimes(c: EngineCollection, clock: HandClock, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await c.settle()
    clock.ms += graceMs
    await c.sweep()
  }
}
