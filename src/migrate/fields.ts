import { messageOf } from '../base/errors.ts'
import type { Metadata, MetadataValue } from '../format/record.ts'
import type { MovedRecord } from './record.ts'

/** Under which names a record's parts are looked for; the first that is there counts. */
export interface FieldNames {
  readonly vector: readonly string[]
  readonly id: readonly string[]
  readonly text: readonly string[]
  readonly metadata: readonly string[]
}

/** The names that home-made layouts use. */
export const usualFields: FieldNames = {
  vector: ['embedding', 'vector', 'values', 'embeddings', 'vectors'],
  id: ['id', 'key', 'file_id', 'vector_id', '_id', 'uuid'],
  text: ['text', 'content', 'document', 'chunk', 'chunk_text', 'page_content'],
  metadata: ['metadata', 'meta', 'metadatas', 'payload'],
}

/** Names under which a model is told. */
const modelFields = ['model', 'embedding_model', 'model_name', 'embeddingModel']

export type ReadRecord = { readonly record: MovedRecord; readonly used: Readonly<Partial<Record<keyof FieldNames, string>>>; readonly model?: string } | { readonly reason: string }

/**
 * Reads a record out of a value of JSON: an object with a vector in it, or a vector alone.
 * @param fallbackKey What the record is called where it does not say itself: a member's name, or the object's.
 */
export function readRecord(value: unknown, fields: FieldNames, fallbackKey: string): ReadRecord {
  const alone = readVector(value)
  if (alone instanceof Float32Array) return { record: { key: fallbackKey, vector: alone, metadata: {} }, used: {} }
  if (!isObject(value)) return { reason: `${nameOf(value)}, expected an object with a vector in it` }
  const used: Partial<Record<keyof FieldNames, string>> = {}
  const find = (part: keyof FieldNames, isRight: (found: unknown) => boolean, from = value): unknown => {
    const name = fields[part].find((each) => Object.hasOwn(from, each) && isRight(from[each]))
    if (name !== undefined) used[part] = name
    return name === undefined ? undefined : from[name]
  }
  const present = fields.vector.filter((name) => Object.hasOwn(value, name))
  const raw = find('vector', (each) => readVector(each) instanceof Float32Array)
  const vector = raw === undefined ? null : (readVector(raw) as Float32Array)
  if (!vector) return { reason: present.length === 0 ? `no vector: it has ${Object.keys(value).slice(0, 8).join(', ') || 'no members'}, expected one of ${fields.vector.join(', ')}` : `${present[0]}: ${String(readVector(value[present[0]!]))}` }
  const id = find('id', (each) => (typeof each === 'string' && each !== '') || Number.isSafeInteger(each))
  const inner = find('metadata', isObject) as Record<string, unknown> | undefined
  const outerText = find('text', (each) => typeof each === 'string')
  const innerText = outerText === undefined && inner ? find('text', (each) => typeof each === 'string', inner) : undefined
  // Nothing is lost: what stands beside vector, id and text is metadata too, and what the metadata says itself goes first.
  const beside = Object.entries(value).filter(([name]) => name !== used.vector && name !== used.metadata && name !== used.id && !(outerText !== undefined && name === used.text))
  const metadata = { ...Object.fromEntries(beside), ...inner }
  if (innerText !== undefined) delete metadata[used.text!]
  const model = [value, inner ?? {}].flatMap((from) => modelFields.map((name) => from[name])).find((each) => typeof each === 'string')
  const document = outerText ?? innerText
  return {
    record: { key: id === undefined ? fallbackKey : String(id), vector, metadata: toMetadata(metadata), ...(typeof document === 'string' && { document }) },
    used,
    ...(typeof model === 'string' && { model }),
  }
}

/** A list of numbers, or little-endian 32-bit floats in base 64; else what is wrong with it. */
export function readVector(value: unknown): Float32Array | string {
  if (typeof value === 'string') return readBase64(value)
  if (!Array.isArray(value)) return `${nameOf(value)}, expected a list of numbers, or base 64`
  if (value.length === 0) return 'the list is empty'
  const wrong = value.findIndex((each) => typeof each !== 'number')
  if (wrong >= 0) return `value ${wrong} is ${nameOf(value[wrong])}, expected a number`
  return Float32Array.from(value as number[])
}

function readBase64(text: string): Float32Array | string {
  if (text.length < 8 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return 'a text, expected a list of numbers, or base 64'
  try {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
    if (bytes.length % 4 !== 0) return `${bytes.length} bytes of base 64, expected a multiple of 4`
    const view = new DataView(bytes.buffer)
    return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(i * 4, true))
  } catch (error) {
    return `no base 64: ${messageOf(error)}`
  }
}

/** JSON as metadata: minus zero has no place there. */
export function toMetadata(value: Record<string, unknown>): Metadata {
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toValue(each)]))
}

function toValue(value: unknown): MetadataValue {
  if (Array.isArray(value)) return value.map(toValue)
  if (isObject(value)) return toMetadata(value)
  return Object.is(value, -0) ? 0 : (value as MetadataValue)
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function nameOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'number') return String(value)
  return typeof value === 'object' ? 'an object' : `a ${typeof value === 'string' ? 'text' : typeof value}`
}
