import { messageOf } from '../../src/base/errors.ts'
import { dataPrefix, decodeCatalogEntry } from '../../src/format/catalog-entry.ts'
import { decodeLogRecord, logKey, type LogRecord } from '../../src/format/log-record.ts'
import { decodeManifest, manifestKey, type Manifest } from '../../src/format/manifest.ts'
import { snapshotKey } from '../../src/format/snapshot.ts'
import { decodeSweepPlan, type SweepPlan } from '../../src/format/sweep-plan.ts'
import type { Bucket, BucketEvent } from './bucket.ts'
import { Naming } from './naming.ts'
import { graceMs } from './plan.ts'

// Stores tell times in whole seconds.
const clockTickMs = 1000

/** One collection as nobody in the world can know it: every commit, every manifest, in their true order. */
export interface TrueCollection {
  readonly id: string
  /** Of a branch, what it began as: the content of another collection at a place in that one's log. Its own log goes on from that number. */
  origin: { readonly id: string; readonly seq: number } | null
  /** Id of the collection whose name a restore gave it. */
  replaces: string | null
  /** The commits of the log; the first has the number after the origin's. */
  readonly log: LogRecord[]
  /** Every manifest there ever was, oldest first. */
  readonly manifests: Manifest[]
  /** Commits that fell on numbers below the floor: nobody may think they stand. */
  readonly breaches: { readonly seq: number; readonly at: number }[]
  /** Objects that a sweep has planned to delete: since when. */
  readonly listedAt: Map<string, number>
}

/** Sees every effect in the bucket at its moment, and says at once when one breaks a rule of the protocol. */
export class Observer {
  readonly collections = new Map<string, TrueCollection>()
  readonly problems: string[] = []
  readonly naming: Naming
  readonly #bucket: Bucket
  readonly #nonces = new Set<string>()
  readonly #newest = new Map<string, Manifest>()
  readonly #count: (name: string) => void
  readonly #hasJanitor: boolean
  readonly #purged = new Set<string>()
  /** Made once more after it was purged. */
  readonly #revived = new Set<string>()
  /** What a process put into the folder of what was removed meanwhile. */
  readonly #strays = new Map<string, string>()

  /** @param hasJanitor Something outside the engine deletes too: a sweep cannot know what was there. */
  constructor(bucket: Bucket, count: (name: string) => void, hasJanitor: boolean) {
    this.#bucket = bucket
    this.naming = new Naming(bucket)
    this.#hasJanitor = hasJanitor
    this.#count = count
    bucket.observe = (event) => this.#observe(event)
  }

  /** Number of the last commit of a collection. */
  lastSeq(id: string): number {
    const collection = this.collections.get(id)
    return collection ? lastSeqOf(collection) : 0
  }

  /** Names that stand for something -> its id. */
  names(): Map<string, string> {
    const names = new Map<string, string>()
    for (const [key, { bytes }] of this.#bucket.objects) {
      const entry = key.startsWith('catalog/') && bytes.length > 0 ? decodeCatalogEntry(bytes, key) : null
      if (entry) names.set(entry.name, entry.id)
    }
    return names
  }

  /** Collections that hold commits, live on, and that no name stands for. */
  unreachable(): string[] {
    const named = new Set(this.names().values())
    return [...this.collections.values()].flatMap(({ id, log }) => (log.length === 0 || named.has(id) || hasEnded(log) ? [] : [`collection ${id} holds ${log.length} commits, and no name stands for it`]))
  }

  /** Objects that nobody needs, neither for what a name stands for, nor on the way back from it. */
  garbage(isAlive: (process: string) => boolean): string[] {
    const named = new Set(this.names().values())
    const needed = new Set([...this.#newest].flatMap(([id, manifest]) => (this.#isLink(manifest, named) ? [id] : [])))
    for (const key of this.#bucket.objects.keys()) if (this.naming.has(key)) needed.add(idOf(key)!)
    // Who slept past a removal and died before it could note that leaves what it had put (docs/protocol.md, Limits).
    const isOfDead = (key: string) => this.#strays.has(key) && !isAlive(this.#strays.get(key)!)
    const keys = [...this.#bucket.objects.keys()].filter((key) => this.#isGarbage(key, named, needed) && !isOfDead(key))
    return keys.map((key) => `${key} is left over`)
  }

  /** Whether sweeps of what lies above find a branch that lives only through this. */
  #isLink({ pins }: Manifest, named: ReadonlySet<string>): boolean {
    return pins.some(({ kind, id }) => kind === 'branch' && (named.has(id) || (this.#newest.has(id) && this.#isLink(this.#newest.get(id)!, named))))
  }

  #isGarbage(key: string, named: ReadonlySet<string>, needed: ReadonlySet<string>): boolean {
    if (key.startsWith('catalog/') || this.naming.has(key)) return false
    const id = key.startsWith('trash/') ? key.slice('trash/'.length).replace(/\..*$/, '') : idOf(key)!
    // Of what a name stands for, the mark goes, and the rest stays that its manifest is made of.
    if (named.has(id)) {
      if (key.startsWith('trash/')) return true
      const name = key.slice(dataPrefix(id).length)
      if (name.startsWith('log/')) return Number(name.slice(4)) <= this.#collection(id).manifests.at(-1)!.floor && !this.#isBreach(key)
      return /^(segments|deletes|snapshots)\//.test(name)
    }
    // Of what was dropped nothing stays, but what goes with branches that need part of it: also a breach, which goes only with all else (C2).
    return !needed.has(id) || (/\/(segments|deletes|snapshots|log)\//.test(key) && !this.#isBreach(key))
  }

  /** Whether a key is that of a commit that fell on a number below the floor. */
  #isBreach(key: string): boolean {
    const id = idOf(key)!
    return this.#collection(id).breaches.some(({ seq }) => key === dataPrefix(id) + logKey(seq))
  }

  #observe(event: BucketEvent): void {
    const match = /^data\/([^/]+)\/(.+)$/.exec(event.key)
    if (!match) return this.#observeElsewhere(event)
    const [, id, key] = match as unknown as [string, string, string]
    const collection = this.#collection(id)
    if (event.kind === 'delete') this.#strays.delete(event.key)
    else if (this.#purged.has(id)) this.#strays.set(event.key, event.by)
    try {
      if (event.kind === 'delete') this.#observeDelete(collection, key, event)
      else if (key === manifestKey) this.#observeManifest(collection, decodeManifest(event.bytes!, event.key), event)
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
    const last = lastSeqOf(collection)
    if (record.seq <= last) return this.#report(event, `commit ${record.seq} is overwritten`)
    if (record.seq !== last + 1) return this.#report(event, `commit ${record.seq} stands above a gap: ${last} is the last (B3)`)
    if (hasEnded(log)) this.#report(event, `commit ${record.seq} follows the end of the log (E3)`)
    if (this.#nonces.has(record.nonce)) this.#report(event, `commit ${record.seq} has the nonce of another commit (B2)`)
    this.#nonces.add(record.nonce)
    log.push(record)
    if (record.event?.kind === 'moved') this.#count('restore')
    if (record.event?.kind === 'dropped') this.#count(collection.origin ? 'drop of a branch' : 'drop')
  }

  #observeManifest(collection: TrueCollection, manifest: Manifest, event: BucketEvent): void {
    const { manifests, id } = collection
    const before = manifests.at(-1)
    this.#newest.set(id, manifest)
    // A late request to make what has been purged meanwhile starts anew; nothing names it, and it is given up again.
    if (before && this.#purged.delete(id)) {
      this.#revived.add(id)
      manifests.push(manifest)
      return
    }
    if (!before && manifest.parent !== undefined && manifest.state === 'live') {
      // The parent pins what it is made from; that may lie under a collection that the parent took the place of.
      const source = this.naming.readSnapshot(dataPrefix(manifest.parent) + snapshotKey(id))
      if (!source) return this.#report(event, `branch ${id} of ${manifest.parent} is not registered there (E4)`)
      collection.origin = { id: source.manifest.collectionId, seq: manifest.floor }
      if (manifest.restores) collection.replaces = manifest.restores.from
      this.#count(manifest.restores ? 'restore begun' : 'branch')
    } else if (!before && manifest.parent !== undefined) this.#count('branch given up')
    if (before) {
      if (manifest.version !== before.version + 1) this.#report(event, `manifest ${manifest.version} replaces ${before.version}`)
      if (manifest.floor < before.floor) this.#report(event, `floor goes from ${before.floor} back to ${manifest.floor}`)
    }
    if (this.#nonces.has(manifest.nonce)) this.#report(event, `manifest ${manifest.version} has a nonce that was used before (D1)`)
    this.#nonces.add(manifest.nonce)
    const last = lastSeqOf(collection)
    if (manifest.floor > last && !this.#revived.has(id)) this.#report(event, `floor ${manifest.floor} lies above the last commit ${last}`)
    for (const key of this.naming.update(this.#newest, id, event.at)) {
      // What is given up again may have been purged already.
      if (!this.#bucket.objects.has(key) && !(manifest.abandoned && this.#revived.has(id))) this.#report(event, `manifest ${manifest.version} names ${key}, which is not there`)
    }
    manifests.push(manifest)
    if (!before) return
    this.#countChange(before, manifest)
    for (let seq = before.floor + 1; seq <= manifest.floor; seq++) {
      const key = dataPrefix(id) + logKey(seq)
      if (!this.naming.has(key)) this.naming.retiredAt.set(key, event.at)
    }
  }

  #observePlan({ listedAt }: TrueCollection, { objects }: SweepPlan, { at }: BucketEvent): void {
    for (const { key } of objects) if (!listedAt.has(key)) listedAt.set(key, at)
  }

  #countChange(before: Manifest, after: Manifest): void {
    const ids = new Set(after.segments.map(({ id }) => id))
    const gone = before.segments.filter(({ id }) => !ids.has(id))
    if (after.floor > before.floor) this.#count('flush')
    if (gone.length > 0 && after.segments.length > 0) this.#count(gone.some(({ owner }) => owner !== undefined) ? "merge of a parent's segments" : 'merge')
    if (after.sweep.count > before.sweep.count) this.#count('sweep barrier')
    for (const kind of ['snapshot', 'branch'] as const) {
      const [was, is] = [before, after].map(({ pins }) => pins.filter((pin) => pin.kind === kind).length) as [number, number]
      const what = kind === 'branch' ? ' of a branch' : ''
      if (is > was) this.#count(`pin${what}`)
      if (is < was) this.#count(`unpin${what}`)
    }
  }

  #observeDelete(collection: TrueCollection, key: string, event: BucketEvent): void {
    const manifest = collection.manifests.at(-1)
    if (!manifest) return
    if (key === manifestKey) this.#observePurge(collection, manifest, event)
    const retiredAt = this.naming.retiredAt.get(event.key)
    if (retiredAt !== undefined && event.at - retiredAt < graceMs - clockTickMs) {
      // Listed while a committer had not named it yet, named, and not named any more: who still reads it starts again (C2, A5).
      const wasPlanned = (collection.listedAt.get(key) ?? Infinity) <= event.at - graceMs + clockTickMs
      if (wasPlanned) this.#count('swept soon after it was named late')
      else this.#report(event, `${key} is deleted ${event.at - retiredAt} ms after it was last named`)
    }
    if (this.#wasBreachSeen(collection, key, event)) this.#report(event, `${key} was written below the floor, and is deleted (C2)`)
    if (this.naming.has(event.key)) this.#report(event, `${key} is deleted, and ${this.naming.namedBy(event.key).join(', ')} names it`)
    if (key.startsWith('log/') && Number(key.slice(4)) > manifest.floor) this.#report(event, `commit ${Number(key.slice(4))} is deleted above the floor ${manifest.floor}`)
    if (collection.origin || manifest.state !== 'live') this.#count('swept of a branch, or of what was dropped')
  }

  /** Nothing is left of a collection. */
  #observePurge({ id, log, origin }: TrueCollection, manifest: Manifest, event: BucketEvent): void {
    this.#purged.add(id)
    this.#newest.delete(id)
    this.naming.update(this.#newest, id, event.at)
    if (manifest.state === 'live' && (log.length > 0 || [...this.names().values()].includes(id))) this.#report(event, 'the manifest of a live collection is deleted')
    if (manifest.pins.some(({ kind, id: branch }) => kind === 'branch' && this.#newest.get(branch)?.state === 'live')) this.#report(event, 'the manifest of a collection is deleted, and a branch of it lives')
    this.#count(origin ? 'purge of a branch' : 'purge')
  }

  /**
   * Whether a process deletes a breach of a live collection that it can know of: one that stood when it last listed the log. What appears
   * between that look and the delete, which cannot be conditional, goes with the rest (docs/protocol.md, Limits).
   */
  #wasBreachSeen({ id, breaches, manifests }: TrueCollection, key: string, { by }: BucketEvent): boolean {
    if (this.#hasJanitor || manifests.at(-1)!.state !== 'live') return false
    const lookedAt = this.#bucket.listedAt.get(`${by} ${dataPrefix(id)}log/`) ?? -Infinity
    return breaches.some(({ seq, at }) => key === logKey(seq) && at < lookedAt)
  }

  #collection(id: string): TrueCollection {
    let collection = this.collections.get(id)
    if (!collection) this.collections.set(id, (collection = { id, origin: null, replaces: null, log: [], manifests: [], breaches: [], listedAt: new Map() }))
    return collection
  }

  #report(event: BucketEvent, problem: string): void {
    this.problems.push(`${event.by}, ${event.kind} of ${event.key}: ${problem}`)
  }
}

/** Number of the last commit; of a branch without any, the number that it began at. */
export function lastSeqOf({ origin, log }: TrueCollection): number {
  return (origin?.seq ?? 0) + log.length
}

/** Whether nothing may be put after this log. */
export function hasEnded(log: readonly LogRecord[]): boolean {
  const end = log.at(-1)?.event?.kind
  return end === 'dropped' || end === 'moved'
}

function idOf(key: string): string | null {
  return /^data\/([^/]+)\//.exec(key)?.[1] ?? null
}
