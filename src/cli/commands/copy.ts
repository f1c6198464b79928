import { systemClock } from '../../base/clock.ts'
import { errorPolicies, WindlassError } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import { copyIndex, type CopyReport } from '../../api/s3vectors/copy/copy-index.ts'
import type { Comparison } from '../../api/s3vectors/copy/compare.ts'
import type { IndexPlace } from '../../api/s3vectors/copy/index-place.ts'
import { BucketPlace } from '../../api/s3vectors/copy/bucket-place.ts'
import type { IndexName } from '../../api/s3vectors/names.ts'
import { parsePlace } from '../../api/s3vectors/copy/parse-place.ts'
import { ServicePlace, type ServiceSettings } from '../../api/s3vectors/copy/service-place.ts'
import type { Configuration } from '../../config/configuration.ts'
import { isForeignSource } from '../open-source.ts'
import { isEngineLine } from '../open-target.ts'
import { startProgress } from '../progress.ts'
import { configure, openBucket, print, type Flags } from '../run.ts'
import { countText } from '../text.ts'

const parallelMax = 16
/** A long copy outlasts a while without answers, unless the AWS settings say otherwise. */
const attemptsMax = 10

/** `windlass copy`: brings an index somewhere else, to or from any S3 Vectors endpoint. */
export async function copy(from: string, to: string, flags: Flags): Promise<void> {
  const started = systemClock.monotonic()
  const parallel = Number(flags.parallel)
  if (!Number.isInteger(parallel) || parallel < 1 || parallel > parallelMax) throw new WindlassError('invalid', `--parallel is ${String(flags.parallel)}, expected a whole number from 1 to ${parallelMax}`, { path: 'parallel' })
  const isWhole = isWholeBucket(from) && isWholeBucket(to)
  const isForeign = !isWhole && (isForeignSource(from) || isEngineLine(to))
  if (!isForeign) expectFlags(flags, isWhole)
  const configuration = configure(flags)
  if (isWhole) {
    const { copyWholeBucket } = await import('./copy-bucket.ts')
    return copyWholeBucket(from, to, { flags, configuration, parallel })
  }
  if (isForeign) {
    const { copyForeign } = await import('./copy-records.ts')
    return copyForeign(from, to, { flags, configuration, parallel, openPlace: (text) => openPlace(text, 'from', flags, configuration) })
  }
  const source = await openPlace(from, 'from', flags, configuration)
  try {
    const destination = await openPlace(to, 'to', flags, configuration)
    try {
      const isDryRun = flags.dryRun === true
      const progress = startProgress({ isTerminal: process.stderr.isTTY && !isDryRun, noun: 'vectors' })
      const report = await copyIndex(source, destination, {
        parallel,
        dryRun: isDryRun,
        random: systemRandom,
        onProgress: (done, total) => progress.update(done, total ?? done, 0, total !== null),
        ...(typeof flags.documentKey === 'string' && { documentKey: flags.documentKey }),
      }).finally(() => progress.stop())
      tell(report, { isDryRun, asJson: flags.json === true, seconds: (systemClock.monotonic() - started) / 1000 })
    } finally {
      await destination.close()
    }
  } finally {
    await source.close()
  }
}

const flagsOfRecords: readonly [name: string, flag: string][] = [
  ['rollback', '--rollback'],
  ['vectorField', '--vector-field'],
  ['idField', '--id-field'],
  ['textField', '--text-field'],
  ['metadataField', '--metadata-field'],
  ['vectorModel', '--vector-model'],
  ['token', '--token'],
]
const flagsOfIndexes: readonly [name: string, flag: string][] = [
  ['documentKey', '--document-key'],
  ['fromProfile', '--from-profile'],
  ['toEndpoint', '--to-endpoint'],
  ['toRegion', '--to-region'],
  ['toProfile', '--to-profile'],
]

/** A flag that is not read would be taken for obeyed: `--rollback` most of all. @throws {WindlassError} `invalid`. */
function expectFlags(flags: Flags, isWhole: boolean): void {
  const [, flag] = [...flagsOfRecords, ...(isWhole ? flagsOfIndexes : [])].find(([name]) => flags[name] !== undefined) ?? []
  if (flag !== undefined) throw new WindlassError('invalid', `${flag} is not for ${isWhole ? 'copies of a whole bucket' : 'copies of one collection or index'}: nothing was done`, { path: flag.slice(2) })
  if (!isWhole && flags.verify === false) throw new WindlassError('invalid', '--no-verify is not for copies of one collection or index, which are always compared: nothing was done', { path: 'no-verify' })
}

/** A bucket with everything in it: its URL, and no collection behind `#`. */
function isWholeBucket(text: string): boolean {
  return /^(s3:\/\/|file:|memory:|\.{0,2}\/)/i.test(text) && !text.includes('#') && !isForeignSource(text)
}

async function openPlace(text: string, side: 'from' | 'to', flags: Flags, configuration: Configuration): Promise<IndexPlace> {
  const place = parsePlace(text)
  const flag = (name: 'Endpoint' | 'Region' | 'Profile') => flags[`${side}${name}`]
  if (place.kind === 'bucket') {
    const wrong = (['Endpoint', 'Region', 'Profile'] as const).find((name) => flag(name) !== undefined)
    if (wrong) throw new WindlassError('invalid', `--${side}-${wrong.toLowerCase()} goes with s3vectors://bucket/index, not with ${JSON.stringify(text)}`, { path: side })
    return new BucketPlace(await openBucket(configuration, place.url), place.collection, { clock: systemClock, isSource: side === 'from' })
  }
  return openIndex(place, side, flags, configuration)
}

/** The index behind an S3 Vectors endpoint that `--from-…` or `--to-…` tell more of. */
export function openIndex({ index, region: known }: { readonly index: IndexName; readonly region?: string }, side: 'from' | 'to', flags: Flags, configuration: Configuration): Promise<ServicePlace> {
  const flag = (name: 'Endpoint' | 'Region' | 'Profile') => flags[`${side}${name}`]
  const region = flag('Region') ?? known ?? configuration.text('region')
  const settings: ServiceSettings = {
    ...(process.env.AWS_MAX_ATTEMPTS === undefined && { maxAttempts: attemptsMax }),
    ...(typeof region === 'string' && { region }),
    ...(typeof flag('Endpoint') === 'string' && { endpoint: flag('Endpoint') as string }),
    ...(typeof flag('Profile') === 'string' ? { profile: flag('Profile') as string } : credentialsOf(configuration)),
  }
  return ServicePlace.open(index, settings)
}

/** Keys of `.env`, which the SDK does not read; those of a store that is not AWS are not meant. */
function credentialsOf(configuration: Configuration): Pick<ServiceSettings, 'credentials'> {
  const [accessKeyId, secretAccessKey, sessionToken] = (['access-key-id', 'secret-access-key', 'session-token'] as const).map((name) => configuration.text(name))
  if (!configuration.origin('access-key-id').startsWith('AWS_') || accessKeyId === undefined || secretAccessKey === undefined) return {}
  return { credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) } }
}

function tell(report: CopyReport, { isDryRun, asJson, seconds }: { isDryRun: boolean; asJson: boolean; seconds: number }): void {
  const { from, to, shape, created, read, written, unchanged, skipped, documentsDropped, comparison } = report
  if (asJson) print(JSON.stringify({ ...report, seconds }, null, 2))
  else {
    print(`${from}: ${countText(read, 'vector')} of dimension ${shape.dimension}, ${shape.metric}`)
    if (isDryRun) print(`${to}: ${created ? 'would be made' : 'is there'}; nothing was written`)
    else print(`${to}: ${created ? 'made, ' : ''}${written.toLocaleString('en')} written, ${unchanged.toLocaleString('en')} were there already, in ${seconds.toFixed(1)} s`)
    if (skipped > 0) print(`${countText(skipped, 'record')} without a vector left out: S3 Vectors has no place for them`)
    if (documentsDropped > 0) print(`${countText(documentsDropped, 'document')} left out: --document-key <key> keeps them as metadata`)
    if (comparison) tellComparison(comparison)
  }
  if (comparison && (comparison.missing > 0 || comparison.different.length > 0)) process.exitCode = errorPolicies.corrupt.exitCode
}

function tellComparison({ sourceCount, destinationCount, missing, extra, sampled, different, queries, overlap }: Comparison): void {
  print(`keys: ${sourceCount.toLocaleString('en')} copied, ${destinationCount.toLocaleString('en')} at the destination; ${missing.toLocaleString('en')} missing, ${extra.toLocaleString('en')} only there`)
  const named = different.length === 0 ? '' : `: ${different.slice(0, 5).map((key) => JSON.stringify(key)).join(', ')}`
  print(`sample: ${countText(sampled, 'vector')} compared, ${different.length} different${named}`)
  if (overlap !== null) print(`queries: ${queries} asked at both, ${(overlap * 100).toFixed(1)} % of the ten nearest are the same`)
}
