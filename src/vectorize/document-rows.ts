import { toIsoTime } from '../base/clock.ts'
import { WindlassError } from '../base/errors.ts'
import type { Chunk } from '../documents/document.ts'
import type { RowInput, RowView } from '../engine/types.ts'
import type { Metadata, MetadataValue } from '../format/record.ts'

/** What the collection knows of one source file. */
export interface DocumentRow {
  readonly source: string
  readonly version: string
  readonly title: string | undefined
  readonly format: string
  readonly sizeBytes: number
  readonly sha256: string
  readonly chunkCount: number
  readonly state: 'indexed' | 'failed'
  readonly error: string | undefined
  readonly indexedAt: string
  /** Set when the document was too large for one commit: only its chunks of this generation count. */
  readonly generation: string | undefined
  readonly metadata: Metadata
  /** Keys of its chunks are made of these; empty for a document with a generation. */
  readonly chunkHashes: readonly string[]
}

// Names that we write; a caller's metadata may not use them.
const chunkFields = ['source', 'title', 'heading', 'chunk', 'page', 'lineStart', 'lineEnd', 'byteStart', 'byteEnd', 'generation'] as const
const documentFields = ['source', 'title', 'format', 'sizeBytes', 'sha256', 'chunkCount', 'state', 'error', 'indexedAt', 'generation'] as const
const reserved = new Set<string>([...chunkFields, ...documentFields])

/** Characters of the hash of a chunk's embedded text that its key keeps: 64 bits, compared only within one document. */
export const chunkHashLength = 16

/** @throws {WindlassError} `invalid` when metadata uses a name of ours. */
export function checkDocumentMetadata(metadata: Metadata): void {
  for (const key of Object.keys(metadata)) {
    if (reserved.has(key)) throw new WindlassError('invalid', `metadata key ${JSON.stringify(key)} is one that windlass writes: rename it`, { path: `metadata.${key}` })
  }
}

/** The row of a document, in the documents space. */
export function encodeDocumentRow(row: Omit<DocumentRow, 'version' | 'indexedAt'>, nowMs: number): RowInput {
  const { source, title, format, sizeBytes, sha256, chunkCount, state, error, generation, metadata, chunkHashes } = row
  return {
    key: source,
    document: chunkHashes.join(''),
    metadata: withoutUndefined({ ...metadata, source, title, format, sizeBytes, sha256, chunkCount, state, error, generation, indexedAt: toIsoTime(nowMs) }),
  }
}

/** Inverse of `encodeDocumentRow`. */
export function decodeDocumentRow(view: RowView): DocumentRow {
  const fields = view.metadata ?? {}
  const text = (name: string): string | undefined => (typeof fields[name] === 'string' ? fields[name] : undefined)
  const count = (name: string): number => Number(fields[name] ?? 0)
  const hashes = view.document ?? ''
  return {
    source: view.key,
    version: view.version,
    title: text('title'),
    format: text('format') ?? 'unknown',
    sizeBytes: count('sizeBytes'),
    sha256: text('sha256') ?? '',
    chunkCount: count('chunkCount'),
    state: text('state') === 'failed' ? 'failed' : 'indexed',
    error: text('error'),
    indexedAt: text('indexedAt') ?? '',
    generation: text('generation'),
    metadata: callersOwn(fields),
    chunkHashes: Array.from({ length: hashes.length / chunkHashLength }, (_, i) => hashes.slice(i * chunkHashLength, (i + 1) * chunkHashLength)),
  }
}

/** The record of a chunk. @param text What was embedded: the heading path and the passage, so that both are found by their words. */
export function encodeChunkRow(
  key: string,
  chunk: Chunk,
  text: string,
  vector: Float32Array,
  document: { source: string; title: string | undefined; generation: string | undefined; metadata: Metadata },
): RowInput {
  const { index, headingPath, page, lineStart, lineEnd, byteStart, byteEnd } = chunk
  const { source, title, generation } = document
  const place = { source, title, heading: headingPath.length > 0 ? headingPath : undefined, chunk: index, page, lineStart, lineEnd, byteStart, byteEnd, generation }
  return { key, vector, document: text, metadata: withoutUndefined({ ...document.metadata, ...place }) }
}

/** What is embedded, and searched by words: the heading path, then the passage. */
export function indexedText(chunk: Pick<Chunk, 'headingPath' | 'text'>): string {
  return headingPrefix(chunk.headingPath) + chunk.text
}

/** The passage of a chunk's record, without the heading path in front. */
export function passageOf(document: string, headingPath: readonly string[]): string {
  const prefix = headingPrefix(headingPath)
  return document.startsWith(prefix) ? document.slice(prefix.length) : document
}

/** A record's metadata without the fields that we wrote. */
export function callersOwn(metadata: Metadata): Metadata {
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => !reserved.has(key)))
}

function headingPrefix(headingPath: readonly string[]): string {
  return headingPath.length === 0 ? '' : `${headingPath.join(' > ')}\n\n`
}

function withoutUndefined(fields: Record<string, MetadataValue | undefined>): Metadata {
  return Object.fromEntries(Object.entries(fields).filter((entry): entry is [string, MetadataValue] => entry[1] !== undefined))
}
