// Segments with a vector index: what a query finds through it, what that costs, and what it does when memory is short or bytes are damaged.
import { beforeAll, describe, expect, test } from 'vitest'
import { chunksOf } from '../base/groups.ts'
import { seededRandom } from '../base/random.ts'
import type { Metadata } from '../format/record.ts'
import { segmentKey } from '../format/segment.ts'
import type { Metric } from '../vector/exact-search.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { CountingStore } from '../store/counting-store.ts'
import type { EngineCollection } from './collection.ts'
import { matchesFilter, parseFilter } from './query/filter.ts'
import { newDatabase, schema } from './testing.ts'
import type { QueryOptions, RowInput } from './types.ts'

const dimension = 24
const count = 12_000
const random = seededRandom(7)
const centers = Array.from({ length: 300 }, () => randomVector(1))

function randomVector(width: number, around?: Float32Array): Float32Array {
  return Float32Array.from({ length: dimension }, (_, i) => (around?.[i] ?? 0) + (random.next() - 0.5) * width)
}

function makeRow(i: number): RowInput {
  // A few rows have none, so that rows of the segment and of its index are not the same.
  const vector = i % 97 === 5 ? null : randomVector(0.5, centers[i % 300])
  return { key: `k${i}`, vector, metadata: metadataOf(i), document: i % 2 === 0 ? `text ${i}` : null }
}

function metadataOf(i: number): Metadata {
  return { n: i, tenth: i % 10, group: i % 300 }
}

const settings = { mergeFanIn: 1000, flushCommits: 1e9, flushBytes: 1e9 }
const queries = Array.from({ length: 40 }, (_, i) => randomVector(0.5, centers[(i * 7) % 300]))

async function fill(collection: EngineCollection, from: number, to: number): Promise<void> {
  for (let start = from; start < to; start += 1000) {
    const operations = Array.from({ length: Math.min(1000, to - start) }, (_, i) => ({ op: 'put' as const, row: makeRow(start + i) }))
    await collection.write({ operations })
  }
}

/** A store with one collection in one segment of several clusters. */
async function makeStore(metric: Metric): Promise<MemoryStore> {
  const store = new MemoryStore()
  const database = newDatabase(store, { settings })
  const collection = await database.create('c', schema({ dimension, metric }))
  await fill(collection, 0, 5000)
  await collection.flush()
  await fill(collection, 5000, count)
  await collection.flush()
  expect(await collection.merge({ isForced: true })).toBe(true)
  await database.close()
  return store
}

async function copyOf(from: MemoryStore): Promise<MemoryStore> {
  const store = new MemoryStore()
  for await (const { key } of from.list('')) {
    const answer = await from.get(key)
    if (answer.kind === 'found') await store.put(key, answer.bytes)
  }
  return store
}

/** A process of its own, nothing in its memory. */
function fresh(store: MemoryStore, more: Partial<typeof settings> & { memoryBudgetBytes?: number } = {}): Promise<EngineCollection> {
  return newDatabase(store, { settings: { ...settings, ...more } }).collection('c')
}

async function recallOf(collection: EngineCollection, options: QueryOptions): Promise<number> {
  let hits = 0
  let wanted = 0
  for (const vector of queries) {
    const truth = await collection.query({ ...options, vector, recall: 1, consistency: 'eventual' })
    const found = await collection.query({ ...options, vector, consistency: 'eventual' })
    const distances = new Map(truth.matches.map(({ key, distance }) => [key, distance]))
    expect(found.matches.length).toBe(truth.matches.length)
    wanted += truth.matches.length
    for (const { key, distance } of found.matches) {
      if (!distances.has(key)) continue
      hits++
      expect(distance).toBe(distances.get(key))
    }
  }
  return hits / wanted
}

const stores = new Map<Metric, MemoryStore>()
beforeAll(async () => {
  for (const metric of ['cosine', 'dot', 'euclidean'] as const) stores.set(metric, await makeStore(metric))
}, 120_000)

describe.each(['cosine', 'dot', 'euclidean'] as const)('%s', (metric) => {
  test('finds what is asked for, at exact distances, with few of the codes scanned', async () => {
    const collection = await fresh(stores.get(metric)!)
    expect(await recallOf(collection, {})).toBeGreaterThanOrEqual(0.95)
    expect(await recallOf(collection, { recall: 0.99 })).toBeGreaterThanOrEqual(0.98)
    const { stats } = await collection.query({ vector: queries[0]! })
    expect(stats).toMatchObject({ rowsMatching: count, requests: 0, bytesRead: 0, roundTrips: 0 })
    expect(stats.rowsScored).toBeLessThan(count / 2)
    expect(stats.clustersProbed).toBeGreaterThan(0)
    expect(stats.candidates).toBeGreaterThan(10)
  })

  test.each([{ tenth: { $lt: 5 } }, { tenth: 3 }, { group: { $lt: 3 } }, { n: { $lt: 1200 } }, { n: { $lt: 12 } }, { n: -1 }])('filter %j costs no recall', async (json) => {
    const collection = await fresh(stores.get(metric)!)
    const filter = parseFilter(json)
    const expected = Array.from({ length: count }, (_, i) => metadataOf(i)).filter((metadata) => matchesFilter(filter, metadata)).length
    const { stats, matches } = await collection.query({ vector: queries[0]!, filter })
    expect(stats.rowsMatching).toBe(expected)
    expect(matches.length).toBe(Math.min(10, expected))
    expect(matches.every(({ key }) => matchesFilter(filter, metadataOf(Number(key.slice(1)))))).toBe(true)
    // Half of the clouds that rows come in are left out whole, so half of the queries are far from every match. By the product, where a
    // long vector beats a near one, what is expected of a cluster says too little: measured 0.865.
    const least = metric === 'dot' && 'tenth' in json && typeof json.tenth === 'object' ? 0.85 : 0.95
    if (expected > 0) expect(await recallOf(collection, { filter })).toBeGreaterThanOrEqual(least)
  })

  test('after 30 % were updated and 30 % deleted, recall stays, and nothing dead is found', async () => {
    const store = await copyOf(stores.get(metric)!)
    const collection = await fresh(store)
    const deleted = new Set<string>()
    for (let i = 0; i < count; i++) if (i % 10 < 3) deleted.add(`k${i}`)
    for (const part of chunksOf([...deleted], 1000)) await collection.write({ operations: part.map((key) => ({ op: 'delete', key })) })
    const updated = Array.from({ length: count }, (_, i) => i).filter((i) => i % 10 >= 3 && i % 10 < 6)
    for (const part of chunksOf(updated, 1000)) await collection.write({ operations: part.map((i) => ({ op: 'put', row: makeRow(i) })) })
    const check = async (each: EngineCollection) => {
      // Whole clouds of rows are gone, as with the filter above; by the product 0.9375 was measured.
      expect(await recallOf(each, {})).toBeGreaterThanOrEqual(metric === 'dot' ? 0.92 : 0.94)
      for (const vector of queries) for (const { key } of (await each.query({ vector, k: 30 })).matches) expect(deleted.has(key)).toBe(false)
    }
    await check(collection)
    await collection.flush()
    await check(await fresh(store))
    await collection.merge({ isForced: true })
    await check(await fresh(store))
    expect((await collection.verify()).problems).toEqual([])
  })
})

test('answers carry what the rows hold, read by few requests', async () => {
  const counting = new CountingStore(stores.get('cosine')!)
  const collection = await newDatabase(counting, { settings }).collection('c')
  await collection.count()
  const before = counting.counts()
  const { matches, stats } = await collection.query({ vector: queries[3]!, k: 10, consistency: 'eventual' })
  // Reads whole what is small, so requests of the query are not more than gets of the store.
  const { requests } = counting.counts()
  expect(requests.get! - before.requests.get!).toBeLessThanOrEqual(stats.requests)
  // The head, the units, the vectors.
  expect(stats.roundTrips).toBeLessThanOrEqual(3)
  expect(stats.bytesRead).toBeLessThan(1_500_000)
  const full = await collection.query({ vector: queries[3]!, include: { metadata: true, document: true, vector: true } })
  const lean = await collection.query({ vector: queries[3]!, include: { metadata: true, document: true } })
  expect(full.matches.map(({ key }) => key)).toEqual(matches.map(({ key }) => key))
  for (const [i, { key, vector, metadata, document, version }] of full.matches.entries()) {
    const n = Number(key.slice(1))
    expect(metadata).toEqual(metadataOf(n))
    expect(document).toBe(n % 2 === 0 ? `text ${n}` : null)
    expect(vector).toHaveLength(dimension)
    expect(lean.matches[i]).toEqual({ key, metadata, document, version, distance: full.matches[i]!.distance, score: full.matches[i]!.score })
    expect((await collection.get([key]))[0]).toEqual({ key, version })
  }
})

test('a second query of a process reads nothing that the first one read; warm reads ahead', async () => {
  const collection = await fresh(stores.get('cosine')!)
  await collection.query({ vector: queries[0]! })
  for (let i = 0; i < 10; i++) await collection.query({ vector: queries[0]! })
  expect((await collection.query({ vector: queries[0]! })).stats).toMatchObject({ requests: 0, bytesRead: 0 })
  const warm = await fresh(stores.get('cosine')!)
  await warm.warm()
  const { stats } = await warm.query({ vector: queries[5]! })
  expect(stats.roundTrips).toBeLessThanOrEqual(1)
})

test('hybrid queries score the rows that only words found', async () => {
  const collection = await fresh(stores.get('euclidean')!)
  const { matches } = await collection.query({ vector: queries[0]!, text: 'text 4242', k: 200 })
  const exact = await collection.query({ vector: queries[0]!, text: 'text 4242', k: 200, recall: 1 })
  const found = matches.find(({ key }) => key === 'k4242')!
  expect(found).toEqual(exact.matches.find(({ key }) => key === 'k4242'))
  expect(found.distance).toBeGreaterThan(0)
})

test('a sample of queries is run again exactly, and tells what recall is', async () => {
  const collection = await newDatabase(stores.get('cosine')!, { settings: { ...settings, recallSample: 2 } }).collection('c')
  const { liveRecall } = collection.core.context
  for (const vector of queries) {
    await collection.query({ vector, k: 10, probes: 1 })
    await liveRecall.settle()
  }
  const { queries: measured, expected, found } = liveRecall.counts()
  expect([measured, expected]).toEqual([queries.length / 2, queries.length * 5])
  expect(found).toBeLessThan(expected)
  expect(found).toBeGreaterThan(expected / 4)
  await collection.query({ vector: queries[0]!, recall: 1 })
  await collection.query({ vector: queries[0]!, text: 'text' })
  await liveRecall.settle()
  expect(liveRecall.counts().queries).toBe(measured)
})

describe('memory', () => {
  test('a budget that holds a fraction of the index gives the same answers, and is kept, many queries at once too', async () => {
    const whole = await fresh(stores.get('cosine')!)
    const budget = 700_000
    const scarce = await fresh(stores.get('cosine')!, { memoryBudgetBytes: budget })
    const { vectors } = scarce.core.context
    const answers = await Promise.all(queries.map((vector) => scarce.query({ vector, k: 5, consistency: 'eventual' })))
    for (const [i, vector] of queries.entries()) {
      const expected = await whole.query({ vector, k: 5 })
      expect(answers[i]!.matches.map(({ key }) => key)).toEqual(expected.matches.map(({ key }) => key))
      await scarce.query({ vector, filter: parseFilter({ tenth: 3 }) })
      expect(vectors.sizeBytes).toBeLessThanOrEqual(budget / 2)
    }
    expect(vectors.sizeBytes).toBeGreaterThan(budget / 8)
  })

  test('a budget below one cluster is an error that says so', async () => {
    const collection = await fresh(stores.get('cosine')!, { memoryBudgetBytes: 2000 })
    await expect(collection.query({ vector: queries[0]! })).rejects.toMatchObject({ kind: 'too-large', message: expect.stringMatching(/raise memory-budget/) })
  })
})

test.each(['vector-index', 'vector-lists', 'vector-rows', 'vectors'])('a damaged section %s is an error that names it', async (name) => {
  const store = await copyOf(stores.get('cosine')!)
  const collection = await fresh(store)
  const [ref] = (await collection.core.open()).manifest.segments
  const section = ref!.sections.find((each) => each.name === name)!
  const key = collection.core.prefix + segmentKey(ref!.id)
  const answer = await store.get(key)
  if (answer.kind !== 'found') throw new Error('missing')
  const bytes = answer.bytes.slice()
  // Every byte after the first, so that whatever part a query reads, it meets one.
  for (let at = section.offset + 64; at < section.offset + section.size; at += 50) bytes[at]! ^= 4
  await store.put(key, bytes)
  const reader = await fresh(store)
  const query = () => reader.query({ vector: queries[0]!, filter: parseFilter({ tenth: { $lt: 9 } }) })
  await expect(query()).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringContaining(`section ${name}`) })
  const { problems } = await (await fresh(store)).verify()
  expect(problems.map(({ object }) => object).filter((object) => object.startsWith(segmentKey(ref!.id))).length).toBeGreaterThan(0)
})

test('segments of one collection with and without index answer together', async () => {
  const store = new MemoryStore()
  const collection = await newDatabase(store, { settings }).create('c', schema({ dimension }))
  await fill(collection, 0, 1500)
  await collection.flush()
  await fill(collection, 1500, 4500)
  await collection.flush()
  await fill(collection, 4500, 5200)
  const { manifest } = await collection.core.open()
  expect(manifest.segments.map(({ sections }) => sections.some(({ name }) => name === 'vector-index'))).toEqual([false, true])
  expect(await recallOf(collection, {})).toBeGreaterThanOrEqual(0.97)
  expect(await recallOf(collection, { k: 5000 })).toBe(1)
})

test('all vectors equal, or zero: answers without NaN, all at one distance', async () => {
  for (const value of [0, 0.5]) {
    for (const metric of ['cosine', 'dot', 'euclidean'] as const) {
      const collection = await newDatabase(new MemoryStore(), { settings }).create('c', schema({ dimension: 3, metric }))
      const operations = Array.from({ length: 3000 }, (_, i) => ({ op: 'put' as const, row: { key: `k${i}`, vector: [value, value, value] } }))
      await collection.write({ operations })
      await collection.flush()
      const { matches } = await collection.query({ vector: [1, 2, 3], k: 7 })
      expect(matches).toHaveLength(7)
      const distances = matches.map(({ distance }) => distance)
      expect(distances.every((distance) => distance === distances[0] && Number.isFinite(distance))).toBe(true)
    }
  }
})
