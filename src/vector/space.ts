import type { Random } from '../base/random.ts'
import { seededRandom } from '../base/random.ts'
import type { KernelHeap } from '../kernels/heap.ts'
import type { Address } from '../kernels/kernels.ts'
import type { Metric } from './exact-search.ts'

/**
 * How vectors of a collection become the `padded` float32 that are clustered and quantized: scaled, centered, padded with zeros, rotated.
 * Scores are similarities, higher is nearer: cosine and dot score by <x, q>, Euclidean by -|x - q|².
 */
export interface Space {
  readonly metric: Metric
  readonly dimension: number
  /** Seeds the rotation. */
  readonly seed: number
  /** Dot and Euclidean: vectors are multiplied by this first, so that the longest has norm 1 and nothing overflows. Cosine: 1, and every vector is normalized. */
  readonly scale: number
  /** Euclidean: the mean of the scaled vectors, which is subtracted (`dimension` float32), so that distances do not drown in a far origin. Else empty. */
  readonly center: Float32Array
}

/** The dimension that codes have: the next multiple of 32. */
export function paddedDimension(dimension: number): number {
  return Math.ceil(dimension / 32) * 32
}

// A query may lie this much farther out than any record; beyond, only its direction still matters in float32.
const farthest = 1e6

/** Takes vectors into a space, through a kernel heap. */
export class SpaceMap {
  readonly space: Space
  readonly padded: number
  readonly #heap: KernelHeap
  readonly #signs: Address

  constructor(heap: KernelHeap, space: Space) {
    this.space = space
    this.padded = paddedDimension(space.dimension)
    this.#heap = heap
    this.#signs = heap.allocate(this.padded * 8)
    const random = seededRandom(space.seed)
    for (let i = 0; i < 2 * this.padded; i++) heap.floats[(this.#signs >>> 2) + i] = random.next() < 0.5 ? -1 : 1
  }

  /** Writes `vector` in this space to `to` (`padded` float32). A vector that only asks may lie anywhere: a `query` is brought into range. */
  enter(vector: Float32Array, to: Address, query = false): void {
    const { space, padded } = this
    const floats = this.#heap.floats
    const at = to >>> 2
    floats.set(vector, at)
    floats.fill(0, at + space.dimension, at + padded)
    let scale = space.scale
    if (query || space.metric === 'cosine') {
      const norm = Math.sqrt(this.#heap.kernels.dotExact(to, to, space.dimension))
      // For dot and cosine a query's length changes no order; for Euclidean it does.
      if (space.metric !== 'euclidean') scale = norm > 0 ? 1 / norm : 0
      else if (norm * scale > farthest) scale = farthest / norm
    }
    if (space.center.length > 0) for (let i = 0; i < space.dimension; i++) floats[at + i] = floats[at + i]! * scale - space.center[i]!
    else if (scale !== 1) for (let i = 0; i < space.dimension; i++) floats[at + i]! *= scale
    this.#heap.kernels.rotate(to, this.#signs, padded)
  }

  release(): void {
    this.#heap.release(this.#signs)
  }
}

/** Rows of vectors, read in pieces, so that they need not all be in memory. */
export interface VectorSource {
  readonly count: number
  readonly dimension: number
  /** The vector of a row; valid until the next call. */
  vector(row: number): Float32Array
}

/** A source over one row-major array. */
export function arraySource(vectors: Float32Array, dimension: number): VectorSource {
  return {
    count: vectors.length / dimension,
    dimension,
    vector: (row) => vectors.subarray(row * dimension, (row + 1) * dimension),
  }
}

/** Measures scale and center over at most `sampleMax` rows (the scale over all). */
export function measureSpace(source: VectorSource, metric: Metric, random: Random, sampleMax = 10_000): Space {
  const { dimension, count } = source
  const seed = Math.floor(random.next() * 2 ** 31)
  const none = new Float32Array(0)
  if (metric === 'cosine') return { metric, dimension, seed, scale: 1, center: none }
  let longest = 0
  for (let row = 0; row < count; row++) {
    let squares = 0
    for (const value of source.vector(row)) squares += value * value
    longest = Math.max(longest, squares)
  }
  const scale = longest > 0 ? 1 / Math.sqrt(longest) : 1
  if (metric === 'dot') return { metric, dimension, seed, scale, center: none }
  const sums = new Float64Array(dimension)
  const step = Math.max(1, Math.floor(count / sampleMax))
  let taken = 0
  for (let row = 0; row < count; row += step, taken++) source.vector(row).forEach((value, i) => (sums[i]! += value * scale))
  return { metric, dimension, seed, scale, center: Float32Array.from(sums, (sum) => sum / Math.max(1, taken)) }
}
