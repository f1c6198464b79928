// What was dropped goes, what was half made goes, and what a dead process began is finished; never anything that is in use.
import { describe, expect, test } from 'vitest'
import { WindlassError } from '../../base/errors.ts'
import { seededRandom } from '../../base/random.ts'
import { toUtf8 } from '../../base/bytes.ts'
import type { MemoryStore } from '../../store/memory-store.ts'
import { FaultyStore } from '../../testing/faulty-store.ts'
import type { EngineCollection } from '../collection.ts'
import { schema } from '../testing.ts'
import { graceMs, world } from './testing.ts'

async function put(c: EngineCollection, key: string): Promise<void> {
  await c.write({ operations: [{ op: 'put', row: { key } }] })
}

async function keysIn(c: EngineCollection): Promise<string[]> {
  return (await c.list()).rows.map(({ key }) => key)
}

async function allKeys(store: MemoryStore): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list('')) keys.push(key)
  return keys
}

type World = ReturnType<typeof world>

async function visits({ open, clock }: World, count: number) {
  const reports = []
  for (let i = 0; i < count; i++) {
    clock.ms += graceMs + 1
    reports.push(await open().sweepTrash())
  }
  return reports
}

describe('a dropped collection', () => {
  test('is gone at once for everybody, and from the bucket a few grace periods later', async () => {
    const all = world()
    const { store, open } = all
    const database = open()
    const c = await database.create('c', schema())
    for (const key of ['a', 'b', 'c']) {
      await put(c, key)
      if (key !== 'c') await c.flush()
    }
    await store.put(`${c.core.prefix}notes.txt`, toUtf8('foreign'))
    const other = await open().collection('c')
    await database.drop('c')
    await expect(put(other, 'late')).rejects.toMatchObject({ kind: 'not-found' })
    await expect(open().collection('c')).rejects.toMatchObject({ kind: 'not-found' })
    const again = await open().create('c', schema())
    await put(again, 'new')
    expect(again.id).not.toBe(c.id)
    expect(await database.sweepTrash()).toEqual({ goneCount: 0, waitingCount: 1 })
    expect((await allKeys(store)).filter((key) => key.includes('/segments/')).length, 'not yet').toBe(2)
    const reports = await visits(all, 4)
    expect(reports.map(({ goneCount }) => goneCount)).toEqual([0, 0, 1, 0])
    expect((await allKeys(store)).filter((key) => !key.startsWith(again.core.prefix))).toEqual(['catalog/c', `${c.core.prefix}notes.txt`])
    expect((await (await open().collection('c')).list()).rows.map(({ key }) => key)).toEqual(['new'])
  })

  test('and made again by others: dropping means the new one, also where the old one is still open', async () => {
    const { open } = world()
    const [a, b] = [open(), open()]
    await put(await a.create('c', schema()), 'old')
    await b.drop('c')
    await put(await b.create('c', schema()), 'new')
    await a.drop('c')
    await expect(open().collection('c')).rejects.toMatchObject({ kind: 'not-found' })
    await put(await b.create('c', schema()), 'newer')
    await (await b.collection('c')).createSnapshot('s')
    await expect(a.branch('c', 'd')).resolves.toBeDefined()
    expect((await (await a.collection('d')).list()).rows.map(({ key }) => key)).toEqual(['newer'])
  })

  test('keeps its data as long as history is set', async () => {
    const all = world({ historyMs: 24 * graceMs })
    const c = await all.open().create('c', schema())
    await put(c, 'a')
    await c.flush()
    await all.open().drop('c')
    await visits(all, 22)
    expect((await allKeys(all.store)).some((key) => key.includes('/segments/'))).toBe(true)
    await visits(all, 6)
    expect(await allKeys(all.store)).toEqual(['catalog/c'])
  })

  test('by a process that dies at any request is dropped or not; a drop that was begun is finished', async () => {
    for (let dies = 0; ; dies++) {
      const all = world()
      const { store, open } = all
      const c = await open().create('c', schema())
      await put(c, 'a')
      const faulty: FaultyStore = new FaultyStore(store, { random: seededRandom(1), hooks: { before: ({ index }) => void (index === dies && faulty.crash()) } })
      const outcome = await open(faulty).drop('c').then(() => 'done', () => 'died')
      await visits(all, 6)
      const isThere = await open().collection('c').then(() => true, () => false)
      const left = await allKeys(store)
      if (isThere) expect(left.filter((key) => !key.startsWith(c.core.prefix)), `dies at ${dies}`).toEqual(['catalog/c'])
      else if (left.length > 1) {
        // Its log ended, and no mark tells: the look above has finished the drop.
        await visits(all, 6)
        expect(await allKeys(store), `dies at ${dies}`).toEqual(['catalog/c'])
      }
      if (outcome === 'done') break
      expect(dies).toBeLessThan(40)
    }
  })
})

describe('making a collection', () => {
  test('by a process that dies at any request leaves the collection, or after a while nothing', async () => {
    for (let dies = 0; ; dies++) {
      const all = world()
      const { store, open } = all
      const faulty: FaultyStore = new FaultyStore(store, { random: seededRandom(1), hooks: { before: ({ index }) => void (index === dies && faulty.crash()) } })
      const outcome = await open(faulty).create('c', schema()).then(() => 'done', () => 'died')
      await visits(all, 6)
      const c = await open().collection('c').catch(() => null)
      if (c) await put(c, 'a')
      else expect(await allKeys(store), `dies at ${dies}`).toEqual([])
      expect((await allKeys(store)).filter((key) => key.startsWith('trash/'))).toEqual([])
      if (outcome === 'done') break
      expect(dies).toBeLessThan(20)
    }
  })

  for (const part of ['/manifest', 'catalog/'] as const) {
    for (const count of [2, 6]) {
      test(`by one who sleeps before it puts ${part}, through ${count} visits, works with an id that is not trash`, async () => {
        const all = world()
        const { store, open } = all
        let wake = () => {}
        let slept = () => {}
        const sleeping = new Promise<void>((resolve) => (slept = resolve))
        const gate = new Promise<void>((resolve) => (wake = resolve))
        let isFirst = true
        const hooks = {
          before: async ({ operation, key }: { operation: string; key: string }) => {
            if (operation !== 'put' || !isFirst || !key.includes(part)) return
            isFirst = false
            slept()
            await gate
          },
        }
        const making = open(new FaultyStore(store, { random: seededRandom(1), hooks })).create('c', schema())
        await sleeping
        const reports = await visits(all, count)
        // Twice empty: a grace period for what may still arrive.
        if (part === 'catalog/') expect(reports.map(({ goneCount }) => goneCount)).toEqual(Array.from({ length: count }, (_, i) => (i === 1 ? 1 : 0)))
        wake()
        await put(await making, 'a')
        await visits(all, 6)
        const fresh = await open().collection('c')
        expect((await fresh.list()).rows.map(({ key }) => key)).toEqual(['a'])
        expect(new Set((await allKeys(store)).filter((key) => key.startsWith('data/')).map((key) => key.split('/')[1]))).toEqual(new Set([fresh.id]))
      })
    }
  }
})

test('an abandoned collection whose manifest could not be marked as dropped is not removed: its maker may wake up', async () => {
  const { clock, store, open } = world()
  let [wake, slept] = [() => {}, () => {}]
  const asleep = new Promise<void>((resolve) => (slept = resolve))
  const hooks = {
    after: async ({ operation, key }: { operation: string; key: string }) => {
      if (operation !== 'put' || !key.endsWith('/manifest')) return
      slept()
      await new Promise<void>((resolve) => (wake = resolve))
    },
  }
  const making = open(new FaultyStore(store, { random: seededRandom(1), hooks })).create('c', schema())
  await asleep
  const refusing = {
    before: ({ operation, key }: { operation: string; key: string }) => {
      if (operation === 'put' && key.endsWith('/manifest')) throw new WindlassError('conflict', '409', { status: 409 })
    },
  }
  for (let i = 0; i < 6; i++) {
    clock.ms += graceMs + 1
    await open(new FaultyStore(store, { random: seededRandom(1), hooks: refusing })).sweepTrash()
  }
  expect((await allKeys(store)).filter((key) => key.endsWith('/manifest'))).toHaveLength(1)
  wake()
  await put(await making, 'a')
  expect(await keysIn(await open().collection('c'))).toEqual(['a'])
})

test('a delete of an abandoned manifest that is sent again late, hits no collection', async () => {
  const all = world()
  const { store, open } = all
  let wake = () => {}
  let slept = () => {}
  const sleeping = new Promise<void>((resolve) => (slept = resolve))
  const gate = new Promise<void>((resolve) => (wake = resolve))
  let isFirst = true
  const hooks = {
    before: async ({ operation, key }: { operation: string; key: string }) => {
      if (operation !== 'put' || !isFirst || !key.endsWith('/manifest')) return
      isFirst = false
      slept()
      await gate
    },
  }
  const making = open(new FaultyStore(store, { random: seededRandom(1), hooks })).create('c', schema())
  await sleeping
  const [abandoned] = (await allKeys(store)).filter((key) => key.startsWith('trash/')).map((key) => `data/${key.split('/')[1]}/manifest`)
  // The sweeper's delete arrives, its answer is lost, and it gets no further than that.
  const dies: FaultyStore = new FaultyStore(store, { random: seededRandom(1), hooks: { after: ({ operation, key }) => void (operation === 'delete' && key === abandoned && dies.crash()) } })
  for (let i = 0; i < 4 && !dies.hasCrashed; i++) {
    all.clock.ms += graceMs + 1
    await open(dies).sweepTrash().catch(() => null)
  }
  expect(dies.hasCrashed).toBe(true)
  wake()
  const c = await making
  await store.delete([abandoned!])
  await put(c, 'a')
  expect((await (await open().collection('c')).list()).rows).toHaveLength(1)
})

test('a manifest that a sweep puts while another takes the marks away, keeps a mark', async () => {
  const { clock, store, open } = world()
  const hooks = { after: ({ operation, key }: { operation: string; key: string }) => void (operation === 'put' && key.startsWith('trash/') && faulty.crash()) }
  const faulty: FaultyStore = new FaultyStore(store, { random: seededRandom(1), hooks })
  await open(faulty).create('c', schema()).catch(() => undefined)
  let isFirst = true
  const meddling = {
    before: async ({ operation, key }: { operation: string; key: string }) => {
      if (operation !== 'delete' || !key.startsWith('trash/') || !isFirst) return
      isFirst = false
      await open().sweepTrash()
    },
    after: ({ operation, key }: { operation: string; key: string }) => {
      if (operation === 'delete' && key.startsWith('trash/')) throw new WindlassError('unavailable', 'lost')
    },
  }
  for (let i = 0; i < 12; i++) {
    clock.ms += graceMs + 1
    await open(new FaultyStore(store, { random: seededRandom(1), hooks: meddling })).sweepTrash().catch((error: unknown) => expect(error).toMatchObject({ kind: 'unavailable' }))
  }
  expect(isFirst).toBe(false)
  expect(await allKeys(store)).toEqual([])
})

test('another visit at any request of one that dies when it takes the marks away, leaves nothing without a mark', async () => {
  for (let at = 1, isPast = false; !isPast; at++) {
    expect(at).toBeLessThan(60)
    const { clock, store, open } = world()
    await put(await open().create('c', schema()), 'a')
    await open().drop('c')
    let requests = 0
    const meddling = {
      before: async () => void (++requests === at && (await open().sweepTrash())),
      after: ({ operation, key }: { operation: string; key: string }) => void (operation === 'delete' && key.startsWith('trash/') && dies.crash()),
    }
    const dies: FaultyStore = new FaultyStore(store, { random: seededRandom(1), hooks: meddling })
    // So far that the next visit removes what is left.
    await visits({ clock, store, open }, 2)
    clock.ms += graceMs + 1
    await open(dies).sweepTrash().catch((error: unknown) => void (dies.hasCrashed || expect.fail(String(error))))
    isPast = requests < at
    await visits({ clock, store, open }, 12)
    expect(await allKeys(store), `another visit at request ${at}`).toEqual(['catalog/c'])
  }
})

test('a collection that is renamed while a sweep looks for the name in its old mark is no trash', async () => {
  const all = world()
  const { clock, store, open } = all
  // Its maker dies before it takes its mark away.
  const dying: FaultyStore = new FaultyStore(store, { random: seededRandom(1), hooks: { after: ({ operation, key }) => void (operation === 'put' && key.startsWith('catalog/') && dying.crash()) } })
  await open(dying).create('old', schema()).catch(() => undefined)
  const c = await open().collection('old')
  await put(c, 'a')
  let hasRenamed = false
  const hooks = {
    before: async ({ operation, key }: { operation: string; key: string }) => {
      if (operation !== 'get' || key !== 'catalog/old' || hasRenamed) return
      hasRenamed = true
      for (const [from, to] of [['old', 'between'], ['between', 'new']] as const) await open().rename(from, to)
    },
  }
  clock.ms += graceMs + 1
  await open(new FaultyStore(store, { random: seededRandom(1), hooks })).sweepTrash()
  expect(hasRenamed).toBe(true)
  await visits(all, 4)
  expect(await keysIn(await open().collection('new'))).toEqual(['a'])
})

test('what a restore took the place of says so as long as it is there, also where no flush has', async () => {
  const all = world()
  const { open } = all
  const database = open()
  const c = await database.create('c', schema())
  await put(c, 'a')
  await c.createSnapshot('s')
  await put(c, 'b')
  const restored = await database.restore('c', 's')
  await visits(all, 1)
  expect((await c.core.readManifest()).manifest.state).toEqual({ movedTo: restored.id })
  expect((await open().byId(c.id)).id).toBe(restored.id)
})

test('a maker that comes too late marks what it put, and no late request to take its first mark away does away with that', async () => {
  const all = world()
  const { store, open } = all
  let mark = ''
  const hooks = {
    before: async ({ operation, key }: { operation: string; key: string }) => {
      if (operation !== 'put' || mark !== '' || !key.endsWith('/manifest')) return
      mark = (await allKeys(store)).find((each) => each.startsWith('trash/'))!
      // Both the manifest of a sweep and the mark are gone again when it wakes up.
      await visits(all, 6)
      expect(await allKeys(store)).toEqual([])
    },
  }
  const c = await open(new FaultyStore(store, { random: seededRandom(1), hooks })).create('c', schema())
  await store.delete([mark])
  expect((await allKeys(store)).filter((key) => key.startsWith('trash/'))).toHaveLength(1)
  await visits(all, 6)
  expect(await allKeys(store)).toEqual(['catalog/c', `${c.core.prefix}manifest`])
})

test('a manifest that was missing and is there again when it is looked at once more, is no damage', async () => {
  const all = world()
  const { clock, store, open } = all
  const c = await open().create('c', schema())
  await put(c, 'a')
  await open().drop('c')
  await visits(all, 1)
  let looks = 0
  const hooks = {
    before: async ({ operation, key }: { operation: string; key: string }) => {
      if (operation !== 'get' || !key.endsWith('/manifest')) return
      looks++
      // Found by the first look, removed by others before the second, put again by others before the third.
      if (looks === 2) await visits(all, 4)
      if (looks !== 3) return
      expect((await store.get(key)).kind).toBe('absent')
      await open().catalog.mark(c.id, 'c')
      await visits(all, 1)
      expect((await store.get(key)).kind).toBe('found')
    },
  }
  clock.ms += graceMs + 1
  expect(await open(new FaultyStore(store, { random: seededRandom(1), hooks })).sweepTrash()).toEqual({ goneCount: 0, waitingCount: 1 })
  expect(looks).toBe(3)
  await visits(all, 8)
  expect(await allKeys(store)).toEqual(['catalog/c'])
})

test('what is damaged keeps nothing else from going, and is reported', async () => {
  const { clock, store, open } = world()
  const damaged = await open().create('a', schema())
  const other = await open().create('b', schema())
  expect(damaged.id < other.id).toBe(true)
  for (const name of ['a', 'b']) await open().drop(name)
  await store.put(`${damaged.core.prefix}manifest`, toUtf8('not a manifest'))
  for (let i = 0; i < 6; i++) {
    clock.ms += graceMs + 1
    await expect(open().sweepTrash()).rejects.toMatchObject({ kind: 'corrupt', details: { key: `${damaged.core.prefix}manifest` } })
  }
  const keys = await allKeys(store)
  expect(keys.filter((key) => key.includes(other.id))).toEqual([])
  expect(keys.filter((key) => key.includes(damaged.id))).not.toEqual([])
})

test('a mark that is none of ours is left alone', async () => {
  const all = world()
  const c = await all.open().create('c', schema())
  await put(c, 'a')
  for (const name of ['a/b', 'with space', 'README.md']) await all.store.put(`trash/${name}`, toUtf8('c'))
  await visits(all, 4)
  expect((await allKeys(all.store)).filter((key) => key.startsWith('trash/'))).toEqual(['trash/README.md', 'trash/a/b', 'trash/with space'])
  expect((await (await all.open().collection('c')).list()).rows).toHaveLength(1)
})
