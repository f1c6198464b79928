import type { Chunk } from '../../documents/document.ts'
import type { Filter } from '../../engine/query/filter.ts'
import type { Fusion } from '../../engine/types.ts'
import type { Metadata } from '../../format/record.ts'

/** A document as a destination is told of it. */
export interface DocumentVersion {
  /** As its source names it. */
  readonly path: string
  /** Of its bytes, in hexadecimal. */
  readonly sha256: string
  readonly sizeBytes: number
  readonly contentType?: string
  readonly title?: string
  readonly format?: string
  readonly metadata: Metadata
}

/** What a destination must remember of a stored document to replace or remove it; kept in the sync state. */
export type Reference = Readonly<Record<string, string | number | boolean | readonly string[]>>

/** A chunk with its vector. */
export interface EmbeddedChunk {
  readonly chunk: Chunk
  /** What was embedded, and is stored as the text. */
  readonly text: string
  /** First 16 hexadecimal characters of the text's SHA-256. */
  readonly hash: string
  readonly vector: Float32Array
}

/** One document's new chunks on their way in. Until `commit` resolves, searches find the old ones, all of them. */
export interface DocumentWriter {
  write(chunks: readonly EmbeddedChunk[]): Promise<void>
  /** Takes the old chunks away. Called once, after the last `write`. */
  commit(): Promise<Reference>
  /** Takes back what `write` stored, as far as it can. */
  abort(): Promise<void>
}

/** A document that a destination holds, as it says itself. */
export interface HeldDocument {
  readonly path: string
  /** Absent where the destination does not keep it. */
  readonly sha256?: string
  readonly reference: Reference
  /** What a list of files shows of it; absent where the destination cannot be searched. */
  readonly facts?: DocumentFacts
}

/** What is known of a document besides its path and its bytes' sum. */
export interface DocumentFacts {
  readonly title?: string
  readonly format: string
  readonly sizeBytes: number
  readonly chunkCount: number
  /** ISO 8601, UTC. */
  readonly indexedAt: string
  /** Of the vectors; those of another model cannot be compared with them. */
  readonly model: string
  readonly metadata: Metadata
}

export interface ListHeldOptions {
  readonly signal?: AbortSignal
  readonly isAlone?: () => Promise<boolean>
}

interface AnyDestination {
  /** Stable, and unique in a vectorizer: `collection:docs`, `openai:vs_123`. */
  readonly name: string
  /**
   * Everything that it holds for this vectorizer, to find what has drifted; also what a killed run left without the state knowing.
   * @param options.isAlone Asked late: whether no other worker is at work. Then what is half stored was left, however young it is.
   */
  list(options?: ListHeldOptions): AsyncIterable<HeldDocument>
  /** Resolves when it is gone, or was not there. */
  remove(path: string, reference: Reference | null, options?: { signal?: AbortSignal }): Promise<void>
  /** Called when a run has done all that there was to do, with everything that the state knows, whether this destination holds it or not. */
  finish?(documents: AsyncIterable<NotedDocument>): Promise<void>
  close?(): Promise<void>
}

/** A document as the state knows it. */
export interface NotedDocument {
  readonly path: string
  /** Empty before it was stored for the first time. */
  readonly sha256: string
  /** Null where this destination does not hold it. */
  readonly reference: Reference | null
}

/** Takes chunks with vectors: our own collections, and other vector stores. */
export interface ChunkDestination extends AnyDestination {
  readonly takes: 'chunks'
  /** Called before the first write of a run. @throws {WindlassError} `invalid` when its vectors are of another dimension or model. */
  prepare(embedding: { dimension: number; model: string }): Promise<void>
  begin(document: DocumentVersion, previous: Reference | null, options?: { signal?: AbortSignal }): Promise<DocumentWriter>
  /**
   * Vectors of chunks that it holds, so that they need not be embedded again; null for one that it does not have (any more).
   * @param chunks Places (`Chunk.index`) and hashes in the stored version of the document.
   */
  vectors(path: string, reference: Reference | null, chunks: readonly { index: number; hash: string }[]): Promise<(Float32Array | null)[]>
}

/** What is looked for: by meaning, by words, or by both. One of `vector` and `text` is there. */
export interface ChunkQuery {
  readonly vector?: Float32Array
  readonly text?: string
  readonly k: number
  /** On the documents' metadata, and on `source`, their path. Integers beyond 2^53 are compared as text where engines keep them so. */
  readonly filter?: Filter
  /** How both are put together; default as in a collection. */
  readonly fusion?: Fusion
}

/** A chunk that was found. */
export interface ChunkMatch {
  readonly key: string
  readonly path: string
  readonly title?: string
  /** As it was stored: what was embedded. */
  readonly text: string
  /** Higher is better: as the collection's `Match.score`. */
  readonly score: number
  /** 1 - cos; absent when the query had no vector, or the words alone found it. */
  readonly distance?: number
  /** Of the words alone; engines count differently. */
  readonly textScore?: number
  readonly place: ChunkPlace
  readonly metadata: Metadata
}

/** Where in its document a chunk stands. */
export type ChunkPlace = Omit<Chunk, 'text' | 'embeddingText' | 'tokenCount'>

/** A destination that is asked too: what is in it serves the same questions as a collection. */
export interface SearchableDestination extends ChunkDestination {
  /**
   * The best chunks of the versions that were committed last, best first; never those of two versions of one document.
   * @throws {WindlassError} `unsupported` for words where the engine knows only vectors and the query has none.
   */
  search(query: ChunkQuery, options?: { signal?: AbortSignal }): Promise<ChunkMatch[]>
  /** The version of a document that searches find, with its facts. */
  find(path: string, options?: { signal?: AbortSignal }): Promise<HeldDocument | null>
  /** As `list`, with facts, and only what searches find. */
  documents(options?: { signal?: AbortSignal }): AsyncIterable<HeldDocument>
}

/** Whether a destination can be asked. */
export function isSearchable(destination: Destination): destination is SearchableDestination {
  return destination.takes === 'chunks' && 'search' in destination
}

/** Takes whole files and does the rest itself: OpenAI's vector stores. */
export interface FileDestination extends AnyDestination {
  readonly takes: 'files'
  /** Called before the first write of a run. @throws {WindlassError} `not-found`, `unauthenticated` … */
  prepare(): Promise<void>
  /** Stores it and then takes the previous version away; what it stored itself is removed again when it fails. */
  replace(document: DocumentVersion, bytes: () => AsyncIterable<Uint8Array>, previous: Reference | null, options?: { signal?: AbortSignal }): Promise<Reference>
  /** Gives what is stored as `previous` another path; absent where only `replace` can. */
  rename?(document: DocumentVersion, previous: Reference, options?: { signal?: AbortSignal }): Promise<Reference>
}

export type Destination = ChunkDestination | FileDestination
