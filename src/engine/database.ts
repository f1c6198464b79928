import type { Clock } from '../base/clock.ts'
import { isWindlassError, WindlassError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { dataPrefix } from '../format/catalog-entry.ts'
import type { CollectionSchema } from '../format/manifest.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { Catalog } from './catalog.ts'
import { findManifest } from './commit/manifest-object.ts'
import { EngineCollection } from './collection.ts'
import { CollectionCore, defaultEngineSettings, type EngineContext, type EngineSettings } from './core.ts'
import { makeBranch } from './maintain/branch.ts'
import { repair, type RepairReport } from './maintain/repair.ts'
import { inheritSnapshots, noteRestore } from './maintain/restore.ts'
import { sweepTrash, type TrashReport } from './maintain/trash.ts'
import type { AnalyzerFor } from './memtable.ts'
import { builderInSteps, type IndexBuilder } from '../vector/index-builder.ts'
import { LiveRecall } from './live-recall.ts'
import { SectionCache } from './section-cache.ts'
import { VectorMemory } from './vector-memory.ts'

/** What the engine is given: a place for bytes, time, chance, analyzers. */
export interface EngineComponents {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
  readonly analyzerFor: AnalyzerFor
  readonly settings?: Partial<EngineSettings>
  /** Where vector indexes are built; default: in this thread, in short steps. */
  readonly indexBuilder?: IndexBuilder
}

/** All collections of one bucket. Holds no state that the bucket does not have. */
export class Database {
  readonly context: EngineContext
  readonly catalog: Catalog
  readonly #open = new Map<string, Promise<EngineCollection>>()
  readonly #byId = new Map<string, EngineCollection>()

  constructor({ store, clock, random, analyzerFor, settings, indexBuilder = builderInSteps(() => clock.sleep(0)) }: EngineComponents) {
    const whole = { ...defaultEngineSettings, ...settings }
    const budget = whole.memoryBudgetBytes / 2
    this.context = { store, clock, random, settings: whole, analyzerFor, cache: new SectionCache(budget), vectors: new VectorMemory(budget), indexBuilder, liveRecall: new LiveRecall(whole.recallSample) }
    this.catalog = new Catalog(this.context)
  }

  /** @throws {WindlassError} `conflict` when the name is taken. */
  async create(name: string, schema: CollectionSchema): Promise<EngineCollection> {
    const id = await this.catalog.create(name, schema).catch(async (error: unknown) => {
      if (!isWindlassError(error, 'conflict')) throw error
      // Taken by what was dropped, if whoever dropped it died half-way: the look finishes that, and the name is free.
      const isFree = await this.#find(name).then(() => false, (found: unknown) => isWindlassError(found, 'not-found'))
      if (!isFree) throw error
      return this.catalog.create(name, schema)
    })
    return this.#adopt(name, id)
  }

  /** The collection that was just made. Somebody here may have found it first: one collection has one writer in a process (docs/protocol.md, B3). */
  async #adopt(name: string, id: string): Promise<EngineCollection> {
    for (let known = this.#open.get(name); known; known = this.#open.get(name)) {
      const collection = await known.catch(() => null)
      if (collection?.id === id) return collection
      if (this.#open.get(name) === known) this.#open.delete(name)
    }
    return this.#keep(name, Promise.resolve(this.#collection(name, id)))
  }

  /** @throws {WindlassError} `not-found`. */
  async collection(name: string): Promise<EngineCollection> {
    for (let known = this.#open.get(name); known; known = this.#open.get(name)) {
      const collection = await known
      // Another process may have renamed it: the name may stand for something else by now.
      if (!(await collection.isEnded()) && (await collection.core.open()).name === name) return collection
      if (this.#open.get(name) === known) this.#open.delete(name)
    }
    return this.#keep(name, this.#find(name))
  }

  /**
   * Runs `task` on the collection that `name` stands for. If it turns out to have been dropped, the name is looked up once
   * more: it may stand for a new one.
   */
  async with<Value>(name: string, task: (collection: EngineCollection) => Promise<Value>): Promise<Value> {
    const collection = await this.collection(name)
    try {
      return await task(collection)
    } catch (error) {
      if (!isWindlassError(error, 'not-found') || !(await collection.isEnded())) throw error
      return task(await this.collection(name))
    }
  }

  /**
   * The collection that has `id`, whatever its name is now; what took its place, where it was restored.
   * @throws {WindlassError} `not-found` when it never was, or was dropped.
   */
  async byId(id: string): Promise<EngineCollection> {
    const known = this.#byId.get(id)
    if (known && !(await known.isEnded())) return known
    this.#byId.delete(id)
    if (!(await findManifest(this.context.store, dataPrefix(id)))) throw noSuchId(id)
    const { name, ended } = await this.#collection('', id).core.open()
    if (ended?.kind === 'moved') return this.byId(ended.to)
    const collection = ended ? null : await this.current(name)
    if (collection?.id !== id) throw noSuchId(id)
    return collection
  }

  /**
   * Gives a collection another name: the new name is taken, the log says so, the old name is let go. Whoever dies in between leaves both
   * names standing for it; renaming it again ends that.
   * @throws {WindlassError} `conflict` when `to` is taken, `not-found`.
   */
  async rename(from: string, to: string): Promise<EngineCollection> {
    const collection = await this.current(from)
    if (from === to) return collection
    if (!(await this.catalog.claim(to, collection.id))) throw new WindlassError('not-found', `${this.context.store.url} has no collection ${JSON.stringify(from)} any more`, { path: 'collection' })
    await collection.rename(to).catch(async (error: unknown) => {
      // Dropped or restored meanwhile: the new name would stand for what is about to be removed.
      if (isWindlassError(error, 'not-found')) await this.catalog.release(to, collection.id)
      throw error
    })
    await this.catalog.release(from, collection.id)
    this.#open.delete(from)
    // One collection has one writer in a process (docs/protocol.md, B3).
    return this.#keep(to, Promise.resolve(collection))
  }

  /** @throws {WindlassError} `not-found`. */
  async drop(name: string): Promise<void> {
    for (;;) {
      const collection = await this.current(name)
      await collection.drop()
      const { ended } = await collection.core.open()
      if (ended?.kind === 'dropped') return this.catalog.drop(name, collection.id)
      // Restored meanwhile by another: what took its place is what the name stands for.
    }
  }

  /**
   * Makes collection `to` as `from` is now, or was at a snapshot. The two share what they have in common, and go their own ways.
   * @throws {WindlassError} `conflict` when `to` is taken, `not-found` for a missing collection or snapshot.
   */
  async branch(from: string, to: string, { snapshot }: { snapshot?: string } = {}): Promise<EngineCollection> {
    if (await this.catalog.find(to)) throw new WindlassError('conflict', `collection ${JSON.stringify(to)} already exists`, { path: 'name' })
    for (let attempt = 1; attempt <= 3; attempt++) {
      const id = await this.with(from, async ({ core }) => {
        await core.read()
        return makeBranch(core, this.catalog, to, snapshot === undefined ? {} : { snapshot })
      })
      if (await this.catalog.claim(to, id)) return this.#adopt(to, id)
    }
    throw new WindlassError('unavailable', `making ${JSON.stringify(to)} took longer than a quarter of the grace period, three times: try again`, { path: 'name', retryAfterMs: 1000 })
  }

  /**
   * Makes `name` what it was at a snapshot. Snapshots stay, also newer ones; whatever was written since is not in it any more.
   * The name gets a new id: whoever writes to the old one meets its end in the log, and goes on with the new one.
   * @throws {WindlassError} `not-found`; `conflict` when it was dropped or restored by another meanwhile.
   */
  async restore(name: string, snapshot: string): Promise<EngineCollection> {
    const collection = await this.current(name)
    const isOvertaken = () => new WindlassError('conflict', `collection ${JSON.stringify(name)} was dropped or restored by another meanwhile: look at it, and try again`, { path: 'name' })
    const id = await makeBranch(collection.core, this.catalog, name, { snapshot, isRestore: true }).catch(async (error: unknown) => {
      throw isWindlassError(error, 'not-found') && (await collection.isEnded()) ? isOvertaken() : error
    })
    const child = collection.core.sibling(id)
    await collection.moveTo(id, (seq) => noteRestore(child, collection.core, seq))
    const { ended } = await collection.core.open()
    if (ended?.kind !== 'moved' || ended.to !== id) throw isOvertaken()
    await this.#finishMove(name, collection.id, id)
    return this.collection(name)
  }

  /**
   * Puts right what is damaged of a collection, as far as copies, snapshots and the log reach; names the rest. Nobody should write to
   * it meanwhile, though nothing breaks if somebody does.
   * @throws {WindlassError} `not-found`.
   */
  async repair(name: string): Promise<RepairReport> {
    const id = await this.catalog.find(name)
    if (id === null) throw new WindlassError('not-found', `${this.context.store.url} has no collection ${JSON.stringify(name)}`, { path: 'collection' })
    this.#open.delete(name)
    return repair(new CollectionCore(this.context, id))
  }

  /** Removes what dropped collections left, and finishes what dead processes began: one visit. It happens by itself beside other sweeps. */
  async sweepTrash(): Promise<TrashReport> {
    return sweepTrash(this.context, this.catalog)
  }

  /** Collections that this process has open. */
  async openCollections(): Promise<EngineCollection[]> {
    const settled = await Promise.allSettled(this.#open.values())
    return settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  }

  /**
   * Finishes writes and flushes in progress. The store stays open: it belongs to the caller.
   * @throws the first failure, after all collections were closed: nothing that was acknowledged is lost by it.
   */
  async close(): Promise<void> {
    const failures: unknown[] = []
    for (const collection of await this.openCollections()) await collection.close().catch((error: unknown) => failures.push(error))
    this.#open.clear()
    this.#byId.clear()
    if (failures.length > 0) throw failures[0]
  }

  /** What `name` stands for now: others may have dropped, renamed or restored what this process has open. */
  current(name: string): Promise<EngineCollection> {
    return this.with(name, async (collection) => {
      await collection.core.read()
      return collection
    })
  }

  #keep(name: string, opening: Promise<EngineCollection>): Promise<EngineCollection> {
    this.#open.set(name, opening)
    opening.then(
      (collection) => this.#open.get(name) === opening && this.#byId.set(collection.id, collection),
      () => this.#open.get(name) === opening && this.#open.delete(name),
    )
    return opening
  }

  async #find(name: string): Promise<EngineCollection> {
    for (let id = await this.catalog.find(name); id !== null; id = await this.catalog.find(name)) {
      // Renamed by another process, it may be open here under its old name.
      const collection = this.#byId.get(id) ?? this.#collection(name, id)
      const view = await collection.core.open().catch(async (error: unknown) => {
        // Dropped and removed since the name was looked up, if this process slept.
        if (!isWindlassError(error, 'corrupt') || (await this.catalog.find(name)) === id) throw error
        return null
      })
      if (!view) continue
      const { ended } = view
      if (!ended) return collection
      this.#byId.delete(id)
      // Whoever ended it did not get to the name: who meets that finishes it (docs/protocol.md, E3).
      if (ended.kind === 'moved') await this.#finishMove(name, id, ended.to)
      else await this.catalog.drop(name, id)
    }
    throw new WindlassError('not-found', `${this.context.store.url} has no collection ${JSON.stringify(name)}: create it first`, { path: 'collection' })
  }

  /** The log of `from` has ended with `moved`: the name follows, the old data goes, the new is no trash. */
  async #finishMove(name: string, from: string, to: string): Promise<void> {
    // Marked while the name still tells what it is: nobody else would ever look after it.
    await this.catalog.markDropped(from, name)
    await inheritSnapshots(new CollectionCore(this.context, to), new CollectionCore(this.context, from))
    if (await this.catalog.move(name, from, to)) await this.catalog.unmark(to)
  }

  #collection(name: string, id: string): EngineCollection {
    return new EngineCollection(name, new CollectionCore(this.context, id))
  }
}

function noSuchId(id: string): WindlassError {
  return new WindlassError('not-found', `no collection has id ${JSON.stringify(id)}`, { path: 'collection' })
}
