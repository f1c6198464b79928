import { isWindlassError, WindlassError } from '../base/errors.ts'
import { fromUtf8Lenient, toUtf8, utf8Length } from '../base/bytes.ts'
import { limits } from '../base/limits.ts'
import { newId, newNonce } from '../base/random.ts'
import { catalogKey, catalogPrefix, dataPrefix, decodeCatalogEntry, encodeCatalogEntry, nameOfCatalogKey, type CatalogEntry } from '../format/catalog-entry.ts'
import { manifestKey, type CollectionSchema, type Manifest } from '../format/manifest.ts'
import { putFirstManifest } from './commit/first-manifest.ts'
import { takeBack } from './commit/next-manifest.ts'
import type { EngineContext } from './core.ts'

/** How often making a collection is begun again with a new id. */
const claimsMax = 3
/** How often one entry is put while its name stands for nothing. */
const entryPutsMax = 6

/** What the catalog says of a name; null for a name that never was, or was dropped. */
interface Looked {
  readonly entry: CatalogEntry | null
  /** Of the object under the name, dropped or not. */
  readonly etag: string | null
}

/** Names to collection ids: one small object a name. A name's object is never deleted: emptied, it says "dropped" (docs/protocol.md, H1). */
export class Catalog {
  readonly #context: EngineContext

  constructor(context: EngineContext) {
    this.#context = context
  }

  /** The id that `name` stands for, or null. */
  async find(name: string): Promise<string | null> {
    return (await this.#look(name)).entry?.id ?? null
  }

  /**
   * Makes a collection: trash mark, manifest, name, and the mark goes again; a crash between leaves a marked id without a name.
   * @throws {WindlassError} `conflict` when the name is taken, `invalid` for a bad name.
   */
  async create(name: string, schema: CollectionSchema): Promise<string> {
    const { clock, random } = this.#context
    checkName(name)
    if ((await this.#look(name)).entry) throw nameTaken(name)
    for (let attempt = 1; attempt <= claimsMax; attempt++) {
      const id = newId(clock.now(), random)
      await this.mark(id, name)
      const manifest = firstManifest({ id, name, schema, nonce: newNonce(random), now: clock.now() })
      if (!(await putFirstManifest(this.#context, manifest))) continue
      // Looked at before anybody can find the id by its name, and write to it. What was just put needs a mark again.
      if (!(await this.wasMarkYoung(id))) await this.markDropped(id, name)
      else if (await this.claim(name, id)) return id
    }
    throw new WindlassError('unavailable', `making collection ${JSON.stringify(name)} took longer than a quarter of the grace period, ${claimsMax} times: try again`, { path: 'name', retryAfterMs: 1000 })
  }

  /**
   * Gives a free name to a collection whose manifest has been put.
   * @returns false when a sweep has taken it for abandoned meanwhile: it must not be used, and nobody can have written to it (docs/protocol.md, H3).
   * @throws {WindlassError} `conflict` when the name is taken.
   */
  async claim(name: string, id: string): Promise<boolean> {
    const looked = await this.#look(name)
    if (looked.entry && looked.entry.id !== id) throw nameTaken(name)
    if (!looked.entry) await this.#putEntry(name, id, looked.etag)
    if (!(await takeBack(this.#context, id))) {
      await this.drop(name, id)
      return false
    }
    await this.unmark(id)
    return true
  }

  /**
   * Lets a name that stands for nothing stand for `id`. The same bytes are put until it stands for something, or was emptied again: an
   * answer may be lost, and S3 may answer 409 although nobody has the name.
   * @param etag Of the emptied entry; null where there never was one.
   */
  async #putEntry(name: string, id: string, etag: string | null): Promise<void> {
    const { store, clock, random } = this.#context
    const nonce = newNonce(random)
    const entry = encodeCatalogEntry({ formatVersion: 1, needs: [], name, id, version: 1, nonce, state: 'live', createdAt: clock.now() })
    const condition = etag === null ? ({ ifAbsent: true } as const) : { ifMatch: etag }
    for (let attempt = 1; ; attempt++) {
      try {
        await store.put(catalogKey(name), entry, { condition })
        return
      } catch (error) {
        if (!isWindlassError(error, 'conflict', 'outcome-unknown', 'unavailable')) throw error
        // The winner may be ourselves, with the answer lost.
        const now = await this.#look(name)
        if (now.entry?.nonce === nonce) return
        if (now.entry) throw nameTaken(name, error)
        if (now.etag !== etag || attempt === entryPutsMax) throw new WindlassError('unavailable', `${store.url}: the name ${JSON.stringify(name)} could not be taken in ${attempt} tries: try again`, { path: 'name', cause: error })
      }
      await clock.sleep(random.next() * 50 * 2 ** attempt)
    }
  }

  /**
   * Whether the manifest was put soon after the mark was made, both by the store's clock. A sweep touches no id before its mark is a grace
   * period old; so it had not removed a manifest of its own here, with requests that may still be on their way.
   */
  async wasMarkYoung(id: string): Promise<boolean> {
    const { store, settings } = this.#context
    const [mark, manifest] = await Promise.all([store.get(trashKey(id), { fresh: true }), store.get(dataPrefix(id) + manifestKey, { fresh: true })])
    if (mark.kind !== 'found' || manifest.kind !== 'found') return false
    const [marked, put] = [mark.lastModified, manifest.lastModified]
    return marked === undefined || put === undefined || put - marked <= settings.graceMs / 4
  }

  /** Lets `name` stand for `to` where it stood for `from`. @returns whether it stands for `to` now. */
  async move(name: string, from: string, to: string): Promise<boolean> {
    const { clock, random } = this.#context
    await this.#replace(name, from, (entry) => encodeCatalogEntry({ ...entry, id: to, version: entry.version + 1, nonce: newNonce(random), createdAt: clock.now() }))
    return (await this.find(name)) === to
  }

  /** Takes the name away from `id`, if it still has it. The data goes with a later sweep. */
  async drop(name: string, id: string): Promise<void> {
    await this.markDropped(id, name)
    await this.#replace(name, id, () => new Uint8Array(0))
  }

  /** Takes the name away from an id that has another: unlike `drop` it marks nothing, for a mark would let a sweep look for this name. */
  async release(name: string, id: string): Promise<void> {
    await this.#replace(name, id, () => new Uint8Array(0))
  }

  /**
   * Notes that `id` has no name yet, or soon none any more: sweeps look after what bears this mark.
   * @param parent Of which collection it is a branch.
   */
  async mark(id: string, name: string, parent?: string): Promise<void> {
    await this.#context.store.put(trashKey(id), toUtf8(JSON.stringify({ name, ...(parent !== undefined && { parent }) })))
  }

  /** Takes away the mark of who made `id`. */
  async unmark(id: string): Promise<void> {
    await this.#context.store.delete([trashKey(id)])
  }

  /** Notes that `id` is to be removed. A mark of its own, which no late request to take away another does away with (docs/protocol.md, H3). */
  async markDropped(id: string, name: string, parent?: string): Promise<void> {
    const { store, random } = this.#context
    await store.put(`${trashKey(id)}.${newNonce(random)}`, toUtf8(JSON.stringify({ name, ...(parent !== undefined && { parent }) })))
  }

  /** Keys of the marks that `id` bears now. */
  async marksOf(id: string): Promise<string[]> {
    const keys: string[] = []
    for await (const { key } of this.#context.store.list(trashKey(id))) if (markedId(key) === id) keys.push(key)
    return keys
  }

  /** Takes away marks that an id bore before nothing was found to be left of it; not those that were made since. */
  async forget(marks: readonly string[]): Promise<void> {
    await this.#context.store.delete(marks)
  }

  /** Every id that bears a mark, and the name it had or was to have. `ageMs`: of its maker's mark, if there is one, by the store's clock. */
  async *marked(): AsyncGenerator<Mark & { id: string; ageMs: number }> {
    const { store } = this.#context
    let before = ''
    for await (const { key, lastModified } of store.list(trashPrefix)) {
      const id = markedId(key)
      if (id === null || id === before) continue
      before = id
      const answer = await store.get(key, { fresh: true })
      if (answer.kind !== 'found') continue
      const writtenAt = lastModified ?? answer.lastModified
      const ageMs = writtenAt === undefined || answer.date === undefined ? 0 : answer.date - writtenAt
      yield { id, ...markOf(fromUtf8Lenient(answer.bytes)), ageMs }
    }
  }

  /** Replaces the entry of `name` while it stands for `id`. */
  async #replace(name: string, id: string, change: (entry: CatalogEntry) => Uint8Array): Promise<void> {
    for (;;) {
      const { entry, etag } = await this.#look(name)
      if (!entry || entry.id !== id || etag === null) return
      try {
        await this.#context.store.put(catalogKey(name), change(entry), { condition: { ifMatch: etag } })
        return
      } catch (error) {
        if (!isWindlassError(error, 'conflict', 'outcome-unknown')) throw error
      }
    }
  }

  /** Names in the order of their keys. `next` is absent on the last page. */
  async list({ prefix = '', after, limit = 100 }: { prefix?: string; after?: string; limit?: number }): Promise<{ names: string[]; next?: string }> {
    if (!Number.isInteger(limit) || limit < 1 || limit > limits.listPageMax) {
      throw new WindlassError('invalid', `limit is ${limit}, expected 1 to ${limits.listPageMax}`, { path: 'limit' })
    }
    const names: string[] = []
    const listed = this.#context.store.list(catalogPrefix, after === undefined ? {} : { startAfter: catalogKey(after) })
    for await (const { key, size } of listed) {
      // Empty: dropped. Not one of our keys: foreign, and none of our business.
      const name = size === 0 ? null : nameOfCatalogKey(key)
      if (name === null || !name.startsWith(prefix)) continue
      if (names.length === limit) return { names, next: names.at(-1)! }
      names.push(name)
    }
    return { names }
  }

  async #look(name: string): Promise<Looked> {
    checkName(name)
    const key = catalogKey(name)
    const answer = await this.#context.store.get(key, { fresh: true })
    if (answer.kind !== 'found') return { entry: null, etag: null }
    if (answer.size === 0) return { entry: null, etag: answer.etag }
    return { entry: decodeCatalogEntry(answer.bytes, key), etag: answer.etag }
  }
}

/** The manifest of a collection that holds nothing. */
export function firstManifest({ id, name, schema, nonce, now, state = 'live', parent }: { id: string; name: string; schema: CollectionSchema; nonce: string; now: number; state?: 'live' | 'dropped'; parent?: string | undefined }): Manifest {
  return {
    formatVersion: 1,
    needs: [],
    collectionId: id,
    version: 1,
    nonce,
    pastNonces: [],
    name,
    schema,
    state,
    floor: 0,
    floorTime: now,
    segments: [],
    pins: [],
    sweep: { count: 0, id: null },
    ...(parent !== undefined && { parent }),
  }
}

const trashPrefix = 'trash/'

/** What a mark says of an id. */
interface Mark {
  readonly name: string
  readonly parent?: string
}

/** Before there were branches, a mark held nothing but the name. */
function markOf(text: string): Mark {
  try {
    const { name, parent } = JSON.parse(text) as Record<string, unknown>
    if (typeof name === 'string') return { name, ...(typeof parent === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(parent) && { parent }) }
  } catch {
    // Not JSON: the name.
  }
  return { name: text }
}

function trashKey(id: string): string {
  return trashPrefix + id
}

/** Null for a key that is none of ours. */
function markedId(key: string): string | null {
  return /^([A-Za-z0-9_-]{1,64})(\.[0-9a-f]{32})?$/.exec(key.slice(trashPrefix.length))?.[1] ?? null
}

function checkName(name: unknown): asserts name is string {
  if (typeof name !== 'string' || name === '') throw new WindlassError('invalid', 'a collection needs a name', { path: 'name' })
  const size = utf8Length(name)
  if (size > limits.collectionNameBytesMax) {
    throw new WindlassError('too-large', `collection name has ${size} bytes, at most ${limits.collectionNameBytesMax}`, { path: 'name' })
  }
}

function nameTaken(name: string, cause?: unknown): WindlassError {
  return new WindlassError('conflict', `collection ${JSON.stringify(name)} already exists`, { path: 'name', ...(cause !== undefined && { cause }) })
}
