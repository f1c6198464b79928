import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { DestinationPlace } from '../../src/testing/destination-conformance.ts'
import { conformanceDimension } from '../../src/testing/destination-conformance.ts'
import type { DestinationInput } from '../../src/vectorize/declaration/declaration.ts'
import { destinationSchema } from '../../src/vectorize/declaration/declaration.ts'
import { isSearchable, type SearchableDestination } from '../../src/vectorize/destinations/destination.ts'
import { openDestination } from '../../src/vectorize/destinations/open-destination.ts'
import type { VectorizeContext } from '../../src/vectorize/run/context.ts'
import { fastClock } from '../doubles/openai/fast-clock.ts'

/** Backing off takes its time; here a second takes 10 ms. */
const clock = fastClock(100)
let opened = 0

/** What destinations are given, without a bucket behind it. */
export function contextOf(environment: Readonly<Record<string, string>> = {}): VectorizeContext {
  const none = () => Promise.reject(new Error('no bucket here'))
  return { clock, random: seededRandom(++opened), environment, folder: '.', storeSettings: {}, process: { host: 'test', id: 1, isAlive: () => true }, collection: none, knownCollection: none, loadStaticModel: none }
}

/** A destination as a declaration names it. */
export async function openSearchable(input: DestinationInput, vectorizer = 'conformance', environment: Readonly<Record<string, string>> = {}): Promise<SearchableDestination> {
  const destination = await openDestination(destinationSchema.parse(input), vectorizer, contextOf(environment))
  if (!isSearchable(destination)) throw new Error(`${destination.name} cannot be searched`)
  return destination
}

/** The place of a conformance test whose contents are what a search for the path finds. */
export function searchedPlace(open: (vectorizer?: string) => Promise<SearchableDestination>, more: Pick<DestinationPlace, 'loseAnswers' | 'close'>): DestinationPlace {
  const asked = new Map<string, SearchableDestination>()
  const prepared = async (vectorizer: string) => {
    const destination = asked.get(vectorizer) ?? (await open(vectorizer))
    if (!asked.has(vectorizer)) {
      asked.set(vectorizer, destination)
      await destination.prepare({ dimension: conformanceDimension, model: 'conformance' })
    }
    return destination
  }
  const contentsOf = async (vectorizer: string, path: string) => {
    const destination = await prepared(vectorizer)
    const matches = await destination.search({ vector: question, k: 1500, filter: { op: 'eq', key: 'source', value: path } })
    // Leaves others their turn: a watcher asks again and again.
    await systemClock.sleep(1)
    return matches.sort((a, b) => a.place.index - b.place.index).map(({ text }) => text)
  }
  return {
    ...more,
    open,
    contents: async (path) => {
      const mine = await contentsOf('conformance', path)
      return mine.length > 0 ? mine : contentsOf('other', path)
    },
    close: async () => {
      for (const destination of asked.values()) await destination.close?.()
      await more.close?.()
    },
  }
}

const question = Float32Array.from({ length: conformanceDimension }, (_, i) => Math.cos(i))
