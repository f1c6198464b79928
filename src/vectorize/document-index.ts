import type { Clock } from '../base/clock.ts'
import { isWindlassError, messageOf, WindlassError } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import { newNonce, type Random } from '../base/random.ts'
import { chunkDocument, chunkKey, parseDocument, type Chunk, type ParsedDocument } from '../documents/document.ts'
import type { EmbeddingModel } from '../embed/embedding-model.ts'
import type { EngineCollection } from '../engine/collection.ts'
import { parseFilter } from '../engine/query/filter.ts'
import type { Operation, ReadOptions } from '../engine/types.ts'
import type { Metadata } from '../format/record.ts'
import { hashText, readOnce } from './content.ts'
import { checkDocumentMetadata, chunkHashLength, decodeDocumentRow, encodeChunkRow, encodeDocumentRow, indexedText, type DocumentRow } from './document-rows.ts'

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

export interface ChunkingSettings {
  readonly tokensMax: number
  readonly overlapTokens: number
}

export const defaultChunking: ChunkingSettings = { tokensMax: 256, overlapTokens: 32 }

/** Texts embedded in one call: enough for a batch, few enough for memory. */
const embedBatch = 64
/** Rows of a document are kept back until this many bytes; a longer document becomes a generation. */
const atomicBytesMax = limits.commitBytesMax / 2
const conflictRetriesMax = 4
const imageFormats = new Set(['pdf', 'docx'])

interface Content {
  readonly sha256: string
  readonly sizeBytes: number
  open(): AsyncIterable<Uint8Array>
}

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
    const content = await readContent(document)
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
        await this.#collection.write({
          operations: [...deletesOf(old), { op: 'delete', space: 'documents', key: source }],
          conditions: [{ space: 'documents', key: source, version: old.version }],
        })
        if (old.generation !== undefined) await this.#removeOtherGenerations(source, null)
        return true
      } catch (error) {
        if (!isWindlassError(error, 'conflict') || attempt >= conflictRetriesMax) throw error
      }
    }
  }

  /** Stores the new chunks and takes the old away. @returns how many chunks the document has now. */
  async #replace(document: SourceDocument, content: Content, old: DocumentRow | null, signal: AbortSignal | undefined): Promise<number> {
    const parsed = await parseDocument({
      name: document.source,
      size: content.sizeBytes,
      open: () => content.open(),
      ...(document.contentType !== undefined && { contentType: document.contentType }),
    })
    const rows = new ChunkRows(document, parsed)
    let texts: { chunk: Chunk; key: string }[] = []
    const embed = async () => {
      const vectors = await this.#model.embed(texts.map(({ chunk }) => indexedText(chunk)), { kind: 'document', ...(signal && { signal }) })
      texts.forEach(({ chunk, key }, i) => rows.add(key, chunk, vectors[i]!))
      texts = []
      if (rows.sizeBytes > atomicBytesMax) await this.#spill(rows)
    }
    const chunks = chunkDocument(parsed.blocks, { ...this.#chunking, countTokens: (text) => this.#model.countTokens(text), ...(signal && { signal }) })
    for await (const chunk of chunks) {
      const hash = hashText(chunk.text).slice(0, chunkHashLength)
      // With a generation the row of the document names no hashes: a gigabyte has a million of them.
      if (rows.generation === undefined) rows.hashes.push(hash)
      texts.push({ chunk, key: chunkKey(document.source, chunk.index, hash) })
      if (texts.length >= embedBatch) await embed()
    }
    await embed()
    // An empty text file is what it is; pages without text are pictures of it.
    if (rows.count === 0 && imageFormats.has(parsed.format)) {
      throw new WindlassError('invalid', `${document.source} holds no text, only pictures perhaps: recognize their text first`, { path: document.source })
    }
    await this.#flip(rows, document, content, parsed, old)
    return rows.count
  }

  /** Writes what is held back under a new generation, which no search shows until the document's row names it. */
  async #spill(rows: ChunkRows): Promise<void> {
    rows.generation ??= newNonce(this.#random)
    rows.hashes.length = 0
    await this.#collection.write({ operations: rows.take(), embeddingModel: this.#model.name })
  }

  /** The commit that makes the new content the document's content. */
  async #flip(rows: ChunkRows, document: SourceDocument, content: Content, parsed: ParsedDocument, old: DocumentRow | null): Promise<void> {
    const row = encodeDocumentRow(
      {
        source: document.source,
        title: parsed.title,
        format: parsed.format,
        sizeBytes: content.sizeBytes,
        sha256: content.sha256,
        chunkCount: rows.count,
        state: 'indexed',
        error: undefined,
        generation: rows.generation,
        metadata: document.metadata ?? {},
        chunkHashes: rows.hashes,
      },
      this.#clock.now(),
    )
    const puts = rows.take()
    const kept = new Set(puts.map((operation) => (operation.op === 'put' ? operation.row.key : '')))
    const deletes = old ? deletesOf(old).filter((operation) => operation.op !== 'delete' || !kept.has(operation.key)) : []
    await this.#collection.write({
      operations: [...deletes, ...puts, { op: 'put', space: 'documents', row }],
      conditions: [{ space: 'documents', key: document.source, version: old?.version ?? null }],
      embeddingModel: this.#model.name,
    })
    if (rows.generation !== undefined || old?.generation !== undefined) await this.#removeOtherGenerations(document.source, rows.generation ?? null)
  }

  /** Sweeps chunks of a file that its row does not name; searches hide them already. */
  async #removeOtherGenerations(source: string, generation: string | null): Promise<void> {
    const others = generation === null ? { generation: { $exists: true } } : { generation: { $exists: true, $ne: generation } }
    const filter = parseFilter({ source, ...others })
    for (;;) {
      const { rows } = await this.#collection.list({ filter, limit: limits.listPageMax })
      if (rows.length === 0) return
      await this.#collection.write({ operations: rows.map(({ key }) => ({ op: 'delete', key })) })
    }
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

/** Records of a document that are ready to be written. */
class ChunkRows {
  readonly hashes: string[] = []
  generation: string | undefined
  count = 0
  sizeBytes = 0
  #operations: Operation[] = []
  readonly #document: SourceDocument
  readonly #parsed: ParsedDocument

  constructor(document: SourceDocument, parsed: ParsedDocument) {
    this.#document = document
    this.#parsed = parsed
  }

  add(key: string, chunk: Chunk, vector: Float32Array): void {
    const { source, metadata = {} } = this.#document
    const place = { source, title: this.#parsed.title, generation: undefined, metadata }
    this.#operations.push({ op: 'put', row: encodeChunkRow(key, chunk, vector, place) })
    this.sizeBytes += vector.length * 4 + chunk.text.length * 3 + 512
    this.count++
  }

  /** Hands over what is held, marked with the generation if there is one by now. */
  take(): Operation[] {
    const { generation } = this
    const taken = this.#operations.map((operation): Operation => {
      if (generation === undefined || operation.op !== 'put') return operation
      const { row } = operation
      return { op: 'put', row: { ...row, key: `${row.key}.${generation.slice(0, 8)}`, metadata: { ...row.metadata, generation } } }
    })
    this.#operations = []
    this.sizeBytes = 0
    return taken
  }
}

function deletesOf(row: DocumentRow): Operation[] {
  return row.chunkHashes.map((hash, index) => ({ op: 'delete', key: chunkKey(row.source, index, hash) }))
}

async function readContent(document: SourceDocument): Promise<Content> {
  const small = await readOnce(document.open())
  if (small.bytes) {
    const { bytes } = small
    return {
      sha256: small.sha256,
      sizeBytes: bytes.length,
      open: async function* () {
        yield bytes
      },
    }
  }
  return { sha256: small.sha256, sizeBytes: small.sizeBytes, open: () => document.open() }
}

function sameMetadata(a: Metadata, b: Metadata): boolean {
  const canonical = (metadata: Metadata) => JSON.stringify(Object.entries(metadata).sort(([x], [y]) => (x < y ? -1 : 1)), (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
  return canonical(a) === canonical(b)
}
