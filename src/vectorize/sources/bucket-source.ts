import { isWindlassError, throwIfAborted, WindlassError } from '../../base/errors.ts'
import { problemOfKey } from '../../store/object-key.ts'
import type { ListedObject, ObjectStore } from '../../store/object-store.ts'
import { pathFilter, type PathFilter, type PathPatterns } from './path-filter.ts'
import type { Source, SourceContent, SourceEntry, SourceListing } from './source.ts'

// One range a request: large enough that latency does not count, small enough for memory.
const rangeBytes = 8 * 1024 * 1024

/**
 * The objects of a store below a prefix. Only lists and reads: credentials that may not write suffice. A revision is size and etag, so
 * that what has not changed costs nothing but its share of a listing of 1,000.
 */
export class BucketSource implements Source {
  readonly description: string
  readonly #store: ObjectStore
  readonly #prefix: string
  readonly #filter: PathFilter
  readonly #ownsStore: boolean
  /** Whether the prefix is the key of the one object there is; null until somebody looked. */
  #isObject: boolean | null = null

  /**
   * @param options.prefix A folder, or the key of one object.
   * @param options.ownsStore Closes the store with the source.
   */
  constructor(store: ObjectStore, { prefix = '', ownsStore = false, ...patterns }: PathPatterns & { prefix?: string; ownsStore?: boolean } = {}) {
    this.#store = store
    this.#prefix = prefix.replace(/^\/+|\/+$/g, '')
    this.#filter = pathFilter(patterns)
    this.#ownsStore = ownsStore
    this.description = this.#prefix === '' ? store.url : `${store.url}/${this.#prefix}`
  }

  /** @throws {WindlassError} `not-found` when there is no object at or below the prefix: a bucket has no empty folders. */
  async list({ signal }: { since?: string; signal?: AbortSignal } = {}): Promise<SourceListing> {
    throwIfAborted(signal)
    const objects = this.#store.list(this.#folder, signal ? { signal } : {})[Symbol.asyncIterator]()
    const first = await objects.next()
    this.#isObject = first.done === true
    const entries = first.done ? this.#only(await this.#object(signal)) : this.#entries(first.value, objects, signal)
    return { kind: 'everything', entries, cursor: () => undefined }
  }

  async read({ path }: SourceEntry, { knownRevision, signal }: { knownRevision?: string; signal?: AbortSignal } = {}): Promise<SourceContent> {
    const key = await this.#keyOf(path, signal)
    const known = etagOf(knownRevision)
    const options = { fresh: true, ...(signal && { signal }) }
    const first = await this.#store.get(key, { ...options, range: { start: 0, end: rangeBytes }, ...(known !== undefined && { ifNoneMatch: known }) })
    if (first.kind === 'unchanged') return { kind: 'unchanged' }
    if (first.kind === 'absent') throw new WindlassError('not-found', `${path}: no such object in ${this.description}`, { bucket: this.#store.url, key })
    const { etag, size } = first
    const part = async (start: number): Promise<Uint8Array> => {
      const next = await this.#store.get(key, { ...options, range: { start, end: Math.min(start + rangeBytes, size) } })
      if (next.kind === 'found' && next.etag === etag) return next.bytes
      const what = next.kind === 'found' ? 'replaced' : 'deleted'
      throw new WindlassError('conflict', `${path} was ${what} while it was read: read it again`, { bucket: this.#store.url, key })
    }
    const bytes = async function* () {
      yield first.bytes
      for (let start = first.bytes.length; start < size; start += rangeBytes) yield await part(start)
    }
    return { kind: 'found', ...(etag !== '' && { revision: revisionOf(size, etag) }), sizeBytes: size, bytes }
  }

  /** The URL of a document, once it has been listed. */
  urlOf(path: string): string {
    return this.#isObject ? this.description : `${this.#store.url}/${this.#folder}${path}`
  }

  /** Keys that a store cannot hold (with a `..` part) are told of by listings only. */
  async locate({ bucket, key }: { bucket: string; key: string }): Promise<string | null> {
    if (`s3://${bucket}` !== this.#store.url || problemOfKey(key) !== null) return null
    if (key === this.#prefix) return (await this.#findIsObject()) ? nameOf(key) : null
    const path = key.slice(this.#folder.length)
    return key.startsWith(this.#folder) && this.#filter.takes(path) ? path : null
  }

  async close(): Promise<void> {
    if (this.#ownsStore) await this.#store.close?.()
  }

  get #folder(): string {
    return this.#prefix === '' ? '' : `${this.#prefix}/`
  }

  /** As a listing finds it: an object is meant only where nothing lies below. */
  async #findIsObject(): Promise<boolean> {
    if (this.#isObject !== null) return this.#isObject
    for await (const _ of this.#store.list(this.#folder)) return (this.#isObject = false)
    return (this.#isObject = true)
  }

  /** What lies below the folder. */
  async *#entries(first: ListedObject, rest: AsyncIterator<ListedObject>, signal: AbortSignal | undefined): AsyncIterable<SourceEntry> {
    try {
      for (let next: IteratorResult<ListedObject> = { done: false, value: first }; !next.done; next = await rest.next()) {
        throwIfAborted(signal)
        const { key } = next.value
        const path = key.slice(this.#folder.length)
        // Keys that end in a slash are how consoles draw folders.
        if (!key.endsWith('/') && this.#filter.takes(path)) yield entryOf(path, next.value)
      }
    } finally {
      await rest.return?.()
    }
  }

  /** The object whose key is the prefix itself. */
  async #object(signal: AbortSignal | undefined): Promise<ListedObject> {
    const head = this.#prefix === '' ? null : await this.#store.head(this.#prefix, signal ? { signal } : {}).catch((cause: unknown) => {
      if (!isWindlassError(cause, 'denied')) throw cause
      throw new WindlassError('not-found', `${this.description}: nothing lies below this prefix, and whether it is an object these credentials are not told: correct it, or allow s3:GetObject on it`, { bucket: this.#store.url, path: this.#prefix, cause })
    })
    if (!head) throw new WindlassError('not-found', `${this.description}: no such object or prefix`, { bucket: this.#store.url, path: this.#prefix })
    return { key: this.#prefix, ...head }
  }

  /** Taken whatever it is called: it was named. */
  async *#only(object: ListedObject): AsyncIterable<SourceEntry> {
    yield entryOf(nameOf(object.key), object)
  }

  /** The key of a path: below the prefix, or the prefix itself where that is an object. */
  async #keyOf(path: string, signal: AbortSignal | undefined): Promise<string> {
    if (this.#prefix === '' || path !== nameOf(this.#prefix)) return this.#folder + path
    this.#isObject ??= (await this.#store.head(this.#folder + path, signal ? { signal } : {})) === null
    return this.#isObject ? this.#prefix : this.#folder + path
  }
}

function entryOf(path: string, { size, etag }: ListedObject): SourceEntry {
  return { path, sizeBytes: size, ...(etag && { revision: revisionOf(size, etag) }) }
}

function nameOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1)
}

function revisionOf(size: number, etag: string): string {
  return `${size}:${etag}`
}

function etagOf(revision: string | undefined): string | undefined {
  return /^\d+:(.+)$/s.exec(revision ?? '')?.[1]
}
