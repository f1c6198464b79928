// A double of OpenSearch's REST API, from its public reference, as a cluster or as a vector collection of OpenSearch Serverless. State in
// memory. What is written is searched after a refresh only, as in the real one; by id it is read at once.
import { createHash } from 'node:crypto'
import { parseAuthorization, verifySignature } from '../aws/verify-signature.ts'
import { startJsonServer, type JsonServer, type JsonServerAnswer, type JsonServerRequest } from '../json-server.ts'
import { BadQuery, scorerOf, type IndexedDocument, type Json, type Mapping } from './query.ts'

interface StoredIndex {
  readonly mapping: Mapping
  /** Whatever is written. */
  readonly documents: Map<string, IndexedDocument>
  /** As the last refresh saw it. */
  searched: readonly IndexedDocument[]
}

class ApiError extends Error {
  readonly status: number
  readonly type: string

  constructor(status: number, type: string, reason: string) {
    super(reason)
    this.status = status
    this.type = type
  }
}

export interface OpenSearchDoubleOptions {
  readonly basic?: { readonly user: string; readonly password: string }
  /** Asks for requests that are signed with this key. */
  readonly aws?: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly region: string; readonly service: 'es' | 'aoss' }
  /** A vector collection of OpenSearch Serverless: no ids of one's own, no refresh, no deletes or updates by a query. */
  readonly isServerless?: boolean
  /** Serverless sees writes only when `refresh` of the double is called, else at once. */
  readonly isSlow?: boolean
}

export interface OpenSearchDouble extends JsonServer {
  readonly indexes: Map<string, StoredIndex>
  /** Documents of a bulk for which this gives a status are refused with it. */
  refuse: (action: { kind: string; id: string | undefined; source: Json | undefined }) => number | null
  /** Makes everything searchable. */
  refresh(): void
}

/** Starts the double on 127.0.0.1. */
export async function startOpenSearchDouble(options: OpenSearchDoubleOptions = {}): Promise<OpenSearchDouble> {
  const cluster = new Cluster(options)
  const server = await startJsonServer(
    (request) => cluster.answer(request),
    (status) => errorBody(new ApiError(status, 'exception', `error ${status} on purpose`)),
  )
  const double = { ...server, indexes: cluster.indexes, refresh: () => cluster.refreshAll() }
  return Object.defineProperty(double as unknown as OpenSearchDouble, 'refuse', { set: (refuse: OpenSearchDouble['refuse']) => (cluster.refuse = refuse), get: () => cluster.refuse })
}

class Cluster {
  readonly indexes = new Map<string, StoredIndex>()
  refuse: OpenSearchDouble['refuse'] = () => null
  readonly #options: OpenSearchDoubleOptions
  #ids = 0

  constructor(options: OpenSearchDoubleOptions) {
    this.#options = options
  }

  answer(request: JsonServerRequest): JsonServerAnswer {
    try {
      this.#authorize(request)
      return this.#route(request)
    } catch (error) {
      if (error instanceof BadQuery) return { status: 400, json: errorBody(new ApiError(400, 'parsing_exception', error.message)) }
      if (!(error instanceof ApiError)) throw error
      return { status: error.status, json: errorBody(error) }
    }
  }

  refreshAll(): void {
    for (const index of this.indexes.values()) index.searched = [...index.documents.values()]
  }

  #authorize(request: JsonServerRequest): void {
    const { basic, aws } = this.#options
    if (basic && request.headers.authorization !== `Basic ${Buffer.from(`${basic.user}:${basic.password}`).toString('base64')}`) throw new ApiError(401, 'security_exception', 'Unauthorized')
    if (!aws) return
    const parsed = parseAuthorization(request.headers.authorization ?? '')
    if (parsed?.accessKeyId !== aws.accessKeyId || parsed.service !== aws.service || parsed.region !== aws.region) throw new ApiError(403, 'security_exception', `credential should be scoped to ${aws.region}/${aws.service}`)
    if (request.headers['x-amz-content-sha256'] !== createHash('sha256').update(request.text).digest('hex')) throw new ApiError(403, 'security_exception', 'x-amz-content-sha256 is not that of the body')
    if (!verifySignature(request, parsed, aws.secretAccessKey)) throw new ApiError(403, 'security_exception', 'The request signature we calculated does not match the signature you provided.')
  }

  #route({ method, path, text, url }: JsonServerRequest): JsonServerAnswer {
    if (path === '/') return { json: { version: { number: '2.19.1', distribution: 'opensearch' } } }
    const [, first = '', action = ''] = /^\/([^/]+)(.*)$/.exec(path) ?? []
    if (first === '_bulk') return { json: this.#bulk(null, text, url) }
    const body = text === '' || action === '/_bulk' ? {} : (JSON.parse(text) as Json)
    if (action === '' && method === 'PUT') return { json: this.#create(first, body) }
    const index = this.indexes.get(first)
    if (!index) throw new ApiError(404, 'index_not_found_exception', `no such index [${first}]`)
    const isServerless = this.#options.isServerless === true
    if (isServerless && (/_refresh|_delete_by_query|_update_by_query/.test(action) || url.searchParams.has('refresh'))) throw new ApiError(404, 'not_found', 'not supported')
    switch (`${method} ${action}`) {
      case 'HEAD ':
        return {}
      case 'DELETE ':
        return { json: { acknowledged: this.indexes.delete(first) } }
      case 'GET /_mapping':
        return { json: { [first]: { mappings: index.mapping } } }
      case 'POST /_bulk':
      case 'PUT /_bulk':
        return { json: this.#bulk(first, text, url) }
      case 'POST /_refresh':
      case 'GET /_refresh':
        this.#refresh(index)
        return { json: { _shards: { total: 1, successful: 1, failed: 0 } } }
      case 'POST /_mget':
        if (isServerless) throw new ApiError(400, 'illegal_argument_exception', 'the double wants no ids of our own here')
        return { json: { docs: (body.docs as { _id: string; _source?: unknown }[]).map(({ _id, _source }) => getDocument(index, _id, _source)) } }
      case 'POST /_delete_by_query':
        return { json: this.#deleteByQuery(index, body, url) }
      case 'POST /_search':
      case 'GET /_search':
        return { json: search(index, body) }
      case 'POST /_count':
      case 'GET /_count':
        return { json: { count: found(index, body.query as Json | undefined).length } }
      default:
        throw new ApiError(405, 'illegal_argument_exception', `incorrect HTTP method for uri [${path}] and method [${method}]`)
    }
  }

  #create(name: string, body: Json): Json {
    if (this.indexes.has(name)) throw new ApiError(400, 'resource_already_exists_exception', `index [${name}/double] already exists`)
    this.indexes.set(name, { mapping: body.mappings as Mapping, documents: new Map(), searched: [] })
    return { acknowledged: true, shards_acknowledged: true, index: name }
  }

  #bulk(name: string | null, text: string, url: URL): Json {
    if (!text.endsWith('\n')) throw new ApiError(400, 'illegal_argument_exception', 'The bulk request must be terminated by a newline [\\n]')
    const lines = text.slice(0, -1).split('\n')
    const items: Json[] = []
    const touched = new Set<StoredIndex>()
    for (let i = 0; i < lines.length; i++) {
      const [kind, meta] = Object.entries(JSON.parse(lines[i]!) as Record<string, { _id?: string; _index?: string }>)[0]!
      const index = this.indexes.get(meta._index ?? name ?? '')
      if (!index) throw new ApiError(404, 'index_not_found_exception', `no such index [${meta._index}]`)
      const source = kind === 'delete' ? undefined : (JSON.parse(lines[++i]!) as Json)
      items.push({ [kind]: this.#bulkItem(index, kind, meta._id, source) })
      touched.add(index)
    }
    if (url.searchParams.get('refresh') === 'true' || (this.#options.isServerless && !this.#options.isSlow)) for (const index of touched) this.#refresh(index)
    return { took: 0, errors: items.some((item) => (Object.values(item)[0] as { status: number }).status >= 300), items }
  }

  #bulkItem(index: StoredIndex, kind: string, id: string | undefined, source: Json | undefined): Json {
    const refused = this.refuse({ kind, id, source })
    if (refused !== null) return { _id: id, status: refused, error: { type: refused === 429 ? 'es_rejected_execution_exception' : 'mapper_parsing_exception', reason: `refused with ${refused} on purpose` } }
    if (kind === 'delete') return { _id: id, status: index.documents.delete(id!) ? 200 : 404, result: 'deleted' }
    if (this.#options.isServerless && id !== undefined) return { _id: id, status: 400, error: { type: 'illegal_argument_exception', reason: 'Document ID is not supported in create/index operation request' } }
    const dimension = index.mapping.properties.vector?.dimension
    const vector = source!.vector as number[] | undefined
    if (vector && vector.length !== dimension) return { _id: id, status: 400, error: { type: 'mapper_parsing_exception', reason: `failed to parse field [vector] of type [knn_vector]: Vector dimension mismatch. Expected: ${dimension}, Given: ${vector.length}` } }
    const key = id ?? `auto-${++this.#ids}`
    if (Buffer.byteLength(key) > 512) return { _id: key, status: 400, error: { type: 'illegal_argument_exception', reason: `id is too long, must be no longer than 512 bytes but was: ${Buffer.byteLength(key)}` } }
    const isNew = !index.documents.has(key)
    index.documents.set(key, { id: key, source: source! })
    return { _id: key, status: isNew ? 201 : 200, result: isNew ? 'created' : 'updated' }
  }

  #deleteByQuery(index: StoredIndex, { query }: Json, url: URL): Json {
    const matching = found(index, query as Json)
    let deleted = 0
    for (const { document } of matching) {
      // A version of it that is newer than what was searched is a conflict, and stays.
      if (index.documents.get(document.id) === document && index.documents.delete(document.id)) deleted++
    }
    if (deleted < matching.length && url.searchParams.get('conflicts') !== 'proceed') throw new ApiError(409, 'version_conflict_engine_exception', `${matching.length - deleted} version conflicts`)
    if (url.searchParams.get('refresh') === 'true') this.#refresh(index)
    return { deleted, version_conflicts: matching.length - deleted, failures: [] }
  }

  #refresh(index: StoredIndex): void {
    index.searched = [...index.documents.values()]
  }
}

function errorBody({ status, type, message: reason }: ApiError): Json {
  return { error: { root_cause: [{ type, reason }], type, reason }, status }
}

function found(index: StoredIndex, query: Json | undefined): { document: IndexedDocument; score: number }[] {
  const score = query ? scorerOf(query, index.mapping, index.searched) : () => 1
  return index.searched.flatMap((document) => {
    const value = score(document)
    return value === null ? [] : [{ document, score: value }]
  })
}

function search(index: StoredIndex, { query, size = 10, sort, search_after: after, _source, aggs }: Json): Json {
  if ((size as number) > 10_000) throw new BadQuery('Result window is too large, from + size must be less than or equal to: [10000]')
  const all = found(index, query as Json | undefined)
  const [order] = (sort ?? []) as Record<string, 'asc' | 'desc'>[]
  const [field, direction] = order ? Object.entries(order)[0]! : [null, 'desc' as const]
  const keyOf = ({ document, score }: (typeof all)[number]) => (field === null ? score : String(document.source[field] ?? ''))
  const compare = (a: string | number, b: string | number) => (a < b ? -1 : a > b ? 1 : 0) * (direction === 'asc' ? 1 : -1)
  const sorted = all.sort((a, b) => compare(keyOf(a), keyOf(b)) || compare(b.document.id, a.document.id))
  const rest = after === undefined ? sorted : sorted.filter((each) => compare(keyOf(each), (after as string[])[0]!) > 0)
  const hits = rest.slice(0, size as number).map((each) => ({ _id: each.document.id, _score: field === null ? each.score : null, ...shown(each.document.source, _source), ...(field !== null && { sort: [keyOf(each)] }) }))
  return { took: 0, timed_out: false, hits: { total: { value: all.length, relation: 'eq' }, hits }, ...(aggs !== undefined && { aggregations: aggregate(all.map(({ document }) => document.source), aggs as Record<string, { terms: { field: string; size: number } }>) }) }
}

function aggregate(sources: readonly Json[], aggs: Record<string, { terms: { field: string; size: number } }>): Json {
  const buckets = ({ terms: { field, size } }: { terms: { field: string; size: number } }) => {
    const counts = new Map<unknown, number>()
    for (const source of sources) if (source[field] !== undefined) counts.set(source[field], (counts.get(source[field]) ?? 0) + 1)
    return [...counts].map(([key, count]) => ({ key, doc_count: count })).slice(0, size)
  }
  return Object.fromEntries(Object.entries(aggs).map(([name, each]) => [name, { buckets: buckets(each) }]))
}

function getDocument(index: StoredIndex, id: string, wanted: unknown): Json {
  const document = index.documents.get(id)
  return document ? { _id: id, found: true, ...shown(document.source, wanted) } : { _id: id, found: false }
}

function shown(source: Json, wanted: unknown): Json {
  if (wanted === false) return {}
  const { excludes = [] } = (wanted ?? {}) as { excludes?: string[] }
  return { _source: Object.fromEntries(Object.entries(source).filter(([name]) => !excludes.includes(name))) }
}
