import type { Clock } from '../base/clock.ts'
import { isWindlassError, messageOf, throwIfAborted } from '../base/errors.ts'
import { fromFileError } from '../store/file-errors.ts'
import { ByteBudget, forEachAtOnce } from './at-once.ts'
import { hasEtag, isContentEtag } from './etag.ts'
import type { LocalFile, LocalFolder } from './local-folder.ts'
import { partBytesOf, partsAtOnce, type Remote, type RemoteFile } from './remote.ts'

export interface TransferOptions {
  /** Which paths are left alone at both ends. */
  readonly isExcluded?: (path: string) => boolean
  /** Files at once; default 40. */
  readonly concurrency?: number
  /** Files that are found but not begun, at most; default 1,000. */
  readonly queueSize?: number
  /** Also what is the same at both ends. */
  readonly all?: boolean
  /** Removes at the far end what the near end does not have. */
  readonly deleteMissing?: boolean
  readonly clock: Clock
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: TransferProgress) => void
}

export interface TransferProgress {
  /** Transferred, unchanged and failed files so far. */
  readonly done: number
  readonly found: number
  readonly isCounted: boolean
  /** Transferred so far. */
  readonly bytes: number
}

/** What a transfer did. */
export interface TransferReport {
  transferred: number
  bytes: number
  unchanged: number
  deleted: number
  /** Links that lead outside or to folders, and keys that no file can have. */
  skipped: number
  failed: { path: string; message: string }[]
  /** Sent to the store, repeated ones included. */
  requests: number
  seconds: number
}

const memoryBytes = 256 * 1024 * 1024

/** Files of one transfer, each done or failed for itself. */
export class Transfer {
  readonly report: TransferReport = { transferred: 0, bytes: 0, unchanged: 0, deleted: 0, skipped: 0, failed: [], requests: 0, seconds: 0 }
  readonly #options: TransferOptions
  readonly #startedMs: number
  readonly #budget = new ByteBudget(memoryBytes)
  #found = 0
  #isCounted = false

  constructor(options: TransferOptions) {
    this.#options = options
    this.#startedMs = options.clock.monotonic()
  }

  /**
   * Does `task` for each file, and notes what becomes of it. Holds as many bytes of memory as the file's parts in flight take.
   * @throws {WindlassError} for what would befall every file: `unauthenticated`, `denied`, a bucket that is not there, `cancelled`.
   */
  async forEach<File extends LocalFile | RemoteFile>(files: AsyncIterable<File>, task: (file: File) => Promise<'transferred' | 'unchanged'>): Promise<void> {
    const { concurrency = 40, queueSize = 1000, signal } = this.#options
    await forEachAtOnce(this.#ahead(files, queueSize), concurrency, async (file) => {
      throwIfAborted(signal)
      try {
        const inMemory = Math.min(file.size, partBytesOf(file.size) * partsAtOnce)
        const what = await this.#budget.hold(inMemory, () => task(file))
        this.report[what]++
        if (what === 'transferred') this.report.bytes += file.size
      } catch (error) {
        if (isOfAll(error)) throw error
        this.fail(file.path, error)
      }
      this.#tell()
    })
  }

  fail(path: string, error: unknown): void {
    const told = isWindlassError(error) || !(error instanceof Error && 'code' in error) ? error : fromFileError(error, { url: path, operation: 'transfer' })
    this.report.failed.push({ path, message: messageOf(told) })
  }

  end(remote: Remote): TransferReport {
    this.report.requests = remote.requests()
    this.report.seconds = (this.#options.clock.monotonic() - this.#startedMs) / 1000
    return this.report
  }

  /** Finds files before they are asked for, up to so many. */
  async *#ahead<File>(files: AsyncIterable<File>, queueSize: number): AsyncIterable<File> {
    const queue: File[] = []
    let wake = () => {}
    let isOver = false
    const filling = (async () => {
      for await (const file of files) {
        this.#found++
        queue.push(file)
        wake()
        while (queue.length >= queueSize && !isOver) await new Promise<void>((resolve) => (wake = resolve))
        if (isOver) return
      }
      this.#isCounted = true
    })().finally(() => {
      isOver = true
      wake()
    })
    filling.catch(() => undefined)
    try {
      while (!isOver || queue.length > 0) {
        const file = queue.shift()
        if (file === undefined) await new Promise<void>((resolve) => (wake = resolve))
        else {
          wake()
          yield file
        }
      }
      await filling
    } finally {
      isOver = true
      wake()
    }
  }

  #tell(): void {
    const { transferred, unchanged, failed, bytes } = this.report
    this.#options.onProgress?.({ done: transferred + unchanged + failed.length, found: this.#found, isCounted: this.#isCounted, bytes })
  }
}

/** What the next file would meet too. */
function isOfAll(error: unknown): boolean {
  if (isWindlassError(error, 'cancelled', 'unauthenticated')) return true
  return isWindlassError(error, 'not-found') && error.details.status === 404
}

/** Whether a file is the same at both ends, told by size and then by content; false where only a transfer could tell. */
export async function isSame(folder: LocalFolder, near: LocalFile, far: RemoteFile, remote: Remote, signal: AbortSignal | undefined): Promise<boolean> {
  if (near.size !== far.size) return false
  if (isContentEtag(far.etag)) return hasEtag(folder.placeOf(near.path), near.size, far.etag)
  return remote.isLocal && (await hasSameBytes(folder, near, remote, signal))
}

async function hasSameBytes(folder: LocalFolder, near: LocalFile, remote: Remote, signal: AbortSignal | undefined): Promise<boolean> {
  const pieceBytes = partBytesOf(near.size)
  return folder.read(near, async (content) => {
    for (let start = 0; start < near.size; start += pieceBytes) {
      const end = Math.min(near.size, start + pieceBytes)
      const [here, there] = await Promise.all([content.read(start, end), remote.get(near.path, { range: { start, end }, signal })])
      if (!there || Buffer.compare(here, there.bytes) !== 0) return false
    }
    return true
  })
}

/** What failed of single files, in a line; null where nothing did. */
export function failureText({ failed }: TransferReport): string | null {
  const [first] = failed
  return first ? `${failed.length} ${failed.length === 1 ? 'file' : 'files'} failed, the first is ${first.path}: ${first.message}` : null
}
