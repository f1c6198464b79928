import { lookup } from 'node:dns/promises'
import { existsSync } from 'node:fs'
import pc from 'picocolors'
import { systemClock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import type { Configuration } from '../../config/configuration.ts'
import { loadConfiguration, storeSettings } from '../../config/load.ts'
import { BucketProbe } from '../../doctor/bucket-probe.ts'
import type { DeclaredQueue, DoctorContext, Finding } from '../../doctor/check.ts'
import { checks } from '../../doctor/checks.ts'
import { runChecks, type CheckResult } from '../../doctor/run-checks.ts'
import { declarationFileNames, readDeclarationFile, type DeclarationFile } from '../../vectorize/declaration/read-declaration.ts'
import { openQueue } from '../../vectorize/events/open-queue.ts'
import { print, settingsOfFlags, type Flags } from '../run.ts'
import { declaredBucket } from '../vectorizers.ts'

/** `windlass doctor`: runs the checks that apply, and tells of each. @returns whether there is no problem. */
export async function examine(flags: Flags, only: readonly string[] = []): Promise<boolean> {
  const asJson = flags.json === true
  let configuration: Configuration
  let declared: DeclarationFile | null
  try {
    configuration = loadConfiguration(settingsOfFlags(flags))
    declared = await readDeclared(flags)
  } catch (error) {
    // Nothing can be asked with settings that are none.
    const result: CheckResult = { check: 'settings', findings: [{ level: 'problem', what: messageOf(error), mend: 'correct it in .env, the environment or windlass.yaml' }] }
    if (asJson) print(JSON.stringify({ ok: false, checks: [result] }, null, 2))
    else tell(result)
    return false
  }
  const url = (declared && declaredBucket(flags, declared)) ?? configuration.bucket().url
  const origin = url === configuration.bucket().url ? configuration.bucket().origin : declared!.path
  return (await report(contextOf(configuration, { url, origin }, declared), { asJson, only })).length === 0
}

/** Runs what there is to check of a bucket that is named otherwise: by the inputs of an action. @returns the problems, each with the name of its check. */
export async function examineBucket(configuration: Configuration, url: string = configuration.bucket().url): Promise<string[]> {
  return report(contextOf(configuration, { url, origin: url === configuration.bucket().url ? configuration.bucket().origin : 'bucket' }, null), { asJson: false, only: ['settings', 'clock', 'conditional-writes', 'endpoint', 'disk', 'models'] })
}

async function report(context: DoctorContext, { asJson, only }: { asJson: boolean; only: readonly string[] }): Promise<string[]> {
  const results: CheckResult[] = []
  try {
    for await (const result of runChecks(checks, context, only)) {
      results.push(result)
      if (!asJson) tell(result)
    }
  } finally {
    await context.probe.close()
  }
  const problemsOf = ({ check, findings }: CheckResult) => findings.filter(({ level }) => level === 'problem').map(({ what }) => `${check}: ${what}`)
  const count = (level: Finding['level']) => results.flatMap(({ findings }) => findings).filter((each) => each.level === level).length
  const [problems, warnings] = [count('problem'), count('warning')]
  if (asJson) print(JSON.stringify({ ok: problems === 0, bucket: context.bucket.url, checks: results }, null, 2))
  else print(problems + warnings === 0 ? '\nAll is well.' : `\n${problems} ${problems === 1 ? 'problem' : 'problems'}, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}.`)
  return results.flatMap(problemsOf)
}

async function readDeclared(flags: Flags): Promise<DeclarationFile | null> {
  if (typeof flags.config === 'string') return readDeclarationFile(flags.config)
  return declarationFileNames.some((name) => existsSync(name)) ? readDeclarationFile() : null
}

function contextOf(configuration: Configuration, bucket: DoctorContext['bucket'], declared: DeclarationFile | null): DoctorContext {
  const shared = { clock: systemClock, random: systemRandom }
  const probe = new BucketProbe(bucket.url, () => storeSettings(configuration), shared)
  return {
    ...shared,
    configuration,
    bucket,
    probe,
    queues: queuesOf(declared, configuration),
    nodeVersion: process.versions.node,
    processEnvironment: process.env,
    hasAddress: (host) => lookup(host).then(() => true, () => false),
  }
}

function queuesOf(declared: DeclarationFile | null, configuration: Configuration): DeclaredQueue[] {
  const { environment } = configuration
  return (declared?.declaration.vectorizers ?? []).flatMap((each) => {
    if (each.source.type !== 's3' || !each.source.events) return []
    return [{ vectorizer: each.name, open: () => openQueue(each, { environment, clock: systemClock, random: systemRandom, storeSettings: storeSettings(configuration) }) }]
  })
}

function tell({ check, findings, skipped }: CheckResult): void {
  const marks = { ok: pc.green('ok'), warning: pc.yellow('warning'), problem: pc.red('problem') }
  if (skipped !== undefined) print(`${pc.dim('skipped')}  ${check}: ${skipped} comes first`)
  for (const { level, what, why, mend } of findings) {
    print(`${marks[level]}${' '.repeat(9 - level.length)}${check}: ${what}`)
    if (why !== undefined) print(`${' '.repeat(9)}${pc.dim(why)}`)
    for (const line of mend?.split('\n') ?? []) print(`${' '.repeat(9)}→ ${line}`)
  }
}
