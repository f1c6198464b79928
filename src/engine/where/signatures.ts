import { Bitset } from '../../base/bitset.ts'

/** Bits of a signature. A text of 500 characters sets about a sixth of them. */
const bitCount = 2048
const gramLength = 3
/** More grams of a literal than this narrow nothing further. */
const gramsMax = 24

/**
 * For each text, which of its character triples occur, hashed to `bitCount` bits, and stored bit by bit: a literal is looked for by
 * and-ing the columns of its triples. Bit-sliced signatures as in BitFunnel (Goodwin et al., SIGIR 2017), with one hash and one row height.
 * It may say yes wrongly, never no: what it says yes to is read.
 */
export class Signatures {
  readonly #columns: Bitset[]
  readonly #rowCount: number

  constructor(rowCount: number) {
    this.#rowCount = rowCount
    this.#columns = Array.from({ length: bitCount }, () => new Bitset(rowCount))
  }

  /** Bytes in memory. */
  get sizeBytes(): number {
    return bitCount * (Math.ceil(this.#rowCount / 32) * 4 + 64)
  }

  add(row: number, text: string): void {
    for (let at = 0; at + gramLength <= text.length; at++) this.#columns[bitOf(text, at)]!.set(row)
  }

  /** The rows of `within` whose text may contain `literal`. One shorter than a triple narrows nothing. */
  narrow(within: Bitset, literal: string): Bitset {
    const rows = within.clone()
    const step = Math.max(1, Math.floor((literal.length - gramLength + 1) / gramsMax))
    for (let at = 0; at + gramLength <= literal.length; at += step) rows.and(this.#columns[bitOf(literal, at)]!)
    return rows
  }
}

function bitOf(text: string, at: number): number {
  const hash = Math.imul(text.charCodeAt(at), 0x9e3779b1) ^ Math.imul(text.charCodeAt(at + 1), 0x85ebca6b) ^ Math.imul(text.charCodeAt(at + 2), 0xc2b2ae35)
  return (Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 16) % bitCount
}
