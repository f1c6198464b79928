import type { Space } from './space.ts'

/**
 * The part of a vector index that every query needs; lists and records are read as needed.
 *
 * All numbers are little-endian. `n` is the padded dimension (a multiple of 32), and rows are 0 to `count` - 1. A row's *slot* is its
 * place when rows are ordered by (first cluster, row).
 *
 * **Posting list** of cluster c: `listBlocks[c]` to `listBlocks[c + 1]` blocks of `n * 4 + 384` bytes, 32 entries each: 1-bit codes by nibble
 * (see `Kernels`), then 32 float32 bases, 32 float32 slopes, 32 uint32 slots. A row has an entry in its first cluster's list, and in its
 * second's if it has one, each relative to that cluster's centroid. Unused entries of the last block have a base of -Infinity.
 *
 * **Records** of cluster c: slots `slots[c]` to `slots[c + 1]`, `n + 8` bytes each: n int8 codes, float32 step, float32 base.
 *
 * Both lie one after the other in order of c, so a cluster's list, and its records, are one range each of their section; clusters that are
 * near in number need not be near in space.
 */
export interface IndexHead {
  readonly space: Space
  /** Rows of the index. */
  readonly count: number
  /** Rows that it is an index of: those of a segment, of which some may have no vector. */
  readonly rowCount: number
  readonly clusters: number
  /** `clusters` times n float32, in the space (rotated). */
  readonly centroids: Float32Array
  /** `clusters + 1`: how many blocks lie before each list. */
  readonly listBlocks: Uint32Array
  /** `clusters + 1`: how many slots lie before each cluster. */
  readonly slots: Uint32Array
  /** The row of each slot; null: not read, see `IndexReader.setRows`. */
  readonly rowOfSlot: Uint32Array | null
  /** How rows lie around their centroids; null: not measured. */
  readonly spread: Spread | null
  /** What recall costs here, measured; by depth, then by recall, ascending. Empty: not measured, `chooseEffort` then probes a lot. */
  readonly effort: readonly Effort[]
}

/**
 * With c the centroid of row x, the squared distance of x from any point q is |q - c|² + |x - c|² - 2 |q - c| |x - c| cos(angle): the angle of two
 * directions that know nothing of each other.
 */
export interface Spread {
  /** Root mean square of |x - c|. */
  readonly residual: number
  /** Standard deviation of the cosine: 1 / sqrt(n) if all n dimensions mattered alike, more where few do. */
  readonly deviation: number
}

/** How hard to search. */
export interface Effort {
  /** The recall that this reached in calibration … */
  readonly recall: number
  /** … of this many nearest neighbors. A search for 10 among a tenth of the rows must look as deep as one for 100 among all. */
  readonly depth: number
  /** Clusters probed at most. */
  readonly probes: number
  /** Clusters that score this much less than the best are not probed (see `Plan`). Infinity: all `probes` are. */
  readonly margin: number
  /** The score of the depth-th neighbor of nine queries in ten is above this: a filter whose answers are farther has moved them away. */
  readonly usual: number
  /** How many neighbors `IndexReader.expectRest` expects in the clusters that are not probed, of a usual query: often more than there are. */
  readonly rest: number
  /** Candidates scored by their 8-bit codes. */
  readonly candidates: number
}

/** What of an effort a search needs. */
export type SearchEffort = Pick<Effort, 'probes' | 'margin' | 'candidates'> & Partial<Pick<Effort, 'usual' | 'rest'>>
