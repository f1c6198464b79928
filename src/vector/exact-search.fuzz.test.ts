import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bitset } from '../base/bitset.ts'
import { searchExact, type Metric } from './exact-search.ts'

// Small integers make equal distances common; that is where order bugs hide.
const scene = fc.integer({ min: 1, max: 11 }).chain((dimension) => {
  const vector = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: dimension, maxLength: dimension })
  return fc.record({
    dimension: fc.constant(dimension),
    metric: fc.constantFrom<Metric>('cosine', 'dot', 'euclidean'),
    query: vector,
    rows: fc.array(fc.record({ vector, allowed: fc.boolean() }), { maxLength: 60 }),
    k: fc.integer({ min: 1, max: 70 }),
  })
})

function reference(metric: Metric, a: number[], b: number[]): number {
  const product = a.reduce((sum, x, i) => sum + x * b[i]!, 0)
  if (metric === 'dot') return -product
  if (metric === 'euclidean') return Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0))
  const scale = Math.hypot(...a) * Math.hypot(...b)
  return scale === 0 ? 1 : 1 - product / scale
}

test('searchExact equals sorting every allowed row by (distance, row) and taking k', () => {
  fc.assert(
    fc.property(scene, ({ dimension, metric, query, rows, k }) => {
      const vectors = Float32Array.from(rows.flatMap(({ vector }) => vector))
      const norms = Float32Array.from(rows, ({ vector }) => Math.hypot(...vector))
      const allowed = rows.reduce((set, row, i) => (row.allowed ? set.set(i) : set), new Bitset(rows.length))
      const found = searchExact({ query: Float32Array.from(query), metric, vectors, norms, dimension, rows: allowed, k })
      const all = rows.flatMap((row, i) => (row.allowed ? [{ row: i, distance: reference(metric, query, row.vector) }] : []))
      all.sort((a, b) => a.distance - b.distance || a.row - b.row)
      expect(found.length).toBe(Math.min(k, all.length))
      found.forEach(({ row, distance }, i) => {
        expect(distance).toBeCloseTo(all[i]!.distance, 5)
        expect(distance).toBeCloseTo(reference(metric, query, rows[row]!.vector), 5)
        if (metric !== 'cosine') expect(row).toBe(all[i]!.row)
      })
      expect(new Set(found.map(({ row }) => row)).size).toBe(found.length)
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 500) },
  )
})
