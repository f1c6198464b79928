// The past, kept by name or for a while: what was acknowledged then, all of it and nothing else, whatever is merged and swept since.
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../base/random.ts'
import { CountingStore } from '../../store/counting-store.ts'
import type { MemoryStore } from '../../store/memory-store.ts'
import { FaultyStore } from '../../testing/faulty-store.ts'
import type { EngineCollection } from '../collection.ts'
import { schema } from '../testing.ts'
import { graceMs, keysOf, sweepTimes, world } from './testing.ts'

async function put(c: EngineCollection, key: string, n = 0): Promise<void> {
  await c.write({ operations: [{ op: 'put', row: { key, metadata: { n }, vector: [n, 1], document: `text ${n}` } }] })
}

async function keysIn(reader: { list: EngineCollection['list'] }): Promise<string[]> {
  return (await reader.list({ limit: 1000 })).rows.map(({ key }) => key)
}

describe('a snapshot', () => {
  test('holds what was written before it, flushed or not, through merges and sweeps; then it goes', async () => {
    const { clock, store, open } = world()
    const c = await open().create('c', schema())
    await put(c, 'a')
    await c.flush()
    await put(c, 'b')
    await c.flush()
    await put(c, 'tail')
    const made = await c.createSnapshot('before')
    expect(made).toMatchObject({ name: 'before', seq: 3 })
    await put(c, 'later')
    await c.write({ operations: [{ op: 'delete', key: 'a' }, { op: 'put', row: { key: 'b', metadata: { n: 9 } } }] })
    await c.flush()
    await c.merge({ isForced: true })
    await sweepTimes(c, clock, 3)
    const fresh = await open().collection('c')
    expect(await fresh.listSnapshots()).toEqual([made])
    const past = await fresh.openSnapshot('before')
    expect(await keysIn(past)).toEqual(['a', 'b', 'tail'])
    expect(await past.get(['b'], { include: { metadata: true } })).toMatchObject([{ metadata: { n: 0 } }])
    expect(await past.count()).toBe(3)
    expect((await past.query({ text: 'text', k: 5 })).matches).toHaveLength(3)
    expect(await keysIn(fresh)).toEqual(['b', 'tail', 'later'])
    expect((await fresh.verify()).problems).toEqual([])
    await fresh.deleteSnapshot('before')
    await sweepTimes(fresh, clock, 4)
    expect((await keysOf(store, c, 'snapshots/')).length).toBe(0)
    expect((await keysOf(store, c, 'segments/')).length).toBe(1)
    expect((await keysOf(store, c, 'log/')).length).toBe(0)
    await expect(past.get(['a'], { include: { document: true } })).resolves.toBeDefined()
  })

  test('costs two objects and a copy of the manifest', async () => {
    const { store, open } = world()
    const counting = new CountingStore(store)
    const c = await open(counting).create('c', schema())
    await put(c, 'a')
    const before = counting.counts().requests.put
    await c.createSnapshot('s')
    expect(counting.counts().requests.put! - before!).toBe(3)
  })

  test('names are taken once, and are found or not', async () => {
    const { open } = world()
    const c = await open().create('c', schema())
    await c.createSnapshot('s')
    await expect(c.createSnapshot('s')).rejects.toMatchObject({ kind: 'conflict', message: expect.stringMatching(/"c" has a snapshot "s"/) })
    await expect(c.openSnapshot('t')).rejects.toMatchObject({ kind: 'not-found' })
    await expect(c.deleteSnapshot('t')).rejects.toMatchObject({ kind: 'not-found' })
    await expect(c.createSnapshot('')).rejects.toMatchObject({ kind: 'invalid' })
    await c.deleteSnapshot('s')
    await c.createSnapshot('s')
    const outcomes = await Promise.allSettled([c, await open().collection('c'), await open().collection('c')].map((each) => each.createSnapshot('race')))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect((await c.listSnapshots()).map(({ name }) => name)).toEqual(['s', 'race'])
  })

  test('that is deleted and swept while another sweeper sleeps is no damage to it; one that is lost is', async () => {
    const { clock, store, open } = world()
    const c = await open().create('c', schema())
    await put(c, 'a')
    await c.createSnapshot('s')
    await c.createSnapshot('t')
    const { sleeper, sleeping, wake } = sleepBefore(store, '/snapshots/', 'get')
    const sweeping = (await open(sleeper).collection('c')).sweep()
    await sleeping
    await c.deleteSnapshot('s')
    await sweepTimes(c, clock, 3)
    wake()
    await expect(sweeping).resolves.toBeDefined()
    await store.delete((await keysOf(store, c, 'snapshots/')).map((key) => c.core.prefix + key))
    clock.ms += 2 * graceMs
    await expect(c.sweep()).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringMatching(/nothing is swept until it is restored or unpinned/) })
    await expect(c.openSnapshot('t')).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringMatching(/pins it as "t" of 20/) })
  })

  for (const where of ['/snapshots/', '/manifest'] as const) {
    test(`made by one who sleeps before it puts ${where}, through merge and sweeps, is readable or not made`, async () => {
      const { clock, store, open } = world()
      const c = await open().create('c', schema())
      for (const key of ['a', 'b', 'c']) {
        await put(c, key)
        await c.flush()
      }
      const { sleeper, sleeping, wake } = sleepBefore(store, where)
      const other = await open(sleeper).collection('c')
      const making = other.createSnapshot('s')
      await sleeping
      await c.merge({ isForced: true })
      await sweepTimes(c, clock, 3)
      wake()
      await making
      expect(await keysIn(await c.openSnapshot('s'))).toEqual(['a', 'b', 'c'])
      expect((await (await c.openSnapshot('s')).query({ vector: [0, 1], k: 3 })).matches).toHaveLength(3)
    })
  }
})

describe('history', () => {
  test('opens every log number since it is kept, and every time, until it is swept', async () => {
    const { clock, open } = world({ historyMs: 24 * graceMs })
    const c = await open().create('c', schema())
    const times: number[] = [clock.ms]
    for (let i = 1; i <= 12; i++) {
      clock.ms += 60_000
      await put(c, `k${i}`)
      times.push(clock.ms)
      if (i % 3 === 0) await c.flush()
      if (i === 9) await c.merge({ isForced: true })
    }
    await c.sweep()
    clock.ms += 2 * graceMs
    await c.sweep()
    const fresh = await open().collection('c')
    for (let seq = 0; seq <= 12; seq++) {
      const expected = Array.from({ length: seq }, (_, i) => `k${i + 1}`)
      expect(await keysIn(await fresh.openPast({ seq })), `seq ${seq}`).toEqual(expected)
      expect(await keysIn(await fresh.openPast({ time: times[seq]! })), `time of ${seq}`).toEqual(expected)
      expect(await keysIn(await fresh.openPast({ time: times[seq]! + 59_999 })), `after ${seq}`).toEqual(expected)
    }
    await expect(fresh.openPast({ seq: 13 })).rejects.toMatchObject({ kind: 'invalid', message: expect.stringMatching(/ends at 12/) })
    const pinned = await fresh.createSnapshot('five', { seq: 5 })
    expect(pinned.seq).toBe(5)
    await sweepTimes(c, clock, 30)
    expect(await keysIn(await fresh.openSnapshot('five'))).toEqual(['k1', 'k2', 'k3', 'k4', 'k5'])
    for (const seq of [1, 7]) await expect(fresh.openPast({ seq })).rejects.toMatchObject({ kind: 'expired', message: expect.stringMatching(/does not reach back/) })
    await expect(fresh.createSnapshot('gone', { seq: 7 })).rejects.toMatchObject({ kind: 'expired' })
    expect(await keysIn(fresh)).toHaveLength(12)
  })

  test('nothing is pinned that a sweep past its barrier is deleting', async () => {
    const { clock, store, open } = world()
    const c = await open().create('c', schema())
    for (const key of ['a', 'b', 'c']) {
      await put(c, key)
      await c.flush()
    }
    await c.merge({ isForced: true })
    await c.sweep()
    clock.ms += graceMs
    let isGoing = () => {}
    const going = new Promise<void>((resolve) => (isGoing = resolve))
    let goOn = () => {}
    const gate = new Promise<void>((resolve) => (goOn = resolve))
    const hooks = {
      before: async ({ operation }: { operation: string }) => {
        if (operation !== 'delete') return
        isGoing()
        await gate
      },
    }
    const sweeper = await open(new FaultyStore(store, { random: seededRandom(1), hooks })).collection('c')
    const sweeping = sweeper.sweep()
    await going
    const outcome = await c.createSnapshot('two', { seq: 2 }).catch((error: { kind: string }) => error.kind)
    goOn()
    await sweeping
    expect(outcome).toBe('expired')
  })
})

function sleepBefore(store: MemoryStore, part: string, at = 'put') {
  let wake = () => {}
  let slept = () => {}
  const sleeping = new Promise<void>((resolve) => (slept = resolve))
  const gate = new Promise<void>((resolve) => (wake = resolve))
  let isFirst = true
  const hooks = {
    before: async ({ operation, key }: { operation: string; key: string }) => {
      if (operation !== at || !isFirst || !key.includes(part)) return
      isFirst = false
      slept()
      await gate
    },
  }
  return { sleeper: new FaultyStore(store, { random: seededRandom(1), hooks }), sleeping, wake: () => wake() }
}
