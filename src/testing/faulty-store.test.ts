import { describe, expect, test } from 'vitest'
import { seededRandom } from '../base/random.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { FaultyStore, type FaultOptions } from './faulty-store.ts'
import { SimClock } from './sim-clock.ts'

const bytes = Uint8Array.of(1)
const ifAbsent = { condition: { ifAbsent: true } } as const

function open(options: Omit<FaultOptions, 'random'>, seed = 1) {
  const memory = new MemoryStore()
  return { memory, store: new FaultyStore(memory, { random: seededRandom(seed), ...options }) }
}

describe('FaultyStore', () => {
  test('a lost request has no effect, a lost answer has one; both look the same', async () => {
    for (const [rate, there] of [['lostRequest', 'absent'], ['lostAnswer', 'found']] as const) {
      const { memory, store } = open({ rates: { [rate]: 1 } })
      await expect(store.put('key', bytes, ifAbsent)).rejects.toMatchObject({ kind: 'outcome-unknown' })
      expect((await memory.get('key')).kind).toBe(there)
    }
  })

  test('a repeated put meets its own success', async () => {
    const { memory, store } = open({ rates: { repeated: 1 } })
    await expect(store.put('key', bytes, ifAbsent)).rejects.toMatchObject({ kind: 'conflict' })
    expect((await memory.get('key')).kind).toBe('found')
  })

  test('a late put arrives later, with what it was sent', async () => {
    const clock = new SimClock()
    const { memory, store } = open({ rates: { late: 1 }, clock, lateMaxMs: 1000 })
    const sent = Uint8Array.of(7)
    await expect(store.put('key', sent, ifAbsent)).rejects.toMatchObject({ kind: 'outcome-unknown' })
    sent.fill(0)
    expect((await memory.get('key')).kind).toBe('absent')
    store.crash()
    await clock.advance(1000)
    await store.settle()
    expect(await memory.get('key')).toMatchObject({ kind: 'found', bytes: Uint8Array.of(7) })
  })

  test('after a crash nothing has an effect, also not what was waiting', async () => {
    let open_ = () => {}
    const gate = new Promise<void>((resolve) => (open_ = resolve))
    const { memory, store } = open({ hooks: { before: () => gate } })
    const put = store.put('key', bytes)
    store.crash()
    open_()
    await expect(put).rejects.toThrow(/crashed/)
    await expect(store.delete(['key'])).rejects.toThrow(/crashed/)
    expect((await memory.get('key')).kind).toBe('absent')
  })

  test('the same seed fails in the same places', async () => {
    const run = async (seed: number) => {
      const { store } = open({ rates: { unavailable: 0.2, lostAnswer: 0.2, lostRead: 0.2 } }, seed)
      const outcomes: string[] = []
      for (let i = 0; i < 100; i++) outcomes.push(await (i % 2 ? store.get('key') : store.put('key', bytes)).then(() => 'ok', (error: { kind: string }) => error.kind))
      return outcomes.join()
    }
    expect(await run(5)).toBe(await run(5))
    expect(await run(5)).not.toBe(await run(6))
    expect(new Set((await run(5)).split(','))).toEqual(new Set(['ok', 'unavailable', 'outcome-unknown']))
  })

  test('hooks see each operation before and after its effect, and may fail it', async () => {
    const seen: string[] = []
    const hooks = {
      before: ({ operation, index }: { operation: string; index: number }) => void seen.push(`${operation} ${index}`),
      after: ({ operation }: { operation: string }) => {
        if (operation === 'put') throw new Error('the process dies here')
      },
    }
    const { memory, store } = open({ hooks })
    await expect(store.put('key', bytes)).rejects.toThrow('the process dies here')
    await store.get('key')
    expect(seen).toEqual(['put 0', 'get 1'])
    expect((await memory.get('key')).kind).toBe('found')
  })
})
