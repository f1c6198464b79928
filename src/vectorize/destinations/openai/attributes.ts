import { WindlassError } from '../../../base/errors.ts'
import type { MetadataValue } from '../../../format/record.ts'
import type { DocumentVersion } from '../destination.ts'

/** Attributes of a file in a vector store: at most 16, keys up to 64 characters, texts up to 512. Searches can filter by them. */
export type Attributes = Readonly<Record<string, string | number | boolean>>

const attributesMax = 16
const keyLengthMax = 64
const valueLengthMax = 512
/** A path goes on in `path_2` …: four times 512 characters, twice what an S3 key may have. */
const pathPartsMax = 4

/**
 * Whose a document is, which version, and as much of its metadata as there is room for: in the order of its keys, long texts cut,
 * lists and objects as JSON where they fit.
 * @throws {WindlassError} `invalid` for a path of more than 2,048 characters.
 */
export function attributesOf(vectorizer: string, { path, sha256, title, metadata }: DocumentVersion): Attributes {
  const parts = splitText(path, valueLengthMax)
  if (parts.length > pathPartsMax) throw new WindlassError('invalid', `openai: a path has ${path.length} characters, at most ${valueLengthMax * pathPartsMax} fit the attributes of a file: ${path.slice(0, 80)}…`, { path: 'path' })
  const attributes: Record<string, string | number | boolean> = { windlass: vectorizer, sha256 }
  for (const [i, part] of parts.entries()) attributes[partKey(i)] = part
  const further = Object.entries({ ...(title !== undefined && { title }), ...metadata }).sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [key, value] of further) {
    if (Object.keys(attributes).length === attributesMax) break
    const fitting = fitValue(value)
    if (fitting === null || key.length === 0 || key.length > keyLengthMax || isOurs(key)) continue
    attributes[key] = fitting
  }
  return attributes
}

/** What `attributesOf` wrote; null for files that are not from us. */
export function readAttributes(attributes: Attributes | null): { vectorizer: string; path: string; sha256: string | undefined } | null {
  const { windlass: vectorizer, sha256 } = attributes ?? {}
  if (typeof vectorizer !== 'string') return null
  let path = ''
  for (let i = 0; i < pathPartsMax; i++) path += String(attributes?.[partKey(i)] ?? '')
  return path === '' ? null : { vectorizer, path, sha256: typeof sha256 === 'string' ? sha256 : undefined }
}

function partKey(index: number): string {
  return index === 0 ? 'path' : `path_${index + 1}`
}

function isOurs(key: string): boolean {
  return key === 'windlass' || key === 'sha256' || Array.from({ length: pathPartsMax }, (_, i) => partKey(i)).includes(key)
}

function fitValue(value: MetadataValue): string | number | boolean | null {
  if (typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (typeof value === 'string') return splitText(value, valueLengthMax)[0] ?? ''
  if (value === null) return null
  const json = JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? String(each) : each))
  return json.length <= valueLengthMax ? json : null
}

/** Parts of at most `lengthMax` UTF-16 units; no character is torn. */
function splitText(text: string, lengthMax: number): string[] {
  const parts: string[] = []
  for (let start = 0; start < text.length; ) {
    let end = Math.min(text.length, start + lengthMax)
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--
    parts.push(text.slice(start, end))
    start = end
  }
  return parts
}
