import type { Clock } from '../base/clock.ts'
import { isWindlassError, WindlassError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import type { CollectionSchema } from '../format/manifest.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { Catalog } from './catalog.ts'
import { EngineCollection } from './collection.ts'
import { CollectionCore, defaultEngineSettings, type EngineContext, type EngineSettings } from './core.ts'
import type { AnalyzerFor } from './memtable.ts'
import { SectionCache } from './section-cache.ts'

/** What the engine is given: a place for bytes, time, chance, analyzers. */
export interface EngineComponents {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
  readonly analyzerFor: AnalyzerFor
  readonly settings?: Partial<EngineSettings>
}

/** All collections of one bucket. Holds no state that the bucket does not have. */
export class Database {
  readonly context: EngineContext
  readonly catalog: Catalog
  readonly #open = new Map<string, Promise<EngineCollection>>()

  constructor({ store, clock, random, analyzerFor, settings }: EngineComponents) {
    const whole = { ...defaultEngineSettings, ...settings }
    this.context = { store, clock, random, settings: whole, analyzerFor, cache: new SectionCache(whole.memoryBudgetBytes) }
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
    // Somebody here may have found it first: one collection has one writer in a process (docs/protocol.md, B3).
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
      if (!(await collection.isEnded())) return collection
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

  /** @throws {WindlassError} `not-found`. */
  async drop(name: string): Promise<void> {
    const collection = await this.collection(name)
    await collection.drop()
    await this.catalog.drop(name, collection.id)
  }

  /** Collections that this process has open. */
  async openCollections(): Promise<EngineCollection[]> {
    const settled = await Promise.allSettled(this.#open.values())
    return settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  }

  /** Finishes writes and flushes in progress. The store stays open: it belongs to the caller. */
  async close(): Promise<void> {
    for (const collection of await this.openCollections()) await collection.close()
    this.#open.clear()
  }

  #keep(name: string, opening: Promise<EngineCollection>): Promise<EngineCollection> {
    this.#open.set(name, opening)
    opening.catch(() => this.#open.get(name) === opening && this.#open.delete(name))
    return opening
  }

  async #find(name: string): Promise<EngineCollection> {
    const id = await this.catalog.find(name)
    if (id !== null) {
      const collection = this.#collection(name, id)
      const { ended } = await collection.core.open()
      if (ended?.kind !== 'dropped') return collection
      // Whoever dropped it did not get to the name: who meets that finishes it (docs/protocol.md, E3).
      await this.catalog.drop(name, id)
    }
    throw new WindlassError('not-found', `${this.context.store.url} has no collection ${JSON.stringify(name)}: create it first`, { path: 'collection' })
  }

  #collection(name: string, id: string): EngineCollection {
    return new EngineCollection(name, new CollectionCore(this.context, id))
  }
}
