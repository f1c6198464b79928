import { createHash } from 'node:crypto'

/**
 * Keys that were seen, as 48 bits of SHA-256 each in an open-addressed table: 16 to 32 bytes a key, at most. A new key passes for a known one
 * once in 2^48 / size.
 */
export class KeyTable {
  #slots = new Float64Array(1024)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @returns whether it is new. */
  add(key: string): boolean {
    if (this.#size * 2 >= this.#slots.length) this.#grow()
    const hash = hashOf(key)
    const place = this.#placeOf(hash, this.#slots)
    if (this.#slots[place] === hash) return false
    this.#slots[place] = hash
    this.#size++
    return true
  }

  has(key: string): boolean {
    const hash = hashOf(key)
    return this.#slots[this.#placeOf(hash, this.#slots)] === hash
  }

  #placeOf(hash: number, slots: Float64Array): number {
    let place = hash % slots.length
    while (slots[place] !== 0 && slots[place] !== hash) place = (place + 1) % slots.length
    return place
  }

  #grow(): void {
    const grown = new Float64Array(this.#slots.length * 2)
    for (const hash of this.#slots) if (hash !== 0) grown[this.#placeOf(hash, grown)] = hash
    this.#slots = grown
  }
}

/** Never 0, which is an empty slot. */
function hashOf(key: string): number {
  return createHash('sha256').update(key).digest().readUIntBE(0, 6) || 1
}
