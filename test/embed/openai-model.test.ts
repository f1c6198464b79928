// The model against the double of OpenAI's API, whose answers the official client reads (test/doubles/openai/double.test.ts).
import { afterEach, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { WindlassError } from '../../src/base/errors.ts'
import { createOpenAiModel, type OpenAiModelOptions } from '../../src/embed/openai-model.ts'
import { startOpenAiDouble, type OpenAiDouble, type OpenAiDoubleOptions } from '../doubles/openai/double.ts'
import { embedWords } from '../doubles/openai/embeddings.ts'
import { fastClock } from '../doubles/openai/fast-clock.ts'
import { wordsOf } from '../doubles/openai/search.ts'

let double: OpenAiDouble
afterEach(() => double.close())

// Waits of the model and limits of the double pass a hundred times as fast.
const clock = fastClock(100)
async function start(options: OpenAiDoubleOptions = {}, more: Partial<OpenAiModelOptions> = {}) {
  double = await startOpenAiDouble({ ...options, clock })
  return createOpenAiModel({ model: 'text-embedding-3-small', dimension: 64, baseUrl: double.url, apiKey: double.key, clock, random: seededRandom(1), ...more })
}
const texts = (count: number) => Array.from({ length: count }, (_, i) => `text number ${i} of the windlass and its anchor`)
const expectAll = (inputs: readonly string[], vectors: readonly Float32Array[]) =>
  inputs.forEach((text, i) => embedWords(wordsOf(text), 64).forEach((value, j) => expect(vectors[i]![j]).toBeCloseTo(value, 5)))
const statuses = (status: number) => double.state.journal.filter((request) => request.status === status).length

test('every vector is that of its text, whatever goes wrong on the way', async () => {
  const model = await start({}, { batchTexts: 10 })
  double.faults.scatter(seededRandom(5), { status: 0.1, cut: 0.1, lost: 0.1, 'lost-status': 0.1 })
  const inputs = texts(300)
  expectAll(inputs, await model.embed(inputs))
  expect(model.usage().texts).toBe(300)
  expect(model.usage().retries).toBeGreaterThan(5)
})

test('limits that the headers tell are kept before the server has to refuse', async () => {
  const model = await start({ requestsPerMinute: 60, tokensPerMinute: 4000 }, { batchTexts: 10 })
  const inputs = texts(600)
  // 600 texts of 11 or 12 tokens as the double counts them: 2,600 more than are there at first.
  expectAll(inputs, await model.embed(inputs))
  expect(model.usage().texts).toBe(600)
  // Those that were on their way before the first answer told of limits, and a few that a wrong estimate let go too soon.
  expect(statuses(429)).toBeLessThan(20)
})

test('a text that is too long is found among others', async () => {
  const model = await start({ embeddingLimits: { inputTokensMax: 50 } })
  const inputs = [...texts(20), 'x'.repeat(400), ...texts(20)]
  const outcomes = await model.embedEach(inputs)
  expect(outcomes.map((outcome) => outcome instanceof WindlassError && outcome.kind)).toEqual(inputs.map((_, i) => i === 20 && 'too-large'))
})

test('a request with too many tokens is halved', async () => {
  const model = await start({ embeddingLimits: { tokensMax: 200 } })
  const inputs = texts(100)
  expectAll(inputs, await model.embed(inputs))
})
