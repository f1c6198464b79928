// What is lost comes back from what is left; what does not is named, and nothing else gets worse.
import { describe, expect, test } from 'vitest'
import { deletesKey } from '../../format/deletes.ts'
import { logKey } from '../../format/log-record.ts'
import { manifestKey, pastManifestPrefix } from '../../format/manifest.ts'
import { segmentKey } from '../../format/segment.ts'
import type { MemoryStore } from '../../store/memory-store.ts'
import type { EngineCollection } from '../collection.ts'
import { loadManifest } from '../commit/manifest-object.ts'
import { schema } from '../testing.ts'
import { graceMs, keysOf, sweepTimes, world } from './testing.ts'

const hour = graceMs

async function put(c: EngineCollection, ...keys: string[]): Promise<void> {
  await c.write({ operations: keys.map((key) => ({ op: 'put', row: { key, metadata: { key }, vector: [key.length, 1], document: `text ${key}` } })) })
}

async function filled(settings = {}) {
  const all = world(settings)
  const c = await all.open().create('c', schema())
  for (const key of ['a', 'b', 'c', 'd']) {
    await put(c, key, `${key}2`, `${key}3`)
    await c.flush()
  }
  await c.write({ operations: [{ op: 'delete', key: 'a' }] })
  await c.flush()
  await put(c, 'tail')
  const { rows } = await c.list({ limit: 100, include: { metadata: true, document: true, vector: true } })
  return { ...all, c, rows }
}

async function rowsOf(c: EngineCollection) {
  return (await c.list({ limit: 100, include: { metadata: true, document: true, vector: true } })).rows
}

async function flip(store: MemoryStore, key: string): Promise<void> {
  const object = await store.get(key)
  if (object.kind !== 'found') throw new Error(`no ${key}`)
  const bytes = object.bytes.slice()
  for (let i = 40; i < bytes.length; i += 7) bytes[i]! ^= 255
  await store.put(key, bytes)
}

describe('a lost manifest', () => {
  test.each(['missing', 'damaged'])('that is %s comes back from its last copy and the log, also after sweeps', async (how) => {
    for (const sweeps of [0, 4]) {
      const { store, open, c, clock, rows } = await filled()
      await sweepTimes(c, clock, sweeps)
      await c.merge({ isForced: true })
      await sweepTimes(c, clock, sweeps)
      await put(c, 'last')
      await c.flush()
      if (how === 'missing') await store.delete([c.core.prefix + manifestKey])
      else await flip(store, c.core.prefix + manifestKey)
      await expect(open().collection('c')).rejects.toMatchObject({ kind: 'corrupt' })
      const report = await open().repair('c')
      expect(report).toMatchObject({ repaired: [{ object: 'manifest', message: expect.stringMatching(/taken from manifests\/\d+ and the log since then/) }], problems: [] })
      const again = await open().collection('c')
      expect((await rowsOf(again)).filter(({ key }) => key !== 'last')).toEqual(rows)
      expect(await again.count()).toBe(rows.length + 1)
      await put(again, 'goes on')
      await again.flush()
      expect((await again.verify()).problems).toEqual([])
    }
  })

  test('without any copy is named', async () => {
    const { store, open, c } = await filled()
    await store.delete([c.core.prefix + manifestKey, ...(await keysOf(store, c, pastManifestPrefix)).map((key) => c.core.prefix + key)])
    expect(await open().repair('c')).toEqual({ repaired: [], problems: [{ object: 'manifest', message: 'missing, and there is no copy of it' }] })
  })
})

describe('a damaged segment', () => {
  test('after a merge is left for the segments before it, and the log since then', async () => {
    const { store, open, c, rows } = await filled({ historyMs: 24 * hour })
    await c.merge({ isForced: true })
    await put(c, 'later')
    await c.flush()
    const { manifest } = await loadManifest(store, c.core.prefix)
    const merged = manifest.segments[0]!
    await flip(store, c.core.prefix + segmentKey(merged.id))
    const report = await open().repair('c')
    expect(report.problems).toEqual([])
    expect(report.repaired[0]).toMatchObject({ object: segmentKey(merged.id), message: expect.stringMatching(/its rows were taken from manifests\//) })
    const again = await open().collection('c')
    expect((await rowsOf(again)).filter(({ key }) => key !== 'later')).toEqual(rows)
    expect((await again.verify()).problems).toEqual([])
    expect(await open().repair('c')).toEqual({ repaired: [], problems: [] })
  })

  test('that was just flushed is made anew from the log; so is a lost bitmap', async () => {
    for (const what of ['segment', 'bitmap'] as const) {
      const { store, open, c, rows } = await filled({ historyMs: 24 * hour })
      const { manifest } = await loadManifest(store, c.core.prefix)
      const lost = what === 'segment' ? segmentKey(manifest.segments.at(-1)!.id) : deletesKey(manifest.segments.find(({ deletes }) => deletes)!.deletes!.id)
      await store.delete([c.core.prefix + lost])
      const report = await open().repair('c')
      expect(report.problems).toEqual([])
      const again = await open().collection('c')
      expect(await rowsOf(again)).toEqual(rows)
      expect((await again.verify()).problems).toEqual([])
    }
  })

  test('comes back from a snapshot when history is gone and the log is pinned', async () => {
    const { clock, store, open, c, rows } = await filled()
    await c.createSnapshot('s')
    await c.flush()
    await c.merge({ isForced: true })
    await sweepTimes(c, clock, 4)
    const { manifest } = await loadManifest(store, c.core.prefix)
    await store.delete([c.core.prefix + segmentKey(manifest.segments[0]!.id)])
    const report = await open().repair('c')
    expect(report.repaired[0]!.message).toMatch(/snapshot "s"/)
    expect(await rowsOf(await open().collection('c'))).toEqual(rows)
  })

  test('that nothing can bring back is named, and everything is left as it is', async () => {
    const { clock, store, open, c } = await filled()
    await c.flush()
    await c.merge({ isForced: true })
    await sweepTimes(c, clock, 4)
    await put(c, 'later')
    await c.flush()
    const before = await loadManifest(store, c.core.prefix)
    await flip(store, c.core.prefix + segmentKey(before.manifest.segments[0]!.id))
    const report = await open().repair('c')
    expect(report.repaired).toEqual([])
    expect(report.problems[0]!.object).toContain(segmentKey(before.manifest.segments[0]!.id))
    expect((await loadManifest(store, c.core.prefix)).etag).toBe(before.etag)
    expect((await store.get(c.core.prefix + logKey(7))).kind).toBe('found')
  })
})
