import { isWindlassError, messageOf, WindlassError } from '../../base/errors.ts'
import { newNonce } from '../../base/random.ts'
import { encodeManifest, manifestKey, pastManifestKey, type Manifest, type SegmentRef } from '../../format/manifest.ts'
import { findManifest, type LoadedManifest } from '../commit/manifest-object.ts'
import { replaceManifest } from '../commit/replace-manifest.ts'
import type { CollectionCore } from '../core.ts'
import { PastCollection } from '../past-collection.ts'
import { ownedBy, planFlush, uploadFlush } from './flush.ts'
import { checkUnswept, listVersions, readCopy } from './past.ts'
import { loadSnapshot } from './snapshots.ts'
import { readLastPlan } from './sweep.ts'
import { Verifier } from './verify.ts'

/** What a repair did, and what it could not do. */
export interface RepairReport {
  readonly repaired: { readonly object: string; readonly message: string }[]
  readonly problems: { readonly object: string; readonly message: string }[]
}

/** More sweeps than a lost manifest can have counted since its last copy: who committed against it starts again. */
const unknownSweeps = 1_000_000

/**
 * Puts right what can be put right. The content is a function of the log alone, so any past state that is intact will do, with the log
 * since then: a lost manifest comes back from its last copy, and damaged segments are left for those of an older copy or snapshot.
 * Whatever stays damaged is named, and nothing of it is thrown away.
 */
export async function repair(core: CollectionCore): Promise<RepairReport> {
  const report: RepairReport = { repaired: [], problems: [] }
  const base = await repairManifest(core, report)
  if (!base) return report
  const verifier = new Verifier(core)
  for (const ref of base.manifest.segments) await verifier.checkSegment(ref)
  if (verifier.problems.length === 0) return report
  const from = await rebuild(core, base)
  if (from === null) report.problems.push(...verifier.problems)
  else for (const { object, message } of verifier.problems) report.repaired.push({ object, message: `${message}: its rows were taken from ${from} and the log since then` })
  return report
}

/** The manifest as it stands, or as its last copy has it. */
async function repairManifest(core: CollectionCore, report: RepairReport): Promise<LoadedManifest | null> {
  const { store, random } = core.context
  const key = core.prefix + manifestKey
  const damage = await findManifest(store, core.prefix).then((found) => found ?? 'missing', describeDamage)
  if (typeof damage !== 'string') return damage
  const copy = await lastReadableCopy(core)
  if (!copy) {
    report.problems.push({ object: manifestKey, message: `${damage}, and there is no copy of it` })
    return null
  }
  const plan = await readLastPlan(core)
  const version = copy.version + 2
  const manifest: Manifest = {
    ...copy,
    // Above any that a reader may have seen: what was lost is the one after the copy.
    version,
    nonce: newNonce(random),
    pastNonces: [copy.nonce, ...copy.pastNonces].slice(0, 64),
    sweep: { count: copy.sweep.count + unknownSweeps, id: plan?.plan.id ?? copy.sweep.id },
  }
  const head = await store.head(key)
  const bytes = encodeManifest(manifest)
  const { etag, date } = await store.put(key, bytes, { condition: head ? { ifMatch: head.etag } : { ifAbsent: true } })
  report.repaired.push({ object: manifestKey, message: `${damage}: taken from ${pastManifestKey(copy.version)} and the log since then` })
  return { manifest, bytes, etag, date }
}

function describeDamage(error: unknown): string {
  if (isWindlassError(error, 'corrupt')) return messageOf(error)
  throw error
}

async function lastReadableCopy(core: CollectionCore): Promise<Manifest | null> {
  for (const version of (await listVersions(core)).reverse()) {
    const copy = await readCopy(core, version).catch((error: unknown) => (isWindlassError(error, 'corrupt') ? null : Promise.reject(error as Error)))
    if (copy) return copy
  }
  return null
}

/** Makes the manifest name an older, intact state and a segment of everything since. @returns what it was, or null if there is none. */
async function rebuild(core: CollectionCore, base: LoadedManifest): Promise<string | null> {
  const end = await lastSeq(core, base.manifest)
  const known = new Map<string, boolean>()
  for await (const { name, manifest, hasCopy } of pastStates(core, base.manifest)) {
    if (!(await areIntact(core, manifest.segments, known))) continue
    try {
      await checkUnswept(core, base.manifest, { manifest, seq: end }, { hasCopy })
      const past = await PastCollection.open(core, { formatVersion: 1, needs: [], id: core.id, seq: end, manifest })
      const uploaded = await uploadFlush(core, { ...planFlush(past.view), base: { ...base, manifest } })
      const { isDone } = await replaceManifest(core, base, { ...uploaded, floor: end, schema: past.view.schema, name: past.view.name })
      if (!isDone) throw new WindlassError('conflict', `the manifest of ${core.id} was replaced while it was repaired: try again`, { key: core.prefix })
      return name
    } catch (error) {
      // Part of the log since then is gone, or damaged too: an even older state may not need that part, but all after it.
      if (!isWindlassError(error, 'expired', 'corrupt')) throw error
    }
  }
  return null
}

interface PastState {
  readonly name: string
  /** It was read from the copy of its manifest, which a sweep may be about to delete. */
  readonly hasCopy: boolean
  readonly manifest: Manifest
}

/** Every state of this id's log that there is an object of: the newest copies first, then snapshots. */
async function* pastStates(core: CollectionCore, newest: Manifest): AsyncGenerator<PastState> {
  for (const version of (await listVersions(core)).reverse()) {
    const manifest = await readCopy(core, version).catch(() => null)
    if (manifest) yield { name: pastManifestKey(version), manifest, hasCopy: true }
  }
  for (const pin of newest.pins.filter(({ kind }) => kind === 'snapshot').reverse()) {
    const { holder, snapshot } = await loadSnapshot(core, pin.name)
    if (holder === core) yield { name: `snapshot ${JSON.stringify(pin.name)}`, manifest: snapshot.manifest, hasCopy: false }
  }
}

async function areIntact(core: CollectionCore, segments: readonly SegmentRef[], known: Map<string, boolean>): Promise<boolean> {
  for (const ref of segments) {
    const { owner, deletes } = ownedBy(core.id, ref)
    const name = `${owner}/${ref.id}/${deletes?.id ?? ''}`
    if (!known.has(name)) {
      const verifier = new Verifier(core)
      await verifier.checkSegment(ref)
      known.set(name, verifier.problems.length === 0)
    }
    if (!known.get(name)) return false
  }
  return true
}

/** The last commit there is: the log above the floor is dense, and below it everything was flushed. */
async function lastSeq(core: CollectionCore, { floor }: Manifest): Promise<number> {
  const { store } = core.context
  let last = floor
  for await (const { key } of store.list(`${core.prefix}log/`)) {
    const seq = Number(key.slice(core.prefix.length + 'log/'.length))
    if (seq === last + 1) last = seq
  }
  return last
}
