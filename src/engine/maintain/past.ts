import { toIsoTime } from '../../base/clock.ts'
import { WindlassError } from '../../base/errors.ts'
import { deletesKey } from '../../format/deletes.ts'
import { decodeManifest, pastManifestKey, pastManifestPrefix, type Manifest } from '../../format/manifest.ts'
import { segmentKey } from '../../format/segment.ts'
import type { Snapshot } from '../../format/snapshot.ts'
import { decodeSweepPlan, sweepKey } from '../../format/sweep-plan.ts'
import { loadManifest } from '../commit/manifest-object.ts'
import type { CollectionCore } from '../core.ts'
import { isOld } from './sweep.ts'
import { sweepableKey } from './sweep-keys.ts'

/** A moment of a collection: the last commit that counts, by its number or by when the store wrote it (milliseconds since 1970). */
export type Past = { readonly seq: number } | { readonly time: number }

/** A manifest and a log number above its floor that together are the collection as it was. @throws {WindlassError} `expired`. */
export async function findPast(core: CollectionCore, past: Past): Promise<Snapshot> {
  await core.refresh()
  const { manifest } = await loadManifest(core.context.store, core.prefix)
  return findPastIn(core, manifest, past)
}

/** As `findPast`, where the newest manifest has been read. */
export async function findPastIn(core: CollectionCore, newest: Manifest, past: Past): Promise<Snapshot> {
  const seq = 'seq' in past ? past.seq : await seqAt(core, past.time)
  if (!Number.isSafeInteger(seq) || seq < 0) throw new WindlassError('invalid', `log number is ${seq}, expected 0 or more`, { path: 'seq' })
  const { seq: last } = await core.open()
  if (seq > last) throw new WindlassError('invalid', `log number is ${seq}, the log of ${core.id} ends at ${last}`, { path: 'seq' })
  const manifest = newest.floor <= seq ? newest : await lastCopyBelow(core, seq)
  if (!manifest) throw beyond(core, `log ${seq}`)
  return { formatVersion: 1, needs: [], id: core.id, seq, manifest }
}

/** The newest copy of a manifest whose floor is at most `seq`: floors never fall, so it is found by halving. */
async function lastCopyBelow(core: CollectionCore, seq: number): Promise<Manifest | null> {
  const versions = await listVersions(core)
  let found: Manifest | null = null
  for (let low = 0, high = versions.length; low < high; ) {
    const middle = (low + high) >>> 1
    const manifest = await readCopy(core, versions[middle]!)
    if (manifest && manifest.floor <= seq) {
      found = manifest
      low = middle + 1
    } else high = middle
  }
  return found
}

/** Versions of which there is a copy, ascending. */
export async function listVersions(core: CollectionCore): Promise<number[]> {
  const versions: number[] = []
  for await (const { key } of core.context.store.list(core.prefix + pastManifestPrefix)) {
    const about = sweepableKey(key.slice(core.prefix.length))
    if (about?.kind === 'past-manifest') versions.push(about.version)
  }
  return versions
}

/** The copy of a version; null where it has been swept. */
export async function readCopy(core: CollectionCore, version: number): Promise<Manifest | null> {
  const key = core.prefix + pastManifestKey(version)
  const answer = await core.context.store.get(key, { fresh: true })
  return answer.kind === 'found' ? decodeManifest(answer.bytes, key) : null
}

/** The last log number that the store wrote by `time`. */
async function seqAt(core: CollectionCore, time: number): Promise<number> {
  let first: number | null = null
  let last: number | null = null
  for await (const { key, lastModified } of core.context.store.list(`${core.prefix}log/`)) {
    const about = sweepableKey(key.slice(core.prefix.length))
    if (about?.kind !== 'log') continue
    first ??= about.seq
    if (lastModified !== undefined && lastModified <= time) last = about.seq
  }
  if (last !== null) return last
  // Before the first commit there was nothing; before the first that is left, nobody knows.
  if (first === 1 || (first === null && (await core.open()).seq === 0)) return 0
  throw beyond(core, toIsoTime(time))
}

/**
 * A sweep that is over its barrier may be deleting what its plan lists: of that, nothing may be pinned. A sweep that has not
 * come that far will lose against the pin, or see it.
 * @param options.hasCopy The manifest was read from its copy, which has to stay too.
 * @throws {WindlassError} `expired`.
 */
export async function checkUnswept(core: CollectionCore, newest: Manifest, { manifest, seq }: Pick<Snapshot, 'manifest' | 'seq'>, { hasCopy = true }: { hasCopy?: boolean } = {}): Promise<void> {
  if (newest.sweep.id === null) return
  const key = core.prefix + sweepKey(newest.sweep.id)
  const answer = await core.context.store.get(key, { fresh: true })
  if (answer.kind !== 'found') throw beyond(core, `log ${seq}`)
  const { lastModified, date } = answer
  if (lastModified === undefined || date === undefined) throw beyond(core, `log ${seq}`)
  const plan = decodeSweepPlan(answer.bytes, key)
  // What was old enough at the barrier is so now.
  const isGoing = (each: { since: number | null }) => isOld(plan, lastModified, each, date)
  const planned = new Set(plan.objects.filter(isGoing).map((object) => object.key))
  const named = manifest.segments.flatMap(({ id, deletes }) => [segmentKey(id), ...(deletes ? [deletesKey(deletes.id)] : [])])
  const isLogPlanned = plan.logs.some((range) => range.first <= seq && range.last > manifest.floor && isGoing(range))
  const isPlanned = isLogPlanned || named.some((each) => planned.has(each)) || (hasCopy && planned.has(pastManifestKey(manifest.version)))
  if (isPlanned) throw beyond(core, `log ${seq}`)
}

function beyond(core: CollectionCore, what: string): WindlassError {
  const hours = core.context.settings.historyMs / 3_600_000
  return new WindlassError('expired', `history of ${core.id} does not reach back to ${what}: about ${hours} hours are kept`, { key: core.prefix })
}
