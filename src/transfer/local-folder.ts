import { constants } from 'node:fs'
import { lstat, mkdir, open, readdir, readlink, realpath, rename, stat, unlink, type FileHandle } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { WindlassError } from '../base/errors.ts'
import type { Content } from './remote.ts'

export interface LocalFile {
  /** Below the folder, with `/` between. */
  readonly path: string
  readonly size: number
}

/** Every name of a file that is not whole yet ends so; passed over by pushes. */
export const partialSuffix = '.windlass-partial'

/** The near end of a transfer. Nothing outside it is read or written, whatever links and keys say. */
export class LocalFolder {
  readonly root: string
  /** Links that lead outside, to folders, or nowhere, and what is neither file nor folder. */
  skipped = 0
  #realRoot: string | null = null
  readonly #checked = new Map<string, Promise<void>>()

  constructor(path: string) {
    this.root = resolve(path)
  }

  /**
   * Files below the folder, in no promised order; folders that `isExcluded` are not opened.
   * @throws {WindlassError} `not-found` when the folder is not there.
   */
  async *list(isExcluded: (path: string) => boolean): AsyncIterable<LocalFile> {
    const stats = await stat(this.root).catch(() => null)
    if (!stats?.isDirectory()) throw new WindlassError('not-found', `${this.root}: no such folder`, { path: this.root })
    yield* this.#walk('', isExcluded)
  }

  /** @returns null where there is no file of this name. */
  async find(path: string): Promise<LocalFile | null> {
    const stats = await lstat(this.placeOf(path)).catch(() => null)
    return stats?.isFile() ? { path, size: stats.size } : null
  }

  /** Where a path is on disk. @throws {WindlassError} `invalid` for one that would leave the folder, or that no file can have. */
  placeOf(path: string): string {
    const parts = path.split('/')
    const bad = parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0') || (sep === '\\' && /[\\:]/.test(part)))
    if (bad) throw new WindlassError('invalid', `${JSON.stringify(path)} cannot be a file below ${this.root}: it has an empty, . or .. part`, { path })
    return join(this.root, ...parts)
  }

  /** Opens a file for reading; `use` may read it until it resolves. */
  async read<Value>({ path, size }: LocalFile, use: (content: Content) => Promise<Value>): Promise<Value> {
    const handle = await open(this.placeOf(path))
    try {
      return await use({ size, read: (start, end, into) => readExactly(handle, { start, end, into }, path) })
    } finally {
      await handle.close()
    }
  }

  /** Writes a file under a name beside its own, and renames it when `write` is done: it is the old file or the new one, never a part. */
  async replace(path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
    const place = this.placeOf(path)
    await this.#makeFolder(dirname(place))
    // The process is in the name: two pulls into one folder do not write one file.
    const partial = `${place}.${process.pid}${partialSuffix}`
    const handle = await open(partial, constants.O_CREAT | constants.O_TRUNC | constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0), 0o666)
    try {
      await write(handle).finally(() => handle.close())
      await rename(partial, place)
    } catch (error) {
      await unlink(partial).catch(() => undefined)
      throw error
    }
  }

  async remove(path: string): Promise<void> {
    await unlink(this.placeOf(path))
  }

  async *#walk(folder: string, isExcluded: (path: string) => boolean): AsyncIterable<LocalFile> {
    for (const entry of await readdir(join(this.root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (isExcluded(path) || entry.name.endsWith(partialSuffix)) continue
      if (entry.isDirectory()) yield* this.#walk(path, isExcluded)
      else if (entry.isFile()) yield { path, size: (await stat(join(this.root, path))).size }
      else {
        const size = entry.isSymbolicLink() ? await this.#sizeBehindLink(path) : null
        if (size === null) this.skipped++
        else yield { path, size }
      }
    }
  }

  /** Of the file that a link leads to; null where that is outside, a folder, or nothing. */
  async #sizeBehindLink(path: string): Promise<number | null> {
    try {
      const target = await realpath(join(this.root, path))
      this.#realRoot ??= await realpath(this.root)
      if (!target.startsWith(this.#realRoot + sep)) return null
      const stats = await stat(target)
      return stats.isFile() ? stats.size : null
    } catch {
      return null
    }
  }

  /** Makes a folder, one level after the other. @throws {WindlassError} `invalid` where a link on the way leads outside. */
  #makeFolder(folder: string): Promise<void> {
    let made = this.#checked.get(folder)
    if (!made) this.#checked.set(folder, (made = this.#makeUnchecked(folder)))
    return made
  }

  async #makeUnchecked(folder: string): Promise<void> {
    if (folder === this.root) {
      await mkdir(folder, { recursive: true })
      this.#realRoot = await realpath(folder)
      return
    }
    await this.#makeFolder(dirname(folder))
    await mkdir(folder).catch((error: unknown) => {
      if ((error as { code?: string }).code !== 'EEXIST') throw error
    })
    if (!(await lstat(folder)).isSymbolicLink()) return
    const target = await realpath(folder).catch(() => '')
    if (target !== this.#realRoot && !target.startsWith(this.#realRoot! + sep)) throw new WindlassError('invalid', `${folder} is a link to ${await readlink(folder)}, outside ${this.root}: nothing is written there`, { path: folder })
  }
}

async function readExactly(handle: FileHandle, { start, end, into }: { start: number; end: number; into: Buffer | undefined }, path: string): Promise<Uint8Array> {
  const buffer = into && into.length >= end - start ? into.subarray(0, end - start) : Buffer.allocUnsafe(end - start)
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, start + filled)
    if (bytesRead === 0) throw new WindlassError('conflict', `${path} became shorter while it was read`, { path })
    filled += bytesRead
  }
  return buffer
}
