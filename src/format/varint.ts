import { WindlassError } from '../base/errors.ts'
import { viewF32, writeF32 } from './typed-views.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
// Below this, building a string byte by byte is faster than a call of the platform's decoder.
const shortTextMax = 24

const int64Min = -(2n ** 63n)
const int64Max = 2n ** 63n - 1n

/** Whether `value` is a signed 64-bit integer. */
export function isInt64(value: bigint): boolean {
  return value >= int64Min && value <= int64Max
}

/** Whether `text` has half of a surrogate pair, which UTF-8 cannot hold. */
export function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text)
}

/** Appends little-endian values to bytes that grow as needed. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>
  #view: DataView
  #length = 0

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  get length(): number {
    return this.#length
  }

  /** What has been written. Shares memory with the writer: write nothing more while it is in use. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Forgets what has been written and keeps the memory. */
  clear(): void {
    this.#length = 0
  }

  u8(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
  }

  u16(value: number): void {
    const start = this.#grow(2)
    this.#view.setUint16(start, value, true)
  }

  u32(value: number): void {
    const start = this.#grow(4)
    this.#view.setUint32(start, value, true)
  }

  f64(value: number): void {
    const start = this.#grow(8)
    this.#view.setFloat64(start, value, true)
  }

  /** Float32 values, without their count. */
  f32Array(values: Float32Array): void {
    const start = this.#grow(values.length * 4)
    writeF32(this.#bytes, start, values)
  }

  /** An unsigned integer up to 2^53 - 1, 7 bits a byte, lowest first (LEB128). */
  varint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new WindlassError('invalid', `a length or position must be an integer of at least 0, found ${value}`)
    }
    this.#reserve(8)
    let rest = value
    while (rest >= 128) {
      this.#bytes[this.#length++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    this.#bytes[this.#length++] = rest
  }

  /** A signed 64-bit integer, zigzag (0, -1, 1, -2 ... become 0, 1, 2, 3 ...), then LEB128. */
  int64(value: bigint): void {
    if (!isInt64(value)) throw new WindlassError('invalid', `${value} does not fit a signed 64-bit integer`)
    let rest = value < 0n ? -value * 2n - 1n : value * 2n
    this.#reserve(10)
    while (rest > 0xffffffffn) {
      this.#bytes[this.#length++] = Number(rest & 127n) | 128
      rest >>= 7n
    }
    this.varint(Number(rest))
  }

  bytes(bytes: Uint8Array): void {
    const start = this.#grow(bytes.length)
    this.#bytes.set(bytes, start)
  }

  /** Zero bytes up to the next multiple of `alignment`. */
  align(alignment: number): void {
    const count = (alignment - (this.#length % alignment)) % alignment
    const start = this.#grow(count)
    this.#bytes.fill(0, start, start + count)
  }

  /** The size as a varint, then UTF-8. @throws {WindlassError} `invalid` for half a surrogate pair. */
  text(text: string): void {
    const { length } = text
    if (length < shortTextMax) {
      this.#reserve(1 + length)
      const start = this.#length
      this.#bytes[start] = length
      let i = 0
      for (; i < length; i++) {
        const unit = text.charCodeAt(i)
        if (unit >= 128) break
        this.#bytes[start + 1 + i] = unit
      }
      if (i === length) {
        this.#length = start + 1 + length
        return
      }
    }
    // The size comes first and is not known yet: leave it the room of the largest it can be.
    const sizeRoom = 5
    this.#reserve(sizeRoom + length * 3)
    const textStart = this.#length + sizeRoom
    const { written } = encoder.encodeInto(text, this.#bytes.subarray(textStart))
    if (written !== length && hasLoneSurrogate(text)) {
      throw new WindlassError(
        'invalid',
        `text ${JSON.stringify(text.slice(0, 40))} holds half a surrogate pair: replace it`,
      )
    }
    this.varint(written)
    this.#bytes.copyWithin(this.#length, textStart, textStart + written)
    this.#length += written
  }

  #grow(count: number): number {
    this.#reserve(count)
    const start = this.#length
    this.#length += count
    return start
  }

  #reserve(count: number): void {
    const needed = this.#length + count
    if (needed <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }
}

/**
 * Reads what `ByteWriter` wrote, never past the end and never allocating more than the bytes can hold.
 * Every failure is `corrupt`, with what was read, the object and the byte in its message.
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #subject: string
  readonly #key: string
  #offset: number

  /** @param subject What the bytes are, for messages. @param key The object they come from. */
  constructor(bytes: Uint8Array, subject: string, key: string, offset = 0) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#subject = subject
    this.#key = key
    this.#offset = offset
  }

  get offset(): number {
    return this.#offset
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  /** @throws {WindlassError} `corrupt`, always. */
  fail(what: string): never {
    throw new WindlassError('corrupt', `${this.#key}: ${this.#subject} is damaged at byte ${this.#offset}: ${what}`, {
      key: this.#key,
    })
  }

  /** Fails unless everything has been read. */
  end(): void {
    if (this.remaining !== 0) this.fail(`${this.remaining} bytes too many`)
  }

  u8(): number {
    return this.#bytes[this.#take(1)]!
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true)
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8), true)
  }

  /** `count` float32 values: a view of the bytes where they are aligned, else a copy. */
  f32Array(count: number): Float32Array {
    if (count > this.remaining / 4) this.fail(`${count} float32 values expected, ${this.remaining} bytes left`)
    return viewF32(this.#bytes, this.#take(count * 4), count)
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 8; i++) {
      const byte = this.u8()
      value += (byte & 127) * scale
      if (byte < 128) {
        if (byte === 0 && i > 0) this.fail('number is not written in its shortest form')
        if (value > Number.MAX_SAFE_INTEGER) this.fail(`number ${value} is above 2^53 - 1`)
        return value
      }
      scale *= 128
    }
    return this.fail('number has more than 8 bytes')
  }

  /** A varint that counts things of at least `sizeMin` bytes each, which must still be there. */
  count(what: string, sizeMin = 1): number {
    const count = this.varint()
    if (count * sizeMin > this.remaining) this.fail(`${count} ${what} expected, ${this.remaining} bytes left`)
    return count
  }

  int64(): bigint {
    const start = this.#offset
    let low = 0
    let scale = 1
    for (let i = 0; i < 7; i++) {
      const byte = this.u8()
      low += (byte & 127) * scale
      if (byte < 128) {
        if (byte === 0 && i > 0) this.fail('integer is not written in its shortest form')
        return low % 2 === 0 ? BigInt(low / 2) : BigInt(-(low + 1) / 2)
      }
      scale *= 128
    }
    let value = BigInt(low)
    for (let shift = 49n; ; shift += 7n) {
      const byte = this.u8()
      value += BigInt(byte & 127) << shift
      if (this.#offset - start === 10 && byte > 1) this.fail('integer does not fit 64 bits')
      if (byte < 128) {
        if (byte === 0) this.fail('integer is not written in its shortest form')
        return value & 1n ? -((value + 1n) / 2n) : value / 2n
      }
    }
  }

  /** `size` bytes, as a view. */
  bytes(size: number): Uint8Array {
    const start = this.#take(size)
    return this.#bytes.subarray(start, start + size)
  }

  /** Skips the zero bytes up to the next multiple of `alignment`. */
  align(alignment: number): void {
    while (this.#offset % alignment !== 0) if (this.u8() !== 0) this.fail('padding is not zero')
  }

  text(): string {
    const size = this.count('bytes of text')
    const start = this.#take(size)
    if (size <= shortTextMax) {
      let text = ''
      let i = start
      for (; i < start + size; i++) {
        const byte = this.#bytes[i]!
        if (byte >= 128) break
        text += String.fromCharCode(byte)
      }
      if (i === start + size) return text
    }
    try {
      return decoder.decode(this.#bytes.subarray(start, start + size))
    } catch {
      return this.fail('text is not UTF-8')
    }
  }

  #take(size: number): number {
    const start = this.#offset
    if (size > this.#bytes.length - start) this.fail(`${size} bytes expected, ${this.remaining} left`)
    this.#offset = start + size
    return start
  }
}
