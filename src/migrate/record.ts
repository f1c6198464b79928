import { createHash } from 'node:crypto'
import { fromUtf8Lenient, toUtf8, utf8Length } from '../base/bytes.ts'
import { messageOf } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import { encodeMetadata, type Metadata } from '../format/record.ts'

/** A record on its way, wherever it comes from. */
export interface MovedRecord {
  readonly key: string
  readonly vector: Float32Array
  readonly metadata: Metadata
  readonly document?: string
}

/** What a source gives: a record, or what there was instead of one. */
export type SourceItem = { readonly record: MovedRecord } | { readonly problem: Problem }

/** What could not be read or written, and why. */
export interface Problem {
  /** For people: `vectors/17.json`, `vectors/all.jsonl, item 12`. */
  readonly where: string
  readonly reason: string
}

/** Sixteen hexadecimal characters that are the same for the same content: 64 bits of SHA-256 over vector, metadata (keys sorted), text. */
export function fingerprint({ vector, metadata, document }: Pick<MovedRecord, 'vector' | 'metadata' | 'document'>): string {
  const hash = createHash('sha256')
  hash.update(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength))
  hash.update(canonical(metadata))
  hash.update(document === undefined ? '-' : `+${document}`)
  return hash.digest('hex').slice(0, 16)
}

/** Why our engine cannot take a record; null where it can. */
export function checkRecord({ key, vector, metadata, document }: MovedRecord): string | null {
  if (key === '') return 'the id is empty'
  const keyBytes = utf8Length(key)
  if (keyBytes > limits.keyBytesMax) return `the id has ${keyBytes} bytes, at most ${limits.keyBytesMax} are allowed`
  if (fromUtf8Lenient(toUtf8(key)) !== key) return 'the id has half a surrogate pair in it'
  if (vector.length > limits.dimensionMax) return `the vector has ${vector.length} values, at most ${limits.dimensionMax} are allowed`
  const place = vector.findIndex((value) => !Number.isFinite(value))
  if (place >= 0) return `value ${place} of the vector is beyond the range of 32-bit floats, or no number`
  try {
    const { length } = encodeMetadata(metadata)
    if (length > limits.metadataBytesMax) return `the metadata has ${length} bytes, at most ${limits.metadataBytesMax} are allowed`
  } catch (error) {
    return messageOf(error)
  }
  if (document !== undefined && utf8Length(document) > limits.documentBytesMax) return `the text has ${utf8Length(document)} bytes, at most ${limits.documentBytesMax} are allowed`
  return null
}

/** Bytes that a record takes in a batch, about. */
export function sizeOf({ key, vector, metadata, document = '' }: MovedRecord): number {
  return 4 * vector.length + 3 * (key.length + canonical(metadata).length + document.length) + 64
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => {
    if (typeof each === 'bigint') return Number(each)
    if (typeof each !== 'object' || each === null || Array.isArray(each)) return each
    return Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}
