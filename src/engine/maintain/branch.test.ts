// Branches share what they have in common and never hurt each other; a restore is all or nothing for everybody.
import { describe, expect, test } from 'vitest'
import { WindlassError } from '../../base/errors.ts'
import { seededRandom } from '../../base/random.ts'
import { logKey } from '../../format/log-record.ts'
import { manifestKey } from '../../format/manifest.ts'
import type { MemoryStore } from '../../store/memory-store.ts'
import { FaultyStore } from '../../testing/faulty-store.ts'
import type { EngineCollection } from '../collection.ts'
import { loadManifest } from '../commit/manifest-object.ts'
import type { Database } from '../database.ts'
import { schema } from '../testing.ts'
import { graceMs, keysOf, sweepTimes, world } from './testing.ts'

async function put(c: EngineCollection, ...keys: string[]): Promise<void> {
  await c.write({ operations: keys.map((key) => ({ op: 'put', row: { key, vector: [key.length, 1], document: `text ${key}` } })) })
}

async function keysIn(reader: { list: EngineCollection['list'] }): Promise<string[]> {
  return (await reader.list({ limit: 1000 })).rows.map(({ key }) => key)
}

/** A collection of two segments, a bitmap and a tail. */
async function parentOf(database: Database): Promise<EngineCollection> {
  const c = await database.create('parent', schema())
  await put(c, 'a', 'b', 'x')
  await c.flush()
  await put(c, 'c')
  await c.write({ operations: [{ op: 'delete', key: 'x' }] })
  await c.flush()
  await put(c, 'tail')
  await c.write({ operations: [{ op: 'delete', key: 'b' }] })
  return c
}

async function allKeys(store: MemoryStore): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list('')) keys.push(key)
  return keys
}

async function pinsOf(store: MemoryStore, c: EngineCollection) {
  return (await loadManifest(store, c.core.prefix)).manifest.pins
}

/** Sweeps everything, trash too, a grace period apart. */
async function sweepAll(open: () => Database, clock: { ms: number }, names: readonly string[], count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    clock.ms += graceMs + 1
    const database = open()
    for (const name of names) await (await database.collection(name)).sweep()
    await database.sweepTrash()
  }
}

describe('a branch', () => {
  test('begins as its parent is, copies no flushed row, and goes its own way', async () => {
    const { store, open } = world()
    const database = open()
    const parent = await parentOf(database)
    const branch = await database.branch('parent', 'child')
    expect(await keysIn(branch)).toEqual(['a', 'c', 'tail'])
    expect((await keysOf(store, branch, 'segments/')).length, 'the tail').toBe(1)
    await put(branch, 'only child')
    await put(parent, 'only parent')
    for (const step of ['log', 'flushed', 'merged'] as const) {
      if (step !== 'log') for (const each of [parent, branch]) await each.flush()
      if (step === 'merged') for (const each of [parent, branch]) expect(await each.merge({ isForced: true })).toBe(true)
      const fresh = open()
      expect(await keysIn(await fresh.collection('child')), step).toEqual(['a', 'c', 'tail', 'only child'])
      expect(await keysIn(await fresh.collection('parent')), step).toEqual(['a', 'c', 'tail', 'only parent'])
      for (const name of ['parent', 'child']) expect((await (await fresh.collection(name)).verify()).problems).toEqual([])
    }
    await expect(database.branch('parent', 'child')).rejects.toMatchObject({ kind: 'conflict' })
    await expect(database.branch('nobody', 'other')).rejects.toMatchObject({ kind: 'not-found' })
    await expect(database.branch('parent', 'other', { snapshot: 'none' })).rejects.toMatchObject({ kind: 'not-found' })
  })

  test('of a snapshot begins as that', async () => {
    const { open } = world()
    const database = open()
    const parent = await parentOf(database)
    await parent.createSnapshot('s')
    await put(parent, 'later')
    const branch = await database.branch('parent', 'child', { snapshot: 's' })
    expect(await keysIn(branch)).toEqual(['a', 'c', 'tail'])
  })

  test('keeps what it needs of its parent, and of its parent\'s parent, through merges, sweeps and drops; then all of it goes', async () => {
    const { clock, store, open } = world()
    const parent = await parentOf(open())
    await open().branch('parent', 'child')
    const child = await open().collection('child')
    await put(child, 'of child')
    await child.flush()
    await open().branch('child', 'grandchild')
    await parent.flush()
    await parent.merge({ isForced: true })
    await sweepAll(open, clock, ['parent', 'child', 'grandchild'], 4)
    const check = async (names: string[]) => {
      for (const name of names) {
        const c = await open().collection(name)
        expect(await keysIn(c), name).toEqual(name === 'parent' ? ['a', 'c', 'tail'] : ['a', 'c', 'tail', 'of child'])
        expect((await c.query({ text: 'text', k: 10 })).matches.length).toBeGreaterThan(2)
        expect((await c.verify()).problems).toEqual([])
      }
    }
    await check(['parent', 'child', 'grandchild'])
    await open().drop('parent')
    await sweepAll(open, clock, ['child', 'grandchild'], 5)
    await check(['child', 'grandchild'])
    await open().drop('child')
    await sweepAll(open, clock, ['grandchild'], 5)
    await check(['grandchild'])
    const grandchild = await open().collection('grandchild')
    await grandchild.merge({ isForced: true })
    expect((await loadManifest(store, grandchild.core.prefix)).manifest.segments.every(({ owner }) => owner === undefined)).toBe(true)
    await sweepAll(open, clock, ['grandchild'], 12)
    await check(['grandchild'])
    expect((await allKeys(store)).filter((key) => !key.startsWith(grandchild.core.prefix))).toEqual(['catalog/child', 'catalog/grandchild', 'catalog/parent'])
  })

  test('of a branch that holds nothing of its own still needs the first parent\'s, also when the one between is dropped', async () => {
    const { clock, open } = world()
    const parent = await parentOf(open())
    await parent.flush()
    await open().branch('parent', 'child')
    await open().branch('child', 'grandchild')
    await open().drop('child')
    await parent.merge({ isForced: true })
    await sweepAll(open, clock, ['parent', 'grandchild'], 8)
    const grandchild = await open().collection('grandchild')
    expect(await keysIn(grandchild)).toEqual(['a', 'c', 'tail'])
    expect((await grandchild.verify()).problems).toEqual([])
  })

  test('keeps its dropped parent, and with it a commit that fell on a swept number; both go when it needs them no more', async () => {
    const { clock, store, open } = world()
    const parent = await parentOf(open())
    await parent.flush()
    await sweepAll(open, clock, ['parent'], 1)
    const stale = await store.get(parent.core.prefix + logKey(2))
    await sweepAll(open, clock, ['parent'], 1)
    expect((await store.get(parent.core.prefix + logKey(2))).kind).toBe('absent')
    // A writer slept past every fence, and its client is told that nobody knows what came of it (C2).
    if (stale.kind === 'found') await store.put(parent.core.prefix + logKey(2), stale.bytes)
    await open().branch('parent', 'child')
    await open().drop('parent')
    await sweepAll(open, clock, ['child'], 6)
    expect(await keysOf(store, parent, 'log/')).toEqual([logKey(2)])
    await open().drop('child')
    await sweepAll(open, clock, [], 12)
    expect(await allKeys(store)).toEqual(['catalog/child', 'catalog/parent'])
  })

  test('of a snapshot is made from what lives: what was dropped meanwhile gets no pin, and what was restored meanwhile is branched instead', async () => {
    for (const [end, what] of [['drop', 'branch'], ['restore', 'branch'], ['drop', 'restore'], ['restore', 'restore']] as const) {
      const { store, open } = world()
      const parent = await parentOf(open())
      await parent.createSnapshot('s')
      let looks = 0
      const hooks = {
        before: async ({ operation, key }: { operation: string; key: string }) => {
          // The name was looked up, the collection lives, and the pin is about to be made.
          if (operation !== 'get' || key !== parent.core.prefix + manifestKey || ++looks !== 3) return
          if (end === 'drop') await open().drop('parent')
          else await open().restore('parent', 's')
        },
      }
      const late = open(new FaultyStore(store, { random: seededRandom(1), hooks }))
      const making = what === 'branch' ? late.branch('parent', 'child', { snapshot: 's' }) : late.restore('parent', 's')
      if (what === 'restore') await expect(making).rejects.toMatchObject({ kind: 'conflict' })
      else if (end === 'drop') await expect(making).rejects.toMatchObject({ kind: 'not-found' })
      else expect(await keysIn(await making)).toEqual(['a', 'c', 'tail'])
      expect(looks).toBeGreaterThanOrEqual(3)
      expect((await pinsOf(store, parent)).filter(({ kind }) => kind === 'branch'), `${what} while another's ${end}`).toHaveLength(end === 'drop' ? 0 : 1)
    }
  })

  test('a parent that is not dropped lets the pin go when the branch needs nothing any more', async () => {
    const { clock, store, open } = world()
    const parent = await parentOf(open())
    const child = await open().branch('parent', 'child')
    expect(await pinsOf(store, parent)).toMatchObject([{ kind: 'branch', id: child.id }])
    await child.merge({ isForced: true })
    await parent.merge({ isForced: true })
    await sweepAll(open, clock, ['parent', 'child'], 3)
    expect(await pinsOf(store, parent)).toEqual([])
  })

  test('whose maker died before its manifest is given up after a grace period; a maker that wakes up then is told', async () => {
    const { clock, store, open } = world()
    const parent = await parentOf(open())
    const { sleeper, sleeping, wake } = sleepBefore(store, (key) => key.endsWith(manifestKey) && !key.startsWith(parent.core.prefix))
    const making = open(sleeper).branch('parent', 'child')
    await sleeping
    await parent.flush()
    await parent.merge({ isForced: true })
    await sweepTimes(parent, clock, 2)
    expect(await pinsOf(store, parent)).toHaveLength(1)
    await sweepAll(open, clock, ['parent'], 8)
    expect(await pinsOf(store, parent)).toEqual([])
    wake()
    await expect(making).rejects.toMatchObject({ kind: 'expired', message: expect.stringMatching(/given up meanwhile: try again/) })
    await expect(open().collection('child')).rejects.toMatchObject({ kind: 'not-found' })
    await sweepAll(open, clock, ['parent'], 8)
    expect((await allKeys(store)).filter((key) => key.startsWith('trash/') || (key.startsWith('data/') && !key.startsWith(parent.core.prefix)))).toEqual([])
  })
})

describe('restore', () => {
  test('brings back a snapshot, keeps all snapshots, and takes nothing that was acknowledged after it', async () => {
    const { clock, store, open } = world()
    const c = await parentOf(open())
    await c.createSnapshot('first')
    await put(c, 'later')
    await c.createSnapshot('second')
    await put(c, 'latest')
    const restored = await open().restore('parent', 'first')
    expect(await keysIn(restored)).toEqual(['a', 'c', 'tail'])
    await put(restored, 'new')
    expect((await restored.listSnapshots()).map(({ name }) => name)).toEqual(['first', 'second'])
    await expect(put(c, 'into the old')).rejects.toMatchObject({ kind: 'not-found' })
    await sweepAll(open, clock, ['parent'], 6)
    const fresh = await open().collection('parent')
    expect(await keysIn(fresh)).toEqual(['a', 'c', 'tail', 'new'])
    expect(await keysIn(await fresh.openSnapshot('second'))).toEqual(['a', 'c', 'tail', 'later'])
    const again = await open().restore('parent', 'second')
    expect(await keysIn(again)).toEqual(['a', 'c', 'tail', 'later'])
    await sweepAll(open, clock, ['parent'], 6)
    expect(await keysIn(await open().collection('parent'))).toEqual(['a', 'c', 'tail', 'later'])
    expect(await keysIn(await (await open().collection('parent')).openSnapshot('first'))).toEqual(['a', 'c', 'tail'])
    // Nothing is left of the two old ids once nobody needs them.
    const last = await open().collection('parent')
    for (const name of ['first', 'second']) await last.deleteSnapshot(name)
    await last.merge({ isForced: true })
    await sweepAll(open, clock, ['parent'], 12)
    expect((await allKeys(store)).filter((key) => !key.startsWith(last.core.prefix))).toEqual(['catalog/parent'])
    expect(await keysIn(await open().collection('parent'))).toEqual(['a', 'c', 'tail', 'later'])
  })

  test('a version that was read before is not that of another row which the restored log has at the same number', async () => {
    const { open } = world()
    const database = open()
    const c = await database.create('parent', schema())
    await put(c, 'x')
    await c.createSnapshot('s')
    await c.write({ operations: [{ op: 'put', row: { key: 'x', document: 'the one that was read' } }] })
    const [read] = await c.get(['x'])
    const restored = await open().restore('parent', 's')
    await restored.write({ operations: [{ op: 'put', row: { key: 'x', document: 'of somebody else' } }] })
    const [now] = await restored.get(['x'])
    const write = (version: string) => database.with('parent', (each) => each.write({ operations: [{ op: 'put', row: { key: 'x', document: 'mine' } }], conditions: [{ key: 'x', version }] }))
    await expect(write(read!.version)).rejects.toMatchObject({ kind: 'conflict' })
    expect(await write(now!.version)).toMatchObject({ putCount: 1 })
    // Nor of a collection that is made under the name of one that was dropped.
    await database.drop('parent')
    const anew = await database.create('parent', schema())
    await put(anew, 'x')
    await put(anew, 'x')
    await expect(write(read!.version)).rejects.toMatchObject({ kind: 'conflict' })
    expect((await anew.get(['x'], { include: { document: true } }))[0]).toMatchObject({ document: 'text x' })
  })

  test('a writer that has the old one open goes on with the new one', async () => {
    const { open } = world()
    const database = open()
    const c = await parentOf(database)
    await c.createSnapshot('s')
    await put(c, 'later')
    await open().restore('parent', 's')
    await database.with('parent', (each) => put(each, 'after'))
    expect(await keysIn(await open().collection('parent'))).toEqual(['a', 'c', 'tail', 'after'])
  })

  test.each(['a reader', 'a sweep'])('of a process that dies at any request leaves the old or the new, complete; %s that comes next finishes it, and nothing is left over', async (next) => {
    for (let dies = 0; ; dies++) {
      const { clock, store, open } = world()
      const c = await parentOf(open())
      await c.createSnapshot('s')
      await put(c, 'later')
      const faulty: FaultyStore = new FaultyStore(store, { random: seededRandom(1), hooks: { before: ({ index }) => void (index === dies && faulty.crash()) } })
      const outcome = await open(faulty).restore('parent', 's').then(() => 'done', () => 'died')
      if (next === 'a sweep') {
        for (let i = 0; i < 4; i++) {
          clock.ms += graceMs + 1
          await open().sweepTrash()
        }
      }
      const found = await keysIn(await open().collection('parent'))
      const isOld = found.length === 4
      expect(found, `dies at ${dies}`).toEqual(isOld ? ['a', 'c', 'tail', 'later'] : ['a', 'c', 'tail'])
      await open().with('parent', (each) => put(each, 'after'))
      await sweepAll(open, clock, ['parent'], 12)
      expect(await keysIn(await open().collection('parent')), `dies at ${dies}`).toEqual([...found, 'after'])
      const live = await open().collection('parent')
      const ids = new Set((await allKeys(store)).filter((key) => key.startsWith('data/')).map((key) => key.split('/')[1]))
      const marks = new Set((await allKeys(store)).filter((key) => key.startsWith('trash/')).map((key) => key.split('.')[0]))
      if (isOld) expect([...ids], `dies at ${dies}`).toEqual([live.id])
      else expect(ids.size, `dies at ${dies}`).toBe(2)
      expect(marks.size, `dies at ${dies}`).toBe(isOld ? 0 : 1)
      if (outcome === 'done') break
      expect(dies).toBeLessThan(60)
    }
  })

  test('that sleeps just before the end of the old log is restored whole, or told that it was given up', async () => {
    const { clock, store, open } = world()
    const c = await parentOf(open())
    await c.createSnapshot('s')
    await put(c, 'later')
    const { sleeper, sleeping, wake } = sleepBefore(store, (key) => key.startsWith(`${c.core.prefix}log/`))
    const restoring = open(sleeper).restore('parent', 's').then(() => 'done', (error: { kind: string }) => error.kind)
    await sleeping
    await sweepAll(open, clock, ['parent'], 3)
    wake()
    expect(['expired', 'outcome-unknown']).toContain(await restoring)
    await sweepAll(open, clock, ['parent'], 10)
    const after = await open().collection('parent')
    expect(await keysIn(after)).toEqual(['a', 'c', 'tail', 'later'])
    expect((await after.verify()).problems).toEqual([])
    await put(after, 'goes on')
    expect(await keysIn(await open().collection('parent'))).toEqual(['a', 'c', 'tail', 'later', 'goes on'])
  })

  test('that sleeps just before the end of the old log is not given up by a sweep whose own put there was lost', async () => {
    for (const lost of [2, Infinity]) {
      const { clock, store, open } = world()
      const c = await parentOf(open())
      await c.createSnapshot('s')
      await put(c, 'later')
      const { sleeper, sleeping, wake } = sleepBefore(store, (key) => key.startsWith(`${c.core.prefix}log/`))
      const restoring = open(sleeper).restore('parent', 's').then(() => 'done', (error: { kind: string }) => error.kind)
      await sleeping
      let puts = 0
      const hooks = {
        before: ({ operation, key }: { operation: string; key: string }) => {
          if (operation === 'put' && key.startsWith(`${c.core.prefix}log/`) && ++puts <= lost) throw new WindlassError('outcome-unknown', 'lost on its way')
        },
      }
      await sweepAll(() => open(new FaultyStore(store, { random: seededRandom(1), hooks })), clock, [], 3)
      expect(puts).toBeGreaterThan(2)
      wake()
      expect(await restoring).toBe(lost === 2 ? 'expired' : 'done')
      await sweepAll(open, clock, ['parent'], 10)
      const after = await open().collection('parent')
      expect(await keysIn(after)).toEqual(lost === 2 ? ['a', 'c', 'tail', 'later'] : ['a', 'c', 'tail'])
      expect((await after.verify()).problems).toEqual([])
    }
  })
})

function sleepBefore(store: MemoryStore, test: (key: string) => boolean) {
  let wake = () => {}
  let slept = () => {}
  const sleeping = new Promise<void>((resolve) => (slept = resolve))
  const gate = new Promise<void>((resolve) => (wake = resolve))
  let isFirst = true
  const hooks = {
    before: async ({ operation, key }: { operation: string; key: string }) => {
      if (operation !== 'put' || !isFirst || !test(key)) return
      isFirst = false
      slept()
      await gate
    },
  }
  return { sleeper: new FaultyStore(store, { random: seededRandom(1), hooks }), sleeping, wake: () => wake() }
}
