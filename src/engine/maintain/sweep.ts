import { WindlassError } from '../../base/errors.ts'
import { newId } from '../../base/random.ts'
import { logKey } from '../../format/log-record.ts'
import { decodeManifest, manifestKey, pastManifestKey, type Manifest } from '../../format/manifest.ts'
import { decodeSweepPlan, encodeSweepPlan, sweepKey, sweepPrefix, type PlannedLogs, type PlannedObject, type SweepPlan } from '../../format/sweep-plan.ts'
import { findManifest } from '../commit/manifest-object.ts'
import { ageMs, momentNow } from '../commit/moment.ts'
import { markGone, replaceManifest } from '../commit/replace-manifest.ts'
import type { CollectionCore } from '../core.ts'
import { releaseUnborn } from './branch-pins.ts'
import { readNamed, type Named } from './named.ts'
import { sweepableKey } from './sweep-keys.ts'

const deleteAtOnce = 1000
const barrierAttemptsMax = 4
/** Stores tell times of objects in whole seconds. */
const clockTickMs = 1000
/** Left over by every sweep: its plan, and the copy of the manifest that its barrier replaced. Not worth a sweep of their own. */
const ownLeftoversMax = 3

/** What a visit did. */
export interface SweepReport {
  readonly deletedCount: number
  /** Objects that wait for the next visit. */
  readonly plannedCount: number
  /** Log numbers that were put below the floor after they had been swept: a writer stalled past every fence. Kept. */
  readonly breaches: readonly number[]
}

/** A plan as it lies in the bucket. */
export interface StoredPlan {
  readonly plan: SweepPlan
  /** By the store's clock: milliseconds since 1970. */
  readonly putAt: number
}

/** The newest plan, what the store's clock says now, and all plans that stand: a sweeper who slept may have put one on top of newer ones. */
interface LastPlan extends StoredPlan {
  readonly storeNow: number
  readonly standing: readonly SweepPlan[]
}

/**
 * One visit of a sweep: deletes what a plan of at least a grace period ago lists and still nothing names, then plans the next.
 *
 * In two visits, because no clock but the store's is trusted and no committer can be hurried: between them the plan lets every
 * committer find out what it must not name any more, and a manifest put with the plan's id (the barrier) turns away those who began
 * before it (docs/protocol.md, C2). What a collection's history needs is kept as long as `historyMs` after it was first found unnamed.
 * @param options.isForced Plans even what is not worth a sweep.
 * @returns null when the last visit is less than a grace period ago.
 */
export async function sweep(core: CollectionCore, { isForced = false }: { isForced?: boolean } = {}): Promise<SweepReport | null> {
  const { settings, clock } = core.context
  const started = momentNow(clock)
  const last = await readLastPlan(core)
  if (last && last.storeNow - last.putAt < settings.graceMs) return null
  const deletedCount = last ? await execute(core, last) : 0
  const next = await makePlan(core, last, isForced)
  if (!next) return { deletedCount, plannedCount: 0, breaches: last?.plan.breaches ?? [] }
  await core.context.store.put(core.prefix + sweepKey(next.id), encodeSweepPlan(next))
  // Perhaps into the folder of what was dropped and removed meanwhile: then that has to be looked after again.
  if ((isForced || ageMs(started, clock) > settings.graceMs / 4) && !(await findManifest(core.context.store, core.prefix))) await markGone(core)
  return { deletedCount, plannedCount: countOf(next), breaches: next.breaches }
}

/** Reads the plans that stand; null when there is none. */
export async function readLastPlan(core: CollectionCore): Promise<LastPlan | null> {
  const { store } = core.context
  const listed: { key: string; putAt: number }[] = []
  for await (const { key, lastModified } of store.list(core.prefix + sweepPrefix)) {
    if (sweepableKey(key.slice(core.prefix.length))?.kind === 'plan') listed.push({ key, putAt: timeOf(core, key, lastModified) })
  }
  const standing: SweepPlan[] = []
  let last: Omit<LastPlan, 'standing'> | null = null
  for (const { key, putAt } of listed) {
    const answer = await store.get(key, { fresh: true })
    if (answer.kind !== 'found') continue
    const plan = decodeSweepPlan(answer.bytes, key)
    standing.push(plan)
    if (!last || putAt >= last.putAt) last = { plan, putAt, storeNow: timeOf(core, key, answer.date) }
  }
  return last && { ...last, standing }
}

/** The second visit. @returns how many objects were deleted. */
async function execute(core: CollectionCore, { plan, putAt, storeNow }: StoredPlan & { storeNow: number }): Promise<number> {
  const isDue = (each: { since: number | null }, now: number) => isOld(plan, putAt, each, now)
  if (![...plan.objects, ...plan.logs].some((each) => isDue(each, storeNow))) return 0
  const barrier = await core.manifestLane.run(() => putBarrier(core, plan))
  if (!barrier) return 0
  const { manifest, named } = barrier
  // Both times are the store's own, of the plan and of the barrier: no clock of ours, nor that of a proxy, decides.
  const doomed = plan.objects.filter((each) => isDue(each, barrier.putAt) && !isNamed(each.key, manifest, named)).map(({ key }) => key)
  for (const { first, last, since } of plan.logs) {
    if (!isDue({ since }, barrier.putAt)) continue
    for (let seq = first; seq <= Math.min(last, manifest.floor); seq++) if (!isLogNamed(seq, named)) doomed.push(logKey(seq))
  }
  const intact = await withoutBreaches(core, doomed, plan)
  for (let start = 0; start < intact.length; start += deleteAtOnce) {
    await core.context.store.delete(intact.slice(start, start + deleteAtOnce).map((key) => core.prefix + key))
  }
  return intact.length
}

/** Whether something has been listed for long enough at `now`, by the store's clock. */
export function isOld({ restMs }: SweepPlan, planPutAt: number, { since }: { since: number | null }, now: number): boolean {
  return now - (since ?? planPutAt) >= restMs
}

interface Barrier {
  readonly manifest: Manifest
  readonly named: Named
  /** The Last-Modified of the manifest that was put. */
  readonly putAt: number
}

/** Puts the manifest again with the plan's id: whoever read it before can no longer commit without looking at the plan. */
async function putBarrier(core: CollectionCore, plan: SweepPlan): Promise<Barrier | null> {
  const { store } = core.context
  for (let attempt = 1; attempt <= barrierAttemptsMax; attempt++) {
    await core.paceManifest()
    const { base, named } = await readNamed(core)
    // Done before, to its end or not: what is left of it is in the next plan.
    if (attempt === 1 && base.manifest.sweep.id === plan.id) return null
    await releaseUnborn(core, base.manifest)
    const pins = base.manifest.pins.filter((pin) => !named.idlePins.includes(pin))
    const { isDone, standing } = await replaceManifest(core, base, { pins, sweep: { count: base.manifest.sweep.count + 1, id: plan.id } })
    if (!isDone) continue
    const head = await store.head(core.prefix + manifestKey)
    // Replaced again already: its time is not the barrier's, and whether more is named now was not looked at.
    if (head?.etag !== standing.etag || standing.manifest.version !== base.manifest.version + 1) continue
    return { manifest: standing.manifest, named, putAt: timeOf(core, manifestKey, head.lastModified) }
  }
  return null
}

/** Leaves out log objects that are younger than the floor that covers them: commits that a stalled writer may have been told of. */
async function withoutBreaches(core: CollectionCore, keys: readonly string[], plan: SweepPlan): Promise<string[]> {
  const { store } = core.context
  const logs = new Set(keys.filter((key) => key.startsWith('log/')))
  if (logs.size === 0) return [...keys]
  const late = new Set<string>()
  const found = new Set<string>()
  for await (const { key, lastModified } of store.list(`${core.prefix}log/`)) {
    const name = key.slice(core.prefix.length)
    if (!logs.has(name)) continue
    found.add(name)
    if (isLate(plan, timeOf(core, key, lastModified))) late.add(name)
  }
  return keys.filter((key) => !late.has(key) && (!logs.has(key) || found.has(key)))
}

/** The first visit: lists what nothing names. @returns null when there is nothing worth a sweep. */
async function makePlan(core: CollectionCore, last: LastPlan | null, isForced: boolean): Promise<SweepPlan | null> {
  const { store, clock, random, settings } = core.context
  const restMs = Math.max(settings.graceMs, settings.historyMs)
  const { floor, coveredAt } = await readFloor(core)
  const listed: { key: string; lastModified: number | undefined }[] = []
  for await (const { key, lastModified } of store.list(core.prefix)) listed.push({ key: key.slice(core.prefix.length), lastModified })
  // Whoever planned meanwhile may know of breaches that we do not: the next visit goes on from there.
  const plans = last?.standing ?? []
  const isOvertaken = listed.some(({ key }) => sweepableKey(key)?.kind === 'plan' && !plans.some(({ id }) => key === sweepKey(id)))
  if (isOvertaken) return null
  // Read after the listing: what was uploaded before it and is named by now is not garbage.
  const { base, named } = await readNamed(core)
  const { manifest } = base
  const since = new Map(last?.plan.objects.map((object) => [object.key, object.since ?? last.putAt]))
  const objects: PlannedObject[] = []
  const logs: PlannedLogs[] = []
  const kept: PlannedLogs[] = []
  const known = new Set(plans.flatMap(({ breaches }) => breaches))
  const breaches = new Set(known)
  let ownLeftovers = 0
  for (const { key, lastModified } of listed) {
    const about = sweepableKey(key)
    if (!about) continue
    if (about.kind === 'log') {
      const { seq } = about
      if (seq > floor || breaches.has(seq)) continue
      if (isLate({ coveredAt }, timeOf(core, key, lastModified)) || plans.some((plan) => isBreach(plan, seq, timeOf(core, key, lastModified)))) breaches.add(seq)
      else if (isLogNamed(seq, named)) addToRanges(kept, seq, null)
      else addToRanges(logs, seq, logSince(last, seq))
    } else if (!isNamed(key, manifest, named)) {
      objects.push({ key, since: since.get(key) ?? null })
      if (about.kind !== 'object') ownLeftovers++
    }
  }
  const isWorthwhile = logs.length > 0 || objects.length > Math.min(ownLeftovers, ownLeftoversMax) || breaches.size > known.size
  if (!isWorthwhile && !isForced) return null
  const id = newId(clock.now(), random)
  return {
    formatVersion: 1,
    needs: [],
    id,
    collectionId: core.id,
    floor,
    coveredAt,
    restMs,
    objects,
    logs,
    kept: kept.map(({ first, last: end }) => ({ first, last: end })),
    breaches: [...breaches].sort((a, b) => a - b),
  }
}

/** The floor before the folder is listed, and when the manifest that has it was put. */
async function readFloor(core: CollectionCore): Promise<{ floor: number; coveredAt: number }> {
  const key = core.prefix + manifestKey
  const answer = await core.context.store.get(key, { fresh: true })
  if (answer.kind !== 'found') {
    // Says whether it is damage, or all of the collection is gone.
    await core.readManifest()
    throw new WindlassError('unavailable', `${core.context.store.url}: ${key} was missing, and is there again: nothing is swept`, { key })
  }
  return { floor: decodeManifest(answer.bytes, key).floor, coveredAt: timeOf(core, key, answer.lastModified) }
}

/** Whether an object must stay. Of the copies of past manifests, the last one stays: the way back from a lost manifest. */
function isNamed(key: string, manifest: Manifest, named: Named): boolean {
  const about = sweepableKey(key)
  if (about?.kind === 'plan') return about.id === manifest.sweep.id
  if (about?.kind === 'past-manifest') return key >= pastManifestKey(manifest.version - 1)
  return named.keys.has(key)
}

function isLogNamed(seq: number, { logs }: Named): boolean {
  return logs.some(({ first, last }) => seq >= first && seq <= last)
}

/** Whether a log object up to a plan's floor is younger than the manifest that covered it: its number had been swept. */
function isLate({ coveredAt }: Pick<SweepPlan, 'coveredAt'>, writtenAt: number): boolean {
  return writtenAt > coveredAt + clockTickMs
}

/** Whether a log object was not there when a plan was made, though its number was taken by then; or came back since. */
function isBreach(plan: SweepPlan, seq: number, writtenAt: number): boolean {
  if (seq > plan.floor) return false
  const wasThere = [...plan.logs, ...plan.kept].some((range) => seq >= range.first && seq <= range.last)
  return !wasThere || isLate(plan, writtenAt)
}

function logSince(last: StoredPlan | null, seq: number): number | null {
  const range = last?.plan.logs.find((each) => seq >= each.first && seq <= each.last)
  return range ? (range.since ?? last!.putAt) : null
}

/** Numbers come in ascending order; a run of one age is one range. */
function addToRanges(ranges: PlannedLogs[], seq: number, since: number | null): void {
  const before = ranges.at(-1)
  if (before && before.last === seq - 1 && before.since === since) ranges[ranges.length - 1] = { ...before, last: seq }
  else ranges.push({ first: seq, last: seq, since })
}

function countOf({ objects, logs }: SweepPlan): number {
  return objects.length + logs.reduce((sum, { first, last }) => sum + last - first + 1, 0)
}

function timeOf(core: CollectionCore, key: string, time: number | undefined): number {
  if (time !== undefined) return time
  throw new WindlassError('unsupported', `${core.context.store.url} does not tell when ${key} was written: a sweep cannot know what is old`, { key })
}
