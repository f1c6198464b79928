import type { Chunk } from '../../documents/document.ts'
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
}

interface AnyDestination {
  /** Stable, and unique in a vectorizer: `collection:docs`, `openai:vs_123`. */
  readonly name: string
  /** Everything that it holds for this vectorizer, to find what has drifted; also what a killed run left without the state knowing. */
  list(options?: { signal?: AbortSignal }): AsyncIterable<HeldDocument>
  /** Resolves when it is gone, or was not there. */
  remove(path: string, reference: Reference | null, options?: { signal?: AbortSignal }): Promise<void>
  close?(): Promise<void>
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
