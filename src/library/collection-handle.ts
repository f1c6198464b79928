import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { EmbeddingModel } from '../embed/embedding-model.ts'
import type { EngineCollection } from '../engine/collection.ts'
import type { Database } from '../engine/database.ts'
import { parseFilter, type Filter } from '../engine/query/filter.ts'
import type { CollectionStats, Include, ListPage, QueryOptions, QueryResult, ReadOptions, RowInput, RowView, WriteResult } from '../engine/types.ts'
import { DocumentIndex } from '../vectorize/document-index.ts'
import type { DocumentRow } from '../vectorize/document-rows.ts'
import type { StoreSettings } from '../store/open-store.ts'
import { searchPassages } from '../vectorize/passage-search.ts'
import type { CollectionSchema } from '../format/manifest.ts'
import { analyzerIdOf } from '../text/analyzer.ts'
import type { DocumentEngine } from './open-engine.ts'
import type { PastCollection } from '../engine/past-collection.ts'
import type { CollectionReader, Past, SnapshotInfo, SweepResult, Collection, CollectionChanges, TextFieldOptions, DocumentInfo, DocumentInput, DocumentPage, IndexedDocument, Passage, SearchOptions } from './types.ts'

/** What a handle needs besides the database; the embedding model is loaded when first needed. */
export interface LibraryContext {
  readonly database: Database
  readonly clock: Clock
  readonly random: Random
  loadModel(): Promise<EmbeddingModel>
  readonly storeSettings: StoreSettings
  /** Absent: documents are in the bucket. */
  readonly documentEngine?: DocumentEngine
}

/** A collection by name: survives that the name is dropped and made again. */
export class CollectionHandle implements Collection {
  readonly name: string
  readonly id: string
  readonly #context: LibraryContext

  constructor(name: string, id: string, context: LibraryContext) {
    this.name = name
    this.id = id
    this.#context = context
  }

  put(records: readonly RowInput[], options: { signal?: AbortSignal } = {}): Promise<WriteResult> {
    return this.#run((collection) => collection.write({ operations: records.map((row) => ({ op: 'put', row })) }, options))
  }

  get(keys: readonly string[], options: ReadOptions & { include?: Include } = {}): Promise<(RowView | null)[]> {
    return this.#run((collection) => collection.get(keys, { include: { vector: true, metadata: true, document: true }, ...options }))
  }

  delete(keys: readonly string[], options: { signal?: AbortSignal } = {}): Promise<WriteResult> {
    return this.#run((collection) => collection.write({ operations: keys.map((key) => ({ op: 'delete', key })) }, options))
  }

  deleteWhere(filter: unknown, options: { signal?: AbortSignal } = {}): Promise<WriteResult> {
    const parsed = parseFilter(filter)
    return this.#run((collection) => collection.write({ operations: [{ op: 'delete-where', filter: parsed }] }, options))
  }

  list(options: ReadOptions & { limit?: number; after?: string; filter?: unknown; include?: Include } = {}): Promise<ListPage> {
    const { filter, ...rest } = options
    const parsed = parsedFilter(filter)
    return this.#run((collection) => collection.list({ ...rest, ...parsed }))
  }

  query(options: Omit<QueryOptions, 'filter'> & { filter?: unknown }): Promise<QueryResult> {
    const { filter, ...rest } = options
    const parsed = parsedFilter(filter)
    return this.#run((collection) => collection.query({ ...rest, ...parsed }))
  }

  count(options: ReadOptions & { filter?: unknown } = {}): Promise<number> {
    const { filter, ...rest } = options
    const parsed = parsedFilter(filter)
    return this.#run((collection) => collection.count({ ...rest, ...parsed }))
  }

  stats(): Promise<CollectionStats> {
    return this.#run((collection) => collection.stats())
  }

  async update(change: (schema: CollectionSchema) => CollectionChanges): Promise<void> {
    await this.#run((collection) =>
      collection.write({
        operations: [],
        schema: (schema) => {
          const { textFields, custom } = change(schema)
          return { ...(textFields && { textFields: toTextFields(textFields) }), ...(custom && { custom }) }
        },
      }),
    )
  }

  async flush(): Promise<void> {
    await this.#run((collection) => collection.flush())
  }

  async merge(): Promise<boolean> {
    return this.#run((collection) => collection.merge({ isForced: true }))
  }

  async warm(): Promise<void> {
    await this.#run((collection) => collection.warm())
  }

  async sweep(): Promise<SweepResult | null> {
    const report = await this.#run((collection) => collection.sweep())
    return report && { deletedCount: report.deletedCount, plannedCount: report.plannedCount }
  }

  createSnapshot(name: string, past?: Past): Promise<SnapshotInfo> {
    return this.#run((collection) => collection.createSnapshot(name, past))
  }

  listSnapshots(): Promise<SnapshotInfo[]> {
    return this.#run((collection) => collection.listSnapshots())
  }

  async deleteSnapshot(name: string): Promise<void> {
    await this.#run((collection) => collection.deleteSnapshot(name))
  }

  async openSnapshot(name: string): Promise<CollectionReader> {
    return toReader(await this.#run((collection) => collection.openSnapshot(name)))
  }

  async openPast(past: Past): Promise<CollectionReader> {
    return toReader(await this.#run((collection) => collection.openPast(past)))
  }

  index(document: DocumentInput, options: { signal?: AbortSignal } = {}): Promise<IndexedDocument> {
    return this.#withDocuments((documents) => documents.index(document, options))
  }

  async listDocuments(options: ReadOptions & { limit?: number; after?: string; filter?: unknown; prefix?: string } = {}): Promise<DocumentPage> {
    const { documents, next } = await this.#withDocuments((index) => index.list(options))
    return { documents: documents.map(toInfo), ...(next !== undefined && { next }) }
  }

  async getDocument(source: string, options: ReadOptions = {}): Promise<DocumentInfo | null> {
    const row = await this.#withDocuments((documents) => documents.find(source, options))
    return row && toInfo(row)
  }

  deleteDocument(source: string): Promise<boolean> {
    return this.#withDocuments((documents) => documents.remove(source))
  }

  search(question: string, options: SearchOptions = {}): Promise<Passage[]> {
    return this.#withDocuments((documents, collection, model) => searchPassages(collection, documents, model, question, options))
  }

  #run<Value>(task: (collection: EngineCollection) => Promise<Value>): Promise<Value> {
    return this.#context.database.with(this.name, task)
  }

  async #withDocuments<Value>(task: (documents: DocumentIndex, collection: EngineCollection, model: EmbeddingModel) => Promise<Value>): Promise<Value> {
    const { clock, random } = this.#context
    const model = await this.#context.loadModel()
    return this.#run((collection) => task(new DocumentIndex(collection, { model, clock, random }), collection, model))
  }
}

/** The text fields of a schema: `document` first, always. */
export function toTextFields(textFields: readonly TextFieldOptions[], language = 'english'): CollectionSchema['textFields'] {
  const others = textFields.filter(({ field }) => field !== 'document')
  const own = textFields.find(({ field }) => field === 'document')
  return [{ field: 'document', analyzer: analyzerIdOf(own?.language ?? language) }, ...others.map((each) => ({ field: each.field, analyzer: analyzerIdOf(each.language ?? language) }))]
}

const everything: Include = { vector: true, metadata: true, document: true }

function toReader(past: PastCollection): CollectionReader {
  const withFilter = <Options extends { filter?: unknown }>({ filter, ...rest }: Options) => ({ ...rest, ...parsedFilter(filter) })
  return {
    get: (keys, options = {}) => past.get(keys, { include: everything, ...options }),
    list: (options = {}) => past.list(withFilter(options)),
    query: (options) => past.query(withFilter(options)),
    count: (options = {}) => past.count(withFilter(options)),
  }
}

function parsedFilter(filter: unknown): { filter?: Filter } {
  return filter === undefined ? {} : { filter: parseFilter(filter) }
}

function toInfo(row: DocumentRow): DocumentInfo {
  const { source, title, format, sizeBytes, sha256, chunkCount, state, error, indexedAt, metadata } = row
  return { source, format, sizeBytes, sha256, chunkCount, state, indexedAt, metadata, ...(title !== undefined && { title }), ...(error !== undefined && { error }) }
}
