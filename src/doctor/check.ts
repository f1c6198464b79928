import type { LookupFunction } from 'node:net'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { Configuration } from '../config/configuration.ts'
import type { MessageQueue } from '../aws/sqs.ts'
import type { BucketProbe } from './bucket-probe.ts'

/** What a check found out. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'problem'
  /** One line, with names and numbers. */
  readonly what: string
  /** What comes of it, or how it comes about. */
  readonly why?: string
  /** The command or the setting that mends it; several lines, where it takes several. */
  readonly mend?: string
}

/** One thing that can be wrong. */
export interface Check {
  /** As `--only` and `docs/doctor.md` call it. */
  readonly name: string
  /** Checks without which this one says nothing: where one of them has a problem, it is not run. */
  readonly needs?: readonly string[]
  /** Default: 15 seconds. */
  readonly timeoutMs?: number
  /** Whether there is anything to look at, by the settings alone. */
  applies(context: DoctorContext): boolean
  /** What throws is a problem, in the words of the error. */
  run(context: DoctorContext, signal: AbortSignal): Promise<readonly Finding[]>
}

/** A queue that a vectorizer takes its events from. */
export interface DeclaredQueue {
  readonly vectorizer: string
  open(): MessageQueue
}

/** What checks look at. */
export interface DoctorContext {
  readonly configuration: Configuration
  /** The bucket, and the flag, variable or file that names it. */
  readonly bucket: { readonly url: string; readonly origin: string }
  readonly probe: BucketProbe
  readonly queues: readonly DeclaredQueue[]
  /** As `process.versions.node` has it. */
  readonly nodeVersion: string
  /** Variables that the process itself has, without those of `.env`. */
  readonly processEnvironment: Readonly<Record<string, string | undefined>>
  /** Whether a host has an address. */
  readonly hasAddress: (host: string) => Promise<boolean>
  /** How the client of S3 Vectors finds addresses of AWS; absent: as this machine does. */
  readonly lookup?: LookupFunction
  readonly clock: Clock
  readonly random: Random
}

export const ok = (what: string): Finding => ({ level: 'ok', what })
export const warning = (what: string, more: { why?: string; mend?: string } = {}): Finding => ({ level: 'warning', what, ...more })
export const problem = (what: string, more: { why?: string; mend?: string } = {}): Finding => ({ level: 'problem', what, ...more })

/** Whether the bucket is one of S3, or of a store that speaks it. */
export function isS3({ bucket }: DoctorContext): boolean {
  return /^s3:/i.test(bucket.url)
}
