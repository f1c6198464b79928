// Making, branching, restoring and dropping collections while others do the same, answers get lost, and processes sleep.
import { describe, expect, test } from 'vitest'
import { WindlassError } from '../../base/errors.ts'
import { seededRandom } from '../../base/random.ts'
import { logKey } from '../../format/log-record.ts'
import type { MemoryStore } from '../../store/memory-store.ts'
import type { ObjectStore, PutOptions, PutResult } from '../../store/object-store.ts'
import { WrappingStore } from '../../store/wrapping-store.ts'
import { FaultyStore } from '../../testing/faulty-store.ts'
import type { EngineCollection } from '../collection.ts'
import { CollectionCore } from '../core.ts'
import type { Database } from '../database.ts'
import { schema } from '../testing.ts'
import { flush } from './flush.ts'
import { loadSnapshot } from './snapshots.ts'
import { sweep } from './sweep.ts'
import { graceMs, world } from './testing.ts'

async function put(c: EngineCollection, ...keys: string[]): Promise<void> {
  await c.write({ operations: keys.map((key) => ({ op: 'put', row: { key } })) })
}

async function keysIn(reader: { list: EngineCollection['list'] }): Promise<string[]> {
  return (await reader.list({ limit: 1000 })).rows.map(({ key }) => key)
}

async function allKeys(store: MemoryStore): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list('')) keys.push(key)
  return keys
}

function signal(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  return { promise: new Promise<void>((done) => (resolve = done)), resolve: () => resolve() }
}

/** A store whose first put of a key that `test` picks waits until it is woken. */
function sleepBeforePut(store: ObjectStore, test: (key: string) => boolean) {
  return sleepBefore(store, ({ operation, key }) => operation === 'put' && test(key))
}

/** A store whose first request that `test` picks waits until it is woken. */
function sleepBefore(store: ObjectStore, test: (request: { operation: string; key: string }) => boolean) {
  const asleep = signal()
  const awake = signal()
  let isFirst = true
  const before = async (request: { operation: string; key: string }) => {
    if (!isFirst || !test(request)) return
    isFirst = false
    asleep.resolve()
    await awake.promise
  }
  return { sleeper: new FaultyStore(store, { random: seededRandom(1), hooks: { before } }), sleeping: asleep.promise, wake: () => awake.resolve() }
}

/** Sweeps a name and the trash, a grace period apart. */
async function sweepAll(open: () => Database, clock: { ms: number }, name: string | null, count = 6): Promise<void> {
  for (let i = 0; i < count; i++) {
    clock.ms += graceMs + 1
    if (name !== null) await (await open().collection(name)).sweep()
    await open().sweepTrash()
  }
}

describe('a restore', () => {
  test('of a snapshot that lies under an older collection keeps those of the collection in between', async () => {
    const { clock, open } = world()
    const database = open()
    const c = await database.create('c', schema())
    await put(c, 'a')
    await c.createSnapshot('first')
    await put(c, 'b')
    const second = await database.restore('c', 'first')
    await put(second, 'c')
    await second.flush()
    await second.createSnapshot('second')
    await put(second, 'd')
    const third = await database.restore('c', 'first')
    await sweepAll(open, clock, 'c')
    expect(await keysIn(third)).toEqual(['a'])
    expect(await keysIn(await third.openSnapshot('second'))).toEqual(['a', 'c'])
    expect(await keysIn(await database.restore('c', 'second'))).toEqual(['a', 'c'])
    await sweepAll(open, clock, 'c')
    const fresh = await open().collection('c')
    expect(await keysIn(await fresh.openSnapshot('first'))).toEqual(['a'])
    expect((await fresh.verify()).problems).toEqual([])
  })

  test('keeps what is pinned while it works, and not what is unpinned', async () => {
    const { store, open } = world()
    const other = await open().create('c', schema())
    await put(other, 'a')
    await other.createSnapshot('kept')
    await other.createSnapshot('deleted')
    let puts = 0
    const hooks = {
      before: async ({ operation, key }: { operation: string; key: string }) => {
        if (operation !== 'put' || !/manifest$/.test(key) || key.startsWith(other.core.prefix) || puts++ > 0) return
        await other.deleteSnapshot('deleted')
        await other.createSnapshot('new')
      },
    }
    const restored = await open(new FaultyStore(store, { random: seededRandom(1), hooks })).restore('c', 'kept')
    expect((await restored.listSnapshots()).map(({ name }) => name)).toEqual(['kept', 'new'])
  })

  test('keeps what is pinned just before the log ends; who pins or unpins after it is told that it has', async () => {
    const { store, open } = world()
    const other = await open().create('c', schema())
    await put(other, 'a')
    await other.createSnapshot('kept')
    await other.createSnapshot('deleted')
    const late: unknown[] = []
    const isEnd = (key: string) => key === other.core.prefix + logKey(2)
    const hooks = {
      before: async ({ operation, key }: { operation: string; key: string }) => {
        if (operation !== 'put' || !isEnd(key)) return
        await other.createSnapshot('new')
        await other.deleteSnapshot('deleted')
      },
      after: async ({ operation, key }: { operation: string; key: string }) => {
        if (operation !== 'put' || !isEnd(key)) return
        late.push(await other.createSnapshot('late').catch((error: unknown) => error), await other.deleteSnapshot('new').catch((error: unknown) => error))
      },
    }
    const restored = await open(new FaultyStore(store, { random: seededRandom(1), hooks })).restore('c', 'kept')
    expect((await restored.listSnapshots()).map(({ name }) => name)).toEqual(['kept', 'new'])
    expect(late).toMatchObject([{ kind: 'not-found' }, { kind: 'not-found' }])
  })

  test.each(['pin', 'unpin'])('makes a %s begin again that read manifest and log just before the end', async (what) => {
    const { store, open } = world()
    const c = await open().create('c', schema())
    await put(c, 'a')
    await c.createSnapshot('s')
    const { sleeper, sleeping, wake } = sleepBeforePut(store, (key) => key === `${c.core.prefix}manifest`)
    const slow = await open(sleeper).collection('c')
    let outcome: Promise<unknown> = Promise.resolve()
    const hooks = {
      before: async ({ operation, key }: { operation: string; key: string }) => {
        if (operation !== 'put' || key !== c.core.prefix + logKey(2)) return
        outcome = (what === 'pin' ? slow.createSnapshot('t') : slow.deleteSnapshot('s')).catch((error: unknown) => error)
        await sleeping
      },
    }
    await open(new FaultyStore(store, { random: seededRandom(1), hooks })).restore('c', 's')
    wake()
    expect(await outcome).toMatchObject({ kind: 'not-found' })
    expect((await (await open().collection('c')).listSnapshots()).map(({ name }) => name)).toEqual(['s'])
  })

  test.each(['pin', 'unpin'])('between any two requests of a %s keeps what that did, or that is told', async (what) => {
    for (let at = 0, hasRestored = true; hasRestored; at++) {
      hasRestored = false
      const { store, open } = world()
      const c = await open().create('c', schema())
      await put(c, 'a')
      await c.createSnapshot('s')
      await c.createSnapshot('t')
      let first = Infinity
      const hooks = {
        before: async ({ index }: { index: number }) => {
          if (index !== first + at || hasRestored) return
          hasRestored = true
          await open().restore('c', 's')
        },
      }
      const faulty = new FaultyStore(store, { random: seededRandom(1), hooks })
      const slow = await open(faulty).collection('c')
      first = faulty.operationCount
      const outcome = await (what === 'pin' ? slow.createSnapshot('u') : slow.deleteSnapshot('t')).then(() => 'done', (error: { kind: string }) => error.kind)
      const names = (await (await open().collection('c')).listSnapshots()).map(({ name }) => name)
      const changed = what === 'pin' ? ['s', 't', 'u'] : ['s']
      if (outcome === 'done') expect(names, `at ${at}`).toEqual(changed)
      else expect([outcome, names], `at ${at}`).toEqual(['not-found', ['s', 't']])
      expect(at).toBeLessThan(30)
    }
  })

  test('that dies after the end of the log keeps all snapshots, however many sweeps pass before it is finished', async () => {
    const { clock, store, open } = world()
    const c = await open().create('c', schema())
    await put(c, 'a')
    await c.createSnapshot('s')
    await put(c, 'b')
    await c.createSnapshot('t')
    const faulty: FaultyStore = new FaultyStore(store, { random: seededRandom(1), hooks: { after: ({ operation, key }) => void (operation === 'put' && key === c.core.prefix + logKey(3) && faulty.crash()) } })
    await expect(open(faulty).restore('c', 's')).rejects.toBeDefined()
    // Not by the name: that would finish it.
    const old = new CollectionCore(open().context, c.id)
    await flush(old)
    for (let i = 0; i < 4; i++) {
      clock.ms += graceMs + 1
      await sweep(old, { isForced: true })
    }
    const restored = await open().collection('c')
    expect(await keysIn(restored)).toEqual(['a'])
    expect(await keysIn(await restored.openSnapshot('t'))).toEqual(['a', 'b'])
    await sweepAll(open, clock, 'c')
    expect(await keysIn(await restored.openSnapshot('t'))).toEqual(['a', 'b'])
    expect((await restored.verify()).problems).toEqual([])
  })

  test('of a long while ago that was given up keeps nobody from sweeping', async () => {
    const { clock, store, open } = world()
    const c = await open().create('c', schema())
    await put(c, 'a')
    await c.createSnapshot('s')
    const { sleeper, sleeping, wake } = sleepBeforePut(store, (key) => key.endsWith('/manifest') && !key.startsWith(c.core.prefix))
    const restoring = open(sleeper).restore('c', 's').catch((error: unknown) => error)
    await sleeping
    await open().drop('c')
    clock.ms += graceMs / 2
    await open().sweepTrash()
    wake()
    expect(await restoring).toMatchObject({ kind: 'expired' })
    await sweepAll(open, clock, null, 16)
    expect(await allKeys(store)).toEqual(['catalog/c'])
  })

  test('ends the log at the number that it prepared, whatever the view does meanwhile', async () => {
    const { open } = world()
    const c = await open().create('c', schema())
    const other = await open().collection('c')
    const prepared: number[] = []
    await c.moveTo('somewhere', async (seq) => {
      prepared.push(seq)
      if (prepared.length > 2) return
      await put(other, `k${seq}`)
      await c.core.refresh()
    })
    expect(prepared).toEqual([1, 2, 3])
    expect((await c.core.open()).seq).toBe(3)
    expect((await open().collection('c').catch((error: unknown) => error)) as object).toMatchObject({ kind: expect.any(String) })
  })

  test('that meets the end of the log while it prepares puts nothing after it', async () => {
    const { open } = world()
    const c = await open().create('c', schema())
    const other = await open().collection('c')
    await c.moveTo('somewhere', async () => {
      await other.drop()
      await c.core.refresh()
    })
    const fresh = await open().catalog.find('c')
    expect(fresh).toBe(c.id)
    const view = await other.core.open()
    await other.core.refresh()
    expect([view.seq, view.ended]).toEqual([1, { kind: 'dropped' }])
  })
})

/** Manifest puts of the first kind that `delays` names get no answer, and arrive when the process sleeps next. */
class LateStore extends WrappingStore {
  delays = false
  arrive: (() => Promise<unknown>) | null = null

  override async put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<PutResult> {
    if (!this.delays || !key.endsWith('/manifest')) return this.inner.put(key, bytes, options)
    this.delays = false
    this.arrive = () => this.inner.put(key, bytes, options)
    throw new WindlassError('outcome-unknown', 'connection reset')
  }
}

test('a pin that seemed lost and arrives later is ours, and so is taking it away', async () => {
  const { clock, store, open } = world()
  const late = new LateStore(store)
  clock.sleep = async () => void (await late.arrive?.().catch(() => undefined))
  const c = await open(late).create('c', schema())
  await put(c, 'a')
  late.delays = true
  await c.createSnapshot('s')
  expect((await c.listSnapshots()).map(({ name }) => name)).toEqual(['s'])
  expect(await keysIn(await c.openSnapshot('s'))).toEqual(['a'])
  late.delays = true
  await c.deleteSnapshot('s')
  expect(await c.listSnapshots()).toEqual([])
})

describe('a collection whose maker wakes up while a sweep takes it for abandoned', () => {
  test.each(['maker', 'another', 'another, while the maker sleeps again'])('loses nothing that the %s was told is written, between whichever two requests of the sweep that is', async (who) => {
    let isOver = false
    for (let at = 1; !isOver; at++) {
      const { store, clock, open } = world()
      const named = sleepBefore(store, ({ operation, key }) => operation === 'put' && key === 'catalog/c')
      let isNamed = false
      const looked = sleepBefore(named.sleeper, ({ operation, key }) => {
        isNamed ||= key === 'catalog/c' && operation === 'put'
        return isNamed && operation === 'get' && key.endsWith('/manifest')
      })
      const making = open(looked.sleeper).create('c', schema())
      await named.sleeping
      clock.ms += graceMs + 1
      let isWritten = false
      let seen = 0
      const before = async () => {
        if (++seen !== at) return
        named.wake()
        await looked.sleeping
        if (who !== 'another, while the maker sleeps again') {
          looked.wake()
          await making
        }
        const write = async () => put(who === 'maker' ? await making : await open().collection('c'), 'k')
        await write().then(
          () => (isWritten = true),
          // Where the sweep was faster.
          (error: unknown) => expect(error).toMatchObject({ kind: 'not-found' }),
        )
      }
      await open(new FaultyStore(store, { random: seededRandom(2), hooks: { before } })).sweepTrash()
      named.wake()
      looked.wake()
      await making
      expect(await keysIn(await open().collection('c')), `request ${at}`).toEqual(isWritten ? ['k'] : [])
      await sweepAll(open, clock, 'c', 3)
      expect(await keysIn(await open().collection('c')), `request ${at}, later`).toEqual(isWritten ? ['k'] : [])
      isOver = seen < at
      if (isOver) expect(at, 'as many requests as such a sweep makes').toBeGreaterThan(8)
    }
  })
})

test('409 although nobody has the key is tried again, and does not say that the name is taken', async () => {
  for (const what of [/\/manifest$/, /^catalog\//]) {
    const { store, open } = world()
    await open().create('parent', schema())
    let refusals = 2
    const hooks = {
      before: ({ operation, key }: { operation: string; key: string }) => {
        if (operation === 'put' && what.test(key) && !key.includes('parent') && refusals-- > 0) throw new WindlassError('conflict', '409', { status: 409 })
      },
    }
    const faulty = new FaultyStore(store, { random: seededRandom(1), hooks })
    await open(faulty).create('c', schema())
    refusals = 2
    await open(faulty).branch('parent', 'b')
    expect((await open().catalog.list({})).names).toEqual(['b', 'c', 'parent'])
  }
})

describe('what was dropped', () => {
  test('goes although a late request of its maker takes away a mark', async () => {
    const { clock, store, open } = world()
    const database = open()
    const c = await database.create('c', schema())
    await put(c, 'a')
    await database.drop('c')
    await store.delete([`trash/${c.id}`])
    await sweepAll(open, clock, null)
    expect(await allKeys(store)).toEqual(['catalog/c'])
  })

  test('goes with commits that fell below its floor', async () => {
    const { clock, store, open } = world()
    const database = open()
    const c = await database.create('c', schema())
    await put(c, 'a')
    await c.flush()
    const lost = await store.get(c.core.prefix + logKey(1))
    await sweepAll(open, clock, 'c', 3)
    if (lost.kind === 'found') await store.put(c.core.prefix + logKey(1), lost.bytes)
    await put(c, 'b')
    await c.flush()
    await sweepAll(open, clock, 'c', 2)
    expect(await allKeys(store)).toContain(c.core.prefix + logKey(1))
    await (await open().collection('c')).settle()
    await open().drop('c')
    await sweepAll(open, clock, null)
    expect(await allKeys(store)).toEqual(['catalog/c'])
  })

  test('and removed while a process slept is not found by it, whatever it asks; the name is, once it stands for another', async () => {
    const { clock, open } = world()
    const sleeper = open()
    const old = await sleeper.create('c', schema())
    await put(old, 'a')
    await old.flush()
    const others = open()
    await others.drop('c')
    await sweepAll(open, clock, null)
    for (const ask of [() => old.list(), () => put(old, 'b'), () => old.createSnapshot('s'), () => old.sweep()]) await expect(ask()).rejects.toMatchObject({ kind: 'not-found' })
    await others.create('c', schema())
    expect(await keysIn(await sleeper.collection('c'))).toEqual([])
    await sleeper.close()
  })

  test.each(['heard of', 'lost'])('goes with what another sweeper puts while the last of it is removed, and the answer is %s', async (answer) => {
    const { clock, store, open } = world()
    const c = await open().create('c', schema())
    await put(c, 'a')
    await open().drop('c')
    let isFirst = true
    const hooks = {
      before: async ({ operation, key }: { operation: string; key: string }) => {
        if (!isFirst || operation !== 'delete' || !key.endsWith('/manifest')) return
        isFirst = false
        await store.put(`${c.core.prefix}manifests/00000000000000000001`, new Uint8Array(1))
      },
      after: ({ operation, key }: { operation: string; key: string }) => {
        if (answer === 'lost' && operation === 'delete' && key.startsWith('trash/')) throw new WindlassError('unavailable', 'lost')
      },
    }
    for (let i = 0; i < 10; i++) await sweepAll(() => open(new FaultyStore(store, { random: seededRandom(1), hooks })), clock, null, 1).catch((error: unknown) => expect(error).toMatchObject({ kind: 'unavailable' }))
    expect(isFirst).toBe(false)
    expect(await allKeys(store)).toEqual(['catalog/c'])
  })

  test('gets a plan from no sweeper that does not mark it again', async () => {
    const { clock, store, open } = world()
    const c = await open().create('c', schema())
    await put(c, 'a')
    await open().drop('c')
    await sweepAll(open, clock, null, 2)
    const { sleeper, sleeping, wake } = sleepBeforePut(store, (key) => key.includes('/sweep/'))
    const slow = sweep(new CollectionCore(open(sleeper).context, c.id), { isForced: true }).catch(() => undefined)
    clock.ms += graceMs + 1
    const slower = sweep(new CollectionCore(open(sleeper).context, c.id), { isForced: true }).catch(() => undefined)
    await sleeping
    // Its clock has stood still meanwhile.
    const then = clock.ms
    await sweepAll(open, clock, null, 10)
    expect(await allKeys(store)).toEqual(['catalog/c'])
    clock.ms = then
    wake()
    await Promise.all([slow, slower])
    await sweepAll(open, clock, null, 20)
    expect(await allKeys(store)).toEqual(['catalog/c'])
  })

  test('has no snapshots any more for who slept while it was removed', async () => {
    const { clock, store, open } = world()
    const c = await open().create('c', schema())
    await put(c, 'a')
    await c.createSnapshot('s')
    let isFirst = true
    const hooks = {
      before: async ({ operation, key }: { operation: string; key: string }) => {
        if (!isFirst || operation !== 'get' || !key.includes('/snapshots/')) return
        isFirst = false
        await open().drop('c')
        await sweepAll(open, clock, null, 2)
        expect(await allKeys(store)).toContain(`${c.core.prefix}manifest`)
      },
    }
    const slow = new CollectionCore(open(new FaultyStore(store, { random: seededRandom(1), hooks })).context, c.id)
    await expect(loadSnapshot(slow, 's')).rejects.toMatchObject({ kind: 'not-found' })
    expect(isFirst).toBe(false)
  })

  test('gets nothing from a committer that slept until it was removed, or that goes too', async () => {
    const { clock, store, open } = world()
    const c = await open().create('c', schema())
    await put(c, 'a')
    let isAsleep = true
    const hooks = {
      before: async ({ operation, key }: { operation: string; key: string }) => {
        if (!isAsleep || operation !== 'put' || !key.includes('/segments/')) return
        isAsleep = false
        await open().drop('c')
        await sweepAll(open, clock, null)
      },
    }
    const sleeper = await open(new FaultyStore(store, { random: seededRandom(1), hooks })).collection('c')
    await sleeper.flush().catch(() => undefined)
    expect(isAsleep).toBe(false)
    await sweepAll(open, clock, null)
    expect(await allKeys(store)).toEqual(['catalog/c'])
  })
})
