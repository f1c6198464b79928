/**
 * Discrete Fourier transforms of square grids whose side is a power of two, complex, in place: the radix-2 algorithm of Cooley and Tukey
 * ("An algorithm for the machine calculation of complex Fourier series", 1965), rows, then columns by way of a transposition.
 */
export class FourierGrid {
  readonly side: number
  readonly #cosines: Float64Array
  readonly #sines: Float64Array
  readonly #reversed: Uint32Array

  constructor(side: number) {
    this.side = side
    this.#cosines = Float64Array.from({ length: side / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / side))
    this.#sines = Float64Array.from({ length: side / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / side))
    const bits = Math.log2(side)
    this.#reversed = Uint32Array.from({ length: side }, (_, i) => {
      let reversed = 0
      for (let bit = 0; bit < bits; bit++) if (i & (1 << bit)) reversed |= 1 << (bits - 1 - bit)
      return reversed
    })
  }

  /**
   * Transforms a grid; the result lies transposed: frequency (u, v) at u * side + v, u along what were columns. @param filledRows Rows from
   * the first that hold anything; the others are zero.
   */
  forward(real: Float32Array, imaginary: Float32Array, filledRows = this.side): void {
    for (let row = 0; row < filledRows; row++) this.#line(real, imaginary, row * this.side)
    transpose(real, this.side)
    transpose(imaginary, this.side)
    for (let row = 0; row < this.side; row++) this.#line(real, imaginary, row * this.side)
  }

  /** Back from what `forward` gave, times side squared. @param neededRows Rows from the first that are wanted; the others are spoilt. */
  backward(real: Float32Array, imaginary: Float32Array, neededRows = this.side): void {
    // The inverse is the transform with real and imaginary parts exchanged.
    for (let row = 0; row < this.side; row++) this.#line(imaginary, real, row * this.side)
    transpose(real, this.side)
    transpose(imaginary, this.side)
    for (let row = 0; row < neededRows; row++) this.#line(imaginary, real, row * this.side)
  }

  #line(re: Float32Array, im: Float32Array, start: number): void {
    const { side } = this
    const reversed = this.#reversed
    for (let i = 0; i < side; i++) {
      const j = reversed[i]!
      if (j <= i) continue
      const [a, b] = [start + i, start + j]
      const r = re[a]!
      re[a] = re[b]!
      re[b] = r
      const m = im[a]!
      im[a] = im[b]!
      im[b] = m
    }
    for (let half = 1; half < side; half *= 2) {
      const step = side / (2 * half)
      for (let k = 0; k < half; k++) {
        const c = this.#cosines[k * step]!
        const s = this.#sines[k * step]!
        for (let a = start + k, end = start + side; a < end; a += 2 * half) {
          const b = a + half
          const r = re[b]! * c - im[b]! * s
          const m = re[b]! * s + im[b]! * c
          re[b] = re[a]! - r
          im[b] = im[a]! - m
          re[a] = re[a]! + r
          im[a] = im[a]! + m
        }
      }
    }
  }
}

// Squares of this side fit the nearest cache.
const tile = 32

function transpose(values: Float32Array, side: number): void {
  for (let top = 0; top < side; top += tile) {
    for (let left = top; left < side; left += tile) {
      for (let y = top; y < Math.min(side, top + tile); y++) {
        for (let x = Math.max(left, y + 1); x < Math.min(side, left + tile); x++) {
          const a = y * side + x
          const b = x * side + y
          const value = values[a]!
          values[a] = values[b]!
          values[b] = value
        }
      }
    }
  }
}
