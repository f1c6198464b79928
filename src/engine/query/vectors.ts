import { Bitset } from '../../base/bitset.ts'
import { searchExact, type Metric } from '../../vector/exact-search.ts'
import type { VectorAt } from '../exact-rows.ts'

/** Vectors of a source's rows, one after the other; rows without one are zeros and not `present`. */
export interface VectorBlock {
  readonly dimension: number
  /** rowCount × dimension values, row-major. */
  readonly vectors: Float32Array
  /** Euclidean norm of each row. */
  readonly norms: Float32Array
  readonly present: Bitset
}

/** Lays vectors side by side; null: the row has none. */
export function denseVectors(rows: readonly (Float32Array | null)[], dimension: number): VectorBlock {
  const vectors = new Float32Array(rows.length * dimension)
  const norms = new Float32Array(rows.length)
  const present = new Bitset(rows.length)
  rows.forEach((vector, row) => {
    if (!vector) return
    vectors.set(vector, row * dimension)
    norms[row] = normOf(vector)
    present.set(row)
  })
  return { dimension, vectors, norms, present }
}

/** Exact distances of `rows`; rows without a vector are left out. */
export function distancesOf(rows: readonly number[], vectorAt: VectorAt, query: Float32Array, metric: Metric): { row: number; distance: number }[] {
  const present = rows.filter((row) => vectorAt(row))
  const block = denseVectors(present.map(vectorAt), query.length)
  return searchExact({ ...block, query, metric, rows: block.present, k: present.length }).map(({ row, distance }) => ({ row: present[row]!, distance }))
}

function normOf(vector: Float32Array): number {
  let sum = 0
  for (const value of vector) sum += value * value
  return Math.sqrt(sum)
}
