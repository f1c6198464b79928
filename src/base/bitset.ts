/** A set of integers in `[0, length)`, one bit each. Indexes outside are never in it; setting one is a bug of the caller. */
export class Bitset {
  readonly length: number
  readonly #words: Uint32Array

  constructor(length: number, words = new Uint32Array((length + 31) >>> 5)) {
    this.length = length
    this.#words = words
  }

  /** Every index of `[0, length)`. */
  static full(length: number): Bitset {
    const set = new Bitset(length)
    set.#words.fill(0xffffffff)
    set.#trim()
    return set
  }

  /** From `toBytes`. Bits past `length` are dropped; missing bytes are zero. */
  static fromBytes(bytes: Uint8Array, length: number): Bitset {
    const set = new Bitset(length)
    const size = Math.min(bytes.length, (length + 7) >>> 3)
    for (let i = 0; i < size; i++) set.#words[i >>> 2]! |= bytes[i]! << ((i & 3) << 3)
    set.#trim()
    return set
  }

  has(index: number): boolean {
    return index < this.length && index >= 0 && (this.#words[index >>> 5]! & (1 << (index & 31))) !== 0
  }

  set(index: number): this {
    this.#words[index >>> 5]! |= 1 << (index & 31)
    return this
  }

  clear(index: number): this {
    this.#words[index >>> 5]! &= ~(1 << (index & 31))
    return this
  }

  /** Keeps what is also in `other`. Lengths must be equal. */
  and(other: Bitset): this {
    for (let i = 0; i < this.#words.length; i++) this.#words[i]! &= other.#words[i]!
    return this
  }

  /** Adds what is in `other`. */
  or(other: Bitset): this {
    for (let i = 0; i < this.#words.length; i++) this.#words[i]! |= other.#words[i]!
    return this
  }

  /** Removes what is in `other`. */
  andNot(other: Bitset): this {
    for (let i = 0; i < this.#words.length; i++) this.#words[i]! &= ~other.#words[i]!
    return this
  }

  /** Turns into its complement within `[0, length)`. */
  not(): this {
    for (let i = 0; i < this.#words.length; i++) this.#words[i] = ~this.#words[i]!
    this.#trim()
    return this
  }

  /** How many indexes are in it. */
  count(): number {
    let count = 0
    for (const word of this.#words) count += popcount(word)
    return count
  }

  isEmpty(): boolean {
    for (const word of this.#words) if (word !== 0) return false
    return true
  }

  /** Calls `visit` with each index in ascending order. */
  forEach(visit: (index: number) => void): void {
    for (let i = 0; i < this.#words.length; i++) {
      // `word & -word` isolates the lowest bit; `clz32` of it gives its place.
      for (let word = this.#words[i]!; word !== 0; word &= word - 1) visit((i << 5) + 31 - Math.clz32(word & -word))
    }
  }

  /** A copy of another length: indexes past it are dropped. */
  resized(length: number): Bitset {
    const words = new Uint32Array((length + 31) >>> 5)
    words.set(this.#words.subarray(0, words.length))
    const set = new Bitset(length, words)
    set.#trim()
    return set
  }

  clone(): Bitset {
    return new Bitset(this.length, this.#words.slice())
  }

  /** One bit an index, lowest bit first: `ceil(length / 8)` bytes. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array((this.length + 7) >>> 3)
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.#words[i >>> 2]! >>> ((i & 3) << 3)
    return bytes
  }

  #trim(): void {
    const rest = this.length & 31
    if (rest !== 0) this.#words[this.#words.length - 1]! &= (1 << rest) - 1
  }
}

// Bit counting in parallel: pairs, nibbles, bytes, then one multiplication adds the bytes (Hacker's Delight, 5-1).
function popcount(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555)
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333)
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
