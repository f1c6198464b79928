import { toUtf8 } from '../base/bytes.ts'
import { checkFormatVersion, checkNeeds, envelopeSize, openEnvelope, sealEnvelope, type ObjectKind } from './envelope.ts'
import { JsonShape, parseJson } from './json-shape.ts'

/**
 * What a sweep's first visit found that nothing names; the second visit, a grace period later, deletes of it what is still
 * unnamed. A committer that uploads while a sweep goes on finds its own output in it.
 */
export interface SweepPlan {
  readonly formatVersion: 1
  readonly needs: readonly string[]
  readonly id: string
  readonly collectionId: string
  /** The floor of a manifest that was read before the folder was listed: of the log, only what is at or below it is in `logs`. */
  readonly floor: number
  /** When that manifest was put, by the store's clock: no commit up to the floor is younger. */
  readonly coveredAt: number
  /** How long what it lists must have been listed before it goes: the grace period, or the history that is kept. */
  readonly restMs: number
  readonly objects: readonly PlannedObject[]
  readonly logs: readonly PlannedLogs[]
  /** Log numbers up to the floor that snapshots need. Any other that turns up later had been swept. */
  readonly kept: readonly Pick<PlannedLogs, 'first' | 'last'>[]
  /** Log numbers that were put below a floor after a sweep had listed them: never deleted, shown by verify. */
  readonly breaches: readonly number[]
}

/** `since`: when a plan first listed it, by the store's clock; null = this plan, at its own Last-Modified. */
export interface PlannedObject {
  /** Below the collection's prefix. */
  readonly key: string
  readonly since: number | null
}

/** Log numbers first to last, both included. */
export interface PlannedLogs {
  readonly first: number
  readonly last: number
  readonly since: number | null
}

const kind: ObjectKind = { magic: 'WSWP', subject: 'sweep plan', formatVersion: 1 }

/** Prefix of all plans below the collection's prefix. */
export const sweepPrefix = 'sweep/'

export function sweepKey(id: string): string {
  return sweepPrefix + id
}

/** @throws {WindlassError} `invalid` for a plan that could not be read back. */
export function encodeSweepPlan(plan: SweepPlan): Uint8Array<ArrayBuffer> {
  checkPlan(new JsonShape('invalid', kind.subject, sweepPrefix), plan, sweepPrefix)
  const body = toUtf8(JSON.stringify(plan))
  const bytes = new Uint8Array(envelopeSize + body.length)
  bytes.set(body, envelopeSize)
  sealEnvelope(kind, bytes)
  return bytes
}

/** @throws {WindlassError} `corrupt`, or `unsupported` when a newer version wrote it. */
export function decodeSweepPlan(bytes: Uint8Array, key: string): SweepPlan {
  return checkPlan(new JsonShape('corrupt', kind.subject, key), parseJson(openEnvelope(kind, bytes, key), kind.subject, key), key)
}

function checkPlan(shape: JsonShape, value: unknown, key: string): SweepPlan {
  const plan = shape.object(value, 'plan')
  checkFormatVersion(shape.integer(plan.formatVersion, 'formatVersion', 0), kind.formatVersion, kind.subject, key)
  shape.list(plan.needs, 'needs', (item, path) => shape.text(item, path))
  checkNeeds(plan.needs as string[], kind.subject, key)
  shape.id(plan.id, 'id')
  shape.id(plan.collectionId, 'collectionId')
  const floor = shape.integer(plan.floor, 'floor', 0)
  shape.finite(plan.coveredAt, 'coveredAt')
  shape.finite(plan.restMs, 'restMs')
  shape.list(plan.objects, 'objects', (item, path) => {
    const object = shape.object(item, path)
    shape.text(object.key, `${path}.key`)
    if (object.since !== null) shape.finite(object.since, `${path}.since`)
  })
  shape.list(plan.logs, 'logs', (item, path) => {
    const range = shape.object(item, path)
    const first = shape.integer(range.first, `${path}.first`, 1, floor)
    shape.integer(range.last, `${path}.last`, first, floor)
    if (range.since !== null) shape.finite(range.since, `${path}.since`)
  })
  shape.list(plan.kept, 'kept', (item, path) => {
    const range = shape.object(item, path)
    shape.integer(range.last, `${path}.last`, shape.integer(range.first, `${path}.first`, 1, floor), floor)
  })
  shape.list(plan.breaches, 'breaches', (item, path) => void shape.integer(item, path, 1))
  return value as SweepPlan
}
