import { systemClock } from '../../base/clock.ts'
import { WindlassError } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import type { Configuration } from '../../config/configuration.ts'
import { storeSettings } from '../../config/load.ts'
import { excludes } from '../../transfer/exclude.ts'
import { LocalFolder } from '../../transfer/local-folder.ts'
import { openRemote, refuseOverlap } from '../../transfer/open-remote.ts'
import { pull } from '../../transfer/pull.ts'
import { push } from '../../transfer/push.ts'
import type { TransferReport } from '../../transfer/transfer.ts'
import { startProgress } from '../progress.ts'
import { configure, print, type Flags } from '../run.ts'
import { countText, sizeText } from '../text.ts'

/** A transfer as a person or the Action asks for it. */
export interface TransferRequest {
  readonly direction: 'push' | 'pull'
  readonly folder: string
  readonly url: string
  /** Patterns; each may have several lines. */
  readonly exclude: readonly string[]
  readonly concurrency: number
  readonly queueSize: number
  readonly all: boolean
  readonly deleteMissing: boolean
}

/** Runs a transfer with progress on standard error. What failed of single files is in the report. */
export async function transferFiles(request: TransferRequest, configuration: Configuration): Promise<TransferReport> {
  const { direction, folder, url, exclude, concurrency, queueSize, all, deleteMissing } = request
  refuseOverlap(url, folder)
  const isExcluded = excludes(exclude)
  const remote = await openRemote(url, { ...storeSettings(configuration), requestsAtOnce: concurrency, clock: systemClock, random: systemRandom })
  const progress = startProgress({ isTerminal: process.stderr.isTTY })
  const options = {
    isExcluded,
    concurrency,
    queueSize,
    all,
    deleteMissing,
    clock: systemClock,
    onProgress: ({ done, found, bytes, isCounted }: { done: number; found: number; bytes: number; isCounted: boolean }) => progress.update(done, found, bytes, isCounted),
  }
  try {
    const local = new LocalFolder(folder)
    return direction === 'push' ? await push(local, remote, options) : await pull(remote, local, options)
  } finally {
    progress.stop()
    await remote.close()
  }
}

/** Prints a report, with the first of what failed on standard error; the exit status is then 1. */
export function tellTransfer(report: TransferReport, { direction, asJson }: { direction: 'push' | 'pull'; asJson: boolean }): void {
  if (asJson) print(JSON.stringify(report, null, 2))
  else {
    const { transferred, bytes, unchanged, deleted, skipped, failed, requests, seconds } = report
    const rate = seconds > 0 && bytes > 0 ? `, ${sizeText(bytes / seconds)}/s` : ''
    print(`${countText(transferred, 'file')} ${direction === 'push' ? 'uploaded' : 'downloaded'} (${sizeText(bytes)}), ${unchanged.toLocaleString('en')} unchanged, ${deleted > 0 ? `${deleted.toLocaleString('en')} deleted, ` : ''}${failed.length.toLocaleString('en')} failed in ${seconds.toFixed(1)} s${rate}, ${countText(requests, 'request')}`)
    if (skipped > 0) print(`${countText(skipped, 'link')} passed over: they lead outside the folder, or to no file`)
    for (const { path, message } of failed.slice(0, 20)) process.stderr.write(`${path}: ${message}\n`)
  }
  if (report.failed.length > 0) process.exitCode = 1
}

/** @throws {WindlassError} `invalid` for what is no whole number in the range. */
export function parseCount(name: string, text: string | boolean | undefined, { minimum, maximum, absent }: { minimum: number; maximum: number; absent: number }): number {
  if (text === undefined || text === '') return absent
  const count = Number(text)
  if (Number.isInteger(count) && count >= minimum && count <= maximum) return count
  throw new WindlassError('invalid', `${name} is ${String(text)}, expected a whole number from ${minimum} to ${maximum}`, { path: name })
}

/**
 * `windlass push` and `windlass pull`.
 * @param exclude Patterns, as often as `--exclude` was given.
 */
export async function transferCommand(direction: 'push' | 'pull', { folder, url }: { folder: string; url: string }, flags: Flags, exclude: readonly string[]): Promise<void> {
  const request = {
    direction,
    folder,
    url,
    exclude,
    concurrency: parseCount('--concurrency', flags.concurrency, { minimum: 1, maximum: 512, absent: 40 }),
    queueSize: parseCount('--queue-size', flags.queueSize, { minimum: 1, maximum: 1_000_000, absent: 1000 }),
    all: flags.all === true,
    deleteMissing: flags.delete === true,
  }
  tellTransfer(await transferFiles(request, configure(flags)), { direction, asJson: flags.json === true })
}
