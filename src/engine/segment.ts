import { Bitset } from '../base/bitset.ts'
import { WindlassError } from '../base/errors.ts'
import { joinRanges } from '../base/groups.ts'
import { dataPrefix } from '../format/catalog-entry.ts'
import { crc32c } from '../format/checksum.ts'
import { decodeDeletes, deletesKey } from '../format/deletes.ts'
import type { SectionRef, SegmentRef } from '../format/manifest.ts'
import { decodeMetadata, type Metadata, type Space } from '../format/record.ts'
import { segmentKey, verifySection } from '../format/segment.ts'
import type { BlobPlace, RowCard } from '../format/row-card.ts'
import { BlobIndex, decodeText, KeySection, NormSection, RowSection, vectorRange, VectorSection } from '../format/segment-sections.ts'
import { viewF32 } from '../format/typed-views.ts'
import type { ByteRange, ObjectStore } from '../store/object-store.ts'
import { StoredPostings } from '../text/postings.ts'
import { indexSections } from '../vector/index-codec.ts'
import { Columns } from './query/columns.ts'
import type { Filter, FilterRules } from './query/filter.ts'
import type { VectorBlock } from './query/vectors.ts'
import type { SectionCache } from './section-cache.ts'
import { ExactRows } from './exact-rows.ts'
import { SegmentIndex, type SearchTally, type SectionSource } from './segment-index.ts'
import type { VectorMemory } from './vector-memory.ts'

/** A segment up to this size is read whole, at the first need of any of it: one round trip instead of several. */
const wholeBytesMax = 5 * 1024 * 1024
/** What a cached row takes beside its values. */
const cachedRowBytes = 200
/** Who reads more vectors than these at once goes through many; they would only push out what comes again. */
const cachedRowsMax = 256
/** Longer contents are not kept. */
const cachedBlobMax = 64 * 1024
/** After so many queries that read vectors one by one, they are fetched together. */
const vectorReadsMax = 8
/** Blobs nearer than this are read together. A store behind a network joins what is farther apart by itself. */
const gapBytesMax = 32 * 1024

/** Reads one immutable segment, section by section, as needed. */
export class Segment {
  readonly ref: SegmentRef
  readonly #store: ObjectStore
  /** Where its bitmap lies. */
  readonly #deletesPrefix: string
  readonly #key: string
  readonly #cache: SectionCache
  readonly #sections: ReadonlyMap<string, SectionRef>
  /** Null: it has none. */
  readonly index: SegmentIndex | null
  /** Its vectors where it has no index. */
  readonly exactRows: ExactRows
  #vectorReads = 0

  constructor(store: ObjectStore, prefix: string, ref: SegmentRef, cache: SectionCache, vectorMemory: VectorMemory) {
    this.ref = ref
    this.#store = store
    this.#deletesPrefix = ref.deletes?.owner ? dataPrefix(ref.deletes.owner) : prefix
    this.#key = (ref.owner ? dataPrefix(ref.owner) : prefix) + segmentKey(ref.id)
    this.#cache = cache
    this.#sections = new Map(ref.sections.map((section) => [section.name, section]))
    const source: SectionSource = {
      key: this.#key,
      sizeOf: (name) => this.#section(name).size,
      whole: (name) => this.#transient(name),
      range: (name, start, end) => this.#range(name, start, end),
    }
    this.exactRows = new ExactRows(vectorMemory)
    this.index = this.#sections.has(indexSections.head) ? new SegmentIndex(source, vectorMemory) : null
  }

  /** The object's key. */
  get key(): string {
    return this.#key
  }

  get rowCount(): number {
    return this.ref.rowCount
  }

  /** Of its vectors; 0 when no row has one. */
  get dimension(): number {
    const { start } = vectorRange(0, 0)
    return this.rowCount === 0 ? 0 : (this.#section('vectors').size - start) / 4 / this.rowCount
  }

  /** Rows of `space` that the manifest does not name as deleted. */
  liveCount(space: Space): number {
    const { recordCount, documentRowCount, deletes } = this.ref
    const deletedRecords = deletes?.recordCount ?? 0
    return space === 'records' ? recordCount - deletedRecords : documentRowCount - ((deletes?.count ?? 0) - deletedRecords)
  }

  /** The rows that the manifest names as deleted. */
  async loadDeletes(): Promise<Bitset> {
    const { rowCount, deletes } = this.ref
    if (!deletes) return new Bitset(rowCount)
    const key = this.#deletesPrefix + deletesKey(deletes.id)
    // Every new manifest asks again for bitmaps that have not changed.
    const bits = await this.#cache.get(key, async () => {
      const answer = await this.#store.get(key)
      if (answer.kind !== 'found') throw missingObject(this.#store.url, key)
      return { value: Bitset.fromBytes(decodeDeletes(answer.bytes, key, this.ref).bitmap, rowCount), size: answer.size + 64 }
    })
    return bits.clone()
  }

  /** Flags and stamps of every row. */
  rows(): Promise<RowSection> {
    return this.#decoded('rows', (bytes) => new RowSection(bytes, this.#key))
  }

  /** Keys, and where each is. */
  keys(): Promise<KeySection> {
    return this.#decoded('keys', (bytes) => new KeySection(bytes, this.#key))
  }

  /** All rows of a space, dead or alive. Do not change it. */
  async rowsOfSpace(space: Space): Promise<Bitset> {
    const { recordCount, documentRowCount } = this.ref
    if (recordCount === 0 || documentRowCount === 0) return (space === 'records') === recordCount > 0 ? Bitset.full(this.rowCount) : new Bitset(this.rowCount)
    return this.#derived(`space:${space}`, async () => {
      const rows = await this.rows()
      return bitsetWhere(this.rowCount, (row) => rows.spaceAt(row) === space)
    })
  }

  /** Every vector, for an exhaustive scan. */
  async vectors(): Promise<VectorBlock> {
    const [vectors, norms, rows] = await Promise.all([
      this.#decoded('vectors', (bytes) => new VectorSection(bytes, this.#key)),
      this.#norms(),
      this.rows(),
    ])
    const present = await this.#derived('present', async () => bitsetWhere(this.rowCount, (row) => rows.hasVector(row)))
    return { dimension: vectors.dimension, vectors: vectors.values, norms: norms.values, present }
  }

  /** The filter index. */
  columns(): Promise<Columns> {
    return this.#decoded('columns', (bytes) => Columns.open(bytes))
  }

  /** Rows that match a filter, dead or alive; kept, since filters come again. Do not change it. */
  async select(filter: Filter, rules: FilterRules): Promise<Bitset> {
    return this.#derived(`filter:${filterName(filter, rules)}`, async () => (await this.columns()).select(filter, rules))
  }

  /** The full-text index of a field; null when no row of the segment has the field. */
  async postings(field: string): Promise<StoredPostings | null> {
    const name = `text.${field}`
    return this.#sections.has(name) ? this.#decoded(name, (bytes) => StoredPostings.open(bytes)) : null
  }

  /**
   * Vectors of rows whose cards are known. From memory where all of them are there; whole sections are fetched into it, in the background,
   * once rows have been read one by one for some queries and the section fits.
   */
  async vectorsAt(cards: readonly Pick<RowCard, 'row' | 'vectorChecksum'>[], dimension: number, tally?: SearchTally): Promise<Float32Array[]> {
    const whole = this.#cache.peek<VectorSection>(`${this.#cacheName('vectors')}:decoded`)
    if (whole) return cards.map(({ row }) => whole.vectorAt(row))
    const section = this.#section('vectors')
    if (++this.#vectorReads >= vectorReadsMax && section.size <= this.#cache.budgetBytes / 2) void this.#decoded('vectors', (bytes) => new VectorSection(bytes, this.#key)).catch(() => undefined)
    const places = cards.map(({ row, vectorChecksum }) => {
      const { start, end } = vectorRange(row, dimension)
      return { start, size: end - start, checksum: vectorChecksum }
    })
    return (await this.blobsAt('vectors', places, cards, tally)).map((bytes) => viewF32(bytes, 0, dimension))
  }

  /** Verified blobs of rows at known places of a section: kept ones, and the rest by as few range reads as make sense. */
  async blobsAt(name: string, places: readonly BlobPlace[], cards: readonly Pick<RowCard, 'row'>[], tally?: SearchTally): Promise<Uint8Array[]> {
    const nameOf = (i: number) => `${this.#cacheName(name)}:${cards[i]!.row}`
    const blobs = places.map(({ size }, i) => (size === 0 ? new Uint8Array(0) : this.#cache.peek<Uint8Array>(nameOf(i))))
    const missing = places.map(({ start, size }, i) => ({ i, start, end: start + size })).filter(({ i }) => !blobs[i])
    await Promise.all(
      joinRanges(missing, gapBytesMax).map(async ({ start, end, members }) => {
        const bytes = await this.#range(name, start, end)
        if (tally) tally.requests++
        if (tally) tally.bytesRead += bytes.length
        for (const member of members) {
          const blob = bytes.subarray(member.start - start, member.end - start)
          if (crc32c(blob) !== places[member.i]!.checksum) {
            throw new WindlassError('corrupt', `${this.#key}: section ${name} is damaged: row ${cards[member.i]!.row} fails its checksum`, { key: this.#key })
          }
          // A copy: the bytes may be a view of much more, and floats want to be aligned.
          blobs[member.i] = blob.slice()
          if (missing.length <= cachedRowsMax && blob.length <= cachedBlobMax) this.#cache.put(nameOf(member.i), blobs[member.i]!, blob.length + cachedRowBytes)
        }
      }),
    )
    return blobs as Uint8Array[]
  }

  /** Vectors of a few rows; null where a row has none. */
  async vectorsOf(rows: readonly number[]): Promise<(Float32Array | null)[]> {
    const { dimension } = this
    const [flags, norms] = await Promise.all([this.rows(), this.#norms()])
    const present = rows.filter((row) => flags.hasVector(row))
    if (present.length === 0) return rows.map(() => null)
    const vectors = await this.vectorsAt(present.map((row) => ({ row, vectorChecksum: norms.checksumAt(row) })), dimension)
    const byRow = new Map(present.map((row, i) => [row, vectors[i]!]))
    return rows.map((row) => byRow.get(row) ?? null)
  }

  async metadataOf(rows: readonly number[]): Promise<Metadata[]> {
    const blobs = await this.#blobsOf('metadata', rows)
    return blobs.map((blob) => decodeMetadata(blob, this.#key))
  }

  /** Texts of a few rows; null where a row has none. */
  async documentsOf(rows: readonly number[]): Promise<(string | null)[]> {
    const [flags, blobs] = await Promise.all([this.rows(), this.#blobsOf('documents', rows)])
    return rows.map((row, i) => (flags.hasDocument(row) ? decodeText(blobs[i]!, 'documents', row, this.#key) : null))
  }

  /** Verified blobs of rows whose cards are not known. */
  async #blobsOf(name: 'metadata' | 'documents', rows: readonly number[]): Promise<Uint8Array[]> {
    const index = await this.#decoded(`${name}-offsets`, (bytes) => new BlobIndex(bytes, name, this.#section(name).size, this.#key))
    const places = rows.map((row): BlobPlace => {
      const { start, end } = index.rangeOf(row)
      return { start, size: end - start, checksum: index.checksumAt(row) }
    })
    return this.blobsAt(name, places, rows.map((row) => ({ row })))
  }

  #norms(): Promise<NormSection> {
    return this.#decoded('norms', (bytes) => new NormSection(bytes, this.#key))
  }

  async #decoded<Value>(name: string, decode: (bytes: Uint8Array) => Value): Promise<Value> {
    return this.#cache.get(`${this.#cacheName(name)}:decoded`, async () => {
      const bytes = await this.#bytes(name)
      this.#cache.drop(this.#cacheName(name))
      return { value: decode(bytes), size: bytes.length }
    })
  }

  #derived(name: string, make: () => Promise<Bitset>): Promise<Bitset> {
    return this.#cache.get(`${this.#cacheName(name)}:derived`, async () => ({ value: await make(), size: this.rowCount / 8 + 64 }))
  }

  /** A section's verified bytes. A small segment is read whole, and all its sections kept. */
  async #bytes(name: string): Promise<Uint8Array> {
    const section = this.#section(name)
    return this.#cache.get(this.#cacheName(name), async () => {
      if (this.ref.size > wholeBytesMax) {
        const bytes = await this.#read({ start: section.offset, end: section.offset + section.size })
        verifySection(bytes, section, this.#key)
        return { value: bytes, size: bytes.length }
      }
      const whole = await this.#cache.get(this.#cacheName('whole'), async () => {
        const bytes = await this.#read(undefined)
        return { value: bytes, size: bytes.length }
      })
      const bytes = whole.subarray(section.offset, section.offset + section.size)
      verifySection(bytes, section, this.#key)
      // The whole object is what takes memory, and is counted under its own name.
      return { value: bytes, size: 0 }
    })
  }

  /** A section's verified bytes, for a caller who keeps what it makes of them elsewhere. */
  async #transient(name: string): Promise<Uint8Array> {
    const bytes = await this.#bytes(name)
    if (this.ref.size > wholeBytesMax) this.#cache.drop(this.#cacheName(name))
    return bytes
  }

  /** Bytes of a section that have a checksum of their own. */
  async #range(name: string, start: number, end: number): Promise<Uint8Array> {
    const section = this.#section(name)
    if (this.ref.size <= wholeBytesMax) return (await this.#bytes(name)).subarray(start, end)
    return this.#read({ start: section.offset + start, end: section.offset + end })
  }

  async #read(range: ByteRange | undefined): Promise<Uint8Array> {
    const answer = await this.#store.get(this.#key, range ? { range } : {})
    if (answer.kind !== 'found') throw missingObject(this.#store.url, this.#key)
    return answer.bytes
  }

  #section(name: string): SectionRef {
    const section = this.#sections.get(name)
    if (section) return section
    throw new WindlassError('corrupt', `${this.#key} has no section ${name}`, { key: this.#key })
  }

  #cacheName(part: string): string {
    return `${this.#key}#${part}`
  }
}

// A query names its filter to every segment.
const filterNames = new WeakMap<Filter, string>()

/** Different for filters that select different rows. */
function filterName(filter: Filter, { negationMatchesMissing, looksIntoLists }: FilterRules): string {
  let name = filterNames.get(filter)
  if (name === undefined) filterNames.set(filter, (name = JSON.stringify(filter, (_, value: unknown) => (isPlainJson(value) ? value : { [typeof value]: String(value) }))))
  return `${Number(negationMatchesMissing)}${Number(looksIntoLists)}${name}`
}

function isPlainJson(value: unknown): boolean {
  return typeof value !== 'bigint' && !(typeof value === 'number' && !Number.isFinite(value))
}

function bitsetWhere(length: number, test: (row: number) => boolean): Bitset {
  const bits = new Bitset(length)
  for (let row = 0; row < length; row++) if (test(row)) bits.set(row)
  return bits
}

/** Named by the view, absent in the bucket: the view is older than the sweep, or the object is lost. The caller finds out which. */
export function missingObject(url: string, key: string): WindlassError {
  return new WindlassError('expired', `${url}: ${key} is missing`, { key })
}
