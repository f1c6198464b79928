import { seededRandom, type Random } from '../../base/random.ts'
import type { KernelHeap } from '../../kernels/heap.ts'
import type { Address } from '../../kernels/kernels.ts'

/** Vectors of more dimensions are projected to so many first: it bounds the memory of a map, and moves distances by a few per cent. */
export const mapDimensionMax = 512

const seedOfSigns = 0x5eed

/**
 * The vectors of a map in the kernels' memory: `count` rows of `padded` float32. For cosine they have norm 1 (zero stays zero), so squared
 * distances order them as the metric does. Above `mapDimensionMax` they are rotated at random and cut, a subsampled randomized Hadamard
 * transform (Tropp, "Improved analysis of the subsampled randomized Hadamard transform", 2011).
 */
export class ProjectionRows {
  readonly heap: KernelHeap
  /** Float32 values of a row, a multiple of 16. */
  readonly padded: number
  readonly at: Address
  readonly #dimension: number
  readonly #wide: { readonly vector: Address; readonly signs: Address; readonly padded: number } | null
  readonly #isCosine: boolean
  readonly #countMax: number
  #count = 0

  constructor(heap: KernelHeap, { dimension, countMax, isCosine }: { dimension: number; countMax: number; isCosine: boolean }) {
    this.heap = heap
    this.#dimension = dimension
    this.#isCosine = isCosine
    this.#countMax = countMax
    this.padded = Math.ceil(Math.min(dimension, mapDimensionMax) / 16) * 16
    this.at = heap.allocate(Math.max(1, countMax) * this.padded * 4)
    if (dimension <= mapDimensionMax) this.#wide = null
    else {
      const padded = Math.ceil(dimension / 16) * 16
      this.#wide = { vector: heap.allocate(padded * 4), signs: heap.allocate(padded * 8), padded }
      const random = seededRandom(seedOfSigns)
      for (let i = 0; i < padded * 2; i++) heap.floats[(this.#wide.signs >>> 2) + i] = random.next() < 0.5 ? -1 : 1
    }
  }

  get count(): number {
    return this.#count
  }

  /** @throws {RangeError} when more come than were announced. */
  add(vector: Float32Array): void {
    if (this.#count >= this.#countMax) throw new RangeError(`a map of ${this.#countMax} rows is full`)
    const { heap, padded } = this
    const to = (this.at >>> 2) + this.#count++ * padded
    heap.floats.fill(0, to, to + padded)
    if (this.#wide) {
      const from = this.#wide.vector >>> 2
      heap.floats.fill(0, from, from + this.#wide.padded)
      heap.floats.set(vector.subarray(0, this.#dimension), from)
      heap.kernels.rotate(this.#wide.vector, this.#wide.signs, this.#wide.padded)
      heap.floats.copyWithin(to, from, from + padded)
    } else heap.floats.set(vector.subarray(0, this.#dimension), to)
    if (this.#isCosine) normalize(heap.floats, to, padded)
  }

  /** Where row `i` is. */
  rowAt(i: number): Address {
    return this.at + i * this.padded * 4
  }

  /** Puts row `order[i]` at place i, for all rows, in place. */
  permute(order: Uint32Array): void {
    const { heap, padded } = this
    const bytes = padded * 4
    const scratch = heap.allocate(bytes)
    const done = new Uint8Array(this.#count)
    for (let start = 0; start < this.#count; start++) {
      if (done[start]) continue
      heap.bytes.copyWithin(scratch, this.rowAt(start), this.rowAt(start) + bytes)
      let place = start
      for (;;) {
        done[place] = 1
        const from = order[place]!
        if (from === start) break
        heap.bytes.copyWithin(this.rowAt(place), this.rowAt(from), this.rowAt(from) + bytes)
        place = from
      }
      heap.bytes.copyWithin(this.rowAt(place), scratch, scratch + bytes)
    }
    heap.release(scratch)
  }

  /** Squared norms of all rows. */
  norms(): Float32Array {
    const { heap, padded } = this
    return Float32Array.from({ length: this.#count }, (_, i) => heap.kernels.dotExact(this.rowAt(i), this.rowAt(i), padded))
  }

  release(): void {
    this.heap.release(this.at)
    if (this.#wide) for (const at of [this.#wide.vector, this.#wide.signs]) this.heap.release(at)
  }
}

/** A random row order's first `wanted` rows, without repetition. */
export function pickRows(count: number, wanted: number, random: Random): Uint32Array {
  const rows = Uint32Array.from({ length: count }, (_, i) => i)
  const taken = Math.min(count, wanted)
  for (let i = 0; i < taken; i++) {
    const j = i + Math.floor(random.next() * (count - i))
    ;[rows[i], rows[j]] = [rows[j]!, rows[i]!]
  }
  return rows.slice(0, taken)
}

function normalize(values: Float32Array, start: number, length: number): void {
  let sum = 0
  for (let i = start; i < start + length; i++) sum += values[i]! * values[i]!
  if (!(sum > 0) || sum === Infinity) return
  const scale = 1 / Math.sqrt(sum)
  for (let i = start; i < start + length; i++) values[i]! *= scale
}
