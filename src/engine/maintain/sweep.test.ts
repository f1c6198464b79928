// Sweeping: what nothing names goes, in two visits; nothing that anybody may still need goes, whoever sleeps wherever.
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../base/random.ts'
import { toUtf8 } from '../../base/bytes.ts'
import { logKey } from '../../format/log-record.ts'
import { CountingStore } from '../../store/counting-store.ts'
import type { GetOptions, GetResult } from '../../store/object-store.ts'
import { WrappingStore } from '../../store/wrapping-store.ts'
import { FaultyStore } from '../../testing/faulty-store.ts'
import type { EngineCollection } from '../collection.ts'
import { CollectionCore } from '../core.ts'
import { schema } from '../testing.ts'
import { sweep } from './sweep.ts'
import { graceMs, keysOf, world } from './testing.ts'

async function keysOfRows(c: EngineCollection): Promise<string[]> {
  return (await c.list({ limit: 1000 })).rows.map(({ key }) => key)
}

async function fill(c: EngineCollection, flushes: number, from = 0): Promise<void> {
  for (let i = from; i < from + flushes; i++) {
    await c.write({ operations: [{ op: 'put', row: { key: `k${i}`, metadata: { i } } }, { op: 'put', row: { key: 'same', metadata: { i } } }] })
    await c.flush()
  }
}

describe('sweep', () => {
  test('plans first, deletes a grace period later, and leaves what is named, the last copies of the manifest, and its plan', async () => {
    const { clock, store, open } = world()
    const c = await open().create('c', schema())
    await fill(c, 5)
    await c.merge({ isForced: true })
    const before = await keysOf(store, c)
    const first = await c.sweep()
    expect(first).toMatchObject({ deletedCount: 0, breaches: [] })
    expect(first!.plannedCount).toBeGreaterThan(15)
    expect((await keysOf(store, c)).filter((key) => !before.includes(key))).toEqual([expect.stringMatching(/^sweep\//)])
    clock.ms += graceMs - 1
    expect(await c.sweep(), 'not yet').toBeNull()
    clock.ms += 1
    expect((await c.sweep())!.deletedCount).toBe(first!.plannedCount)
    const left = await keysOf(store, c)
    expect(left.map((key) => key.split('/')[0])).toEqual(['manifest', 'manifests', 'manifests', 'segments', 'sweep'])
    expect(await keysOfRows(await open().collection('c'))).toEqual(['k0', 'same', 'k1', 'k2', 'k3', 'k4'])
    expect((await (await open().collection('c')).verify()).problems).toEqual([])
    const { manifestVersion } = await c.stats()
    for (let i = 0; i < 4; i++) {
      clock.ms += graceMs
      await c.sweep()
    }
    expect(await keysOf(store, c), 'sweeping does not feed itself').toEqual(left)
    expect((await c.stats()).manifestVersion).toBe(manifestVersion)
  })

  test('keeps what history needs for as long as it is set', async () => {
    const { clock, store, open } = world({ historyMs: 10 * graceMs })
    const c = await open().create('c', schema())
    await fill(c, 3)
    await c.merge({ isForced: true })
    await c.sweep()
    for (let hour = 1; hour < 10; hour++) {
      clock.ms += graceMs
      expect(await c.sweep()).toMatchObject({ deletedCount: 0 })
    }
    expect((await keysOf(store, c, 'log/')).length).toBe(3)
    clock.ms += graceMs
    expect((await c.sweep())!.deletedCount).toBeGreaterThan(8)
    expect(await keysOf(store, c, 'log/')).toEqual([])
    expect(await keysOfRows(c)).toEqual(['k0', 'same', 'k1', 'k2'])
  })

  test('never touches what is not ours, or not below the floor', async () => {
    const { clock, store, open } = world()
    const c = await open().create('c', schema())
    await fill(c, 2)
    await c.write({ operations: [{ op: 'put', row: { key: 'unflushed' } }] })
    const foreign = ['notes.txt', 'segments/mine.bin', 'segments/a.b.seg', 'log/7', 'log/00000000000000000001.bak', 'deletes/a/b', 'snapshots/a b', 'manifests/latest', 'lease', 'sweep/x/y']
    for (const name of foreign) await store.put(c.core.prefix + name, toUtf8('keep'))
    await store.put('models/segments/x.seg', toUtf8('keep'))
    await store.put('data/somebody-else', toUtf8('keep'))
    for (let i = 0; i < 4; i++) {
      await c.sweep()
      clock.ms += graceMs
    }
    const left = await keysOf(store, c)
    for (const name of foreign) expect(left).toContain(name)
    expect(left).toContain(logKey(3))
    expect(left).not.toContain(logKey(1))
    expect((await store.get('models/segments/x.seg')).kind).toBe('found')
    expect((await store.get('data/somebody-else')).kind).toBe('found')
    expect(await keysOfRows(await open().collection('c'))).toEqual(['k0', 'same', 'k1', 'unflushed'])
  })

  test('a reader whose view names swept objects starts again on a new one', async () => {
    const { clock, open } = world({ refreshIntervalMs: 1e12 })
    const c = await open().create('c', schema())
    await fill(c, 3)
    const reader = await open().collection('c')
    await c.merge({ isForced: true })
    await c.sweep()
    clock.ms += graceMs
    expect((await c.sweep())!.deletedCount).toBeGreaterThan(0)
    expect((await reader.list({ consistency: 'eventual' })).rows).toHaveLength(4)
  })

  for (const work of ['merge', 'flush'] as const) {
    for (const sweeps of [1, 2, 3]) {
      test(`a ${work} that sleeps between upload and commit, through ${sweeps} sweep(s), names nothing that was deleted`, async () => {
        const { clock, store, open } = world()
        const c = await open().create('c', schema())
        await fill(c, 3)
        let wake = () => {}
        let slept = () => {}
        const sleeping = new Promise<void>((resolve) => (slept = resolve))
        const gate = new Promise<void>((resolve) => (wake = resolve))
        let isFirst = true
        const hooks = {
          before: async ({ operation, key }: { operation: string; key: string }) => {
            if (operation !== 'put' || !key.endsWith('/manifest') || !isFirst) return
            isFirst = false
            slept()
            await gate
          },
        }
        const sleeper = await open(new FaultyStore(store, { random: seededRandom(1), hooks })).collection('c')
        if (work === 'flush') await sleeper.write({ operations: [{ op: 'put', row: { key: 'late' } }, { op: 'delete', key: 'k0' }] })
        const running = work === 'flush' ? sleeper.flush() : sleeper.merge({ isForced: true })
        await sleeping
        // In the first case nobody else writes: without the barrier, the sleeper's If-Match would hold.
        for (let i = 0; i <= sweeps; i++) {
          await c.sweep()
          clock.ms += graceMs
          if (i >= 1 && i < sweeps) {
            await c.write({ operations: [{ op: 'put', row: { key: 'same' } }] })
            await c.flush()
            await c.settle()
          }
        }
        wake()
        await running
        const fresh = await open().collection('c')
        expect((await fresh.verify()).problems).toEqual([])
        expect(await keysOfRows(fresh)).toEqual(work === 'flush' ? ['same', 'k1', 'k2', 'late'] : ['k0', 'same', 'k1', 'k2'])
      })
    }
  }

  test('a merge that lost against something else than a sweep still commits', async () => {
    const { open } = world()
    const c = await open().create('c', schema())
    await fill(c, 3)
    const other = await open().collection('c')
    const merging = c.merge({ isForced: true })
    await fill(other, 1, 3)
    expect(await merging).toBe(true)
    expect(await keysOfRows(await open().collection('c'))).toEqual(['k0', 'same', 'k1', 'k2', 'k3'])
  })

  test('a log number that a stalled writer put after it was swept is kept, counted and shown', async () => {
    const { clock, store, open } = world()
    const c = await open().create('c', schema())
    await fill(c, 3)
    const stale = await store.get(c.core.prefix + logKey(1))
    await c.sweep()
    clock.ms += graceMs
    await c.sweep()
    expect(await keysOf(store, c, 'log/')).toEqual([])
    clock.ms += 5000
    if (stale.kind === 'found') await store.put(c.core.prefix + logKey(1), stale.bytes)
    for (let i = 0; i < 4; i++) {
      clock.ms += graceMs
      await fill(c, 1, 3 + i)
      await c.settle()
      expect(await keysOf(store, c, 'log/')).toContain(logKey(1))
    }
    expect(await c.verify()).toMatchObject({ problems: [], notes: [{ object: logKey(1), message: expect.stringMatching(/below the floor/) }] })
  })

  test('a log number that comes back while a sweeper sleeps between listing and planning is kept', async () => {
    const { clock, store, open } = world()
    const c = await open().create('c', schema())
    await fill(c, 3)
    const stale = await store.get(c.core.prefix + logKey(2))
    await c.sweep()
    await fill(c, 1, 3)
    await c.settle()
    clock.ms += graceMs
    let wake = () => {}
    let slept = () => {}
    const sleeping = new Promise<void>((resolve) => (slept = resolve))
    const gate = new Promise<void>((resolve) => (wake = resolve))
    const hooks = {
      before: async ({ operation, key }: { operation: string; key: string }) => {
        if (operation !== 'put' || !key.includes('/sweep/')) return
        slept()
        await gate
      },
    }
    const sweeping = (await open(new FaultyStore(store, { random: seededRandom(1), hooks })).collection('c')).sweep()
    await sleeping
    clock.ms += 10_000
    if (stale.kind === 'found') await store.put(c.core.prefix + logKey(2), stale.bytes)
    clock.ms += 10_000
    wake()
    await sweeping
    for (let i = 0; i < 3; i++) {
      clock.ms += graceMs
      await c.sweep()
      await fill(c, 1, 4 + i)
      await c.settle()
    }
    expect(await keysOf(store, c, 'log/')).toContain(logKey(2))
    expect((await c.verify()).notes.map(({ object }) => object)).toEqual([logKey(2)])
  })

  test('a sweeper that goes on from an old plan forgets no breach that newer ones tell of', async () => {
    const { clock, store, open } = world()
    const c = await open().create('c', schema())
    // Tells of nothing: there is no floor yet.
    await sweep(c.core, { isForced: true })
    await fill(c, 3)
    await c.settle()
    clock.ms += graceMs
    const lost = await store.get(c.core.prefix + logKey(1))
    let isAsleep = true
    const hooks = {
      before: async ({ operation, key }: { operation: string; key: string }) => {
        if (!isAsleep || operation !== 'get' || !key.endsWith('/manifest')) return
        isAsleep = false
        for (let visit = 0; visit < 4; visit++) {
          await fill(c, 1, 10 + visit)
          await c.settle()
          await c.sweep()
          if (visit === 2 && lost.kind === 'found') await store.put(c.core.prefix + logKey(1), lost.bytes)
          clock.ms += graceMs
        }
      },
    }
    const sleeper = new CollectionCore(open(new FaultyStore(store, { random: seededRandom(1), hooks })).context, c.id)
    await sweep(sleeper)
    expect(isAsleep).toBe(false)
    for (let i = 0; i < 4; i++) {
      clock.ms += graceMs
      await fill(c, 1, 20 + i)
      await c.settle()
      await c.sweep()
      expect(await keysOf(store, c, 'log/'), `visit ${i}`).toContain(logKey(1))
    }
  })

  test('a log number that comes back between plan and second visit is kept', async () => {
    const { clock, store, open } = world()
    const c = await open().create('c', schema())
    await fill(c, 3)
    await c.sweep()
    const stale = await store.get(c.core.prefix + logKey(2))
    await store.delete([c.core.prefix + logKey(2)])
    clock.ms += graceMs / 2
    if (stale.kind === 'found') await store.put(c.core.prefix + logKey(2), stale.bytes)
    clock.ms += graceMs / 2
    expect((await c.sweep())!.breaches).toEqual([2])
    expect(await keysOf(store, c, 'log/')).toEqual([logKey(2)])
  })

  test('a clock in between that is an hour ahead makes nobody delete early', async () => {
    class AheadStore extends WrappingStore {
      override async get(key: string, options?: GetOptions): Promise<GetResult> {
        const answer = await this.inner.get(key, options)
        return { ...answer, date: (answer.date ?? 0) + 2 * graceMs }
      }
    }
    const { store, open } = world()
    const c = await open(new AheadStore(store)).create('c', schema())
    await fill(c, 3)
    await c.sweep()
    const before = await keysOf(store, c)
    expect((await c.sweep())!.deletedCount).toBe(0)
    expect(await keysOf(store, c)).toEqual(expect.arrayContaining(before))
  })

  test('a visit costs a listing of the folder, and a barrier', async () => {
    const { clock, store, open } = world()
    const counting = new CountingStore(store)
    const c = await open(counting).create('c', schema())
    await fill(c, 3)
    const requests = async (task: () => Promise<unknown>) => {
      const before = counting.counts().requests
      await task()
      return Object.fromEntries(Object.entries(counting.counts().requests).map(([name, count]) => [name, count - (before[name] ?? 0)]).filter(([, count]) => count !== 0))
    }
    expect(await requests(() => c.sweep()), 'plans, everything; manifest before and after; the plan').toEqual({ list: 2, get: 2, put: 1 })
    clock.ms += graceMs
    // The plan, the manifest (three times), its time; a copy of it, the barrier; the log's times; then as above, without a plan to put.
    expect(await requests(() => c.sweep())).toEqual({ list: 3, get: 4, head: 1, put: 2, delete: 1 })
  })

  test('happens by itself while there is activity', async () => {
    const { clock, store, open } = world({ mergeFanIn: 4 })
    const c = await open().create('c', schema())
    for (let i = 0; i < 60; i++) {
      await fill(c, 1, i)
      await c.settle()
      clock.ms += graceMs / 5
    }
    expect(c.core.maintenanceError).toBeNull()
    expect((await keysOf(store, c)).length).toBeLessThan(60)
    expect(await keysOfRows(await open().collection('c'))).toHaveLength(61)
  })
})
