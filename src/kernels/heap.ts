import { WindlassError } from '../base/errors.ts'
import type { Address, Kernels } from './kernels.ts'

const pageBytes = 65_536
// The first bytes stay unused, so that no address is 0.
const firstAddress = 64
// A cache line: rows of 64, 128, 384 … bytes then touch as few lines as they can.
const alignment = 64

/**
 * The kernels' memory, given out in pieces and taken back: first fit over a list of free pieces, neighbours joined again.
 * Views (`bytes`, `floats` …) are made anew when the memory grows, so read them from here each time.
 */
export class KernelHeap {
  readonly kernels: Kernels
  /** What may be given out at most; beyond it `allocate` fails. */
  readonly limitBytes: number
  bytes!: Uint8Array
  floats!: Float32Array
  words!: Uint32Array
  #usedBytes = 0
  /** Free pieces in ascending order of address. */
  readonly #free: { at: Address; bytes: number }[] = []
  readonly #sizes = new Map<Address, number>()

  constructor(kernels: Kernels, limitBytes = 2 ** 32 - pageBytes) {
    this.kernels = kernels
    this.limitBytes = limitBytes
    this.#free.push({ at: firstAddress, bytes: kernels.memory.buffer.byteLength - firstAddress })
    this.#refresh()
  }

  /** Bytes given out now. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  /**
   * A piece of at least `bytes`, at a multiple of 64; what it holds is whatever was there.
   * @throws {WindlassError} `unavailable` where that would pass `limitBytes` or what the machine has
   */
  allocate(bytes: number): Address {
    const size = Math.max(alignment, Math.ceil(bytes / alignment) * alignment)
    if (this.#usedBytes + size > this.limitBytes) throw this.#full(size)
    let place = this.#free.findIndex((piece) => piece.bytes >= size)
    if (place < 0) {
      this.#grow(size)
      place = this.#free.length - 1
    }
    const piece = this.#free[place]!
    const at = piece.at
    if (piece.bytes === size) this.#free.splice(place, 1)
    else {
      piece.at += size
      piece.bytes -= size
    }
    this.#sizes.set(at, size)
    this.#usedBytes += size
    return at
  }

  /** Takes back what `allocate` gave. */
  release(at: Address): void {
    const bytes = this.#sizes.get(at)
    if (bytes === undefined) throw new RangeError(`kernel memory at ${at} was not given out, or was given back before`)
    this.#sizes.delete(at)
    this.#usedBytes -= bytes
    this.#insertFree(at, bytes)
  }

  /** Copies float32 in. */
  put(at: Address, values: Float32Array): void {
    this.floats.set(values, at >>> 2)
  }

  #insertFree(at: Address, bytes: number): void {
    let place = 0
    for (let high = this.#free.length; place < high; ) {
      const middle = (place + high) >>> 1
      if (this.#free[middle]!.at < at) place = middle + 1
      else high = middle
    }
    const before = this.#free[place - 1]
    const after = this.#free[place]
    if (before && before.at + before.bytes === at) {
      before.bytes += bytes
      if (after && before.at + before.bytes === after.at) {
        before.bytes += after.bytes
        this.#free.splice(place, 1)
      }
    } else if (after && at + bytes === after.at) {
      after.at = at
      after.bytes += bytes
    } else this.#free.splice(place, 0, { at, bytes })
  }

  #grow(bytes: number): void {
    const before = this.kernels.memory.buffer.byteLength
    // By an eighth at least, so that many small pieces do not copy the plain twin's memory each time.
    const pages = Math.ceil(Math.max(bytes, Math.min(before / 8, 2 ** 26)) / pageBytes)
    try {
      this.kernels.memory.grow(pages)
    } catch (error) {
      throw this.#full(bytes, error)
    }
    this.#refresh()
    this.#insertFree(before, this.kernels.memory.buffer.byteLength - before)
  }

  #full(bytes: number, cause?: unknown): WindlassError {
    const message = `vector memory is full: ${this.#usedBytes} of ${this.limitBytes} bytes are given out, ${bytes} more were asked for; raise the memory limit or release what is cached`
    return new WindlassError('unavailable', message, { cause })
  }

  #refresh(): void {
    const { buffer } = this.kernels.memory
    this.bytes = new Uint8Array(buffer)
    this.floats = new Float32Array(buffer)
    this.words = new Uint32Array(buffer)
  }
}
