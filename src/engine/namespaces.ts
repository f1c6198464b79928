import { fromUtf8Lenient, toUtf8, utf8Length } from '../base/bytes.ts'
import { isWindlassError, messageOf, WindlassError } from '../base/errors.ts'
import { newNonce } from '../base/random.ts'
import { catalogKey, catalogPrefix, nameOfCatalogKey } from '../format/catalog-entry.ts'
import type { JsonValue } from '../format/json-shape.ts'
import type { EngineContext } from './core.ts'

/** What the doors keep of a namespace: a vector bucket, a tenant, a database. */
export interface Namespace {
  readonly name: string
  /** Milliseconds since 1970. */
  readonly createdAt: number
  /** `closing`: being removed; nothing new goes in (docs/protocol.md, H4). */
  readonly state: 'live' | 'closing'
  readonly value: Readonly<Record<string, JsonValue>>
}

const prefix = 'namespaces/'
const formatVersion = 1
const retriesMax = 8
/** One object, read whole with every request that needs it. */
const sizeBytesMax = 256 * 1024

/**
 * Names that hold collections, one small object each, by the same rules as the catalog: replaced with If-Match, emptied instead of deleted,
 * no two puts with equal bytes.
 */
export class Namespaces {
  readonly #context: EngineContext

  constructor(context: EngineContext) {
    this.#context = context
  }

  async find(name: string): Promise<Namespace | null> {
    return (await this.#look(name)).namespace
  }

  /** @throws {WindlassError} `conflict` when the name is taken. */
  async create(name: string, value: Namespace['value']): Promise<Namespace> {
    const namespace: Namespace = { name, createdAt: this.#context.clock.now(), state: 'live', value }
    for (let attempt = 1; ; attempt++) {
      const looked = await this.#look(name)
      if (looked.namespace) throw new WindlassError('conflict', `${JSON.stringify(name)} already exists`, { path: 'name' })
      if (await this.#replace(namespace, looked.etag, attempt)) return namespace
    }
  }

  /**
   * Changes what is kept; `change` runs again when somebody else changed it meanwhile.
   * @throws {WindlassError} `not-found`.
   */
  async update(name: string, change: (namespace: Namespace) => Namespace): Promise<Namespace> {
    for (let attempt = 1; ; attempt++) {
      const { namespace, etag } = await this.#look(name)
      if (!namespace) throw new WindlassError('not-found', `${JSON.stringify(name)} does not exist`, { path: 'name' })
      const changed = change(namespace)
      if (await this.#replace(changed, etag, attempt)) return changed
    }
  }

  /**
   * Removes an empty namespace: marks it closing, asks whether it is empty, and takes the mark back if not.
   * @throws {WindlassError} `conflict` when it is not empty, `not-found`.
   */
  async remove(name: string, isEmpty: () => Promise<boolean>): Promise<void> {
    await this.update(name, (namespace) => ({ ...namespace, state: 'closing' }))
    if (!(await isEmpty())) {
      await this.update(name, (namespace) => ({ ...namespace, state: 'live' }))
      throw new WindlassError('conflict', `${JSON.stringify(name)} is not empty`, { path: 'name' })
    }
    for (let attempt = 1; ; attempt++) {
      const { namespace, etag } = await this.#look(name)
      if (!namespace || etag === null) return
      if (namespace.state === 'live') throw new WindlassError('conflict', `${JSON.stringify(name)} is in use again`, { path: 'name' })
      if (await this.#put(name, new Uint8Array(0), etag, attempt)) return
    }
  }

  /** Names that start with `start`, in the order of their keys. `next` is absent on the last page. */
  async list({ start = '', after, limit }: { start?: string; after?: string; limit: number }): Promise<{ names: string[]; next?: string }> {
    const names: string[] = []
    for await (const { key, size } of this.#context.store.list(prefix, after === undefined ? {} : { startAfter: keyOf(after) })) {
      const name = size === 0 ? null : nameOfCatalogKey(catalogPrefix + key.slice(prefix.length))
      if (name === null || !name.startsWith(start)) continue
      if (names.length === limit) return { names, next: names.at(-1)! }
      names.push(name)
    }
    return { names }
  }

  async #look(name: string): Promise<{ namespace: Namespace | null; etag: string | null }> {
    const key = keyOf(name)
    const answer = await this.#context.store.get(key, { fresh: true })
    if (answer.kind !== 'found') return { namespace: null, etag: null }
    return { namespace: answer.size === 0 ? null : decode(answer.bytes, key), etag: answer.etag }
  }

  async #replace(namespace: Namespace, etag: string | null, attempt: number): Promise<boolean> {
    const bytes = toUtf8(JSON.stringify({ formatVersion, nonce: newNonce(this.#context.random), ...namespace }))
    if (bytes.length > sizeBytesMax) throw new WindlassError('too-large', `what is kept of ${JSON.stringify(namespace.name)} has ${bytes.length} bytes, at most ${sizeBytesMax}`, { path: 'value' })
    return this.#put(namespace.name, bytes, etag, attempt)
  }

  /** @returns false when somebody else was first, or when it cannot be known: look again. */
  async #put(name: string, bytes: Uint8Array, etag: string | null, attempt: number): Promise<boolean> {
    try {
      await this.#context.store.put(keyOf(name), bytes, { condition: etag === null ? { ifAbsent: true } : { ifMatch: etag } })
      return true
    } catch (error) {
      if (!isWindlassError(error, 'conflict', 'not-found', 'outcome-unknown')) throw error
      // The winner may be ourselves, with the answer lost.
      const answer = await this.#context.store.get(keyOf(name), { fresh: true })
      if (answer.kind === 'found' && bytes.length > 0 && fromUtf8Lenient(answer.bytes) === fromUtf8Lenient(bytes)) return true
      if (attempt >= retriesMax) throw error
      return false
    }
  }
}

function keyOf(name: string): string {
  return prefix + catalogKey(name).slice(catalogPrefix.length)
}

function decode(bytes: Uint8Array, key: string): Namespace {
  const damaged = (why: string, cause?: unknown) => new WindlassError('corrupt', `${key}: namespace is damaged: ${why}`, { key, cause })
  let json: Partial<Namespace> & { formatVersion?: unknown }
  try {
    json = JSON.parse(fromUtf8Lenient(bytes)) as typeof json
  } catch (cause) {
    throw damaged(messageOf(cause), cause)
  }
  if (typeof json !== 'object' || json === null || typeof json.formatVersion !== 'number') throw damaged('it has no version')
  if (json.formatVersion > formatVersion) throw new WindlassError('unsupported', `${key}: namespace has format version ${json.formatVersion}, this release reads ${formatVersion}: use a newer one`, { key })
  const { name, createdAt, state, value } = json
  if (typeof name !== 'string' || utf8Length(name) === 0 || keyOf(name) !== key) throw damaged('its name is not the one of its key')
  if (typeof createdAt !== 'number' || (state !== 'live' && state !== 'closing') || typeof value !== 'object' || value === null) throw damaged('a member is missing')
  return { name, createdAt, state, value }
}
