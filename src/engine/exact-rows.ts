import type { Bitset } from '../base/bitset.ts'
import type { Address } from '../kernels/kernels.ts'
import { chunkRows, searchChunks } from '../vector/chunk-search.ts'
import type { Metric } from '../vector/exact-search.ts'
import type { Neighbor } from '../vector/top-k.ts'
import type { VectorMemory } from './vector-memory.ts'

/** With fewer rows, plain loops are as fast as setting up kernels. */
export const chunkedRowsMin = 512

/** What rows hold, by number; null where a row has no vector, or one of another dimension. */
export type VectorAt = (row: number) => Float32Array | null

/** Vectors that have no index, in kernel memory: rows are only ever added, and all of it may be dropped and made again at any time. */
export class ExactRows {
  readonly #memory: VectorMemory
  #dimension = 0
  #chunks: Address[] = []
  #norms = new Float32Array(0)
  #count = 0
  #release: () => void = () => undefined

  constructor(memory: VectorMemory) {
    this.#memory = memory
  }

  /** The `k` nearest of `rows` (numbers below `rows.length`), as `searchExact` has them. */
  async search(query: Float32Array, metric: Metric, rows: Bitset, k: number, vectorAt: VectorAt): Promise<Neighbor[]> {
    const heap = await this.#memory.heap()
    if (this.#dimension !== query.length) this.drop()
    this.#dimension = query.length
    const rowBytes = this.#dimension * 4
    while (this.#chunks.length * chunkRows < rows.length) {
      this.#memory.holdRows(this, chunkRows * rowBytes)
      this.#chunks.push(heap.allocate(chunkRows * rowBytes))
    }
    this.#release = () => this.#chunks.forEach((chunk) => heap.release(chunk))
    if (this.#norms.length < rows.length) {
      const wider = new Float32Array(this.#chunks.length * chunkRows)
      wider.set(this.#norms)
      this.#norms = wider
    }
    for (; this.#count < rows.length; this.#count++) {
      const at = this.#chunks[Math.floor(this.#count / chunkRows)]! + (this.#count % chunkRows) * rowBytes
      const vector = vectorAt(this.#count)
      if (vector) heap.put(at, vector)
      else heap.floats.fill(0, at >>> 2, (at + rowBytes) >>> 2)
      this.#norms[this.#count] = vector ? Math.sqrt(heap.kernels.dotExact(at, at, this.#dimension)) : 0
    }
    this.#memory.touchRows(this)
    return searchChunks(heap, { dimension: this.#dimension, chunks: this.#chunks, norms: this.#norms }, { query, metric, rows, k })
  }

  /** Gives its memory back; the next search takes the rows in again. */
  drop(): void {
    this.#release()
    this.#release = () => undefined
    this.#chunks = []
    this.#count = 0
    this.#memory.forgetRows(this)
  }
}
