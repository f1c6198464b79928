// Merging: fewer segments, the same content, whatever happens beside it.
import { describe, expect, test } from 'vitest'
import type { Manifest } from '../../format/manifest.ts'
import { CountingStore } from '../../store/counting-store.ts'
import { MemoryStore } from '../../store/memory-store.ts'
import type { ObjectStore } from '../../store/object-store.ts'
import type { EngineCollection } from '../collection.ts'
import { loadManifest } from '../commit/manifest-object.ts'
import { parseFilter } from '../query/filter.ts'
import { newDatabase, schema } from '../testing.ts'
import { merge } from './merge.ts'

const include = { vector: true, metadata: true, document: true } as const

function put(key: string, n: number) {
  return { op: 'put' as const, row: { key, vector: [n, 1, 2], document: `text number${n} of ${key}`, metadata: { n, tags: [key], parity: n % 2 === 0 } } }
}

/** `count` segments of five rows; each also supersedes and deletes a row of the one before. */
async function manySegments(c: EngineCollection, count: number): Promise<void> {
  for (let s = 0; s < count; s++) {
    await c.write({ operations: [0, 1, 2, 3, 4].map((i) => put(`k${s}-${i}`, s * 10 + i)) })
    if (s > 0) await c.write({ operations: [put(`k${s - 1}-1`, 1000 + s), { op: 'delete', key: `k${s - 1}-2` }] })
    await c.write({ operations: [{ op: 'put', space: 'documents', row: { key: `file${s}`, metadata: { s } } }] })
    await c.flush()
  }
}

async function contentOf(c: EngineCollection) {
  const rows = (await c.list({ limit: 1000, include })).rows
  const documents = (await c.list({ limit: 1000, include, space: 'documents' })).rows
  const even = await c.list({ limit: 1000, filter: parseFilter({ parity: true }) })
  const text = await c.query({ text: 'number21 number1003', k: 50 })
  const near = await c.query({ vector: [21, 1, 2], k: 50 })
  // Scores may change: BM25 counts dead rows until a merge drops them.
  return { rows, documents, even: even.rows, text: text.matches.map(({ key }) => key), near: near.matches.map(({ key, distance }) => [key, distance]) }
}

async function manifestOf(store: ObjectStore, c: EngineCollection): Promise<Manifest> {
  return (await loadManifest(store, c.core.prefix)).manifest
}

const never = { mergeFanIn: 1000 }

describe('merge', () => {
  test('makes one segment of many; rows, order, stamps, filters, text and vectors stay as they were', async () => {
    const store = new MemoryStore()
    const c = await newDatabase(store, { settings: never }).create('c', schema())
    await manySegments(c, 7)
    const before = await contentOf(c)
    expect((await manifestOf(store, c)).segments).toHaveLength(7)
    expect(await c.merge({ isForced: true })).toBe(true)
    const { segments } = await manifestOf(store, c)
    expect(segments).toHaveLength(1)
    expect(segments[0]).toMatchObject({ deletes: null, recordCount: 29, documentRowCount: 7, seqStart: 1 })
    const fresh = await newDatabase(store).collection('c')
    for (const each of [c, fresh]) expect(await contentOf(each)).toEqual(before)
    expect(await fresh.verify()).toMatchObject({ problems: [] })
    expect(await fresh.count()).toBe(29)
  })

  test('rides on flushes: the number of segments stays small', async () => {
    const store = new MemoryStore()
    const c = await newDatabase(store).create('c', schema())
    for (let i = 0; i < 40; i++) {
      await c.write({ operations: [put(`k${i}`, i)] })
      await c.flush()
      await c.settle()
    }
    expect((await manifestOf(store, c)).segments.length).toBeLessThan(4)
    expect(c.core.maintenanceError).toBeNull()
    expect((await c.list({ limit: 100 })).rows.map(({ key }) => key)).toEqual(Array.from({ length: 40 }, (_, i) => `k${i}`))
  })

  test('a row that dies while the merge works stays dead', async () => {
    const store = new MemoryStore()
    const c = await newDatabase(store, { settings: never }).create('c', schema())
    await manySegments(c, 3)
    const other = await newDatabase(store, { settings: never }).collection('c')
    let once = false
    const onProgress = async () => {
      if (once) return
      once = true
      await other.write({ operations: [{ op: 'delete', key: 'k0-0' }, put('k1-3', 77), { op: 'delete', key: 'file2', space: 'documents' }] })
      await other.flush()
    }
    expect(await merge(c.core, { isForced: true, onProgress })).toBe(true)
    const { segments } = await manifestOf(store, c)
    expect(segments.map(({ deletes }) => deletes && { count: deletes.count, recordCount: deletes.recordCount })).toEqual([{ count: 3, recordCount: 2 }, null])
    const fresh = await newDatabase(store).collection('c')
    expect(await fresh.get(['k0-0', 'k1-3'], { include: { metadata: true } })).toMatchObject([null, { metadata: { n: 77 } }])
    expect((await fresh.list({ space: 'documents' })).rows.map(({ key }) => key)).toEqual(['file0', 'file1'])
    expect(await fresh.count()).toBe((await fresh.list({ limit: 1000 })).rows.length)
  })

  test('is given up when a row that it left out lives again, or an input is gone', async () => {
    const store = new MemoryStore()
    const c = await newDatabase(store, { settings: never }).create('c', schema())
    await manySegments(c, 3)
    const lives = await manifestOf(store, c)
    const key = `${c.core.prefix}manifest`
    // No operation shrinks a bitmap; a manifest that was put back by hand does.
    const { encodeManifest } = await import('../../format/manifest.ts')
    const bring = (segments: Manifest['segments']) => store.put(key, encodeManifest({ ...lives, version: lives.version + 50, nonce: 'f'.repeat(32), segments })).then(() => undefined)
    let once = false
    const during = (task: () => Promise<void>) => async () => {
      if (!once) await task()
      once = true
    }
    expect(await merge(c.core, { isForced: true, onProgress: during(() => bring(lives.segments.map((ref) => ({ ...ref, deletes: null })))) })).toBe(false)
    once = false
    expect(await merge(c.core, { isForced: true, onProgress: during(() => bring(lives.segments.slice(1))) })).toBe(false)
  })

  test('two merges at once: one stands, the other gives up, nothing doubles', async () => {
    const store = new MemoryStore()
    const c = await newDatabase(store, { settings: never }).create('c', schema())
    await manySegments(c, 4)
    const before = await contentOf(c)
    const other = await newDatabase(store, { settings: never }).collection('c')
    const outcomes = await Promise.all([c.merge({ isForced: true }), other.merge({ isForced: true })])
    expect(outcomes.sort()).toEqual([false, true])
    expect(await contentOf(await newDatabase(store).collection('c'))).toEqual(before)
  })

  test('holds to the largest size and row count, and streams what is large', async () => {
    const store = new MemoryStore()
    const settings = { mergeFanIn: 2, segmentRowsMax: 8 }
    const c = await newDatabase(store, { settings }).create('c', schema())
    await manySegments(c, 6)
    await c.settle()
    while (await c.merge()) {}
    for (const { rowCount } of (await manifestOf(store, c)).segments) expect(rowCount).toBeLessThanOrEqual(8)
    expect((await manifestOf(store, c)).segments.length).toBeGreaterThan(3)

    const counting = new CountingStore(new MemoryStore())
    const big = await newDatabase(counting, { settings: never }).create('big', schema())
    const vectorOf = (n: number) => new Float32Array(4096).map((_, d) => Math.cos(n * d))
    for (let s = 0; s < 3; s++) {
      await big.write({ operations: Array.from({ length: 200 }, (_, i) => ({ op: 'put', row: { key: `k${s}-${i}`, vector: vectorOf(s * 200 + i), document: 'x'.repeat(100 + i) } })) })
      await big.flush()
    }
    const before = await big.query({ vector: vectorOf(7), k: 20, include })
    expect(await big.merge({ isForced: true })).toBe(true)
    expect(counting.counts().requests.upload).toBe(1)
    const fresh = await newDatabase(counting).collection('big')
    expect(await fresh.query({ vector: vectorOf(7), k: 20, include })).toEqual(before)
    expect((await fresh.verify()).problems).toEqual([])
  })

  test('rewrites a segment of which more than half is dead; nothing is left of one that is all dead', async () => {
    const store = new MemoryStore()
    const c = await newDatabase(store, { settings: never }).create('c', schema())
    await c.write({ operations: [0, 1, 2, 3, 4].map((i) => put(`k${i}`, i)) })
    await c.flush()
    await c.write({ operations: [0, 1, 2].map((i) => ({ op: 'delete', key: `k${i}` })) })
    await c.flush()
    await c.settle()
    expect((await manifestOf(store, c)).segments).toMatchObject([{ rowCount: 2, deletes: null }])
    await c.write({ operations: [3, 4].map((i) => ({ op: 'delete', key: `k${i}` })) })
    await c.flush()
    await c.settle()
    expect((await manifestOf(store, c)).segments).toEqual([])
    expect(await (await newDatabase(store).collection('c')).count()).toBe(0)
  })
})
