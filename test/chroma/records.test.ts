// Records, conditions and queries, with the official JavaScript client.
import type { Collection } from 'chromadb'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { errorOf, noEmbedding, TestChroma } from './testing.ts'

let door: TestChroma
let collection: Collection
beforeAll(async () => void (door = await TestChroma.start()))
afterAll(() => door.stop())
beforeEach(async () => {
  await door.client.reset()
  collection = await door.client.createCollection({ name: 'ships', embeddingFunction: noEmbedding })
})

const ships = {
  ids: ['barque', 'cutter', 'dhow'],
  embeddings: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 2],
  ],
  documents: ['three masts, square and fore-and-aft', 'one mast, fast', 'lateen sails'],
  metadatas: [
    { masts: 3, length: 40.5, fast: false, cargo: ['grain', 'wool'] },
    { masts: 1, length: 12, fast: true },
    { masts: 2, flag: 'OM' },
  ],
}
const everything = ['documents', 'embeddings', 'metadatas', 'uris'] as never[]

describe('writes', () => {
  test('add keeps what is there; the order is that of insertion', async () => {
    await collection.add(ships)
    await collection.add({ ids: ['zebec', 'cutter'], embeddings: [[5, 5, 5], [9, 9, 9]], documents: ['new', 'other'] })
    const all = await collection.get({ include: everything })
    expect(all.ids).toEqual(['barque', 'cutter', 'dhow', 'zebec'])
    expect(all.documents[1]).toBe('one mast, fast')
    expect(all.embeddings[2]).toEqual([0, 0, 2])
    expect(all.metadatas[0]).toEqual(ships.metadatas[0])
    expect(all.metadatas[3]).toBeNull()
    expect(await collection.count()).toBe(4)
  })

  test('upsert merges metadata and keeps the document that is not given', async () => {
    await collection.add(ships)
    await collection.upsert({ ids: ['cutter', 'junk'], embeddings: [[0, 3, 0], [1, 1, 1]], metadatas: [{ crew: 4 }, { masts: 5 }] })
    const { embeddings, documents, metadatas } = await collection.get({ ids: ['cutter', 'junk'], include: everything })
    expect(embeddings[0]).toEqual([0, 3, 0])
    expect(documents).toEqual(['one mast, fast', null])
    expect(metadatas).toEqual([{ masts: 1, length: 12, fast: true, crew: 4 }, { masts: 5 }])
  })

  test('update changes what is given, removes keys that are null, and passes over unknown ids', async () => {
    await collection.add(ships)
    // By hand: the client would embed the new text.
    await door.inDefault('POST', `/collections/${collection.id}/update`, { ids: ['dhow', 'nobody'], documents: ['two lateen sails', 'x'], metadatas: [{ flag: null, masts: null }, { a: 1 }] })
    const { documents, metadatas, embeddings } = await collection.get({ ids: ['dhow', 'nobody'], include: everything })
    expect([documents, metadatas, embeddings]).toEqual([['two lateen sails'], [null], [[0, 0, 2]]])
    await collection.update({ ids: ['dhow'], embeddings: [[7, 7, 7]] })
    expect((await collection.get({ ids: ['dhow'], include: everything })).embeddings).toEqual([[7, 7, 7]])
  })

  test('delete by id, by condition on metadata, on text, and up to a limit', async () => {
    await collection.add(ships)
    await collection.delete({ ids: ['barque', 'nobody'] })
    expect(await collection.count()).toBe(2)
    await collection.delete({ where: { masts: 1 } })
    await collection.delete({ whereDocument: { $contains: 'square' } })
    expect((await collection.get()).ids).toEqual(['dhow'])
    await collection.add(ships)
    const { json } = await door.inDefault('POST', `/collections/${collection.id}/delete`, { where: { masts: { $gt: 0 } }, limit: 2 })
    expect(json).toEqual({ deleted: 2 })
    expect(await collection.count()).toBe(1)
  })

  test('URIs are kept, apart from metadata', async () => {
    await collection.add({ ...ships, uris: ['s3://a', 's3://b', 's3://c'] })
    await collection.update({ ids: ['cutter'], uris: ['s3://bb'] })
    const { uris, metadatas } = await collection.get({ include: everything })
    expect(uris).toEqual(['s3://a', 's3://bb', 's3://c'])
    expect(metadatas[1]).toEqual(ships.metadatas[1])
  })

  test('integers, floats and lists come back as they were; 64 bits keep every digit', async () => {
    const path = `/collections/${collection.id}`
    await door.inDefault('POST', `${path}/add`, '{"ids":["a"],"embeddings":[[1,2,3]],"metadatas":[{"i":1,"f":1.0,"big":9007199254740993,"l":[1.0,2.5],"e":[],"__proto__":"p"}]}')
    const { text } = await door.inDefault('POST', `${path}/get`, {})
    for (const part of ['"i":1,', '"f":1.0', '"big":9007199254740993', '"l":[1.0,2.5]', '"__proto__":"p"']) expect(`${text},`).toContain(part)
    expect(text).not.toContain('"e"')
  })

  test('a write of more than fits one commit is written in several', async () => {
    const count = 2000
    const ids = Array.from({ length: count }, (_, i) => `k${i}`)
    const embeddings = ids.map((_, i) => Array.from({ length: 1500 }, (_, j) => (i * 31 + j) % 17))
    await collection.upsert({ ids, embeddings, documents: ids.map((id) => id.repeat(300)) })
    expect(await collection.count()).toBe(count)
    expect((await collection.get({ ids: ['k1999'] })).documents[0]).toBe('k1999'.repeat(300))
  })
})

describe('get', () => {
  beforeEach(() => collection.add(ships))

  test.each([
    ['equality', { masts: 3 }, ['barque']],
    ['integers and floats compare by value', { length: 12.0 }, ['cutter']],
    ['types do not mix', { masts: '3' }, []],
    ['inequality matches who has not the key', { flag: { $ne: 'OM' } }, ['barque', 'cutter']],
    ['order', { masts: { $gte: 2 } }, ['barque', 'dhow']],
    ['membership', { masts: { $in: [1, 2] } }, ['cutter', 'dhow']],
    ['no membership matches who has not the key', { flag: { $nin: ['OM'] } }, ['barque', 'cutter']],
    ['an element of a list', { cargo: { $contains: 'wool' } }, ['barque']],
    ['no element', { cargo: { $not_contains: 'wool' } }, ['cutter', 'dhow']],
    ['equality does not look into lists', { cargo: 'wool' }, []],
    ['a scalar has no elements', { flag: { $contains: 'OM' } }, []],
    ['and', { $and: [{ masts: { $lt: 3 } }, { fast: true }] }, ['cutter']],
    ['or', { $or: [{ masts: 3 }, { flag: 'OM' }] }, ['barque', 'dhow']],
    ['text under its key', { '#document': { $contains: 'sails' } }, ['dhow']],
  ])('where: %s', async (_, where, ids) => {
    expect((await collection.get({ where: where as never })).ids).toEqual(ids)
  })

  test.each([
    ['contains', { $contains: 'mast' }, ['barque', 'cutter']],
    ['case counts', { $contains: 'Mast' }, []],
    ['contains nothing', { $contains: '' }, ['barque', 'cutter', 'dhow']],
    ['does not contain, matches who has no text', { $not_contains: 'mast' }, ['dhow', 'bare']],
    ['regex', { $regex: '^(one|three) mast' }, ['barque', 'cutter']],
    ['a catastrophic regex', { $regex: '(a+)+$' }, []],
    ['no regex', { $not_regex: 'mast' }, ['dhow', 'bare']],
    ['and', { $and: [{ $contains: 'mast' }, { $contains: 'fast' }] }, ['cutter']],
    ['or', { $or: [{ $contains: 'lateen' }, { $contains: 'fast' }] }, ['cutter', 'dhow']],
  ])('where_document: %s', async (_, whereDocument, ids) => {
    await collection.add({ ids: ['bare'], embeddings: [[1, 1, 1]] })
    expect((await collection.get({ whereDocument: whereDocument as never })).ids).toEqual(ids)
  })

  test('ids answer in the order of storage, once; limit and offset count after conditions', async () => {
    expect((await collection.get({ ids: ['dhow', 'nobody', 'barque'] })).ids).toEqual(['barque', 'dhow'])
    expect((await collection.get({ limit: 1, offset: 1 })).ids).toEqual(['cutter'])
    expect((await collection.get({ where: { masts: { $gt: 1 } }, offset: 1 })).ids).toEqual(['dhow'])
    expect((await collection.get({ limit: 0 })).ids).toEqual([])
    expect((await collection.peek({ limit: 2 })).ids).toEqual(['barque', 'cutter'])
  })
})

describe('query', () => {
  test.each([
    ['l2', [0, 9, 18], [1, 2, 3], [[4, 2, 3], [1, 2, 3], [1 + Math.sqrt(18), 2, 3]], ['b', 'a', 'c']],
    ['ip', [-1, 0, 1], [1, 0], [[1, 5], [2, 0], [0, 3]], ['b', 'a', 'c']],
    ['cosine', [0, 1, 1], [1, 0], [[0, 2], [3, 0], [0, 0]], ['b', 'a', 'c']],
  ] as const)('%s', async (space, distances, query, embeddings, ids) => {
    const c = await door.client.createCollection({ name: `in-${space}`, configuration: { hnsw: { space } }, embeddingFunction: noEmbedding })
    await c.add({ ids: ['a', 'b', 'c'], embeddings: embeddings.map((each) => [...each]) })
    const found = await c.query({ queryEmbeddings: [[...query]], nResults: 3 })
    expect(found.ids).toEqual([[...ids]])
    found.distances[0]!.forEach((distance, i) => expect(distance!).toBeCloseTo(distances[i]!, 5))
  })

  test('several at once, narrowed by ids, metadata and text, with what is asked for', async () => {
    await collection.add(ships)
    const found = await collection.query({ queryEmbeddings: [[1, 0, 0], [0, 0, 1]], nResults: 2, where: { masts: { $ne: 3 } }, include: ['documents', 'metadatas', 'embeddings', 'distances', 'uris'] })
    expect(found.ids).toEqual([['cutter', 'dhow'], ['dhow', 'cutter']])
    expect(found.documents[1]).toEqual(['lateen sails', 'one mast, fast'])
    expect((await collection.query({ queryEmbeddings: [[1, 0, 0]], ids: ['dhow', 'nobody'] })).ids).toEqual([['dhow']])
    expect((await collection.query({ queryEmbeddings: [[1, 0, 0]], whereDocument: { $contains: 'fast' } })).ids).toEqual([['cutter']])
    expect((await collection.query({ queryEmbeddings: [[1, 0, 0]], nResults: 100 })).ids[0]).toHaveLength(3)
  })

  test('of an empty collection, and for no results', async () => {
    expect((await collection.query({ queryEmbeddings: [[1, 2]] })).ids).toEqual([[]])
    await collection.add(ships)
    expect((await door.inDefault('POST', `/collections/${collection.id}/query`, { query_embeddings: [[1, 2, 3]], n_results: 0 })).json).toMatchObject({ ids: [[]], distances: [[]] })
  })
})

describe('refusals', () => {
  const post = (call: string, body: unknown) => door.inDefault('POST', `/collections/${collection.id}/${call}`, body)
  beforeEach(() => collection.add(ships))

  test.each([
    ['add', { ids: ['x'], embeddings: [[1, 2]] }, 400, 'Collection expecting embedding with dimension of 3, got 2'],
    ['upsert', { ids: ['x', 'y'], embeddings: [[1, 2, 3], [1]] }, 400, 'Inconsistent dimensions in provided embeddings'],
    ['query', { query_embeddings: [[1, 2]] }, 400, 'Collection expecting embedding with dimension of 3, got 2'],
    ['add', { ids: ['x', 'y'], embeddings: [[1, 2, 3]] }, 400, 'Inconsistent number of IDs, embeddings, documents, URIs and metadatas'],
    ['add', { ids: [''], embeddings: [[1, 2, 3]] }, 400, 'Empty ID, ID must have at least one character'],
    ['add', { ids: ['x'], embeddings: [[]] }, 400, 'Validation error: embeddings: Each embedding must have at least 1 dimension'],
    ['add', { ids: ['x'], embeddings: ['AAAA'] }, 400, 'Invalid byte length: 3 bytes cannot be converted to f32 values (must be divisible by 4)'],
    ['add', { ids: ['x'], embeddings: ['!!!!'] }, 400, 'Invalid base64 string'],
    ['add', { ids: ['x'] }, 422, 'missing field `embeddings`'],
    ['add', { ids: ['x'], embeddings: null }, 422, 'untagged enum EmbeddingsPayload'],
    ['add', { ids: ['x'], embeddings: [[1, null, 3]] }, 422, 'expected f32'],
    ['add', '{"ids":["x"],"embeddings":[[1,NaN,3]]}', 400, 'expected value'],
    ['add', { ids: ['x'], embeddings: [[1, 2, 3]], metadatas: [{ a: { b: 1 } }] }, 422, 'metadatas[0].a: data did not match any variant'],
    ['add', { ids: ['x'], embeddings: [[1, 2, 3]], metadatas: [{ a: [1, 'b'] }] }, 422, 'metadatas[0].a: data did not match any variant'],
    ['add', { ids: ['x'], embeddings: [[1, 2, 3]], metadatas: [{ a: null }] }, 422, 'metadatas[0].a'],
    ['upsert', { ids: ['x'], documents: ['d'] }, 422, 'missing field `embeddings`'],
    ['add', '{"ids":', 400, 'Failed to parse the request body as JSON'],
    ['get', { where: {} }, 400, 'Invalid where clause'],
    ['get', { where: { a: 1, b: 2 } }, 400, 'Invalid where clause'],
    ['get', { where: { a: { $gt: 'x' } } }, 400, 'Invalid where clause'],
    ['get', { where: { a: { $in: [] } } }, 400, 'Invalid where clause'],
    ['get', { where: { a: { $in: [1, 'x'] } } }, 400, 'Invalid where clause'],
    ['get', { where: { a: { $exists: true } } }, 400, 'Invalid where clause'],
    ['get', { where: { $not: { a: 1 } } }, 400, 'Invalid where clause'],
    ['get', { where: { a: null } }, 400, 'Invalid where clause'],
    ['get', { where_document: { $contains: 1 } }, 400, 'Invalid where document clause'],
    ['get', { where_document: {} }, 400, 'Invalid where document clause'],
    ['get', { where_document: { $regex: '(' } }, 400, 'Regex syntax error'],
    ['get', { include: ['data'] }, 422, 'unknown variant `data`'],
    ['get', { limit: -1 }, 422, 'expected u32'],
    ['query', {}, 422, 'missing field `query_embeddings`'],
    ['delete', { limit: 1 }, 400, 'limit can only be specified when a where clause is provided'],
    ['delete', { ids: [] }, 400, 'Either ids or where must be specified'],
  ])('%s %j', async (call, body, status, message) => {
    const answer = await post(call, body)
    expect(answer.json).toEqual({ error: status === 422 ? 'ChromaError' : 'InvalidArgumentError', message: expect.stringContaining(message) as string })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('chroma-trace-id')).toMatch(/^[0-9a-f]{32}$/)
    expect(await collection.count()).toBe(3)
  })

  test('what matches everything and nothing is no error', async () => {
    expect((await post('get', { where: { $and: [] } })).json).toMatchObject({ ids: ships.ids })
    expect((await post('get', { where: { $or: [] } })).json).toMatchObject({ ids: [] })
    expect((await post('add', { ids: [], embeddings: [] })).status).toBe(201)
    expect((await post('delete', {})).json).toEqual({ deleted: 0 })
  })

  test('as the client sees them', async () => {
    expect(await errorOf(collection.add({ ids: ['x'], embeddings: [[1, 2]] }))).toMatchObject({ name: 'ChromaClientError' })
    await door.client.deleteCollection({ name: 'ships' })
    expect(await errorOf(collection.count())).toMatchObject({ name: 'ChromaNotFoundError' })
  })
})
