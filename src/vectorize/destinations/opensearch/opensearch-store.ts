import type { Clock } from '../../../base/clock.ts'
import { isWindlassError, WindlassError } from '../../../base/errors.ts'
import { chunksOf } from '../../../base/groups.ts'
import type { Random } from '../../../base/random.ts'
import type { Filter } from '../../../engine/query/filter.ts'
import { kindOfStatus, type JsonRequest, type JsonService } from '../http-json.ts'
import { decodePayload, pointId, type FoundPoint, type Point, type PointName, type PointStore } from '../point-store.ts'
import { toClauses, type Clause } from './opensearch-filter.ts'
import { distanceOf, encodeDocument, indexBody, pointName, readMapping, spacedVector, type SpaceType } from './opensearch-index.ts'

interface Options {
  readonly signal?: AbortSignal | undefined
}

interface Hit {
  readonly _id: string
  readonly _source?: Record<string, unknown>
  readonly _score?: number
  readonly sort?: readonly unknown[]
}

type BulkItem = Record<string, { readonly status: number; readonly error?: { readonly type?: string; readonly reason?: string } }>

/** A line of an action, and one of a document where it has one. */
type BulkAction = readonly [action: Record<string, unknown>, document?: Record<string, unknown>]

const bulkBytesMax = 5 * 1024 * 1024
const bulkActionsMax = 250
const bulkAttemptsMax = 6
const backoffMs = 250
const pageMax = 500
/** `index.max_result_window`, as it is where nobody changed it. */
const resultsMax = 10_000
const withoutVector = { excludes: ['vector', 'facts'] }

export interface OpenSearchStoreSettings {
  readonly url: string
  readonly index: string
  /** OpenSearch Serverless: ids are its own, writes are seen when it sees fit, and nothing is deleted by a query. */
  readonly isServerless: boolean
  readonly clock: Clock
  readonly random: Random
}

/** An index of OpenSearch (2.9 or later), over its REST API. */
export class OpenSearchStore implements PointStore {
  readonly name: string
  readonly knowsWords = true
  readonly isDelayed: boolean
  readonly #service: JsonService
  readonly #settings: OpenSearchStoreSettings
  readonly #path: string
  #space: SpaceType = 'cosinesimil'

  constructor(service: JsonService, settings: OpenSearchStoreSettings) {
    this.name = `opensearch:${settings.url.replace(/\/+$/, '')}/${settings.index}`
    this.isDelayed = settings.isServerless
    this.#service = service
    this.#settings = settings
    this.#path = `/${encodeURIComponent(settings.index)}`
  }

  async prepare({ dimension }: { dimension: number }): Promise<void> {
    const describe = () => this.#send({ method: 'GET', path: '/_mapping', operation: 'describe', accept: [404] })
    let answer = await describe()
    if (answer.status === 404) {
      await this.#create(dimension)
      answer = await describe()
    }
    this.#space = readMapping(answer.value, `index ${JSON.stringify(this.#settings.index)} of opensearch`, dimension)
  }

  async put(points: readonly Point[], { signal }: Options = {}): Promise<void> {
    const id = (point: Point) => (this.isDelayed ? {} : { _id: pointId(point) })
    await this.#bulk(points.map((point) => [{ index: id(point) }, encodeDocument(point, this.#space)]), { isSeenAtOnce: true, signal })
  }

  async heads(documents: readonly string[], { signal }: Options = {}): Promise<(Point | null)[]> {
    if (!this.isDelayed) return this.#getAll(documents, { withVectors: false, signal })
    const newest = new Map<string, Point>()
    for (const part of chunksOf(documents, pageMax)) {
      for (const hit of await this.#hits({ query: filtered([{ terms: { document: part } }, { term: { isHead: true } }]), size: Math.min(resultsMax, part.length * 4), sort: [{ version: 'desc' }], _source: withoutVector }, 'get heads', signal)) {
        const point = toPoint(hit)
        if (point && (newest.get(point.document)?.version ?? '') < point.version) newest.set(point.document, point)
      }
    }
    return documents.map((document) => newest.get(document) ?? null)
  }

  async get(names: readonly PointName[], { withVectors = false, signal }: Options & { withVectors?: boolean } = {}): Promise<(Point | null)[]> {
    if (!this.isDelayed) {
      const points = await this.#getAll(names.map(pointId), { withVectors, signal })
      // The head's id is the same in every version.
      return points.map((point, i) => (point?.version === names[i]!.version ? point : null))
    }
    const found = new Map<string, Point>()
    for (const part of chunksOf(names.map(pointName), pageMax)) {
      for (const hit of await this.#hits({ query: filtered([{ terms: { name: part } }]), size: Math.min(resultsMax, part.length * 4), _source: withVectors ? { excludes: ['facts'] } : withoutVector }, 'get points', signal)) {
        const point = toPoint(hit)
        if (point) found.set(pointName(point), point)
      }
    }
    return names.map((name) => found.get(pointName(name)) ?? null)
  }

  async versions(document: string, except: readonly string[], { signal }: Options = {}): Promise<string[]> {
    const query = { bool: { filter: [{ term: { document } }, ...this.#notHead()], must_not: [{ terms: { version: except } }] } }
    const { value } = await this.#send({ method: 'POST', path: '/_search', json: { size: 0, query, aggs: { versions: { terms: { field: 'version', size: 100 } } } }, operation: 'look for leftovers', signal })
    const { aggregations } = value as { aggregations?: { versions?: { buckets?: { key: string }[] } } }
    return (aggregations?.versions?.buckets ?? []).map(({ key }) => key)
  }

  async removeVersion(document: string, version: string, chunkCount: number | null, { signal }: Options = {}): Promise<void> {
    const query = filtered([{ term: { document } }, { term: { version } }, ...this.#notHead()])
    if (this.isDelayed) return this.#deleteFound(query, signal)
    if (chunkCount !== null) return this.#bulk(Array.from({ length: Math.max(0, chunkCount - 1) }, (_, i) => [{ delete: { _id: pointId({ document, version, index: i + 1 }) } }]), { signal })
    await this.#send({ method: 'POST', path: '/_delete_by_query?conflicts=proceed&refresh=true', json: { query }, operation: 'delete leftovers', signal })
  }

  async removeHead(document: string, { signal }: Options = {}): Promise<void> {
    if (this.isDelayed) return this.#deleteFound(filtered([{ term: { document } }, { term: { isHead: true } }]), signal)
    await this.#bulk([[{ delete: { _id: document } }]], { signal })
  }

  async *scan(vectorizer: string, { onlyHeads, signal }: Options & { onlyHeads: boolean }): AsyncIterable<readonly Point[]> {
    // What was deleted is still found until then.
    if (!this.isDelayed) await this.#send({ method: 'POST', path: '/_refresh', operation: 'refresh', signal })
    const query = filtered([{ term: { vectorizer } }, ...(onlyHeads ? [{ term: { isHead: true } }] : [])])
    for (let after: readonly unknown[] | undefined; ; ) {
      const hits = await this.#hits({ query, size: pageMax, sort: [{ name: 'asc' }], _source: { excludes: ['vector', 'facts', 'text'] }, ...(after && { search_after: after }) }, 'list points', signal)
      yield hits.flatMap((hit) => toPoint(hit) ?? [])
      if (hits.length < pageMax) return
      after = hits.at(-1)!.sort!
    }
  }

  async findByVector(vectorizer: string, vector: Float32Array, k: number, filter: Filter | undefined, { signal }: Options = {}): Promise<FoundPoint[]> {
    const query = { knn: { vector: { vector: spacedVector(vector, this.#space), k, filter: { bool: { filter: toClauses(vectorizer, filter) } } } } }
    const found = await this.#search(query, k, signal)
    return found.map(({ point, score }) => ({ point, distance: distanceOf(score, this.#space) }))
  }

  async findByWords(vectorizer: string, text: string, k: number, filter: Filter | undefined, { signal }: Options = {}): Promise<FoundPoint[]> {
    const query = { bool: { must: [{ match: { text } }], filter: toClauses(vectorizer, filter) } }
    const found = await this.#search(query, k, signal)
    return found.map(({ point, score }) => ({ point, textScore: score }))
  }

  async #search(query: Clause, size: number, signal: AbortSignal | undefined): Promise<{ point: Point; score: number }[]> {
    const hits = await this.#hits({ query, size, _source: withoutVector }, 'search', signal)
    return hits.flatMap((hit) => {
      const point = toPoint(hit)
      return point ? [{ point, score: hit._score! }] : []
    })
  }

  /** Serverless overwrites no head: an old one goes with its version. */
  #notHead(): Clause[] {
    return this.isDelayed ? [] : [{ term: { isHead: false } }]
  }

  async #create(dimension: number): Promise<void> {
    try {
      await this.#send({ method: 'PUT', path: '', json: indexBody(dimension, this.#settings.isServerless), operation: 'create' })
    } catch (error) {
      // Another process was faster, or the answer to our first attempt was lost.
      if (!(isWindlassError(error, 'invalid') && /already.exists/i.test(error.message))) throw error
    }
  }

  async #getAll(ids: readonly string[], { withVectors, signal }: Options & { withVectors: boolean }): Promise<(Point | null)[]> {
    const found = new Map<string, Point>()
    for (const part of chunksOf([...new Set(ids)], pageMax)) {
      const docs = part.map((_id) => ({ _id, _source: withVectors ? { excludes: ['facts'] } : withoutVector }))
      const { value } = await this.#send({ method: 'POST', path: '/_mget', json: { docs }, operation: 'get points', signal })
      for (const hit of (value as { docs: Hit[] }).docs) {
        const point = toPoint(hit)
        if (point) found.set(hit._id, point)
      }
    }
    return ids.map((id) => found.get(id) ?? null)
  }

  /** By the ids of what is found, until nothing is: where nothing can be deleted by a query. What was deleted may be found for a while. */
  async #deleteFound(query: Clause, signal: AbortSignal | undefined): Promise<void> {
    for (let after: readonly unknown[] | undefined; ; ) {
      const hits = await this.#hits({ query, size: pageMax, sort: [{ name: 'asc' }], _source: false, ...(after && { search_after: after }) }, 'look for leftovers', signal)
      await this.#bulk(hits.map(({ _id }) => [{ delete: { _id } }]), { signal })
      if (hits.length < pageMax) return
      after = hits.at(-1)!.sort!
    }
  }

  async #hits(json: Record<string, unknown>, operation: string, signal: AbortSignal | undefined): Promise<Hit[]> {
    const { value } = await this.#send({ method: 'POST', path: '/_search', json, operation, signal })
    return (value as { hits: { hits: Hit[] } }).hits.hits
  }

  async #bulk(actions: readonly BulkAction[], { isSeenAtOnce = false, signal }: Options & { isSeenAtOnce?: boolean }): Promise<void> {
    const path = `/_bulk${isSeenAtOnce && !this.isDelayed ? '?refresh=true' : ''}`
    for (const batch of batches(actions)) {
      let due = batch
      for (let attempt = 1; due.length > 0; attempt++) {
        const { value } = await this.#send({ method: 'POST', path, lines: due.map(({ lines }) => lines).join(''), operation: 'write', signal })
        const { items } = value as { items: BulkItem[] }
        const refused = items.flatMap((item, i) => {
          const [result] = Object.values(item)
          // Deleting what is not there is as good.
          return result!.status < 300 || (result!.status === 404 && 'delete' in item) ? [] : [{ action: due[i]!, result: result! }]
        })
        const [worst] = refused.filter(({ result }) => kindOfStatus(result.status) !== 'unavailable')
        const told = worst ?? refused[0]
        if (told && (worst || attempt === bulkAttemptsMax)) throw this.#refusal(told.result, refused.length, due.length)
        // The whole request was answered, a part of it was not taken.
        if (told) await this.#settings.clock.sleep(this.#settings.random.next() * backoffMs * 2 ** attempt, signal)
        due = refused.map(({ action }) => action)
      }
    }
  }

  #refusal({ status, error }: BulkItem[string], count: number, total: number): WindlassError {
    const reason = this.#service.redact(error?.reason ?? error?.type ?? 'no reason')
    return new WindlassError(kindOfStatus(status), `opensearch: write of index ${this.#settings.index}: ${count} of ${total} refused, with ${status}: ${reason}`, { operation: 'write', status })
  }

  #send({ path, operation, ...request }: JsonRequest): Promise<{ status: number; value: unknown }> {
    return this.#service.send({ ...request, path: this.#path + path, operation: `${operation} of index ${this.#settings.index}` })
  }
}

/** What an error of OpenSearch's says; Serverless and proxies of AWS's have a `message`. */
export function readOpenSearchMessage(body: unknown): string | null {
  const { error, message } = (body ?? {}) as { error?: { type?: string; reason?: string; root_cause?: { type?: string; reason?: string }[] } | string; message?: string }
  if (typeof error === 'string') return error
  const cause = error?.root_cause?.[0] ?? error
  return cause ? [cause.type, cause.reason].filter(Boolean).join(': ') : (message ?? null)
}

function filtered(clauses: readonly Clause[]): Clause {
  return { bool: { filter: clauses } }
}

function toPoint({ _source }: Hit): Point | null {
  const vector = _source?.vector
  return decodePayload(_source, Array.isArray(vector) ? Float32Array.from(vector as number[]) : null)
}

function* batches(actions: readonly BulkAction[]): Iterable<{ lines: string }[]> {
  let batch: { lines: string }[] = []
  let bytes = 0
  for (const [action, document] of actions) {
    const lines = `${JSON.stringify(action)}\n${document ? `${JSON.stringify(document)}\n` : ''}`
    const size = Buffer.byteLength(lines)
    if (batch.length === bulkActionsMax || (batch.length > 0 && bytes + size > bulkBytesMax)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push({ lines })
    bytes += size
  }
  if (batch.length > 0) yield batch
}
