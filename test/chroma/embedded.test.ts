// The client of Chroma's shape, without a server.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { ChromaClient, ChromaError } from '../../src/api/chroma/index.ts'
import { open } from '../../src/index.ts'
import { IdentifiedCollection } from '../../src/library/identified-collection.ts'
import type { Bucket } from '../../src/library/types.ts'

let bucket: Bucket
let client: ChromaClient
beforeAll(async () => {
  bucket = await open('memory:')
  client = new ChromaClient({ bucket, allowReset: true })
})
beforeEach(() => client.reset())
afterAll(() => bucket.close())
const letters = { generate: async (texts: string[]) => texts.map((text) => [text.length, text.charCodeAt(0) || 0]) }

test('records come and go as through the server', async () => {
  const ships = await client.createCollection({ name: 'ships', metadata: { a: 1 }, configuration: { hnsw: { space: 'cosine' } } })
  await ships.add({ ids: ['a', 'b', 'c'], embeddings: [[1, 0], Float32Array.of(0, 1), [1, 1]], documents: ['one mast', 'two masts', null], metadatas: [{ n: 1, half: 0.5 }, { n: 2, list: ['x'] }, null] })
  await ships.upsert({ ids: ['b'], embeddings: [[0, 2]], metadatas: [{ more: true }] })
  await ships.update({ ids: ['a'], metadatas: [{ half: null }] })
  expect(await ships.get({ include: ['documents', 'metadatas', 'embeddings'] })).toMatchObject({ ids: ['a', 'b', 'c'], documents: ['one mast', 'two masts', null], metadatas: [{ n: 1 }, { n: 2, list: ['x'], more: true }, null], embeddings: [[1, 0], [0, 2], [1, 1]] })
  const found = await ships.query({ queryEmbeddings: [[1, 0]], nResults: 2, where: { n: { $gte: 1 } }, whereDocument: { $contains: 'mast' } })
  expect(found).toMatchObject({ ids: [['a', 'b']], distances: [[0, 1]] })
  expect(await ships.delete({ where: { n: 2 } })).toBe(1)
  expect([await ships.count(), (await ships.peek({ limit: 1 })).ids]).toEqual([2, ['a']])
})

test('documents are embedded by the function that is given', async () => {
  const ships = await client.getOrCreateCollection({ name: 'ships', embeddingFunction: letters })
  await ships.add({ ids: ['a', 'b'], documents: ['aa', 'bbbb'] })
  expect((await ships.query({ queryTexts: ['ab'], nResults: 1 })).ids).toEqual([['a']])
  const bare = await client.getCollection({ name: 'ships' })
  await expect(bare.add({ ids: ['c'], documents: ['x'] })).rejects.toThrow(/without an embedding function/)
})

test('collections are listed, renamed, forked, dropped; errors are those of the server', async () => {
  const ships = await client.createCollection({ name: 'ships' })
  await ships.add({ ids: ['a'], embeddings: [[1]] })
  await ships.modify({ name: 'boats', metadata: { b: 2 } })
  const fork = await ships.fork({ name: 'fork' })
  expect(await fork.count()).toBe(1)
  expect((await client.listCollections()).map(({ name, metadata }) => [name, metadata])).toEqual([['boats', { b: 2 }], ['fork', { b: 2 }]])
  expect(await ships.search({ rank: { $knn: { query: [1] } }, select: { keys: ['#score'] } })).toMatchObject({ ids: [['a']], scores: [[0]] })
  await client.deleteCollection({ name: 'boats' })
  const missing = await ships.count().catch((error: unknown) => error)
  expect(missing).toBeInstanceOf(ChromaError)
  expect(missing).toMatchObject({ status: 404, error: 'NotFoundError' })
  await expect(client.createCollection({ name: 'fork' })).rejects.toMatchObject({ status: 409 })
  await expect(new ChromaClient({ bucket }).reset()).rejects.toMatchObject({ status: 403 })
  await client.createDatabase('prod')
  const prod = new ChromaClient({ bucket, database: 'prod' })
  await prod.createCollection({ name: 'ships' })
  expect([await prod.countCollections(), await client.countCollections()]).toEqual([1, 1])
})

test('a delete by condition takes nothing that stopped to match before it came', async () => {
  const ships = await client.createCollection({ name: 'ships' })
  await ships.add({ ids: ['a', 'b'], embeddings: [[1], [2]], metadatas: [{ old: true }, { old: true }] })
  const { write } = IdentifiedCollection.prototype
  // Somebody is faster: between the look and the delete.
  IdentifiedCollection.prototype.write = async function (batch, options) {
    IdentifiedCollection.prototype.write = write
    await ships.update({ ids: ['a'], metadatas: [{ old: false }] })
    return write.call(this, batch, options)
  }
  try {
    expect(await ships.delete({ where: { old: true } })).toBe(1)
  } finally {
    IdentifiedCollection.prototype.write = write
  }
  expect((await ships.get()).ids).toEqual(['a'])
})
