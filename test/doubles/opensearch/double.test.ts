// The double behind OpenSearch's own client: what the client can say, the double understands.
import { Client } from '@opensearch-project/opensearch'
import { AwsSigv4Signer } from '@opensearch-project/opensearch/aws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { indexBody } from '../../../src/vectorize/destinations/opensearch/opensearch-index.ts'
import { startOpenSearchDouble, type OpenSearchDouble } from './double.ts'

let double: OpenSearchDouble
let client: Client
const documents = [
  { path: 'a', text: 'rope and winch', vector: [1, 0, 0], facts: [{ key: 'year', number: 2020 }, { key: 'tag', text: 'x' }] },
  { path: 'b', text: 'winch and winch', vector: [0, 1, 0], facts: [{ key: 'tag', text: 'xylem' }] },
  { path: 'c', text: 'bread', vector: [0, 0, 1], facts: [] },
]

beforeAll(async () => {
  double = await startOpenSearchDouble({ basic: { user: 'admin', password: 'secret' } })
  client = new Client({ node: double.url.replace('://', '://admin:secret@') })
  await client.indices.create({ index: 'docs', body: indexBody(3, false) })
  const body = documents.flatMap((document, i) => [{ index: { _index: 'docs', _id: String(i) } }, document])
  const { body: answer } = await client.bulk({ body, refresh: true })
  expect(answer.errors).toBe(false)
})
afterAll(async () => {
  await client.close()
  await double.close()
})

async function paths(query: Record<string, unknown>): Promise<unknown[]> {
  const { body } = await client.search({ index: 'docs', body: { query } })
  return body.hits.hits.map(({ _source }) => (_source as { path: string }).path)
}

test('an index is described, is there once, and is not there under another name', async () => {
  const { body } = await client.indices.getMapping({ index: 'docs' })
  expect(body).toMatchObject({ docs: { mappings: { properties: { vector: { type: 'knn_vector', dimension: 3 } } } } })
  await expect(client.indices.create({ index: 'docs' })).rejects.toMatchObject({ statusCode: 400, message: expect.stringContaining('resource_already_exists') as string })
  await expect(client.search({ index: 'others' })).rejects.toMatchObject({ statusCode: 404 })
  expect((await client.info()).body.version.distribution).toBe('opensearch')
})

test('searches by vector score as cosinesimil does, by words as BM25 does, in nested facts by any value of one', async () => {
  const { body } = await client.search({ index: 'docs', body: { query: { knn: { vector: { vector: [1, 1, 0], k: 2 } } } } })
  expect(body.hits.hits.map(({ _score }) => Number(_score))).toEqual([expect.closeTo((1 + Math.SQRT1_2) / 2, 6), expect.closeTo((1 + Math.SQRT1_2) / 2, 6)])
  expect(await paths({ knn: { vector: { vector: [1, 0, 0], k: 1, filter: { term: { path: 'c' } } } } })).toEqual(['c'])
  expect(await paths({ match: { text: 'winches' } })).toEqual(['b', 'a'])
  expect(await paths({ nested: { path: 'facts', query: { bool: { filter: [{ term: { 'facts.key': 'tag' } }, { prefix: { 'facts.text': 'x' } }] } } } })).toHaveLength(2)
  expect(await paths({ nested: { path: 'facts', query: { bool: { filter: [{ term: { 'facts.key': 'tag' } }, { range: { 'facts.number': { gte: 2020 } } }] } } } })).toEqual([])
  expect(await paths({ bool: { must_not: [{ terms: { path: ['a', 'b'] } }] } })).toEqual(['c'])
  await expect(paths({ knn: { vector: { vector: [1, 0], k: 1 } } })).rejects.toMatchObject({ statusCode: 400 })
  await expect(paths({ like: { text: 'x' } })).rejects.toMatchObject({ statusCode: 400 })
})

test('what is not mapped is kept and not found', async () => {
  await client.bulk({ body: [{ index: { _index: 'docs', _id: 'm' } }, { path: 'm', metadata: { team: 'dock' } }], refresh: true })
  expect(await paths({ term: { 'metadata.team': 'dock' } })).toEqual([])
  expect((await client.mget({ index: 'docs', body: { docs: [{ _id: 'm' }] } })).body.docs[0]).toMatchObject({ found: true, _source: { metadata: { team: 'dock' } } })
  await client.bulk({ body: [{ delete: { _index: 'docs', _id: 'm' } }], refresh: true })
})

test('what is written is read by id at once, and searched after a refresh', async () => {
  await client.bulk({ body: [{ index: { _index: 'docs', _id: 'late' } }, { path: 'late' }] })
  expect(await paths({ term: { path: 'late' } })).toEqual([])
  expect((await client.mget({ index: 'docs', body: { docs: [{ _id: 'late' }, { _id: 'never' }] } })).body.docs).toMatchObject([{ found: true }, { found: false }])
  await client.indices.refresh({ index: 'docs' })
  expect(await paths({ term: { path: 'late' } })).toEqual(['late'])
  const { body } = await client.deleteByQuery({ index: 'docs', body: { query: { term: { path: 'late' } } }, refresh: true })
  expect(body).toMatchObject({ deleted: 1 })
  expect(await paths({ term: { path: 'late' } })).toEqual([])
})

test('items of a bulk fail alone', async () => {
  const { body } = await client.bulk({ body: [{ index: { _index: 'docs', _id: 'x' } }, { path: 'x', vector: [1, 0] }, { delete: { _index: 'docs', _id: 'never' } }] })
  expect(body.errors).toBe(true)
  expect(body.items.map((item) => Object.values(item)[0]!.status)).toEqual([400, 404])
})

test('a wrong password is refused', async () => {
  const other = new Client({ node: double.url.replace('://', '://admin:wrong@') })
  await expect(other.search({ index: 'docs' })).rejects.toMatchObject({ statusCode: 401 })
  await other.close()
})

test('Serverless takes requests that are signed for aoss, gives ids itself, and knows no refresh', async () => {
  const serverless = await startOpenSearchDouble({ isServerless: true, aws: { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'signing-secret', region: 'eu-west-1', service: 'aoss' } })
  const signedBy = (secretAccessKey: string, service: 'es' | 'aoss' = 'aoss') => new Client({ node: serverless.url, ...AwsSigv4Signer({ region: 'eu-west-1', service, getCredentials: () => Promise.resolve({ accessKeyId: 'AKIAEXAMPLE', secretAccessKey }) }) })
  const signed = signedBy('signing-secret')
  await signed.indices.create({ index: 'docs', body: indexBody(3, true) })
  const { body } = await signed.bulk({ index: 'docs', body: [{ index: {} }, { path: 'a' }, { index: { _id: 'mine' } }, { path: 'b' }] })
  expect(body.items.map((item) => Object.values(item)[0]!.status)).toEqual([201, 400])
  await expect(signed.indices.refresh({ index: 'docs' })).rejects.toMatchObject({ statusCode: 404 })
  await expect(signedBy('wrong-secret').search({ index: 'docs' })).rejects.toMatchObject({ statusCode: 403 })
  await expect(signedBy('signing-secret', 'es').search({ index: 'docs' })).rejects.toMatchObject({ statusCode: 403 })
  await serverless.close()
})
