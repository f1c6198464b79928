import { hostname } from 'node:os'
import { utf8Length } from '../base/bytes.ts'
import { isWindlassError, messageOf, WindlassError } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import type { CollectionSchema } from '../format/manifest.ts'
import type { CountingStore } from '../store/counting-store.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { proveConditionalWrites } from '../store/prove-conditional-writes.ts'
import { Namespaces } from '../engine/namespaces.ts'
import { loadStaticModel } from '../embed/load-static-model.ts'
import type { VectorizerInput } from '../vectorize/declaration/declaration.ts'
import type { EngineDocuments } from '../vectorize/engine-documents.ts'
import type { VectorizeContext } from '../vectorize/run/context.ts'
import { statePrefix, Vectorizer } from '../vectorize/vectorizer.ts'
import type { AudioHandle, AudioOptions } from './audio-handle.ts'
import { CollectionHandle, toTextFields, type LibraryContext } from './collection-handle.ts'
import { expectNoCopy } from './copy-under-way.ts'
import { IdentifiedCollection } from './identified-collection.ts'
import { MapMaker } from './map/map-maker.ts'
import type { Bucket, Collection, CollectionOptions, CollectionSummary, DocumentCollection, Health, HealthCheck, Problem, StorageReport } from './types.ts'

/** Collections whose names start so keep the named voices of recordings. */
export const voicesPrefix = '.audio.voices.'
/** Names of collections in another engine that are kept open. */
const enginesMax = 200
const objectsListedMax = 100_000

/** A bucket and everything in it, opened in this process. */
export class BucketHandle implements Bucket {
  readonly url: string
  readonly namespaces: Namespaces
  readonly maps: MapMaker
  readonly #store: ObjectStore
  readonly #counting: CountingStore
  readonly #context: LibraryContext
  readonly #engines = new Map<string, Promise<EngineDocuments>>()

  constructor(store: ObjectStore, counting: CountingStore, context: LibraryContext) {
    this.url = store.url
    this.#store = store
    this.#counting = counting
    this.#context = context
    this.namespaces = new Namespaces(context.database.context)
    this.maps = new MapMaker(store, context.clock)
  }

  async createCollection(name: string, options: CollectionOptions = {}): Promise<Collection> {
    const { database, clock, random } = this.#context
    await Promise.all([proveConditionalWrites(this.#store, { clock, random }), expectNoCopy(this.#store)])
    const { id } = await database.create(name, toSchema(options))
    return new CollectionHandle(name, id, this.#context)
  }

  async collection(name: string): Promise<Collection> {
    const { id } = await this.#context.database.collection(name)
    return new CollectionHandle(name, id, this.#context)
  }

  async getOrCreateCollection(name: string, options: CollectionOptions = {}): Promise<Collection> {
    try {
      return await this.collection(name)
    } catch (error) {
      if (!isWindlassError(error, 'not-found')) throw error
    }
    try {
      return await this.createCollection(name, options)
    } catch (error) {
      if (!isWindlassError(error, 'conflict')) throw error
      return this.collection(name).catch((missing: unknown) => {
        // It is not there: something else is in the way of making it.
        throw isWindlassError(missing, 'not-found') ? error : missing
      })
    }
  }

  async documents(name: string): Promise<DocumentCollection> {
    const { documentEngine, loadModel, clock } = this.#context
    if (!documentEngine) return this.collection(name)
    if (utf8Length(name) > limits.collectionNameBytesMax) throw new WindlassError('invalid', `the name of a collection has ${utf8Length(name)} bytes, at most ${limits.collectionNameBytesMax} are allowed`, { path: 'name' })
    const known = this.#engines.get(name)
    if (known) return known
    // Names are a caller's: the oldest makes room.
    if (this.#engines.size >= enginesMax) this.#engines.delete(this.#engines.keys().next().value!)
    // Loaded on demand: most buckets are their own engine.
    const { openEngine } = await import('./open-engine.ts')
    const opened = openEngine(name, documentEngine, this.#vectorizeContext(documentEngine.environment), { loadModel, clock })
    this.#engines.set(name, opened)
    // One that could not be opened is tried again next time.
    opened.catch(() => this.#engines.delete(name))
    return opened
  }

  async listCollections(options: { prefix?: string; after?: string; limit?: number } = {}): Promise<{ collections: CollectionSummary[]; next?: string }> {
    const { names, next } = await this.#context.database.catalog.list(options)
    const found = await Promise.all(names.map(async (name) => ({ name, id: await this.#context.database.catalog.find(name) })))
    // A name dropped between the listing and the look is simply not there any more; what vectorizers remember, and voices, are no collections to the outside.
    const collections = found.flatMap(({ name, id }) => (id === null || name.startsWith(statePrefix) || name.startsWith(voicesPrefix) ? [] : [{ name, id }]))
    return { collections, ...(next !== undefined && { next }) }
  }

  async dropCollection(name: string): Promise<void> {
    const known = await this.#context.database.collection(name).catch(() => null)
    await this.#context.database.drop(name)
    // One that stays is found when the next map is made.
    if (known) await this.maps.remove(known.id).catch(() => undefined)
  }

  async collectionById(id: string): Promise<IdentifiedCollection> {
    return new IdentifiedCollection(await this.#context.database.byId(id))
  }

  async identifyCollection(name: string): Promise<IdentifiedCollection> {
    return new IdentifiedCollection(await this.#context.database.current(name))
  }

  async renameCollection(from: string, to: string): Promise<void> {
    await this.#context.database.rename(from, to)
  }

  async branchCollection(from: string, to: string, options: { snapshot?: string } = {}): Promise<Collection> {
    const { id } = await this.#context.database.branch(from, to, options)
    return new CollectionHandle(to, id, this.#context)
  }

  async restoreCollection(name: string, snapshot: string): Promise<Collection> {
    const { id } = await this.#context.database.restore(name, snapshot)
    return new CollectionHandle(name, id, this.#context)
  }

  async health(): Promise<Health> {
    const { database, clock, random } = this.#context
    const checks: HealthCheck[] = []
    checks.push(
      await check('bucket', async () => {
        await this.#store.get('catalog/-health-', { fresh: true })
        return 'reachable'
      }),
      await check('conditional writes', () => proveConditionalWrites(this.#store, { clock, random }).then(() => 'hold')),
    )
    for (const collection of await database.openCollections()) {
      const { maintenanceError } = collection.core
      const found = {
        collection: collection.name,
        ...(await check(`collection ${collection.name}`, async () => {
          const { unflushedCommits, logSequence } = await collection.stats()
          if (maintenanceError !== null) throw new Error(`last maintenance failed: ${maintenanceError}`)
          return `log ${logSequence}, ${unflushedCommits} commits unflushed`
        })),
      }
      // That somebody dropped it is no trouble, and stays so for as long as this process has it open.
      if (!found.detail.endsWith(' was dropped')) checks.push(found)
    }
    return { ok: checks.every(({ ok }) => ok), bucket: this.url, checks }
  }

  async storage(name: string, options: { signal?: AbortSignal } = {}): Promise<StorageReport> {
    const { id } = await this.#context.database.collection(name)
    const prefix = `data/${id}/`
    const kinds: Record<string, { objectCount: number; sizeBytes: number }> = {}
    let objectCount = 0
    let sizeBytes = 0
    for await (const { key, size } of this.#store.list(prefix, options)) {
      if (objectCount === objectsListedMax) return { kinds, objectCount, sizeBytes, isComplete: false }
      const kind = (kinds[key.slice(prefix.length).split('/')[0]!] ??= { objectCount: 0, sizeBytes: 0 })
      kind.objectCount++
      kind.sizeBytes += size
      objectCount++
      sizeBytes += size
    }
    return { kinds, objectCount, sizeBytes, isComplete: true }
  }

  async verify(name: string): Promise<{ objectCount: number; sizeBytes: number; problems: Problem[]; notes: Problem[] }> {
    return this.#context.database.with(name, (collection) => collection.verify())
  }

  async repair(name: string): Promise<{ repaired: Problem[]; problems: Problem[] }> {
    const { repaired, problems } = await this.#context.database.repair(name)
    return { repaired: [...repaired], problems: [...problems] }
  }

  async audio(options: AudioOptions = {}): Promise<AudioHandle> {
    // Loaded on demand: most buckets hold no recordings.
    const { openAudio } = await import('./audio-handle.ts')
    return openAudio(this, this.#store, this.#context, options)
  }

  vectorizer(declaration: VectorizerInput, { environment, folder }: { environment?: Readonly<Record<string, string | undefined>>; folder?: string } = {}): Vectorizer {
    return new Vectorizer(declaration, this.#vectorizeContext(environment, folder))
  }

  liveRecall(): ReturnType<Bucket['liveRecall']> {
    return this.#context.database.context.liveRecall.counts()
  }

  requestCounts(): ReturnType<Bucket['requestCounts']> {
    return this.#counting.counts()
  }

  async close(): Promise<void> {
    await this.maps.close()
    for (const engine of await Promise.allSettled(this.#engines.values())) if (engine.status === 'fulfilled') await engine.value.close()
    await this.#context.database.close()
    await this.#store.close?.()
  }

  #vectorizeContext(environment: Readonly<Record<string, string | undefined>> = process.env, folder = '.'): VectorizeContext {
    const { database, clock, random, storeSettings } = this.#context
    return {
      clock,
      random,
      environment,
      folder,
      storeSettings,
      process: { host: hostname(), id: process.pid, isAlive },
      loadStaticModel,
      collection: async (name, options) => {
        await this.getOrCreateCollection(name, options)
        return { name, run: (task) => database.with(name, task) }
      },
      knownCollection: async (name) => {
        try {
          await this.collection(name)
        } catch (error) {
          if (isWindlassError(error, 'not-found')) return null
          throw error
        }
        return { name, run: (task) => database.with(name, task) }
      },
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // It is there, and somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function check(name: string, task: () => Promise<string>): Promise<HealthCheck> {
  try {
    return { name, ok: true, detail: await task() }
  } catch (error) {
    return { name, ok: false, detail: messageOf(error) }
  }
}

function toSchema({ dimension, metric = 'cosine', language = 'english', textFields = [], nonFilterableKeys = [], custom = {} }: CollectionOptions): CollectionSchema {
  return {
    dimension: dimension ?? null,
    metric,
    embeddingModel: null,
    textFields: toTextFields(textFields, language),
    nonFilterableKeys,
    custom,
  }
}
