import { compareBytes, fromUtf8, toUtf8 } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import { postingsFormat } from './postings-format.ts'
import type { ListedPostings, Posting } from './postings.ts'

/**
 * Postings as stored, see postings-format.ts. Opening reads the header; a term is found by binary search over dictionary blocks.
 * Whatever the bytes are, a lookup ends, and gives rows below `rowCount` in ascending order or an error.
 */
export class StoredPostings implements ListedPostings {
  readonly rowCount: number
  readonly documentCount: number
  readonly termTotal: number
  readonly termCount: number
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #key: string
  readonly #blockCount: number
  readonly #lengthWidth: number
  readonly #lengthsOffset: number
  readonly #dictionaryOffset: number
  readonly #postingsOffset: number

  private constructor(bytes: Uint8Array, key: string) {
    this.#bytes = bytes
    this.#key = key
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const { headerSize, version, termsPerBlock, rowCountMax } = postingsFormat
    if (bytes.length < headerSize) throw this.#damaged(`it has ${bytes.length} bytes, expected at least ${headerSize}`)
    if (bytes[0] !== version) {
      throw new WindlassError('unsupported', `${key}: text index has version ${bytes[0]}, this windlass reads ${version}: upgrade`, { key })
    }
    const u32 = (offset: number) => this.#view.getUint32(offset, true)
    this.#lengthWidth = bytes[1]!
    this.rowCount = u32(4)
    this.documentCount = u32(8)
    this.termCount = u32(12)
    this.termTotal = this.#view.getFloat64(16, true)
    this.#blockCount = Math.ceil(this.termCount / termsPerBlock)
    this.#lengthsOffset = headerSize + this.#blockCount * 8
    this.#dictionaryOffset = this.#lengthsOffset + this.rowCount * this.#lengthWidth
    this.#postingsOffset = this.#dictionaryOffset + u32(24)
    const size = this.#postingsOffset + u32(28)
    if (bytes.length !== size) throw this.#damaged(`it has ${bytes.length} bytes, its parts take ${size}`)
    if (![1, 2, 4].includes(this.#lengthWidth)) throw this.#damaged(`lengths take ${this.#lengthWidth} bytes, expected 1, 2 or 4`)
    if (this.rowCount > rowCountMax || this.documentCount > this.rowCount) {
      throw this.#damaged(`${this.documentCount} of ${this.rowCount} rows have the field`)
    }
    if (!Number.isSafeInteger(this.termTotal) || this.termTotal < 0) throw this.#damaged(`it has ${this.termTotal} terms`)
  }

  /**
   * Opens the bytes that `MemoryPostings.toBytes` or `encodePostings` made; they must not change afterwards.
   * @param key The object they come from, for messages.
   * @throws {WindlassError} `corrupt`, or `unsupported` when a newer version wrote it. Lists are checked when they are read.
   */
  static open(bytes: Uint8Array, key = 'postings'): StoredPostings {
    return new StoredPostings(bytes, key)
  }

  find(term: string): Posting | null {
    const wanted = toUtf8(term)
    let low = 0
    let high = this.#blockCount
    while (low < high) {
      const middle = (low + high) >>> 1
      const cursor = new DictionaryCursor(this.#bytes, this.#dictionaryOffset, this.#postingsOffset, this.#blockStart(middle))
      if (!cursor.next()) throw this.#damaged(`term block ${middle} is cut off`)
      if (compareBytes(cursor.term, wanted) <= 0) low = middle + 1
      else high = middle
    }
    if (low === 0) return null
    let found: Posting | null = null
    this.#forEachInBlock(low - 1, (current, documentFrequency, start, end) => {
      const order = compareBytes(current, wanted)
      if (order === 0) found = this.#list(documentFrequency, start, end)
      return order >= 0
    })
    return found
  }

  lengthOf(row: number): number {
    return Math.max(0, this.#lengthMark(row) - 1)
  }

  hasField(row: number): boolean {
    return this.#lengthMark(row) > 0
  }

  /** Every term, in order of UTF-8 bytes. @throws {WindlassError} `corrupt` when a term is not UTF-8. */
  *terms(): Generator<string> {
    for (let block = 0; block < this.#blockCount; block++) {
      const terms: string[] = []
      this.#forEachInBlock(block, (term) => {
        terms.push(this.#textOf(term))
        return false
      })
      yield* terms
    }
  }

  #lengthMark(row: number): number {
    if (!(row >= 0 && row < this.rowCount)) return 0
    const at = this.#lengthsOffset + row
    let mark = this.#bytes[at]!
    for (let plane = 1; plane < this.#lengthWidth; plane++) mark += this.#bytes[at + plane * this.rowCount]! * 256 ** plane
    return mark
  }

  #blockStart(block: number): number {
    return this.#view.getUint32(postingsFormat.headerSize + block * 8, true)
  }

  /** Visits the terms of a block with the place of their lists, until `visit` returns true. `term` is only valid during the call. */
  #forEachInBlock(block: number, visit: (term: Uint8Array, documentFrequency: number, start: number, end: number) => boolean): void {
    const { termsPerBlock, headerSize } = postingsFormat
    const cursor = new DictionaryCursor(this.#bytes, this.#dictionaryOffset, this.#postingsOffset, this.#blockStart(block))
    let start = this.#postingsOffset + this.#view.getUint32(headerSize + block * 8 + 4, true)
    const count = Math.min(termsPerBlock, this.termCount - block * termsPerBlock)
    for (let i = 0; i < count; i++) {
      if (!cursor.next()) throw this.#damaged(`term ${block * termsPerBlock + i} is cut off or shares more than the term before it has`)
      const end = start + cursor.listSize
      if (end > this.#bytes.length) throw this.#damaged(`the list of term ${block * termsPerBlock + i} ends at byte ${end} of ${this.#bytes.length}`)
      if (visit(cursor.term, cursor.documentFrequency, start, end)) return
      start = end
    }
  }

  #list(documentFrequency: number, start: number, end: number): Posting {
    // A row takes at least a byte: what cannot fit is not allocated.
    if (documentFrequency > end - start) throw this.#damaged(`${end - start} bytes cannot list ${documentFrequency} rows`)
    const { rowsPerGroup } = postingsFormat
    const bytes = this.#bytes
    let at = start
    if (documentFrequency > rowsPerGroup) {
      let tableNumbers = Math.ceil(documentFrequency / rowsPerGroup) * 4
      while (tableNumbers > 0 && at < end) if (bytes[at++]! < 128) tableNumbers--
    }
    const rows = new Uint32Array(documentFrequency)
    const counts = new Uint32Array(documentFrequency)
    let row = -1
    // Past the last byte, `undefined` reads as the end of a number: bounds are checked once, below.
    for (let i = 0; i < documentFrequency; i++) {
      let value = bytes[at++]!
      if (value >= 128) {
        value &= 127
        for (let byte = 128, shift = 7; byte >= 128 && shift < 35; shift += 7) {
          byte = bytes[at++]!
          value |= (byte & 127) << shift
        }
      }
      row += (value >>> 1) + 1
      rows[i] = row
      let count = 1
      if ((value & 1) === 0) {
        count = bytes[at++]!
        if (count >= 128) {
          count &= 127
          for (let byte = 128, shift = 7; byte >= 128 && shift < 35; shift += 7) {
            byte = bytes[at++]!
            count |= (byte & 127) << shift
          }
          count >>>= 0
        }
        count += 2
      }
      counts[i] = count
    }
    if (at !== end) throw this.#damaged(`a list of ${documentFrequency} rows takes ${at - start} bytes, expected ${end - start}`)
    if (row >= this.rowCount) throw this.#damaged(`a list ends at row ${row} of ${this.rowCount}`)
    return { documentFrequency, rows, counts }
  }

  #textOf(term: Uint8Array): string {
    try {
      return fromUtf8(term)
    } catch (cause) {
      throw new WindlassError('corrupt', `${this.#key}: text index is damaged: a term is not UTF-8`, { key: this.#key, cause })
    }
  }

  #damaged(what: string): WindlassError {
    return new WindlassError('corrupt', `${this.#key}: text index is damaged: ${what}`, { key: this.#key })
  }
}

/** Walks the front-coded terms of a dictionary block, never past the dictionary's end. */
class DictionaryCursor {
  documentFrequency = 0
  listSize = 0
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number
  #buffer = new Uint8Array(64)
  #size = 0

  constructor(bytes: Uint8Array, start: number, end: number, offset: number) {
    this.#bytes = bytes
    this.#at = start + offset
    this.#end = end
  }

  /** The bytes of the current term, until the next call of `next`. */
  get term(): Uint8Array {
    return this.#buffer.subarray(0, this.#size)
  }

  /** @returns false where the bytes make no term. */
  next(): boolean {
    const shared = this.#varint()
    const rest = this.#varint()
    if (shared > this.#size || rest > this.#end - this.#at) return false
    this.#size = shared + rest
    if (this.#size > this.#buffer.length) {
      const grown = new Uint8Array(this.#size * 2)
      grown.set(this.#buffer)
      this.#buffer = grown
    }
    this.#buffer.set(this.#bytes.subarray(this.#at, this.#at + rest), shared)
    this.#at += rest
    this.documentFrequency = this.#varint()
    this.listSize = this.#varint()
    return this.#at <= this.#end
  }

  #varint(): number {
    let value = 0
    for (let scale = 1; scale < 2 ** 49; scale *= 128) {
      const byte = this.#at < this.#end ? this.#bytes[this.#at]! : 0
      this.#at++
      value += (byte & 127) * scale
      if (byte < 128) break
    }
    return value
  }
}
