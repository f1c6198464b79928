import type { Clock } from '../base/clock.ts'
import { isWindlassError, messageOf, WindlassError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { dataPrefix } from '../format/catalog-entry.ts'
import { manifestKey } from '../format/manifest.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { Catalog } from './catalog.ts'
import { readLogAfter, type ReadCommit } from './commit/log.ts'
import { loadManifest, loadManifestIfChanged, namesObject, type LoadedManifest } from './commit/manifest-object.ts'
import { ageMs, atStore, momentNow, type Moment } from './commit/moment.ts'
import { Lane, SharedRun } from './lane.ts'
import type { LiveRecall } from './live-recall.ts'
import type { AnalyzerFor } from './memtable.ts'
import type { SectionCache } from './section-cache.ts'
import type { IndexBuilder } from '../vector/index-builder.ts'
import { Segment } from './segment.ts'
import type { ReadOptions } from './types.ts'
import type { VectorMemory } from './vector-memory.ts'
import { View, type Snapshot, type ViewContext } from './view.ts'

/** Plain numbers that tune the engine; every one has a default. */
export interface EngineSettings {
  /** How long swept objects outlive their last mention; every fence is a fraction of it. At least an hour outside tests. */
  readonly graceMs: number
  /** How old an eventual read's view may be. At most a quarter of the grace period. */
  readonly refreshIntervalMs: number
  /** Flush when the unflushed log holds this many bytes or commits, or its oldest commit is this old. */
  readonly flushBytes: number
  readonly flushCommits: number
  readonly flushAgeMs: number
  /** Above this many unflushed bytes a writer flushes before it goes on. */
  readonly unflushedBytesMax: number
  readonly unflushedCommitsMax: number
  /** Kept in memory of segments: half of it for vector indexes, half for all else. */
  readonly memoryBudgetBytes: number
  /** With fewer vectors, a segment has no vector index: scoring them all costs less, and is exact. */
  readonly indexedRowsMin: number
  /** Of so many vector queries of this process one is run again, exactly, to measure recall; 0: none. */
  readonly recallSample: number
  /** Least time between two manifest puts of a process: stores refuse to overwrite one key more than once a second. */
  readonly manifestIntervalMs: number
  /** Merge when this many segments are of one size. */
  readonly mergeFanIn: number
  /** What a merge makes is at most this large. */
  readonly segmentBytesMax: number
  readonly segmentRowsMax: number
  /** The same for those of its sections that are read as wholes: the cache must be able to hold some. */
  readonly segmentIndexBytesMax: number
  /** How long who maintains a collection may be silent before another process takes over. */
  readonly leaseMs: number
  /** How far back a collection can be opened: replaced objects are kept this long, at least the grace period. */
  readonly historyMs: number
}

export const defaultEngineSettings: EngineSettings = {
  graceMs: 3_600_000,
  refreshIntervalMs: 60_000,
  flushBytes: 8 * 1024 * 1024,
  flushCommits: 256,
  flushAgeMs: 60_000,
  unflushedBytesMax: 64 * 1024 * 1024,
  unflushedCommitsMax: 1000,
  memoryBudgetBytes: 256 * 1024 * 1024,
  indexedRowsMin: 2000,
  recallSample: 0,
  manifestIntervalMs: 2000,
  mergeFanIn: 4,
  segmentBytesMax: 4 * 1024 * 1024 * 1024,
  segmentRowsMax: 1_000_000,
  segmentIndexBytesMax: 96 * 1024 * 1024,
  leaseMs: 60_000,
  historyMs: 24 * 3_600_000,
}

/** How often something that a manifest names may be found swept, each time after a sleep of a grace period, before it is given up. */
const renewalsMax = 4

/** What every collection of a bucket shares. */
export interface EngineContext {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
  readonly settings: EngineSettings
  readonly cache: SectionCache
  readonly analyzerFor: AnalyzerFor
  readonly indexBuilder: IndexBuilder
  readonly vectors: VectorMemory
  readonly liveRecall: LiveRecall
}

/** One collection id in this process: its view of the log, and how that view is kept fresh. */
export class CollectionCore {
  readonly context: EngineContext
  readonly id: string
  readonly prefix: string
  /** Everything that changes the view runs here, one at a time. */
  readonly lane = new Lane()
  /** Everything of this process that replaces the manifest runs here, so that it does not race against itself. */
  readonly manifestLane = new Lane()
  readonly #probe = new SharedRun(() => this.#probeStore())
  readonly viewContext: ViewContext
  #view: View | null = null
  #opening: Promise<View> | null = null
  #verified: Moment | null = null
  #isSuspect = false
  #foundForeign = false
  #manifestPutAt = -Infinity
  /** The last failure of work that no caller waited for. */
  maintenanceError: string | null = null

  constructor(context: EngineContext, id: string) {
    this.context = context
    this.id = id
    this.prefix = dataPrefix(id)
    this.viewContext = {
      vectors: context.vectors,
      openSegment: (ref) => new Segment(context.store, this.prefix, ref, context.cache, context.vectors),
      analyzerFor: context.analyzerFor,
      terms: new WeakMap(),
    }
  }

  /** Another collection of the same bucket. */
  sibling(id: string): CollectionCore {
    return new CollectionCore(this.context, id)
  }

  /** Null while nothing has been read. */
  get view(): View | null {
    return this.#view
  }

  /** The view as it is; opened first if it never was. */
  async open(): Promise<View> {
    if (this.#view) return this.#view
    this.#opening ??= this.lane.run(() => this.openInLane()).finally(() => (this.#opening = null))
    return this.#opening
  }

  /** As `open`, for who is in the lane already. */
  async openInLane(): Promise<View> {
    if (this.#view) return this.#view
    let missing: unknown = null
    for (let attempt = 1; ; attempt++) {
      const started = momentNow(this.context.clock)
      const loaded = await this.#loadAfter(missing)
      try {
        await this.#replaceView(loaded)
        this.#verified = atStore(started, loaded.date)
        return this.#view!
      } catch (error) {
        if (!isExpired(error) || attempt === renewalsMax) throw error
        missing = error
      }
    }
  }

  /** A snapshot as fresh as asked. @throws {WindlassError} `not-found` when the collection has been dropped. */
  async read({ consistency = 'strong' }: ReadOptions = {}): Promise<Snapshot> {
    if (!this.#view || consistency === 'strong' || this.viewAgeMs() > this.context.settings.refreshIntervalMs) await this.refresh()
    const view = this.#view!
    this.assertLive(view)
    return view.snapshot()
  }

  /** Sees everything that was acknowledged, by any process, before this call. */
  refresh(): Promise<void> {
    return this.#probe.join()
  }

  /** Waits until this process may put a manifest again. Call it before reading the manifest that will be replaced. */
  async paceManifest(): Promise<void> {
    const { clock, settings } = this.context
    const restMs = this.#manifestPutAt + settings.manifestIntervalMs - clock.monotonic()
    if (restMs > 0) await clock.sleep(restMs)
  }

  noteManifestPut(): void {
    this.#manifestPutAt = this.context.clock.monotonic()
  }

  /** Something was wrong with the store: the next write looks at it first. What eventual reads may still see does not change. */
  distrust(): void {
    this.#isSuspect = true
  }

  /** Whether a write has to look at the store before it puts. */
  get isSuspect(): boolean {
    return this.#isSuspect
  }

  /** How long ago, at most, manifest and log were last seen together. */
  viewAgeMs(storeDate?: number): number {
    return this.#verified ? ageMs(this.#verified, this.context.clock, storeDate) : Infinity
  }

  /** When manifest and log were last seen together: the age of what is decided now. */
  get verified(): Moment | null {
    return this.#verified
  }

  assertLive(view: View): void {
    if (!view.ended) return
    throw new WindlassError('not-found', `collection ${JSON.stringify(view.name)} (${this.id}) was dropped`, { key: this.prefix })
  }

  /**
   * Applies a commit that this process wrote, unless a reader already did. Call it in the lane.
   * The commit stands whatever happens here: if its rows cannot be placed now, the next read starts from the store.
   */
  async applyOwn(commit: ReadCommit): Promise<void> {
    const view = this.#view!
    if (commit.record.seq <= view.seq) return
    try {
      await view.apply(commit)
    } catch (error) {
      this.maintenanceError = messageOf(error)
      this.#verified = null
    }
  }

  /** Takes over a manifest that replaced the view's. Answers do not change by it. Call it in the lane. */
  async adopt(loaded: LoadedManifest): Promise<void> {
    if (this.#view && loaded.manifest.version > this.#view.manifest.version) await this.#replaceView(loaded)
  }

  /** As `adopt`, for a manifest that stands whatever comes of it here: the next look at the store finds it again. */
  async tryAdopt(loaded: LoadedManifest): Promise<void> {
    try {
      await this.lane.run(() => this.adopt(loaded))
    } catch (error) {
      this.maintenanceError = messageOf(error)
    }
  }

  /**
   * Takes the newest manifest after `error` said that an object is missing: an older one named it, and it was swept meanwhile
   * (docs/protocol.md, A5). Then what failed may be tried again. Do not call it in the lane.
   * @throws {WindlassError} `corrupt` when the newest manifest names it too; `error` when it is no such error.
   */
  async renewAfter(error: unknown): Promise<void> {
    for (let missing = error, attempt = 1; ; attempt++) {
      if (!isExpired(missing) || attempt > renewalsMax) throw missing
      const loaded = await this.#loadAfter(missing)
      try {
        return await this.lane.run(() => this.adopt(loaded))
      } catch (again) {
        missing = again
      }
    }
  }

  /** The manifest as it stands. @throws {WindlassError} `corrupt` when it is missing; `not-found` when all of the collection is gone. */
  async readManifest(): Promise<LoadedManifest> {
    const loaded = await this.#unlessGone(loadManifest(this.context.store, this.prefix))
    this.#assertNotMadeAnew(loaded)
    return loaded
  }

  /** Reads the manifest anew, whatever the view says. @returns whether it had changed. */
  async reload(): Promise<boolean> {
    const loaded = await this.readManifest()
    try {
      return await this.lane.run(async () => {
        if (loaded.manifest.version <= (this.#view?.manifest.version ?? 0)) return false
        await this.#replaceView(loaded)
        return true
      })
    } catch (error) {
      await this.renewAfter(error)
      return true
    }
  }

  async #probeStore(): Promise<void> {
    const { store, clock, settings } = this.context
    for (let attempt = 1; attempt <= 3; attempt++) {
      const started = momentNow(clock)
      const looked = this.#view ? this.#probeFrom(this.#view, started) : this.#openNow()
      // What came after the view may have to be applied to segments that were merged and swept while this process slept.
      const isProven = await looked.catch((error: unknown) => this.renewAfter(error))
      // Two answers prove nothing together when a sweep fits between them (docs/protocol.md, A1).
      if (isProven && ageMs(started, clock) <= settings.graceMs / 4) return
    }
    throw new WindlassError('unavailable', `${store.url}: reading the manifest and the log of ${this.id} took longer than ${settings.graceMs / 4} ms, three times`, { retryAfterMs: 1000 })
  }

  /** @returns false where this call only waited for another's opening: that one may have looked before this one began (A2). */
  async #openNow(): Promise<boolean> {
    return this.lane.run(async () => {
      const isFirst = this.#view === null
      await this.openInLane()
      return isFirst
    })
  }

  /** Asks for a newer manifest and for the log after `view`, side by side. @returns whether the view is now known to hold all that was there. */
  async #probeFrom(view: View, started: Moment): Promise<boolean> {
    const { store, clock, settings } = this.context
    // The view moves on while the answers travel; what they prove is about this number.
    const base = view.seq
    const [answer, commits] = await Promise.all([
      this.#unlessGone(loadManifestIfChanged(store, this.prefix, view.loaded.etag)),
      readLogAfter(store, this.prefix, base, this.#foundForeign ? 4 : 1),
    ])
    if (ageMs(started, clock) > settings.graceMs / 4) return false
    this.#foundForeign = commits.length > 0
    const changed = answer.kind === 'changed' ? answer.loaded : null
    if (changed) this.#assertNotMadeAnew(changed)
    const isProven = await this.lane.run(async () => {
      if (changed && changed.manifest.floor > this.#view!.seq) await this.#replaceView(changed)
      // The numbers we asked for may be swept, and who moved the view on meanwhile may have looked before us.
      else if (changed && changed.manifest.floor > base) return false
      else for (const commit of commits) if (commit.record.seq === this.#view!.seq + 1) await this.#view!.apply(commit)
      const seen = atStore(started, answer.kind === 'changed' ? answer.loaded.date : answer.date)
      if (!this.#verified || seen.monotonic >= this.#verified.monotonic) this.#verified = seen
      this.#isSuspect = false
      return true
    })
    // A manifest whose floor we had passed changes no content: this read need not wait for it (A4).
    if (changed) void this.tryAdopt(changed)
    return isProven
  }

  /** The newest manifest. @param missing Why an older one is of no use, if that is so. */
  async #loadAfter(missing: unknown): Promise<LoadedManifest> {
    const { store } = this.context
    const loaded = await this.readManifest()
    const key = isWindlassError(missing) ? missing.details.key : undefined
    if (key === undefined || !namesObject(loaded.manifest, key)) return loaded
    throw new WindlassError('corrupt', `${store.url}: ${key} is missing, and the newest manifest names it: restore it from a copy of the bucket, or run windlass repair`, { key, cause: missing })
  }

  /**
   * A manifest that is missing is damage, unless the collection was dropped and removed while this process slept: then its name stands
   * for something else, or for nothing, and the view ends here.
   */
  async #unlessGone<Value>(loading: Promise<Value>): Promise<Value> {
    try {
      return await loading
    } catch (error) {
      const view = this.#view
      if (!view || !isWindlassError(error, 'corrupt') || error.details.key !== this.prefix + manifestKey) throw error
      if ((await new Catalog(this.context).find(view.name)) === this.id) throw error
      view.ended ??= { kind: 'dropped' }
      this.assertLive(view)
      throw error
    }
  }

  /**
   * A manifest older than the view's that says "dropped" was put for an id of which nothing was left, by a sweep that had looked before:
   * the collection was dropped and removed while this process slept.
   */
  #assertNotMadeAnew({ manifest }: LoadedManifest): void {
    const view = this.#view
    if (!view || view.ended || manifest.state === 'live' || manifest.version >= view.manifest.version) return
    view.ended = { kind: 'dropped' }
    this.assertLive(view)
  }

  /** Builds the view of `loaded` and everything above its floor that is known or can be read. */
  async #replaceView(loaded: LoadedManifest): Promise<void> {
    const { floor } = loaded.manifest
    const kept = this.#view?.tail.filter(({ record }) => record.seq > floor) ?? []
    const hasGap = !this.#view || floor > this.#view.seq
    const [view, unread] = await Promise.all([
      View.open(loaded, this.viewContext),
      hasGap ? readLogAfter(this.context.store, this.prefix, floor, 4) : [],
    ])
    for (const commit of [...kept, ...unread]) if (commit.record.seq === view.seq + 1) await view.apply(commit)
    this.#view = view
  }
}

/** A missing object that the view names: the view is old, or the object is lost. */
export function isExpired(error: unknown): boolean {
  return isWindlassError(error, 'expired')
}
