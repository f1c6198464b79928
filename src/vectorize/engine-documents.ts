import type { Clock } from '../base/clock.ts'
import { compareUtf8 } from '../base/bytes.ts'
import { isWindlassError } from '../base/errors.ts'
import { parseDocument } from '../documents/document.ts'
import type { EmbeddingModel } from '../embed/embedding-model.ts'
import { matchesFilter, parseFilter } from '../engine/query/filter.ts'
import type { Metadata } from '../format/record.ts'
import { createAnalyzer } from '../text/analyzer.ts'
import { highlight, type TextRange } from '../text/highlight.ts'
import { chunkBatches, defaultChunking, embedChunks } from './chunk-batches.ts'
import { imageFormats, noText, readContent, type Content } from './content.ts'
import type { ChunkMatch, DocumentVersion, HeldDocument, SearchableDestination } from './destinations/destination.ts'
import { plainJson } from './destinations/point-store.ts'
import type { IndexResult, SourceDocument } from './document-index.ts'
import { checkDocumentMetadata, indexedText, passageOf } from './document-rows.ts'
import type { FoundPassage, PassageSearchOptions } from './passage-search.ts'

/** A document as a list of files shows it. */
export interface ListedDocument {
  readonly source: string
  readonly title?: string
  readonly format: string
  readonly sizeBytes: number
  readonly sha256: string
  readonly chunkCount: number
  readonly state: 'indexed'
  readonly indexedAt: string
  readonly metadata: Metadata
}

const conflictRetriesMax = 4
const pageDefault = 100

/** Files in another engine: what a collection of the bucket promises of its documents, kept by any destination that can be searched. */
export class EngineDocuments {
  readonly name: string
  readonly #destination: SearchableDestination
  readonly #model: EmbeddingModel
  readonly #clock: Clock
  #prepared: Promise<void> | null = null

  /** @param name Of the collection: documents of other names are not seen. */
  constructor(name: string, destination: SearchableDestination, { model, clock }: { model: EmbeddingModel; clock: Clock }) {
    this.name = name
    this.#destination = destination
    this.#model = model
    this.#clock = clock
  }

  /** Parses, chunks, embeds and stores a file, unless its bytes and metadata are those already stored; the old chunks go on answering until the new ones do. */
  async index(document: SourceDocument, { signal }: { signal?: AbortSignal } = {}): Promise<IndexResult> {
    const { source, metadata = {} } = document
    checkDocumentMetadata(metadata)
    await this.#prepare()
    const content = await readContent(() => document.open())
    const { sizeBytes } = content
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted()
      const old = await this.#destination.find(source, signal ? { signal } : {})
      if (old?.facts && old.sha256 === content.sha256 && old.facts.model === this.#model.name && sameMetadata(old.facts.metadata, metadata)) return { source, status: 'unchanged', chunkCount: old.facts.chunkCount, sizeBytes }
      try {
        return { source, status: old ? 'changed' : 'new', chunkCount: await this.#replace(document, content, old, signal), sizeBytes }
      } catch (error) {
        if (!isWindlassError(error, 'conflict') || attempt >= conflictRetriesMax) throw error
        await this.#clock.sleep(attempt * 50, signal)
      }
    }
  }

  /** By path. An engine gives its documents in no order, so that every page reads the whole list. */
  async listDocuments({ limit = pageDefault, after, prefix, filter, signal }: { limit?: number; after?: string; prefix?: string; filter?: unknown; signal?: AbortSignal } = {}): Promise<{ documents: ListedDocument[]; next?: string }> {
    await this.#prepare()
    const parsed = filter === undefined ? null : parseFilter(filter)
    const found: ListedDocument[] = []
    for await (const held of this.#destination.documents(signal ? { signal } : {})) {
      if (prefix !== undefined && !held.path.startsWith(prefix)) continue
      if (after !== undefined && compareUtf8(held.path, after) <= 0) continue
      const listed = toListed(held)
      if (!parsed || matchesFilter(parsed, { ...listed.metadata, ...fieldsOf(listed) })) found.push(listed)
    }
    found.sort((a, b) => compareUtf8(a.source, b.source))
    const documents = found.slice(0, limit)
    return { documents, ...(found.length > limit && { next: documents.at(-1)!.source }) }
  }

  async getDocument(source: string, { signal }: { signal?: AbortSignal } = {}): Promise<ListedDocument | null> {
    await this.#prepare()
    const held = await this.#destination.find(source, signal ? { signal } : {})
    return held && toListed(held)
  }

  /** @returns whether it was there. */
  async deleteDocument(source: string): Promise<boolean> {
    await this.#prepare()
    const held = await this.#destination.find(source)
    // Also where there is none: a run that was killed may have left some of it.
    await this.#destination.remove(source, held?.reference ?? null)
    return held !== null
  }

  /** Finds passages by meaning and, where the engine can, by words. @throws {WindlassError} `unsupported` for words where it cannot. */
  async search(question: string, { k = 10, filter, mode = 'hybrid', fusion, signal }: PassageSearchOptions = {}): Promise<FoundPassage[]> {
    await this.#prepare()
    const vector = mode === 'text' ? undefined : (await this.#model.embed([question], { kind: 'query', ...(signal && { signal }) }))[0]!
    const query = { k, ...(vector && { vector }), ...(mode !== 'vector' && { text: question }), ...(filter !== undefined && { filter: parseFilter(filter) }), ...(fusion && { fusion }) }
    const matches = await this.#destination.search(query, signal ? { signal } : {})
    const analyzer = createAnalyzer({ language: 'english' })
    const terms = analyzer.terms(question)
    return matches.map((match) => toPassage(match, (text) => highlight(text, terms, analyzer).ranges))
  }

  async close(): Promise<void> {
    await this.#destination.close?.()
  }

  async #replace(document: SourceDocument, content: Content, old: HeldDocument | null, signal: AbortSignal | undefined): Promise<number> {
    const { source, contentType, metadata = {} } = document
    const options = signal ? { signal } : {}
    const parsed = await parseDocument({ name: source, size: content.sizeBytes, open: () => content.open(), ...(contentType !== undefined && { contentType }) })
    const version: DocumentVersion = { path: source, sha256: content.sha256, sizeBytes: content.sizeBytes, format: parsed.format, metadata, ...(parsed.title !== undefined && { title: parsed.title }) }
    const writer = await this.#destination.begin(version, old?.reference ?? null, options)
    let count = 0
    try {
      for await (const batch of chunkBatches(parsed, { chunking: defaultChunking, model: this.#model, format: indexedText, ...options })) {
        // Of a version the engine knows places and hashes: what stands where it stood keeps its vector.
        const stored = old?.facts?.model === this.#model.name ? await this.#destination.vectors(source, old.reference, batch.map(({ chunk, hash }) => ({ index: chunk.index, hash }))) : []
        const known = new Map(batch.flatMap(({ hash }, i): [string, Float32Array][] => (stored[i] ? [[hash, stored[i]]] : [])))
        const { chunks } = await embedChunks(batch, known, this.#model, signal)
        await writer.write(chunks)
        count += chunks.length
      }
      // An empty text file is what it is; pages without text are pictures of it.
      if (count === 0 && imageFormats.has(parsed.format)) throw noText(source)
    } catch (error) {
      await writer.abort().catch(() => undefined)
      throw error
    }
    await writer.commit()
    return count
  }

  /** Once, unless it failed. */
  #prepare(): Promise<void> {
    const { dimension, name: model } = this.#model
    return (this.#prepared ??= this.#destination.prepare({ dimension, model }).catch((error: unknown) => {
      this.#prepared = null
      throw error
    }))
  }
}

function toListed({ path, sha256 = '', facts }: HeldDocument): ListedDocument {
  const { model: _, ...rest } = facts!
  return { source: path, sha256, state: 'indexed', ...rest }
}

function fieldsOf({ metadata: _, ...fields }: ListedDocument): Metadata {
  return fields
}

function toPassage({ key, path, title, text, score, distance, textScore, place, metadata }: ChunkMatch, mark: (text: string) => readonly TextRange[]): FoundPassage {
  const { index: _, ...where } = place
  const passage = passageOf(text, place.headingPath)
  return { key, source: path, ...(title !== undefined && { title }), ...where, text: passage, highlights: mark(passage), score, ...(distance !== undefined && { distance }), ...(textScore !== undefined && { textScore }), metadata }
}

/** As the engine gives it back: without 64-bit integers. */
function sameMetadata(a: Metadata, b: Metadata): boolean {
  const canonical = (metadata: Metadata) => JSON.stringify(Object.entries(plainJson(metadata)).sort(([x], [y]) => (x < y ? -1 : 1)))
  return canonical(a) === canonical(b)
}
