import { createHash } from 'node:crypto'

/**
 * Which documents a listing had, by their keys in the state, in 8 bytes each. That one is taken for listed although it was not
 * has a chance of 1 in 9,000,000,000 with a million documents; it then stays where it is.
 */
export class SeenKeys {
  #hashes = new Float64Array(1024)
  #count = 0

  add(key: string): void {
    if (this.#count === this.#hashes.length) {
      const larger = new Float64Array(this.#count * 2)
      larger.set(this.#hashes)
      this.#hashes = larger
    }
    this.#hashes[this.#count++] = hashOf(key)
  }

  /** Sorts, once all have been added. */
  seal(): void {
    this.#hashes = this.#hashes.subarray(0, this.#count).slice().sort()
  }

  has(key: string): boolean {
    const wanted = hashOf(key)
    let low = 0
    let high = this.#hashes.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#hashes[middle]! < wanted) low = middle + 1
      else high = middle
    }
    return this.#hashes[low] === wanted
  }
}

/** 53 bits, which a double holds exactly. */
function hashOf(key: string): number {
  const bytes = createHash('sha256').update(key).digest()
  return bytes.readUIntBE(0, 6) * 32 + (bytes[6]! & 31)
}
