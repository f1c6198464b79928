import { concatBytes } from '../base/bytes.ts'
import { isWindlassError, WindlassError } from '../base/errors.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { sha256Of } from './content-check.ts'
import { decodeManifest, decodeReference, encodeManifest, encodeReference, partBytesOf, type ModelFile, type ModelManifest } from './model-manifest.ts'

const partsAhead = 3
const changesMax = 20
const manifestKeys = /^manifests\/[^/]+--[^/]+\/[0-9a-f]{40}$/
const referenceKeys = /^refs\/[^/]+--[^/]+\/[^/]+$/

/** A manifest and the version of it that was read. */
export interface StoredManifest {
  readonly manifest: ModelManifest
  readonly etag: string
}

/**
 * Models in the bucket, below `models/`:
 * ```text
 * models/refs/<owner--name>/<revision>           which commit a branch or tag meant
 * models/manifests/<owner--name>/<commit>        files, sizes and hashes of that commit; replaced with If-Match
 * models/blobs/<sha256>                          the bytes of a file, immutable, shared by all that have it
 * models/claims/<name>                           who is fetching something now; economy only
 * ```
 * A blob is named in a manifest as stored after it is there, never before.
 */
export class ModelBucket {
  readonly store: ObjectStore

  /** @param store Below `models/`. */
  constructor(store: ObjectStore) {
    this.store = store
  }

  async reference(repository: string, revision: string): Promise<string | null> {
    const key = referenceKey(repository, revision)
    const answer = await this.store.get(key, { fresh: true })
    return answer.kind === 'found' ? decodeReference(answer.bytes, `${this.store.url}/${key}`) : null
  }

  async putReference(repository: string, revision: string, commit: string): Promise<void> {
    await this.store.put(referenceKey(repository, revision), encodeReference(commit), { contentType: 'application/json' })
  }

  async manifest(repository: string, commit: string): Promise<StoredManifest | null> {
    const key = manifestKey(repository, commit)
    const answer = await this.store.get(key, { fresh: true })
    return answer.kind === 'found' ? { manifest: decodeManifest(answer.bytes, `${this.store.url}/${key}`), etag: answer.etag } : null
  }

  /** Puts a manifest where none is. @returns what is there then: another process may have been first, and have files already. */
  async addManifest(manifest: ModelManifest): Promise<ModelManifest> {
    try {
      await this.store.put(manifestKey(manifest.repository, manifest.commit), encodeManifest(manifest), { condition: { ifAbsent: true }, contentType: 'application/json' })
      return manifest
    } catch (error) {
      if (!isWindlassError(error, 'conflict', 'outcome-unknown')) throw error
      return (await this.manifest(manifest.repository, manifest.commit))?.manifest ?? manifest
    }
  }

  /** Says of files what is known now. @returns the manifest with it; `base` with it where the manifest was removed meanwhile. */
  async updateFiles(base: ModelManifest, changes: ReadonlyMap<string, Partial<ModelFile>>): Promise<ModelManifest> {
    const change = (manifest: ModelManifest): ModelManifest => ({ ...manifest, files: manifest.files.map((file) => ({ ...file, ...changes.get(file.oid) })) })
    for (let attempt = 1; ; attempt++) {
      const current = await this.manifest(base.repository, base.commit)
      if (!current) return this.addManifest(change(base))
      try {
        const manifest = change(current.manifest)
        await this.store.put(manifestKey(base.repository, base.commit), encodeManifest(manifest), { condition: { ifMatch: current.etag }, contentType: 'application/json' })
        return manifest
      } catch (error) {
        if (attempt >= changesMax || !isWindlassError(error, 'conflict', 'outcome-unknown')) throw error
      }
    }
  }

  /** Every manifest in the bucket. One that cannot be read stops the listing: what it names must not look unused. */
  async *manifests(repository?: string): AsyncGenerator<ModelManifest & { readonly key: string }> {
    for await (const { key } of this.store.list(repository === undefined ? 'manifests/' : `manifests/${folderOf(repository)}/`)) {
      // Another application may keep things below `models/` as well.
      if (!manifestKeys.test(key)) continue
      const answer = await this.store.get(key, { fresh: true })
      if (answer.kind === 'found') yield { ...decodeManifest(answer.bytes, `${this.store.url}/${key}`), key }
    }
  }

  /** Keys of the branches and tags of a model, and what they mean. */
  async *references(repository?: string): AsyncGenerator<{ readonly key: string; readonly revision: string; readonly commit: string }> {
    for await (const { key } of this.store.list(repository === undefined ? 'refs/' : `refs/${folderOf(repository)}/`)) {
      if (!referenceKeys.test(key)) continue
      const answer = await this.store.get(key, { fresh: true })
      if (answer.kind === 'found') yield { key, revision: decodeURIComponent(key.slice(key.lastIndexOf('/') + 1)), commit: decodeReference(answer.bytes, `${this.store.url}/${key}`) }
    }
  }

  /**
   * The bytes [start, end) of a stored file, a few parts ahead of the reader. Every part is checked before any of it is given out.
   * @throws {WindlassError} `corrupt` when the blob is absent, or is not what the manifest says.
   */
  async *read(file: ModelFile, { start = 0, end = file.sizeBytes, signal }: { start?: number; end?: number; signal?: AbortSignal | undefined } = {}): AsyncGenerator<Uint8Array> {
    const partBytes = partBytesOf(file.sizeBytes)
    const waiting: Promise<Uint8Array>[] = []
    let asked = Math.floor(start / partBytes)
    try {
      for (let number = asked; number * partBytes < end; number++) {
        for (; asked * partBytes < end && asked < number + partsAhead; asked++) {
          const part = this.#part(file, asked, signal)
          // Awaited in its turn; without this, one that fails early would count as unhandled.
          part.catch(() => undefined)
          waiting.push(part)
        }
        const bytes = await waiting.shift()!
        const at = number * partBytes
        yield bytes.subarray(Math.max(0, start - at), Math.min(bytes.length, end - at))
      }
    } finally {
      await Promise.allSettled(waiting)
    }
  }

  /** Writes a blob whose bytes have been checked. @param isBroken What is there is to be replaced. */
  async write(sha256: string, sizeBytes: number, chunks: AsyncIterable<Uint8Array>, { isBroken = false, signal }: { isBroken?: boolean; signal?: AbortSignal | undefined } = {}): Promise<void> {
    const key = `blobs/${sha256}`
    const options = signal ? { signal } : {}
    if (!isBroken) {
      const head = await this.store.head(key, options)
      if (head?.size === sizeBytes) return
    }
    // Unconditional: whoever writes this key writes these bytes.
    if (sizeBytes > partBytesOf(0) && this.store.upload) {
      await this.store.upload(key, chunks, options)
      return
    }
    const parts: Uint8Array[] = []
    for await (const chunk of chunks) parts.push(chunk.slice())
    await this.store.put(key, concatBytes(parts), options)
  }

  async #part(file: ModelFile, number: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const partBytes = partBytesOf(file.sizeBytes)
    const key = `blobs/${file.sha256}`
    const start = number * partBytes
    const end = Math.min(start + partBytes, file.sizeBytes)
    const isWhole = start === 0 && end === file.sizeBytes
    const answer = await this.store.get(key, { ...(!isWhole && { range: { start, end } }), ...(signal && { signal }) })
    const expected = isWhole ? file.sha256 : file.parts?.[number]
    if (answer.kind === 'found' && expected !== undefined && answer.bytes.length === end - start && sha256Of(answer.bytes) === expected) return answer.bytes
    const what = answer.kind === 'found' ? `is damaged between byte ${start} and ${end}` : 'is not there'
    throw new WindlassError('corrupt', `${this.store.url}: ${key}, which is ${file.path}, ${what}: it is fetched from the hub again, or pushed`, { key, path: file.path, operation: 'get' })
  }
}

/** The key of a manifest below `models/`. */
/** Whether a key below `models/` is one of ours that nobody may need any more: what else lies there is somebody else's. */
export function isOwnFile(key: string): boolean {
  return /^blobs\/[0-9a-f]{64}$|^claims\/(list-[0-9a-f]{32}|(git|sha256)-[0-9a-f]{40,64})$/.test(key)
}

export function manifestKey(repository: string, commit: string): string {
  return `manifests/${folderOf(repository)}/${commit}`
}

function referenceKey(repository: string, revision: string): string {
  return `refs/${folderOf(repository)}/${encodeURIComponent(revision)}`
}

function folderOf(repository: string): string {
  return repository.replace('/', '--')
}
