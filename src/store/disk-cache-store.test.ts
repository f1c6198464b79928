import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { seededRandom, systemRandom } from '../base/random.ts'
import { CountingStore } from './counting-store.ts'
import { DiskCacheStore, type DiskCacheSettings } from './disk-cache-store.ts'
import { MemoryStore } from './memory-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'windlass-disk-cache-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const size = 100_000
const contents = [1, 2, 3, 9].map((seed) => [seed, Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) + seed) & 255)] as const)
const content = (seed: number) => new Map(contents).get(seed)!

async function world(settings: Partial<DiskCacheSettings> = {}) {
  const memory = new MemoryStore()
  for (const seed of [1, 2, 3]) await memory.put(`segments/${seed}`, content(seed))
  await memory.put('manifest', content(9))
  const counting = new CountingStore(memory)
  const store = new DiskCacheStore(counting, { folder, budgetBytes: 1 << 20, isImmutable: (key) => key.startsWith('segments/'), ...settings }, systemRandom)
  const read = async (key: string, start: number, end: number) => {
    const answer = await store.get(key, { range: { start, end } })
    if (answer.kind !== 'found') throw new Error(answer.kind)
    expect(answer.size).toBe(size)
    return answer.bytes
  }
  const gets = () => counting.counts().requests.get ?? 0
  return { memory, store, read, gets }
}

/** As `toEqual`, which takes seconds for as many bytes. */
function same(found: Uint8Array, expected: Uint8Array): void {
  expect(found.length).toBe(expected.length)
  expect(Buffer.compare(found, expected)).toBe(0)
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 50))

describe('DiskCacheStore', () => {
  test('what was read once is not asked for again, wherever the ranges begin and end', async () => {
    const { store, read, gets } = await world()
    const random = seededRandom(3)
    await read('segments/1', 0, size)
    await settle()
    const before = gets()
    for (let i = 0; i < 200; i++) {
      const start = Math.floor(random.next() * size)
      const end = start + 1 + Math.floor(random.next() * 40_000)
      same(await read('segments/1', start, end), content(1).subarray(start, Math.min(end, size)))
    }
    expect(gets()).toBe(before)
    expect(store.usedBytes).toBe(7 * 16_384)
    await store.close()
  })

  test('a range of which a part is kept asks for the rest only', async () => {
    const { store, read, gets } = await world()
    await read('segments/1', 20_000, 20_010)
    await settle()
    same(await read('segments/1', 0, 60_000), content(1).subarray(0, 60_000))
    expect(gets()).toBe(1 + 2)
    await store.close()
  })

  test('what may change is never kept, nor what is asked for fresh; absence is told', async () => {
    const { store, read, gets } = await world()
    for (let i = 0; i < 3; i++) await read('manifest', 0, 10)
    for (let i = 0; i < 3; i++) await store.get('segments/1', { range: { start: 0, end: 10 }, fresh: true })
    expect(gets()).toBe(6)
    expect(await store.get('segments/none', { range: { start: 0, end: 10 } })).toMatchObject({ kind: 'absent' })
    expect(store.usedBytes).toBe(0)
    await store.close()
  })

  test('the budget is kept, and what was used last stays', async () => {
    const { store, read, gets } = await world({ budgetBytes: 10 * 16_384 })
    for (const seed of [1, 2, 3]) {
      await read(`segments/${seed}`, 0, size)
      await settle()
      expect(store.usedBytes).toBeLessThanOrEqual(10 * 16_384)
    }
    const before = gets()
    same(await read('segments/3', 0, size), content(3))
    expect(gets()).toBe(before)
    same(await read('segments/1', 0, size), content(1))
    expect(gets()).toBeGreaterThan(before)
    await store.close()
  })

  test('many readers at once of more than fits all get what they asked for', async () => {
    const { store, read } = await world({ budgetBytes: 3 * 16_384 })
    const random = seededRandom(5)
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          const seed = 1 + Math.floor(random.next() * 3)
          const start = Math.floor(random.next() * size)
          const end = Math.min(size, start + 1 + Math.floor(random.next() * 30_000))
          same(await read(`segments/${seed}`, start, end), content(seed).subarray(start, end))
        }),
      )
    }
    await store.close()
  })

  test('no file is left, also while it is in use', async () => {
    const { store, read } = await world()
    await read('segments/1', 0, size)
    await settle()
    expect(store.usedBytes).toBeGreaterThan(0)
    expect(readdirSync(folder)).toEqual([])
    await store.close()
  })

  test('a folder that cannot be written keeps nothing, and loses nothing', async () => {
    const blocked = join(folder, 'file')
    writeFileSync(blocked, '')
    const { store, read, gets } = await world({ folder: join(blocked, 'below') })
    for (let i = 0; i < 2; i++) expect(await read('segments/1', 5, 50)).toEqual(content(1).subarray(5, 50))
    expect(gets()).toBe(2)
    rmSync(blocked)
    await store.close()
  })
})
