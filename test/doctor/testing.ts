import type { LookupFunction } from 'node:net'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { Configuration } from '../../src/config/configuration.ts'
import { storeSettings } from '../../src/config/load.ts'
import { BucketProbe } from '../../src/doctor/bucket-probe.ts'
import type { DoctorContext, Finding } from '../../src/doctor/check.ts'
import { checks } from '../../src/doctor/checks.ts'
import { runChecks } from '../../src/doctor/run-checks.ts'

export interface Visit {
  readonly environment?: Readonly<Record<string, string>>
  readonly envFile?: Readonly<Record<string, string>>
  readonly context?: Partial<DoctorContext>
}

/** Checks end by themselves: on a machine that is busy their limits are no finding. */
const patientClock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms < 1000 ? ms : 6 * ms, signal) }
/** Names are asked of nobody: tests need no network. */
const noAddress: LookupFunction = (host, _, done) => done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' }), '')

/** Runs one check, and those that it needs, with settings that are only these. @returns what the one found; null where it was skipped or does not apply. */
export async function examine(check: string, { environment = {}, envFile = {}, context = {} }: Visit = {}): Promise<readonly Finding[] | null> {
  const configuration = Configuration.read({ environment, envFile })
  const shared = { clock: context.clock ?? patientClock, random: systemRandom }
  const bucket = context.bucket ?? configuration.bucket()
  const probe = new BucketProbe(bucket.url, () => storeSettings(configuration), shared)
  const whole: DoctorContext = { ...shared, configuration, bucket, probe, queues: [], nodeVersion: process.versions.node, processEnvironment: environment, hasAddress: () => Promise.resolve(false), lookup: noAddress, ...context }
  try {
    for await (const result of runChecks(checks, whole, [check])) if (result.check === check) return result.skipped === undefined ? result.findings : null
    return null
  } finally {
    await probe.close()
  }
}

/** Findings as one text: level, what, why, mend. */
export function textOf(findings: readonly Finding[] | null): string {
  if (findings === null) return 'not run'
  return findings.map(({ level, what, why = '', mend = '' }) => [level, what, why, mend].join(' | ')).join('\n')
}

/** The variables that lead to a double of S3, or to a server. */
export const s3Variables = (url: string, more: Readonly<Record<string, string>> = {}) => ({ S3_BUCKET_NAME: 'docs', AWS_ENDPOINT_URL: url, AWS_ACCESS_KEY_ID: 'AKIADOCTORTEST12', AWS_SECRET_ACCESS_KEY: 'a-secret-that-is-never-shown', AWS_REGION: 'us-east-1', ...more })
