import { WindlassError } from '../../../base/errors.ts'
import { parseJson, type Json } from '../parse-json.ts'
import { asList, asObject, asText, isObject, member, type JsonObject } from '../read-body.ts'
import { readRecords, type RecordInput } from '../records.ts'
import { newSettings } from '../settings.ts'
import type { ChromaSource, SourceCollection } from './source.ts'

export interface ServerSourceSettings {
  readonly url: string
  /** Sent as `X-Chroma-Token` and, where it is `id:secret`, as Basic. */
  readonly token?: string
  readonly tenant: string
  /** One database; absent: all of the tenant. */
  readonly database?: string
}

const pageRecords = 500

/** A Chroma server, read by its API, version 2. */
export class ServerSource implements ChromaSource {
  readonly #settings: ServerSourceSettings

  constructor(settings: ServerSourceSettings) {
    this.#settings = settings
  }

  async *collections(): AsyncGenerator<SourceCollection> {
    const { tenant, database } = this.#settings
    const databases = database === undefined ? asList(await this.#call('GET', `/tenants/${encodeURIComponent(tenant)}/databases`), 'databases').map((each) => asText(member(asObject(each, ''), 'name'), 'name')) : [database]
    for (const name of databases) {
      for (let offset = 0; ; offset += pageRecords) {
        const page = asList(await this.#call('GET', `${pathOf(tenant, name)}/collections?limit=${pageRecords}&offset=${offset}`), 'collections')
        for (const each of page) yield describe(asObject(each, 'collection'), tenant, name)
        if (page.length < pageRecords) break
      }
    }
  }

  async *records({ tenant, database, id }: SourceCollection): AsyncGenerator<readonly RecordInput[]> {
    for (let offset = 0; ; offset += pageRecords) {
      const include = ['embeddings', 'documents', 'metadatas', 'uris']
      const page = asObject(await this.#call('POST', `${pathOf(tenant, database)}/collections/${id}/get`, { limit: pageRecords, offset, include }), 'page')
      const records = readRecords(page, { needsEmbeddings: false })
      if (records.length > 0) yield records
      if (records.length < pageRecords) return
    }
  }

  async close(): Promise<void> {}

  async #call(method: string, path: string, body?: object): Promise<Json> {
    const { url, token } = this.#settings
    const headers = new Headers({ 'content-type': 'application/json' })
    if (token?.includes(':')) headers.set('authorization', `Basic ${Buffer.from(token).toString('base64')}`)
    else if (token !== undefined) headers.set('x-chroma-token', token)
    let response: Response
    try {
      response = await fetch(`${url.replace(/\/+$/, '')}/api/v2${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) })
    } catch (cause) {
      throw new WindlassError('unavailable', `${url} does not answer: is a Chroma server there?`, { cause })
    }
    const text = await response.text()
    if (response.ok) return parseJson(text)
    const kind = response.status === 401 ? 'unauthenticated' : response.status === 403 ? 'denied' : response.status === 404 ? 'not-found' : 'unavailable'
    throw new WindlassError(kind, `${url}: ${method} ${path} answers ${response.status}: ${text.slice(0, 200)}`, { status: response.status })
  }
}

function pathOf(tenant: string, database: string): string {
  return `/tenants/${encodeURIComponent(tenant)}/databases/${encodeURIComponent(database)}`
}

function describe(body: JsonObject, tenant: string, database: string): SourceCollection {
  const configuration = member(body, 'configuration_json') ?? {}
  // The schema that a server answers says what the configuration says, and its defaults; only what differs would be worth keeping.
  const settings = newSettings({ configuration: isObject(configuration) ? { ...configuration, spann: null } : configuration, metadata: member(body, 'metadata') ?? null })
  return { tenant, database, id: asText(member(body, 'id'), 'id'), name: asText(member(body, 'name'), 'name'), settings }
}
