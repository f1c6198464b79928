import { createHash } from 'node:crypto'
import { utf8Length } from '../../base/bytes.ts'
import type { RowInput, RowView } from '../../engine/types.ts'
import type { Reference } from '../destinations/destination.ts'
import { chunkHashLength } from '../document-rows.ts'

/** What a vectorizer remembers of one document. */
export interface FileState {
  readonly path: string
  /** `done`: every destination has it. `failed`: at least one does not; it is tried again at `retryAt`, if that is set. */
  readonly state: 'done' | 'failed'
  /** Of the bytes that the destinations hold; empty before the first success. */
  readonly sha256: string
  readonly sizeBytes: number
  /** Of metadata that came with the bytes. */
  readonly metadataHash?: string
  /** The source's, of those bytes, or of those that failed. */
  readonly revision?: string
  /** Of everything that decides what becomes of the bytes: parsing, chunking, formatting, metadata, embedding. */
  readonly recipe: string
  /** What made the vectors. */
  readonly model: string
  /** Of the chunks, in order; null where there are too many to keep. */
  readonly chunkHashes: readonly string[] | null
  readonly chunkCount: number
  /** By destination. */
  readonly references: Readonly<Record<string, Reference>>
  /** Milliseconds since 1970. */
  readonly vectorizedAt: number
  readonly failure?: Failure
}

/** Why a document could not be vectorized. */
export interface Failure {
  readonly step: FailureStep
  readonly kind: string
  readonly message: string
  readonly attempts: number
  /** Milliseconds since 1970; absent where only a change of the document, or a person, can help. */
  readonly retryAt?: number
  readonly at: number
}

export type FailureStep = 'loading' | 'parsing' | 'embedding' | 'storing'

/** Half a megabyte of hashes: a document of about 30 MB. */
const chunkHashesMax = 32_768
const keyBytesMax = 1000

/** The row of a document in the state's collection. */
export function fileKey(path: string): string {
  return boundedKey('f', path)
}

/** A key of a kind; a path too long for one is cut and told apart by its hash. */
export function boundedKey(kind: string, path: string): string {
  if (utf8Length(path) <= keyBytesMax) return kind + path
  const hash = createHash('sha256').update(path).digest('hex')
  return `${kind}${new TextDecoder().decode(new TextEncoder().encode(path).subarray(0, keyBytesMax - 80)).replace(/\uFFFD+$/, '')}~${hash}`
}

/** As a row: what is asked for by filter as metadata, the rest as JSON. */
export function encodeFileState(file: FileState): RowInput {
  const { state, sha256, chunkHashes, failure, ...rest } = file
  const kept = chunkHashes && chunkHashes.length <= chunkHashesMax ? chunkHashes.join('') : null
  return {
    key: fileKey(file.path),
    metadata: { kind: 'file', state, sha256, ...(failure && { step: failure.step }) },
    document: JSON.stringify({ ...rest, chunkHashes: kept, failure }),
  }
}

/** Inverse of `encodeFileState`. The row must have been read with metadata and document. */
export function decodeFileState(row: RowView): FileState {
  const { chunkHashes, ...rest } = JSON.parse(row.document!) as Omit<FileState, 'chunkHashes' | 'state' | 'sha256'> & { chunkHashes: string | null }
  const hashes = chunkHashes === null ? null : Array.from({ length: chunkHashes.length / chunkHashLength }, (_, i) => chunkHashes.slice(i * chunkHashLength, (i + 1) * chunkHashLength))
  return { ...rest, state: row.metadata!.state === 'failed' ? 'failed' : 'done', sha256: String(row.metadata!.sha256 ?? ''), chunkHashes: hashes }
}
