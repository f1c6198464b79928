import { describe, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { testDestination } from '../../src/testing/destination-conformance.ts'
import { OpenAiDestination } from '../../src/vectorize/destinations/openai/openai-destination.ts'
import { readAttributes } from '../../src/vectorize/destinations/openai/attributes.ts'
import { startOpenAiDouble } from '../doubles/openai/double.ts'
import { fastClock } from '../doubles/openai/fast-clock.ts'

/** Batches, polls and backing off take their time; here a minute takes 600 ms. */
const timesAsFast = 100

for (const [name, options] of [['one by one', { batchFilesMax: 1 }], ['in batches', {}], ['in parts', { partBytes: 7 }]] as const) {
  describe(`OpenAiDestination, ${name}`, () => {
    testDestination(test, async () => {
      const clock = fastClock(timesAsFast)
      const double = await startOpenAiDouble({ clock, processingMs: 500 })
      let opened = 0
      return {
        open: async (vectorizer = 'conformance') => new OpenAiDestination({ vectorizer, vectorStore: 'docs', apiKey: double.key, baseUrl: double.url, clock, random: seededRandom(++opened), attemptsMax: 12, ...options }),
        contents: async (path) => {
          const entries = [...double.state.stores.values()].flatMap((store) => [...store.entries.values()])
          const found = entries.filter((entry) => readAttributes(entry.attributes)?.path === path && double.state.statusOf(entry) === 'completed')
          // Leaves others their turn: a watcher asks again and again.
          await clock.sleep(100)
          return found.map((entry) => entry.chunks.join(''))
        },
        loseAnswers: () => double.faults.repeat(3, /^(POST|DELETE) /, { kind: 'lost' }),
        close: () => double.close(),
      }
    })
  })
}
