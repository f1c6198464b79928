import type { Bitset } from '../base/bitset.ts'
import type { KernelHeap } from '../kernels/heap.ts'
import type { Address } from '../kernels/kernels.ts'
import { noSlot, type IndexReader } from './index-reader.ts'

/** Up to this many matching rows, scoring each by its 8-bit codes costs less than scanning lists for them. */
export const directMax = 4000

/** Matches looked up for an estimate of where they lie. */
const sampledMatches = 2048

/** Where matches lie: how many in each cluster, and whether that was counted or estimated. */
export interface ClusterMatches {
  readonly counts: Float32Array
  readonly exact: boolean
}

/** The rows that may be answers, in kernel memory for the scan, until `release`. Filters come before top-k: what does not match is never a candidate. */
export class RowFilter {
  readonly rows: Bitset
  /** Bit by row. */
  readonly bitmap: Address
  readonly count: number
  readonly #heap: KernelHeap
  readonly #directMax: number
  readonly #of: number
  readonly #bytes: Uint8Array
  #matches: (ClusterMatches & { reader: IndexReader }) | undefined

  constructor(heap: KernelHeap, rows: Bitset, direct = directMax, of = rows.length) {
    this.#of = of
    this.rows = rows
    this.count = rows.count()
    this.#heap = heap
    this.#directMax = direct
    this.#bytes = rows.toBytes()
    this.bitmap = heap.allocate(this.#bytes.length)
    heap.bytes.set(this.#bytes, this.bitmap)
  }

  /** Whether so few match that they are scored directly. */
  get isDirect(): boolean {
    return this.count <= this.#directMax
  }

  /** Share of the index's rows that match. */
  get selectivity(): number {
    return Math.min(1, this.count / Math.max(1, this.#of))
  }

  /** Matches by first cluster: counted where they are few, else estimated from every so manieth byte of the bitmap. Kept for the next call. */
  clusterMatches(reader: IndexReader): ClusterMatches {
    if (this.#matches?.reader === reader) return this.#matches
    const counts = new Float32Array(reader.head.clusters)
    const slotOfRow = reader.slotOfRow()
    const step = Math.max(1, Math.floor(this.count / sampledMatches))
    for (let i = 0; i < this.#bytes.length; i += step) {
      for (let byte = this.#bytes[i]!; byte !== 0; byte &= byte - 1) {
        const slot = slotOfRow[i * 8 + 31 - Math.clz32(byte & -byte)]!
        if (slot !== noSlot) counts[reader.clusterOf(slot)]! += step
      }
    }
    this.#matches = { reader, counts, exact: step === 1 }
    return this.#matches
  }

  release(): void {
    this.#heap.release(this.bitmap)
  }
}
