import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Bitset } from '../base/bitset.ts'
import { seededRandom } from '../base/random.ts'
import { KernelHeap } from '../kernels/heap.ts'
import { blockBytes, loadKernels } from '../kernels/kernels.ts'
import { plainKernels } from '../kernels/plain.ts'
import { buildIndex, listBound, type BuildOptions, type BuiltIndex } from './build.ts'
import { searchExact, type Metric } from './exact-search.ts'
import { IndexReader } from './index-reader.ts'
import { RowFilter } from './row-filter.ts'
import { arraySource } from './space.ts'
import { loadAll, searchIndex } from './search-index.ts'

const kernels = await loadKernels()
const everything = { probes: 1e9, margin: Infinity, candidates: 4096 }

function build(heap: KernelHeap, vectors: Float32Array, dimension: number, options: BuildOptions, seed = 1): BuiltIndex {
  const steps = buildIndex(heap, arraySource(vectors, dimension), options, seededRandom(seed))
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

/** Vectors that break quantizers: zeros, copies, huge and tiny ones, all equal, axis-aligned. */
function makeVectors(kind: string, count: number, dimension: number, random: () => number): Float32Array {
  const vectors = new Float32Array(count * dimension)
  for (let row = 0; row < count; row++) {
    const copied = kind === 'copies' && row > 2 ? (row * 7) % 3 : -1
    const length = kind === 'norms' ? 10 ** (random() * 30 - 15) : 1
    for (let i = 0; i < dimension; i++) {
      const value =
        kind === 'equal' ? Math.sin(i + 1) : kind === 'zeros' && row % 3 === 0 ? 0 : kind === 'axes' ? Number(i === row % dimension) : kind === 'far' ? 1000 + random() : random() - 0.5
      vectors[row * dimension + i] = copied >= 0 ? vectors[copied * dimension + i]! : value * length
    }
  }
  return vectors
}

const scene = fc.record({
  metric: fc.constantFrom<Metric>('cosine', 'dot', 'euclidean'),
  kind: fc.constantFrom('random', 'zeros', 'copies', 'norms', 'equal', 'axes', 'far'),
  dimension: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 100 })),
  count: fc.oneof(fc.constant(1), fc.integer({ min: 2, max: 300 })),
  clusters: fc.integer({ min: 1, max: 12 }),
  k: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constant(500)),
  direct: fc.boolean(),
  share: fc.constantFrom(0, 0.05, 0.5, 1),
  seed: fc.integer(),
})

describe('probing every cluster and reranking everything', () => {
  test('answers what the exact search answers, for every metric, kind of vector, filter and k', () => {
    fc.assert(
      fc.property(scene, ({ metric, kind, dimension, count, clusters, k, share, direct, seed }) => {
        const random = seededRandom(seed)
        const vectors = makeVectors(kind, count, dimension, random.next)
        const norms = Float32Array.from({ length: count }, (_, row) => Math.hypot(...vectors.subarray(row * dimension, (row + 1) * dimension)))
        const heap = new KernelHeap(kernels)
        const built = build(heap, vectors, dimension, { metric, clusters }, seed)
        const reader = new IndexReader(heap, built.head)
        loadAll(reader, built)
        const rows = new Bitset(count)
        for (let row = 0; row < count; row++) if (random.next() < share) rows.set(row)
        const filter = new RowFilter(heap, rows, direct ? 8192 : -1)
        for (const query of [vectors.slice(0, dimension), makeVectors('random', 1, dimension, random.next), new Float32Array(dimension)]) {
          const found = searchIndex(heap, reader, { query, k, effort: everything, filter, vector: (row) => vectors.subarray(row * dimension, (row + 1) * dimension) })
          const expected = searchExact({ query, metric, vectors, norms, dimension, rows, k })
          expect(found.length).toBe(expected.length)
          expect(new Set(found.map(({ row }) => row)).size).toBe(found.length)
          // 8-bit scores choose which are computed exactly: what differs must be nearly as near.
          const reach = metric === 'cosine' ? 1 : Math.max(...norms, 0) * (metric === 'dot' ? Math.hypot(...query) : 1)
          found.forEach(({ row, distance }, i) => {
            expect(rows.has(row)).toBe(true)
            expect(Number.isNaN(distance)).toBe(false)
            const excess = metric === 'euclidean' ? distance ** 2 - expected[i]!.distance ** 2 : distance - expected[i]!.distance
            expect(excess).toBeLessThanOrEqual(0.06 * (metric === 'euclidean' ? reach ** 2 : reach))
            const itself = searchExact({ query, metric, vectors, norms, dimension, rows: new Bitset(count).set(row), k: 1 })
            expect(distance).toBe(itself[0]!.distance)
          })
        }
        filter.release()
        reader.release()
        built.release()
        expect(heap.usedBytes).toBe(0)
      }),
      { numRuns: Number(process.env.FUZZ_RUNS ?? 150) },
    )
  })
})

describe('layout', () => {
  test('every row has one slot and its entries; no list is over the bound; the same seed gives the same bytes', () => {
    fc.assert(
      fc.property(scene, ({ metric, kind, dimension, count, clusters, seed }) => {
        const vectors = makeVectors(kind, count, dimension, seededRandom(seed).next)
        const [built, again] = [0, 0].map(() => build(new KernelHeap(kernels), vectors, dimension, { metric, clusters }, seed)) as [BuiltIndex, BuiltIndex]
        const { head } = built
        expect([...head.rowOfSlot].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, row) => row))
        const n = Math.ceil(dimension / 32) * 32
        const entries = new Uint32Array(count)
        for (let c = 0; c < head.clusters; c++) {
          const list = built.list(c)
          expect(list).toEqual(again.list(c))
          expect(built.records(c)).toEqual(again.records(c))
          expect(list.length).toBe((head.listBlocks[c + 1]! - head.listBlocks[c]!) * blockBytes(n))
          expect(list.length / blockBytes(n)).toBeLessThanOrEqual(Math.ceil(Math.max(32, (listBound * 2 * count) / clusters) / 32))
          const view = new DataView(list.buffer)
          const inList = new Set<number>()
          for (let at = 0; at < list.length; at += blockBytes(n)) {
            for (let lane = 0; lane < 32; lane++) {
              const slot = view.getUint32(at + n * 4 + 256 + lane * 4, true)
              const base = view.getFloat32(at + n * 4 + lane * 4, true)
              if (slot === 0xffffffff) expect(base).toBe(-Infinity)
              else {
                expect(Number.isFinite(base)).toBe(true)
                expect(inList.has(slot)).toBe(false)
                inList.add(slot)
                entries[slot]!++
              }
            }
          }
          for (let slot = head.slots[c]!; slot < head.slots[c + 1]!; slot++) expect(inList.has(slot)).toBe(true)
        }
        expect(Math.max(...entries)).toBeLessThanOrEqual(2)
      }),
      { numRuns: Number(process.env.FUZZ_RUNS ?? 60) },
    )
  })
})

test('an index built and searched with the plain twin answers as one built with WebAssembly', () => {
  const [count, dimension] = [400, 24]
  const vectors = makeVectors('random', count, dimension, seededRandom(3).next)
  const answers = [kernels, plainKernels()].map((each) => {
    const heap = new KernelHeap(each)
    const built = build(heap, vectors, dimension, { metric: 'cosine', clusters: 8 })
    const reader = new IndexReader(heap, built.head)
    loadAll(reader, built)
    return Array.from({ length: 20 }, (_, i) =>
      searchIndex(heap, reader, { query: vectors.slice(i * 31, i * 31 + dimension), k: 5, effort: everything, vector: (row) => vectors.subarray(row * dimension, (row + 1) * dimension) }),
    )
  })
  expect(answers[0]).toEqual(answers[1])
})

test('damaged sizes and missing lists are errors, not wrong answers', () => {
  const heap = new KernelHeap(kernels)
  const built = build(heap, makeVectors('random', 100, 16, seededRandom(1).next), 16, { metric: 'dot', clusters: 4 })
  const reader = new IndexReader(heap, built.head)
  expect(() => reader.setList(0, built.list(0).subarray(1))).toThrow(/posting list of cluster 0 have .* expected/)
  const state = reader.begin(new Float32Array(16).fill(1))
  reader.plan(state, everything)
  expect(() => reader.scan(state, 10)).toThrow(/not in memory/)
  for (let c = 0; c < built.head.clusters; c++) reader.setList(c, built.list(c))
  expect(reader.scan(state, 10).length).toBeGreaterThan(0)
  expect(() => reader.rerank(state, 10)).toThrow(/not in memory/)
})
