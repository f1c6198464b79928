import { link, mkdir, stat, unlink } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { systemClock, type Clock } from '../base/clock.ts'
import { isWindlassError, throwIfAborted, WindlassError } from '../base/errors.ts'
import { systemRandom, type Random } from '../base/random.ts'
import { listFolder } from './directory-list.ts'
import { prepareRoot, refuseNetwork } from './directory-place.ts'
import { fromFileError, isMissing, isPresent } from './file-errors.ts'
import { pathOfKey } from './file-names.ts'
import { checkObjectKey, checkRange, cutRange } from './object-key.ts'
import type {
  GetOptions,
  GetResult,
  ListOptions,
  ListedObject,
  ObjectStore,
  PutOptions,
  PutResult,
} from './object-store.ts'
import { temporaryFolder, temporaryName } from './temporary-files.ts'
import {
  currentVersion,
  isTombstoneBytes,
  pinPlain,
  provesNext,
  readVersion,
  removeOldVersions,
  syncFolder,
  tombstone,
  versionAt,
  versionPath,
  writeSynced,
  type Version,
} from './version-files.ts'
import type { ObjectHead } from './wrapping-store.ts'

type WriteFile = Parameters<typeof writeSynced>[3]

/** What a directory store is made of; everything has a default. */
export interface DirectoryOptions {
  readonly clock?: Clock
  readonly random?: Random
  /** Accepts a network file system: safe only while one machine uses it. */
  readonly allowShared?: boolean
  /** How many states of an overwritten key stay below the highest: a put proves that it won by its base still being there. */
  readonly versionsKept?: number
  /** Awaited between the look at a key and what changes it: where simulations stall a process. */
  readonly beforeChange?: () => Promise<void>
}

// More folders than this are looked at again: it bounds memory, not correctness.
const syncedFoldersMax = 10_000

/**
 * Objects as files, with the guarantees of a bucket between the processes of one machine: no lock, nothing to repair after kill -9.
 *
 * A key that is only ever created is one plain file, made by link(2) from a finished, synced temporary file: exactly one process
 * wins. A key that is overwritten gets numbered versions in a folder beside it; making version n + 1 is again a link(2), so the name
 * is the condition. The highest number is the object. docs/decisions/0001-directory-store.md
 */
export class DirectoryStore implements ObjectStore {
  readonly url: string
  /** Absolute path. */
  readonly root: string
  readonly #clock: Clock
  readonly #random: Random
  readonly #allowShared: boolean
  readonly #versionsKept: number
  readonly #beforeChange: () => Promise<void>
  readonly #syncedFolders = new Set<string>()
  #checked: Promise<void> | null = null
  #prepared: Promise<void> | null = null

  constructor(
    root: string,
    {
      clock = systemClock,
      random = systemRandom,
      allowShared = false,
      versionsKept = 8,
      beforeChange = async () => {},
    }: DirectoryOptions = {},
  ) {
    this.root = resolve(root)
    this.url = `file:${this.root}`
    this.#clock = clock
    this.#random = random
    this.#allowShared = allowShared
    this.#versionsKept = versionsKept
    this.#beforeChange = beforeChange
  }

  async get(key: string, { range, ifNoneMatch, signal }: GetOptions = {}): Promise<GetResult> {
    checkRange(range)
    return this.#run('get', key, signal, async (path) => {
      for (;;) {
        const date = this.#clock.now()
        const version = await currentVersion(path)
        if (!version || version.isTombstone) return { kind: 'absent', date }
        const { etag, size, lastModified } = version
        if (ifNoneMatch === etag) return { kind: 'unchanged', date }
        const bytes = await readVersion(version, ...cutRange(range, size))
        // Removed meanwhile, because newer versions came: look again.
        if (bytes) return { kind: 'found', bytes, etag, size, lastModified, date }
        throwIfAborted(signal)
      }
    })
  }

  async head(key: string, { signal }: { signal?: AbortSignal } = {}): Promise<ObjectHead | null> {
    return this.#run('head', key, signal, async (path) => {
      const date = this.#clock.now()
      const version = await currentVersion(path)
      if (!version || version.isTombstone) return null
      const { etag, size, lastModified } = version
      return { etag, size, lastModified, date }
    })
  }

  async put(key: string, bytes: Uint8Array, { condition, signal }: PutOptions = {}): Promise<PutResult> {
    if (isTombstoneBytes(bytes))
      throw new WindlassError('invalid', `${this.url}: put of ${key}: these 32 bytes are reserved`, {
        key,
        bucket: this.url,
        operation: 'put',
      })
    return this.#run('put', key, signal, async (path) => {
      if (!condition)
        return this.#withTemporary(
          (handle) => handle.writeFile(bytes),
          (temporary) => this.#linkOver(key, path, temporary),
        )
      const base = await currentVersion(path)
      const etag = base && !base.isTombstone ? base.etag : null
      // Fail before writing what cannot win.
      if ('ifAbsent' in condition ? etag !== null : etag !== condition.ifMatch) throw this.#conflict(key)
      return this.#withTemporary(
        (handle) => handle.writeFile(bytes),
        (temporary) => this.#linkNext(key, path, temporary, base),
      )
    })
  }

  async *list(prefix: string, { startAfter = '', signal }: ListOptions = {}): AsyncIterable<ListedObject> {
    throwIfAborted(signal)
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    try {
      await this.#check()
      for await (const key of listFolder(this.root, folder, prefix, startAfter)) {
        throwIfAborted(signal)
        const version = await currentVersion(this.#pathOf(key))
        if (version && !version.isTombstone) yield { key, size: version.size, etag: version.etag, lastModified: version.lastModified }
      }
    } catch (error) {
      throw fromFileError(error, { url: this.url, key: prefix, operation: 'list' })
    }
  }

  async delete(keys: readonly string[], { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    for (const key of keys) await this.#run('delete', key, signal, (path) => this.#deleteOne(key, path))
  }

  async upload(
    key: string,
    chunks: AsyncIterable<Uint8Array>,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<PutResult> {
    const write: WriteFile = async (handle) => {
      for await (const chunk of chunks) {
        throwIfAborted(signal)
        await handle.writeFile(chunk)
      }
    }
    return this.#run('upload', key, signal, (path) =>
      this.#withTemporary(write, (temporary) => this.#linkOver(key, path, temporary)),
    )
  }

  place(): string {
    return this.url
  }

  /** Makes a finished file the object, whatever was there. */
  async #linkOver(key: string, path: string, temporary: string): Promise<PutResult> {
    for (;;) {
      try {
        return await this.#linkNext(key, path, temporary, await currentVersion(path))
      } catch (error) {
        // Somebody else was first, or may have been: theirs came before, ours replaces it.
        if (!isWindlassError(error, 'conflict', 'outcome-unknown')) throw error
      }
    }
  }

  /**
   * Links `temporary` as the state after `base`.
   * @throws {WindlassError} `conflict` when another process made the next state; `outcome-unknown` when that cannot be told any more.
   */
  async #linkNext(key: string, path: string, temporary: string, base: Version | null): Promise<PutResult> {
    const number = base ? base.number + 1 : 0
    const target = base ? versionPath(path, number) : path
    await this.#makeFolder(dirname(target))
    await this.#beforeChange()
    if (base?.isPlain && !(await pinPlain(path, base))) throw this.#conflict(key)
    try {
      await link(temporary, target)
    } catch (error) {
      if (!isPresent(error)) throw error
      // On a network file system the answer of a successful link can get lost: two names tell (link(2) on NFS).
      if ((await stat(temporary)).nlink < 2) throw this.#conflict(key)
    }
    try {
      await syncFolder(dirname(target))
      const made = (await versionAt(temporary, number, !base))!
      await this.#proveWin(key, path, base, made)
      await removeOldVersions(path, number - this.#versionsKept)
      return { etag: made.etag, date: this.#clock.now() }
    } catch (error) {
      if (error instanceof WindlassError) throw error
      // It is there, but perhaps not after a power cut.
      throw this.#unknown(key, 'it was written, but could not be made durable', error)
    }
  }

  /**
   * A stalled writer can create a name that was removed long ago. Its link has won if its base proves so, or if nothing is above it;
   * else it may have been either, and only what is in the object can tell (docs/protocol.md, G1). A creation is always told exactly.
   */
  async #proveWin(key: string, path: string, base: Version | null, made: Version): Promise<void> {
    if (base && (await provesNext(path, base))) return
    const current = await currentVersion(path)
    if (base) {
      if (current?.number === made.number && current.etag === made.etag) return
      throw this.#unknown(key, 'newer versions came while it was written')
    }
    // Without versions, the plain file alone decided. With them, the one they began with did.
    if (!current || current.isPlain) return
    const first = await versionAt(versionPath(path, 0), 0, false)
    if (first?.etag !== made.etag) throw this.#conflict(key)
  }

  async #deleteOne(key: string, path: string): Promise<void> {
    for (;;) {
      const current = await currentVersion(path)
      if (!current || current.isTombstone) return
      if (current.isPlain) {
        await this.#beforeChange()
        await unlink(path).catch((error: unknown) => {
          if (!isMissing(error)) throw error
        })
        await syncFolder(dirname(path))
        // Around again: an overwrite may have pinned it before.
        continue
      }
      try {
        await this.#withTemporary(
          (handle) => handle.writeFile(tombstone),
          (temporary) => this.#linkNext(key, path, temporary, current),
        )
        return
      } catch (error) {
        if (!isWindlassError(error, 'conflict', 'outcome-unknown')) throw error
      }
    }
  }

  /** Writes a file aside, hands it to `use`, and removes that name of it. */
  async #withTemporary<Value>(write: WriteFile, use: (temporary: string) => Promise<Value>): Promise<Value> {
    await this.#prepare()
    const temporary = join(temporaryFolder(this.root), await temporaryName(this.#random))
    await writeSynced(temporary, this.#clock.now(), this.#random, write)
    try {
      return await use(temporary)
    } finally {
      await unlink(temporary).catch(() => undefined)
    }
  }

  /**
   * Makes a folder, and syncs it and those above it up to the root: also when it was there, because whoever made it may have died
   * before syncing it. Once a process and folder.
   */
  async #makeFolder(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true })
    const unsynced: string[] = []
    for (let each = folder; each.length >= this.root.length && !this.#syncedFolders.has(each); each = dirname(each))
      unsynced.push(each)
    if (unsynced.length === 0) return
    for (const each of unsynced) await syncFolder(each)
    // The root's own name is in the folder above it.
    if (unsynced.at(-1) === this.root) await syncFolder(dirname(this.root))
    if (this.#syncedFolders.size > syncedFoldersMax) this.#syncedFolders.clear()
    for (const each of unsynced) this.#syncedFolders.add(each)
  }

  #check(): Promise<void> {
    this.#checked ??= this.#allowShared ? Promise.resolve() : refuseNetwork(this.root, this.url)
    return this.#checked
  }

  /** Once, before the first write. After a failure the next write tries again. */
  #prepare(): Promise<void> {
    this.#prepared ??= prepareRoot(this.root, this.url, { nowMs: this.#clock.now(), random: this.#random })
      // The root was perhaps not there when it was first looked at.
      .then(() => (this.#allowShared ? undefined : refuseNetwork(this.root, this.url)))
      .catch((error: unknown) => {
        this.#prepared = null
        throw error
      })
    return this.#prepared
  }

  #pathOf(key: string): string {
    const path = join(this.root, pathOfKey(key))
    // Names cannot leave the root; this is the belt to the braces.
    if (relative(this.root, path).startsWith('..'))
      throw new WindlassError('invalid', `key ${JSON.stringify(key)} leaves the bucket`, { key })
    return path
  }

  #conflict(key: string): WindlassError {
    return new WindlassError('conflict', `${this.url}: put of ${key}: its condition does not hold`, {
      key,
      bucket: this.url,
      operation: 'put',
    })
  }

  #unknown(key: string, why: string, cause?: unknown): WindlassError {
    return new WindlassError(
      'outcome-unknown',
      `${this.url}: put of ${key}: ${why}: read it before you repeat the write`,
      { key, bucket: this.url, operation: 'put', ...(cause !== undefined && { cause }) },
    )
  }

  async #run<Value>(
    operation: string,
    key: string,
    signal: AbortSignal | undefined,
    task: (path: string) => Promise<Value>,
  ): Promise<Value> {
    throwIfAborted(signal)
    checkObjectKey(key)
    try {
      await this.#check()
      return await task(this.#pathOf(key))
    } catch (error) {
      throw fromFileError(error, { url: this.url, key, operation })
    }
  }
}
