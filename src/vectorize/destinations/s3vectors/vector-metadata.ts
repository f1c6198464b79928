import { utf8Length } from '../../../base/bytes.ts'
import type { Metadata, MetadataValue } from '../../../format/record.ts'
import { plainJson, type Point } from '../point-store.ts'

/** Limits of AWS S3 Vectors on the metadata of one vector (user guide, "Limitations and restrictions"). */
export const metadataLimits = { bytes: 40 * 1024, filterableBytes: 2 * 1024, keys: 50 } as const

/** Keys that no filter finds, so that they do not count as filterable: the text, and everything else as JSON. */
export const nonFilterableKeys = ['text', 'record'] as const

/** What stands where a text, or metadata, had to be left out. */
export const cutMarker = ' … [cut]'

type Scalar = string | number | boolean
type VectorMetadata = Record<string, Scalar | Scalar[]>

// The rest is the text's, which is what answers are made of.
const recordBytesMax = 20 * 1024
/** Keys and a little more. */
const reservedBytes = 256

/**
 * The metadata of a vector: ours and the document's path to filter by, then as much of the caller's as fits; the record has all of it.
 * Sizes are UTF-8 bytes of keys and values. What is too long for a filter cannot be filtered by; a text that is too long is cut, and
 * says so.
 */
export function encodeVectorMetadata(point: Point): VectorMetadata {
  const { document, version, vectorizer, path, text, head } = point
  const fields: VectorMetadata = { windlass: document, version, vectorizer, isHead: head !== undefined }
  let room = metadataLimits.filterableBytes - Object.entries(fields).reduce((sum, [key, value]) => sum + sizeOf(key, value), 0)
  const metadata = plainJson(point.metadata) as Metadata
  for (const [key, given] of Object.entries({ source: path, ...metadata, ...({ source: path } as Metadata) })) {
    const value = filterableOf(given)
    // Ours keep their names, and a name with $ is an operator's.
    if (value === null || key in fields || key === '' || key.startsWith('$') || (nonFilterableKeys as readonly string[]).includes(key)) continue
    const size = sizeOf(key, value)
    if (size > room || Object.keys(fields).length + nonFilterableKeys.length >= metadataLimits.keys) continue
    fields[key] = value
    room -= size
  }
  const record = encodeRecord(point, metadata)
  const textRoom = metadataLimits.bytes - metadataLimits.filterableBytes - utf8Length(record) - reservedBytes
  return { ...fields, text: cut(text, textRoom), record }
}

/** Inverse of `encodeVectorMetadata`, as far as nothing was cut; null for vectors that we did not put. */
export function decodeVectorMetadata(metadata: unknown, vector: Float32Array | null): Point | null {
  const { windlass: document, version, vectorizer, text = '', record } = (metadata ?? {}) as Record<string, unknown>
  if (typeof document !== 'string' || typeof version !== 'string' || typeof record !== 'string') return null
  const { isPlaceholder, ...rest } = JSON.parse(record) as Omit<Point, 'vector' | 'text' | 'document' | 'version' | 'vectorizer'> & { isPlaceholder?: boolean }
  return { ...rest, document, version, vectorizer: String(vectorizer), text: isPlaceholder ? '' : String(text), vector: isPlaceholder ? null : vector }
}

function encodeRecord({ path, index, title, hash, model, place, head, vector }: Point, metadata: Metadata): string {
  const base = { path, index, ...(title !== undefined && { title }), hash, model, place, ...(head && { head }), ...(vector === null && { isPlaceholder: true }) }
  const whole = JSON.stringify({ ...base, metadata })
  if (utf8Length(whole) <= recordBytesMax) return whole
  // The longest values go first: short ones are what is filtered and shown.
  const kept = Object.entries(metadata).sort(([, a], [, b]) => JSON.stringify(a).length - JSON.stringify(b).length)
  const fits = () => utf8Length(JSON.stringify({ ...base, ...shortened, metadata: Object.fromEntries(kept) })) <= recordBytesMax
  const shortened = { title: title === undefined ? undefined : cut(title, 1024), place: { ...place, headingPath: place.headingPath.map((heading) => cut(heading, 256)).slice(0, 16) } }
  while (kept.length > 0 && !fits()) kept.pop()
  return JSON.stringify({ ...base, ...shortened, metadata: Object.fromEntries(kept) })
}

/** `text` in at most `bytes` bytes of UTF-8, whole characters, with a marker where something is missing. */
export function cut(text: string, bytes: number): string {
  if (utf8Length(text) <= bytes) return text
  let room = bytes - utf8Length(cutMarker)
  let kept = ''
  for (const character of text) {
    room -= utf8Length(character)
    if (room < 0) break
    kept += character
  }
  return kept + cutMarker
}

/** What of a value filters can look at; null: nothing. */
function filterableOf(value: MetadataValue): Scalar | Scalar[] | null {
  if (!Array.isArray(value)) return isScalar(value) ? value : null
  const scalars = (value as readonly MetadataValue[]).filter(isScalar)
  return scalars.length === 0 ? null : scalars
}

function isScalar(value: MetadataValue): value is Scalar {
  return typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number'
}

function sizeOf(key: string, value: unknown): number {
  return utf8Length(key) + utf8Length(typeof value === 'string' ? value : JSON.stringify(value))
}
