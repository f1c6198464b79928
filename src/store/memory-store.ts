import { compareUtf8 } from '../base/bytes.ts'
import { systemClock, type Clock } from '../base/clock.ts'
import { throwIfAborted, WindlassError } from '../base/errors.ts'
import { checkObjectKey, cutRange } from './object-key.ts'
import type {
  GetOptions,
  GetResult,
  ListedObject,
  ObjectStore,
  PutOptions,
  PutResult,
  StoredObject,
} from './object-store.ts'

interface MemoryObject {
  readonly bytes: Uint8Array
  readonly etag: string
  readonly lastModified: number
}

/** Objects in a `Map`: the reference the other stores are tested against, and `memory:` buckets. Gone when the process ends. */
export class MemoryStore implements ObjectStore {
  readonly url: string
  readonly #objects = new Map<string, MemoryObject>()
  readonly #clock: Clock
  #writeCount = 0

  constructor({ url = 'memory:', clock = systemClock }: { url?: string; clock?: Clock } = {}) {
    this.url = url
    this.#clock = clock
  }

  async get(key: string, { range, ifNoneMatch, signal }: GetOptions = {}): Promise<GetResult> {
    throwIfAborted(signal)
    checkObjectKey(key)
    const date = this.#clock.now()
    const object = this.#objects.get(key)
    if (!object) return { kind: 'absent', date }
    if (ifNoneMatch !== undefined && ifNoneMatch === object.etag) return { kind: 'unchanged', date }
    const { etag, lastModified } = object
    const [start, end] = cutRange(range, object.bytes.length)
    return { kind: 'found', bytes: object.bytes.slice(start, end), etag, size: object.bytes.length, lastModified, date }
  }

  async head(
    key: string,
    options: { signal?: AbortSignal } = {},
  ): Promise<Omit<StoredObject, 'bytes' | 'kind'> | null> {
    const answer = await this.get(key, { ...options, range: { start: 0, end: 0 } })
    if (answer.kind !== 'found') return null
    const { etag, size, lastModified, date } = answer
    return { etag, size, lastModified, date }
  }

  async put(key: string, bytes: Uint8Array, { condition, signal }: PutOptions = {}): Promise<PutResult> {
    throwIfAborted(signal)
    checkObjectKey(key)
    const current = this.#objects.get(key)
    if (condition && ('ifAbsent' in condition ? current !== undefined : current?.etag !== condition.ifMatch)) {
      throw new WindlassError('conflict', `${this.url}: put of ${key}: its condition does not hold`, {
        key,
        bucket: this.url,
        operation: 'put',
      })
    }
    const etag = `"${++this.#writeCount}"`
    const date = this.#clock.now()
    this.#objects.set(key, { bytes: bytes.slice(), etag, lastModified: date })
    return { etag, date }
  }

  async *list(
    prefix: string,
    { startAfter = '', signal }: { startAfter?: string; signal?: AbortSignal } = {},
  ): AsyncIterable<ListedObject> {
    throwIfAborted(signal)
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix) && compareUtf8(key, startAfter) > 0)
    for (const key of keys.sort(compareUtf8)) {
      const object = this.#objects.get(key)
      if (object) yield { key, size: object.bytes.length, etag: object.etag, lastModified: object.lastModified }
    }
  }

  async delete(keys: readonly string[], { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    throwIfAborted(signal)
    for (const key of keys) this.#objects.delete(key)
  }

  async upload(
    key: string,
    chunks: AsyncIterable<Uint8Array>,
    options: { signal?: AbortSignal } = {},
  ): Promise<PutResult> {
    const parts: Uint8Array[] = []
    for await (const chunk of chunks) parts.push(chunk.slice())
    return this.put(key, new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer()), options)
  }
}
