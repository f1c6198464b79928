import { compareUtf8 } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import { encodePostings } from './encode-postings.ts'

export { StoredPostings } from './stored-postings.ts'

/** Where a term occurs. */
export interface Posting {
  readonly documentFrequency: number
  /** Ascending. */
  readonly rows: Uint32Array
  /** How often the term is in each of `rows`. */
  readonly counts: Uint32Array
}

/** Where the terms of one set of rows are looked up: a segment's postings or the unflushed log's. */
export interface TermSource {
  /** Rows are 0 to rowCount - 1; not every row has the field. */
  readonly rowCount: number
  /** Rows that have the field. */
  readonly documentCount: number
  /** Sum of the lengths of all rows, in terms. */
  readonly termTotal: number
  find(term: string): Posting | null
  /** Terms in `row`; 0 where it has not the field. */
  lengthOf(row: number): number
}

/** Postings that can be written anew: see `encodePostings`. */
export interface ListedPostings extends TermSource {
  /** Every term, in order of UTF-8 bytes. */
  terms(): Iterable<string>
  /** Whether `row` has the field; it may, and have no term. */
  hasField(row: number): boolean
}

/**
 * Postings that grow: rows are added in ascending order and never change.
 * One flat list of occurrences, linked backwards per term: 12 bytes each, and no object a term.
 */
export class MemoryPostings implements ListedPostings {
  documentCount = 0
  termTotal = 0
  readonly #ids = new Map<string, number>()
  // Per row, its terms + 1; 0 where it has not the field.
  readonly #lengths = new Numbers()
  // Per term: its last occurrence, and how many it has.
  readonly #last = new Numbers()
  readonly #frequencies = new Numbers()
  // Three numbers an occurrence, side by side: its row, the term's count there, and where the term's occurrence before it is.
  readonly #occurrences = new Numbers()

  get rowCount(): number {
    return this.#lengths.length
  }

  /** Adds the terms of `row`. @throws {WindlassError} `invalid` unless `row` is above all rows added before. */
  add(row: number, terms: readonly string[]): void {
    if (!Number.isInteger(row) || row < this.rowCount) {
      throw new WindlassError('invalid', `row ${row} cannot be added after row ${this.rowCount - 1}: rows must ascend`)
    }
    while (this.#lengths.length < row) this.#lengths.push(0)
    this.#lengths.push(terms.length + 1)
    this.documentCount++
    this.termTotal += terms.length
    for (const term of terms) this.#addTerm(row, term)
  }

  #addTerm(row: number, term: string): void {
    const occurrences = this.#occurrences
    const at = occurrences.length
    const id = this.#ids.get(term)
    let previous = 0
    if (id === undefined) {
      this.#ids.set(term, this.#ids.size)
      this.#last.push(at)
      this.#frequencies.push(1)
    } else {
      previous = this.#last.values[id]!
      if (occurrences.values[previous] === row) {
        occurrences.values[previous + 1]!++
        return
      }
      this.#last.values[id] = at
      this.#frequencies.values[id]!++
    }
    occurrences.push(row)
    occurrences.push(1)
    occurrences.push(previous)
  }

  find(term: string): Posting | null {
    const id = this.#ids.get(term)
    return id === undefined ? null : this.#posting(id)
  }

  lengthOf(row: number): number {
    return Math.max(0, (this.#lengths.values[row] ?? 0) - 1)
  }

  hasField(row: number): boolean {
    return (this.#lengths.values[row] ?? 0) > 0
  }

  terms(): string[] {
    return [...this.#ids.keys()].sort(compareUtf8)
  }

  /**
   * The stored form, as `StoredPostings` reads it; see postings-format.ts.
   * @param rowMap Where each row stands in the segment, in any order; -1 leaves it out.
   * @param rowCount Rows of the segment.
   */
  toBytes(rowMap: (row: number) => number = (row) => row, rowCount = this.rowCount): Uint8Array<ArrayBuffer> {
    return encodePostings([{ postings: this, rowMap }], rowCount)
  }

  #posting(id: number): Posting {
    const documentFrequency = this.#frequencies.values[id]!
    const rows = new Uint32Array(documentFrequency)
    const counts = new Uint32Array(documentFrequency)
    const occurrences = this.#occurrences.values
    for (let i = documentFrequency - 1, at = this.#last.values[id]!; i >= 0; i--, at = occurrences[at + 2]!) {
      rows[i] = occurrences[at]!
      counts[i] = occurrences[at + 1]!
    }
    return { documentFrequency, rows, counts }
  }
}

/** Unsigned 32-bit integers that grow. */
class Numbers {
  length = 0
  values = new Uint32Array(16)

  push(value: number): void {
    if (this.length === this.values.length) {
      const grown = new Uint32Array(this.length * 2)
      grown.set(this.values)
      this.values = grown
    }
    this.values[this.length++] = value
  }
}
