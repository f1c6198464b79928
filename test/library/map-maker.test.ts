import { afterEach, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { open } from '../../src/index.ts'
import { clusteredVectors } from '../../src/vector/projection/testing.ts'
import type { Bucket, Collection } from '../../src/library/types.ts'
import { mapKey } from '../../src/library/map/map-object.ts'
import { MapMaker, type MapOutcome } from '../../src/library/map/map-maker.ts'
import { openProjector } from '../../src/library/map/map-thread.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { systemClock } from '../../src/base/clock.ts'

const opened: Bucket[] = []
afterEach(async () => {
  for (const bucket of opened.splice(0)) await bucket.close()
})

async function openBucket(): Promise<Bucket> {
  const bucket = await open('memory:')
  opened.push(bucket)
  return bucket
}

const vectors = clusteredVectors({ centers: 3, count: 20, dimension: 8, spread: 0.1 }, seededRandom(1))
const records = vectors.map((vector, i) => ({ key: `r${i}`, vector, metadata: { kind: ['noun', 'verb', 'adjective'][i % 3]!, size: i, only: `one ${i}` } }))

async function filled(bucket: Bucket, name = 'words'): Promise<Collection> {
  const collection = await bucket.createCollection(name, { dimension: 8 })
  await collection.put(records)
  return collection
}

test('a map has a place for each record with a vector, and what it can be coloured by', async () => {
  const bucket = await openBucket()
  const collection = await filled(bucket)
  await collection.put([{ key: 'words only', document: 'no vector' }])
  expect(await bucket.maps.state(collection)).toEqual({ map: null, isCurrent: false, run: null, error: null })
  expect(await bucket.maps.start(collection)).toBe('made')
  const { map, isCurrent, run } = await bucket.maps.state(collection)
  expect({ isCurrent, run, keys: map!.keys }).toEqual({ isCurrent: true, run: null, keys: records.map(({ key }) => key) })
  expect(map).toMatchObject({ collectionId: collection.id, recordCount: 61, vectorlessCount: 1 })
  expect(map!.positions.length).toBe(120)
  expect(new Set(Array.from(records, (_, i) => map!.positions[i * 2]! * 65_536 + map!.positions[i * 2 + 1]!)).size).toBeGreaterThan(50)
  const [kind, size, ...others] = map!.fields
  expect(others).toEqual([])
  expect(kind).toMatchObject({ name: 'kind', kind: 'text', values: [{ value: 'adjective', count: 20 }, { value: 'noun', count: 20 }, { value: 'verb', count: 20 }] })
  expect([...kind!.codes.slice(0, 3)]).toEqual([2, 3, 1])
  expect(size).toMatchObject({ name: 'size', kind: 'number', least: 0, most: 59 })
  expect([size!.codes[0], size!.codes[59]]).toEqual([1, 255])
  expect((await bucket.verify('words')).problems).toEqual([])
})

test('it is made anew when a tenth of the records has changed, or on request', async () => {
  const bucket = await openBucket()
  const collection = await filled(bucket)
  await bucket.maps.start(collection)
  const first = (await bucket.maps.state(collection)).map!
  expect(await bucket.maps.start(collection)).toBe('unchanged')
  await collection.put(records.slice(0, 5))
  expect((await bucket.maps.state(collection)).isCurrent).toBe(false)
  expect(await bucket.maps.start(collection)).toBe('unchanged')
  expect(await bucket.maps.start(collection, { force: true })).toBe('made')
  // The same vectors make the same map.
  expect((await bucket.maps.state(collection)).map!.positions).toEqual(first.positions)
  await collection.delete(records.slice(0, 6).map(({ key }) => key))
  expect(await bucket.maps.start(collection)).toBe('made')
  expect((await bucket.maps.state(collection)).map!.keys).not.toContain('r0')
})

test.each([0, 1, 2])('a collection of %i records has a map of so many points', async (count) => {
  const bucket = await openBucket()
  const collection = await bucket.createCollection('few')
  if (count > 0) await collection.put(records.slice(0, count))
  expect(await bucket.maps.start(collection)).toBe('made')
  expect((await bucket.maps.state(collection)).map!.keys.length).toBe(count)
})

test('one is made at a time; one that waits can be given up, and one that is under way', async () => {
  const bucket = await openBucket()
  const [a, b] = [await filled(bucket, 'a'), await filled(bucket, 'b')]
  const ended: string[] = []
  const follow = (name: string, outcome: Promise<MapOutcome>) => outcome.then((how) => ended.push(`${name} ${how}`))
  const first = follow('a', bucket.maps.start(a))
  const second = follow('b', bucket.maps.start(b))
  expect((await bucket.maps.state(b)).run).toEqual({ state: 'waiting', part: 'waiting', done: 0 })
  await Promise.all([bucket.maps.cancel(b.id), bucket.maps.cancel(a.id), first, second])
  expect(ended.sort()).toEqual(['a cancelled', 'b cancelled'])
  expect((await bucket.maps.state(a)).map).toBeNull()
  expect(await bucket.maps.start(a)).toBe('made')
})

test('the map of a dropped collection goes with it', async () => {
  const store = new MemoryStore()
  const bucket = await open('memory:')
  opened.push(bucket)
  const collection = await filled(bucket)
  const maker = new MapMaker(store, systemClock)
  // Of a collection that is no more: nothing lies under its id in this store.
  await store.put(mapKey('gone'), new Uint8Array(3))
  expect(await maker.start(collection)).toBe('made')
  expect(await store.head(mapKey('gone'))).toBeNull()
  expect(await store.head(mapKey(collection.id))).not.toBeNull()
  await bucket.maps.start(collection)
  await bucket.dropCollection('words')
  expect(await bucket.maps.state({ ...collection, id: collection.id, stats: async () => ({ logSequence: 0 }) } as unknown as Collection)).toMatchObject({ map: null })
})

test('a map that is damaged, or of a newer version, is as good as none', async () => {
  const store = new MemoryStore()
  const bucket = await openBucket()
  const collection = await filled(bucket)
  const maker = new MapMaker(store, systemClock)
  await maker.start(collection)
  const found = await store.get(mapKey(collection.id))
  const bytes = found.kind === 'found' ? found.bytes.slice() : new Uint8Array()
  bytes[bytes.length - 1]! ^= 1
  await store.put(mapKey(collection.id), bytes)
  expect((await maker.state(collection)).map).toBeNull()
  expect(await maker.start(collection)).toBe('made')
  expect((await maker.state(collection)).map).not.toBeNull()
})

test('what fails is told, and ends nothing else', async () => {
  const store = new MemoryStore()
  const bucket = await openBucket()
  const collection = await filled(bucket)
  const maker = new MapMaker(store, systemClock)
  // The collection is read while it is being dropped.
  await bucket.dropCollection('words')
  expect(await maker.start(collection)).toBe('failed')
  const other = await filled(bucket, 'other')
  expect(await maker.start(other)).toBe('made')
})

test('large ones are made in a thread: the same map as here', async () => {
  const bucket = await openBucket()
  const wide = clusteredVectors({ centers: 4, count: 60, dimension: 900, spread: 0.1 }, seededRandom(2))
  const collection = await bucket.createCollection('wide')
  await collection.put(wide.map((vector, i) => ({ key: `w${i}`, vector })))
  expect(await bucket.maps.start(collection)).toBe('made')
  const { map } = await bucket.maps.state(collection)
  const distance = (i: number, j: number) => Math.hypot(map!.positions[i * 2]! - map!.positions[j * 2]!, map!.positions[i * 2 + 1]! - map!.positions[j * 2 + 1]!)
  for (let i = 0; i < 240; i++) {
    const nearest = Array.from({ length: 240 }, (_, j) => j).filter((j) => j !== i).sort((a, b) => distance(i, a) - distance(i, b))[0]!
    expect(nearest % 4).toBe(i % 4)
  }
  const cancelled = bucket.maps.start(collection, { force: true })
  await bucket.maps.cancel(collection.id)
  expect(await cancelled).toBe('cancelled')
})

test('a job that may be large has a thread of its own, which makes what this one makes; a small one has none', async () => {
  const dimension = 900
  const vectors = clusteredVectors({ centers: 4, count: 50, dimension, spread: 0.1 }, seededRandom(2))
  const project = async (countMax: number) => {
    const projector = await openProjector({ dimension, countMax, isCosine: true }, async () => undefined)
    try {
      await projector.add(Float32Array.from(vectors.flatMap((vector) => [...vector])))
      const parts = new Set<string>()
      const positions = await projector.project(({ part }) => parts.add(part))
      return { hasThread: projector.hasThread, isTold: parts.size > 0, positions: [...positions] }
    } finally {
      await projector.close()
    }
  }
  const here = await project(200)
  expect(here).toMatchObject({ hasThread: false, isTold: true })
  expect(here.positions.length).toBe(400)
  expect(await project(240)).toEqual({ ...here, hasThread: true })
})
