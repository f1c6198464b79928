import { concatBytes, toUtf8 } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import { crc32c } from './checksum.ts'
import { checkFormatVersion, checkMagic, checkNeeds, hex } from './envelope.ts'
import { JsonShape, parseJson } from './json-shape.ts'
import { checkSections, type SectionRef } from './manifest.ts'
import { decodeMetadata, encodeMetadata, rowChecksum, type Row } from './record.ts'
import * as codecs from './segment-sections.ts'

/** Size of what ends every segment and tells where its directory lies. */
export const trailerSize = 32
const headerSize = 64
const sectionAlignment = 64
const trailerCheckedSize = 24
const magic = 'WSEG'
const subject = 'segment'
const formatVersion = 1

/** What a segment says of itself; the manifest repeats it, so that opening a segment costs no read. */
export interface SegmentDirectory {
  readonly formatVersion: 1
  readonly needs: readonly string[]
  readonly id: string
  readonly rowCount: number
  readonly recordCount: number
  readonly documentRowCount: number
  readonly sections: readonly SectionRef[]
}

/** What the directory holds beside the sections. */
export type SegmentCounts = Pick<SegmentDirectory, 'id' | 'rowCount' | 'recordCount' | 'documentRowCount'>

/** Key of a segment below the collection's prefix. */
export function segmentKey(id: string): string {
  return `segments/${id}.seg`
}

/** Whether a key, below any prefix, is that of a segment: an object that never changes. */
export function isSegmentKey(key: string): boolean {
  return /(^|\/)segments\/[^/]+\.seg$/.test(key)
}

/**
 * Lays out sections one after the other, each at a multiple of 64 bytes and with its checksum, as a stream: every call gives
 * the bytes that come next, so that a segment never has to be in memory as a whole.
 */
export class SegmentStream {
  readonly #sections: SectionRef[] = []
  #open: { name: string; offset: number; size: number; checksum: number } | null = null
  #end = headerSize

  /** Bytes so far. */
  get size(): number {
    return this.#end
  }

  /** The first bytes of the object. */
  header(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(headerSize)
    writeMagic(bytes, 0)
    new DataView(bytes.buffer).setUint16(4, formatVersion, true)
    return bytes
  }

  /** Ends the section before and begins another. @returns the zeros between. @throws {WindlassError} `invalid` when the name is taken. */
  begin(name: string): Uint8Array<ArrayBuffer> {
    this.#close()
    if (this.#sections.some((section) => section.name === name)) {
      throw new WindlassError('invalid', `section ${JSON.stringify(name)} was added twice`)
    }
    const gap = this.#align()
    this.#open = { name, offset: this.#end, size: 0, checksum: crc32c(new Uint8Array(0)) }
    return gap
  }

  /** Goes on with the section. @returns `bytes`. */
  add(bytes: Uint8Array): Uint8Array {
    const open = this.#open!
    open.checksum = crc32c(bytes, open.checksum)
    open.size += bytes.length
    this.#end += bytes.length
    return bytes
  }

  /** Bytes of a section that has ended. */
  sizeOf(name: string): number {
    return this.#sections.find((section) => section.name === name)?.size ?? 0
  }

  /** The last bytes, and the sections as the manifest names them. */
  finish(counts: SegmentCounts): { bytes: Uint8Array<ArrayBuffer>; sections: SectionRef[] } {
    this.#close()
    const sections = this.#sections
    const { id, rowCount, recordCount, documentRowCount } = counts
    const directory: SegmentDirectory = { formatVersion, needs: [], id, rowCount, recordCount, documentRowCount, sections }
    const encoded = toUtf8(JSON.stringify(directory))
    const gap = this.#align()
    const bytes = new Uint8Array(gap.length + encoded.length + trailerSize)
    bytes.set(encoded, gap.length)
    writeTrailer(bytes, this.#end, encoded)
    this.#end += encoded.length + trailerSize
    return { bytes, sections }
  }

  #close(): void {
    if (this.#open) this.#sections.push(this.#open)
    this.#open = null
  }

  #align(): Uint8Array<ArrayBuffer> {
    const gap = new Uint8Array(alignUp(this.#end) - this.#end)
    this.#end += gap.length
    return gap
  }
}

/** A whole segment in memory, section by section. */
export class SegmentWriter {
  readonly #stream = new SegmentStream()
  readonly #parts: Uint8Array[] = [this.#stream.header()]

  /** Adds a section. Keeps a reference to `bytes` until `finish`. @throws {WindlassError} `invalid` when the name is taken. */
  add(name: string, bytes: Uint8Array): void {
    this.#parts.push(this.#stream.begin(name), this.#stream.add(bytes))
  }

  /** The whole object, and its sections as the manifest names them. */
  finish(counts: SegmentCounts): { bytes: Uint8Array<ArrayBuffer>; sections: SectionRef[] } {
    const { bytes, sections } = this.#stream.finish(counts)
    return { bytes: concatBytes([...this.#parts, bytes]), sections }
  }
}

function writeTrailer(bytes: Uint8Array, directoryOffset: number, directory: Uint8Array): void {
  const start = bytes.length - trailerSize
  const view = new DataView(bytes.buffer, start, trailerSize)
  view.setBigUint64(0, BigInt(directoryOffset), true)
  view.setUint32(8, directory.length, true)
  view.setUint32(12, crc32c(directory), true)
  view.setUint16(16, formatVersion, true)
  view.setUint32(trailerCheckedSize, crc32c(bytes.subarray(start, start + trailerCheckedSize)), true)
  writeMagic(bytes, start + 28)
}

/** Where the directory lies, as the trailer says. */
export interface SegmentTrailer {
  readonly directoryOffset: number
  readonly directorySize: number
  readonly directoryChecksum: number
}

/**
 * Reads the trailer: the last 32 bytes of the object.
 * @param tail The object's last bytes, as many as are at hand.
 * @param size Bytes of the whole object.
 * @throws {WindlassError} `corrupt`, or `unsupported` when a newer version wrote it.
 */
export function readSegmentTrailer(tail: Uint8Array, size: number, key: string): SegmentTrailer {
  if (tail.length < trailerSize || size < tail.length) {
    throw damaged(key, `it has ${size} bytes, ${tail.length} of them read, expected at least ${trailerSize}`)
  }
  const trailer = tail.subarray(tail.length - trailerSize)
  const view = new DataView(trailer.buffer, trailer.byteOffset, trailerSize)
  checkMagic(magic, subject, trailer, 28, key)
  const expected = view.getUint32(trailerCheckedSize, true)
  const found = crc32c(trailer.subarray(0, trailerCheckedSize))
  if (found !== expected) throw damaged(key, `trailer checksum is ${hex(found)}, expected ${hex(expected)}`)
  checkFormatVersion(view.getUint16(16, true), formatVersion, subject, key)
  const directoryOffset = Number(view.getBigUint64(0, true))
  const directorySize = view.getUint32(8, true)
  if (directoryOffset + directorySize + trailerSize !== size) {
    throw damaged(key, `directory ends at ${directoryOffset + directorySize}, expected ${size - trailerSize}`)
  }
  return { directoryOffset, directorySize, directoryChecksum: view.getUint32(12, true) }
}

/**
 * Reads the directory, for who has no manifest: verifying, recovering.
 * @param tail The object's last bytes, at least from the directory on; the whole object will do.
 * @param size Bytes of the whole object.
 * @throws {WindlassError} `invalid` when `tail` starts too late; `corrupt`; `unsupported` when a newer version wrote it.
 */
export function openSegmentDirectory(tail: Uint8Array, size: number, key: string): SegmentDirectory {
  const { directoryOffset, directorySize, directoryChecksum } = readSegmentTrailer(tail, size, key)
  const start = directoryOffset - (size - tail.length)
  if (start < 0) {
    throw new WindlassError(
      'invalid',
      `${key}: the directory needs the last ${size - directoryOffset} bytes, found ${tail.length}`,
      { key },
    )
  }
  const encoded = tail.subarray(start, start + directorySize)
  const found = crc32c(encoded)
  if (found !== directoryChecksum)
    throw damaged(key, `directory checksum is ${hex(found)}, expected ${hex(directoryChecksum)}`)
  const shape = new JsonShape('corrupt', subject, key)
  const directory = shape.object(parseJson(encoded, 'segment directory', key), 'directory')
  checkFormatVersion(shape.integer(directory.formatVersion, 'formatVersion', 0), formatVersion, subject, key)
  shape.list(directory.needs, 'needs', (item, path) => shape.text(item, path))
  checkNeeds(directory.needs as string[], subject, key)
  shape.id(directory.id, 'id')
  const rowCount = shape.integer(directory.rowCount, 'rowCount', 0, 0xffffffff)
  const recordCount = shape.integer(directory.recordCount, 'recordCount', 0, rowCount)
  shape.integer(directory.documentRowCount, 'documentRowCount', rowCount - recordCount, rowCount - recordCount)
  checkSections(shape, directory.sections, 'sections', directoryOffset)
  return directory as unknown as SegmentDirectory
}

/**
 * Checks a section that was read by its range against its reference.
 * @returns `bytes`.
 * @throws {WindlassError} `corrupt`, naming object and section.
 */
export function verifySection(bytes: Uint8Array, ref: SectionRef, key: string): Uint8Array {
  if (bytes.length !== ref.size)
    throw damaged(key, `section ${ref.name} has ${bytes.length} bytes, expected ${ref.size}`)
  const found = crc32c(bytes)
  if (found !== ref.checksum)
    throw damaged(key, `section ${ref.name} has checksum ${hex(found)}, expected ${hex(ref.checksum)}`)
  return bytes
}

/**
 * Opens a whole segment object and checks every byte of it: header, sections, what lies between them, directory, trailer.
 * @returns The directory, and the sections' bytes by name, as views.
 */
export function openSegment(
  bytes: Uint8Array,
  key: string,
): { directory: SegmentDirectory; sections: Map<string, Uint8Array> } {
  const directory = openSegmentDirectory(bytes, bytes.length, key)
  checkMagic(magic, subject, bytes, 0, key)
  if (bytes[4] !== formatVersion || bytes[5] !== 0)
    throw damaged(key, 'header and trailer name different format versions')
  let end = 6
  const sections = new Map<string, Uint8Array>()
  const checkGap = (start: number) => {
    for (let i = end; i < start; i++) if (bytes[i] !== 0) throw damaged(key, `byte ${i}, between sections, is not zero`)
  }
  for (const ref of directory.sections) {
    checkGap(ref.offset)
    end = ref.offset + ref.size
    sections.set(ref.name, verifySection(bytes.subarray(ref.offset, end), ref, key))
  }
  checkGap(readSegmentTrailer(bytes, bytes.length, key).directoryOffset)
  return { directory, sections }
}

/** Those of a segment's sections that say where each row's parts lie, encoded. */
export interface EncodedRowIndexes {
  readonly rows: Uint8Array
  readonly keys: Uint8Array
  readonly norms: Uint8Array
  readonly metadataOffsets: Uint8Array
  readonly documentOffsets: Uint8Array
  readonly metadataSize: number
  readonly documentSize: number
}

/** A section that this folder does not look into: columns, text postings, codes. */
export interface ExtraSection {
  readonly name: string
  readonly bytes: Uint8Array
}

/** A segment whose rows are in, and to which sections may be added. */
export interface BegunSegment {
  readonly writer: SegmentWriter
  readonly counts: SegmentCounts
  readonly indexes: EncodedRowIndexes
  /** Of each row, as `rowChecksum` computes it. */
  readonly checksums: readonly bigint[]
}

/**
 * The sections that every segment has, of `rows`.
 * @param segment.rows Live rows sorted by `born`, at most one of each key in each space.
 * @param segment.dimension Of all vectors; 0 when no row has one.
 * @throws {WindlassError} `invalid` for rows out of order, a key twice, a vector of another dimension.
 */
export function beginSegment({ id, rows, dimension }: { id: string; rows: Iterable<Row>; dimension: number }): BegunSegment {
  const list = [...rows]
  checkOrder(list)
  const vectors = list.map(({ vector }) => vector)
  const metadata = list.map((row) => encodeMetadata(row.metadata))
  const documentBlobs = codecs.encodeBlobs(list.map(({ document }) => toUtf8(document ?? '')))
  const metadataBlobs = codecs.encodeBlobs(metadata)
  const facts = list.map((row, i) => ({
    ...row,
    hasVector: row.vector !== null,
    hasDocument: row.document !== null,
    checksum: rowChecksum(row, metadata[i]),
  }))
  const indexes: EncodedRowIndexes = {
    rows: codecs.encodeRowSection(facts),
    keys: codecs.encodeKeySection(list),
    norms: codecs.encodeNormSection(vectors),
    metadataOffsets: metadataBlobs.offsets,
    documentOffsets: documentBlobs.offsets,
    metadataSize: metadataBlobs.bytes.length,
    documentSize: documentBlobs.bytes.length,
  }
  const writer = new SegmentWriter()
  writer.add('rows', indexes.rows)
  writer.add('keys', indexes.keys)
  writer.add('vectors', codecs.encodeVectorSection(vectors, dimension))
  writer.add('norms', indexes.norms)
  writer.add('metadata-offsets', indexes.metadataOffsets)
  writer.add('metadata', metadataBlobs.bytes)
  writer.add('documents-offsets', indexes.documentOffsets)
  writer.add('documents', documentBlobs.bytes)
  const recordCount = list.filter(({ space }) => space === 'records').length
  const counts = { id, rowCount: list.length, recordCount, documentRowCount: list.length - recordCount }
  return { writer, counts, indexes, checksums: facts.map(({ checksum }) => checksum) }
}

/** As `beginSegment`, and whole, with `extraSections`. */
export function encodeSegment({
  extraSections,
  ...segment
}: {
  id: string
  rows: Iterable<Row>
  dimension: number
  extraSections: readonly ExtraSection[]
}): { bytes: Uint8Array<ArrayBuffer>; sections: SectionRef[]; counts: SegmentCounts; checksums: readonly bigint[] } {
  const { writer, counts, checksums } = beginSegment(segment)
  for (const { name, bytes } of extraSections) writer.add(name, bytes)
  return { ...writer.finish(counts), counts, checksums }
}

function checkOrder(rows: readonly Row[]): void {
  for (let i = 1; i < rows.length; i++) {
    if (codecs.compareStamps(rows[i - 1]!.born, rows[i]!.born) < 0) continue
    const [before, after] = [rows[i - 1]!.born, rows[i]!.born]
    throw new WindlassError(
      'invalid',
      `rows of a segment must be sorted by birth: row ${i} is ${after.seq}.${after.ordinal}, after ${before.seq}.${before.ordinal}`,
    )
  }
}

/**
 * Reads every row of a whole segment object, and checks it as `openSegment` does and each row's checksum too.
 * @throws {WindlassError} `corrupt`, or `unsupported` when a newer version wrote it.
 */
export function decodeSegment(
  bytes: Uint8Array,
  key: string,
): { directory: SegmentDirectory; rows: Row[]; sections: Map<string, Uint8Array> } {
  const { directory, sections } = openSegment(bytes, key)
  const section = (name: string): Uint8Array => {
    const found = sections.get(name)
    if (!found) throw damaged(key, `section ${name} is missing`)
    return found
  }
  const facts = new codecs.RowSection(section('rows'), key)
  const keys = new codecs.KeySection(section('keys'), key)
  const vectors = new codecs.VectorSection(section('vectors'), key)
  const norms = new codecs.NormSection(section('norms'), key)
  const [metadata, documents] = [section('metadata'), section('documents')]
  const metadataIndex = new codecs.BlobIndex(section('metadata-offsets'), 'metadata', metadata.length, key)
  const documentIndex = new codecs.BlobIndex(section('documents-offsets'), 'documents', documents.length, key)
  for (const { rowCount } of [facts, keys, vectors, norms, metadataIndex, documentIndex]) {
    if (rowCount !== directory.rowCount)
      throw damaged(key, `a section has ${rowCount} rows, the directory ${directory.rowCount}`)
  }
  const rows = Array.from({ length: directory.rowCount }, (_, i): Row => {
    const row: Row = {
      space: facts.spaceAt(i),
      key: keys.keyAt(i),
      vector: facts.hasVector(i) ? vectors.vectorAt(i) : null,
      metadata: decodeMetadata(metadataIndex.blobAt(i, metadata), key),
      document: facts.hasDocument(i)
        ? codecs.decodeText(documentIndex.blobAt(i, documents), 'documents', i, key)
        : null,
      born: facts.bornAt(i),
      changed: facts.changedAt(i),
    }
    if (rowChecksum(row) !== facts.checksumAt(i))
      throw damaged(key, `row ${i} (${JSON.stringify(row.key)}) fails its checksum`)
    return row
  })
  return { directory, rows, sections }
}

function damaged(key: string, what: string): WindlassError {
  return new WindlassError('corrupt', `${key}: ${subject} is damaged: ${what}`, { key })
}

function alignUp(offset: number): number {
  return Math.ceil(offset / sectionAlignment) * sectionAlignment
}

function writeMagic(bytes: Uint8Array, offset: number): void {
  for (let i = 0; i < magic.length; i++) bytes[offset + i] = magic.charCodeAt(i)
}
