import type { Bitset } from '../../base/bitset.ts'
import { finishInTurns } from '../../base/steps.ts'
import type { CollectionSchema, SectionRef } from '../../format/manifest.ts'
import { mergeBlobIndexes, mergeKeySections, mergeNormSections, mergeRowSections, orderMerge, type MergeOrder } from '../../format/merge-sections.ts'
import { decodeMetadata } from '../../format/record.ts'
import { SegmentStream, segmentKey } from '../../format/segment.ts'
import { vectorSectionHeader } from '../../format/segment-sections.ts'
import { viewF32 } from '../../format/typed-views.ts'
import { encodePostingsInSteps } from '../../text/encode-postings.ts'
import { StoredPostings } from '../../text/postings.ts'
import { ColumnsBuilder } from '../query/columns.ts'
import type { EngineContext } from '../core.ts'
import { SegmentIndexing } from './index-sections.ts'
import type { SegmentScan } from './segment-scan.ts'

const chunkBytes = 4 * 1024 * 1024

/** Several segments as one, written as it is read: stamps, checksums and the order of insertion stay, dead rows go. */
export class SegmentMerge {
  readonly order: MergeOrder
  readonly recordCount: number
  readonly #id: string
  readonly #inputs: readonly SegmentScan[]
  readonly #schema: CollectionSchema
  readonly #context: EngineContext
  #sections: readonly SectionRef[] = []

  /** @param dead Rows of each input that are left out. */
  constructor(id: string, inputs: readonly SegmentScan[], dead: readonly Bitset[], schema: CollectionSchema, context: EngineContext) {
    this.#id = id
    this.#inputs = inputs
    this.#schema = schema
    this.#context = context
    this.order = orderMerge(inputs.map(({ rows }) => rows), dead)
    let records = 0
    for (let row = 0; row < this.order.rowCount; row++) if (this.isRecord(row)) records++
    this.recordCount = records
  }

  /** Whether the new row `row` is of space records. */
  isRecord(row: number): boolean {
    return this.#inputs[this.order.inputs[row]!]!.rows.spaceAt(this.order.rows[row]!) === 'records'
  }

  /** As the manifest names them, once `chunks` has ended. */
  get sections(): readonly SectionRef[] {
    return this.#sections
  }

  /** The new object from its first byte to its last. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    const { order } = this
    const inputs = this.#inputs
    const stream = new SegmentStream()
    const whole = (name: string, bytes: Uint8Array) => [stream.begin(name), stream.add(bytes)]
    yield stream.header()
    const indexing = this.#startIndexing()
    const rows = mergeRowSections(inputs.map(({ rows }) => rows), order)
    yield* whole('rows', rows)
    const keys = mergeKeySections(inputs.map(({ keys }) => keys), order)
    yield* whole('keys', keys)
    yield* this.#vectors(stream, indexing)
    const norms = mergeNormSections(inputs.map(({ norms }) => norms), order)
    yield* whole('norms', norms)
    const metadataOffsets = mergeBlobIndexes(inputs.map(({ metadataIndex }) => metadataIndex), order)
    yield* whole('metadata-offsets', metadataOffsets)
    const columns = new ColumnsBuilder(new Set(this.#schema.nonFilterableKeys))
    yield* this.#blobs(stream, 'metadata', (blob, input) => columns.add(decodeMetadata(blob, input.key)))
    const documentOffsets = mergeBlobIndexes(inputs.map(({ documentIndex }) => documentIndex), order)
    yield* whole('documents-offsets', documentOffsets)
    yield* this.#blobs(stream, 'documents', () => undefined)
    yield* whole('columns', columns.toBytes())
    for (const name of new Set(inputs.flatMap((input) => input.sectionNames('text.')))) yield* whole(name, await this.#postings(name))
    const { rowCount } = order
    if (indexing) {
      await indexing.build()
      const [metadataSize, documentSize] = [stream.sizeOf('metadata'), stream.sizeOf('documents')]
      let open = ''
      for await (const { name, bytes } of indexing.sections({ rows, keys, norms, metadataOffsets, documentOffsets, metadataSize, documentSize }, rowCount, segmentKey(this.#id))) {
        if (name !== open) yield stream.begin(name)
        open = name
        yield stream.add(bytes)
      }
    }
    const { bytes, sections } = stream.finish({ id: this.#id, rowCount, recordCount: this.recordCount, documentRowCount: rowCount - this.recordCount })
    this.#sections = sections
    yield bytes
  }

  #hasVector(row: number): boolean {
    return this.#inputs[this.order.inputs[row]!]!.rows.hasVector(this.order.rows[row]!)
  }

  get #dimension(): number {
    return Math.max(0, ...this.#inputs.map((input) => input.dimension))
  }

  #startIndexing(): SegmentIndexing | null {
    const indexed: number[] = []
    for (let row = 0; row < this.order.rowCount; row++) if (this.isRecord(row) && this.#hasVector(row)) indexed.push(row)
    return SegmentIndexing.start(this.#context, Uint32Array.from(indexed), this.#dimension, this.#schema.metric, false)
  }

  async *#vectors(stream: SegmentStream, indexing: SegmentIndexing | null): AsyncGenerator<Uint8Array> {
    const { rowCount, inputs, rows } = this.order
    const dimension = this.#dimension
    const size = dimension * 4
    const read = this.#inputs.map((input) => input.vectors())
    yield stream.begin('vectors')
    yield stream.add(vectorSectionHeader(rowCount, dimension))
    if (dimension === 0) return
    const rowsPerChunk = Math.max(1, Math.floor(chunkBytes / size))
    for (let start = 0; start < rowCount; start += rowsPerChunk) {
      const end = Math.min(rowCount, start + rowsPerChunk)
      const chunk = new Uint8Array((end - start) * size)
      for (let row = start; row < end; row++) {
        const [input, old] = [inputs[row]!, rows[row]!]
        if (!this.#inputs[input]!.rows.hasVector(old)) continue
        const bytes = read[input]!(old)
        chunk.set(bytes instanceof Promise ? await bytes : bytes, (row - start) * size)
        if (indexing && this.isRecord(row)) indexing.add(viewF32(chunk, (row - start) * size, dimension))
      }
      yield stream.add(chunk)
    }
  }

  async *#blobs(stream: SegmentStream, name: 'metadata' | 'documents', visit: (blob: Uint8Array, input: SegmentScan) => void): AsyncGenerator<Uint8Array> {
    const { rowCount, inputs, rows } = this.order
    const read = this.#inputs.map((input) => input.blobs(name))
    yield stream.begin(name)
    for (let row = 0; row < rowCount; ) {
      const parts: Uint8Array[] = []
      let size = 0
      for (; row < rowCount && size < chunkBytes; row++) {
        const input = inputs[row]!
        const bytes = read[input]!(rows[row]!)
        const blob = bytes instanceof Promise ? await bytes : bytes
        visit(blob, this.#inputs[input]!)
        parts.push(blob)
        size += blob.length
      }
      const chunk = new Uint8Array(size)
      let at = 0
      for (const part of parts) {
        chunk.set(part, at)
        at += part.length
      }
      yield stream.add(chunk)
    }
  }

  async #postings(name: string): Promise<Uint8Array> {
    const parts: { postings: StoredPostings; rowMap: (row: number) => number }[] = []
    for (const [i, input] of this.#inputs.entries()) {
      if (!input.hasSection(name)) continue
      const map = this.order.maps[i]!
      parts.push({ postings: StoredPostings.open(await input.section(name), input.key), rowMap: (row) => map[row]! })
    }
    return finishInTurns(encodePostingsInSteps(parts, this.order.rowCount), () => this.#context.clock.sleep(0))
  }
}
