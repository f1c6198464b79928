// A double of Qdrant's REST API, from its public reference: collections with one dense and one sparse vector by name, points, filters.
// State in memory; searches are exact.
import { startJsonServer, type JsonServer, type JsonServerAnswer, type JsonServerRequest } from '../json-server.ts'
import { BadFilter, passes } from './filter.ts'

type Json = Readonly<Record<string, unknown>>
type PointId = string | number

interface SparseVector {
  readonly indices: readonly number[]
  readonly values: readonly number[]
}

interface StoredPoint {
  readonly id: PointId
  readonly vector: Readonly<Record<string, readonly number[] | SparseVector>>
  readonly payload: Json
}

interface StoredCollection {
  readonly vectors: Readonly<Record<string, { readonly size: number; readonly distance: string }>>
  readonly sparse: Readonly<Record<string, { readonly modifier?: string }>>
  readonly points: Map<PointId, StoredPoint>
  readonly indexes: Set<string>
}

class ApiError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export interface QdrantDouble extends JsonServer {
  readonly collections: Map<string, StoredCollection>
}

/** Starts the double on 127.0.0.1. @param apiKey Asked for where it is given. */
export async function startQdrantDouble({ apiKey }: { apiKey?: string } = {}): Promise<QdrantDouble> {
  const collections = new Map<string, StoredCollection>()
  const answer = (request: JsonServerRequest): JsonServerAnswer => {
    try {
      if (apiKey !== undefined && request.headers['api-key'] !== apiKey && request.headers.authorization !== `Bearer ${apiKey}`) throw new ApiError(401, 'Must provide an API key or an Authorization bearer token')
      return { json: { result: route(collections, request), status: 'ok', time: 0 } }
    } catch (error) {
      if (error instanceof BadFilter) return { status: 400, json: errorBody(`Format error in JSON body: ${error.message}`) }
      if (!(error instanceof ApiError)) throw error
      return { status: error.status, json: errorBody(error.message) }
    }
  }
  const server = await startJsonServer(answer, (status) => errorBody(`Service error ${status}`))
  return { ...server, collections }
}

function errorBody(message: string): Json {
  return { status: { error: message }, time: 0 }
}

function route(collections: Map<string, StoredCollection>, { method, path, text, url }: JsonServerRequest): unknown {
  const body = (text === '' ? {} : JSON.parse(text)) as Json
  if (path === '/' && method === 'GET') return undefined
  const [, name, rest = ''] = /^\/collections\/([^/]+)(.*)$/.exec(path) ?? []
  if (path === '/collections') return { collections: [...collections.keys()].map((each) => ({ name: each })) }
  if (name === undefined) throw new ApiError(404, `no route ${method} ${path}`)
  if (rest === '' && method === 'PUT') return createCollection(collections, name, body)
  const collection = collections.get(name)
  if (!collection) throw new ApiError(404, `Not found: Collection \`${name}\` doesn't exist!`)
  if (rest === '' && method === 'GET') return describe(collection)
  if (rest === '' && method === 'DELETE') return collections.delete(name)
  if (rest === '/index' && method === 'PUT') return createIndex(collection, body)
  const operation = points[`${method} ${rest}`]
  if (!operation) throw new ApiError(404, `no route ${method} ${path}`)
  // Without it an answer comes before its effect, which no test here wants.
  if (/^PUT|delete$/.test(`${method} ${rest}`) && url.searchParams.get('wait') !== 'true') throw new ApiError(400, 'the double wants wait=true')
  return operation(collection, body)
}

function createCollection(collections: Map<string, StoredCollection>, name: string, { vectors, sparse_vectors: sparse }: Json): boolean {
  if (collections.has(name)) throw new ApiError(409, `Wrong input: Collection \`${name}\` already exists!`)
  const named = 'size' in ((vectors ?? {}) as Json) ? { '': vectors } : vectors
  collections.set(name, { vectors: (named ?? {}) as StoredCollection['vectors'], sparse: (sparse ?? {}) as StoredCollection['sparse'], points: new Map(), indexes: new Set() })
  return true
}

function describe({ vectors, sparse, points: stored, indexes }: StoredCollection): Json {
  const params = { vectors: vectors[''] ?? vectors, ...(Object.keys(sparse).length > 0 && { sparse_vectors: sparse }), shard_number: 1, replication_factor: 1 }
  return { status: 'green', optimizer_status: 'ok', points_count: stored.size, segments_count: 1, config: { params }, payload_schema: Object.fromEntries([...indexes].map((key) => [key, { data_type: 'keyword', points: stored.size }])) }
}

function createIndex({ indexes }: StoredCollection, { field_name: field }: Json): Json {
  indexes.add(String(field))
  return updated()
}

const points: Readonly<Record<string, (collection: StoredCollection, body: Json) => unknown>> = {
  'PUT /points': upsert,
  'POST /points': ({ points: stored }, { ids, with_payload: withPayload = true, with_vector: withVector }) => (ids as PointId[]).flatMap((id) => show(stored.get(id), withPayload, withVector)),
  'POST /points/delete': remove,
  'POST /points/scroll': scroll,
  'POST /points/count': ({ points: stored }, { filter }) => ({ count: [...stored.values()].filter((point) => passes(filter, point)).length }),
  'POST /points/query': query,
}

function upsert(collection: StoredCollection, body: Json): Json {
  for (const { id, vector, payload } of body.points as StoredPoint[]) {
    if (typeof id === 'string' && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) throw new ApiError(400, `Format error in JSON body: value ${id} is not a valid point ID, valid values are either an unsigned integer or a UUID`)
    const named = Array.isArray(vector) ? { '': vector } : vector
    const kept: Record<string, readonly number[] | SparseVector> = {}
    for (const [name, values] of Object.entries(named)) kept[name] = keptVector(collection, name, values)
    collection.points.set(id, { id, vector: kept, payload: payload ?? {} })
  }
  return updated()
}

function keptVector({ vectors, sparse }: StoredCollection, name: string, values: readonly number[] | SparseVector): readonly number[] | SparseVector {
  if (!Array.isArray(values)) {
    const { indices, values: weights } = values as SparseVector
    if (!sparse[name]) throw new ApiError(400, `Wrong input: Not existing vector name error: ${name}`)
    if (indices.length !== weights.length || new Set(indices).size !== indices.length) throw new ApiError(422, 'Validation error in JSON body: indices must be unique and as many as values')
    if (indices.some((index) => !Number.isInteger(index) || index < 0 || index >= 2 ** 32)) throw new ApiError(400, 'Format error in JSON body: an index is no u32')
    return values
  }
  const params = vectors[name]
  if (!params) throw new ApiError(400, `Wrong input: Not existing vector name error: ${name}`)
  const { length } = values
  if (length !== params.size) throw new ApiError(400, `Wrong input: Vector dimension error: expected dim: ${params.size}, got ${length}`)
  const norm = Math.hypot(...values)
  // Cosine is a product of normalized vectors; what is normalized already is left as it is.
  return params.distance !== 'Cosine' || norm === 0 || Math.abs(norm - 1) < 1e-6 ? values.map(Math.fround) : values.map((value) => Math.fround(value / norm))
}

function remove({ points: stored }: StoredCollection, { filter, points: ids }: Json): Json {
  if (filter === undefined && ids === undefined) throw new ApiError(400, 'Format error in JSON body: data did not match any variant of untagged enum PointsSelector')
  for (const point of [...stored.values()]) if (ids === undefined ? passes(filter, point) : (ids as PointId[]).includes(point.id)) stored.delete(point.id)
  return updated()
}

function scroll({ points: stored }: StoredCollection, { filter, limit = 10, offset, with_payload: withPayload = true, with_vector: withVector }: Json): Json {
  const after = [...stored.values()].sort((a, b) => compareIds(a.id, b.id)).filter(({ id }) => offset === undefined || offset === null || compareIds(id, offset as PointId) >= 0)
  const found = after.filter((point) => passes(filter, point))
  return { points: found.slice(0, limit as number).flatMap((point) => show(point, withPayload, withVector)), next_page_offset: found[limit as number]?.id ?? null }
}

function query({ points: stored, vectors, sparse }: StoredCollection, { query: wanted, using = '', filter, limit = 10, with_payload: withPayload, with_vector: withVector }: Json): Json {
  const name = String(using)
  const all = [...stored.values()]
  const vector = (Array.isArray(wanted) ? wanted : ((wanted as { nearest?: unknown })?.nearest ?? wanted)) as readonly number[] | SparseVector
  if (Array.isArray(vector) ? !vectors[name] : !sparse[name]) throw new ApiError(400, `Wrong input: Not existing vector name error: ${name}`)
  if (Array.isArray(vector) && vector.length !== vectors[name]!.size) throw new ApiError(400, `Wrong input: Vector dimension error: expected dim: ${vectors[name]!.size}, got ${vector.length}`)
  const score = Array.isArray(vector) ? (stored: readonly number[] | SparseVector) => cosine(vector, stored as readonly number[]) : sparseScorer(all, name, vector as SparseVector, sparse[name]!.modifier === 'idf')
  const scored = all
    .filter((point) => point.vector[name] !== undefined && passes(filter, point))
    .map((point) => ({ point, score: score(point.vector[name]!) }))
    // Without a word in common a point is not found at all.
    .filter((each) => Array.isArray(vector) || each.score !== 0)
    .sort((a, b) => b.score - a.score || compareIds(a.point.id, b.point.id))
  return { points: scored.slice(0, limit as number).flatMap(({ point, score: value }) => show(point, withPayload, withVector).map((shown) => ({ ...shown, version: 0, score: Math.fround(value) }))) }
}

/** The modifier `idf` multiplies with ln(1 + (N - n + 0.5) / (n + 0.5)), counted over the collection. */
function sparseScorer(all: readonly StoredPoint[], name: string, { indices, values }: SparseVector, isIdf: boolean): (stored: readonly number[] | SparseVector) => number {
  const holders = all.flatMap(({ vector }) => (vector[name] ? [new Set((vector[name] as SparseVector).indices)] : []))
  const weights = new Map(
    indices.map((index, i) => {
      const count = holders.filter((holder) => holder.has(index)).length
      return [index, values[i]! * (isIdf ? Math.log(1 + (holders.length - count + 0.5) / (count + 0.5)) : 1)]
    }),
  )
  return (stored) => (stored as SparseVector).indices.reduce((sum, index, i) => sum + (weights.get(index) ?? 0) * (stored as SparseVector).values[i]!, 0)
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const norms = Math.hypot(...a) * Math.hypot(...b)
  return norms === 0 ? 0 : a.reduce((sum, value, i) => sum + value * b[i]!, 0) / norms
}

function show(point: StoredPoint | undefined, withPayload: unknown, withVector: unknown): Json[] {
  if (!point) return []
  const { id, vector, payload } = point
  const shownVector = withVector === true ? vector : Array.isArray(withVector) ? Object.fromEntries(Object.entries(vector).filter(([name]) => withVector.includes(name))) : undefined
  const shownPayload = selectPayload(payload, withPayload)
  return [{ id, ...(shownPayload && { payload: shownPayload }), ...(shownVector && { vector: shownVector }) }]
}

function selectPayload(payload: Json, wanted: unknown): Json | undefined {
  if (wanted === true) return payload
  if (Array.isArray(wanted)) return Object.fromEntries(Object.entries(payload).filter(([key]) => wanted.includes(key)))
  const { include, exclude } = (wanted || {}) as { include?: string[]; exclude?: string[] }
  if (include) return selectPayload(payload, include)
  return exclude ? Object.fromEntries(Object.entries(payload).filter(([key]) => !exclude.includes(key))) : undefined
}

function compareIds(a: PointId, b: PointId): number {
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1
  return a < b ? -1 : a > b ? 1 : 0
}

function updated(): Json {
  return { operation_id: 0, status: 'completed' }
}
