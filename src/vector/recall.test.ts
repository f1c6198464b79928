import { beforeAll, describe, expect, test } from 'vitest'
import { Bitset } from '../base/bitset.ts'
import { seededRandom } from '../base/random.ts'
import { KernelHeap } from '../kernels/heap.ts'
import { loadKernels } from '../kernels/kernels.ts'
import { buildIndex, type BuiltIndex } from './build.ts'
import { chooseEffort } from './effort.ts'
import { searchExact, type Metric } from './exact-search.ts'
import { IndexReader } from './index-reader.ts'
import { RowFilter } from './row-filter.ts'
import { loadAll, searchIndex } from './search-index.ts'
import { arraySource } from './space.ts'

// Vectors around a few hundred centers, of different spread and length: neighbors straddle clusters, as in real embeddings.
const [count, dimension, queryCount, k] = [8000, 50, 60, 10]
const random = seededRandom(11)
const gauss = () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
const centers = Array.from({ length: 300 }, () => Float32Array.from({ length: dimension }, gauss))
const draw = () => {
  const center = centers[Math.floor(random.next() ** 2 * centers.length)]!
  const length = 0.5 + random.next()
  return center.map((value) => length * (value + 0.8 * gauss()))
}
const vectors = new Float32Array(count * dimension)
for (let row = 0; row < count; row++) vectors.set(draw(), row * dimension)
const queries = Array.from({ length: queryCount }, draw)
const vector = (row: number) => vectors.subarray(row * dimension, (row + 1) * dimension)
const norms = Float32Array.from({ length: count }, (_, row) => Math.hypot(...vector(row)))

describe.each<Metric>(['cosine', 'dot', 'euclidean'])('%s', (metric) => {
  let heap: KernelHeap
  let built: BuiltIndex
  let reader: IndexReader

  beforeAll(async () => {
    heap = new KernelHeap(await loadKernels())
    const steps = buildIndex(heap, arraySource(vectors, dimension), { metric, clusters: 200 }, seededRandom(2))
    let step = steps.next()
    while (!step.done) step = steps.next()
    built = step.value
    reader = new IndexReader(heap, built.head)
    loadAll(reader, built)
  })

  /** Recall over all queries, and the clusters probed on average. */
  function measure(recall: number, rowsFor: (query: Float32Array) => Bitset = () => Bitset.full(count), direct?: number): { recall: number; probes: number } {
    let [hits, wanted, probes] = [0, 0, 0]
    for (const query of queries) {
      const rows = rowsFor(query)
      const filter = rows.count() < count ? new RowFilter(heap, rows, direct) : undefined
      const effort = chooseEffort(built.head, { k, recall, ...(filter ? { selectivity: filter.selectivity } : {}) })
      const expected = new Set(searchExact({ query, metric, vectors, norms, dimension, rows, k }).map(({ row }) => row))
      const found = searchIndex(heap, reader, { query, k, effort, vector, ...(filter ? { filter } : {}) })
      for (const { row } of found) {
        expect(rows.has(row)).toBe(true)
        if (expected.has(row)) hits++
      }
      wanted += expected.size
      const state = reader.begin(query)
      probes += reader.plan(state, effort, filter).length
      reader.end(state)
      filter?.release()
    }
    return { recall: hits / wanted, probes: probes / queryCount }
  }

  test('more is asked of it, more is found, and the wish is met', () => {
    const [half, most, nearly] = [0.5, 0.95, 0.99].map((recall) => measure(recall)) as [ReturnType<typeof measure>, ReturnType<typeof measure>, ReturnType<typeof measure>]
    expect(half.recall).toBeGreaterThan(0.45)
    expect(most.recall).toBeGreaterThan(0.93)
    expect(nearly.recall).toBeGreaterThan(0.98)
    expect(half.probes).toBeLessThan(most.probes)
    expect(most.probes).toBeLessThan(nearly.probes)
    // Not by scanning everything.
    expect(most.probes).toBeLessThan(60)
  })

  test('efforts are in ascending order and within the index', () => {
    for (const [i, effort] of built.head.effort.entries()) {
      expect(effort.probes).toBeGreaterThan(0)
      expect(effort.probes).toBeLessThanOrEqual(built.head.clusters)
      const before = built.head.effort[i - 1]
      if (before) expect(effort.depth > before.depth || effort.recall > before.recall).toBe(true)
    }
    const [wide, narrow] = [1, 0.1].map((selectivity) => chooseEffort(built.head, { k, recall: 0.95, selectivity }))
    expect(narrow!.probes).toBeGreaterThan(wide!.probes)
    expect(chooseEffort(built.head, { k, recall: 0.95, probes: 7 })).toMatchObject({ probes: 7, margin: Infinity })
  })

  test.each([0.5, 0.1, 0.02])('a filter that keeps %d of the rows costs no recall, wherever its rows are', (share) => {
    const scattered = new Bitset(count)
    const pick = seededRandom(3)
    for (let row = 0; row < count; row++) if (pick.next() < share) scattered.set(row)
    // Rows near one vector: for most queries, somewhere else entirely.
    const region = new Bitset(count)
    for (const { row } of searchExact({ query: vector(5), metric, vectors, norms, dimension, rows: Bitset.full(count), k: count * share })) region.set(row)
    // Rows near the query, roughly.
    const around = (query: Float32Array) => {
      const rows = new Bitset(count)
      for (const { row } of searchExact({ query, metric, vectors, norms, dimension, rows: Bitset.full(count), k: 2 * count * share })) if ((row * 7919) % 2 === 0) rows.set(row)
      return rows
    }
    for (const rowsFor of [() => scattered, () => region, around]) {
      // -1: never scored directly, so that the planner is what is tested.
      expect(measure(0.95, rowsFor, -1).recall).toBeGreaterThan(0.9)
      if (share <= 0.1) expect(measure(0.95, rowsFor).recall).toBeGreaterThan(0.999)
    }
  })
})
