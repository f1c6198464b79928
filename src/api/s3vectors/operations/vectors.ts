import type { Collection, RowInput, RowView } from '../../../library/types.ts'
import type { Operation, OperationContext } from '../context.ts'
import { S3VectorsError } from '../errors.ts'
import { checkMetadata } from '../metadata.ts'
import { indexOfInput } from '../names.ts'
import { decodeToken, encodeToken } from '../tokens.ts'
import { getCollection, getIndex, sinceIndex, underNotFound } from '../vector-index.ts'

interface IndexInput {
  readonly vectorBucketName?: string
  readonly indexName?: string
  readonly indexArn?: string
}

/** The body's numbers as float32 already, or a list with something else in it. */
export interface VectorData {
  readonly float32: readonly unknown[] | Float32Array
}

interface PutInput extends IndexInput {
  readonly vectors: readonly { readonly key: string; readonly data: VectorData; readonly metadata?: Readonly<Record<string, unknown>> }[]
}

const putVectors = async (input: PutInput, context: OperationContext) => {
  const { collection, schema } = await getIndex(indexOfInput(input, context.account), context)
  const nonFilterable = new Set(schema.nonFilterableKeys)
  // Of two with one key the last counts.
  const rows = new Map<string, RowInput>()
  for (const { key, data, metadata = {} } of input.vectors) {
    const vector = toVector(data, schema.dimension, schema.metric === 'cosine', `Invalid record for key '${key}': vector`)
    rows.delete(key)
    rows.set(key, { key, vector, metadata: checkMetadata(key, metadata, nonFilterable, context.quotas) })
  }
  await underNotFound(() => collection.put([...rows.values()], { signal: context.signal }))
  return {}
}

interface ReturnInput extends IndexInput {
  readonly returnData?: boolean
  readonly returnMetadata?: boolean
}

const getVectors = async (input: ReturnInput & { keys: readonly string[] }, context: OperationContext) => {
  const { keys, returnData, returnMetadata } = input
  const collection = await getCollection(indexOfInput(input, context.account), context)
  const rows = await underNotFound(() => collection.get([...new Set(keys)], { include: { vector: returnData === true, metadata: returnMetadata === true }, signal: context.signal }))
  return { vectors: rows.flatMap((row) => (row ? [toOutput(row, input)] : [])) }
}

const deleteVectors = async (input: IndexInput & { keys: readonly string[] }, context: OperationContext) => {
  const collection = await getCollection(indexOfInput(input, context.account), context)
  await underNotFound(() => collection.delete([...new Set(input.keys)], { signal: context.signal }))
  return {}
}

interface ListInput extends ReturnInput {
  readonly maxResults?: number
  readonly nextToken?: string
  readonly segmentCount?: number
  readonly segmentIndex?: number
}

// The service stops a page at about 1 MB.
const pageBytesMax = 1_000_000

const listVectors = async (input: ListInput, context: OperationContext) => {
  const { maxResults = 500, nextToken, segmentCount, segmentIndex, returnData, returnMetadata } = input
  if ((segmentCount === undefined) !== (segmentIndex === undefined)) throw new S3VectorsError('ValidationException', 'segmentCount and segmentIndex must be specified together')
  if (segmentCount !== undefined && segmentIndex! >= segmentCount) throw new S3VectorsError('ValidationException', 'segmentIndex must be less than segmentCount')
  const name = indexOfInput(input, context.account)
  const { collection, schema } = await getIndex(name, context)
  const question = { of: 'vectors', index: `${name.bucket}/${name.index}`, segment: `${segmentIndex ?? 0}/${segmentCount ?? 1}` }
  const after = nextToken === undefined ? undefined : String(decodeToken(nextToken, question).after)
  const limit = returnData ? Math.max(1, Math.min(maxResults, Math.floor(pageBytesMax / (10 * (schema.dimension ?? 1))))) : maxResults
  const include = { vector: returnData === true, metadata: returnMetadata === true }
  const { rows, next } = await listPage(collection, { limit, include, consistency: sinceIndex, signal: context.signal, ...(after !== undefined && { after }) })
  const mine = segmentCount === undefined ? rows : rows.filter(({ key }) => segmentOf(key, segmentCount) === segmentIndex)
  return { vectors: mine.map((row) => toOutput(row, input)), ...(next !== undefined && { nextToken: encodeToken({ ...question, after: next }) }) }
}

function listPage(collection: Collection, options: NonNullable<Parameters<Collection['list']>[0]>): ReturnType<Collection['list']> {
  return underNotFound(() => collection.list(options))
}

/** Which of `count` parallel lists a key is in: FNV-1a, 32 bits (Fowler, Noll & Vo 1991). */
function segmentOf(key: string, count: number): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(key)) hash = Math.imul(hash ^ byte, 0x01000193)
  return (hash >>> 0) % count
}

function toOutput({ key, vector, metadata }: RowView, { returnData, returnMetadata }: ReturnInput): Record<string, unknown> {
  return { key, ...(returnData && { data: { float32: Array.from(vector ?? []) } }), ...(returnMetadata && { metadata: metadata ?? {} }) }
}

/**
 * The float32 values of a request.
 * @throws {S3VectorsError} `ValidationException` for a wrong length, for what is no finite float32, for zero where cosine has no angle.
 */
export function toVector({ float32 }: VectorData, dimension: number | null, isCosine: boolean, subject: string): Float32Array {
  const refuse = (message: string) => new S3VectorsError('ValidationException', `${subject} ${message}`)
  if (dimension !== null && float32.length !== dimension) throw refuse(`must have length ${dimension}, but has length ${float32.length}`)
  const vector = float32 instanceof Float32Array ? float32 : new Float32Array(float32.length)
  let isZero = true
  for (let i = 0; i < vector.length; i++) {
    const value: unknown = float32[i]
    vector[i] = value as number
    if (typeof value !== 'number' || !Number.isFinite(vector[i]!)) throw refuse(`must contain only finite float32 values, but has ${String(value).slice(0, 40)} at position ${i}`)
    if (vector[i] !== 0) isZero = false
  }
  if (isZero && isCosine) throw refuse('must not be a zero vector for cosine distance metric')
  return vector
}

/** Operations on vectors but the query. */
export const vectorOperations = {
  PutVectors: putVectors,
  GetVectors: getVectors,
  DeleteVectors: deleteVectors,
  ListVectors: listVectors,
} satisfies Record<string, Operation>
