import type { Clock } from '../base/clock.ts'
import { isWindlassError, messageOf } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { parseDocument } from '../documents/document.ts'
import type { EmbeddingModel } from '../embed/embedding-model.ts'
import type { EngineCollection } from '../engine/collection.ts'
import { parseFilter } from '../engine/query/filter.ts'
import type { ReadOptions } from '../engine/types.ts'
import type { Metadata } from '../format/record.ts'
import { chunkBatches, defaultChunking, embedChunks, type ChunkingSettings } from './chunk-batches.ts'
import { imageFormats, noText, readContent, type Content } from './content.ts'
import { checkDocumentMetadata, decodeDocumentRow, encodeDocumentRow, indexedText, type DocumentRow } from './document-rows.ts'
import { CollectionWriter, removeDocument, storedVectors } from './document-writer.ts'

/** A file to index. `open` may be called twice for a large file: once to hash, once to parse. */
export interface SourceDocument {
  readonly source: string
  readonly contentType?: string
  readonly size?: number
  readonly metadata?: Metadata
  open(): AsyncIterable<Uint8Array>
}

export interface IndexResult {
  readonly source: string
  readonly status: 'new' | 'changed' | 'unchanged'
  readonly chunkCount: number
  readonly sizeBytes: number
}

const conflictRetriesMax = 4

/** Files in a collection: one row a file, one record a chunk, always replaced together. */
export class DocumentIndex {
  readonly #collection: EngineCollection
  readonly #model: EmbeddingModel
  readonly #clock: Clock
  readonly #random: Random
  readonly #chunking: ChunkingSettings

  constructor(collection: EngineCollection, { model, clock, random, chunking = defaultChunking }: { model: EmbeddingModel; clock: Clock; random: Random; chunking?: ChunkingSettings }) {
    this.#collection = collection
    this.#model = model
    this.#clock = clock
    this.#random = random
    this.#chunking = chunking
  }

  /**
   * Parses, chunks, embeds and stores a file, unless its bytes are the ones already stored.
   * Old and new chunks change places in one commit, on the condition that nobody replaced the file meanwhile.
   * @throws {WindlassError} what parsing throws; the file is then listed as `failed` and its old chunks go on answering.
   */
  async index(document: SourceDocument, { signal }: { signal?: AbortSignal } = {}): Promise<IndexResult> {
    const metadata = document.metadata ?? {}
    checkDocumentMetadata(metadata)
    const content = await readContent(() => document.open())
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted()
      const old = await this.find(document.source)
      if (old && old.state === 'indexed' && old.sha256 === content.sha256 && sameMetadata(old.metadata, metadata)) {
        return { source: document.source, status: 'unchanged', chunkCount: old.chunkCount, sizeBytes: content.sizeBytes }
      }
      try {
        const chunkCount = await this.#replace(document, content, old, signal)
        return { source: document.source, status: old?.state === 'indexed' ? 'changed' : 'new', chunkCount, sizeBytes: content.sizeBytes }
      } catch (error) {
        if (isWindlassError(error, 'conflict') && attempt < conflictRetriesMax) continue
        if (isWindlassError(error, 'invalid', 'too-large', 'unsupported', 'missing-dependency')) await this.#recordFailure(document, content, old, error)
        throw error
      }
    }
  }

  async find(source: string, options: ReadOptions = {}): Promise<DocumentRow | null> {
    const [view] = await this.#collection.get([source], { ...options, space: 'documents', include: { metadata: true, document: true } })
    return view ? decodeDocumentRow(view) : null
  }

  /** Documents in the order they were first indexed. */
  async list(options: ReadOptions & { limit?: number; after?: string; filter?: unknown; prefix?: string } = {}): Promise<{ documents: DocumentRow[]; next?: string }> {
    const { prefix, filter, ...rest } = options
    const parts = [...(filter === undefined ? [] : [filter]), ...(prefix ? [{ source: { $startsWith: prefix } }] : [])]
    const parsed = parts.length === 0 ? {} : { filter: parseFilter(parts.length === 1 ? parts[0] : { $and: parts }) }
    const page = await this.#collection.list({ ...rest, ...parsed, space: 'documents', include: { metadata: true } })
    return { documents: page.rows.map(decodeDocumentRow), ...(page.next !== undefined && { next: page.next }) }
  }

  /** Removes a file and all its chunks in one commit. @returns whether it was there. */
  async remove(source: string): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      const old = await this.find(source)
      if (!old) return false
      try {
        await removeDocument(this.#collection, old)
        return true
      } catch (error) {
        if (!isWindlassError(error, 'conflict') || attempt >= conflictRetriesMax) throw error
      }
    }
  }

  /** Stores the new chunks and takes the old away; those whose text is as it was keep their vectors. @returns how many there are now. */
  async #replace(document: SourceDocument, content: Content, old: DocumentRow | null, signal: AbortSignal | undefined): Promise<number> {
    const parsed = await parseDocument({
      name: document.source,
      size: content.sizeBytes,
      open: () => content.open(),
      ...(document.contentType !== undefined && { contentType: document.contentType }),
    })
    const head = { source: document.source, title: parsed.title, format: parsed.format, sizeBytes: content.sizeBytes, sha256: content.sha256, metadata: document.metadata ?? {} }
    const writer = new CollectionWriter({ collection: this.#collection, model: this.#model.name, clock: this.#clock, random: this.#random }, head, old)
    const places = new Map(old?.chunkHashes.map((hash, index) => [hash, index]))
    const { embeddingModel } = await this.#collection.schema()
    for await (const batch of chunkBatches(parsed, { chunking: this.#chunking, model: this.#model, format: indexedText, ...(signal && { signal }) })) {
      const again = old && embeddingModel === this.#model.name ? batch.flatMap(({ hash }) => (places.has(hash) ? [{ index: places.get(hash)!, hash }] : [])) : []
      const vectors = again.length > 0 ? await storedVectors(this.#collection, old!, again) : []
      const known = new Map(again.flatMap(({ hash }, i): [string, Float32Array][] => (vectors[i] ? [[hash, vectors[i]]] : [])))
      await writer.write((await embedChunks(batch, known, this.#model, signal)).chunks)
    }
    // An empty text file is what it is; pages without text are pictures of it.
    if (writer.count === 0 && imageFormats.has(parsed.format)) throw noText(document.source)
    await writer.commit()
    return writer.count
  }

  async #recordFailure(document: SourceDocument, content: Content, old: DocumentRow | null, error: unknown): Promise<void> {
    const row = encodeDocumentRow(
      {
        source: document.source,
        title: old?.title,
        format: old?.format ?? 'unknown',
        sizeBytes: content.sizeBytes,
        sha256: '',
        chunkCount: old?.chunkCount ?? 0,
        state: 'failed',
        error: messageOf(error).slice(0, 2000),
        generation: old?.generation,
        metadata: document.metadata ?? {},
        chunkHashes: old?.chunkHashes ?? [],
      },
      this.#clock.now(),
    )
    const conditions = [{ space: 'documents' as const, key: document.source, version: old?.version ?? null }]
    // The failure itself is what the caller must hear of; a lost note of it is not.
    await this.#collection.write({ operations: [{ op: 'put', space: 'documents', row }], conditions }).catch(() => undefined)
  }
}

function sameMetadata(a: Metadata, b: Metadata): boolean {
  const canonical = (metadata: Metadata) => JSON.stringify(Object.entries(metadata).sort(([x], [y]) => (x < y ? -1 : 1)), (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
  return canonical(a) === canonical(b)
}
