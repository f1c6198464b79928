import { messageOf } from '../../src/base/errors.ts'
import { decodeCatalogEntry } from '../../src/format/catalog-entry.ts'
import { deletesKey } from '../../src/format/deletes.ts'
import { decodeLogRecord, type LogRecord } from '../../src/format/log-record.ts'
import { decodeManifest, type Manifest } from '../../src/format/manifest.ts'
import { segmentKey } from '../../src/format/segment.ts'
import { decodeSnapshot, snapshotKey } from '../../src/format/snapshot.ts'
import { decodeSweepPlan, type SweepPlan } from '../../src/format/sweep-plan.ts'
import type { Bucket, BucketEvent } from './bucket.ts'
import { graceMs } from './plan.ts'

// Stores tell times in whole seconds.
const clockTickMs = 1000
const retriesMaxMs = 120_000

/** One collection as nobody in the world can know it: every commit, every manifest, in their true order. */
export interface TrueCollection {
  readonly id: string
  /** The commits of the log: number n at n - 1. */
  readonly log: LogRecord[]
  /** Every manifest there ever was, oldest first. */
  readonly manifests: Manifest[]
  /** Commits that fell on numbers below the floor: nobody may think they stand. */
  /** When each commit was put, and each plan of a sweep. */
  readonly putAt: number[]
  readonly planned: number[]
  readonly breaches: { readonly seq: number; readonly at: number }[]
  /** Objects that were named once and are not any more: since when. */
  readonly retiredAt: Map<string, number>
  /** Objects that the newest manifest and its snapshots need. */
  named: ReadonlySet<string>
  /** Objects that a sweep has planned to delete: since when. */
  readonly listedAt: Map<string, number>
}

/** Sees every effect in the bucket at its moment, and says at once when one breaks a rule of the protocol. */
export class Observer {
  readonly collections = new Map<string, TrueCollection>()
  readonly problems: string[] = []
  readonly #bucket: Bucket
  readonly #nonces = new Set<string>()
  readonly #count: (name: string) => void
  readonly #hasJanitor: boolean
  readonly #purged = new Set<string>()

  /** @param hasJanitor Something outside the engine deletes too: a sweep cannot know what was there. */
  constructor(bucket: Bucket, count: (name: string) => void, hasJanitor: boolean) {
    this.#bucket = bucket
    this.#hasJanitor = hasJanitor
    this.#count = count
    bucket.observe = (event) => this.#observe(event)
  }

  logLength(id: string): number {
    return this.collections.get(id)?.log.length ?? 0
  }

  /** Collections that hold commits, live on, and that no name stands for. */
  unreachable(): string[] {
    const named = new Set<string>()
    for (const [key, { bytes }] of this.#bucket.objects) {
      const entry = key.startsWith('catalog/') ? decodeCatalogEntry(bytes, key) : null
      if (entry) named.add(entry.id)
    }
    return [...this.collections.values()].flatMap(({ id, log }) => (log.length === 0 || named.has(id) || hasEnded(log) ? [] : [`collection ${id} holds ${log.length} commits, and no name stands for it`]))
  }

  /** Objects of a collection that its manifest does not name, and commits that its segments hold. */
  garbageOf(id: string): string[] {
    const { manifests, breaches, named, putAt, planned } = this.#collection(id)
    const manifest = manifests.at(-1)!
    // A commit pinned within a second of its put, when a plan was made, looks like one that fell below the floor: it is kept.
    const looksLate = putAt.flatMap((at, i) => (planned.some((plan) => plan >= at && plan - at < 2 * clockTickMs) ? [logName(i + 1)] : []))
    const kept = new Set([...breaches.map(({ seq }) => logName(seq)), ...looksLate])
    const prefix = `data/${id}/`
    const keys = [...this.#bucket.objects.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length))
    const isGarbage = (key: string) => (key.startsWith('log/') ? Number(key.slice(4)) <= manifest.floor && !kept.has(key) && !named.has(key) : /^(segments|deletes|snapshots)\//.test(key) && !named.has(key))
    return keys.filter(isGarbage).map((key) => `${key} is left over after four sweeps`)
  }

  #observe(event: BucketEvent): void {
    const match = /^data\/([^/]+)\/(.+)$/.exec(event.key)
    if (!match) return this.#observeElsewhere(event)
    const [, id, key] = match as unknown as [string, string, string]
    const collection = this.#collection(id)
    try {
      if (event.kind === 'delete') this.#observeDelete(collection, key, event)
      else if (key === 'manifest') this.#observeManifest(collection, decodeManifest(event.bytes!, event.key), event)
      else if (key.startsWith('sweep/')) this.#observePlan(collection, decodeSweepPlan(event.bytes!, event.key), event)
      else if (key.startsWith('log/')) this.#observeCommit(collection, decodeLogRecord(event.bytes!, event.key), event)
    } catch (error) {
      this.#report(event, messageOf(error))
    }
  }

  #observeElsewhere(event: BucketEvent): void {
    if (event.kind === 'delete' && event.key.startsWith('catalog/')) this.#report(event, 'a name is deleted, not emptied (H1)')
  }

  #observeCommit(collection: TrueCollection, record: LogRecord, event: BucketEvent): void {
    const { log, breaches } = collection
    const floor = collection.manifests.at(-1)?.floor ?? 0
    if (record.seq <= floor) {
      this.#count('commit below the floor')
      breaches.push({ seq: record.seq, at: event.at })
      return
    }
    if (record.seq <= log.length) return this.#report(event, `commit ${record.seq} is overwritten`)
    if (record.seq !== log.length + 1) return this.#report(event, `commit ${record.seq} stands above a gap: ${log.length} is the last (B3)`)
    if (hasEnded(log)) this.#report(event, `commit ${record.seq} follows the end of the log (E3)`)
    if (this.#nonces.has(record.nonce)) this.#report(event, `commit ${record.seq} has the nonce of another commit (B2)`)
    this.#nonces.add(record.nonce)
    log.push(record)
    collection.putAt.push(event.at)
  }

  #observeManifest(collection: TrueCollection, manifest: Manifest, event: BucketEvent): void {
    const { manifests, log, retiredAt } = collection
    const before = manifests.at(-1)
    // A late request to make what has been purged meanwhile starts anew; nothing names it.
    if (before && this.#purged.delete(collection.id)) {
      manifests.push(manifest)
      return
    }
    if (before) {
      if (manifest.version !== before.version + 1) this.#report(event, `manifest ${manifest.version} replaces ${before.version}`)
      if (manifest.floor < before.floor) this.#report(event, `floor goes from ${before.floor} back to ${manifest.floor}`)
    }
    if (this.#nonces.has(manifest.nonce)) this.#report(event, `manifest ${manifest.version} has a nonce that was used before (D1)`)
    this.#nonces.add(manifest.nonce)
    if (manifest.floor > log.length) this.#report(event, `floor ${manifest.floor} lies above the last commit ${log.length}`)
    const named = this.#namedBy(collection.id, manifest)
    for (const key of named) {
      retiredAt.delete(key)
      if (!this.#bucket.objects.has(`data/${collection.id}/${key}`)) this.#report(event, `manifest ${manifest.version} names ${key}, which is not there`)
    }
    if (before) {
      this.#countChange(before, manifest)
      const isAboveFloor = (key: string) => key.startsWith('log/') && Number(key.slice(4)) > manifest.floor
      for (const key of collection.named) if (!named.has(key) && !isAboveFloor(key)) retiredAt.set(key, event.at)
      for (let seq = before.floor + 1; seq <= manifest.floor; seq++) if (!named.has(logName(seq))) retiredAt.set(logName(seq), event.at)
    }
    collection.named = named
    manifests.push(manifest)
  }

  /** What a manifest and its snapshots name, as keys below the collection's prefix. */
  #namedBy(id: string, manifest: Manifest): Set<string> {
    const named = objectsNamedBy(manifest)
    if (manifest.state === 'dropped') return named
    for (const pin of manifest.pins) {
      if (pin.kind !== 'snapshot' || pin.owner !== undefined) continue
      const key = snapshotKey(pin.id)
      named.add(key)
      const object = this.#bucket.objects.get(`data/${id}/${key}`)
      if (!object) continue
      const { manifest: past, seq } = decodeSnapshot(object.bytes, key)
      for (const each of objectsNamedBy(past)) named.add(each)
      for (let each = past.floor + 1; each <= seq; each++) named.add(logName(each))
    }
    return named
  }

  #observePlan({ listedAt, planned }: TrueCollection, { objects }: SweepPlan, { at }: BucketEvent): void {
    planned.push(at)
    for (const { key } of objects) if (!listedAt.has(key)) listedAt.set(key, at)
  }

  #countChange(before: Manifest, after: Manifest): void {
    const ids = new Set(after.segments.map(({ id }) => id))
    if (after.floor > before.floor) this.#count('flush')
    if (before.segments.some(({ id }) => !ids.has(id))) this.#count('merge')
    if (after.sweep.count > before.sweep.count) this.#count('sweep barrier')
    if (after.pins.length > before.pins.length) this.#count('pin')
    if (after.pins.length < before.pins.length) this.#count('unpin')
  }

  #observeDelete(collection: TrueCollection, key: string, event: BucketEvent): void {
    const manifest = collection.manifests.at(-1)
    if (!manifest) return
    if (key === 'manifest') this.#purged.add(collection.id)
    if (key === 'manifest' && manifest.state === 'live' && collection.log.length > 0) this.#report(event, 'the manifest of a live collection is deleted')
    const retiredAt = collection.retiredAt.get(key)
    if (retiredAt !== undefined && event.at - retiredAt < graceMs - clockTickMs) {
      // Listed while a committer had not named it yet, named, and not named any more: who still reads it starts again (A5).
      const wasPlanned = (collection.listedAt.get(key) ?? Infinity) <= event.at - graceMs + clockTickMs
      if (wasPlanned) this.#count('swept soon after it was named late')
      else this.#report(event, `${key} is deleted ${event.at - retiredAt} ms after it was last named`)
    }
    // A delete that is tried again was decided before its first try.
    const isLate = (at: number) => at > event.sentAt - retriesMaxMs
    if (!this.#hasJanitor && collection.breaches.some(({ seq, at }) => key === logName(seq) && !isLate(at))) this.#report(event, `${key} was written below the floor, and is deleted (C2)`)
    if (collection.named.has(key)) this.#report(event, `${key} is deleted, and manifest ${manifest.version} names it`)
    if (key.startsWith('log/') && Number(key.slice(4)) > manifest.floor) this.#report(event, `commit ${Number(key.slice(4))} is deleted above the floor ${manifest.floor}`)
  }

  #collection(id: string): TrueCollection {
    let collection = this.collections.get(id)
    if (!collection) this.collections.set(id, (collection = { id, log: [], putAt: [], planned: [], manifests: [], breaches: [], retiredAt: new Map(), listedAt: new Map(), named: new Set() }))
    return collection
  }

  #report(event: BucketEvent, problem: string): void {
    this.problems.push(`${event.by}, ${event.kind} of ${event.key}: ${problem}`)
  }
}

/** Segments and bitmaps, as keys below the collection's prefix. */
export function objectsNamedBy(manifest: Manifest): Set<string> {
  return new Set(manifest.segments.flatMap(({ id, deletes }) => [segmentKey(id), ...(deletes ? [deletesKey(deletes.id)] : [])]))
}

/** Whether nothing may be put after this log. */
export function hasEnded(log: readonly LogRecord[]): boolean {
  const end = log.at(-1)?.event?.kind
  return end === 'dropped' || end === 'moved'
}

function logName(seq: number): string {
  return `log/${String(seq).padStart(20, '0')}`
}
