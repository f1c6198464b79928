import type { Clock } from '../../base/clock.ts'
import type { Bucket } from '../../library/types.ts'
import type { Access } from '../access.ts'
import type { Account } from './names.ts'

/** Limits of the service, which a server may set otherwise. */
export interface Quotas {
  readonly vectorBuckets: number
  readonly indexesPerBucket: number
  readonly metadataBytes: number
  readonly filterableMetadataBytes: number
  readonly metadataKeys: number
  readonly topK: number
  readonly tags: number
}

export const defaultQuotas: Quotas = {
  vectorBuckets: 10_000,
  indexesPerBucket: 10_000,
  metadataBytes: 40 * 1024,
  filterableMetadataBytes: 2 * 1024,
  metadataKeys: 50,
  topK: 10_000,
  tags: 50,
}

/** What every operation is given. */
export interface OperationContext {
  readonly bucket: Bucket
  readonly account: Account
  readonly quotas: Quotas
  readonly clock: Clock
  readonly access: Access
  readonly sourceIp: string
  readonly isSecure: boolean
  readonly signal: AbortSignal
}

export type Input = Readonly<Record<string, unknown>>
export type Output = Readonly<Record<string, unknown>>
export type Operation = (input: never, context: OperationContext) => Promise<Output>
