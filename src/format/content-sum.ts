import { sha256 } from '../base/sha256.ts'
import type { Space, Stamp } from './record.ts'
import { ByteWriter } from './varint.ts'

/** What of a row goes into the sum: all that a segment knows without reading the row's content, for which its checksum stands. */
export interface SummedRow {
  readonly space: Space
  readonly key: Uint8Array
  readonly born: Stamp
  readonly changed: Stamp
  /** As `rowChecksum` computes it. */
  readonly checksum: bigint
}

/**
 * A checksum of a set of rows that is kept by adding and taking away single rows, in any order: the sum, modulo 2^256, of the SHA-256
 * of each. MSet-Add-Hash without its key (Clarke, Devadas, van Dijk, Gassend and Suh, "Incremental Multiset Hash Functions and Their
 * Application to Memory Integrity Checking", ASIACRYPT 2003). It finds lost, doubled, revived and misplaced rows; who means to forge
 * it can (Wagner, "A Generalized Birthday Problem", 2002).
 */
export class ContentSummer {
  // Eight words, the lowest first.
  readonly #words: Uint32Array

  /** @param hex What `toHex` gave; zero, the sum of no rows, without it. */
  constructor(hex: string = '0'.repeat(64)) {
    this.#words = Uint32Array.from({ length: 8 }, (_, i) => Number.parseInt(hex.slice(56 - i * 8, 64 - i * 8), 16))
  }

  add(row: SummedRow): void {
    this.#addWords(sha256(encodeRow(row)))
  }

  remove(row: SummedRow): void {
    const digest = sha256(encodeRow(row))
    // Two's complement: minus x is the complement of x, plus one.
    this.#addWords(digest.map((word) => ~word), 1)
  }

  /** 64 digits, the highest first. */
  toHex(): string {
    return Array.from(this.#words, (word) => word.toString(16).padStart(8, '0')).reverse().join('')
  }

  #addWords(digest: Uint32Array, start = 0): void {
    let carry = start
    for (let i = 0; i < 8; i++) {
      const sum = this.#words[i]! + digest[7 - i]! + carry
      this.#words[i] = sum
      carry = sum > 0xffffffff ? 1 : 0
    }
  }
}

function encodeRow({ space, key, born, changed, checksum }: SummedRow): Uint8Array {
  const writer = new ByteWriter(key.length + 48)
  writer.u8(space === 'documents' ? 1 : 0)
  writer.varint(key.length)
  writer.bytes(key)
  for (const { seq, ordinal } of [born, changed]) {
    writer.varint(seq)
    writer.varint(ordinal)
  }
  writer.u32(Number(checksum & 0xffffffffn))
  writer.u32(Number(checksum >> 32n))
  return writer.toBytes()
}
