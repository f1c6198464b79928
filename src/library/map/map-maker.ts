import type { Clock } from '../../base/clock.ts'
import { isWindlassError, messageOf, WindlassError } from '../../base/errors.ts'
import { chunksOf } from '../../base/groups.ts'
import { dataPrefix } from '../../format/catalog-entry.ts'
import { manifestKey } from '../../format/manifest.ts'
import type { ObjectStore } from '../../store/object-store.ts'
import { mapPointsMax } from '../../vector/projection/project.ts'
import type { Collection, CollectionStats } from '../types.ts'
import { FieldCollector } from './map-fields.ts'
import { decodeMap, encodeMap, mapKey, mapsPrefix, quantizePositions, type MapObject } from './map-object.ts'
import { changedShare, MapSample, type MapCandidate } from './map-sample.ts'
import { openProjector, type Projector } from './map-thread.ts'

/** What a run of a map is at. */
export interface MapRun {
  readonly state: 'waiting' | 'running'
  readonly part: 'waiting' | 'listing' | 'reading' | 'neighbors' | 'axes' | 'layout' | 'saving'
  /** Of this part, 0 to 1. */
  readonly done: number
}

/** The map of a collection, as far as there is one. */
export interface MapState {
  /** The map that is kept; null: none was made yet. */
  readonly map: MapObject | null
  /** Whether nothing was written since it was made. */
  readonly isCurrent: boolean
  readonly run: MapRun | null
  /** Why the last run of this process failed. */
  readonly error: string | null
}

/** What one start did. `unchanged`: the map that is kept is still good enough. */
export type MapOutcome = 'made' | 'unchanged' | 'cancelled' | 'failed'

/** A map is made anew when at least this share of its records has changed; sooner only on request. */
export const changedShareMin = 0.1

/** Names what made a map: a change that moves points gets another number. */
export const mapMethod = 'tsne-knn15-v1'

const rowsOfPage = 1000
const rowsReadAtOnce = 500
/** Runs that may wait for the one that goes on. */
const waitingMax = 20

interface Run {
  progress: MapRun
  readonly cancel: AbortController
  outcome: Promise<MapOutcome>
}

/** Makes maps of collections, one at a time, and keeps them in the bucket under `maps/`. */
export class MapMaker {
  readonly #store: ObjectStore
  readonly #clock: Clock
  readonly #runs = new Map<string, Run>()
  readonly #errors = new Map<string, string>()
  /** The map last read, and its etag: looked at again with every read. */
  #known: { readonly etag: string; readonly map: MapObject } | null = null
  #last: Promise<unknown> = Promise.resolve()

  constructor(store: ObjectStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  async state(collection: Collection): Promise<MapState> {
    const [{ logSequence }, map] = await Promise.all([collection.stats(), this.read(collection.id)])
    const run = this.#runs.get(collection.id)
    return { map, isCurrent: map !== null && map.logSequence === logSequence, run: run?.progress ?? null, error: this.#errors.get(collection.id) ?? null }
  }

  /** The map that is kept. One that is damaged, or of another version, is as good as none: it can be made again. */
  async read(collectionId: string): Promise<MapObject | null> {
    const key = mapKey(collectionId)
    const known = this.#known?.map.collectionId === collectionId ? this.#known : null
    const found = await this.#store.get(key, { fresh: true, ...(known && { ifNoneMatch: known.etag }) })
    if (found.kind === 'unchanged') return known!.map
    if (found.kind === 'absent') return null
    try {
      const map = decodeMap(found.bytes, key)
      if (map.collectionId !== collectionId) return null
      this.#known = { etag: found.etag, map }
      return map
    } catch (error) {
      if (isWindlassError(error, 'corrupt', 'unsupported')) return null
      throw error
    }
  }

  /**
   * Starts making a map, unless that is under way. @param options.force Also where less than `changedShareMin` has changed.
   * @returns What comes of it; it never rejects. @throws {WindlassError} `unavailable` where too many wait.
   */
  start(collection: Collection, { force = false }: { force?: boolean } = {}): Promise<MapOutcome> {
    const { id } = collection
    const going = this.#runs.get(id)
    if (going) return going.outcome
    if (this.#runs.size > waitingMax) throw new WindlassError('unavailable', `${this.#runs.size} maps are being made or wait, at most ${waitingMax + 1} may: try again later`)
    const run: Run = { progress: { state: 'waiting', part: 'waiting', done: 0 }, cancel: new AbortController(), outcome: Promise.resolve('failed') }
    this.#errors.delete(id)
    this.#runs.set(id, run)
    run.outcome = this.#last.then(() => this.#make(collection, run, force)).then(
      (outcome) => this.#end(id, outcome),
      (error: unknown) => {
        if (run.cancel.signal.aborted) return this.#end(id, 'cancelled')
        this.#errors.set(id, messageOf(error))
        return this.#end(id, 'failed')
      },
    )
    this.#last = run.outcome
    return run.outcome
  }

  /** Gives up the run of a collection, if one is going on or waits. */
  async cancel(collectionId: string): Promise<void> {
    const run = this.#runs.get(collectionId)
    run?.cancel.abort()
    await run?.outcome
  }

  /** Gives up the run of a collection, and forgets its map. */
  async remove(collectionId: string): Promise<void> {
    await this.cancel(collectionId)
    this.#errors.delete(collectionId)
    await this.#store.delete([mapKey(collectionId)])
  }

  /** Gives up all runs. */
  async close(): Promise<void> {
    await Promise.all([...this.#runs.keys()].map((id) => this.cancel(id)))
  }

  #end(id: string, outcome: MapOutcome): MapOutcome {
    this.#runs.delete(id)
    return outcome
  }

  async #make(collection: Collection, run: Run, force: boolean): Promise<MapOutcome> {
    const { signal } = run.cancel
    const at = (part: MapRun['part'], done: number) => {
      if (signal.aborted) throw new WindlassError('cancelled', 'the map was given up')
      run.progress = { state: 'running', part, done }
    }
    at('listing', 0)
    const stats = await collection.stats()
    const { sample, total } = await this.#list(collection, stats, (done) => at('listing', done), signal)
    const before = force ? null : await this.read(collection.id)
    if (before?.method === mapMethod && changedShare(sample, before) < changedShareMin) return 'unchanged'
    const { dimension, metric } = stats.schema
    const points = new Points(sample.length)
    let positions = new Float32Array()
    if (dimension !== null && sample.length > 0) {
      const projector = await openProjector({ dimension, countMax: sample.length, isCosine: metric !== 'euclidean' }, () => this.#clock.sleep(0))
      const stop = () => void projector.close()
      signal.addEventListener('abort', stop)
      try {
        await this.#read(collection, sample, projector, points, (done) => at('reading', done), signal)
        positions = Float32Array.from(await projector.project(({ part, done }) => at(part, done)))
      } finally {
        signal.removeEventListener('abort', stop)
        await projector.close()
      }
    }
    at('saving', 0)
    const map: MapObject = {
      collectionId: collection.id,
      logSequence: stats.logSequence,
      recordCount: total,
      vectorlessCount: sample.length - points.keys.length,
      madeAt: Math.round(this.#clock.now()),
      method: mapMethod,
      keys: points.keys,
      versions: points.versions,
      positions: quantizePositions(positions),
      fields: points.fields(),
    }
    await this.#store.put(mapKey(collection.id), encodeMap(map), { signal })
    await this.#removeStrays(collection.id)
    return 'made'
  }

  async #list(collection: Collection, { recordCount }: CollectionStats, onProgress: (done: number) => void, signal: AbortSignal): Promise<{ sample: MapCandidate[]; total: number }> {
    const sample = new MapSample(mapPointsMax)
    for (let after: string | undefined; ; ) {
      const page = await collection.list({ limit: rowsOfPage, include: {}, consistency: 'eventual', signal, ...(after !== undefined && { after }) })
      for (const { key, version } of page.rows) sample.add({ key, version })
      onProgress(Math.min(1, sample.count / Math.max(1, recordCount)))
      if (page.next === undefined) return { total: sample.count, sample: sample.take() }
      after = page.next
    }
  }

  async #read(collection: Collection, sample: readonly MapCandidate[], projector: Projector, points: Points, onProgress: (done: number) => void, signal: AbortSignal): Promise<void> {
    let read = 0
    for (const chunk of chunksOf(sample, rowsReadAtOnce)) {
      const rows = await collection.get(chunk.map(({ key }) => key), { include: { vector: true, metadata: true }, consistency: 'eventual', signal })
      const found = rows.filter((row) => row?.vector != null)
      if (found.length > 0) {
        const dimension = found[0]!.vector!.length
        const values = new Float32Array(found.length * dimension)
        found.forEach((row, i) => {
          values.set(row!.vector!, i * dimension)
          points.add(row!.key, row!.version, row!.metadata ?? {})
        })
        await projector.add(values)
      }
      onProgress((read += chunk.length) / sample.length)
    }
  }

  /** Maps of collections that are no more: dropped, or restored under another id. */
  async #removeStrays(own: string): Promise<void> {
    for await (const { key } of this.#store.list(mapsPrefix)) {
      const id = key.slice(mapsPrefix.length)
      if (id !== own && (await this.#store.head(dataPrefix(id) + manifestKey)) === null) await this.#store.delete([key])
    }
  }
}

/** What is known of the points that have a vector, in the order of their rows. */
class Points {
  readonly keys: string[] = []
  readonly versions: string[] = []
  readonly #fields: FieldCollector

  constructor(countMax: number) {
    this.#fields = new FieldCollector(countMax)
  }

  add(key: string, version: string, metadata: Parameters<FieldCollector['add']>[1]): void {
    this.#fields.add(this.keys.length, metadata)
    this.keys.push(key)
    this.versions.push(version)
  }

  fields(): MapObject['fields'] {
    return this.#fields.fields().map((field) => ({ ...field, codes: field.codes.slice(0, this.keys.length) }))
  }
}
