import { describe, expect, test } from 'vitest'
import { seededRandom } from '../base/random.ts'
import { FaultyStore, type FaultyOperation } from '../testing/faulty-store.ts'
import { CoalescingStore } from './coalescing-store.ts'
import { CountingStore } from './counting-store.ts'
import { MemoryStore } from './memory-store.ts'
import { WrappingStore } from './wrapping-store.ts'
import type { GetOptions, GetResult } from './object-store.ts'

const mebibyte = 1024 * 1024

/** Remembers what it was asked, and holds answers back while `gate` is set. */
async function gated() {
  const memory = new MemoryStore()
  const asked: GetOptions[] = []
  let gate: Promise<void> | undefined
  const before = async (operation: FaultyOperation) => (operation.operation === 'get' ? gate : undefined)
  const inner = new (class extends WrappingStore {
    override get(key: string, options: GetOptions = {}): Promise<GetResult> {
      asked.push(options)
      return super.get(key, options)
    }
  })(new FaultyStore(memory, { random: seededRandom(1), hooks: { before } }))
  await memory.put('key', new Uint8Array(20 * mebibyte))
  const close = () => {
    let open = () => {}
    gate = new Promise((resolve) => (open = resolve))
    return open
  }
  return { memory, asked, close, store: new CoalescingStore(inner) }
}

const ranges = (asked: readonly GetOptions[]) => asked.map(({ range }) => range)

describe('CoalescingStore', () => {
  test('merges what is at most 256 KiB apart, up to 8 MiB', async () => {
    const { asked, store } = await gated()
    const get = (start: number, end: number) => store.get('key', { range: { start, end } })
    const gap = mebibyte / 4
    await Promise.all([get(0, 10), get(gap + 10, gap + 20)])
    await Promise.all([get(0, 10), get(gap + 11, gap + 20)])
    await Promise.all([get(0, 7 * mebibyte), get(7 * mebibyte, 8 * mebibyte + 1)])
    expect(ranges(asked)).toEqual([
      { start: 0, end: gap + 20 },
      { start: 0, end: 10 },
      { start: gap + 11, end: gap + 20 },
      { start: 0, end: 7 * mebibyte },
      { start: 7 * mebibyte, end: 8 * mebibyte + 1 },
    ])
  })

  test('a read of what is under way shares its answer', async () => {
    const { asked, close, store } = await gated()
    const open = close()
    const first = store.get('key', { range: { start: 100, end: 200 } })
    await Promise.resolve()
    const second = store.get('key', { range: { start: 150, end: 160 } })
    const [whole, again] = [store.get('key'), store.get('key')]
    open()
    expect((await Promise.all([first, second, whole, again])).map((answer) => answer.kind === 'found' && answer.bytes.length)).toEqual([100, 10, 20 * mebibyte, 20 * mebibyte])
    expect(ranges(asked)).toEqual([{ start: 100, end: 200 }, undefined])
    await store.get('key')
    expect(asked).toHaveLength(3)
  })

  test('fresh reads and reads with an etag are neither merged nor shared', async () => {
    const { asked, store } = await gated()
    const range = { start: 0, end: 1 }
    await Promise.all([store.get('key', { fresh: true }), store.get('key', { fresh: true }), store.get('key', { fresh: true, range }), store.get('key', { range, ifNoneMatch: '"x"' }), store.get('key', { range: { suffix: 1 } })])
    expect(asked).toHaveLength(5)
  })

  test('a fresh read that begins after a write sees it, though an older read is under way', async () => {
    const { memory, close, store } = await gated()
    const open = close()
    const old = store.get('log/1')
    await memory.put('log/1', Uint8Array.of(1))
    const fresh = store.get('log/1', { fresh: true })
    open()
    expect((await fresh).kind).toBe('found')
    await old
  })

  test('who aborts leaves alone; the last one stops the request', async () => {
    const { asked, close, store } = await gated()
    const open = close()
    const [one, two] = [new AbortController(), new AbortController()]
    const range = { start: 0, end: 5 }
    const first = store.get('key', { range, signal: one.signal })
    const second = store.get('key', { range, signal: two.signal })
    await Promise.resolve()
    one.abort()
    await expect(first).rejects.toMatchObject({ kind: 'cancelled' })
    expect(asked[0]!.signal!.aborted).toBe(false)
    const third = store.get('key', { range })
    two.abort()
    await expect(second).rejects.toMatchObject({ kind: 'cancelled' })
    expect(asked[0]!.signal!.aborted).toBe(false)
    open()
    expect((await third).kind).toBe('found')
  })

  test('when all have left, the request is stopped, and nobody joins it', async () => {
    const { asked, close, store } = await gated()
    const open = close()
    const range = { start: 0, end: 5 }
    const controller = new AbortController()
    const left = store.get('key', { range, signal: controller.signal })
    await Promise.resolve()
    controller.abort()
    await expect(left).rejects.toMatchObject({ kind: 'cancelled' })
    expect(asked[0]!.signal!.aborted).toBe(true)
    const later = store.get('key', { range })
    open()
    expect((await later).kind).toBe('found')
    expect(asked).toHaveLength(2)
  })

  test('counts: ten near reads are one request', async () => {
    const memory = new MemoryStore()
    await memory.put('key', new Uint8Array(100_000))
    const counting = new CountingStore(memory)
    const store = new CoalescingStore(counting)
    await Promise.all(Array.from({ length: 10 }, (_, i) => store.get('key', { range: { start: i * 9000, end: i * 9000 + 100 } })))
    expect(counting.counts()).toEqual({ requests: { get: 1 }, bytesRead: 81_100, bytesWritten: 0 })
  })
})
