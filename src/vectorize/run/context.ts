import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import type { EmbeddingModel } from '../../embed/embedding-model.ts'
import type { EngineCollection } from '../../engine/collection.ts'
import type { StoreSettings } from '../../store/open-store.ts'

/** A collection by name, whatever it is made again as. */
export interface CollectionDoor {
  readonly name: string
  run<Value>(task: (collection: EngineCollection) => Promise<Value>): Promise<Value>
}

/** What vectorizers are given by whoever opened the bucket. */
export interface VectorizeContext {
  readonly clock: Clock
  readonly random: Random
  /** Where secrets and endpoints are read from, by name. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Where relative paths of a declaration start. */
  readonly folder: string
  /** How S3 sources without credentials of their own are reached. */
  readonly storeSettings: StoreSettings
  /** This process, so that others on the same machine can see that it is gone. */
  readonly process: { readonly host: string; readonly id: number; isAlive(id: number): boolean }
  /** Makes the collection if there is none. */
  collection(name: string, options?: { dimension?: number }): Promise<CollectionDoor>
  /** The collection, as far as there is one: for who only looks, and perhaps may not write. */
  knownCollection(name: string): Promise<CollectionDoor | null>
  /** The built-in model. */
  loadStaticModel(): Promise<EmbeddingModel>
}
