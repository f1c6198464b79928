import { createInterface } from 'node:readline/promises'
import { systemClock } from '../../base/clock.ts'
import { errorPolicies, WindlassError } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import { modelSettings } from '../../config/load.ts'
import type { Configuration } from '../../config/configuration.ts'
import { dryRun, planMigration, rollBackMigration, runMigration, type MigrateOptions, type MigrateParts, type MigratePlan } from '../../migrate/migrate.ts'
import { openOldLayout } from '../old-bucket.ts'
import { openTarget } from '../open-target.ts'
import { startProgress } from '../progress.ts'
import { configure, openConfiguredModel, print, type Flags } from '../run.ts'
import { countText } from '../text.ts'
import { tellDryRun, tellLayout, tellMigration } from './migrate-report.ts'

const parallelMax = 16

/** `windlass migrate`: the home-made layout (`files/`, vectors as JSON below `vectors/`) into a collection, S3 Vectors or another engine. */
export async function migrate(from: string | undefined, flags: Flags): Promise<void> {
  const configuration = configure(flags)
  const options = optionsOf(flags)
  const layout = await openOldLayout(from ?? oldBucketOf(configuration), flags, configuration)
  try {
    const opened = await openTarget(typeof flags.to === 'string' ? flags.to : configuration.collection(), flags, configuration)
    try {
      const parts: MigrateParts = {
        ...layout,
        ...opened,
        documents: () => opened.documents(),
        configured: { name: await modelName(configuration), load: () => openConfiguredModel(configuration) },
        clock: systemClock,
        random: systemRandom,
      }
      if (flags.rollback === true) await undo(parts, flags)
      else await moveIn(parts, options, flags)
    } finally {
      await opened.close()
    }
  } finally {
    await layout.source.close()
  }
}

async function moveIn(parts: MigrateParts, options: Omit<MigrateOptions, 'onProgress'>, flags: Flags): Promise<void> {
  const asJson = flags.json === true
  const plan = await planMigration(parts, options)
  const progress = (noun: string) => startProgress({ isTerminal: process.stderr.isTTY === true, noun })
  if (flags.dryRun === true) {
    const bar = progress('records')
    const report = await dryRun(parts, plan, (read) => bar.update(read, read, 0, false)).finally(() => bar.stop())
    if (asJson) print(JSON.stringify(withoutVectors(report), null, 2))
    else tellDryRun(report)
    return
  }
  if (!asJson) tellLayout(plan)
  await confirm(plan, flags)
  const started = systemClock.monotonic()
  const bar = progress(plan.mode === 'embed' ? 'files' : 'records')
  const report = await runMigration(parts, plan, { ...options, onProgress: (done) => bar.update(done, done, 0, false) }).finally(() => bar.stop())
  const seconds = (systemClock.monotonic() - started) / 1000
  if (asJson) print(JSON.stringify({ ...report, seconds }, null, 2))
  else tellMigration(report, { seconds, configuredModel: parts.configured.name })
  if (report.verification && report.verification.missing > 0) process.exitCode = errorPolicies.corrupt.exitCode
  else if (report.counts.unreadable > 0) process.exitCode = 1
}

async function undo(parts: MigrateParts, flags: Flags): Promise<void> {
  const report = await rollBackMigration(parts)
  if (flags.json === true) print(JSON.stringify(report))
  else {
    print(`${parts.target.title}: ${countText(report.removed, 'record')} taken out again${report.dropped ? ', and the collection, in which nothing else was' : ''}`)
    if (report.left > 0) print(`${countText(report.left, 'record')} had been changed or removed since: left as they are`)
    print(`${parts.source.title} is as it was: nothing is ever written there`)
  }
}

/** Asks whether what was found in the old bucket is right, unless that was said before. */
async function confirm(plan: MigratePlan, flags: Flags): Promise<void> {
  if (flags.yes === true || plan.earlier !== null) return
  if (!process.stdin.isTTY || !process.stderr.isTTY) throw new WindlassError('invalid', 'nobody is there to say whether the layout is read rightly: look with --dry-run, then say --yes', { path: 'yes' })
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question('Is this right, and shall it be brought over? [y/N] ')
    if (!/^y(es)?$/i.test(answer.trim())) throw new WindlassError('cancelled', 'nothing was written: say how to read it with --vector-field, --id-field, --text-field, --metadata-field, --vectors-prefix')
  } finally {
    terminal.close()
  }
}

/** As collections note it: the built-in model's has its version in it. Others are not loaded for their name. */
async function modelName(configuration: Configuration): Promise<string> {
  const { name } = modelSettings(configuration)
  return name.startsWith('static-') ? (await openConfiguredModel(configuration)).name : name
}

function optionsOf(flags: Flags): Omit<MigrateOptions, 'onProgress'> {
  const parallel = Number(flags.parallel)
  if (!Number.isInteger(parallel) || parallel < 1 || parallel > parallelMax) throw new WindlassError('invalid', `--parallel is ${String(flags.parallel)}, expected a whole number from 1 to ${parallelMax}`, { path: 'parallel' })
  return { vectors: flags.vectors as MigrateOptions['vectors'], parallel, verify: flags.verify !== false, ...(typeof flags.vectorModel === 'string' && { vectorModel: flags.vectorModel }) }
}

/** What an application of the old kind has in its `.env`. */
function oldBucketOf(configuration: Configuration): string {
  const name = configuration.text('s3-bucket')
  if (name === undefined) throw new WindlassError('invalid', 'no bucket to migrate from: name it, s3://bucket/prefix or a folder, or set S3_BUCKET_NAME', { path: 'source' })
  const prefix = (configuration.text('s3-prefix') ?? '').replace(/^\/+|\/+$/g, '')
  return `s3://${name}${prefix === '' ? '' : `/${prefix}`}`
}

/** Vectors of samples are for the decision, not for the report. */
function withoutVectors<Report extends { plan: MigratePlan }>(report: Report): unknown {
  const { withText: _, ...sample } = report.plan.sample
  return { ...report, plan: { ...report.plan, sample } }
}
