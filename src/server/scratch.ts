import { createWriteStream, createReadStream } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf, WindlassError } from '../base/errors.ts'
import { newNonce, type Random } from '../base/random.ts'
import type { KeptBytes, Scratch } from '../api/upload.ts'

export interface ScratchSettings {
  /** Where the folder of this process is made; default: the system's folder for temporary files. */
  readonly folder?: string
  /** All files together. */
  readonly budgetBytes: number
}

const folderPrefix = 'windlass-scratch-'
/** Uploads up to this size stay in memory while all of those together take no more than `memoryTotalMax`. */
const memoryBytesMax = 1024 * 1024
const memoryTotalMax = 64 * 1024 * 1024

/**
 * Temporary files of one process, in a folder of its own that is made when first needed. Folders of processes that are dead are
 * removed by the next one that starts.
 */
export class ScratchSpace implements Scratch {
  readonly #parent: string
  readonly #folder: string
  readonly #budgetBytes: number
  #made: Promise<void> | null = null
  #fileBytes = 0
  #memoryBytes = 0
  #count = 0

  constructor({ folder = tmpdir(), budgetBytes }: ScratchSettings, random: Random) {
    this.#parent = folder
    this.#folder = join(folder, `${folderPrefix}${hostname()}-${process.pid}-${newNonce(random).slice(0, 8)}`)
    this.#budgetBytes = budgetBytes
  }

  /** Bytes of temporary files now. */
  get usedBytes(): number {
    return this.#fileBytes
  }

  async keep(stream: AsyncIterable<Uint8Array>, what: string, limitBytes: number): Promise<KeptBytes> {
    const sink = new Sink(this, what)
    try {
      for await (const part of stream) {
        if (sink.sizeBytes + part.length > limitBytes) {
          throw new WindlassError('too-large', `${what} has more than ${limitBytes} bytes: raise WINDLASS_UPLOAD_LIMIT, or split it`, { path: what })
        }
        await sink.write(part)
      }
      return await sink.finish()
    } catch (error) {
      await sink.release()
      throw error
    }
  }

  /** Removes what dead processes of this machine left. @returns how many folders. */
  async sweep(): Promise<number> {
    const names = await readdir(this.#parent).catch(() => [])
    const mine = `${folderPrefix}${hostname()}-`
    let removed = 0
    for (const name of names) {
      if (!name.startsWith(mine)) continue
      const pid = Number(name.slice(mine.length).split('-')[0])
      if (!Number.isInteger(pid) || pid === process.pid || isAlive(pid)) continue
      await rm(join(this.#parent, name), { recursive: true, force: true }).then(() => removed++, () => undefined)
    }
    return removed
  }

  /** Removes everything of this process. */
  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** Takes memory for `size` more bytes of an upload that has `held`; false: it should go to a file. */
  takeMemory(held: number, size: number): boolean {
    if (held + size > memoryBytesMax || this.#memoryBytes + size > memoryTotalMax) return false
    this.#memoryBytes += size
    return true
  }

  returnMemory(size: number): void {
    this.#memoryBytes -= size
  }

  takeFile(size: number, what: string): void {
    if (this.#fileBytes + size > this.#budgetBytes) {
      throw new WindlassError('storage-full', `${what}: temporary files would take more than ${this.#budgetBytes} bytes: wait for other uploads, or raise WINDLASS_SCRATCH_BUDGET`, { path: 'scratch-budget', retryAfterMs: 5000 })
    }
    this.#fileBytes += size
  }

  returnFile(size: number): void {
    this.#fileBytes -= size
  }

  async newPath(): Promise<string> {
    this.#made ??= makeFolder(this.#parent, this.#folder).then(
      () => undefined,
      (cause: unknown) => {
        this.#made = null
        throw this.failure(cause)
      },
    )
    await this.#made
    return join(this.#folder, String(++this.#count))
  }

  failure(cause: unknown): WindlassError {
    const kind = (cause as { code?: string }).code === 'ENOSPC' ? 'storage-full' : 'unavailable'
    return new WindlassError(kind, `scratch folder ${this.#folder}: ${messageOf(cause)}: free space, or point WINDLASS_SCRATCH elsewhere`, { path: 'scratch', cause })
  }
}

/** One upload on its way: in memory, then, when it grows, in a file. */
class Sink {
  sizeBytes = 0
  #parts: Uint8Array[] | null = []
  #path: string | null = null
  #file: ReturnType<typeof createWriteStream> | null = null
  #failed: unknown = null
  readonly #scratch: ScratchSpace
  readonly #what: string

  constructor(scratch: ScratchSpace, what: string) {
    this.#scratch = scratch
    this.#what = what
  }

  async write(part: Uint8Array): Promise<void> {
    if (this.#parts && this.#scratch.takeMemory(this.sizeBytes, part.length)) {
      this.#parts.push(part)
      this.sizeBytes += part.length
      return
    }
    await this.#toFile()
    this.#scratch.takeFile(part.length, this.#what)
    this.sizeBytes += part.length
    await this.#append(part)
  }

  async finish(): Promise<KeptBytes> {
    if (this.#file) await this.#closed()
    const { sizeBytes } = this
    const parts = this.#parts
    const path = this.#path!
    let released = false
    const release = async () => {
      if (!released) await this.release()
      released = true
    }
    if (parts === null) return { sizeBytes, open: () => createReadStream(path), release }
    return {
      sizeBytes,
      open: async function* () {
        yield* parts
      },
      release,
    }
  }

  async release(): Promise<void> {
    if (this.#parts) this.#scratch.returnMemory(this.sizeBytes)
    else this.#scratch.returnFile(this.sizeBytes)
    this.#parts = []
    this.sizeBytes = 0
    this.#file?.destroy()
    if (this.#path) await rm(this.#path, { force: true })
  }

  async #toFile(): Promise<void> {
    if (!this.#parts) return
    const path = await this.#scratch.newPath()
    this.#scratch.takeFile(this.sizeBytes, this.#what)
    const start = Buffer.concat(this.#parts)
    this.#scratch.returnMemory(this.sizeBytes)
    this.#parts = null
    this.#path = path
    try {
      await writeFile(path, start, { mode: 0o600, flag: 'wx' })
    } catch (cause) {
      throw this.#scratch.failure(cause)
    }
    this.#file = createWriteStream(path, { flags: 'a' })
    this.#file.on('error', (error) => (this.#failed ??= error))
  }

  #append(part: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#file!.write(part, (error) => (error ? reject(this.#scratch.failure(error)) : resolve()))
    })
  }

  #closed(): Promise<void> {
    return new Promise((resolve, reject) => this.#file!.end(() => (this.#failed ? reject(this.#scratch.failure(this.#failed)) : resolve())))
  }
}

/** One level of the parent is made too. Not recursively: Node's recursive mkdir does not return where a parent can never exist. */
async function makeFolder(parent: string, folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error
    await mkdir(parent)
    await mkdir(folder, { mode: 0o700 })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: alive, and somebody else's.
    return (error as { code?: string }).code === 'EPERM'
  }
}
