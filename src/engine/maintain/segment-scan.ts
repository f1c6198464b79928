import { Bitset } from '../../base/bitset.ts'
import { compareBytes } from '../../base/bytes.ts'
import { WindlassError } from '../../base/errors.ts'
import { dataPrefix } from '../../format/catalog-entry.ts'
import { crc32c } from '../../format/checksum.ts'
import { decodeDeletes, deletesKey } from '../../format/deletes.ts'
import type { DeletesRef, SegmentRef } from '../../format/manifest.ts'
import { openSegmentDirectory, segmentKey, verifySection, type SegmentDirectory } from '../../format/segment.ts'
import { BlobIndex, KeySection, NormSection, RowSection, vectorRange, vectorSectionHeader } from '../../format/segment-sections.ts'
import type { ObjectStore } from '../../store/object-store.ts'
import { missingObject } from '../segment.ts'

/** How much of a section is read at once. */
const chunkBytes = 4 * 1024 * 1024

/** A segment read from its first row to its last, past every cache, with a few megabytes in memory: for merging and proving. */
export class SegmentScan {
  readonly ref: SegmentRef
  readonly rows: RowSection
  readonly keys: KeySection
  readonly norms: NormSection
  readonly metadataIndex: BlobIndex
  readonly documentIndex: BlobIndex
  /** Of all vectors; 0 when no row has one. */
  readonly dimension: number
  readonly #sections: SectionReader

  private constructor(ref: SegmentRef, sections: SectionReader, small: SmallSections) {
    this.ref = ref
    this.#sections = sections
    this.rows = small.rows
    this.keys = small.keys
    this.norms = small.norms
    this.metadataIndex = small.metadataIndex
    this.documentIndex = small.documentIndex
    this.dimension = small.dimension
  }

  /** Reads what fits memory of a segment: everything but vectors, metadata, documents and indexes. */
  static async open(store: ObjectStore, collectionId: string, ref: SegmentRef): Promise<SegmentScan> {
    const sections = new SectionReader(store, dataPrefix(ref.owner ?? collectionId) + segmentKey(ref.id), ref)
    const { key } = sections
    const names = ['rows', 'keys', 'norms', 'metadata-offsets', 'documents-offsets'] as const
    const [rows, keys, norms, metadata, documents] = await Promise.all(names.map((name) => sections.whole(name)))
    const vectors = sections.ref('vectors')
    // The header of section `vectors` is 64 bytes; what follows is dimension x 4 bytes a row.
    const { start: headerSize } = vectorRange(0, 0)
    const dimension = ref.rowCount === 0 ? 0 : (vectors.size - headerSize) / 4 / ref.rowCount
    // What is read row by row has no checksum over its header.
    const header = await sections.cursor('vectors', headerSize)(0, headerSize)
    if (compareBytes(header, vectorSectionHeader(ref.rowCount, dimension)) !== 0) {
      throw new WindlassError('corrupt', `${key}: segment is damaged: section vectors does not begin as one of ${ref.rowCount} rows of dimension ${dimension}`, { key })
    }
    return new SegmentScan(ref, sections, {
      rows: new RowSection(rows!, key),
      keys: new KeySection(keys!, key),
      norms: new NormSection(norms!, key),
      metadataIndex: new BlobIndex(metadata!, 'metadata', sections.ref('metadata').size, key),
      documentIndex: new BlobIndex(documents!, 'documents', sections.ref('documents').size, key),
      dimension,
    })
  }

  /** The object's key. */
  get key(): string {
    return this.#sections.key
  }

  /** Names of sections that start with `prefix`. */
  sectionNames(prefix: string): string[] {
    return this.ref.sections.map(({ name }) => name).filter((name) => name.startsWith(prefix))
  }

  hasSection(name: string): boolean {
    return this.ref.sections.some((section) => section.name === name)
  }

  /** The verified bytes of a whole section. */
  section(name: string): Promise<Uint8Array> {
    return this.#sections.whole(name)
  }

  /** Checks a section that may be too large for memory, a few megabytes at a time. @throws {WindlassError} `corrupt`. */
  async checkSection(name: string): Promise<void> {
    const { size, checksum } = this.#sections.ref(name)
    const cursor = this.#sections.cursor(name)
    let found = crc32c(new Uint8Array(0))
    for (let start = 0; start < size; start += chunkBytes) found = crc32c(await cursor(start, Math.min(size, start + chunkBytes)), found)
    if (found !== checksum) throw new WindlassError('corrupt', `${this.key}: segment is damaged: section ${name} fails its checksum`, { key: this.key })
  }

  /** What follows the sections: the directory, which only who has no manifest needs. */
  directory(): Promise<SegmentDirectory> {
    return this.#sections.directory()
  }

  /** Verified blobs, asked for in ascending order of rows. */
  blobs(name: 'metadata' | 'documents'): (row: number) => Promise<Uint8Array> | Uint8Array {
    const index = name === 'metadata' ? this.metadataIndex : this.documentIndex
    const cursor = this.#sections.cursor(name)
    return (row) => {
      const { start, end } = index.rangeOf(row)
      if (start === end) return new Uint8Array(0)
      const bytes = cursor(start, end)
      return bytes instanceof Promise ? bytes.then((read) => index.verify(row, read)) : index.verify(row, bytes)
    }
  }

  /** Verified vectors, as stored, asked for in ascending order of rows; zeros for a row without one. */
  vectors(): (row: number) => Promise<Uint8Array> | Uint8Array {
    const cursor = this.#sections.cursor('vectors')
    const check = (row: number, bytes: Uint8Array) => {
      if (this.rows.hasVector(row)) this.norms.verifyVector(row, bytes)
      else if (bytes.some((byte) => byte !== 0)) throw new WindlassError('corrupt', `${this.key}: section vectors is damaged: row ${row} has none, and is not zero`, { key: this.key })
      return bytes
    }
    return (row) => {
      const { start, end } = vectorRange(row, this.dimension)
      const bytes = cursor(start, end)
      return bytes instanceof Promise ? bytes.then((read) => check(row, read)) : check(row, bytes)
    }
  }
}

interface SmallSections {
  readonly rows: RowSection
  readonly keys: KeySection
  readonly norms: NormSection
  readonly metadataIndex: BlobIndex
  readonly documentIndex: BlobIndex
  readonly dimension: number
}

/** Ranges of one segment object. */
class SectionReader {
  readonly key: string
  readonly #store: ObjectStore
  readonly #ref: SegmentRef

  constructor(store: ObjectStore, key: string, ref: SegmentRef) {
    this.#store = store
    this.key = key
    this.#ref = ref
  }

  ref(name: string): SegmentRef['sections'][number] {
    const found = this.#ref.sections.find((section) => section.name === name)
    if (!found) throw new WindlassError('corrupt', `${this.key} has no section ${name}`, { key: this.key })
    return found
  }

  async whole(name: string): Promise<Uint8Array> {
    const section = this.ref(name)
    return verifySection(await this.#read(section.offset, section.offset + section.size), section, this.key)
  }

  async directory(): Promise<SegmentDirectory> {
    const { sections, size } = this.#ref
    const end = Math.max(0, ...sections.map((section) => section.offset + section.size))
    return openSegmentDirectory(await this.#read(end, size), size, this.key)
  }

  /** Reads a section forwards: ranges within what was read last cost nothing. */
  cursor(name: string, atOnceBytes = chunkBytes): (start: number, end: number) => Promise<Uint8Array> | Uint8Array {
    const section = this.ref(name)
    let from = 0
    let bytes: Uint8Array = new Uint8Array(0)
    return (start, end) => {
      if (start >= from && end <= from + bytes.length) return bytes.subarray(start - from, end - from)
      const readEnd = Math.min(section.size, Math.max(end, start + atOnceBytes))
      return this.#read(section.offset + start, section.offset + readEnd).then((read) => {
        from = start
        bytes = read
        return bytes.subarray(0, end - start)
      })
    }
  }

  async #read(start: number, end: number): Promise<Uint8Array> {
    if (start === end) return new Uint8Array(0)
    const answer = await this.#store.get(this.key, { range: { start, end } })
    if (answer.kind !== 'found') throw missingObject(this.#store.url, this.key)
    return answer.bytes
  }
}

/** The rows of a segment that a bitmap names as dead; none without a bitmap. */
export async function readDeletes(store: ObjectStore, collectionId: string, ref: SegmentRef, deletes: DeletesRef | null = ref.deletes): Promise<Bitset> {
  if (!deletes) return new Bitset(ref.rowCount)
  const key = dataPrefix(deletes.owner ?? collectionId) + deletesKey(deletes.id)
  const answer = await store.get(key)
  if (answer.kind !== 'found') throw missingObject(store.url, key)
  return Bitset.fromBytes(decodeDeletes(answer.bytes, key, ref).bitmap, ref.rowCount)
}
