import { describe, expect, test } from 'vitest'
import { WindlassError, type ErrorKind } from '../base/errors.ts'
import { seededRandom } from '../base/random.ts'
import { FaultyStore, type FaultyOperation } from '../testing/faulty-store.ts'
import { SimClock } from '../testing/sim-clock.ts'
import { MemoryStore } from './memory-store.ts'
import { RetryingStore } from './retrying-store.ts'

const bytes = Uint8Array.of(1, 2, 3)

/** A store whose first `failures` operations fail, and its wrapper. */
function failing(failures: number, kind: ErrorKind = 'unavailable', details: { retryAfterMs?: number } = {}) {
  const clock = new SimClock()
  const memory = new MemoryStore({ clock })
  const seen: (FaultyOperation & { at: number })[] = []
  const before = (operation: FaultyOperation) => {
    seen.push({ ...operation, at: clock.monotonic() })
    if (seen.length <= failures) throw new WindlassError(kind, 'injected', details)
  }
  const store = new RetryingStore(new FaultyStore(memory, { random: seededRandom(1), hooks: { before } }), { clock, random: seededRandom(2) })
  return { clock, memory, seen, store }
}

describe('RetryingStore', () => {
  test('repeats reads, deletes and unconditional puts, whatever became of them', async () => {
    for (const kind of ['unavailable', 'outcome-unknown'] as const) {
      for (const operation of ['get', 'head', 'put', 'delete'] as const) {
        const { clock, seen, store } = failing(3, kind)
        const done = { get: () => store.get('key'), head: () => store.head('key'), put: () => store.put('key', bytes), delete: () => store.delete(['key']) }[operation]()
        await clock.runUntil(Promise.resolve<unknown>(done))
        expect(seen.map((each) => each.operation)).toEqual([operation, operation, operation, operation])
      }
    }
  })

  test('never repeats a conditional put: the second could meet the success of the first', async () => {
    for (const kind of ['unavailable', 'outcome-unknown'] as const) {
      for (const condition of [{ ifAbsent: true }, { ifMatch: '"1"' }] as const) {
        const { seen, store } = failing(1, kind)
        await expect(store.put('key', bytes, { condition })).rejects.toMatchObject({ kind })
        expect(seen).toHaveLength(1)
      }
    }
  })

  test('gives up what repeating cannot mend, at once', async () => {
    for (const kind of ['denied', 'unauthenticated', 'invalid', 'storage-full', 'conflict'] as const) {
      const { seen, store } = failing(1, kind)
      await expect(store.get('key')).rejects.toMatchObject({ kind })
      expect(seen).toHaveLength(1)
    }
  })

  test('gives up after six attempts, and says how many they were', async () => {
    const { clock, seen, store } = failing(100)
    await expect(clock.runUntil(store.get('key'))).rejects.toThrow(/injected \(tried 6 times in \d+ ms\)/)
    expect(seen).toHaveLength(6)
  })

  test('begins no attempt after the deadline', async () => {
    const { clock, seen, store } = failing(100, 'unavailable', { retryAfterMs: 25_000 })
    await expect(clock.runUntil(store.get('key'))).rejects.toMatchObject({ kind: 'unavailable' })
    expect(seen.map(({ at }) => at)).toEqual([0, 25_000, 50_000])
  })

  test('waits a random part of a time that doubles, and what the store asks for', async () => {
    const { clock, seen, store } = failing(5)
    await clock.runUntil(store.get('key'))
    const waits = seen.slice(1).map(({ at }, i) => at - seen[i]!.at)
    expect(waits).toHaveLength(5)
    waits.forEach((wait, i) => expect(wait).toBeLessThanOrEqual(50 * 2 ** (i + 1)))
    expect(new Set(waits).size).toBe(5)
    const asked = failing(1, 'unavailable', { retryAfterMs: 7000 })
    await asked.clock.runUntil(asked.store.get('key'))
    expect(asked.seen[1]!.at).toBe(7000)
  })

  test('goes on with a listing after the last key it saw', async () => {
    const clock = new SimClock()
    const memory = new MemoryStore({ clock })
    for (let i = 0; i < 50; i++) await memory.put(`key-${String(i).padStart(2, '0')}`, bytes)
    let breaks = 0
    const breaking = new (class extends FaultyStore {
      override async *list(prefix: string, options?: { startAfter?: string }) {
        let listed = 0
        for await (const object of memory.list(prefix, options)) {
          if (listed++ === 7 && breaks++ < 100) throw new WindlassError('unavailable', 'the page broke off')
          yield object
        }
      }
    })(memory, { random: seededRandom(1) })
    const store = new RetryingStore(breaking, { clock, random: seededRandom(2) })
    const listed: string[] = []
    await clock.runUntil(
      (async () => {
        for await (const { key } of store.list('key-')) listed.push(key)
      })(),
    )
    expect(listed).toHaveLength(50)
    expect(new Set(listed).size).toBe(50)
    expect(breaks).toBe(7)
  })

  test('an abort ends the wait', async () => {
    const { clock, store } = failing(100, 'unavailable', { retryAfterMs: 30_000 })
    const controller = new AbortController()
    const reading = store.get('key', { signal: controller.signal })
    await clock.advance(10)
    controller.abort()
    await expect(reading).rejects.toMatchObject({ kind: 'cancelled' })
    expect(clock.sleeping).toBe(0)
  })
})
