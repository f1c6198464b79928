import { Bitset } from '../../base/bitset.ts'
import type { Row } from '../../format/record.ts'
import { searchExact, type Metric } from '../../vector/exact-search.ts'

/** Vectors of a source's rows, one after the other; rows without one are zeros and not `present`. */
export interface VectorBlock {
  readonly dimension: number
  /** rowCount × dimension values, row-major. */
  readonly vectors: Float32Array
  /** Euclidean norm of each row. */
  readonly norms: Float32Array
  readonly present: Bitset
}

/** Lays the vectors of unflushed rows side by side. */
export function denseVectors(rows: readonly Row[], dimension: number): VectorBlock {
  const vectors = new Float32Array(rows.length * dimension)
  const norms = new Float32Array(rows.length)
  const present = new Bitset(rows.length)
  rows.forEach(({ vector }, row) => {
    if (!vector || vector.length !== dimension) return
    vectors.set(vector, row * dimension)
    norms[row] = normOf(vector)
    present.set(row)
  })
  return { dimension, vectors, norms, present }
}

/** Exact distances of `rows`; rows without a vector are left out. */
export function distancesOf(block: VectorBlock, query: Float32Array, metric: Metric, rows: readonly number[]): { row: number; distance: number }[] {
  const wanted = new Bitset(block.norms.length)
  for (const row of rows) wanted.set(row)
  wanted.and(block.present)
  const { vectors, norms, dimension } = block
  return rows.length === 0 ? [] : searchExact({ query, metric, vectors, norms, dimension, rows: wanted, k: rows.length })
}

function normOf(vector: Float32Array): number {
  let sum = 0
  for (const value of vector) sum += value * value
  return Math.sqrt(sum)
}
