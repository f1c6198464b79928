import { expect, test } from 'vitest'
import { toUtf8 } from '../base/bytes.ts'
import { seededRandom } from '../base/random.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { usualFields } from './fields.ts'
import { LegacySource } from './legacy-source.ts'
import { searchLegacy } from './legacy-search.ts'

const random = seededRandom(3)
const vectors = Array.from({ length: 300 }, () => Array.from({ length: 6 }, () => Math.fround(random.next() - 0.5)))

async function oldBucket(): Promise<MemoryStore> {
  const store = new MemoryStore({ url: 's3://old' })
  for (const [i, vector] of vectors.entries()) await store.put(`vectors/${i}.json`, toUtf8(JSON.stringify({ id: `r${i}`, embedding: vector, text: `t${i}` })))
  await store.put('vectors/x.json', toUtf8('{'))
  await store.put('vectors/y.json', toUtf8('{"id":"short","embedding":[1]}'))
  await store.put('vectors/z.json', toUtf8(JSON.stringify({ id: 'r5', embedding: vectors[6] })))
  return store
}

const distances = {
  cosine: (a: readonly number[], b: readonly number[]) => 1 - sum(a.map((x, i) => x * b[i]!)) / Math.sqrt(sum(a.map((x) => x * x)) * sum(b.map((x) => x * x))),
  euclidean: (a: readonly number[], b: readonly number[]) => Math.sqrt(sum(a.map((x, i) => (x - b[i]!) ** 2))),
  dot: (a: readonly number[], b: readonly number[]) => -sum(a.map((x, i) => x * b[i]!)),
}

test.each(['cosine', 'euclidean', 'dot'] as const)('the nearest in the old layout are those that sorting all of it gives: %s', async (metric) => {
  const source = new LegacySource(await oldBucket(), { fields: usualFields, vectorsPrefix: 'vectors/', metric })
  const question = Float32Array.from(vectors[42]!, (value) => value + 0.01)
  const { matches, ...counts } = await searchLegacy(source, question, { k: 7, metric })
  expect(counts).toEqual({ scored: 300, passedOver: 1, unreadable: 1 })
  const expected = vectors.map((vector, i) => ({ key: `r${i}`, distance: distances[metric]([...question], vector) })).sort((a, b) => a.distance - b.distance).slice(0, 7)
  expect(matches.map(({ record }) => record.key)).toEqual(expected.map(({ key }) => key))
  matches.forEach(({ distance }, i) => expect(distance).toBeCloseTo(expected[i]!.distance, 6))
  expect(matches[0]!.record.document).toMatch(/^t\d+$/)
})

test('a search of more than it may read, or of vectors of another dimension, is refused with the remedy', async () => {
  const source = new LegacySource(await oldBucket(), { fields: usualFields, vectorsPrefix: 'vectors/', metric: 'cosine' })
  await expect(searchLegacy(source, Float32Array.from(vectors[0]!), { k: 3, metric: 'cosine', recordsMax: 299 })).rejects.toMatchObject({ kind: 'too-large', message: expect.stringContaining('windlass migrate') })
  await expect(searchLegacy(source, new Float32Array(384).fill(1), { k: 3, metric: 'cosine' })).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('EMBEDDING_MODEL') })
})

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
