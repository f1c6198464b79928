import { WindlassError } from '../../base/errors.ts'
import type { ChromaClient, EmbeddingFunction } from './embedded-client.ts'
import type { Plain } from './plain-values.ts'

export interface CollectionInfo {
  readonly id: string
  readonly name: string
  readonly metadata: Record<string, Plain> | null
  readonly configuration_json: Plain
}

/** Records by column. Without embeddings the documents are embedded. */
export interface Records {
  readonly ids: readonly string[]
  readonly embeddings?: readonly (readonly number[] | Float32Array)[]
  readonly documents?: readonly (string | null)[]
  readonly metadatas?: readonly (Record<string, Plain> | null)[]
  readonly uris?: readonly (string | null)[]
}

export type IncludeName = 'distances' | 'documents' | 'embeddings' | 'metadatas' | 'uris'

interface Conditions {
  readonly ids?: readonly string[]
  readonly where?: Plain
  readonly whereDocument?: Plain
}

/** Columns of the records found; null where a column was not asked for. */
export interface GetResult {
  readonly ids: string[]
  readonly embeddings: (number[] | null)[] | null
  readonly documents: (string | null)[] | null
  readonly metadatas: (Record<string, Plain> | null)[] | null
  readonly uris: (string | null)[] | null
}

/** As `GetResult`, one list per query, with distances. */
export interface QueryResult {
  readonly ids: string[][]
  readonly embeddings: (number[] | null)[][] | null
  readonly documents: (string | null)[][] | null
  readonly metadatas: (Record<string, Plain> | null)[][] | null
  readonly uris: (string | null)[][] | null
  readonly distances: number[][] | null
}

/** A collection of an embedded client. */
export class EmbeddedCollection {
  readonly id: string
  readonly configuration: Plain
  #name: string
  #metadata: Record<string, Plain> | null
  readonly #client: ChromaClient
  readonly #embeddingFunction: EmbeddingFunction | undefined

  constructor(client: ChromaClient, { id, name, metadata, configuration_json }: CollectionInfo, embeddingFunction?: EmbeddingFunction) {
    this.id = id
    this.configuration = configuration_json
    this.#name = name
    this.#metadata = metadata
    this.#client = client
    this.#embeddingFunction = embeddingFunction
  }

  get name(): string {
    return this.#name
  }

  get metadata(): Record<string, Plain> | null {
    return this.#metadata
  }

  /** Adds records; those whose id is there stay as they are. */
  async add(records: Records): Promise<void> {
    await this.#post('add', await this.#embedded(records))
  }

  /** Adds records, or changes those that are there: metadata key by key, and what is not given stays. */
  async upsert(records: Records): Promise<void> {
    await this.#post('upsert', await this.#embedded(records))
  }

  /** Changes records that are there; the others are passed over. */
  async update(records: Records): Promise<void> {
    const embeds = records.documents && !records.embeddings && this.#embeddingFunction
    await this.#post('update', embeds ? await this.#embedded(records) : records)
  }

  /** @returns how many ids were named, or records matched. */
  async delete({ ids, where, whereDocument, limit }: Conditions & { limit?: number }): Promise<number> {
    const { deleted } = (await this.#post('delete', { ids, where, where_document: whereDocument, limit })) as { deleted: number }
    return deleted
  }

  async get({ ids, where, whereDocument, limit, offset, include }: Conditions & { limit?: number; offset?: number; include?: readonly IncludeName[] } = {}): Promise<GetResult> {
    return (await this.#post('get', { ids, where, where_document: whereDocument, limit, offset, include })) as unknown as GetResult
  }

  async query(options: Conditions & { queryEmbeddings?: readonly (readonly number[] | Float32Array)[]; queryTexts?: readonly string[]; nResults?: number; include?: readonly IncludeName[] }): Promise<QueryResult> {
    const { ids, where, whereDocument, nResults, include, queryTexts = [] } = options
    const vectors = options.queryEmbeddings ?? (await this.#embed(queryTexts))
    return (await this.#post('query', { query_embeddings: vectors, n_results: nResults, ids, where, where_document: whereDocument, include })) as unknown as QueryResult
  }

  peek({ limit = 10 }: { limit?: number } = {}): Promise<GetResult> {
    return this.get({ limit, include: ['documents', 'embeddings', 'metadatas', 'uris'] })
  }

  async count(): Promise<number> {
    return (await this.#client.call('GET', '/collections/{collection}/count', { collection: this.id })) as number
  }

  /** Hybrid search: `searches` as clients of Chroma put them on the wire. */
  async search(...searches: Plain[]): Promise<Plain> {
    return this.#post('search', { searches })
  }

  async modify({ name, metadata, configuration }: { name?: string; metadata?: Record<string, Plain>; configuration?: Plain }): Promise<void> {
    await this.#client.call('PUT', '/collections/{collection}', { collection: this.id, body: { new_name: name, new_metadata: metadata, new_configuration: configuration } })
    this.#name = name ?? this.#name
    this.#metadata = metadata ?? this.#metadata
  }

  /** Another collection that begins as this one is, in constant time. */
  async fork({ name }: { name: string }): Promise<EmbeddedCollection> {
    const info = await this.#post('fork', { new_name: name })
    return new EmbeddedCollection(this.#client, info as unknown as CollectionInfo, this.#embeddingFunction)
  }

  #post(call: string, body: object): Promise<Plain> {
    return this.#client.call('POST', `/collections/{collection}/${call}`, { collection: this.id, body: body as Plain })
  }

  async #embedded(records: Records): Promise<Records> {
    if (records.embeddings) return records
    return { ...records, embeddings: await this.#embed((records.documents ?? []).map((document) => document ?? '')) }
  }

  async #embed(texts: readonly string[]): Promise<number[][]> {
    if (!this.#embeddingFunction) throw new WindlassError('invalid', `collection ${JSON.stringify(this.#name)} was opened without an embedding function: give embeddings`, { path: 'embeddings' })
    return this.#embeddingFunction.generate([...texts])
  }
}
