// A full-text index of one field over the rows of one segment, format version 1. All integers little-endian, varints LEB128.
//
//   0   u8  version          1
//   1   u8  lengthWidth      bytes a row's length takes: 1, 2 or 4
//   2   u16                  zero
//   4   u32 rowCount         rows of the segment; not every row has the field
//   8   u32 documentCount    rows that have it
//   12  u32 termCount
//   16  f64 termTotal        sum of the lengths of all rows, in terms
//   24  u32 dictionarySize
//   28  u32 postingsSize
//   32  block index          per block of 16 terms: u32 where it starts in the dictionary, u32 where its first list starts in the postings
//       lengths              per row, terms in it + 1; 0: the row has not the field. All lowest bytes, then all second bytes ..., so that
//                            nothing needs to be aligned
//       dictionary           terms in order of their UTF-8 bytes, front-coded in blocks of 16; each term:
//                              varint shared       bytes in common with the term before it; 0 for the first of a block
//                              varint size, bytes  the rest of the term
//                              varint documentFrequency
//                              varint listSize     bytes of its list; the lists lie in the order of the terms, without gaps
//       postings             per term, rows in groups of 128. A term with more than one group starts with a table, so that groups can be
//                            skipped by what a row in them can score at most (Ding & Suel 2011, "Faster top-k document retrieval using
//                            block-max indexes"); per group:
//                              varint last row of the group - last row of the group before (-1 before the first)
//                              varint maxCount, varint minLength, varint size of the group in bytes
//                            then, per row:
//                              varint 2 * (row - row before - 1) + (1 if count is 1)
//                              varint count - 2, unless count is 1
import { compareUtf8, toUtf8 } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import { ByteWriter } from '../format/varint.ts'

export const postingsFormat = { version: 1, headerSize: 32, termsPerBlock: 16, rowsPerGroup: 128, rowCountMax: 2 ** 31 - 1 } as const

/** Terms of the rows of a segment, given in order, to bytes. */
export class PostingsEncoder {
  readonly #lengths: Uint32Array
  readonly #dictionary = new ByteWriter(1 << 12)
  readonly #postings = new ByteWriter(1 << 12)
  readonly #group = new ByteWriter(1 << 10)
  readonly #blocks: number[] = []
  #termCount = 0
  #term = ''
  #termBytes: Uint8Array = new Uint8Array(0)

  /** @param lengths Per row of the segment, its terms + 1; 0 where it has not the field. */
  constructor(lengths: Uint32Array) {
    const { rowCountMax } = postingsFormat
    if (lengths.length > rowCountMax) throw new WindlassError('too-large', `text index of ${lengths.length} rows, at most ${rowCountMax}`)
    this.#lengths = lengths
  }

  /**
   * Appends a term and its list: at least one row, ascending.
   * @throws {WindlassError} `invalid` when `term` does not come after the one before.
   */
  add(term: string, rows: Uint32Array, counts: Uint32Array): void {
    if (this.#termCount > 0 && compareUtf8(this.#term, term) >= 0) {
      throw new WindlassError('invalid', `term ${JSON.stringify(term)} must come after ${JSON.stringify(this.#term)}`)
    }
    const bytes = toUtf8(term)
    const isFirst = this.#termCount % postingsFormat.termsPerBlock === 0
    if (isFirst) this.#blocks.push(this.#dictionary.length, this.#postings.length)
    const shared = isFirst ? 0 : sharedPrefix(this.#termBytes, bytes)
    const start = this.#postings.length
    this.#writeList(rows, counts)
    this.#dictionary.varint(shared)
    this.#dictionary.varint(bytes.length - shared)
    this.#dictionary.bytes(bytes.subarray(shared))
    this.#dictionary.varint(rows.length)
    this.#dictionary.varint(this.#postings.length - start)
    this.#term = term
    this.#termBytes = bytes
    this.#termCount++
  }

  /** The whole index. */
  finish(): Uint8Array<ArrayBuffer> {
    const lengths = this.#lengths
    let documentCount = 0
    let termTotal = 0
    let longest = 0
    for (const length of lengths) {
      if (length === 0) continue
      documentCount++
      termTotal += length - 1
      if (length > longest) longest = length
    }
    const lengthWidth = longest < 2 ** 8 ? 1 : longest < 2 ** 16 ? 2 : 4
    const { headerSize, version } = postingsFormat
    const whole = new ByteWriter(headerSize + this.#blocks.length * 4 + lengths.length * lengthWidth + this.#dictionary.length + this.#postings.length)
    whole.u8(version)
    whole.u8(lengthWidth)
    whole.u16(0)
    whole.u32(lengths.length)
    whole.u32(documentCount)
    whole.u32(this.#termCount)
    whole.f64(termTotal)
    whole.u32(this.#dictionary.length)
    whole.u32(this.#postings.length)
    for (const offset of this.#blocks) whole.u32(offset)
    for (let plane = 0; plane < lengthWidth; plane++) whole.bytes(Uint8Array.from(lengths, (length) => length >>> (plane * 8)))
    whole.bytes(this.#dictionary.toBytes())
    whole.bytes(this.#postings.toBytes())
    return whole.toBytes()
  }

  #writeList(rows: Uint32Array, counts: Uint32Array): void {
    const { rowsPerGroup } = postingsFormat
    const table = this.#postings
    const group = this.#group
    group.clear()
    let before = -1
    for (let start = 0; start < rows.length; start += rowsPerGroup) {
      const end = Math.min(start + rowsPerGroup, rows.length)
      const groupStart = group.length
      const lastBefore = before
      let maxCount = 0
      let minLength = Infinity
      for (let i = start; i < end; i++) {
        const [row, count] = [rows[i]!, counts[i]!]
        group.varint((row - before - 1) * 2 + (count === 1 ? 1 : 0))
        if (count !== 1) group.varint(count - 2)
        before = row
        if (count > maxCount) maxCount = count
        if (this.#lengths[row]! < minLength) minLength = this.#lengths[row]!
      }
      if (rows.length <= rowsPerGroup) break
      table.varint(before - lastBefore)
      table.varint(maxCount)
      table.varint(minLength - 1)
      table.varint(group.length - groupStart)
    }
    table.bytes(group.toBytes())
  }
}

function sharedPrefix(a: Uint8Array, b: Uint8Array): number {
  const end = Math.min(a.length, b.length)
  let shared = 0
  while (shared < end && a[shared] === b[shared]) shared++
  return shared
}
