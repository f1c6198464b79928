import { fromUtf8Lenient, toUtf8 } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import { crc32c } from './checksum.ts'
import { checkFormatVersion, checkNeeds, hex } from './envelope.ts'
import { JsonShape, parseJson } from './json-shape.ts'
import { hasLoneSurrogate } from './varint.ts'

/** What a name means: the id of the collection it names. */
export interface CatalogEntry {
  readonly formatVersion: 1
  /** Features of the format that a reader must understand. */
  readonly needs: readonly string[]
  readonly name: string
  /** Id of the collection; its data lies under `dataPrefix(id)`. Never reused. */
  readonly id: string
  /** Grows by one each time the entry is replaced, from 1. */
  readonly version: number
  /** Fresh for every put, so no two puts have equal bytes and no ETag comes back. */
  readonly nonce: string
  /** `pending`: a rename has begun; counts only once the log says so. `closing`: being deleted; nothing new goes in. */
  readonly state: 'live' | 'pending' | 'closing'
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

/** Prefix of all catalog entries. */
export const catalogPrefix = 'catalog/'

const subject = 'catalog entry'
const formatVersion = 1
// Object keys may have 1,024 bytes; the rest is left to the bucket's prefix.
const encodedNameSizeMax = 900
// File systems under S3 servers refuse parts above 255 bytes, one of them overwriting parts above some 220.
const partSizeMax = 200
// Ends every part but the last; no encoded name holds it, so no key is a folder of another.
const partMark = '+'

/**
 * Key of the entry of `name`: everything but letters and digits of ASCII, `_`, `-` and `.` percent-encoded, upper case,
 * and the dots too where the name is `.` or `..`, which paths would swallow. Cut into parts of at most 200 bytes, all but the
 * last followed by `+`.
 * @throws {WindlassError} `invalid` for an empty name or half a surrogate pair, `too-large` above 900 bytes encoded.
 */
export function catalogKey(name: string): string {
  if (name === '')
    throw new WindlassError('invalid', 'collection name is empty: give it at least one character', { path: 'name' })
  if (hasLoneSurrogate(name))
    throw new WindlassError('invalid', 'collection name holds half a surrogate pair: replace it', { path: 'name' })
  const isPathPart = name === '.' || name === '..'
  let encoded = ''
  for (const byte of toUtf8(name)) {
    const char = String.fromCharCode(byte)
    const isPlain = /[A-Za-z0-9_-]/.test(char) || (char === '.' && !isPathPart)
    encoded += isPlain ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  if (encoded.length > encodedNameSizeMax) {
    throw new WindlassError(
      'too-large',
      `collection name takes ${encoded.length} bytes when encoded, at most ${encodedNameSizeMax}: shorten it`,
      { path: 'name' },
    )
  }
  return catalogPrefix + cutIntoParts(encoded)
}

function cutIntoParts(encoded: string): string {
  const parts: string[] = []
  for (let start = 0; start < encoded.length; ) {
    let end = Math.min(start + partSizeMax, encoded.length)
    // An escape stays whole.
    if (end < encoded.length) while (encoded[end - 1] === '%' || encoded[end - 2] === '%') end--
    parts.push(encoded.slice(start, end))
    start = end
  }
  return parts.join(`${partMark}/`)
}

/** The name whose entry is at `key`; null when `key` is none that `catalogKey` gives. */
export function nameOfCatalogKey(key: string): string | null {
  const encoded = key.slice(catalogPrefix.length).replaceAll(`${partMark}/`, '')
  if (!key.startsWith(catalogPrefix) || !/^([A-Za-z0-9_.-]|%[0-9A-F]{2})+$/.test(encoded)) return null
  try {
    const name = decodeURIComponent(encoded)
    return catalogKey(name) === key ? name : null
  } catch {
    return null
  }
}

/** Prefix of everything that a collection stores. */
export function dataPrefix(id: string): string {
  return `data/${id}/`
}

/** JSON whose last member is the CRC-32C of all bytes before it. @throws {WindlassError} `invalid` for an entry that could not be read back. */
export function encodeCatalogEntry(entry: CatalogEntry): Uint8Array {
  const key = catalogKey(entry.name)
  checkEntry(new JsonShape('invalid', subject, key), entry, key)
  const { name, id, version, nonce, state, createdAt } = entry
  const members = JSON.stringify({ formatVersion, needs: [], name, id, version, nonce, state, createdAt }).slice(0, -1)
  return toUtf8(`${members},"checksum":"${hex(crc32c(toUtf8(members)))}"}`)
}

/**
 * The entry of an object's bytes; null for no bytes: the name was dropped.
 * @param key The object the bytes come from; it must be that of the entry's name.
 * @throws {WindlassError} `corrupt`, or `unsupported` when a newer version wrote it.
 */
export function decodeCatalogEntry(bytes: Uint8Array, key: string): CatalogEntry | null {
  if (bytes.length === 0) return null
  const shape = new JsonShape('corrupt', subject, key)
  const checksumSize = ',"checksum":"00000000"}'.length
  const value = shape.object(parseJson(bytes, subject, key), 'entry')
  const members = bytes.subarray(0, Math.max(bytes.length - checksumSize, 0))
  const expected = `,"checksum":"${hex(crc32c(members))}"}`
  const found = fromUtf8Lenient(bytes.subarray(members.length))
  if (found !== expected)
    throw new WindlassError('corrupt', `${key}: ${subject} is damaged: it ends with ${found}, expected ${expected}`, {
      key,
    })
  return checkEntry(shape, value, key)
}

function checkEntry(shape: JsonShape, value: unknown, key: string): CatalogEntry {
  const entry = shape.object(value, 'entry')
  checkFormatVersion(shape.integer(entry.formatVersion, 'formatVersion', 0), formatVersion, subject, key)
  shape.list(entry.needs, 'needs', (item, path) => shape.text(item, path))
  const needs = entry.needs as string[]
  checkNeeds(needs, subject, key)
  const name = shape.text(entry.name, 'name')
  const id = shape.id(entry.id, 'id')
  const version = shape.integer(entry.version, 'version', 1)
  const nonce = shape.nonce(entry.nonce, 'nonce')
  shape.oneOf(entry.state, 'state', ['live', 'pending', 'closing'])
  const createdAt = shape.finite(entry.createdAt, 'createdAt')
  if (nameOfCatalogKey(key.slice(key.lastIndexOf(catalogPrefix))) !== name)
    shape.fail('name', 'the name that its key encodes', name)
  return { formatVersion, needs, name, id, version, nonce, state: entry.state as CatalogEntry['state'], createdAt }
}
