import { createHash } from 'node:crypto'
import { isWindlassError, WindlassError } from '../../../base/errors.ts'
import { chunksOf } from '../../../base/groups.ts'
import type { Filter } from '../../../engine/query/filter.ts'
import type { JsonRequest, JsonService } from '../http-json.ts'
import { decodePayload, encodePayload, pointId, type FoundPoint, type Point, type PointName, type PointStore } from '../point-store.ts'
import { toQdrantFilter, type QdrantCondition } from './qdrant-filter.ts'
import { sparseQuestion, sparseText } from './sparse-words.ts'

interface Options {
  readonly signal?: AbortSignal | undefined
}

interface QdrantPoint {
  readonly payload?: unknown
  readonly vector?: { readonly dense?: readonly number[] }
  readonly score?: number
}

interface CollectionInfo {
  readonly config?: { readonly params?: { readonly vectors?: { readonly dense?: { readonly size?: number; readonly distance?: string } }; readonly sparse_vectors?: { readonly words?: { readonly modifier?: string } } } }
}

/** Payload keys that filters of ours name: without an index each of them would read all of the collection. */
const payloadIndexes = { document: 'keyword', version: 'keyword', vectorizer: 'keyword', path: 'keyword', isHead: 'bool' } as const
/** A request of Qdrant's may have 32 MiB. */
const putBytesMax = 8 * 1024 * 1024
const putPointsMax = 256
const pageMax = 256
/** A float32 in JSON. */
const valueBytes = 12

/** A collection of Qdrant, over its REST API (1.10 or later). Vectors lie under `dense`, words under `words`. */
export class QdrantStore implements PointStore {
  readonly name: string
  readonly knowsWords = true
  readonly isDelayed = false
  readonly #service: JsonService
  readonly #collection: string
  readonly #path: string

  constructor(service: JsonService, { url, collection }: { url: string; collection: string }) {
    this.name = `qdrant:${url.replace(/\/+$/, '')}/${collection}`
    this.#service = service
    this.#collection = collection
    this.#path = `/collections/${encodeURIComponent(collection)}`
  }

  async prepare({ dimension }: { dimension: number }): Promise<void> {
    let info = await this.#describe()
    if (!info) {
      await this.#create(dimension)
      info = await this.#describe()
    }
    const { dense } = info?.config?.params?.vectors ?? {}
    const title = `collection ${JSON.stringify(this.#collection)} of qdrant`
    if (!dense || info?.config?.params?.sparse_vectors?.words?.modifier !== 'idf') throw new WindlassError('invalid', `${title} has not the vectors dense and words (modifier idf): name another, or let it be made`, { path: 'destinations' })
    if (dense.size !== dimension) throw new WindlassError('invalid', `${title} takes vectors of ${dense.size} values, and the model makes ${dimension}: name another`, { path: 'destinations' })
    if (dense.distance !== 'Cosine') throw new WindlassError('invalid', `${title} has the distance ${dense.distance}, expected Cosine: name another`, { path: 'destinations' })
    // Making one that is there already does nothing, so that a run that was killed in between is made good.
    for (const [name, schema] of Object.entries(payloadIndexes)) await this.#send({ method: 'PUT', path: '/index?wait=true', json: { field_name: name, field_schema: schema }, operation: 'index payload' })
  }

  async put(points: readonly Point[], { signal }: Options = {}): Promise<void> {
    for (const batch of batches(points)) await this.#send({ method: 'PUT', path: '/points?wait=true', json: { points: batch }, operation: 'put points', signal })
  }

  heads(documents: readonly string[], options: Options = {}): Promise<(Point | null)[]> {
    return this.#getAll(documents, options)
  }

  async get(names: readonly PointName[], options: Options & { withVectors?: boolean } = {}): Promise<(Point | null)[]> {
    const points = await this.#getAll(names.map(pointId), options)
    // The head's id is the same in every version.
    return points.map((point, i) => (point?.version === names[i]!.version ? point : null))
  }

  async versions(document: string, except: readonly string[], { signal }: Options = {}): Promise<string[]> {
    const filter = { ...chunksOfDocument(document), ...(except.length > 0 && { must_not: [{ key: 'version', match: { any: except } }] }) }
    const { points } = (await this.#send({ method: 'POST', path: '/points/scroll', json: { filter, limit: pageMax, with_payload: ['version'], with_vector: false }, operation: 'look for leftovers', signal })) as { points: { payload: { version: string } }[] }
    return [...new Set(points.map(({ payload }) => payload.version))]
  }

  async removeVersion(document: string, version: string, _: number | null, options: Options = {}): Promise<void> {
    const { must } = chunksOfDocument(document)
    await this.#delete({ filter: { must: [...must, { key: 'version', match: { value: version } }] } }, options)
  }

  async removeHead(document: string, options: Options = {}): Promise<void> {
    await this.#delete({ points: [uuidOf(document)] }, options)
  }

  async *scan(vectorizer: string, { onlyHeads, signal }: Options & { onlyHeads: boolean }): AsyncIterable<readonly Point[]> {
    const must = [{ key: 'vectorizer', match: { value: vectorizer } }, ...(onlyHeads ? [{ key: 'isHead', match: { value: true } }] : [])]
    for (let offset: unknown; ; ) {
      const json = { filter: { must }, limit: pageMax, with_payload: { exclude: ['text'] }, with_vector: false, ...(offset !== undefined && { offset }) }
      const page = (await this.#send({ method: 'POST', path: '/points/scroll', json, operation: 'list points', signal })) as { points: QdrantPoint[]; next_page_offset?: unknown }
      yield page.points.flatMap((point) => toPoint(point) ?? [])
      if (page.next_page_offset === undefined || page.next_page_offset === null) return
      offset = page.next_page_offset
    }
  }

  async findByVector(vectorizer: string, vector: Float32Array, k: number, filter: Filter | undefined, { signal }: Options = {}): Promise<FoundPoint[]> {
    const found = await this.#query({ query: Array.from(vector), using: 'dense', filter: toQdrantFilter(vectorizer, filter), limit: k }, signal)
    return found.map(({ point, score }) => ({ point, distance: 1 - score }))
  }

  async findByWords(vectorizer: string, text: string, k: number, filter: Filter | undefined, { signal }: Options = {}): Promise<FoundPoint[]> {
    const query = sparseQuestion(text)
    if (query.indices.length === 0) return []
    const found = await this.#query({ query, using: 'words', filter: toQdrantFilter(vectorizer, filter), limit: k }, signal)
    return found.map(({ point, score }) => ({ point, textScore: score }))
  }

  async #query(json: Record<string, unknown>, signal: AbortSignal | undefined): Promise<{ point: Point; score: number }[]> {
    const { points } = (await this.#send({ method: 'POST', path: '/points/query', json: { ...json, with_payload: true }, operation: 'search', signal })) as { points: QdrantPoint[] }
    return points.flatMap((each) => {
      const point = toPoint(each)
      return point ? [{ point, score: each.score! }] : []
    })
  }

  async #describe(): Promise<CollectionInfo | null> {
    try {
      return (await this.#send({ method: 'GET', path: '', operation: 'describe' })) as CollectionInfo
    } catch (error) {
      if (isWindlassError(error, 'not-found')) return null
      throw error
    }
  }

  async #create(dimension: number): Promise<void> {
    const json = { vectors: { dense: { size: dimension, distance: 'Cosine' } }, sparse_vectors: { words: { modifier: 'idf' } } }
    try {
      await this.#send({ method: 'PUT', path: '', json, operation: 'create' })
    } catch (error) {
      // Another process was faster, or the answer to our first attempt was lost.
      if (!(isWindlassError(error, 'conflict') || (isWindlassError(error, 'invalid') && /already exists/i.test(error.message)))) throw error
    }
  }

  async #getAll(ids: readonly string[], { withVectors = false, signal }: Options & { withVectors?: boolean }): Promise<(Point | null)[]> {
    const found = new Map<string, Point>()
    for (const part of chunksOf([...new Set(ids)], pageMax)) {
      const points = (await this.#send({ method: 'POST', path: '/points', json: { ids: part.map(uuidOf), with_payload: true, with_vector: withVectors ? ['dense'] : false }, operation: 'get points', signal })) as QdrantPoint[]
      for (const each of points) {
        const point = toPoint(each)
        if (point) found.set(pointId(point), point)
      }
    }
    return ids.map((id) => found.get(id) ?? null)
  }

  async #delete(json: { filter: QdrantCondition } | { points: readonly string[] }, { signal }: Options): Promise<void> {
    await this.#send({ method: 'POST', path: '/points/delete?wait=true', json, operation: 'delete points', signal })
  }

  async #send({ path, operation, ...request }: JsonRequest): Promise<unknown> {
    const { value } = await this.#service.send({ ...request, path: this.#path + path, operation: `${operation} of collection ${this.#collection}` })
    return (value as { result?: unknown } | null)?.result
  }
}

/** What an error of Qdrant's says. */
export function readQdrantMessage(body: unknown): string | null {
  const { status } = (body ?? {}) as { status?: { error?: unknown } }
  return typeof status?.error === 'string' ? status.error : null
}

const namespace = Buffer.from('5c1d0ff69ab34cc2a14d3d1f3a6f0a7e', 'hex')

/** Ids of Qdrant's are numbers or UUIDs: version 5, of SHA-1 in a namespace of our own (RFC 9562, section 5.5). */
function uuidOf(id: string): string {
  const hash = createHash('sha1').update(namespace).update(id).digest()
  hash[6] = (hash[6]! & 0x0f) | 0x50
  hash[8] = (hash[8]! & 0x3f) | 0x80
  return hash.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

function chunksOfDocument(document: string): { must: QdrantCondition[] } {
  return { must: [{ key: 'document', match: { value: document } }, { key: 'isHead', match: { value: false } }] }
}

function toPoint({ payload, vector }: QdrantPoint): Point | null {
  return decodePayload(payload, vector?.dense ? Float32Array.from(vector.dense) : null)
}

function* batches(points: readonly Point[]): Iterable<Record<string, unknown>[]> {
  let batch: Record<string, unknown>[] = []
  let bytes = 0
  for (const point of points) {
    const payload = encodePayload(point)
    const words = sparseText(point.text)
    const vector = { ...(point.vector && { dense: Array.from(point.vector) }), ...(words.indices.length > 0 && { words }) }
    const size = ((point.vector?.length ?? 0) + words.indices.length * 2) * valueBytes + Buffer.byteLength(JSON.stringify(payload))
    if (batch.length === putPointsMax || (batch.length > 0 && bytes + size > putBytesMax)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push({ id: uuidOf(pointId(point)), vector, payload })
    bytes += size
  }
  if (batch.length > 0) yield batch
}
