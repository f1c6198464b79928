import type { GetOptions, GetResult, ListOptions, ListedObject, ObjectStore, PutOptions, PutResult, StoredObject } from './object-store.ts'

/** Size, etag and times of an object, without its bytes. */
export type ObjectHead = Omit<StoredObject, 'bytes' | 'kind'>

/** Passes everything on to another store; a wrapper overrides what it adds to. What the inner store cannot do is absent here too. */
export abstract class WrappingStore implements ObjectStore {
  upload?: NonNullable<ObjectStore['upload']>
  presign?: NonNullable<ObjectStore['presign']>
  protected readonly inner: ObjectStore

  constructor(inner: ObjectStore) {
    this.inner = inner
    if (inner.upload) this.upload = (key, chunks, options) => inner.upload!(key, chunks, options)
    if (inner.presign) this.presign = (key, options) => inner.presign!(key, options)
  }

  get url(): string {
    return this.inner.url
  }

  get(key: string, options?: GetOptions): Promise<GetResult> {
    return this.inner.get(key, options)
  }

  head(key: string, options?: { signal?: AbortSignal }): Promise<ObjectHead | null> {
    return this.inner.head(key, options)
  }

  put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<PutResult> {
    return this.inner.put(key, bytes, options)
  }

  list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject> {
    return this.inner.list(prefix, options)
  }

  delete(keys: readonly string[], options?: { signal?: AbortSignal }): Promise<void> {
    return this.inner.delete(keys, options)
  }

  place(): string {
    return this.inner.place?.() ?? this.inner.url
  }

  async close(): Promise<void> {
    await this.inner.close?.()
  }
}
