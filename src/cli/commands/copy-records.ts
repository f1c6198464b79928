import { systemClock } from '../../base/clock.ts'
import { errorPolicies } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import type { IndexPlace } from '../../api/s3vectors/copy/index-place.ts'
import type { Configuration } from '../../config/configuration.ts'
import { copyRecords, rollBackCopy, scanCopy } from '../../migrate/copy-records.ts'
import type { RecordSource } from '../../migrate/source.ts'
import { BatchSource } from '../../migrate/sources/batch-source.ts'
import { isForeignSource, openSource } from '../open-source.ts'
import { openTarget } from '../open-target.ts'
import { startProgress } from '../progress.ts'
import { print, type Flags } from '../run.ts'
import { countText, printable, sizeText } from '../text.ts'
import { tellKeys, tellProblems, tellVerification } from './migrate-report.ts'

/** `windlass copy` where one of the two is another engine, or a file. */
export async function copyForeign(from: string, to: string, { flags, configuration, parallel, openPlace }: { flags: Flags; configuration: Configuration; parallel: number; openPlace: (text: string) => Promise<IndexPlace> }): Promise<void> {
  const source = isForeignSource(from) ? await openSource(from, flags, configuration) : await ofPlace(await openPlace(from))
  try {
    const { target, notes, close } = await openTarget(to, flags, configuration)
    try {
      const parts = { source, target, notes, clock: systemClock, random: systemRandom }
      const asJson = flags.json === true
      if (flags.rollback === true) {
        const report = await rollBackCopy(parts)
        print(asJson ? JSON.stringify(report) : `${printable(target.title)}: ${countText(report.removed, 'record')} taken out again, ${report.left.toLocaleString('en')} left that were changed since${report.dropped ? '; the collection went too' : ''}`)
        return
      }
      if (flags.dryRun === true) {
        const scan = await scanCopy(parts)
        if (asJson) print(JSON.stringify(scan, null, 2))
        else {
          print(`${printable(scan.from)}: ${countText(scan.records, 'vector')} of dimension ${scan.dimension}, ${scan.metric}, ${sizeText(scan.sizeBytes)}; ${countText(scan.duplicates, 'duplicate')}, ${scan.unreadable.toLocaleString('en')} that cannot be taken`)
          tellProblems(scan.problems, scan.unreadable)
          print(`${printable(scan.to)}: nothing was written`)
        }
        return
      }
      const started = systemClock.monotonic()
      const progress = startProgress({ isTerminal: process.stderr.isTTY === true, noun: 'vectors' })
      const report = await copyRecords(parts, {
        parallel,
        verify: flags.verify !== false,
        model: typeof flags.vectorModel === 'string' ? flags.vectorModel : null,
        onProgress: (done, total) => progress.update(done, total ?? done, 0, total !== null),
      }).finally(() => progress.stop())
      const seconds = (systemClock.monotonic() - started) / 1000
      const { counts, verification } = report
      if (asJson) print(JSON.stringify({ ...report, seconds }, null, 2))
      else {
        print(`${printable(report.from)}: ${countText(counts.read, 'record')} read, dimension ${report.dimension}, ${report.metric}`)
        print(`${printable(report.to)}: ${report.created ? 'made, ' : ''}${counts.written.toLocaleString('en')} written, ${counts.unchanged.toLocaleString('en')} were there already, in ${seconds.toFixed(1)} s`)
        tellKeys('an id comes more than once, and its first record counts', report.duplicateKeys, counts.duplicates)
        tellKeys('something else is there under the same id, and stays', report.keptKeys, counts.kept)
        if (counts.unreadable > 0) print(`${countText(counts.unreadable, 'record')} could not be taken`)
        tellProblems(report.problems, counts.unreadable)
        if (verification) tellVerification(verification)
      }
      if (verification && verification.missing > 0) process.exitCode = errorPolicies.corrupt.exitCode
      else if (counts.unreadable > 0) process.exitCode = 1
    } finally {
      await close()
    }
  } finally {
    await source.close()
  }
}

/** A collection of ours, or an index of S3 Vectors, as a source. */
async function ofPlace(place: IndexPlace): Promise<RecordSource> {
  const shape = await place.describe()
  const { metric, dimension } = shape ?? { metric: 'cosine' as const, dimension: null }
  const batches = async function* () {
    for await (const page of place.list({ index: 0, count: 1 }, 'records')) yield page.map(({ key, vector, metadata, document }) => ({ id: key, vector: vector ?? undefined, metadata, document }))
  }
  return new BatchSource(place.title, { metric, dimension, count: shape && (await place.count()) }, batches, () => place.close())
}
