import { describe, expect, test } from 'vitest'
import { throwIfAborted, WindlassError } from '../base/errors.ts'
import { SimClock } from '../testing/sim-clock.ts'
import { HedgingStore } from './hedging-store.ts'
import { MemoryStore } from './memory-store.ts'
import type { GetOptions, GetResult } from './object-store.ts'
import { WrappingStore } from './wrapping-store.ts'

const range = { start: 0, end: 2 }

/** Each read takes as long as the next of `durations`; negative: it fails then. */
class SlowStore extends WrappingStore {
  readonly clock: SimClock
  readonly durations: number[] = []
  begun = 0
  cancelled = 0

  constructor(clock: SimClock) {
    super(new MemoryStore({ clock }))
    this.clock = clock
  }

  override async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    this.begun++
    const duration = this.durations.shift() ?? 10
    await this.clock.sleep(Math.abs(duration), options.signal).catch((error: unknown) => {
      this.cancelled++
      throw error
    })
    throwIfAborted(options.signal)
    if (duration < 0) throw new WindlassError('unavailable', 'injected')
    return super.get(key, options)
  }
}

async function warmStore() {
  const clock = new SimClock()
  const slow = new SlowStore(clock)
  await slow.put('key', Uint8Array.of(1, 2, 3))
  const store = new HedgingStore(slow, { clock })
  for (let i = 0; i < 40; i++) await clock.runUntil(store.get('key', { range }))
  slow.begun = 0
  return { clock, slow, store }
}

describe('HedgingStore', () => {
  test('a slow read is sent again, the second answer wins, and the first is aborted', async () => {
    const { clock, slow, store } = await warmStore()
    slow.durations.push(5000, 10)
    const before = clock.monotonic()
    const answer = await clock.runUntil(store.get('key', { range }))
    expect(answer).toMatchObject({ kind: 'found', bytes: Uint8Array.of(1, 2) })
    expect(clock.monotonic() - before).toBeLessThan(100)
    expect([slow.begun, slow.cancelled]).toEqual([2, 1])
  })

  test('a read in its usual time is sent once', async () => {
    const { clock, slow, store } = await warmStore()
    await clock.runUntil(store.get('key', { range }))
    expect(slow.begun).toBe(1)
    expect(clock.sleeping).toBe(0)
  })

  test('when everything is slow, no more than a twentieth is sent twice, after what was saved up', async () => {
    const { clock, slow, store } = await warmStore()
    // Ever slower, so that each takes longer than what was usual.
    slow.durations.push(...Array.from({ length: 500 }, (_, i) => 50 + 10 * i))
    for (let i = 0; i < 200; i++) await clock.runUntil(store.get('key', { range }))
    expect(slow.begun - 200).toBeGreaterThan(1)
    expect(slow.begun - 200).toBeLessThanOrEqual(200 / 20 + 3)
  })

  test('whole and fresh reads are never sent twice', async () => {
    const { clock, slow, store } = await warmStore()
    slow.durations.push(5000, 5000)
    await clock.runUntil(Promise.all([store.get('key'), store.get('key', { range, fresh: true })]))
    expect(slow.begun).toBe(2)
  })

  test('a failure of one is not the answer while the other may succeed', async () => {
    const { clock, slow, store } = await warmStore()
    slow.durations.push(-300, 400)
    expect((await clock.runUntil(store.get('key', { range }))).kind).toBe('found')
    slow.durations.push(400, -30)
    expect((await clock.runUntil(store.get('key', { range }))).kind).toBe('found')
    slow.durations.push(-10)
    await expect(clock.runUntil(store.get('key', { range }))).rejects.toMatchObject({ kind: 'unavailable' })
  })

  test('an abort stops both', async () => {
    const { clock, slow, store } = await warmStore()
    slow.durations.push(5000, 5000)
    const controller = new AbortController()
    const reading = store.get('key', { range, signal: controller.signal })
    await clock.advance(1000)
    expect(slow.begun).toBe(2)
    controller.abort()
    await expect(reading).rejects.toMatchObject({ kind: 'cancelled' })
    expect([slow.cancelled, clock.sleeping]).toEqual([2, 0])
  })
})
