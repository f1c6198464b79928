import { compareUtf8 } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import { ByteReader, ByteWriter, isInt64 } from './varint.ts'
import { xxh32 } from './xxh32.ts'

/** A bigint is an int64 on the wire, a number a float64: 1n and 1 stay distinct. */
export type MetadataValue =
  string | number | bigint | boolean | null | readonly MetadataValue[] | { readonly [key: string]: MetadataValue }

/** What a user stores beside vector and text. The order of its keys is not kept. */
export type Metadata = { readonly [key: string]: MetadataValue }

/** When: log sequence number, from 1, and position among the effects of that commit, from 0. */
export interface Stamp {
  readonly seq: number
  readonly ordinal: number
}

/** 'records' are what users store; 'documents' hold one row per source file, hidden from record queries. */
export type Space = 'records' | 'documents'

/** One stored row. `born` orders rows by insertion and survives updates; `changed` is the version of the content. */
export interface Row {
  readonly space: Space
  readonly key: string
  readonly vector: Float32Array | null
  readonly metadata: Metadata
  readonly document: string | null
  readonly born: Stamp
  readonly changed: Stamp
}

/** How deep lists and objects may nest, the metadata object itself being level 1. */
export const metadataDepthMax = 32

// One byte before each value. Never reuse a number.
const tagNull = 0
const tagFalse = 1
const tagTrue = 2
const tagFloat64 = 3
const tagInt64 = 4
const tagText = 5
const tagList = 6
const tagObject = 7

/**
 * Bytes of `metadata`: keys sorted by their UTF-8, one form for every value, so equal content gives equal bytes.
 * @throws {WindlassError} `invalid` for what does not come back the same: NaN, infinities, -0, integers beyond 64 bits,
 *   half surrogate pairs, undefined, functions, instances of classes, nesting deeper than `metadataDepthMax`.
 */
export function encodeMetadata(metadata: Metadata): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter()
  writeMetadata(writer, metadata)
  return writer.toBytes()
}

/** As `encodeMetadata`, appended to `writer`. */
export function writeMetadata(writer: ByteWriter, metadata: Metadata): void {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    throw invalid('metadata', `must be an object, found ${nameOf(metadata)}`)
  }
  writeObject(writer, metadata, 'metadata', 1)
}

function writeObject(writer: ByteWriter, object: Metadata, path: string, depth: number): void {
  if (depth > metadataDepthMax) throw invalid(path, `nests deeper than ${metadataDepthMax} levels`)
  const prototype = Object.getPrototypeOf(object)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
    throw invalid(path, `must be a plain object, found ${nameOf(object)}`)
  const keys = Object.keys(object).sort(compareUtf8)
  writer.varint(keys.length)
  for (const key of keys) {
    writeText(writer, key, path)
    writeValue(writer, object[key], path, key, depth)
  }
}

function writeValue(writer: ByteWriter, value: unknown, parent: string, key: string | number, depth: number): void {
  switch (typeof value) {
    case 'string':
      writer.u8(tagText)
      return writeText(writer, value, `${parent}.${key}`)
    case 'number':
      if (!Number.isFinite(value)) throw invalid(`${parent}.${key}`, `is ${value}, expected a finite number`)
      if (Object.is(value, -0)) throw invalid(`${parent}.${key}`, 'is -0, which comes back as 0: store 0')
      writer.u8(tagFloat64)
      return writer.f64(value)
    case 'bigint':
      if (!isInt64(value)) throw invalid(`${parent}.${key}`, `is ${value}, which does not fit a signed 64-bit integer`)
      writer.u8(tagInt64)
      return writer.int64(value)
    case 'boolean':
      return writer.u8(value ? tagTrue : tagFalse)
    case 'object':
      break
    default:
      throw invalid(
        `${parent}.${key}`,
        `is ${nameOf(value)}, expected a string, number, integer, boolean, null, list or object`,
      )
  }
  if (value === null) return writer.u8(tagNull)
  const path = `${parent}.${key}`
  if (!Array.isArray(value)) {
    writer.u8(tagObject)
    return writeObject(writer, value as Metadata, path, depth + 1)
  }
  if (depth >= metadataDepthMax) throw invalid(path, `nests deeper than ${metadataDepthMax} levels`)
  writer.u8(tagList)
  writer.varint(value.length)
  // Not forEach, which would skip the holes of a sparse array and leave the count wrong.
  for (let i = 0; i < value.length; i++) writeValue(writer, value[i], path, i, depth + 1)
}

function writeText(writer: ByteWriter, text: string, path: string): void {
  try {
    writer.text(text)
  } catch (cause) {
    throw new WindlassError('invalid', `${path} holds half a surrogate pair: replace it`, { path, cause })
  }
}

/**
 * Metadata of what `encodeMetadata` wrote.
 * @param key The object the bytes come from, for the error.
 * @throws {WindlassError} `corrupt` for any other bytes, also for content written in another than its one form.
 */
export function decodeMetadata(bytes: Uint8Array, key: string): Metadata {
  const reader = new ByteReader(bytes, 'metadata', key)
  const metadata = readObject(reader, 1)
  reader.end()
  return metadata
}

/** As `decodeMetadata`, from where `reader` stands. */
export function readMetadata(reader: ByteReader): Metadata {
  return readObject(reader, 1)
}

function readObject(reader: ByteReader, depth: number): Metadata {
  if (depth > metadataDepthMax) reader.fail(`metadata nests deeper than ${metadataDepthMax} levels`)
  const object: Record<string, MetadataValue> = {}
  let last: string | null = null
  for (let left = reader.count('metadata keys', 2); left > 0; left--) {
    const key = reader.text()
    if (last !== null && compareUtf8(last, key) >= 0)
      reader.fail(`metadata key ${JSON.stringify(key)} is not after ${JSON.stringify(last)}`)
    last = key
    const value = readValue(reader, depth)
    // Plain assignment to this one name would set the prototype.
    if (key === '__proto__')
      Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
    else object[key] = value
  }
  return object
}

function readValue(reader: ByteReader, depth: number): MetadataValue {
  const tag = reader.u8()
  switch (tag) {
    case tagNull:
      return null
    case tagFalse:
      return false
    case tagTrue:
      return true
    case tagFloat64: {
      const value = reader.f64()
      if (!Number.isFinite(value) || Object.is(value, -0))
        reader.fail(`metadata holds ${Object.is(value, -0) ? '-0' : value}`)
      return value
    }
    case tagInt64:
      return reader.int64()
    case tagText:
      return reader.text()
    case tagList: {
      if (depth >= metadataDepthMax) reader.fail(`metadata nests deeper than ${metadataDepthMax} levels`)
      const list: MetadataValue[] = []
      for (let left = reader.count('list values'); left > 0; left--) list.push(readValue(reader, depth + 1))
      return list
    }
    case tagObject:
      return readObject(reader, depth + 1)
    default:
      return reader.fail(`metadata value has tag ${tag}, expected 0 to 7`)
  }
}

/** The part of a row that its checksum covers: what it is, not when it came. */
export type RowContent = Pick<Row, 'space' | 'key' | 'vector' | 'metadata' | 'document'>

/**
 * 64-bit checksum of a row's content: two XXH32 with different seeds over its canonical bytes.
 * Rows of equal content have equal checksums wherever they lie, so sums of them (modulo 2^64) compare whole collections.
 * @param encodedMetadata The row's metadata as encoded, where it is at hand.
 */
export function rowChecksum(row: RowContent, encodedMetadata?: Uint8Array): bigint {
  const { vector, document } = row
  const writer = new ByteWriter(256 + (vector?.length ?? 0) * 4 + (document?.length ?? 0) * 3)
  writer.u8((row.space === 'documents' ? 1 : 0) | (vector ? 2 : 0) | (document === null ? 0 : 4))
  writer.text(row.key)
  if (encodedMetadata) writer.bytes(encodedMetadata)
  else writeMetadata(writer, row.metadata)
  if (document !== null) writer.text(document)
  if (vector) writer.f32Array(vector)
  const bytes = writer.toBytes()
  return (BigInt(xxh32(bytes, 0x57494e44)) << 32n) | BigInt(xxh32(bytes, 0))
}

function invalid(path: string, what: string): WindlassError {
  return new WindlassError('invalid', `${path} ${what}`, { path })
}

function nameOf(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return typeof value
  return Array.isArray(value) ? 'a list' : `an instance of ${value.constructor?.name ?? 'an unknown class'}`
}
