import { compareUtf8, fromUtf8, toUtf8 } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import { crc32c } from './checksum.ts'
import type { Space, Stamp } from './record.ts'
import { viewF32, viewF64, viewU32, writeF32 } from './typed-views.ts'

// Bits of a row's flags.
const isOfDocuments = 1
const hasVector = 2
const hasDocument = 4
const flagBits = 7

/** Bytes before the values of a section of columns. */
export const columnHeaderSize = 8
const rowWidth = 33
const vectorHeaderSize = 64

/** What the `rows` section holds of one row. */
export interface RowFacts {
  readonly space: Space
  readonly hasVector: boolean
  readonly hasDocument: boolean
  readonly born: Stamp
  readonly changed: Stamp
  readonly checksum: bigint
}

/** Section `rows`: fixed-width columns of `rows`, the widest first, so that each is aligned. */
export function encodeRowSection(rows: readonly RowFacts[]): Uint8Array<ArrayBuffer> {
  return encodeRowFacts(rows.length, (row) => rows[row]!)
}

/** As `encodeRowSection`, of rows that are made one at a time. */
export function encodeRowFacts(count: number, factsAt: (row: number) => RowFacts): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(columnHeaderSize + count * rowWidth)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, count, true)
  for (let i = 0; i < count; i++) {
    const row = factsAt(i)
    view.setFloat64(8 + i * 8, row.born.seq, true)
    view.setFloat64(8 + count * 8 + i * 8, row.changed.seq, true)
    view.setBigUint64(8 + count * 16 + i * 8, row.checksum, true)
    view.setUint32(8 + count * 24 + i * 4, row.born.ordinal, true)
    view.setUint32(8 + count * 28 + i * 4, row.changed.ordinal, true)
    bytes[8 + count * 32 + i] =
      (row.space === 'documents' ? isOfDocuments : 0) |
      (row.hasVector ? hasVector : 0) |
      (row.hasDocument ? hasDocument : 0)
  }
  return bytes
}

/** Section `rows`, open: what is known of each row without reading its content. Rows are sorted by `born`. */
export class RowSection {
  readonly rowCount: number
  readonly #bornSeq: Float64Array
  readonly #changedSeq: Float64Array
  readonly #bornOrdinal: Uint32Array
  readonly #changedOrdinal: Uint32Array
  readonly #checksums: DataView
  readonly #flags: Uint8Array

  /** @throws {WindlassError} `corrupt` for wrong sizes, unknown flags or rows out of order. */
  constructor(bytes: Uint8Array, key: string) {
    const count = readCount(bytes, 'rows', key, (rowCount) => columnHeaderSize + rowCount * rowWidth)
    this.rowCount = count
    this.#bornSeq = viewF64(bytes, 8, count)
    this.#changedSeq = viewF64(bytes, 8 + count * 8, count)
    this.#checksums = new DataView(bytes.buffer, bytes.byteOffset + 8 + count * 16, count * 8)
    this.#bornOrdinal = viewU32(bytes, 8 + count * 24, count)
    this.#changedOrdinal = viewU32(bytes, 8 + count * 28, count)
    this.#flags = bytes.subarray(8 + count * 32)
    for (let row = 0; row < count; row++) {
      if (this.#flags[row]! & ~flagBits) throw damaged(key, 'rows', `row ${row} has unknown flags ${this.#flags[row]}`)
      if (!Number.isSafeInteger(this.#bornSeq[row]) || !Number.isSafeInteger(this.#changedSeq[row])) {
        throw damaged(key, 'rows', `row ${row} has sequence numbers ${this.#bornSeq[row]} and ${this.#changedSeq[row]}`)
      }
      const gap =
        row === 0
          ? 1
          : this.#bornSeq[row]! - this.#bornSeq[row - 1]! || this.#bornOrdinal[row]! - this.#bornOrdinal[row - 1]!
      if (gap <= 0) throw damaged(key, 'rows', `row ${row} was born before row ${row - 1}`)
    }
  }

  spaceAt(row: number): Space {
    return this.#flagsAt(row) & isOfDocuments ? 'documents' : 'records'
  }

  hasVector(row: number): boolean {
    return (this.#flagsAt(row) & hasVector) !== 0
  }

  /** Whether the row has a text, which may be empty. */
  hasDocument(row: number): boolean {
    return (this.#flagsAt(row) & hasDocument) !== 0
  }

  bornAt(row: number): Stamp {
    return { seq: this.#bornSeq[row]!, ordinal: this.#bornOrdinal[row]! }
  }

  changedAt(row: number): Stamp {
    return { seq: this.#changedSeq[row]!, ordinal: this.#changedOrdinal[row]! }
  }

  /** As `rowChecksum` computed it. */
  checksumAt(row: number): bigint {
    return this.#checksums.getBigUint64(row * 8, true)
  }

  #flagsAt(row: number): number {
    return this.#flags[row]!
  }
}

/**
 * Section `keys`: every key, and the rows in key order, those of space records first.
 * @throws {WindlassError} `invalid` when two rows of one space have one key.
 */
export function encodeKeySection(
  rows: readonly { readonly space: Space; readonly key: string }[],
): Uint8Array<ArrayBuffer> {
  const count = rows.length
  const texts = rows.map(({ key }) => toUtf8(key))
  const order = rows
    .map((_, row) => row)
    .sort((a, b) => compareSpaces(rows[a]!.space, rows[b]!.space) || compareUtf8(rows[a]!.key, rows[b]!.key))
  const textSize = texts.reduce((sum, text) => sum + text.length, 0)
  const textStart = 8 + (count + 1) * 4 + count * 4
  const bytes = new Uint8Array(textStart + textSize)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, count, true)
  view.setUint32(4, rows.filter(({ space }) => space === 'records').length, true)
  let end = 0
  texts.forEach((text, row) => {
    bytes.set(text, textStart + end)
    end += text.length
    view.setUint32(8 + (row + 1) * 4, end, true)
  })
  order.forEach((row, i) => {
    const before = i > 0 ? rows[order[i - 1]!]! : null
    if (before && before.space === rows[row]!.space && before.key === rows[row]!.key) {
      throw new WindlassError(
        'invalid',
        `two rows of a segment have the key ${JSON.stringify(before.key)} in ${before.space}`,
      )
    }
    view.setUint32(8 + (count + 1) * 4 + i * 4, row, true)
  })
  return bytes
}

/** Section `keys`, open: finds rows by key and keys by row. */
export class KeySection {
  readonly rowCount: number
  readonly #recordCount: number
  readonly #offsets: Uint32Array
  readonly #order: Uint32Array
  readonly #texts: Uint8Array
  readonly #key: string

  /** @throws {WindlassError} `corrupt` for wrong sizes, offsets or row numbers. */
  constructor(bytes: Uint8Array, key: string) {
    const count = readCount(bytes, 'keys', key, (rowCount) => 8 + (rowCount + 1) * 4 + rowCount * 4, true)
    this.rowCount = count
    this.#recordCount = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true)
    this.#offsets = viewU32(bytes, 8, count + 1)
    this.#order = viewU32(bytes, 8 + (count + 1) * 4, count)
    this.#texts = bytes.subarray(8 + (count + 1) * 4 + count * 4)
    this.#key = key
    if (this.#recordCount > count) throw damaged(key, 'keys', `${this.#recordCount} records among ${count} rows`)
    checkOffsets(this.#offsets, this.#texts.length, 'keys', key)
    const seen = new Uint8Array(count)
    for (const row of this.#order) {
      if (row >= count || seen[row])
        throw damaged(key, 'keys', `row ${row} of ${count} in key order twice or beyond the end`)
      seen[row] = 1
    }
  }

  /** The row of a key, by binary search; -1 when there is none. @param keyBytes UTF-8. */
  find(space: Space, keyBytes: Uint8Array): number {
    let start = space === 'records' ? 0 : this.#recordCount
    const last = space === 'records' ? this.#recordCount : this.rowCount
    let end = last
    while (start < end) {
      const middle = (start + end) >>> 1
      if (this.#compareAt(this.#order[middle]!, keyBytes) < 0) start = middle + 1
      else end = middle
    }
    if (start === last) return -1
    const row = this.#order[start]!
    return this.#compareAt(row, keyBytes) === 0 ? row : -1
  }

  /** As `compareBytes` of the row's key and `keyBytes`, without making a view: there are many rows. */
  #compareAt(row: number, keyBytes: Uint8Array): number {
    const start = this.#offsets[row]!
    const size = this.#offsets[row + 1]! - start
    const shared = Math.min(size, keyBytes.length)
    for (let i = 0; i < shared; i++) {
      const difference = this.#texts[start + i]! - keyBytes[i]!
      if (difference !== 0) return difference
    }
    return size - keyBytes.length
  }

  /** The places [start, end) that the rows of `space` have in key order. */
  orderRange(space: Space): { start: number; end: number } {
    return space === 'records' ? { start: 0, end: this.#recordCount } : { start: this.#recordCount, end: this.rowCount }
  }

  /** The row at a place in key order. */
  rowInOrder(place: number): number {
    return this.#order[place]!
  }

  /** UTF-8 of the row's key, as a view. */
  keyBytesAt(row: number): Uint8Array {
    return this.#texts.subarray(this.#offsets[row]!, this.#offsets[row + 1]!)
  }

  keyAt(row: number): string {
    return decodeText(this.keyBytesAt(row), 'keys', row, this.#key)
  }
}

/**
 * Section `vectors`: one row after the other, zeros where a row has none, after a header of 64 bytes.
 * @throws {WindlassError} `invalid` for a vector of another dimension.
 */
export function encodeVectorSection(
  vectors: readonly (Float32Array | null)[],
  dimension: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(vectorHeaderSize + vectors.length * dimension * 4)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, vectors.length, true)
  view.setUint32(4, dimension, true)
  vectors.forEach((vector, row) => {
    if (!vector) return
    if (vector.length !== dimension)
      throw new WindlassError(
        'invalid',
        `vector of row ${row} has dimension ${vector.length}, the segment has ${dimension}`,
      )
    writeF32(bytes, vectorHeaderSize + row * dimension * 4, vector)
  })
  return bytes
}

/** Section `vectors`, open. */
export class VectorSection {
  readonly rowCount: number
  readonly dimension: number
  /** Row-major, `dimension` values a row; zeros for a row without vector. */
  readonly values: Float32Array

  /** @throws {WindlassError} `corrupt` when the size is not that of its header. */
  constructor(bytes: Uint8Array, key: string) {
    let dimension = 0
    this.rowCount = readCount(bytes, 'vectors', key, (rowCount) => {
      dimension = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true)
      return vectorHeaderSize + rowCount * dimension * 4
    })
    this.dimension = dimension
    this.values = viewF32(bytes, vectorHeaderSize, this.rowCount * dimension)
  }

  /** The row's vector, as a view; zeros when it has none. */
  vectorAt(row: number): Float32Array {
    return this.values.subarray(row * this.dimension, (row + 1) * this.dimension)
  }
}

/** What section `vectors` begins with. */
export function vectorSectionHeader(rowCount: number, dimension: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(vectorHeaderSize)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, rowCount, true)
  view.setUint32(4, dimension, true)
  return bytes
}

/** Where one row's vector lies within section `vectors`: bytes [start, end). */
export function vectorRange(row: number, dimension: number): { start: number; end: number } {
  const start = vectorHeaderSize + row * dimension * 4
  return { start, end: start + dimension * 4 }
}

/** Section `norms`: of each vector its Euclidean norm, and the CRC-32C by which a vector read alone is verified. */
export function encodeNormSection(vectors: readonly (Float32Array | null)[]): Uint8Array<ArrayBuffer> {
  const count = vectors.length
  const bytes = new Uint8Array(columnHeaderSize + count * 8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, count, true)
  vectors.forEach((vector, row) => {
    if (!vector) return
    let sum = 0
    for (let i = 0; i < vector.length; i++) sum += vector[i]! * vector[i]!
    view.setFloat32(8 + row * 4, Math.sqrt(sum), true)
    const encoded = new Uint8Array(vector.length * 4)
    writeF32(encoded, 0, vector)
    view.setUint32(8 + count * 4 + row * 4, crc32c(encoded), true)
  })
  return bytes
}

/** Section `norms`, open. */
export class NormSection {
  readonly rowCount: number
  /** Euclidean norms; 0 for a row without vector. */
  readonly values: Float32Array
  readonly #checksums: Uint32Array
  readonly #key: string

  /** @throws {WindlassError} `corrupt` when the size is not that of its header. */
  constructor(bytes: Uint8Array, key: string) {
    this.rowCount = readCount(bytes, 'norms', key, (rowCount) => columnHeaderSize + rowCount * 8)
    this.values = viewF32(bytes, 8, this.rowCount)
    this.#checksums = viewU32(bytes, 8 + this.rowCount * 4, this.rowCount)
    this.#key = key
  }

  /** CRC-32C of the row's vector; 0 for a row without one. */
  checksumAt(row: number): number {
    return this.#checksums[row]!
  }

  /** The vector of a row that has one, read alone by `vectorRange`. @throws {WindlassError} `corrupt` when it is not what was written. */
  verifyVector(row: number, bytes: Uint8Array): Float32Array {
    checkRowChecksum(bytes, this.#checksums[row]!, 'vectors', row, this.#key)
    return viewF32(bytes, 0, bytes.length / 4)
  }
}

/**
 * A section of blobs, one a row, and the section that tells where each lies and what its CRC-32C is.
 * @throws {WindlassError} `too-large` above 4 GiB.
 */
export function encodeBlobs(blobs: readonly Uint8Array[]): {
  offsets: Uint8Array<ArrayBuffer>
  bytes: Uint8Array<ArrayBuffer>
} {
  const count = blobs.length
  const size = blobs.reduce((sum, blob) => sum + blob.length, 0)
  if (size > 0xffffffff)
    throw new WindlassError('too-large', `a section of ${size} bytes does not fit a segment, at most ${0xffffffff}`)
  const bytes = new Uint8Array(size)
  const offsets = new Uint8Array(columnHeaderSize + (count + 1) * 4 + count * 4)
  const view = new DataView(offsets.buffer)
  view.setUint32(0, count, true)
  view.setUint32(4, codecRaw, true)
  let end = 0
  blobs.forEach((blob, row) => {
    bytes.set(blob, end)
    end += blob.length
    view.setUint32(8 + (row + 1) * 4, end, true)
    view.setUint32(8 + (count + 1) * 4 + row * 4, crc32c(blob), true)
  })
  return { offsets, bytes }
}

// How each blob is stored; 1 is reserved for deflate.
const codecRaw = 0

/** Section `metadata-offsets` or `documents-offsets`, open. */
export class BlobIndex {
  readonly rowCount: number
  readonly #offsets: Uint32Array
  readonly #checksums: Uint32Array
  readonly #section: string
  readonly #key: string

  /**
   * @param section Name of the blobs' section, for errors.
   * @param blobsSize Bytes of that section.
   * @throws {WindlassError} `corrupt` for wrong sizes or offsets, `unsupported` for blobs stored in a way we do not know.
   */
  constructor(bytes: Uint8Array, section: string, blobsSize: number, key: string) {
    const count = readCount(bytes, `${section}-offsets`, key, (rowCount) => 8 + (rowCount + 1) * 4 + rowCount * 4)
    const codec = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true)
    if (codec !== codecRaw) {
      throw new WindlassError(
        'unsupported',
        `${key}: section ${section} was written by a newer windlass (codec ${codec}, this one reads ${codecRaw}): upgrade`,
        { key },
      )
    }
    this.rowCount = count
    this.#offsets = viewU32(bytes, 8, count + 1)
    this.#checksums = viewU32(bytes, 8 + (count + 1) * 4, count)
    this.#section = section
    this.#key = key
    checkOffsets(this.#offsets, blobsSize, `${section}-offsets`, key)
  }

  /** Where the row's blob lies in its section: bytes [start, end). */
  rangeOf(row: number): { start: number; end: number } {
    return { start: this.#offsets[row]!, end: this.#offsets[row + 1]! }
  }

  /** CRC-32C of the row's blob. */
  checksumAt(row: number): number {
    return this.#checksums[row]!
  }

  /** Checks a blob that was read by its range. @returns `blob`. @throws {WindlassError} `corrupt`, naming section and row. */
  verify(row: number, blob: Uint8Array): Uint8Array {
    const { start, end } = this.rangeOf(row)
    if (blob.length !== end - start)
      throw damaged(this.#key, this.#section, `row ${row} has ${blob.length} bytes, expected ${end - start}`)
    checkRowChecksum(blob, this.#checksums[row]!, this.#section, row, this.#key)
    return blob
  }

  /** The row's blob out of the whole section, verified. */
  blobAt(row: number, blobs: Uint8Array): Uint8Array {
    const { start, end } = this.rangeOf(row)
    return this.verify(row, blobs.subarray(start, end))
  }
}

/** Text of a row's blob or key. @throws {WindlassError} `corrupt` for bytes that are not UTF-8. */
export function decodeText(bytes: Uint8Array, section: string, row: number, key: string): string {
  try {
    return fromUtf8(bytes)
  } catch (cause) {
    throw new WindlassError('corrupt', `${key}: section ${section} is damaged: row ${row} is not UTF-8`, { key, cause })
  }
}

/** Orders by sequence, then position. */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a.seq - b.seq || a.ordinal - b.ordinal
}

function compareSpaces(a: Space, b: Space): number {
  return a === b ? 0 : a === 'records' ? -1 : 1
}

/** The row count at the start of a section, once the section's size is found to be what `sizeOf` makes of it. */
function readCount(
  bytes: Uint8Array,
  section: string,
  key: string,
  sizeOf: (rowCount: number) => number,
  mayBeLonger = false,
): number {
  if (bytes.length < columnHeaderSize)
    throw damaged(key, section, `it has ${bytes.length} bytes, expected at least ${columnHeaderSize}`)
  const count = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  const size = sizeOf(count)
  if (mayBeLonger ? bytes.length < size : bytes.length !== size) {
    throw damaged(key, section, `it has ${bytes.length} bytes, ${count} rows take ${size}`)
  }
  return count
}

function checkOffsets(offsets: Uint32Array, size: number, section: string, key: string): void {
  if (offsets[0] !== 0 || offsets.at(-1) !== size) {
    throw damaged(key, section, `offsets go from ${offsets[0]} to ${offsets.at(-1)}, expected 0 to ${size}`)
  }
  for (let row = 1; row < offsets.length; row++) {
    if (offsets[row]! < offsets[row - 1]!) throw damaged(key, section, `row ${row - 1} ends before it starts`)
  }
}

function checkRowChecksum(bytes: Uint8Array, expected: number, section: string, row: number, key: string): void {
  if (crc32c(bytes) !== expected) throw damaged(key, section, `row ${row} fails its checksum`)
}

function damaged(key: string, section: string, what: string): WindlassError {
  return new WindlassError('corrupt', `${key}: section ${section} is damaged: ${what}`, { key })
}
