import { constants } from 'node:fs'
import { access, chmod, link, lstat, mkdir, open, readdir, rename, rm, stat, statfs, unlink, utimes, type FileHandle } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { messageOf, WindlassError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { isLeft, temporaryName } from '../store/temporary-files.ts'
import { measureDisk, type DiskBlob, type DiskMeasure } from './disk-measure.ts'
import type { ModelFile } from './model-manifest.ts'

export interface ModelDiskSettings {
  readonly folder: string
  /** All model files together, of all processes that share the folder. */
  readonly budgetBytes: number
}

// Files carry this time of change from the moment they are checked; one that was written to since has another, and is checked again.
const checkedSeconds = 1
const reserveRoundsMax = 600
const reservePauseMs = 200
const keptPartialMs = 24 * 60 * 60 * 1000
const renewUseMs = 60 * 60 * 1000

/**
 * Models on the local disk, for as long as they are used:
 * ```text
 * blobs/<sha256>                  checked files; the least recently used go when room is needed
 * partial/<oid>~<size>~<owner>    being written; reserves the whole size
 * use/<owner>/<path>              hard links to what a process uses, by their names in the repository
 * ```
 * A link is what pins: it is made or fails in one step, and whoever removes a blob meanwhile leaves its bytes to who uses them. Owners
 * are named as temporary files are, so that a dead process's can be told and swept.
 */
export class ModelDisk {
  readonly folder: string
  readonly budgetBytes: number
  readonly #clock: Clock
  readonly #random: Random
  readonly #checked = new Set<string>()
  #writable: Promise<boolean> | null = null

  constructor({ folder, budgetBytes }: ModelDiskSettings, { clock, random }: { clock: Clock; random: Random }) {
    this.folder = folder
    this.budgetBytes = budgetBytes
    this.#clock = clock
    this.#random = random
  }

  /** Whether files can be kept here; asked once, when what dead processes left is swept too. A read-only disk is still read. */
  isWritable(): Promise<boolean> {
    return (this.#writable ??= this.#prepare())
  }

  /** Where a file is, if it is here and is what it should be; one that is damaged is removed. */
  async find(sha256: string, sizeBytes: number): Promise<string | null> {
    const path = join(this.folder, 'blobs', sha256)
    const found = await stat(path).catch(() => null)
    if (!found) return null
    const isKnown = this.#checked.has(sha256) && Math.floor(found.mtimeMs / 1000) === checkedSeconds
    if (found.size === sizeBytes && (isKnown || (await hashFile(path)) === sha256)) {
      this.#checked.add(sha256)
      // Time of use, told apart from the time of change; not on a read-only disk.
      await utimes(path, this.#clock.now() / 1000, checkedSeconds).catch(() => undefined)
      return path
    }
    await this.remove(sha256)
    return null
  }

  /**
   * Makes room for a file and begins to write it, where a dead process left off if one did.
   * @throws {WindlassError} `storage-full` when the budget is smaller than what is in use and this; nothing was written then.
   */
  async begin(file: ModelFile): Promise<PartialFile> {
    const name = file.oid.replace(':', '-')
    for (let round = 1; ; round++) {
      const path = join(this.folder, 'partial', `${name}~${file.sizeBytes}~${await temporaryName(this.#random)}`)
      const handle = await this.#adopt(name, path)
      const room = await this.#makeRoom(file.sizeBytes)
      if (room.isEnough) return new PartialFile(this, path, handle, (await handle.stat()).size)
      await handle.close()
      await unlink(path).catch(() => undefined)
      if (!room.mayChange || round >= reserveRoundsMax) throw this.#full(file, room.measure)
      // Others reserve too: all step back, and come again at different moments.
      await this.#clock.sleep(reservePauseMs * (0.5 + this.#random.next()))
    }
  }

  /** A folder for what this process is about to use. */
  async beginUse(): Promise<ModelUse> {
    const folder = join(this.folder, 'use', await temporaryName(this.#random))
    await mkdir(folder, { mode: 0o700 })
    return new ModelUse(this, folder)
  }

  /** Removes a file from the cache; processes that use it keep it. */
  async remove(sha256: string): Promise<void> {
    this.#checked.delete(sha256)
    await unlink(join(this.folder, 'blobs', sha256)).catch(() => undefined)
  }

  /** Removes every file that is not in use. @returns how many bytes. */
  async prune(): Promise<number> {
    let freed = 0
    for (const blob of (await this.measure()).blobs) if (!blob.isUsed) freed += await this.#evict(blob)
    return freed
  }

  measure(): Promise<DiskMeasure> {
    return measureDisk(this.folder)
  }

  /** Free bytes of the file system, and all of it; null where it cannot be asked. */
  async fileSystem(): Promise<{ freeBytes: number; totalBytes: number } | null> {
    const facts = await statfs(this.folder).catch(() => null)
    return facts && { freeBytes: facts.bavail * facts.bsize, totalBytes: facts.blocks * facts.bsize }
  }

  /** Names a checked file, and pins it at `pin` in the same step if given. */
  async keep(partialPath: string, sha256: string, pin: string | null): Promise<string> {
    const path = join(this.folder, 'blobs', sha256)
    await utimes(partialPath, this.#clock.now() / 1000, checkedSeconds)
    // Whoever opens it to write changes it for all that have it linked.
    await chmod(partialPath, 0o444)
    if (pin !== null) await linkAnew(partialPath, pin)
    await rename(partialPath, path)
    this.#checked.add(sha256)
    return path
  }

  failure(cause: unknown): WindlassError {
    const { code } = cause as { code?: string }
    const kind = code === 'ENOSPC' || code === 'EDQUOT' ? 'storage-full' : 'unavailable'
    return new WindlassError(kind, `model folder ${this.folder}: ${messageOf(cause)}: free space, or point WINDLASS_MODEL_CACHE elsewhere`, { path: 'model-cache', cause })
  }

  async #prepare(): Promise<boolean> {
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o700 })
      const owner = (await lstat(this.folder)).uid
      if (process.getuid && owner !== process.getuid() && process.getuid() !== 0) return false
      await access(this.folder, constants.W_OK)
      for (const part of ['blobs', 'partial', 'use']) await mkdir(join(this.folder, part), { recursive: true, mode: 0o700 })
      await this.#sweep()
      return true
    } catch {
      return false
    }
  }

  async #sweep(): Promise<void> {
    const now = this.#clock.now()
    for (const name of await readdir(join(this.folder, 'use'))) {
      const path = join(this.folder, 'use', name)
      if (await isLeft(path, name, now)) await rm(path, { recursive: true, force: true }).catch(() => undefined)
    }
    for (const name of await readdir(join(this.folder, 'partial'))) {
      const path = join(this.folder, 'partial', name)
      const age = now - ((await stat(path).catch(() => null))?.mtimeMs ?? now)
      // A young one is worth taking up.
      if (age > keptPartialMs && (await isLeft(path, ownerOf(name), now))) await unlink(path).catch(() => undefined)
    }
  }

  /** Opens `path` for writing, which takes over what a dead process has of the same file. */
  async #adopt(name: string, path: string): Promise<FileHandle> {
    for (const other of await readdir(join(this.folder, 'partial'))) {
      if (!other.startsWith(`${name}~`)) continue
      const otherPath = join(this.folder, 'partial', other)
      // Renaming decides between two that want it.
      if ((await isLeft(otherPath, ownerOf(other), this.#clock.now())) && (await rename(otherPath, path).then(() => true, () => false))) break
    }
    try {
      return await open(path, constants.O_RDWR | constants.O_CREAT, 0o600)
    } catch (cause) {
      throw this.failure(cause)
    }
  }

  /** Evicts until everything here, and everything that is being written, fits the budget. The caller's own reservation is there already. */
  async #makeRoom(neededBytes: number): Promise<{ isEnough: boolean; mayChange: boolean; measure: DiskMeasure }> {
    let measure = await this.measure()
    for (const blob of measure.blobs.filter(({ isUsed }) => !isUsed).sort((a, b) => a.usedAtMs - b.usedAtMs)) {
      if (measure.usedBytes <= this.budgetBytes) break
      const freed = await this.#evict(blob)
      measure = { ...measure, usedBytes: measure.usedBytes - freed }
    }
    measure = await this.measure()
    if (measure.usedBytes > this.budgetBytes) {
      for (const { path, name } of measure.partials) if (await isLeft(path, ownerOf(name), this.#clock.now())) await unlink(path).catch(() => undefined)
      measure = await this.measure()
    }
    const isEnough = measure.usedBytes <= this.budgetBytes
    return { isEnough, mayChange: measure.reservedBytes > neededBytes, measure }
  }

  async #evict({ sha256, sizeBytes }: DiskBlob): Promise<number> {
    const path = join(this.folder, 'blobs', sha256)
    // Asked again right before: a link that comes later still keeps the bytes, only the room is not won.
    const found = await stat(path).catch(() => null)
    if (!found || found.nlink > 1) return 0
    await this.remove(sha256)
    return sizeBytes
  }

  #full({ path, sizeBytes }: ModelFile, { usedBytes, pinnedBytes }: DiskMeasure): WindlassError {
    return new WindlassError('storage-full', `${path} needs ${sizeBytes} bytes on the local disk, where models may take ${this.budgetBytes} and ${pinnedBytes} are in use: raise WINDLASS_MODEL_CACHE_BUDGET, or use fewer models at once`, { path: 'model-cache-budget', ...(usedBytes > pinnedBytes + sizeBytes && { retryAfterMs: 5000 }) })
  }

  /** Shows that a folder of files in use is not left behind, where others cannot ask about this process. */
  async renew(folder: string, ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await this.#clock.sleep(renewUseMs, ended)
      await utimes(folder, this.#clock.now() / 1000, this.#clock.now() / 1000)
    }
  }
}

/** A file on its way to the disk. */
export class PartialFile {
  readonly path: string
  #writtenBytes: number
  readonly #disk: ModelDisk
  readonly #handle: FileHandle

  constructor(disk: ModelDisk, path: string, handle: FileHandle, writtenBytes: number) {
    this.#disk = disk
    this.path = path
    this.#handle = handle
    this.#writtenBytes = writtenBytes
  }

  /** Bytes that are there; those of a dead process are not checked yet. */
  get writtenBytes(): number {
    return this.#writtenBytes
  }

  async *readBack(): AsyncGenerator<Uint8Array> {
    const buffer = new Uint8Array(1024 * 1024)
    for (let at = 0; at < this.#writtenBytes; ) {
      const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, at)
      if (bytesRead === 0) return
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, this.#writtenBytes)
        done += bytesWritten
        this.#writtenBytes += bytesWritten
      }
    } catch (cause) {
      throw this.#disk.failure(cause)
    }
  }

  /** Begins again. */
  async clear(): Promise<void> {
    await this.#handle.truncate(0)
    this.#writtenBytes = 0
  }

  /** Ends in the cache, under the name of its content. @param pin Where it is to be linked at the same moment. */
  async finish(sha256: string, pin: string | null): Promise<string> {
    try {
      await this.#handle.close()
      return await this.#disk.keep(this.path, sha256, pin)
    } catch (cause) {
      throw this.#disk.failure(cause)
    }
  }

  /** Ends without it. What was written goes too, unless it is worth taking up. */
  async abandon({ keep }: { keep: boolean }): Promise<void> {
    await this.#handle.close().catch(() => undefined)
    if (!keep || this.#writtenBytes === 0) await unlink(this.path).catch(() => undefined)
  }
}

/** Files that a process uses, in a folder laid out as their repository; they stay until it is released, or the process is dead. */
export class ModelUse {
  readonly folder: string
  readonly #disk: ModelDisk
  readonly #ended = new AbortController()

  constructor(disk: ModelDisk, folder: string) {
    this.#disk = disk
    this.folder = folder
    disk.renew(folder, this.#ended.signal).catch(() => undefined)
  }

  /** Where a file of the repository is to be linked; its folders are made. */
  async place(path: string): Promise<string> {
    const target = join(this.folder, path)
    await mkdir(dirname(target), { recursive: true })
    return target
  }

  /** @returns false when the blob is gone: it was evicted a moment ago. */
  async pin(blobPath: string, target: string): Promise<boolean> {
    try {
      await linkAnew(blobPath, target)
      return true
    } catch (cause) {
      if ((cause as { code?: string }).code === 'ENOENT') return false
      throw this.#disk.failure(cause)
    }
  }

  async release(): Promise<void> {
    this.#ended.abort()
    await rm(this.folder, { recursive: true, force: true })
  }
}

async function linkAnew(from: string, to: string): Promise<void> {
  await link(from, to).catch((error: unknown) => {
    if ((error as { code?: string }).code !== 'EEXIST') throw error
  })
}

function ownerOf(partialName: string): string {
  return partialName.split('~')[2] ?? ''
}

async function hashFile(path: string): Promise<string | null> {
  const hash = createHash('sha256')
  const file = await open(path, 'r').catch(() => null)
  if (!file) return null
  try {
    const buffer = new Uint8Array(1024 * 1024)
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length)
      if (bytesRead === 0) return hash.digest('hex')
      hash.update(buffer.subarray(0, bytesRead))
    }
  } catch {
    return null
  } finally {
    await file.close()
  }
}

