import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../base/random.ts'
import { KernelHeap } from './heap.ts'
import { blockBytes, loadKernels, reservoirHeader, type Kernels } from './kernels.ts'
import { plainKernels } from './plain.ts'

// The same bytes go into both memories at the same addresses, the same call is made, and what it wrote is compared.
const fast = await loadKernels()
const numRuns = Number(process.env.FUZZ_RUNS ?? 60)

test('the packaged module runs here', () => expect(fast.plain).toBe(false))

class Pair {
  readonly heaps: readonly [KernelHeap, KernelHeap]
  readonly random
  constructor(seed: number) {
    this.heaps = [new KernelHeap(fast), new KernelHeap(plainKernels())]
    this.random = seededRandom(seed)
  }
  allocate(bytes: number): number {
    const at = this.heaps.map((heap) => heap.allocate(bytes))
    for (const heap of this.heaps) heap.bytes.fill(0, at[0], at[0]! + bytes)
    expect(at[0]).toBe(at[1])
    return at[0]!
  }
  floats(count: number, offset = 0, scale = 1): number {
    const at = this.allocate(count * 4 + offset) + offset
    for (let i = 0; i < count; i++) {
      const value = (this.random.next() - 0.5) * scale
      for (const heap of this.heaps) heap.floats[(at >>> 2) + i] = value
    }
    return at
  }
  noise(count: number, offset = 0): number {
    const at = this.allocate(count + offset) + offset
    const bytes = this.random.bytes(count)
    for (const heap of this.heaps) heap.bytes.set(bytes, at)
    return at
  }
  run<T>(call: (kernels: Kernels) => T): [T, T] {
    return [call(this.heaps[0].kernels), call(this.heaps[1].kernels)]
  }
  both<T>(read: (heap: KernelHeap) => T): [T, T] {
    return [read(this.heaps[0]), read(this.heaps[1])]
  }
}

const shape = fc.record({
  n: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 4096 })),
  count: fc.integer({ min: 0, max: 9 }),
  seed: fc.integer(),
  offset: fc.constantFrom(0, 4, 8, 12, 20),
  padding: fc.constantFrom(0, 4, 12),
})
const check = (property: (pair: Pair, at: { n: number; count: number; offset: number; padding: number }) => void) =>
  fc.assert(
    fc.property(shape, ({ seed, ...at }) => property(new Pair(seed), at)),
    { numRuns },
  )

function expectClose(actual: Float32Array, expected: Float32Array, tolerance: number): void {
  expect(actual.length).toBe(expected.length)
  expected.forEach((value, i) => expect(Math.abs(actual[i]! - value)).toBeLessThanOrEqual(tolerance))
}

describe('distances', () => {
  test.each(['dotMany', 'squaredMany'] as const)('%s', (name) =>
    check((pair, { n, count, offset, padding }) => {
      const stride = n * 4 + padding
      const [query, rows, out] = [pair.floats(n, offset), pair.floats(count * (n + 4), offset), pair.allocate(count * 4 + 4)]
      pair.run((kernels) => kernels[name](query, rows, stride, count, n, out))
      const [actual, expected] = pair.both((heap) => heap.floats.slice(out >>> 2, (out >>> 2) + count + 1))
      expectClose(actual, expected, n * 1e-6)
    }),
  )

  test('dotAt', () =>
    check((pair, { n, count, offset }) => {
      const [query, rows, pointers, out] = [pair.floats(n), pair.floats(9 * n, offset), pair.allocate(count * 4), pair.allocate(count * 4)]
      for (const heap of pair.heaps) for (let i = 0; i < count; i++) heap.words[(pointers >>> 2) + i] = rows + ((i * 5) % 9) * n * 4
      pair.run((kernels) => kernels.dotAt(query, pointers, count, n, out))
      const [actual, expected] = pair.both((heap) => heap.floats.slice(out >>> 2, (out >>> 2) + count))
      expectClose(actual, expected, n * 1e-6)
    }))

  test.each(['dotExact', 'squaredExact'] as const)('%s: the same bits', (name) =>
    check((pair, { n, offset }) => {
      const [a, b] = [pair.floats(n, offset, 1e3), pair.floats(n, 4, 1e-3)]
      const [actual, expected] = pair.run((kernels) => kernels[name](a, b, n))
      expect(actual).toBe(expected)
    }),
  )

  test('dotCodes and squaredCodes: the same integers, at the extremes too', () =>
    check((pair, { n, count, offset, padding }) => {
      const [query, codes, out] = [pair.allocate(2 * n + 8), pair.noise(count * (n + padding), offset), pair.allocate(count * 4 + 4)]
      const extreme = pair.random.next() < 0.2
      const values = Int16Array.from({ length: n }, () => (extreme ? -8191 : Math.floor((pair.random.next() - 0.5) * 16382)))
      for (const heap of pair.heaps) {
        heap.bytes.set(new Uint8Array(values.buffer), query)
        if (extreme) heap.bytes.fill(0x80, codes, codes + count * (n + padding))
      }
      for (const name of ['dotCodes', 'squaredCodes'] as const) {
        pair.run((kernels) => kernels[name](query, codes, n + padding, count, n, out))
        const [actual, expected] = pair.both((heap) => new Int32Array(heap.words.slice(out >>> 2, (out >>> 2) + count + 1).buffer))
        expect(actual).toEqual(expected)
      }
    }))

  test('scoreCodesAt', () =>
    check((pair, { n: any, count }) => {
      const n = Math.ceil(any / 16) * 16
      const [query, records, pointers, out] = [pair.allocate(2 * n), pair.noise(count * (n + 8)), pair.allocate(count * 4 + 4), pair.allocate(count * 4 + 4)]
      for (const heap of pair.heaps) {
        new Int16Array(heap.bytes.buffer, query, n).forEach((_, i, values) => (values[i] = ((i * 2654435761) % 16383) - 8191))
        for (let i = 0; i < count; i++) {
          heap.words[(pointers >>> 2) + i] = records + (count - 1 - i) * (n + 8)
          heap.floats.set([0.01 * i, -3 + i], (records + i * (n + 8) + n) >>> 2)
        }
      }
      pair.run((kernels) => kernels.scoreCodesAt(query, 0.001, pointers, count, n, out))
      const [actual, expected] = pair.both((heap) => heap.floats.slice(out >>> 2, (out >>> 2) + count))
      expect(actual).toEqual(expected)
    }))
})

describe('rotation', () => {
  test('the same bits; keeps norms and angles', () =>
    check((pair, { n: any }) => {
      const n = Math.ceil(any / 16) * 16
      const [a, b, signs] = [pair.floats(n), pair.floats(n), pair.floats(2 * n)]
      for (const heap of pair.heaps) heap.floats.subarray(signs >>> 2, (signs >>> 2) + 2 * n).forEach((value, i, all) => (all[i] = value < 0 ? -1 : 1))
      const products = () => [fast.dotExact(a, a, n), fast.dotExact(b, b, n), fast.dotExact(a, b, n)]
      const before = products()
      for (const vector of [a, b]) pair.run((kernels) => kernels.rotate(vector, signs, n))
      const [actual, expected] = pair.both((heap) => heap.floats.slice(a >>> 2, (a >>> 2) + n))
      expect(actual).toEqual(expected)
      products().forEach((value, i) => expect(Math.abs(value - before[i]!)).toBeLessThan(1e-4 * (before[0]! + before[1]!)))
    }))
})

describe('codes', () => {
  test('encodeBits: the same bits, factors within rounding', () =>
    check((pair, { n: any }) => {
      const n = Math.ceil(any / 32) * 32
      const [vector, centroid, block] = [pair.floats(n), pair.floats(n), pair.allocate(blockBytes(n))]
      for (const euclidean of [0, 1]) {
        for (const lane of [0, 15, 16, 31]) pair.run((kernels) => kernels.encodeBits(vector, centroid, n, euclidean, block, lane))
        const [actualBits, expectedBits] = pair.both((heap) => heap.bytes.slice(block, block + n * 4))
        expect(actualBits).toEqual(expectedBits)
        const [actual, expected] = pair.both((heap) => heap.floats.slice((block + n * 4) >>> 2, ((block + n * 4) >>> 2) + 64))
        expectClose(actual, expected, n * 2e-6)
      }
    }))

  test('encodeBytes: the same bytes', () =>
    check((pair, { n: any, seed = pair.random.next() }: { n: number; seed?: number }) => {
      const n = Math.ceil(any / 16) * 16
      const [vector, codes] = [pair.floats(n, 0, 10 ** (seed * 60 - 30)), pair.allocate(n + 8)]
      const [actualNorm, expectedNorm] = pair.run((kernels) => kernels.encodeBytes(vector, n, codes))
      const [actual, expected] = pair.both((heap) => heap.bytes.slice(codes, codes + n + 8))
      expect(actual).toEqual(expected)
      expect(actualNorm).toBe(expectedNorm)
    }))
})

describe('query codes', () => {
  test('encodeWords and sumMagnitudes: the same codes and sums', () =>
    check((pair, { n: any }) => {
      const n = Math.ceil(any / 8) * 8
      const [vector, codes] = [pair.floats(n, 0, 10 ** (pair.random.next() * 60 - 30)), pair.allocate(2 * n)]
      for (const call of [(kernels: Kernels) => kernels.encodeWords(vector, n, 8191, codes), (kernels: Kernels) => kernels.sumMagnitudes(vector, n)]) {
        const [actual, expected] = pair.run(call)
        expect(actual).toBe(expected)
      }
      const [actual, expected] = pair.both((heap) => new Int16Array(heap.bytes.slice(codes, codes + 2 * n).buffer))
      expect(actual).toEqual(expected)
      expect(Math.max(...actual.map(Math.abs))).toBe(8191)
    }))
})

describe('scan', () => {
  test('makeTable and scanLists: the same table, threshold and keys; every record that belongs among the best is there', () =>
    fc.assert(
      fc.property(
        fc.record({ planes: fc.integer({ min: 1, max: 16 }).map((x) => x * 8), lists: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }), keep: fc.integer({ min: 1, max: 40 }), filtered: fc.boolean(), mapped: fc.boolean(), seed: fc.integer() }),
        ({ planes, lists, keep, filtered, mapped, seed }) => {
          const pair = new Pair(seed)
          const n = planes * 4
          const [query, table, scores] = [pair.floats(n), pair.allocate(planes * 16), pair.allocate(128)]
          const capacity = keep + 64
          const reservoir = pair.allocate(reservoirHeader + capacity * 8)
          const [scale, expectedScale] = pair.run((kernels) => kernels.makeTable(query, n, table))
          expect(scale).toBe(expectedScale)
          const [entries, expectedEntries] = pair.both((heap) => heap.bytes.slice(table, table + planes * 16))
          expect(entries).toEqual(expectedEntries)
          expect(Math.max(...entries)).toBeLessThanOrEqual(31)

          const total = lists.reduce((sum, blocks) => sum + blocks, 0) * 32
          const table12 = pair.allocate(lists.length * 12 + 4)
          const [filter, rowOfId] = [pair.noise(total / 8 + 1), pair.allocate(total * 4 + 4)]
          let id = 0
          lists.forEach((blocks, l) => {
            const address = pair.noise(blocks * blockBytes(n) + 4)
            for (const heap of pair.heaps) {
              heap.words.set([address, blocks], (table12 + l * 12) >>> 2)
              heap.floats[(table12 + l * 12 + 8) >>> 2] = l / 7
            }
            for (let b = 0; b < blocks; b++)
              for (let lane = 0; lane < 32; lane++, id++)
                for (const [h, heap] of pair.heaps.entries()) {
                  const factors = (address + b * blockBytes(n) + n * 4) / 4 + lane
                  // Few different factors: equal scores are where selections go wrong.
                  heap.floats[factors] = h === 0 ? Math.floor(pair.random.next() * 4) : pair.heaps[0].floats[factors]!
                  heap.floats[factors + 32] = lane % 3
                  heap.words[factors + 64] = id
                  heap.words[(rowOfId >>> 2) + id] = total - 1 - id
                }
          })
          for (const heap of pair.heaps) {
            heap.words.set([0, keep, capacity], reservoir >>> 2)
            heap.floats[(reservoir + 12) >>> 2] = -Infinity
            heap.words.set([filtered ? filter : 0, mapped ? rowOfId : 0], (reservoir + 16) >>> 2)
          }
          pair.run((kernels) => kernels.scanLists(table12, lists.length, planes, table, scale, -0.5, reservoir, scores))
          const [actual, expected] = pair.both((heap) => {
            const count = heap.words[reservoir >>> 2]!
            const keys = new BigInt64Array(heap.bytes.slice(reservoir + reservoirHeader, reservoir + reservoirHeader + count * 8).buffer)
            return { threshold: heap.floats[(reservoir + 12) >>> 2], keys: keys.sort() }
          })
          expect(actual).toEqual(expected)
          const seen = new Set([...actual.keys].map((key) => Number(key & 0xffffffffn)))
          const passing = Array.from({ length: total }, (_, i) => i).filter((i) => {
            const row = mapped ? total - 1 - i : i
            return !filtered || (pair.heaps[0].bytes[filter + (row >>> 3)]! >>> (row & 7)) & 1
          })
          expect(seen.size).toBe(actual.keys.length)
          expect(seen.size).toBeGreaterThanOrEqual(Math.min(keep, passing.length))
          for (const i of seen) expect(passing).toContain(i)
        },
      ),
      { numRuns },
    ))

  test('the estimate of a record is the dot product within the bound of its codes', () =>
    check((pair, { n: any }) => {
      const n = Math.max(64, Math.ceil(any / 32) * 32)
      const heap = pair.heaps[0]
      const [query, vector, centroid] = [pair.floats(n), pair.floats(n), pair.floats(n, 0, 0.5)]
      const [block, table, scores, lists] = [pair.allocate(blockBytes(n)), pair.allocate(n * 4), pair.allocate(128), pair.allocate(12)]
      const reservoir = pair.allocate(reservoirHeader + 128 * 8)
      heap.floats.fill(-Infinity, (block + n * 4) >>> 2, ((block + n * 4) >>> 2) + 32)
      fast.encodeBits(vector, centroid, n, 0, block, 21)
      heap.words.set([0, 64, 128], reservoir >>> 2)
      heap.floats[(reservoir + 12) >>> 2] = -Infinity
      heap.words.set([block, 1], lists >>> 2)
      heap.floats[(lists + 8) >>> 2] = fast.dotExact(query, centroid, n)
      const scale = fast.makeTable(query, n, table)
      const bias = -heap.floats.subarray(query >>> 2, (query >>> 2) + n).reduce((sum, value) => sum + Math.abs(value), 0)
      fast.scanLists(lists, 1, n / 4, table, scale, bias, reservoir, scores)
      expect(heap.words[reservoir >>> 2]).toBe(1)
      const estimate = heap.floats[(scores >>> 2) + 21]!
      const residual = Math.sqrt(fast.squaredExact(vector, centroid, n))
      const distance = Math.sqrt(fast.squaredExact(query, centroid, n))
      // |r| |q - c| / sqrt(n) is about one standard deviation; the table adds its rounding.
      expect(Math.abs(estimate - fast.dotExact(query, vector, n))).toBeLessThan((5 * residual * distance) / Math.sqrt(n))
    }))
})

describe('selection', () => {
  const keys = fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((key) => (key % 5n === 0n ? key % 3n : key)), { maxLength: 300 })
  test('selectKeys keeps the largest, sortKeys sorts', () => {
    const heap = new KernelHeap(fast)
    const at = heap.allocate(8 * 300)
    fc.assert(
      fc.property(keys, fc.nat(320), (input, keep) => {
        const view = new BigInt64Array(heap.bytes.buffer, at, input.length)
        view.set(input)
        const expected = [...input].sort((a, b) => (a < b ? 1 : a > b ? -1 : 0))
        fast.selectKeys(at, input.length, keep)
        expect([...view.slice(0, keep)].sort((a, b) => (a < b ? 1 : a > b ? -1 : 0))).toEqual(expected.slice(0, keep))
        fast.sortKeys(at, input.length)
        expect([...view]).toEqual(expected)
      }),
      { numRuns: numRuns * 5 },
    )
  })
})

describe('clusters', () => {
  test('addTo and assignRows', () =>
    check((pair, { n: any, count }) => {
      const n = Math.ceil(any / 4) * 4
      const [vectors, centroids, norms, out] = [pair.floats(5 * n), pair.floats((count + 1) * n), pair.floats(count + 1), pair.allocate(20)]
      pair.run((kernels) => kernels.assignRows(vectors, 5, centroids, norms, count + 1, n, out))
      const [actual] = pair.both((heap) => heap.words.slice(out >>> 2, (out >>> 2) + 5))
      actual.forEach((c, r) => {
        const score = (to: number) => 2 * fast.dotExact(vectors + r * n * 4, centroids + to * n * 4, n) - pair.heaps[0].floats[(norms >>> 2) + to]!
        for (let other = 0; other <= count; other++) expect(score(c)).toBeGreaterThanOrEqual(score(other) - n * 1e-6)
      })
      pair.run((kernels) => kernels.addTo(centroids, vectors, n))
      const [sums, expected] = pair.both((heap) => heap.floats.slice(centroids >>> 2, (centroids >>> 2) + n))
      expect(sums).toEqual(expected)
    }))
})

test('the heap gives out pieces that do not overlap, takes them back whole, and keeps its limit', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer({ min: 0, max: 40_000 }), fc.constant(-1)), { maxLength: 60 }), (steps) => {
      const heap = new KernelHeap(plainKernels(), 300_000)
      const held: { at: number; bytes: number }[] = []
      steps.forEach((step, i) => {
        if (step < 0) {
          const [piece] = held.splice(i % Math.max(1, held.length), 1)
          if (piece) heap.release(piece.at)
          return
        }
        try {
          const at = heap.allocate(step)
          for (const other of held) expect(at + step <= other.at || other.at + other.bytes <= at).toBe(true)
          expect(at + step).toBeLessThanOrEqual(heap.bytes.length)
          held.push({ at, bytes: step })
        } catch (error) {
          expect(error).toMatchObject({ kind: 'unavailable' })
          expect(heap.usedBytes + step).toBeGreaterThan(300_000 - 64)
        }
      })
      for (const { at } of held) heap.release(at)
      expect(heap.usedBytes).toBe(0)
      heap.allocate(heap.bytes.length - 64 - (heap.bytes.length % 64))
    }),
    { numRuns },
  )
})
