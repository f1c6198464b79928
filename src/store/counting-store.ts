import type { GetOptions, GetResult, ListedObject, ObjectStore, PutOptions, PutResult, StoredObject } from './object-store.ts'

/** Requests by operation, and bytes, since a store was wrapped. */
export interface StoreCounts {
  readonly requests: Readonly<Record<string, number>>
  readonly bytesRead: number
  readonly bytesWritten: number
}

/** Counts what passes through it. */
export class CountingStore implements ObjectStore {
  readonly #inner: ObjectStore
  readonly #requests = new Map<string, number>()
  #bytesRead = 0
  #bytesWritten = 0

  constructor(inner: ObjectStore) {
    this.#inner = inner
    if (inner.upload) {
      this.upload = async (key, chunks, options) => {
        this.#count('upload')
        return inner.upload!(key, this.#measure(chunks), options)
      }
    }
    if (inner.presign) this.presign = (key, options) => inner.presign!(key, options)
  }

  upload?: NonNullable<ObjectStore['upload']>
  presign?: NonNullable<ObjectStore['presign']>

  get url(): string {
    return this.#inner.url
  }

  /** A copy: later requests do not change it. */
  counts(): StoreCounts {
    return { requests: Object.fromEntries(this.#requests), bytesRead: this.#bytesRead, bytesWritten: this.#bytesWritten }
  }

  async get(key: string, options?: GetOptions): Promise<GetResult> {
    this.#count('get')
    const answer = await this.#inner.get(key, options)
    if (answer.kind === 'found') this.#bytesRead += answer.bytes.length
    return answer
  }

  head(key: string, options?: { signal?: AbortSignal }): Promise<Omit<StoredObject, 'bytes' | 'kind'> | null> {
    this.#count('head')
    return this.#inner.head(key, options)
  }

  put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<PutResult> {
    this.#count('put')
    this.#bytesWritten += bytes.length
    return this.#inner.put(key, bytes, options)
  }

  /** Counts one request for every 1,000 keys begun, as S3 pages. */
  async *list(prefix: string, options?: { startAfter?: string; signal?: AbortSignal }): AsyncIterable<ListedObject> {
    let listed = 0
    this.#count('list')
    for await (const object of this.#inner.list(prefix, options)) {
      if (listed > 0 && listed % 1000 === 0) this.#count('list')
      listed++
      yield object
    }
  }

  delete(keys: readonly string[], options?: { signal?: AbortSignal }): Promise<void> {
    for (let i = 0; i < keys.length; i += 1000) this.#count('delete')
    return this.#inner.delete(keys, options)
  }

  async close(): Promise<void> {
    await this.#inner.close?.()
  }

  #count(operation: string): void {
    this.#requests.set(operation, (this.#requests.get(operation) ?? 0) + 1)
  }

  async *#measure(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const chunk of chunks) {
      this.#bytesWritten += chunk.length
      yield chunk
    }
  }
}
