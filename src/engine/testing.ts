import { systemClock, type Clock } from '../base/clock.ts'
import { systemRandom, type Random } from '../base/random.ts'
import type { CollectionSchema } from '../format/manifest.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { createAnalyzerById, analyzerIdOf } from '../text/analyzer.ts'
import type { EngineSettings } from './core.ts'
import { Database } from './database.ts'

/** A database as one process has it: two on one store are two processes. For tests. */
export function newDatabase(store: ObjectStore, options: { clock?: Clock; random?: Random; settings?: Partial<EngineSettings> } = {}): Database {
  const { clock = systemClock, random = systemRandom } = options
  const settings = { manifestIntervalMs: 0, ...options.settings }
  return new Database({ store, clock, random, analyzerFor: createAnalyzerById, settings })
}

/** A schema with the defaults of tests: cosine, no dimension yet, English text. */
export function schema(changes: Partial<CollectionSchema> = {}): CollectionSchema {
  return {
    dimension: null,
    metric: 'cosine',
    embeddingModel: null,
    textFields: [{ field: 'document', analyzer: analyzerIdOf('english') }],
    nonFilterableKeys: [],
    custom: {},
    ...changes,
  }
}
