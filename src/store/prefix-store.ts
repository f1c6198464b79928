import type { GetOptions, GetResult, ListOptions, ListedObject, ObjectStore, PutOptions, PutResult } from './object-store.ts'
import { WrappingStore, type ObjectHead } from './wrapping-store.ts'

/** The part of a store below a prefix, as a store of its own. Closing it closes the whole. */
export class PrefixStore extends WrappingStore {
  readonly #prefix: string

  /** @param prefix Ends in `/`. */
  constructor(inner: ObjectStore, prefix: string) {
    super(inner)
    this.#prefix = prefix
    if (inner.upload) this.upload = (key, chunks, options) => inner.upload!(prefix + key, chunks, options)
    if (inner.presign) this.presign = (key, options) => inner.presign!(prefix + key, options)
  }

  override get url(): string {
    return `${this.inner.url}/${this.#prefix.slice(0, -1)}`
  }

  override get(key: string, options?: GetOptions): Promise<GetResult> {
    return this.inner.get(this.#prefix + key, options)
  }

  override head(key: string, options?: { signal?: AbortSignal }): Promise<ObjectHead | null> {
    return this.inner.head(this.#prefix + key, options)
  }

  override put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<PutResult> {
    return this.inner.put(this.#prefix + key, bytes, options)
  }

  override async *list(prefix: string, { startAfter, signal }: ListOptions = {}): AsyncIterable<ListedObject> {
    const options = { ...(startAfter && { startAfter: this.#prefix + startAfter }), ...(signal && { signal }) }
    for await (const object of this.inner.list(this.#prefix + prefix, options)) yield { ...object, key: object.key.slice(this.#prefix.length) }
  }

  override delete(keys: readonly string[], options?: { signal?: AbortSignal }): Promise<void> {
    return this.inner.delete(keys.map((key) => this.#prefix + key), options)
  }
}
