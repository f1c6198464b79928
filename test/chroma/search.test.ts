// Hybrid search. No open server answers it: what is expected here is worked out by hand.
import type { Collection } from 'chromadb'
import { Knn, Rrf, Search } from 'chromadb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { noEmbedding, TestChroma } from './testing.ts'

let door: TestChroma
let collection: Collection
beforeAll(async () => {
  door = await TestChroma.start()
  collection = await door.client.createCollection({ name: 'ships', embeddingFunction: noEmbedding })
  const sparse = (indices: number[], values: number[]) => ({ '#type': 'sparse_vector', indices, values })
  await door.inDefault('POST', `/collections/${collection.id}/add`, {
    ids: ['a', 'b', 'c', 'd'],
    embeddings: [[0, 0], [1, 0], [2, 0], [3, 0]],
    documents: ['red anchor', 'blue anchor anchor', 'chain', 'red chain'],
    metadatas: [
      { port: 'Oslo', berth: 2, words: sparse([1, 5], [1, 2]) },
      { port: 'Oslo', berth: 1, words: sparse([5], [3]) },
      { port: 'Cork', berth: 3, words: sparse([7], [9]) },
      { port: 'Cork', berth: 4 },
    ],
  })
})
afterAll(() => door.stop())

async function ask(search: object): Promise<{ ids: string[]; scores: number[] | null; documents: unknown; embeddings: unknown; metadatas: unknown }> {
  const { status, json, text } = await door.inDefault('POST', `/collections/${collection.id}/search`, { searches: [search] })
  expect(status, text).toBe(200)
  const answer = json as Record<string, unknown[]>
  return { ids: answer.ids![0] as string[], scores: answer.scores![0] as number[] | null, documents: answer.documents![0], embeddings: answer.embeddings![0], metadatas: answer.metadatas![0] }
}

const near = (x: number, more: object = {}) => ({ $knn: { query: [x, 0], limit: 2, ...more } })
const withScores = (rank: object, more: object = {}) => ask({ rank, select: { keys: ['#score'] }, ...more })

describe('ranks', () => {
  test.each<[string, object, [string, number][]]>([
    ['the nearest', near(0), [['a', 0], ['b', 1]]],
    ['places instead of distances', near(3, { return_rank: true }), [['d', 0], ['c', 1]]],
    ['a default for who is not among them', near(0, { default: 10 }), [['a', 0], ['b', 1], ['c', 10], ['d', 10]]],
    ['a sum counts who is in both', { $sum: [near(0), near(1)] }, [['b', 1], ['a', 1]]],
    ['arithmetic', { $sub: { left: { $mul: [near(0), { $val: 3 }] }, right: { $val: 1 } } }, [['a', -1], ['b', 2]]],
    ['division', { $div: { left: { $val: -1 }, right: { $sum: [{ $val: 60 }, near(0, { return_rank: true })] } } }, [['a', -1 / 60], ['b', -1 / 61]]],
    ['functions', { $max: [{ $exp: near(0) }, { $abs: { $val: -2 } }] }, [['a', 2], ['b', Math.E]]],
    ['who has no finite score is left out', { $log: near(0) }, [['b', 0]]],
    ['minimum', { $min: [near(0), { $val: 0.5 }] }, [['a', 0], ['b', 0.5]]],
    ['sparse vectors', { $knn: { query: { '#type': 'sparse_vector', indices: [1, 5], values: [1, 1] }, key: 'words' } }, [['a', -2], ['b', -2]]],
  ])('%s', async (_, rank, expected) => {
    const { ids, scores } = await withScores(rank)
    const found = new Map(ids.map((id, i) => [id, scores![i]!]))
    expect(found.size).toBe(expected.length)
    for (const [id, score] of expected) expect(found.get(id), id).toBeCloseTo(score, 5)
    expect(scores).toEqual([...scores!].sort((x, y) => x - y))
  })

  test('words, by BM25 on the documents', async () => {
    const { ids, scores } = await withScores({ $knn: { query: 'anchor', key: '#document' } })
    expect(ids).toEqual(['b', 'a'])
    expect(scores![0]).toBeLessThan(0)
  })

  test('without a rank: in the order of insertion', async () => {
    expect(await ask({ limit: { limit: 2, offset: 1 } })).toMatchObject({ ids: ['b', 'c'], scores: null })
  })
})

describe('the rest', () => {
  test('filters, by condition and by id', async () => {
    expect((await withScores(near(0), { filter: { query_ids: [], where_clause: { port: 'Cork' } } })).ids).toEqual([])
    expect((await withScores(near(0), { filter: { where_clause: { port: 'Cork' } } })).ids).toEqual(['c', 'd'])
    expect((await withScores(near(0), { filter: { query_ids: ['d', 'b'] } })).ids).toEqual(['b', 'd'])
    expect((await withScores(near(0), { filter: { $and: [{ '#id': { $in: ['b', 'c'] } }, { '#document': { $contains: 'chain' } }] } })).ids).toEqual(['c'])
  })

  test('groups keep the best of each', async () => {
    const by = (keys: string[], aggregate: string) => ({ group_by: { keys: ['port'], aggregate: { [aggregate]: { keys, k: 1 } } } })
    expect((await withScores(near(0, { limit: 4 }), by(['#score'], '$min_k'))).ids).toEqual(['a', 'c'])
    expect((await withScores(near(0, { limit: 4 }), by(['berth'], '$max_k'))).ids).toEqual(['a', 'd'])
    expect((await withScores(near(0, { limit: 4 }), by(['berth'], '$min_k'))).ids).toEqual(['b', 'c'])
  })

  test('what is selected comes, and nothing else', async () => {
    const found = await ask({ rank: near(0), limit: { limit: 1 }, select: { keys: ['#document', '#embedding', 'port'] } })
    expect(found).toEqual({ ids: ['a'], documents: ['red anchor'], embeddings: [[0, 0]], metadatas: [{ port: 'Oslo' }], scores: null })
  })

  test('as the client builds it', async () => {
    const rank = Rrf({ ranks: [Knn({ query: [0, 0], returnRank: true }), Knn({ query: [3, 0], returnRank: true })], k: 60 })
    const search = new Search().rank(rank).limit(2).select('#score')
    const found = await collection.search(search)
    expect(found.ids[0]).toHaveLength(2)
    expect(found.scores[0]![0]).toBeCloseTo(-(1 / 60 + 1 / 63), 5)
  })

  test.each([
    [{ rank: { $knn: { query: [1] } } }, 400, 'dimension of 2, got 1'],
    [{ rank: { $nope: 1 } }, 400, 'unknown operator'],
    [{ rank: { $sum: [] } }, 400, 'needs a list'],
    [{ rank: { $knn: { query: [1, 2], limit: 0 } } }, 400, 'limit must be positive'],
    [{ rank: { $knn: { query: 'x' } } }, 400, '#document'],
    [{ filter: { where_clause: { a: { $gt: 'x' } } } }, 400, 'Invalid where clause'],
    [{ group_by: { keys: ['a'], aggregate: { $avg: {} } } }, 400, '$min_k or $max_k'],
    [{ limit: { limit: -1 } }, 422, 'expected u32'],
  ])('%j is %i', async (search, status, message) => {
    const answer = await door.inDefault('POST', `/collections/${collection.id}/search`, { searches: [search] })
    expect(answer).toMatchObject({ status, json: { message: expect.stringContaining(message) as string } })
  })
})
