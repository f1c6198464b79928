import type { GetOptions, GetResult, ListOptions, ListedObject, ObjectStore, PutOptions, PutResult } from './object-store.ts'
import { WrappingStore, type ObjectHead } from './wrapping-store.ts'

/** Requests by operation, and bytes, since a store was wrapped. */
export interface StoreCounts {
  readonly requests: Readonly<Record<string, number>>
  readonly bytesRead: number
  readonly bytesWritten: number
}

// As S3 pages and batches: one request for each of these.
const keysPerRequest = 1000

/** Counts what passes through it. Below retries and coalescing it counts real requests, above them what was asked for. */
export class CountingStore extends WrappingStore {
  readonly #requests = new Map<string, number>()
  #bytesRead = 0
  #bytesWritten = 0

  constructor(inner: ObjectStore) {
    super(inner)
    if (inner.upload) {
      this.upload = async (key, chunks, options) => {
        this.#count('upload')
        return inner.upload!(key, this.#measure(chunks), options)
      }
    }
  }

  /** A copy: later requests do not change it. */
  counts(): StoreCounts {
    return { requests: Object.fromEntries(this.#requests), bytesRead: this.#bytesRead, bytesWritten: this.#bytesWritten }
  }

  override async get(key: string, options?: GetOptions): Promise<GetResult> {
    this.#count('get')
    const answer = await this.inner.get(key, options)
    if (answer.kind === 'found') this.#bytesRead += answer.bytes.length
    return answer
  }

  override head(key: string, options?: { signal?: AbortSignal }): Promise<ObjectHead | null> {
    this.#count('head')
    return this.inner.head(key, options)
  }

  override put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<PutResult> {
    this.#count('put')
    this.#bytesWritten += bytes.length
    return this.inner.put(key, bytes, options)
  }

  /** Counts one request for every 1,000 keys begun, as S3 pages. */
  override async *list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject> {
    let listed = 0
    this.#count('list')
    for await (const object of this.inner.list(prefix, options)) {
      if (listed > 0 && listed % keysPerRequest === 0) this.#count('list')
      listed++
      yield object
    }
  }

  override delete(keys: readonly string[], options?: { signal?: AbortSignal }): Promise<void> {
    for (let i = 0; i < keys.length; i += keysPerRequest) this.#count('delete')
    return this.inner.delete(keys, options)
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

/** What happened between two counts; operations without requests are left out. */
export function countsBetween(before: StoreCounts, after: StoreCounts): StoreCounts {
  const requests = Object.entries(after.requests).map(([operation, count]) => [operation, count - (before.requests[operation] ?? 0)] as const)
  return {
    requests: Object.fromEntries(requests.filter(([, count]) => count !== 0)),
    bytesRead: after.bytesRead - before.bytesRead,
    bytesWritten: after.bytesWritten - before.bytesWritten,
  }
}
