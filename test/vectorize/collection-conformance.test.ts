import { describe, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { isWindlassError } from '../../src/base/errors.ts'
import { systemRandom } from '../../src/base/random.ts'
import type { Database } from '../../src/engine/database.ts'
import { parseFilter } from '../../src/engine/query/filter.ts'
import { newDatabase, schema } from '../../src/engine/testing.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { testDestination } from '../../src/testing/destination-conformance.ts'
import { CollectionDestination } from '../../src/vectorize/destinations/collection-destination.ts'
import type { VectorizeContext } from '../../src/vectorize/run/context.ts'

/** As a vectorizer is given it, in a process of its own: each has its database on the one store. */
function contextOf(database: Database): VectorizeContext {
  return {
    clock: systemClock,
    random: systemRandom,
    environment: {},
    folder: '.',
    storeSettings: {},
    process: { host: 'here', id: 1, isAlive: () => true },
    loadStaticModel: () => Promise.reject(new Error('no model is needed')),
    knownCollection: async () => null,
    collection: async (name, { dimension = null } = {}) => {
      await database.create(name, schema({ dimension })).catch((error: unknown) => {
        if (!isWindlassError(error, 'conflict')) throw error
      })
      return { name, run: (task) => database.with(name, task) }
    },
  }
}

describe('CollectionDestination', () => {
  testDestination(test, async () => {
    const store = new MemoryStore()
    const databases: Database[] = []
    const openDatabase = () => {
      const database = newDatabase(store)
      databases.push(database)
      return database
    }
    const reader = openDatabase()
    return {
      open: async (vectorizer = 'conformance') => Promise.resolve(new CollectionDestination('docs', vectorizer, contextOf(openDatabase()))),
      contents: async (path) => {
        const all: { chunk: number; text: string }[] = []
        // One list is of one moment only while it fits a page: what is watched while it changes does.
        for (let after: string | undefined; ; ) {
          const { rows, next } = await reader.with('docs', (collection) => collection.list({ filter: parseFilter({ source: path }), limit: 1000, include: { metadata: true, document: true }, ...(after !== undefined && { after }) }))
          for (const row of rows) all.push({ chunk: Number(row.metadata!.chunk), text: row.document! })
          if (next === undefined) break
          after = next
        }
        return all.sort((a, b) => a.chunk - b.chunk).map(({ text }) => text)
      },
      close: async () => {
        for (const database of databases) await database.close()
      },
    }
  })
})
