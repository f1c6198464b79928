import type { Dirent } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { compareUtf8 } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import type { GetOptions, GetResult, ListedObject, ListOptions } from '../store/object-store.ts'
import type { ObjectHead } from '../store/wrapping-store.ts'
import type { OldBucket } from './legacy-source.ts'

/** A folder of ordinary files as an old bucket: what `aws s3 sync` brings. Reads only, and leaves nothing behind. */
export class PlainFolder implements OldBucket {
  readonly url: string
  readonly #root: string

  constructor(path: string) {
    this.#root = resolve(path)
    this.url = `file:${this.#root}`
  }

  async *list(prefix: string, { startAfter }: ListOptions = {}): AsyncIterable<ListedObject> {
    const stats = await stat(this.#root).catch(() => null)
    if (!stats?.isDirectory()) throw new WindlassError('not-found', `${this.#root}: no such folder`, { path: 'source' })
    for await (const key of this.#walk('', prefix)) {
      if (startAfter !== undefined && compareUtf8(key, startAfter) <= 0) continue
      const { size, mtimeMs } = await stat(join(this.#root, key))
      yield { key, size, lastModified: mtimeMs }
    }
  }

  async get(key: string, { range }: GetOptions = {}): Promise<GetResult> {
    const handle = await open(join(this.#root, key)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
    if (!handle) return { kind: 'absent', date: undefined }
    try {
      const { size, mtimeMs } = await handle.stat()
      const start = range && 'start' in range ? Math.min(range.start, size) : 0
      const end = range && 'end' in range ? Math.min(range.end, size) : size
      const bytes = new Uint8Array(end - start)
      for (let at = 0; at < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, at, bytes.length - at, start + at)
        if (bytesRead === 0) throw new WindlassError('unavailable', `${key} became shorter while it was read`, { key })
        at += bytesRead
      }
      return { kind: 'found', bytes, etag: `${size}-${mtimeMs}`, size, lastModified: mtimeMs, date: undefined }
    } finally {
      await handle.close()
    }
  }

  async head(key: string): Promise<ObjectHead | null> {
    const stats = await stat(join(this.#root, key)).catch(() => null)
    return stats?.isFile() ? { etag: `${stats.size}-${stats.mtimeMs}`, size: stats.size, lastModified: stats.mtimeMs, date: undefined } : null
  }

  async close(): Promise<void> {}

  /** Files in the order of their keys: a folder sorts as its name with a slash. */
  async *#walk(folder: string, prefix: string): AsyncGenerator<string> {
    const entries = await readdir(join(this.#root, folder), { withFileTypes: true })
    const nameOf = (entry: Dirent) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`
    for (const key of entries.map(nameOf).sort(compareUtf8)) {
      if (key.endsWith('/')) {
        if (key.startsWith(prefix) || prefix.startsWith(key)) yield* this.#walk(key, prefix)
      } else if (key.startsWith(prefix)) {
        const stats = await stat(join(this.#root, key)).catch(() => null)
        if (stats?.isFile()) yield key
      }
    }
  }
}
