import { pastManifestPrefix } from '../../format/manifest.ts'
import { sweepPrefix } from '../../format/sweep-plan.ts'

/** What lies under a key of a collection's folder; null for what is none of ours, which nobody touches. */
export type SweepableKey =
  | { readonly kind: 'object' }
  | { readonly kind: 'plan'; readonly id: string }
  | { readonly kind: 'past-manifest'; readonly version: number }
  | { readonly kind: 'log'; readonly seq: number }

const id = '[A-Za-z0-9_-]{1,64}'
const objectPattern = new RegExp(`^(segments/${id}\\.seg|deletes/${id}|snapshots/${id})$`)
const planPattern = new RegExp(`^${sweepPrefix}(${id})$`)
const pastManifestPattern = new RegExp(`^${pastManifestPrefix}(\\d{20})$`)
const logPattern = /^log\/(\d{20})$/

/** Tells by its form what a sweep may do with a key below the collection's prefix. The manifest and the lease are no such keys. */
export function sweepableKey(key: string): SweepableKey | null {
  if (objectPattern.test(key)) return { kind: 'object' }
  const plan = planPattern.exec(key)
  if (plan) return { kind: 'plan', id: plan[1]! }
  const past = pastManifestPattern.exec(key)
  if (past) return numbered(past[1]!, (version) => ({ kind: 'past-manifest', version }))
  const log = logPattern.exec(key)
  if (log) return numbered(log[1]!, (seq) => ({ kind: 'log', seq }))
  return null
}

function numbered(digits: string, make: (number: number) => SweepableKey): SweepableKey | null {
  const number = Number(digits)
  return Number.isSafeInteger(number) ? make(number) : null
}
