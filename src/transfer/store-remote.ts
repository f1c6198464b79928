import type { ObjectStore } from '../store/object-store.ts'
import { partBytesOf, type Content, type GetPiece, type Piece, type Remote, type RemoteFile } from './remote.ts'

/** Objects of any of our stores as the far end of a transfer: a directory, or memory. */
export class StoreRemote implements Remote {
  readonly url: string
  readonly isLocal = true
  readonly #store: ObjectStore
  #requests = 0

  constructor(store: ObjectStore) {
    this.url = store.url
    this.#store = store
  }

  async *list(signal?: AbortSignal): AsyncIterable<RemoteFile> {
    this.#requests++
    for await (const { key, size, etag } of this.#store.list('', signal ? { signal } : {})) yield { path: key, size, etag: etag ?? '' }
  }

  async put(path: string, content: Content, contentType: string, signal?: AbortSignal): Promise<void> {
    this.#requests++
    const options = { contentType, ...(signal && { signal }) }
    const partBytes = partBytesOf(content.size)
    if (this.#store.upload && content.size > partBytes) {
      await this.#store.upload(path, partsOf(content, partBytes), options)
      return
    }
    await this.#store.put(path, await content.read(0, content.size), options)
  }

  async get(path: string, { range, signal }: GetPiece = {}): Promise<Piece | null> {
    this.#requests++
    const found = await this.#store.get(path, { fresh: true, ...(range && { range }), ...(signal && { signal }) })
    return found.kind === 'found' ? { bytes: found.bytes, etag: found.etag, size: found.size } : null
  }

  async delete(paths: readonly string[], signal?: AbortSignal): Promise<void> {
    this.#requests++
    await this.#store.delete(paths, signal ? { signal } : {})
  }

  requests(): number {
    return this.#requests
  }

  async close(): Promise<void> {
    await this.#store.close?.()
  }
}

async function* partsOf(content: Content, partBytes: number): AsyncIterable<Uint8Array> {
  for (let start = 0; start < content.size; start += partBytes) yield content.read(start, Math.min(content.size, start + partBytes))
}
