import type { Clock } from '../../base/clock.ts'
import { WindlassError } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import { JsonService } from '../../vectorize/destinations/http-json.ts'
import { readQdrantMessage } from '../../vectorize/destinations/qdrant/qdrant-store.ts'
import { isObject, readRecord, usualFields, type FieldNames } from '../fields.ts'
import type { PlacedItem, Position, RecordSource, SourceShape } from '../source.ts'

export interface QdrantSourceSettings {
  /** Of the REST API: `http://127.0.0.1:6333`. */
  readonly url: string
  readonly collection: string
  readonly apiKey?: string
  /** Which of several named vectors. */
  readonly vectorName?: string
  readonly fields?: FieldNames
  readonly clock: Clock
  readonly random: Random
}

const pagePoints = 500
const metrics: Readonly<Record<string, SourceShape['metric']>> = { Cosine: 'cosine', Euclid: 'euclidean', Dot: 'dot' }

/** A collection of Qdrant, read by its REST API in the order of its points' ids. Vectors of a cosine collection come as it keeps them: normalized. */
export class QdrantSource implements RecordSource {
  readonly title: string
  readonly #service: JsonService
  readonly #settings: QdrantSourceSettings
  readonly #path: string
  #vectorName: string | null = null

  constructor(settings: QdrantSourceSettings) {
    const { url, collection, apiKey, clock, random } = settings
    this.title = `qdrant:${url}/${collection}`
    this.#settings = settings
    this.#path = `/collections/${encodeURIComponent(collection)}`
    this.#service = new JsonService({ title: 'qdrant', baseUrl: url, clock, random, readMessage: readQdrantMessage, ...(apiKey !== undefined && { authorize: () => ({ 'api-key': apiKey }), secrets: [apiKey] }) })
  }

  async describe(): Promise<SourceShape> {
    const result = await this.#ask('GET', this.#path, 'describe')
    const { vectors } = ((result.config as Record<string, unknown> | undefined)?.params ?? {}) as { vectors?: Record<string, unknown> }
    const parameters = this.#chosen(isObject(vectors) ? vectors : {})
    const metric = metrics[String(parameters.distance)]
    if (!metric) throw new WindlassError('unsupported', `${this.title} has distance ${String(parameters.distance)}, expected Cosine, Euclid or Dot`, { path: 'from' })
    return { metric, dimension: Number(parameters.size), count: typeof result.points_count === 'number' ? result.points_count : null }
  }

  async *read(after: Position | null): AsyncIterable<PlacedItem> {
    if (this.#vectorName === null) await this.describe()
    let offset = after?.id ?? null
    for (;;) {
      const body = { limit: pagePoints, with_payload: true, with_vector: this.#vectorName === '' ? true : [this.#vectorName], ...(offset !== null && { offset }) }
      const page = await this.#ask('POST', `${this.#path}/points/scroll`, 'scroll', body)
      for (const point of page.points as readonly Record<string, unknown>[]) {
        // A page begins with its offset, which was read before.
        if (after && point.id === after.id) continue
        yield this.#toItem(point)
      }
      const next = page.next_page_offset as string | number | null | undefined
      if (next === null || next === undefined) return
      offset = next
    }
  }

  async close(): Promise<void> {}

  #toItem({ id, vector, payload }: Record<string, unknown>): PlacedItem {
    const position = { id: id as string | number }
    const where = `point ${String(id)}`
    const values = this.#vectorName === '' ? vector : isObject(vector) ? vector[this.#vectorName!] : undefined
    if (values === undefined || values === null) return { problem: { where, reason: 'it has no vector' }, position }
    const read = readRecord({ ...(isObject(payload) ? payload : {}), ' vector': values, ' id': id }, { ...(this.#settings.fields ?? usualFields), vector: [' vector'], id: [' id'] }, String(id))
    return 'reason' in read ? { problem: { where, reason: read.reason }, position } : { record: read.record, position, where }
  }

  /** One vector a point has no name, several are told apart by theirs. */
  #chosen(vectors: Record<string, unknown>): Record<string, unknown> {
    const { vectorName } = this.#settings
    if ('size' in vectors) {
      this.#vectorName = ''
      return vectors
    }
    const names = Object.keys(vectors)
    const name = vectorName ?? (names.length === 1 ? names[0] : undefined)
    const chosen = name === undefined ? undefined : vectors[name]
    if (!isObject(chosen)) throw new WindlassError('invalid', `${this.title} has vectors ${names.map((each) => JSON.stringify(each)).join(', ')}: name one with --vector-field`, { path: 'vector-field' })
    this.#vectorName = name!
    return chosen
  }

  async #ask(method: 'GET' | 'POST', path: string, operation: string, json?: unknown): Promise<Record<string, unknown>> {
    const { value } = await this.#service.send({ method, path, operation: `${operation} ${this.#settings.collection}`, ...(json !== undefined && { json }) })
    const result = isObject(value) ? value.result : undefined
    if (!isObject(result)) throw new WindlassError('invalid', `${this.title} answers something else than Qdrant does`, { path: 'from' })
    return result
  }
}
