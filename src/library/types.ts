import type { ListPage, Match, QueryOptions, QueryResult, QueryStats, ReadOptions, RowInput, RowView, WriteResult, CollectionStats, Include, Fusion } from '../engine/types.ts'
import type { VectorizerInput } from '../vectorize/declaration/declaration.ts'
import type { AudioHandle, AudioOptions } from './audio-handle.ts'
import type { Vectorizer } from '../vectorize/vectorizer.ts'
import type { IdentifiedCollection } from './identified-collection.ts'
import type { Namespace } from '../engine/namespaces.ts'
import type { MapOutcome, MapState } from './map/map-maker.ts'
import type { JsonValue } from '../format/json-shape.ts'
import type { CollectionSchema } from '../format/manifest.ts'
import type { Metadata } from '../format/record.ts'

/** What a new collection is. The dimension may wait for the first put. */
export interface CollectionOptions {
  readonly dimension?: number
  readonly metric?: 'cosine' | 'dot' | 'euclidean'
  /** Language of the full-text analyzer; default `english`. */
  readonly language?: string
  /** Full-text indexes on metadata keys that hold a string, besides the one on `document`. */
  readonly textFields?: readonly TextFieldOptions[]
  /** Metadata keys that no filter finds: large values that are only returned. */
  readonly nonFilterableKeys?: readonly string[]
  /** What a program keeps of its own; JSON. */
  readonly custom?: Readonly<Record<string, JsonValue>>
}

export interface TextFieldOptions {
  readonly field: string
  readonly language?: string
}

/** What may change of a collection once it is made. Undefined: stays. */
export interface CollectionChanges {
  readonly textFields?: readonly TextFieldOptions[]
  readonly custom?: Readonly<Record<string, JsonValue>>
}

/** Names that hold collections: vector buckets, tenants, databases. One small object each, replaced by compare-and-swap. */
export interface NamespaceDirectory {
  find(name: string): Promise<Namespace | null>
  /** @throws {WindlassError} `conflict` when the name is taken. */
  create(name: string, value: Namespace['value']): Promise<Namespace>
  /** `change` runs again when somebody else changed it meanwhile. @throws {WindlassError} `not-found`. */
  update(name: string, change: (namespace: Namespace) => Namespace): Promise<Namespace>
  /** @throws {WindlassError} `conflict` when `isEmpty` says no, `not-found`. */
  remove(name: string, isEmpty: () => Promise<boolean>): Promise<void>
  list(options: { start?: string; after?: string; limit: number }): Promise<{ names: string[]; next?: string }>
}

/** A file to index. `open` is called a second time when the file is too large to keep while it is hashed. */
export interface DocumentInput {
  /** Path or URL: the document's identity in the collection, and its extension a hint to the format. */
  readonly source: string
  readonly contentType?: string
  readonly size?: number
  readonly metadata?: Metadata
  open(): AsyncIterable<Uint8Array>
}

export interface IndexedDocument {
  readonly source: string
  readonly status: 'new' | 'changed' | 'unchanged'
  readonly chunkCount: number
  readonly sizeBytes: number
}

export interface DocumentInfo {
  readonly source: string
  readonly title?: string
  readonly format: string
  readonly sizeBytes: number
  readonly sha256: string
  readonly chunkCount: number
  readonly state: 'indexed' | 'failed'
  readonly error?: string
  /** ISO 8601, UTC. */
  readonly indexedAt: string
  readonly metadata: Metadata
}

export interface DocumentPage {
  readonly documents: readonly DocumentInfo[]
  readonly next?: string
}

export interface SearchOptions extends ReadOptions {
  readonly k?: number
  /** Filter JSON on metadata. */
  readonly filter?: unknown
  readonly mode?: 'hybrid' | 'vector' | 'text'
  readonly fusion?: Fusion
  /** Told what the search did, before it resolves; not by another engine than the bucket. */
  readonly onStats?: (stats: QueryStats) => void
}

/** A passage that answers a question. */
export interface Passage {
  readonly key: string
  readonly source: string
  readonly title?: string
  readonly headingPath: readonly string[]
  readonly page?: number
  readonly lineStart?: number
  readonly lineEnd?: number
  readonly byteStart?: number
  readonly byteEnd?: number
  readonly text: string
  /** Words of the question in `text`: [start, end) in UTF-16 units, in order. */
  readonly highlights: readonly { readonly start: number; readonly end: number }[]
  readonly score: number
  readonly distance?: number
  readonly textScore?: number
  readonly metadata: Metadata
}

/** A moment: a log number, or a time in milliseconds since 1970. */
export type Past = { readonly seq: number } | { readonly time: number }

export interface SnapshotInfo {
  readonly name: string
  /** Log number of the last commit it holds. */
  readonly seq: number
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

/** A collection as it was: reads only, and never changes. */
export interface CollectionReader {
  get(keys: readonly string[], options?: { include?: Include; signal?: AbortSignal }): Promise<(RowView | null)[]>
  list(options?: { limit?: number; after?: string; filter?: unknown; include?: Include; signal?: AbortSignal }): Promise<ListPage>
  query(options: Omit<QueryOptions, 'filter' | 'consistency'> & { filter?: unknown }): Promise<QueryResult>
  count(options?: { filter?: unknown; signal?: AbortSignal }): Promise<number>
}

/** What a visit of a sweep did; null where the last one is less than a grace period ago. */
export interface SweepResult {
  readonly deletedCount: number
  /** Objects that wait for the next visit. */
  readonly plannedCount: number
}

/** A named set of records with one dimension and one metric. `filter` arguments are filter JSON, see docs/filters.md. */
export interface Collection {
  readonly name: string
  readonly id: string
  /** Writes one batch, all or nothing; durable and visible to every process when it resolves. */
  put(records: readonly RowInput[], options?: { signal?: AbortSignal }): Promise<WriteResult>
  /** In the order asked; null where the key is absent. */
  get(keys: readonly string[], options?: ReadOptions & { include?: Include }): Promise<(RowView | null)[]>
  delete(keys: readonly string[], options?: { signal?: AbortSignal }): Promise<WriteResult>
  deleteWhere(filter: unknown, options?: { signal?: AbortSignal }): Promise<WriteResult>
  list(options?: ReadOptions & { limit?: number; after?: string; filter?: unknown; include?: Include }): Promise<ListPage>
  query(options: Omit<QueryOptions, 'filter'> & { filter?: unknown }): Promise<QueryResult>
  count(options?: ReadOptions & { filter?: unknown }): Promise<number>
  stats(): Promise<CollectionStats>
  /** Changes what may change, in one commit. `change` is asked at its place in the log. */
  update(change: (stats: CollectionSchema) => CollectionChanges): Promise<void>
  flush(): Promise<void>
  /** Joins segments into as few as may be, now; it happens by itself, when it is due. @returns whether anything changed. */
  merge(): Promise<boolean>
  /** Reads vector indexes into memory ahead of the first query, as far as the memory budget reaches. */
  warm(): Promise<void>
  /** Deletes objects that nothing has named for a grace period, and plans the next visit. It happens by itself after writes. */
  sweep(): Promise<SweepResult | null>

  /** Keeps the collection as it is, or was, under a name: two small objects, whatever its size. */
  createSnapshot(name: string, past?: Past): Promise<SnapshotInfo>
  /** Oldest first. */
  listSnapshots(): Promise<SnapshotInfo[]>
  /** @throws {WindlassError} `not-found`. */
  deleteSnapshot(name: string): Promise<void>
  /** The collection as it was when the snapshot was made. @throws {WindlassError} `not-found`. */
  openSnapshot(name: string): Promise<CollectionReader>
  /** The collection as it was then. @throws {WindlassError} `expired` beyond what history keeps, a day by default. */
  openPast(past: Past): Promise<CollectionReader>

  /** Parses, chunks, embeds and stores one file; its old chunks go in the same commit. Unchanged files cost no write. */
  index(document: DocumentInput, options?: { signal?: AbortSignal }): Promise<IndexedDocument>
  listDocuments(options?: ReadOptions & { limit?: number; after?: string; filter?: unknown; prefix?: string }): Promise<DocumentPage>
  getDocument(source: string, options?: ReadOptions): Promise<DocumentInfo | null>
  /** Removes the file and all its chunks in one commit. @returns whether it was there. */
  deleteDocument(source: string, options?: { signal?: AbortSignal }): Promise<boolean>
  /** Finds passages by meaning and by words. */
  search(question: string, options?: SearchOptions): Promise<Passage[]>
}

/** Files, kept and searched: by a collection of the bucket, or by another engine. */
export type DocumentCollection = Pick<Collection, 'name' | 'index' | 'listDocuments' | 'getDocument' | 'deleteDocument' | 'search'>

export interface CollectionSummary {
  readonly name: string
  readonly id: string
}

export interface HealthCheck {
  readonly name: string
  /** The collection it is about, if one. */
  readonly collection?: string
  readonly ok: boolean
  readonly detail: string
}

export interface Health {
  readonly ok: boolean
  readonly bucket: string
  readonly checks: readonly HealthCheck[]
}

/** What is stored under a collection's own prefix, by kind of object; what a branch shares with its origin is the origin's. */
export interface StorageReport {
  readonly kinds: Readonly<Record<string, { readonly objectCount: number; readonly sizeBytes: number }>>
  readonly objectCount: number
  readonly sizeBytes: number
  /** False: there are more objects than were listed. */
  readonly isComplete: boolean
}

export interface Problem {
  readonly object: string
  readonly message: string
}

/** Maps of collections: records in the plane, such that near ones stay near. One is made at a time; it is kept in the bucket. */
export interface CollectionMaps {
  state(collection: Collection): Promise<MapState>
  /**
   * Makes a map, unless that is under way, or less than a tenth of the records has changed since the last one and `force` is not set.
   * @returns When it ends, how; it never rejects.
   */
  start(collection: Collection, options?: { force?: boolean }): Promise<MapOutcome>
  /** Gives up what is under way. */
  cancel(collectionId: string): Promise<void>
  /** Gives up what is under way, and forgets the map. */
  remove(collectionId: string): Promise<void>
}

/** A bucket, opened. */
export interface Bucket {
  readonly url: string
  readonly namespaces: NamespaceDirectory
  readonly maps: CollectionMaps
  createCollection(name: string, options?: CollectionOptions): Promise<Collection>
  /** @throws {WindlassError} `not-found`. */
  collection(name: string): Promise<Collection>
  getOrCreateCollection(name: string, options?: CollectionOptions): Promise<Collection>
  /**
   * The documents under a name: those of the collection, or, opened with a `documentEngine`, those that it keeps under that name.
   * @throws {WindlassError} `not-found` for a collection that is not there; an engine has every name.
   */
  documents(name: string): Promise<DocumentCollection>
  listCollections(options?: { prefix?: string; after?: string; limit?: number }): Promise<{ collections: CollectionSummary[]; next?: string }>
  dropCollection(name: string): Promise<void>
  /** The collection that has `id`, whatever its name is now. @throws {WindlassError} `not-found`. */
  collectionById(id: string): Promise<IdentifiedCollection>
  /** What `name` stands for at this moment, in all processes. @throws {WindlassError} `not-found`. */
  identifyCollection(name: string): Promise<IdentifiedCollection>
  /** Keeps id and records. @throws {WindlassError} `conflict` when `to` is taken, `not-found`. */
  renameCollection(from: string, to: string): Promise<void>
  /**
   * Makes collection `to` as `from` is now, or was at a snapshot, in constant time: the two share what they have in common.
   * @throws {WindlassError} `conflict` when `to` is taken, `not-found`.
   */
  branchCollection(from: string, to: string, options?: { snapshot?: string }): Promise<Collection>
  /** Makes a collection what it was at a snapshot; its snapshots stay. @throws {WindlassError} `not-found`, `conflict`. */
  restoreCollection(name: string, snapshot: string): Promise<Collection>
  /** Deep: reaches the bucket, proves conditional writes, reads every open collection's lag and last maintenance error. */
  health(): Promise<Health>
  /** Lists the objects of a collection, 100,000 at most: one request for a thousand. @throws {WindlassError} `not-found`. */
  storage(name: string, options?: { signal?: AbortSignal }): Promise<StorageReport>
  /** Reads every object the collection names and checks every checksum. `notes` are oddities that damage nothing. */
  verify(name: string): Promise<{ objectCount: number; sizeBytes: number; problems: Problem[]; notes: Problem[] }>
  /** Recovers what can be: a lost manifest from its last copy and the log, damaged segments from snapshots and the log; names what cannot. */
  repair(name: string): Promise<{ repaired: Problem[]; problems: Problem[] }>
  /** The recordings of this bucket: who speaks when, what they say, and searches in it. Each call opens them anew, with its own options. */
  audio(options?: AudioOptions): Promise<AudioHandle>
  /**
   * Keeps destinations in step with a source; what it remembers is in this bucket.
   * @param options.environment Where secrets are read from, by name; default: the process's. @param options.folder Where relative paths start.
   * @throws {WindlassError} `invalid`, naming what is wrong in the declaration.
   */
  vectorizer(declaration: VectorizerInput, options?: { environment?: Readonly<Record<string, string | undefined>>; folder?: string }): Vectorizer
  /** What the vector queries that `engine.recallSample` chose found of what an exact search finds. */
  liveRecall(): { readonly queries: number; readonly expected: number; readonly found: number }
  /** Requests and bytes since opening, by operation. */
  requestCounts(): { readonly requests: Readonly<Record<string, number>>; readonly bytesRead: number; readonly bytesWritten: number }
  /** Flushes what this process wrote and releases the store. */
  close(): Promise<void>
}

export type { MapOutcome, MapState, Vectorizer, CollectionSchema, JsonValue, Namespace, Match, RowInput, RowView, WriteResult, QueryResult, CollectionStats, ListPage }
