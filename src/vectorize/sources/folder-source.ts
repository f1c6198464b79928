import { constants, type BigIntStats } from 'node:fs'
import { lstat, open, readdir, realpath, stat, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { systemClock, type Clock } from '../../base/clock.ts'
import { throwIfAborted, WindlassError } from '../../base/errors.ts'
import { pathFilter, type PathFilter, type PathPatterns } from './path-filter.ts'
import type { Source, SourceContent, SourceEntry, SourceListing } from './source.ts'

// Never text that somebody wrote to be found.
const skippedFolders = new Set(['.git', 'node_modules', '.windlass', '.hg', '.svn', '__pycache__', '.venv'])
const pieceBytes = 256 * 1024
// A file system may keep times by the tick of its kernel (10 ms), or by seconds (ext3, NFS 2) or two (FAT): what was written so
// recently may be written again without its times telling.
const racyMs = 2_000

/**
 * A file, or the files below a folder. Hidden files and folders are passed over unless `hidden`, symbolic links always: nothing
 * outside the root is read. A revision is size, times and inode; a file changed within the last two seconds has none, since its next
 * change could leave them the same (git's "racy" entries).
 */
export class FolderSource implements Source {
  readonly description: string
  readonly #path: string
  readonly #root: string
  readonly #hidden: boolean
  readonly #filter: PathFilter
  readonly #clock: Clock
  /** Whether the root is a file, once it has been listed. */
  #isFile = false

  constructor(path: string, { hidden = false, clock = systemClock, ...patterns }: PathPatterns & { hidden?: boolean | undefined; clock?: Clock } = {}) {
    this.description = `folder ${path}`
    this.#path = path
    this.#root = resolve(path)
    this.#hidden = hidden
    this.#filter = pathFilter(patterns)
    this.#clock = clock
  }

  /** @throws {WindlassError} `not-found`; `denied` for a folder that may not be read, since what is in it would look deleted. */
  async list({ signal }: { since?: string; signal?: AbortSignal } = {}): Promise<SourceListing> {
    throwIfAborted(signal)
    const root = await this.#statRoot()
    this.#isFile = root.isFile()
    const entries = this.#isFile ? this.#only(root) : this.#walk('', root, signal)
    return { kind: 'everything', entries, cursor: () => undefined }
  }

  async read({ path }: SourceEntry, { knownRevision, signal }: { knownRevision?: string; signal?: AbortSignal } = {}): Promise<SourceContent> {
    throwIfAborted(signal)
    const place = await this.#locate(path)
    const stats = await lstat(place, { bigint: true }).catch((error: unknown) => this.#fail(path, error))
    if (!stats.isFile()) throw new WindlassError('not-found', `${path}: no file in ${this.description}`, { path })
    const revision = this.#revisionOf(stats)
    if (revision !== undefined && revision === knownRevision) return { kind: 'unchanged' }
    // Opened once now, so that a file that may not be read is told here.
    await (await this.#open(place, path)).close()
    const bytes = () => this.#bytes(place, path, identityOf(stats), signal)
    return { kind: 'found', ...(revision !== undefined && { revision }), sizeBytes: Number(stats.size), bytes }
  }

  /** A document's path as people would type it from where they are, with `/` between; once it has been listed. */
  typedPath(path: string): string {
    return (this.#isFile ? this.#path : join(this.#path, path)).split('\\').join('/').replace(/^\.\//, '')
  }

  async #statRoot(): Promise<BigIntStats> {
    const stats = await stat(this.#root, { bigint: true }).catch((error: unknown) => {
      if (isGone(error)) return null
      throw this.#failure(this.#root, error)
    })
    if (stats?.isFile() || stats?.isDirectory()) return stats
    throw new WindlassError('not-found', `${this.#root}: no such file or folder`, { path: this.#root })
  }

  /** The root where it is a file: taken whatever it is called, because it was named. */
  async *#only(stats: BigIntStats): AsyncIterable<SourceEntry> {
    yield this.#entryOf(basename(this.#root), stats)
  }

  async *#walk(folder: string, root: BigIntStats, signal: AbortSignal | undefined): AsyncIterable<SourceEntry> {
    throwIfAborted(signal)
    const found = await readdir(join(this.#root, folder), { withFileTypes: true }).catch(async (error: unknown) => {
      if (!isGone(error)) throw this.#failure(folder === '' ? this.#root : folder, error)
      // A folder that went away took its files with it; a root that did (unmounted, replaced) did not.
      const now = await this.#statRoot()
      if (folder === '' || now.ino !== root.ino || now.dev !== root.dev) throw new WindlassError('not-found', `${this.#root} was replaced while it was listed`, { path: this.#root })
      return []
    })
    for (const entry of found.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith('.') && !this.#hidden) continue
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) {
        if (!skippedFolders.has(entry.name) && !this.#filter.skipsFolder(path)) yield* this.#walk(path, root, signal)
      } else if (entry.isFile() && this.#filter.takes(path)) {
        throwIfAborted(signal)
        const stats = await lstat(join(this.#root, path), { bigint: true }).catch(() => null)
        if (stats) yield this.#entryOf(path, stats)
        // A name that is not UTF-8 cannot be asked for: reading it says so. A file that went away is not listed.
        else if (path.includes('\uFFFD')) yield { path }
      }
    }
  }

  #entryOf(path: string, stats: BigIntStats): SourceEntry {
    const revision = this.#revisionOf(stats)
    return { path, sizeBytes: Number(stats.size), ...(revision !== undefined && { revision }) }
  }

  #revisionOf(stats: BigIntStats): string | undefined {
    const changedMs = Number((stats.mtimeNs > stats.ctimeNs ? stats.mtimeNs : stats.ctimeNs) / 1_000_000n)
    return changedMs > this.#clock.now() - racyMs ? undefined : identityOf(stats)
  }

  /** Where a path is. A name that leads out of the root, itself or by a link on the way, is told like one that is not there. */
  async #locate(path: string): Promise<string> {
    const root = await this.#statRoot()
    const below = root.isFile() ? dirname(this.#root) : this.#root
    const real = await realpath(below).catch((error: unknown) => this.#fail(path, error))
    const place = join(real, path)
    const known = root.isFile() ? path === basename(this.#root) : !path.split('/').some((part) => part === '' || part === '.' || part === '..')
    if (!known) throw new WindlassError('not-found', `${path}: no file in ${this.description}`, { path })
    const folder = await realpath(dirname(place)).catch((error: unknown) => this.#fail(path, error))
    if (folder !== dirname(place)) throw new WindlassError('not-found', `${path}: leads out of ${this.description} by a symbolic link`, { path })
    return root.isFile() ? await realpath(this.#root) : place
  }

  async #open(place: string, path: string): Promise<FileHandle> {
    // Without O_NONBLOCK, a pipe that took the file's place would be waited for.
    return open(place, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)).catch((error: unknown) => this.#fail(path, error))
  }

  /** The file, as long as it is the one that was looked at. */
  async *#bytes(place: string, path: string, identity: string, signal: AbortSignal | undefined): AsyncIterable<Uint8Array> {
    const handle = await this.#open(place, path)
    try {
      const check = async () => {
        if (identityOf(await handle.stat({ bigint: true })) !== identity) throw new WindlassError('conflict', `${path} was changed while it was read: read it again`, { path })
      }
      await check()
      for (;;) {
        throwIfAborted(signal)
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafeSlow(pieceBytes), 0, pieceBytes).catch((error: unknown) => this.#fail(path, error))
        if (bytesRead === 0) break
        yield buffer.subarray(0, bytesRead)
      }
      await check()
    } finally {
      await handle.close()
    }
  }

  #fail(path: string, error: unknown): never {
    throw this.#failure(path, error)
  }

  #failure(path: string, error: unknown): WindlassError {
    const { code, message } = error as { code?: string; message?: string }
    const context = { path, cause: error }
    if (path.includes('\uFFFD') && code === 'ENOENT') return new WindlassError('unsupported', `${path}: its name is not UTF-8: rename it`, context)
    if (isGone(error) || code === 'ELOOP') return new WindlassError('not-found', `${path}: no file in ${this.description}`, context)
    if (code === 'EACCES' || code === 'EPERM') return new WindlassError('denied', `${path}: permission denied: let this user read it, or exclude it`, context)
    return new WindlassError('unavailable', `${path}: cannot be read: ${message ?? String(error)}`, context)
  }
}

function isGone(error: unknown): boolean {
  const { code } = error as { code?: string }
  return code === 'ENOENT' || code === 'ENOTDIR'
}

function identityOf({ size, mtimeNs, ctimeNs, ino }: BigIntStats): string {
  return `${size}:${mtimeNs}:${ctimeNs}:${ino}`
}
