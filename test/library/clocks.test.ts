// Local clocks that are wrong, and that jump, are nobody's problem: two openings of one bucket, days apart.
import { expect, test } from 'vitest'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import { open } from '../../src/index.ts'

const dayMs = 86_400_000

/** The system's clock, off by what `offset.ms` says; what counts durations runs on. */
function shifted(offset: { ms: number }): Clock {
  return { ...systemClock, now: () => systemClock.now() + offset.ms }
}

test('writers whose clocks differ by days, and jump between writes, lose nothing', async () => {
  const url = `memory:clocks-${process.pid}`
  const ahead = { ms: dayMs }
  const behind = { ms: -dayMs }
  // Who opens it first gives the store in memory its clock: as S3 has its own, so has this.
  const store = await open(url)
  await store.listCollections()
  const buckets = await Promise.all([ahead, behind].map((offset) => open(url, { clock: shifted(offset) })))
  await buckets[0]!.createCollection('c')
  const collections = await Promise.all(buckets.map((bucket) => bucket.collection('c')))
  for (let i = 0; i < 20; i++) {
    for (const [j, collection] of collections.entries()) await collection.put([{ key: `${j}-${i}`, vector: [i, j] }])
    ahead.ms += (i % 2 === 0 ? 3 : -3) * dayMs
    behind.ms -= dayMs
    if (i % 5 === 4) await collections[i % 2]!.flush()
    for (const collection of collections) expect(await collection.count()).toBe((i + 1) * 2)
  }
  for (const collection of collections) expect((await collection.sweep())?.deletedCount ?? 0).toBe(0)
  expect((await buckets[1]!.verify('c')).problems).toEqual([])
  for (const bucket of [...buckets, store]) await bucket.close()
})
