import { concatBytes } from '../../base/bytes.ts'
import { crc32c } from '../../format/checksum.ts'
import { encodeCards, type CardFacts } from '../../format/row-card.ts'
import type { EncodedRowIndexes } from '../../format/segment.ts'
import { BlobIndex, KeySection, NormSection, RowSection } from '../../format/segment-sections.ts'
import type { Metric } from '../../vector/exact-search.ts'
import type { BuildOptions } from '../../vector/build.ts'
import type { IndexBuild, IndexBuilder } from '../../vector/index-builder.ts'
import { encodeHead, encodeRows, indexSections } from '../../vector/index-codec.ts'
import { slotsOfList } from '../../vector/list-codec.ts'
import { paddedDimension } from '../../vector/space.ts'
import { VectorPile } from '../../vector/vector-pile.ts'
import type { EngineContext } from '../core.ts'

/** Above this, vectors are rounded to 8 bits while an index is built of them. */
const floatBytesMax = 512 * 1024 * 1024

/** The vector index of a segment that is being written: takes the vectors in the order of rows, then gives its sections. */
export class SegmentIndexing {
  readonly #pile: VectorPile
  readonly #rows: Uint32Array
  readonly #options: BuildOptions
  readonly #builder: IndexBuilder
  #build: IndexBuild | null = null

  private constructor(rows: Uint32Array, dimension: number, options: BuildOptions, builder: IndexBuilder) {
    this.#rows = rows
    this.#pile = new VectorPile(dimension, rows.length, floatBytesMax)
    this.#options = options
    this.#builder = builder
  }

  /**
   * @param rows Rows of space records that have a vector, ascending.
   * @param isQuick One cluster, nothing trained or measured: for a flush, that a merge will soon replace.
   * @returns null where they are too few to index.
   */
  static start({ settings, indexBuilder }: EngineContext, rows: Uint32Array, dimension: number, metric: Metric, isQuick: boolean): SegmentIndexing | null {
    if (rows.length < settings.indexedRowsMin) return null
    return new SegmentIndexing(rows, dimension, isQuick ? { metric, clusters: 1, calibrated: false } : { metric }, indexBuilder)
  }

  /** The vector of the next of the rows. */
  add(vector: Float32Array): void {
    this.#pile.add(vector)
  }

  /** Trains and assigns, once all vectors are in. */
  async build(): Promise<void> {
    this.#build = await this.#builder.build({ vectors: this.#pile.take(), options: this.#options, seed: this.#rows.length })
  }

  /** Name and bytes of each section, a section's bytes in pieces one after the other. */
  async *sections(indexes: EncodedRowIndexes, rowCount: number, key: string): AsyncGenerator<{ name: string; bytes: Uint8Array }> {
    const build = this.#build!
    try {
      const { head } = build
      const rowOfSlot = head.rowOfSlot.map((row) => this.#rows[row]!)
      const cardOf = cardWriter(indexes, key)
      const cardEnds = new Uint32Array(head.clusters + 1)
      const checksums = new Uint32Array(head.clusters)
      for (let cluster = 0; cluster < head.clusters; ) {
        const units: Uint8Array[] = []
        for (const { list, records } of await build.next()) {
          const cards = encodeCards(Array.from(slotsOfList(list, paddedDimension(head.space.dimension)), (slot) => cardOf(rowOfSlot[slot]!)))
          const unit = concatBytes([list, records, cards])
          checksums[cluster] = crc32c(unit)
          cardEnds[++cluster] = cardEnds[cluster - 1]! + cards.length
          units.push(unit)
        }
        yield { name: indexSections.lists, bytes: concatBytes(units) }
      }
      yield { name: indexSections.rows, bytes: encodeRows(rowOfSlot) }
      yield { name: indexSections.head, bytes: encodeHead({ head: { ...head, rowCount }, cardEnds, hasEntryCards: true, checksums }) }
    } finally {
      build.release()
    }
  }
}

function cardWriter(indexes: EncodedRowIndexes, key: string): (row: number) => CardFacts {
  const rows = new RowSection(indexes.rows, key)
  const keys = new KeySection(indexes.keys, key)
  const norms = new NormSection(indexes.norms, key)
  const metadata = new BlobIndex(indexes.metadataOffsets, 'metadata', indexes.metadataSize, key)
  const documents = new BlobIndex(indexes.documentOffsets, 'documents', indexes.documentSize, key)
  const place = (index: BlobIndex, row: number) => {
    const { start, end } = index.rangeOf(row)
    return { start, size: end - start, checksum: index.checksumAt(row) }
  }
  return (row) => ({
    row,
    keyBytes: keys.keyBytesAt(row),
    changed: rows.changedAt(row),
    vectorChecksum: norms.checksumAt(row),
    metadata: place(metadata, row),
    document: rows.hasDocument(row) ? place(documents, row) : null,
  })
}
