import { open, rm, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf, WindlassError } from '../base/errors.ts'
import { newNonce, type Random } from '../base/random.ts'
import { decodeSamples, type PcmSource } from './pcm.ts'

/** Where decoded sound lies while it is worked on. */
export interface AudioScratchSettings {
  /** Default: the system's folder for temporary files. */
  readonly folder?: string
  /** Bytes that the files of this process may take, all together: an hour takes 115 MB. */
  readonly budgetBytes: number
}

/** Bounded temporary files. They lose their names as soon as they are open, so that nothing is left of a process that is killed. */
export class AudioScratch {
  readonly #folder: string
  readonly #budgetBytes: number
  readonly #random: Random
  #usedBytes = 0

  constructor({ folder = tmpdir(), budgetBytes }: AudioScratchSettings, random: Random) {
    this.#folder = folder
    this.#budgetBytes = budgetBytes
    this.#random = random
  }

  /** Bytes of temporary files now. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  /** @throws {WindlassError} `unavailable` where no file can be made. */
  async create(): Promise<PcmFile> {
    const path = join(this.#folder, `windlass-audio-${process.pid}-${newNonce(this.#random)}.pcm`)
    try {
      const handle = await open(path, 'wx+', 0o600)
      // Where an open file keeps its name, it goes when it is released.
      const isGone = await rm(path).then(() => true, () => false)
      return new PcmFile(handle, this, isGone ? null : path)
    } catch (cause) {
      throw this.failure(cause)
    }
  }

  /** @param fileBytes What the file has already. @throws {WindlassError} `too-large` where it would not fit alone, `storage-full` while others are there. */
  take(sizeBytes: number, fileBytes: number): void {
    if (fileBytes + sizeBytes > this.#budgetBytes) {
      throw new WindlassError('too-large', `decoded, the recording takes more than ${this.#budgetBytes} bytes: raise WINDLASS_SCRATCH_BUDGET (an hour takes 115 MB), and begin it again`, { path: 'scratch-budget' })
    }
    if (this.#usedBytes + sizeBytes > this.#budgetBytes) {
      throw new WindlassError('storage-full', `decoded sound would take more than ${this.#budgetBytes} bytes: wait for other recordings, or raise WINDLASS_SCRATCH_BUDGET (an hour takes 115 MB)`, { path: 'scratch-budget', retryAfterMs: 5000 })
    }
    this.#usedBytes += sizeBytes
  }

  give(sizeBytes: number): void {
    this.#usedBytes -= sizeBytes
  }

  failure(cause: unknown): WindlassError {
    const kind = (cause as { code?: string }).code === 'ENOSPC' ? 'storage-full' : 'unavailable'
    return new WindlassError(kind, `scratch folder ${this.#folder}: ${messageOf(cause)}: free space, or point WINDLASS_SCRATCH elsewhere`, { path: 'scratch', cause })
  }
}

/** Decoded sound in a temporary file: one channel of 16 bits at 16 kHz. */
export class PcmFile implements PcmSource {
  readonly #handle: FileHandle
  readonly #scratch: AudioScratch
  readonly #path: string | null
  #sizeBytes = 0

  constructor(handle: FileHandle, scratch: AudioScratch, path: string | null) {
    this.#handle = handle
    this.#scratch = scratch
    this.#path = path
  }

  get sampleCount(): number {
    return this.#sizeBytes >> 1
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.#scratch.take(bytes.length, this.#sizeBytes)
    const at = this.#sizeBytes
    this.#sizeBytes += bytes.length
    try {
      for (let written = 0; written < bytes.length; ) written += (await this.#handle.write(bytes, written, bytes.length - written, at + written)).bytesWritten
    } catch (cause) {
      throw this.#scratch.failure(cause)
    }
  }

  async read(start: number, end: number): Promise<Float32Array> {
    const [first, last] = [Math.max(0, Math.round(start)), Math.min(this.sampleCount, Math.round(end))]
    const bytes = new Uint8Array(Math.max(0, last - first) * 2)
    for (let filled = 0; filled < bytes.length; ) {
      const { bytesRead } = await this.#handle.read(bytes, filled, bytes.length - filled, first * 2 + filled)
      if (bytesRead === 0) throw this.#scratch.failure(new Error(`a file of ${this.#sizeBytes} bytes ended at ${first * 2 + filled}`))
      filled += bytesRead
    }
    return decodeSamples(bytes)
  }

  async release(): Promise<void> {
    this.#scratch.give(this.#sizeBytes)
    this.#sizeBytes = 0
    await this.#handle.close().catch(() => undefined)
    if (this.#path !== null) await rm(this.#path, { force: true })
  }
}
