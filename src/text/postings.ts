// A full-text index of one field over the rows of one segment, format version 1. All integers little-endian, varints LEB128.
//
//   u8  version            1
//   u8[3]                  zero
//   u32 rowCount           rows of the segment; not every row has the field
//   u32 documentCount      rows that have it
//   u32 termCount
//   f64 termTotal          sum of the lengths of all rows, in terms
//   u32 blockCount         dictionary blocks of up to 16 terms
//   u32 lengthsOffset      from the start of these bytes
//   u32 blockIndexOffset
//   u32 postingsOffset
//   dictionary             blocks of terms in order of their UTF-8 bytes, front-coded; each term:
//                            varint shared      bytes in common with the term before it; 0 for the first of a block
//                            varint size, bytes the rest of the term
//                            varint documentFrequency
//                            varint postingsSize
//   lengths                varint per row: terms in it + 1; 0 = the row has not the field
//   block index            per block: u32 offset of the block, u32 offset of its first posting list (both from the start of their part)
//   postings               per term, groups of up to 128 rows:
//                            varint rows, varint (last row - row before the group), varint maxCount, varint minLength
//                              (what a term can score at most in this group: for skipping groups, Ding & Suel 2011)
//                            per row: varint delta to the row before, varint count
import { compareBytes, compareUtf8, fromUtf8, toUtf8 } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import { ByteWriter } from '../format/varint.ts'

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

const version = 1
const headerSize = 44
const termsPerBlock = 16
const rowsPerGroup = 128

interface GrowingPosting {
  readonly rows: number[]
  readonly counts: number[]
}

/** Postings that grow: rows are added in ascending order and never change. */
export class MemoryPostings implements TermSource {
  readonly #terms = new Map<string, GrowingPosting>()
  readonly #lengths: number[] = []
  documentCount = 0
  termTotal = 0

  get rowCount(): number {
    return this.#lengths.length
  }

  /** Adds the terms of `row`, which must be above all rows added before. */
  add(row: number, terms: readonly string[]): void {
    while (this.#lengths.length < row) this.#lengths.push(0)
    this.#lengths.push(terms.length + 1)
    this.documentCount++
    this.termTotal += terms.length
    for (const term of terms) {
      const posting = this.#terms.get(term)
      if (!posting) this.#terms.set(term, { rows: [row], counts: [1] })
      else if (posting.rows.at(-1) === row) posting.counts[posting.counts.length - 1]!++
      else {
        posting.rows.push(row)
        posting.counts.push(1)
      }
    }
  }

  find(term: string): Posting | null {
    const posting = this.#terms.get(term)
    return posting ? { documentFrequency: posting.rows.length, rows: Uint32Array.from(posting.rows), counts: Uint32Array.from(posting.counts) } : null
  }

  lengthOf(row: number): number {
    return Math.max(0, (this.#lengths[row] ?? 0) - 1)
  }

  /**
   * The stored form.
   * @param rowMap Where a row stands in the segment; -1 leaves it out.
   * @param rowCount Rows of the segment.
   */
  toBytes(rowMap: (row: number) => number = (row) => row, rowCount = this.rowCount): Uint8Array {
    const lengths = new Array<number>(rowCount).fill(0)
    this.#lengths.forEach((length, row) => {
      const mapped = length === 0 ? -1 : rowMap(row)
      if (mapped >= 0) lengths[mapped] = length
    })
    const kept: [string, GrowingPosting][] = []
    for (const [term, { rows, counts }] of this.#terms) {
      const pairs = rows.map((row, i) => [rowMap(row), counts[i]!] as const).filter(([row]) => row >= 0)
      if (pairs.length === 0) continue
      pairs.sort(([a], [b]) => a - b)
      kept.push([term, { rows: pairs.map(([row]) => row), counts: pairs.map(([, count]) => count) }])
    }
    kept.sort(([a], [b]) => compareUtf8(a, b))
    return encode(kept, lengths)
  }
}

function encode(terms: readonly (readonly [string, GrowingPosting])[], lengths: readonly number[]): Uint8Array {
  const dictionary = new ByteWriter()
  const postings = new ByteWriter()
  const blocks: [number, number][] = []
  let before: Uint8Array = new Uint8Array(0)
  terms.forEach(([term, posting], i) => {
    if (i % termsPerBlock === 0) {
      blocks.push([dictionary.length, postings.length])
      before = new Uint8Array(0)
    }
    const bytes = toUtf8(term)
    const shared = sharedPrefix(before, bytes)
    const start = postings.length
    writePosting(postings, posting, lengths)
    dictionary.varint(shared)
    dictionary.varint(bytes.length - shared)
    dictionary.bytes(bytes.subarray(shared))
    dictionary.varint(posting.rows.length)
    dictionary.varint(postings.length - start)
    before = bytes
  })
  const tail = new ByteWriter()
  for (const length of lengths) tail.varint(length)
  const lengthsOffset = headerSize + dictionary.length
  const blockIndexOffset = lengthsOffset + tail.length
  const postingsOffset = blockIndexOffset + blocks.length * 8
  const header = new ByteWriter(headerSize)
  header.u8(version)
  header.bytes(new Uint8Array(3))
  header.u32(lengths.length)
  header.u32(lengths.reduce((count, length) => count + (length > 0 ? 1 : 0), 0))
  header.u32(terms.length)
  header.f64(lengths.reduce((sum, length) => sum + Math.max(0, length - 1), 0))
  for (const number of [blocks.length, lengthsOffset, blockIndexOffset, postingsOffset]) header.u32(number)
  header.u32(0)
  const whole = new ByteWriter(postingsOffset + postings.length)
  whole.bytes(header.toBytes())
  whole.bytes(dictionary.toBytes())
  whole.bytes(tail.toBytes())
  for (const [block, first] of blocks) {
    whole.u32(block)
    whole.u32(first)
  }
  whole.bytes(postings.toBytes())
  return whole.toBytes()
}

function writePosting(writer: ByteWriter, { rows, counts }: GrowingPosting, lengths: readonly number[]): void {
  let before = -1
  for (let start = 0; start < rows.length; start += rowsPerGroup) {
    const end = Math.min(start + rowsPerGroup, rows.length)
    let maxCount = 0
    let minLength = Infinity
    for (let i = start; i < end; i++) {
      maxCount = Math.max(maxCount, counts[i]!)
      minLength = Math.min(minLength, lengths[rows[i]!]! - 1)
    }
    writer.varint(end - start)
    writer.varint(rows[end - 1]! - before)
    writer.varint(maxCount)
    writer.varint(minLength)
    for (let i = start; i < end; i++) {
      writer.varint(rows[i]! - before)
      writer.varint(counts[i]!)
      before = rows[i]!
    }
  }
}

/** Postings as stored. Opening reads the header and the lengths; a term is found by binary search over dictionary blocks. */
export class StoredPostings implements TermSource {
  readonly rowCount: number
  readonly documentCount: number
  readonly termTotal: number
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #termCount: number
  readonly #blockCount: number
  readonly #blockIndexOffset: number
  readonly #postingsOffset: number
  readonly #lengths: Uint32Array

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    if (bytes.length < headerSize) throw damaged(`it has ${bytes.length} bytes`)
    if (bytes[0] !== version) throw new WindlassError('unsupported', `text index has version ${bytes[0]}, this windlass reads ${version}: upgrade`)
    const u32 = (offset: number) => this.#view.getUint32(offset, true)
    this.rowCount = u32(4)
    this.documentCount = u32(8)
    this.#termCount = u32(12)
    this.termTotal = this.#view.getFloat64(16, true)
    this.#blockCount = u32(24)
    const lengthsOffset = u32(28)
    this.#blockIndexOffset = u32(32)
    this.#postingsOffset = u32(36)
    const inOrder = headerSize <= lengthsOffset && lengthsOffset <= this.#blockIndexOffset && this.#postingsOffset <= bytes.length
    if (!inOrder || this.#blockIndexOffset + this.#blockCount * 8 !== this.#postingsOffset || this.#blockCount !== Math.ceil(this.#termCount / termsPerBlock)) {
      throw damaged('its parts do not fit together')
    }
    if (this.rowCount > this.#blockIndexOffset - lengthsOffset || this.documentCount > this.rowCount) throw damaged(`${this.rowCount} rows do not fit`)
    this.#lengths = new Uint32Array(this.rowCount)
    const reader = new Varints(bytes, lengthsOffset, this.#blockIndexOffset)
    for (let row = 0; row < this.rowCount; row++) this.#lengths[row] = reader.next()
  }

  /** @throws {WindlassError} `corrupt`, or `unsupported` when a newer version wrote it. */
  static open(bytes: Uint8Array): StoredPostings {
    return new StoredPostings(bytes)
  }

  find(term: string): Posting | null {
    const wanted = toUtf8(term)
    let low = 0
    let high = this.#blockCount
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareBytes(this.#firstTerm(middle), wanted) <= 0) low = middle + 1
      else high = middle
    }
    return low === 0 ? null : this.#findInBlock(low - 1, wanted)
  }

  lengthOf(row: number): number {
    return Math.max(0, (this.#lengths[row] ?? 0) - 1)
  }

  /** Every term in order: for merging and for tests. */
  *terms(): Generator<string> {
    for (let block = 0; block < this.#blockCount; block++) for (const { term } of this.#block(block)) yield fromUtf8(term)
  }

  #firstTerm(block: number): Uint8Array {
    const reader = this.#blockReader(block)
    reader.next()
    return reader.take(reader.next())
  }

  #findInBlock(block: number, wanted: Uint8Array): Posting | null {
    for (const { term, documentFrequency, start, end } of this.#block(block)) {
      const order = compareBytes(term, wanted)
      if (order === 0) return this.#posting(documentFrequency, start, end)
      if (order > 0) return null
    }
    return null
  }

  *#block(block: number): Generator<{ term: Uint8Array; documentFrequency: number; start: number; end: number }> {
    const reader = this.#blockReader(block)
    let start = this.#postingsOffset + this.#view.getUint32(this.#blockIndexOffset + block * 8 + 4, true)
    let before: Uint8Array = new Uint8Array(0)
    const count = Math.min(termsPerBlock, this.#termCount - block * termsPerBlock)
    for (let i = 0; i < count; i++) {
      const shared = reader.next()
      const rest = reader.take(reader.next())
      if (shared > before.length) throw damaged('a term shares more than its neighbour has')
      const term = new Uint8Array(shared + rest.length)
      term.set(before.subarray(0, shared))
      term.set(rest, shared)
      const documentFrequency = reader.next()
      const end = start + reader.next()
      if (end > this.#bytes.length) throw damaged('a posting list ends beyond the end')
      yield { term, documentFrequency, start, end }
      start = end
      before = term
    }
  }

  #blockReader(block: number): Varints {
    const offset = headerSize + this.#view.getUint32(this.#blockIndexOffset + block * 8, true)
    return new Varints(this.#bytes, offset, this.#blockIndexOffset)
  }

  #posting(documentFrequency: number, start: number, end: number): Posting {
    // Every row takes at least two bytes: what cannot fit is not allocated.
    if (documentFrequency > (end - start) / 2) throw damaged('a posting list is shorter than its term says')
    const rows = new Uint32Array(documentFrequency)
    const counts = new Uint32Array(documentFrequency)
    const reader = new Varints(this.#bytes, start, end)
    let before = -1
    for (let i = 0; i < documentFrequency; ) {
      const size = reader.next()
      if (size === 0 || i + size > documentFrequency) throw damaged('a posting group is too long')
      const last = before + reader.next()
      reader.next()
      reader.next()
      for (const groupEnd = i + size; i < groupEnd; i++) {
        const delta = reader.next()
        before += delta
        if (delta === 0 || before >= this.rowCount) throw damaged('a posting list is out of order')
        rows[i] = before
        counts[i] = reader.next()
      }
      if (before !== last) throw damaged('a posting group does not end where it says')
    }
    return { documentFrequency, rows, counts }
  }
}

/** A bounds-checked run of varints, lean enough for inner loops. */
class Varints {
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  next(): number {
    let value = 0
    for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
      if (this.#at >= this.#end) throw damaged('it ends in the middle of a number')
      const byte = this.#bytes[this.#at++]!
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
    throw damaged('a number is too long')
  }

  take(size: number): Uint8Array {
    if (size > this.#end - this.#at) throw damaged('it ends in the middle of a term')
    return this.#bytes.subarray(this.#at, (this.#at += size))
  }
}

function sharedPrefix(a: Uint8Array, b: Uint8Array): number {
  const end = Math.min(a.length, b.length)
  let shared = 0
  while (shared < end && a[shared] === b[shared]) shared++
  return shared
}

function damaged(what: string): WindlassError {
  return new WindlassError('corrupt', `text index is damaged: ${what}`)
}
