import { systemClock } from '../../base/clock.ts'
import { WindlassError } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import type { Bucket } from '../../library/types.ts'
import { openAccess } from '../access.ts'
import type { ChromaRoute, OperationContext } from './context.ts'
import { EmbeddedCollection, type CollectionInfo } from './embedded-collection.ts'
import { collectionRoutes } from './operations/collections.ts'
import { databaseRoutes } from './operations/databases.ts'
import { questionRoutes } from './operations/questions.ts'
import { recordRoutes } from './operations/records.ts'
import { searchRoutes } from './operations/search.ts'
import { serviceRoutes } from './operations/service.ts'
import { defaultDatabase, defaultTenant } from './names.ts'
import { fromAnswer, toJson, type Plain } from './plain-values.ts'

/** Turns documents into embeddings, for records that come without. As of the official client. */
export interface EmbeddingFunction {
  generate(texts: string[]): Promise<number[][]>
}

/** Where the collections of a client are kept, and how it reads. */
export interface EmbeddedClientOptions {
  readonly bucket: Bucket
  readonly tenant?: string
  readonly database?: string
  /** Lets `reset` empty the bucket. */
  readonly allowReset?: boolean
  readonly consistency?: 'strong' | 'eventual'
}

/** What a new collection is. */
export interface NewCollection {
  readonly name: string
  readonly metadata?: Record<string, Plain>
  readonly configuration?: Plain
  readonly embeddingFunction?: EmbeddingFunction
}

const routes: readonly ChromaRoute[] = [...serviceRoutes, ...databaseRoutes, ...collectionRoutes, ...recordRoutes, ...questionRoutes, ...searchRoutes]

/**
 * Chroma's client over a bucket, in this process: the methods of the official one, without a server. Every call answers as the server
 * does, errors included; any number of processes may use one bucket so.
 */
export class ChromaClient {
  readonly tenant: string
  readonly database: string
  readonly #context: OperationContext

  constructor({ bucket, tenant = defaultTenant, database = defaultDatabase, allowReset = false, consistency = 'strong' }: EmbeddedClientOptions) {
    this.tenant = tenant
    this.database = database
    this.#context = { bucket, access: openAccess, clock: systemClock, random: systemRandom, allowReset, consistency, isReady: true, signal: new AbortController().signal }
  }

  async createCollection({ embeddingFunction, ...body }: NewCollection): Promise<EmbeddedCollection> {
    return this.#open(await this.call('POST', '/collections', { body: body as Plain }), embeddingFunction)
  }

  async getOrCreateCollection({ embeddingFunction, ...body }: NewCollection): Promise<EmbeddedCollection> {
    return this.#open(await this.call('POST', '/collections', { body: { ...body, get_or_create: true } as Plain }), embeddingFunction)
  }

  /** @throws {ChromaError} 404. */
  async getCollection({ name, embeddingFunction }: { name: string; embeddingFunction?: EmbeddingFunction }): Promise<EmbeddedCollection> {
    return this.#open(await this.call('GET', '/collections/{collection}', { collection: name }), embeddingFunction)
  }

  async listCollections({ limit = 100, offset = 0 }: { limit?: number; offset?: number } = {}): Promise<EmbeddedCollection[]> {
    const listed = await this.call('GET', '/collections', { query: { limit, offset } })
    return (listed as Plain[]).map((each) => this.#open(each))
  }

  async countCollections(): Promise<number> {
    return (await this.call('GET', '/collections_count')) as number
  }

  /** @throws {ChromaError} 404. */
  async deleteCollection({ name }: { name: string }): Promise<void> {
    await this.call('DELETE', '/collections/{collection}', { collection: name })
  }

  async createTenant(name: string): Promise<void> {
    await this.#run('POST', '/tenants', {}, { body: { name } })
  }

  async createDatabase(name: string, tenant = this.tenant): Promise<void> {
    await this.#run('POST', '/tenants/{tenant}/databases', { tenant }, { body: { name } })
  }

  async deleteDatabase(name: string, tenant = this.tenant): Promise<void> {
    await this.#run('DELETE', '/tenants/{tenant}/databases/{database}', { tenant, database: name }, {})
  }

  /** Empties the bucket of everything Chroma can name. @throws {ChromaError} 403 unless the client was made with `allowReset`. */
  async reset(): Promise<void> {
    await this.#run('POST', '/reset', {}, {})
  }

  /** Runs a call below tenant and database, as the server would; its parts are `{collection}` and a body of plain values. */
  call(method: ChromaRoute['method'], path: string, input: { collection?: string; body?: Plain; query?: Record<string, number> } = {}): Promise<Plain> {
    const { collection, ...rest } = input
    return this.#run(method, `/tenants/{tenant}/databases/{database}${path}`, { tenant: this.tenant, database: this.database, ...(collection !== undefined && { collection }) }, rest)
  }

  async #run(method: ChromaRoute['method'], path: string, params: Record<string, string>, { body = {}, query = {} }: { body?: Plain; query?: Record<string, number> }): Promise<Plain> {
    const route = routes.find((each) => each.method === method && each.path === path)
    if (!route) throw new WindlassError('invalid', `${method} ${path} is no call`, { path: 'path' })
    const search = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]))
    const { json } = await route.handle({ params, query: search, body: toJson(body) as never, context: this.#context })
    return fromAnswer(json)
  }

  #open(info: Plain, embeddingFunction?: EmbeddingFunction): EmbeddedCollection {
    return new EmbeddedCollection(this, info as unknown as CollectionInfo, embeddingFunction)
  }
}
