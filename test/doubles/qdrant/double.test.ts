// The double behind Qdrant's own client: what the client can say, the double understands, and answers in the client's types.
import { QdrantClient } from '@qdrant/js-client-rest'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startQdrantDouble, type QdrantDouble } from './double.ts'

let double: QdrantDouble
let client: QdrantClient
const ids = ['11111111-1111-5111-8111-111111111111', '22222222-2222-5222-8222-222222222222', '33333333-3333-5333-8333-333333333333'] as const

beforeAll(async () => {
  double = await startQdrantDouble({ apiKey: 'secret' })
  client = new QdrantClient({ url: double.url, apiKey: 'secret', checkCompatibility: false })
  await client.createCollection('docs', { vectors: { dense: { size: 3, distance: 'Cosine' } }, sparse_vectors: { words: { modifier: 'idf' } } })
  await client.createPayloadIndex('docs', { field_name: 'path', field_schema: 'keyword', wait: true })
  await client.upsert('docs', {
    wait: true,
    points: [
      { id: ids[0], vector: { dense: [1, 0, 0], words: { indices: [1, 2], values: [1, 1] } }, payload: { path: 'a', year: 2020, 'odd key': { deep: true }, tags: ['x', 'y'] } },
      { id: ids[1], vector: { dense: [0, 2, 0], words: { indices: [2], values: [2] } }, payload: { path: 'b', year: 2021.5, none: null } },
      { id: ids[2], vector: { words: { indices: [2, 3], values: [1, 1] } }, payload: { path: 'c' } },
    ],
  })
})
afterAll(() => double.close())

test('a collection is described, is there once, and is not there under another name', async () => {
  const { config, points_count: count } = await client.getCollection('docs')
  expect(config.params).toMatchObject({ vectors: { dense: { size: 3, distance: 'Cosine' } }, sparse_vectors: { words: { modifier: 'idf' } } })
  expect(count).toBe(3)
  await expect(client.createCollection('docs', { vectors: { size: 3, distance: 'Dot' } })).rejects.toMatchObject({ status: 409 })
  await expect(client.getCollection('others')).rejects.toMatchObject({ status: 404 })
  expect((await client.getCollections()).collections).toEqual([{ name: 'docs' }])
})

test('points come back by id, with what was asked for, and vectors of cosine normalized', async () => {
  const [point] = await client.retrieve('docs', { ids: [ids[1]], with_vector: ['dense'], with_payload: ['path'] })
  expect(point).toMatchObject({ id: ids[1], payload: { path: 'b' }, vector: { dense: [0, 1, 0] } })
  expect(await client.retrieve('docs', { ids: ['44444444-4444-5444-8444-444444444444'] })).toEqual([])
})

test('searches by vector give the nearest first, by words those with a word in common, rare words first', async () => {
  const near = await client.query('docs', { query: [1, 0.1, 0], using: 'dense', limit: 5, with_payload: true })
  expect(near.points.map(({ payload }) => payload!.path)).toEqual(['a', 'b'])
  expect(near.points[0]!.score).toBeCloseTo(1 / Math.hypot(1, 0.1), 5)
  const words = await client.query('docs', { query: { indices: [1, 2], values: [1, 1] }, using: 'words', limit: 5, with_payload: true })
  expect(words.points.map(({ payload }) => payload!.path)).toEqual(['a', 'b', 'c'])
  await expect(client.query('docs', { query: [1, 0], using: 'dense' })).rejects.toMatchObject({ status: 400 })
  await expect(client.query('docs', { query: [1, 0, 0], using: 'other' })).rejects.toMatchObject({ status: 400 })
})

test('filters look at keys, into objects and lists, and at what is not there', async () => {
  const paths = async (filter: Parameters<QdrantClient['scroll']>[1] extends infer Options ? (Options extends { filter?: infer Filter } ? Filter : never) : never) =>
    (await client.scroll('docs', { filter, with_payload: true })).points.map(({ payload }) => payload!.path)
  expect(await paths({ must: [{ key: 'path', match: { value: 'a' } }] })).toEqual(['a'])
  expect(await paths({ must: [{ key: '"odd key".deep', match: { value: true } }] })).toEqual(['a'])
  expect(await paths({ must: [{ key: 'tags', match: { value: 'y' } }] })).toEqual(['a'])
  expect(await paths({ must: [{ key: 'year', range: { gte: 2020, lt: 2021.5 } }] })).toEqual(['a'])
  expect(await paths({ must_not: [{ key: 'path', match: { any: ['a', 'b'] } }] })).toEqual(['c'])
  expect(await paths({ should: [{ key: 'path', match: { value: 'b' } }, { is_empty: { key: 'year' } }] })).toEqual(['b', 'c'])
  expect(await paths({ must: [{ is_empty: { key: 'none' } }] })).toEqual(['a', 'b', 'c'])
})

test('a scroll goes on where it stopped', async () => {
  const first = await client.scroll('docs', { limit: 2, with_payload: { exclude: ['tags'] } })
  expect(first.points.map(({ id }) => id)).toEqual([ids[0], ids[1]])
  expect(first.points[0]!.payload).not.toHaveProperty('tags')
  const second = await client.scroll('docs', { limit: 2, offset: first.next_page_offset! })
  expect(second.points.map(({ id }) => id)).toEqual([ids[2]])
  expect(second.next_page_offset).toBeNull()
})

test('points are deleted by id and by filter; what cannot be stored is refused', async () => {
  await client.delete('docs', { wait: true, points: [ids[0]] })
  await client.delete('docs', { wait: true, filter: { must: [{ key: 'path', match: { value: 'b' } }] } })
  expect((await client.count('docs')).count).toBe(1)
  await expect(client.upsert('docs', { wait: true, points: [{ id: 'a/b', vector: { dense: [1, 0, 0] } }] })).rejects.toMatchObject({ status: 400 })
  await expect(client.upsert('docs', { wait: true, points: [{ id: ids[0], vector: { dense: [1, 0] } }] })).rejects.toMatchObject({ status: 400 })
  await expect(new QdrantClient({ url: double.url, apiKey: 'wrong', checkCompatibility: false }).getCollections()).rejects.toMatchObject({ status: 401 })
})
