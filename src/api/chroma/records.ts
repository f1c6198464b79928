import { utf8Length } from '../../base/bytes.ts'
import type { Metadata, MetadataValue } from '../../format/record.ts'
import type { Operation } from '../../engine/types.ts'
import { invalid, wrongShape } from './errors.ts'
import type { Json } from './parse-json.ts'
import { asList, asObject, asText, asVector, isObject, member, optionalTexts, typeName, type JsonObject } from './read-body.ts'
import { toWritable } from './write-json.ts'

/** One record of a write; what is undefined was not given, null says to leave alone or, in metadata, to remove. */
export interface RecordInput {
  readonly id: string
  readonly vector: Float32Array | undefined
  readonly metadata: Metadata | undefined
  readonly document: string | undefined
}

/** Where a record's URI is kept among its metadata. Clients cannot write or read it there. */
export const uriKey = 'chroma:uri'
const reserved = new Set([uriKey, 'chroma:document'])

/** Metadata of a write, before it is put: null removes the key. */
type Changes = { [key: string]: MetadataValue }

/**
 * The records of add, upsert and update.
 * @param options.needsEmbeddings Only update may leave them out.
 * @param options.isNew Of add, whose metadata has no nulls.
 * @throws {ChromaError} 422 for another shape, 400 for lengths that differ, an empty id, a vector of no dimension.
 */
export function readRecords(body: JsonObject, { needsEmbeddings, isNew = false }: { needsEmbeddings: boolean; isNew?: boolean }): RecordInput[] {
  const ids = asList(member(body, 'ids'), 'ids').map((id, i) => asText(id, `ids[${i}]`))
  const embeddings = readEmbeddings(body, needsEmbeddings)
  const documents = optionalList(member(body, 'documents'), 'documents', asText)
  const metadatas = optionalList(member(body, 'metadatas'), 'metadatas', (value, path) => readMetadata(value, path, isNew))
  const uris = optionalList(member(body, 'uris'), 'uris', asText)
  for (const list of [embeddings, documents, metadatas, uris]) {
    if (list && list.length !== ids.length) throw invalid('Inconsistent number of IDs, embeddings, documents, URIs and metadatas')
  }
  if (ids.includes('')) throw invalid('Empty ID, ID must have at least one character')
  return ids.map((id, i) => {
    const uri = uris?.[i]
    const metadata = metadatas?.[i]
    return {
      id,
      vector: embeddings?.[i],
      metadata: uri === undefined ? metadata : { ...metadata, [uriKey]: uri },
      document: documents?.[i],
    }
  })
}

function optionalList<Value>(value: Json | undefined, path: string, read: (each: Json, path: string) => Value): (Value | undefined)[] | undefined {
  if (value === undefined) return undefined
  return asList(value, path).map((each, i) => (each === null ? undefined : read(each, `${path}[${i}]`)))
}

function readEmbeddings(body: JsonObject, isNeeded: boolean): (Float32Array | undefined)[] | undefined {
  const value = body.embeddings
  if (value === undefined && isNeeded) throw wrongShape('', 'missing field `embeddings`')
  if (value === undefined || (value === null && !isNeeded)) return undefined
  const wrong = wrongShape('embeddings', `data did not match any variant of untagged enum ${isNeeded ? 'EmbeddingsPayload' : 'UpdateEmbeddingsPayload'}`)
  if (!Array.isArray(value)) throw wrong
  const isBase64 = value.some((each) => typeof each === 'string')
  return value.map((each, i) => {
    if (each === null && !isNeeded) return undefined
    if (isBase64 ? typeof each !== 'string' : !Array.isArray(each)) throw wrong
    const vector = isBase64 ? decodeVector(each as string) : asVector(each, `embeddings[${i}]`)
    if (vector.length === 0) throw invalid('Validation error: embeddings: Each embedding must have at least 1 dimension')
    return vector
  })
}

/** A record as Chroma keeps it: text and URI among the metadata, under keys of their own. */
export function toRecord(id: string, vector: Float32Array | undefined, stored: JsonObject): RecordInput {
  const { 'chroma:document': document, [uriKey]: uri, ...rest } = stored
  const metadata = readMetadata(rest, 'metadata', false)
  return { id, vector, metadata: typeof uri === 'string' ? { ...metadata, [uriKey]: uri } : metadata, document: typeof document === 'string' ? document : undefined }
}

/** A vector as both official clients send it: base64 of float32 values in little-endian order. */
function decodeVector(text: string): Float32Array {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw invalid(`Invalid base64 string: ${JSON.stringify(text.slice(0, 40))}`)
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'))
  if (bytes.length % 4 !== 0) throw invalid(`Invalid byte length: ${bytes.length} bytes cannot be converted to f32 values (must be divisible by 4)`)
  const vector = new Float32Array(bytes.length / 4)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < vector.length; i++) vector[i] = view.getFloat32(i * 4, true)
  return vector
}

/** Values Chroma has: text, integer, float, boolean, a list of one of these, a sparse vector. Null removes a key, an empty list too. */
function readMetadata(value: Json, path: string, isNew: boolean): Metadata {
  const metadata: Changes = {}
  for (const [key, each] of Object.entries(asObject(value, path))) {
    // Another's own keys leak into documents on the reference.
    if (reserved.has(key)) continue
    if (each === null && isNew) throw wrongShape(`${path}.${key}`, 'data did not match any variant of untagged enum MetadataValue')
    set(metadata, key, readValue(each, `${path}.${key}`))
  }
  return metadata
}

function readValue(value: Json, path: string): MetadataValue {
  const wrong = () => wrongShape(path, 'data did not match any variant of untagged enum MetadataValue')
  if (Array.isArray(value)) {
    if (value.length === 0) return null
    const kinds = new Set(value.map((each) => typeof each))
    if (kinds.size === 2 && kinds.has('bigint') && kinds.has('number')) return value.map(Number)
    if (kinds.size > 1 || typeof value[0] === 'object') throw wrong()
    return value as MetadataValue[]
  }
  if (!isObject(value)) return value
  if (value['#type'] !== 'sparse_vector') throw wrong()
  return readSparse(value, path)
}

/** A sparse vector, kept as it is sent. @throws {ChromaError} 400 for indices that are not in order. */
export function readSparse(value: JsonObject, path: string): { '#type': 'sparse_vector'; indices: bigint[]; values: number[]; tokens?: string[] } {
  const indices = asList(member(value, 'indices'), `${path}.indices`).map((each, i) => {
    if (typeof each !== 'bigint' || each < 0n || each > 0xffff_ffffn) throw wrongShape(`${path}.indices[${i}]`, `invalid value: ${typeName(each)}, expected u32`)
    return each
  })
  const values = [...asVector(member(value, 'values'), `${path}.values`)]
  const tokens = optionalTexts(member(value, 'tokens'), `${path}.tokens`)
  if (values.length !== indices.length || (tokens && tokens.length !== indices.length)) throw invalid(`Invalid sparse vector: ${indices.length} indices and ${values.length} values`)
  if (indices.some((index, i) => i > 0 && index <= indices[i - 1]!)) throw invalid('Invalid sparse vector: indices must be in ascending order, each once')
  return { '#type': 'sparse_vector', indices, values, ...(tokens && { tokens }) }
}

/** Operations of `add`: the record that is there stays. */
export function addOperation({ id, vector, metadata, document }: RecordInput): Operation {
  return { op: 'put', ifAbsent: true, row: { key: id, vector: vector ?? null, metadata: withoutNulls(metadata), document: document ?? null } }
}

/** Operations of `update`: what is given changes, metadata key by key. */
export function updateOperation({ id, vector, metadata, document }: RecordInput): Operation {
  return { op: 'patch', key: id, ...(metadata && { metadata }), ...(vector && { vector }), ...(document !== undefined && { document }) }
}

/** About how many bytes a record takes in the log. */
export function sizeOf({ id, vector, metadata, document }: RecordInput): number {
  return 200 + utf8Length(id) + (vector?.length ?? 0) * 4 + (metadata ? JSON.stringify(metadata, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each)).length * 2 : 0) + (document?.length ?? 0) * 3
}

/** A record's metadata as it is answered: null where there is none. */
export function toAnswer(metadata: Metadata): { [key: string]: unknown } | null {
  const answer: Record<string, unknown> = {}
  let isEmpty = true
  for (const [key, value] of Object.entries(metadata)) {
    if (key === uriKey) continue
    isEmpty = false
    set(answer, key, toWritable(value))
  }
  return isEmpty ? null : answer
}

export function uriOf(metadata: Metadata): string | null {
  const uri = Object.hasOwn(metadata, uriKey) ? metadata[uriKey] : null
  return typeof uri === 'string' ? uri : null
}

function withoutNulls(metadata: Metadata | undefined): Metadata {
  const whole: Changes = {}
  for (const [key, value] of Object.entries(metadata ?? {})) if (value !== null) set(whole, key, value)
  return whole
}

function set(object: Record<string, unknown>, key: string, value: unknown): void {
  // Plain assignment to this one name would set the prototype.
  if (key === '__proto__') Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  else object[key] = value
}
