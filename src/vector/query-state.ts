import type { KernelHeap } from '../kernels/heap.ts'
import { reservoirHeader, type Address } from '../kernels/kernels.ts'

/** Largest value of a query's 16-bit codes: the sums of 4,096 products with 8-bit codes stay within 32 bits. */
const codeMax = 8191

/** A query in a space, in the forms that the kernels take: float32, 16-bit codes and lookup table. Holds kernel memory until `release`. */
export class QueryForms {
  readonly vector: Address
  readonly codes: Address
  readonly table: Address
  readonly #heap: KernelHeap
  readonly #padded: number
  /** 16-bit codes times this are the query. */
  codeScale = 0
  tableScale = 0
  /** Minus the sum of |q_i|. */
  bias = 0
  squaredNorm = 0

  constructor(heap: KernelHeap, padded: number) {
    this.#heap = heap
    this.#padded = padded
    this.vector = heap.allocate(padded * 10)
    this.table = this.vector + padded * 4
    this.codes = this.vector + padded * 8
  }

  /** Makes the other forms from what is at `vector`. */
  prepare(withCodes: boolean): void {
    const { kernels } = this.#heap
    const n = this.#padded
    this.bias = -kernels.sumMagnitudes(this.vector, n)
    this.tableScale = kernels.makeTable(this.vector, n, this.table)
    if (!withCodes) return
    this.squaredNorm = kernels.dotExact(this.vector, this.vector, n)
    this.codeScale = kernels.encodeWords(this.vector, n, codeMax, this.codes)
  }

  release(): void {
    this.#heap.release(this.vector)
  }
}

/** The best of what scans find; see `Kernels` for its layout. Holds kernel memory until `release`. */
export class Reservoir {
  readonly at: Address
  readonly scores: Address
  readonly #heap: KernelHeap
  #keep = 0
  readonly #capacity: number

  constructor(heap: KernelHeap, keepMax: number) {
    this.#heap = heap
    // Room for a few times what is kept, so that selections are rare.
    this.#capacity = 3 * keepMax + 64
    this.at = heap.allocate(reservoirHeader + this.#capacity * 8 + 128)
    this.scores = this.at + reservoirHeader + this.#capacity * 8
  }

  /** Empties it. @param keep - At most `keepMax`. @param filter - Address of a bitmap, 0 for none. @param rowOfId - Address of a table, 0 for none. */
  reset(keep: number, filter = 0, rowOfId = 0): void {
    this.#keep = keep
    const { words, floats } = this.#heap
    const at = this.at >>> 2
    words[at] = 0
    words[at + 1] = keep
    words[at + 2] = Math.min(this.#capacity, 3 * keep + 64)
    floats[at + 3] = -Infinity
    words[at + 4] = filter
    words[at + 5] = rowOfId
  }

  /** Keeps the best, sorted; returns how many. Their keys are at `keys`. */
  finish(): number {
    const { words, kernels } = this.#heap
    let count = words[this.at >>> 2]!
    if (count > this.#keep) {
      kernels.selectKeys(this.keys, count, this.#keep)
      count = this.#keep
      words[this.at >>> 2] = count
    }
    kernels.sortKeys(this.keys, count)
    return count
  }

  get keys(): Address {
    return this.at + reservoirHeader
  }

  release(): void {
    this.#heap.release(this.at)
  }
}

const bits = new Int32Array(1)
const float = new Float32Array(bits.buffer)

/** The score in the high half of a key. */
export function scoreOfKey(high: number): number {
  bits[0] = (high | 0) ^ (((high | 0) >> 31) & 0x7fffffff)
  return float[0]!
}
