import { createHash } from 'node:crypto'
import type { Filter } from '../../engine/query/filter.ts'
import type { Metadata } from '../../format/record.ts'
import type { ChunkPlace } from './destination.ts'

// Vector stores have no commits of many points. What makes the versions of a document change places at once is one point of a fixed
// id, its head: chunk 0 of the version that counts. Other chunks have ids of their version, and are seen only while the head names it.

/** Which chunk of which version. */
export interface PointName {
  /** `documentId` of vectorizer and path. */
  readonly document: string
  /** Ids of versions sort by time. */
  readonly version: string
  readonly index: number
}

/** What a head says of its version. */
export interface HeadFacts {
  readonly sha256: string
  readonly format: string
  readonly sizeBytes: number
  /** With the head; 0: the head is only there to say that the document has no text. */
  readonly chunkCount: number
  /** ISO 8601, UTC. */
  readonly indexedAt: string
}

/** A chunk as a vector store keeps it. Chunk 0 is the head; what is given back has a vector only where it was asked for. */
export interface Point extends PointName {
  readonly vectorizer: string
  readonly path: string
  readonly title?: string
  readonly text: string
  /** Of the text: `EmbeddedChunk.hash`. */
  readonly hash: string
  /** What made the vector. */
  readonly model: string
  /** Null where it is all zeros, which has no direction, or where a head has no text. */
  readonly vector: Float32Array | null
  readonly place: ChunkPlace
  readonly metadata: Metadata
  readonly head?: HeadFacts
}

/** A point that was found. */
export interface FoundPoint {
  readonly point: Point
  /** 1 - cos, of a search by vector. */
  readonly distance?: number
  /** Of a search by words. */
  readonly textScore?: number
}

interface Options {
  readonly signal?: AbortSignal | undefined
}

/**
 * Points in a vector store, all that `PointDestination` asks of one. Whatever has resolved is seen by every later call, unless
 * `isDelayed`; every call may be repeated.
 */
export interface PointStore {
  /** Of the destination: `qdrant:docs`. */
  readonly name: string
  /** Whether `findByWords` is of use. */
  readonly knowsWords: boolean
  /** Writes are seen some time later only: OpenSearch Serverless. Nothing can be proved by reading back what was written. */
  readonly isDelayed: boolean
  /** Makes the index when there is none. @throws {WindlassError} `invalid` where it is of another dimension, or of another use. */
  prepare(embedding: { dimension: number }): Promise<void>
  /** Stores points, each under the id of its name, in as many requests as it takes. @throws {WindlassError} when any of them was not stored. */
  put(points: readonly Point[], options?: Options): Promise<void>
  /** The heads of documents. */
  heads(documents: readonly string[], options?: Options): Promise<(Point | null)[]>
  /** Points by name; null for those that are not there. */
  get(names: readonly PointName[], options?: Options & { withVectors?: boolean }): Promise<(Point | null)[]>
  /** Versions, besides `except`, of which there are chunks other than a head; not necessarily all of them at once. */
  versions(document: string, except: readonly string[], options?: Options): Promise<string[]>
  /** Removes the chunks of a version but for its head. @param chunkCount How many there are at most, with the head; null: not known. */
  removeVersion(document: string, version: string, chunkCount: number | null, options?: Options): Promise<void>
  removeHead(document: string, options?: Options): Promise<void>
  /** All points of a vectorizer, or its heads, without vectors, in any order. */
  scan(vectorizer: string, options: Options & { onlyHeads: boolean }): AsyncIterable<readonly Point[]>
  /** Nearest first. `filter` may let pass more than it says, never less. */
  findByVector(vectorizer: string, vector: Float32Array, k: number, filter: Filter | undefined, options?: Options): Promise<FoundPoint[]>
  /** Best first; as `findByVector`. */
  findByWords(vectorizer: string, text: string, k: number, filter: Filter | undefined, options?: Options): Promise<FoundPoint[]>
  close?(): Promise<void>
}

/** Tells one document of one vectorizer from every other: 128 bits of SHA-256. */
export function documentId(vectorizer: string, path: string): string {
  return createHash('sha256').update(`${vectorizer}\n${path}`).digest('hex').slice(0, 32)
}

/** The id of a point as text. */
export function pointId({ document, version, index }: PointName): string {
  return index === 0 ? document : `${document}/${version}/${index}`
}

/** A point as JSON without its vector: what stores of JSON keep beside it. */
export function encodePayload({ vector: _, title, place, metadata, head, ...fields }: Point): Record<string, unknown> {
  return { ...fields, ...(title !== undefined && { title }), isHead: head !== undefined, place, metadata: plainJson(metadata), ...(head && { head }) }
}

/** Inverse of `encodePayload`; null for what we did not write. */
export function decodePayload(payload: unknown, vector: Float32Array | null): Point | null {
  if (typeof payload !== 'object' || payload === null) return null
  const { document, version, index, vectorizer, path, title, text, hash, model, place, metadata, head } = payload as Partial<Point>
  if (typeof document !== 'string' || typeof version !== 'string' || typeof index !== 'number' || typeof path !== 'string') return null
  return {
    ...{ document, version, index, path, vector },
    ...(title !== undefined && { title }),
    vectorizer: vectorizer ?? '',
    text: text ?? '',
    hash: hash ?? '',
    model: model ?? '',
    place: place ?? { index, headingPath: [] },
    metadata: metadata ?? {},
    ...(head && { head }),
  }
}

/** JSON has no 64-bit integers: those beyond 2^53 become text. */
export function plainJson(metadata: Metadata): Record<string, unknown> {
  const plain = (_: string, value: unknown) => (typeof value !== 'bigint' ? value : Number.isSafeInteger(Number(value)) ? Number(value) : String(value))
  return JSON.parse(JSON.stringify(metadata, plain)) as Record<string, unknown>
}
