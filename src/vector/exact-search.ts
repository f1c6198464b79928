import type { Bitset } from '../base/bitset.ts'
import { dot, squaredDistance } from '../kernels/distance.ts'
import { TopK, type Neighbor } from './top-k.ts'

/** Cosine: 1 - cos, 0 to 2. Dot: minus the product. Euclidean: not squared. Lower is nearer in all three. */
export type Metric = 'cosine' | 'dot' | 'euclidean'

/** What to search, and where. */
export interface ExactSearch {
  /** `dimension` values. */
  readonly query: Float32Array
  readonly metric: Metric
  /** Row-major, `dimension` values a row; need not be normalized. */
  readonly vectors: Float32Array
  /** Euclidean norm of each row; used by cosine. */
  readonly norms: Float32Array
  readonly dimension: number
  /** The rows that may be answers. */
  readonly rows: Bitset
  readonly k: number
}

/**
 * The `k` nearest of `rows`, scoring every one: the answer that recall is measured against.
 * @returns Nearest first; equal distances keep the lower row first. A zero vector, on either side, is at cosine distance 1.
 */
export function searchExact({ query, metric, vectors, norms, dimension, rows, k }: ExactSearch): Neighbor[] {
  const nearest = new TopK(k)
  if (metric === 'cosine') {
    const queryNorm = Math.sqrt(dot(query, 0, query, 0, dimension))
    rows.forEach((row) => {
      const scale = queryNorm * norms[row]!
      // Rounding can push a cosine past 1; a distance below zero would be wrong.
      const cosine = scale === 0 ? 0 : dot(query, 0, vectors, row * dimension, dimension) / scale
      nearest.offer(row, 1 - Math.min(1, Math.max(-1, cosine)))
    })
  } else if (metric === 'dot') rows.forEach((row) => nearest.offer(row, -dot(query, 0, vectors, row * dimension, dimension)))
  else rows.forEach((row) => nearest.offer(row, squaredDistance(query, 0, vectors, row * dimension, dimension)))
  const found = nearest.sorted()
  return metric === 'euclidean' ? found.map(({ row, distance }) => ({ row, distance: Math.sqrt(distance) })) : found
}
