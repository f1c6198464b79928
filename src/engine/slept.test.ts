// A process sleeps until a sweep has deleted what its view names: nothing that it does afterwards shows that, except where something is lost.
import { describe, expect, test, vi } from 'vitest'
import { seededRandom } from '../base/random.ts'
import { logKey } from '../format/log-record.ts'
import { FaultyStore } from '../testing/faulty-store.ts'
import type { EngineCollection } from './collection.ts'
import { Database } from './database.ts'
import { graceMs, sweepTimes, world } from './maintain/testing.ts'
import { schema } from './testing.ts'

/** `sleeper` has the view of two segments, in memory only their names; both are merged and swept; the log goes on. */
async function sleepThroughSweep() {
  const { clock, store, open } = world({ memoryBudgetBytes: 0 })
  const other = await open().create('c', schema())
  for (const key of ['a', 'b']) {
    await other.write({ operations: [{ op: 'put', row: { key, metadata: { n: 1 } } }] })
    await other.flush()
  }
  const sleeper = await open().collection('c')
  expect(await sleeper.count()).toBe(2)
  await other.merge({ isForced: true })
  await sweepTimes(other, clock, 3)
  // Above the floor that the sleeper knows, and on a row of a segment that is gone.
  await other.write({ operations: [{ op: 'put', row: { key: 'a', metadata: { n: 2 } } }] })
  return { clock, store, other, sleeper }
}

async function contentOf(c: EngineCollection): Promise<unknown[]> {
  return (await c.list({ include: { metadata: true } })).rows.map(({ key, metadata }) => [key, metadata])
}

const tasks: Readonly<Record<string, (sleeper: EngineCollection) => Promise<unknown>>> = {
  'a put': (c) => c.write({ operations: [{ op: 'put', row: { key: 'c' } }] }),
  'a patch, which reads a row': (c) => c.write({ operations: [{ op: 'patch', key: 'b', metadata: { n: 3 } }] }),
  'a strong read': (c) => c.list(),
  'a flush': (c) => c.flush(),
  'a snapshot': (c) => c.createSnapshot('s'),
  'opening a snapshot': async (c) => expect((await c.openSnapshot('none').catch((error: unknown) => error)) as object).toMatchObject({ kind: 'not-found' }),
}

describe('a process that slept until what its view names was swept', () => {
  test.each(Object.entries(tasks))('%s works', async (_, task) => {
    const { sleeper } = await sleepThroughSweep()
    await task(sleeper)
    expect((await contentOf(sleeper))[0]).toEqual(['a', { n: 2 }])
  })

  test('a patch just before the sleep is over reads its row from the new segment', async () => {
    const { sleeper } = await sleepThroughSweep()
    // The view is proved to be at the last commit, and takes the new manifest in the background.
    await sleeper.core.refresh()
    await sleeper.write({ operations: [{ op: 'patch', key: 'b', metadata: { n: 3 } }] })
    expect(await contentOf(sleeper)).toEqual([['a', { n: 2 }], ['b', { n: 3 }]])
  })

  test('a merge whose inputs went while it slept is given up', async () => {
    const { clock, other, sleeper } = await sleepThroughSweep()
    await other.flush()
    const { core } = sleeper
    const get = core.context.store.get.bind(core.context.store)
    let isAsleep = true
    // Between its look at the manifest and its first input, everything is merged and swept by the other.
    Object.assign(core.context.store, {
      get: async (...args: Parameters<typeof get>) => {
        if (isAsleep && args[0].endsWith('.seg')) {
          isAsleep = false
          await other.merge({ isForced: true })
          await sweepTimes(other, clock, 3)
        }
        return get(...args)
      },
    })
    expect(await sleeper.merge({ isForced: true })).toBe(false)
    expect(await contentOf(sleeper)).toEqual([['a', { n: 2 }], ['b', { n: 1 }]])
  })

  test('finds that it was dropped, also where a sweep has put a manifest for what was gone already', async () => {
    const { clock, store, other, sleeper } = await sleepThroughSweep()
    const { context, id, prefix } = other.core
    const database = new Database(context)
    await database.drop('c')
    for (let i = 0; i < 6; i++) {
      clock.ms += graceMs + 1
      await database.sweepTrash()
    }
    expect((await store.get(`${prefix}manifest`)).kind).toBe('absent')
    await database.catalog.mark(id, 'c')
    clock.ms += graceMs + 1
    await database.sweepTrash()
    expect((await store.get(`${prefix}manifest`)).kind).toBe('found')
    for (const task of ['a put', 'a patch, which reads a row', 'a strong read', 'a snapshot', 'opening a snapshot']) {
      if (task === 'opening a snapshot') await tasks[task]!(sleeper)
      else await expect(tasks[task]!(sleeper), task).rejects.toMatchObject({ kind: 'not-found', message: expect.stringMatching(/was dropped/) })
    }
  })

  test('what the newest manifest names too is damage', async () => {
    const { clock, store, sleeper, other } = await sleepThroughSweep()
    const { manifest } = (await other.core.open()).loaded
    await store.delete(manifest.segments.map(({ id }) => `${other.core.prefix}segments/${id}.seg`))
    clock.ms += graceMs
    for (const task of ['a put', 'a patch, which reads a row', 'a strong read', 'a snapshot']) {
      await expect(tasks[task]!(sleeper), task).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringMatching(/newest manifest names it/) })
    }
  })

  test('a strong read proves nothing by numbers that were swept, though the view has passed them meanwhile', async () => {
    const { clock, store, open } = world()
    const other = await open().create('c', schema())
    const write = (key: string) => other.write({ operations: [{ op: 'put', row: { key } }] })
    await write('a')
    let release = () => {}
    let isHeld = true
    const hooks = {
      after: async ({ operation, key }: { operation: string; key: string }) => {
        if (operation !== 'get' || key !== other.core.prefix + logKey(3) || isHeld) return
        isHeld = true
        await new Promise<void>((resolve) => (release = resolve))
      },
    }
    const sleeper = await open(new FaultyStore(store, { random: seededRandom(1), hooks })).collection('c')
    expect(await sleeper.count()).toBe(1)
    await write('b')
    await other.flush()
    await sweepTimes(other, clock, 3)
    isHeld = false
    // Looks for commit 3 before there is one, and hears of that only after the read has looked for commit 2, which was swept.
    const adopting = sleeper.core.reload()
    await vi.waitFor(() => expect(isHeld).toBe(true))
    await write('c')
    const reading = sleeper.count()
    await new Promise((resolve) => setImmediate(resolve))
    release()
    await adopting
    expect(await reading).toBe(3)
  })
})
