import { expand8Bits, roundTo8Bits } from './rounding.ts'
import type { VectorSource } from './space.ts'

/** A pile's memory, to move to a worker. */
export interface PiledVectors {
  readonly dimension: number
  readonly count: number
  /** `count` times `dimension`: float32, or int8 with a float32 step a row. */
  readonly values: Float32Array<ArrayBuffer> | Int8Array<ArrayBuffer>
  readonly steps: Float32Array<ArrayBuffer> | null
}

/**
 * Vectors collected to build an index of them: as float32 while that fits, else rounded to 8 bits a dimension, which is finer than any code
 * that is searched with. So the memory that a build takes is bounded by the rows of a segment, not by what they weigh.
 */
export class VectorPile {
  readonly dimension: number
  readonly #values: Float32Array<ArrayBuffer> | Int8Array<ArrayBuffer>
  readonly #steps: Float32Array<ArrayBuffer> | null
  #count = 0

  /** @param countMax How many will be added at most. @param floatBytesMax Above this many bytes, vectors are rounded. */
  constructor(dimension: number, countMax: number, floatBytesMax: number) {
    this.dimension = dimension
    const isRounded = countMax * dimension * 4 > floatBytesMax
    this.#values = isRounded ? new Int8Array(countMax * dimension) : new Float32Array(countMax * dimension)
    this.#steps = isRounded ? new Float32Array(countMax) : null
  }

  get count(): number {
    return this.#count
  }

  add(vector: Float32Array): void {
    const at = this.#count * this.dimension
    if (this.#steps) {
      this.#steps[this.#count] = roundTo8Bits(vector, 0, vector.length, this.#values as Int8Array, at)
    } else this.#values.set(vector, at)
    this.#count++
  }

  take(): PiledVectors {
    return { dimension: this.dimension, count: this.#count, values: this.#values, steps: this.#steps }
  }
}

/** The vectors of a pile, one at a time. */
export function pileSource({ dimension, count, values, steps }: PiledVectors): VectorSource {
  if (values instanceof Float32Array) return { count, dimension, vector: (row) => values.subarray(row * dimension, (row + 1) * dimension) }
  // Two in turn: a build holds one while it reads another.
  const scratch = [new Float32Array(dimension), new Float32Array(dimension)] as const
  let turn = 0
  const vector = (row: number) => {
    turn = 1 - turn
    const target = scratch[turn]!
    expand8Bits(values, row * dimension, dimension, steps![row]!, target, 0)
    return target
  }
  return { count, dimension, vector }
}
