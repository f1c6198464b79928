// Closing a database flushes what has grown; what others dropped, or what fails, keeps nothing else from being flushed.
import { expect, test } from 'vitest'
import { seededRandom } from '../base/random.ts'
import { FaultyStore } from '../testing/faulty-store.ts'
import { loadManifest } from './commit/manifest-object.ts'
import type { EngineCollection } from './collection.ts'
import { graceMs, world } from './maintain/testing.ts'
import { schema } from './testing.ts'

/** Writes more than half of what makes a flush due, so that closing flushes it. */
async function fill(c: EngineCollection): Promise<void> {
  for (const key of ['a', 'b', 'c']) await c.write({ operations: [{ op: 'put', row: { key } }] })
}

async function floorOf({ core }: EngineCollection): Promise<number> {
  return (await loadManifest(core.context.store, core.prefix)).manifest.floor
}

test('a process that slept until its collection was dropped and removed closes, and flushes the others', async () => {
  const { clock, store, open } = world({ flushCommits: 4 })
  const sleeper = open()
  const dropped = await sleeper.create('dropped', schema())
  await fill(dropped)
  const kept = await sleeper.create('kept', schema())
  await fill(kept)
  const other = open()
  await other.drop('dropped')
  for (let visit = 0; visit < 6; visit++) {
    clock.ms += graceMs + 1
    await other.sweepTrash()
  }
  expect((await store.get(`${dropped.core.prefix}manifest`)).kind).toBe('absent')
  await sleeper.close()
  expect(await floorOf(kept)).toBe(3)
})

test('a flush that fails is told, after the others were flushed', async () => {
  const { store, open } = world({ flushCommits: 4 })
  const broken = { prefix: 'none' }
  const hooks = {
    before: async ({ operation, key }: { operation: string; key: string }) => {
      if (operation === 'put' && key.startsWith(`${broken.prefix}segments/`)) throw new Error('the disk is full')
    },
  }
  const database = open(new FaultyStore(store, { random: seededRandom(1), hooks }))
  const first = await database.create('first', schema())
  await fill(first)
  const second = await database.create('second', schema())
  await fill(second)
  broken.prefix = first.core.prefix
  await expect(database.close()).rejects.toThrow('the disk is full')
  expect([await floorOf(first), await floorOf(second)]).toEqual([0, 3])
})
