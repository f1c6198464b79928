// Every operation of the service through the official client.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errorOf, sdk, TestS3Vectors } from './testing.ts'

let door: TestS3Vectors
beforeAll(async () => {
  door = await TestS3Vectors.start()
})
afterAll(() => door.stop())
const send: sdk.S3VectorsClient['send'] = ((command: never) => door.client.send(command)) as never

/** What the client of this release does not know yet: the newest operations and members, as boto3 sends them. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
async function raw(operation: string, input: object): Promise<{ status: number; name: string | null; json: any }> {
  const response = await fetch(`${door.server.url}/${operation}`, { method: 'POST', body: JSON.stringify(input), headers: { 'content-type': 'application/json' } })
  return { status: response.status, name: response.headers.get('x-amzn-errortype'), json: await response.json() }
}

const arn = (rest: string) => `arn:aws:s3vectors:us-east-1:000000000000:bucket/${rest}`
const vectors = [
  { key: 'a', data: { float32: [1, 0, 0] }, metadata: { year: 1999, genre: 'drama', tags: ['x', 'y'] } },
  { key: 'b', data: { float32: [0, 1, 0] }, metadata: { year: 2005, genre: 'comedy' } },
  { key: 'c', data: { float32: [0, 0, 1] }, metadata: { year: 2010 } },
  { key: 'd', data: { float32: [1, 1, 0] } },
]

describe('vector buckets', () => {
  test('made, described, listed, removed', async () => {
    const before = Date.now()
    const { vectorBucketArn } = await send(new sdk.CreateVectorBucketCommand({ vectorBucketName: 'first', tags: { team: 'search' } }))
    expect(vectorBucketArn).toBe(arn('first'))
    const { vectorBucket } = await send(new sdk.GetVectorBucketCommand({ vectorBucketName: 'first' }))
    expect(vectorBucket).toMatchObject({ vectorBucketName: 'first', vectorBucketArn, encryptionConfiguration: { sseType: 'AES256' } })
    expect((await raw('GetVectorBucket', { vectorBucketName: 'first' })).json.vectorBucket.defaultIndexMode).toBe('ENHANCED')
    expect(vectorBucket!.creationTime!.getTime()).toBeGreaterThanOrEqual(before - 1000)
    expect(vectorBucket!.creationTime!.getTime()).toBeLessThanOrEqual(Date.now() + 1000)
    expect((await send(new sdk.GetVectorBucketCommand({ vectorBucketArn }))).vectorBucket).toEqual(vectorBucket)
    await send(new sdk.DeleteVectorBucketCommand({ vectorBucketArn }))
    expect(await errorOf(send(new sdk.GetVectorBucketCommand({ vectorBucketName: 'first' })))).toMatchObject({ name: 'NotFoundException', status: 404, message: 'The specified vector bucket could not be found' })
    // The name is free again.
    await send(new sdk.CreateVectorBucketCommand({ vectorBucketName: 'first' }))
    expect((await send(new sdk.ListTagsForResourceCommand({ resourceArn: vectorBucketArn }))).tags).toEqual({})
  })

  test('listed in pages, by prefix', async () => {
    for (let i = 0; i < 5; i++) await send(new sdk.CreateVectorBucketCommand({ vectorBucketName: `paged-${i}` }))
    const names: string[] = []
    let pages = 0
    for await (const page of sdk.paginateListVectorBuckets({ client: door.client, pageSize: 2 }, { prefix: 'paged-' })) {
      names.push(...page.vectorBuckets!.map(({ vectorBucketName }) => vectorBucketName!))
      pages++
    }
    expect(names).toEqual(['paged-0', 'paged-1', 'paged-2', 'paged-3', 'paged-4'])
    expect(pages).toBe(3)
  })

  test('encryption is kept, and inherited by indexes', async () => {
    const kmsKeyArn = 'arn:aws:kms:us-east-1:000000000000:key/1'
    const encryptionConfiguration = { sseType: 'aws:kms', kmsKeyArn } as const
    await send(new sdk.CreateVectorBucketCommand({ vectorBucketName: 'sealed', encryptionConfiguration }))
    await send(new sdk.CreateIndexCommand({ vectorBucketName: 'sealed', indexName: 'inherits', dataType: 'float32', dimension: 2, distanceMetric: 'cosine' }))
    await send(new sdk.CreateIndexCommand({ vectorBucketName: 'sealed', indexName: 'own', dataType: 'float32', dimension: 2, distanceMetric: 'cosine', encryptionConfiguration: { sseType: 'AES256' } }))
    const encryptionOf = async (indexName: string) => (await send(new sdk.GetIndexCommand({ vectorBucketName: 'sealed', indexName }))).index!.encryptionConfiguration
    expect([await encryptionOf('inherits'), await encryptionOf('own')]).toEqual([encryptionConfiguration, { sseType: 'AES256' }])
    expect(await errorOf(send(new sdk.CreateVectorBucketCommand({ vectorBucketName: 'half', encryptionConfiguration: { sseType: 'aws:kms' } })))).toMatchObject({ name: 'ValidationException' })
  })

  test('policies are stored as they are, and removed', async () => {
    await send(new sdk.CreateVectorBucketCommand({ vectorBucketName: 'ruled' }))
    const missing = { name: 'NotFoundException', message: 'The specified vector bucket policy could not be found' }
    expect(await errorOf(send(new sdk.GetVectorBucketPolicyCommand({ vectorBucketName: 'ruled' })))).toMatchObject(missing)
    const policy = JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Deny', Principal: '*', Action: 's3vectors:*', Resource: '*' }] }, null, 3)
    await send(new sdk.PutVectorBucketPolicyCommand({ vectorBucketName: 'ruled', policy }))
    expect((await send(new sdk.GetVectorBucketPolicyCommand({ vectorBucketName: 'ruled' }))).policy).toBe(policy)
    await send(new sdk.DeleteVectorBucketPolicyCommand({ vectorBucketName: 'ruled' }))
    expect(await errorOf(send(new sdk.GetVectorBucketPolicyCommand({ vectorBucketName: 'ruled' })))).toMatchObject(missing)
  })
})

describe('indexes', () => {
  test('made, described, listed, removed', async () => {
    await send(new sdk.CreateVectorBucketCommand({ vectorBucketName: 'shelf' }))
    const input = { vectorBucketName: 'shelf', indexName: 'books', dataType: 'float32', dimension: 4096, distanceMetric: 'cosine', metadataConfiguration: { nonFilterableMetadataKeys: ['text'] } } satisfies sdk.CreateIndexCommandInput
    const { indexArn } = await send(new sdk.CreateIndexCommand(input))
    expect(indexArn).toBe(arn('shelf/index/books'))
    const { index } = await send(new sdk.GetIndexCommand({ indexArn }))
    expect(index).toMatchObject({ ...input, indexArn, encryptionConfiguration: { sseType: 'AES256' } })
    await send(new sdk.CreateIndexCommand({ ...input, indexName: 'films', distanceMetric: 'euclidean', dimension: 1 }))
    const { indexes } = await send(new sdk.ListIndexesCommand({ vectorBucketName: 'shelf' }))
    expect(indexes!.map(({ indexName }) => indexName)).toEqual(['books', 'films'])
    expect((await send(new sdk.ListIndexesCommand({ vectorBucketArn: arn('shelf'), prefix: 'fi' }))).indexes).toHaveLength(1)
    const first = await send(new sdk.ListIndexesCommand({ vectorBucketName: 'shelf', maxResults: 1 }))
    const second = await send(new sdk.ListIndexesCommand({ vectorBucketName: 'shelf', maxResults: 1, nextToken: first.nextToken }))
    expect([first.indexes![0]!.indexName, second.indexes![0]!.indexName, second.nextToken]).toEqual(['books', 'films', undefined])
    expect(await errorOf(send(new sdk.DeleteVectorBucketCommand({ vectorBucketName: 'shelf' })))).toMatchObject({ name: 'ConflictException', status: 409, message: 'The specified vector bucket is not empty' })
    for (const indexName of ['books', 'films']) await send(new sdk.DeleteIndexCommand({ vectorBucketName: 'shelf', indexName }))
    expect(await errorOf(send(new sdk.GetIndexCommand({ indexArn })))).toMatchObject({ name: 'NotFoundException', message: 'The specified index could not be found' })
    await send(new sdk.DeleteVectorBucketCommand({ vectorBucketName: 'shelf' }))
  })

  test('modes', async () => {
    const index = await door.newIndex('modes')
    const mode = async (indexName = 'index') => (await raw('GetIndex', { ...index, indexName })).json.index.indexMode
    expect(await mode()).toBe('ENHANCED')
    expect(await raw('UpdateIndexMode', { ...index, indexMode: 'CLASSIC' })).toMatchObject({ status: 200, json: {} })
    expect(await mode()).toBe('CLASSIC')
    await raw('PutVectorBucketDefaultIndexMode', { vectorBucketName: 'modes', defaultIndexMode: 'CLASSIC' })
    await send(new sdk.CreateIndexCommand({ ...index, indexName: 'later', dataType: 'float32', dimension: 1, distanceMetric: 'cosine' }))
    expect(await mode('later')).toBe('CLASSIC')
    expect((await raw('GetVectorBucket', { vectorBucketName: 'modes' })).json.vectorBucket.defaultIndexMode).toBe('CLASSIC')
    const query = { ...index, topK: 1, queryVector: { float32: [1, 0, 0] } }
    const filter = { genre: { $startsWith: 'd' } }
    expect(await raw('QueryVectors', { ...query, filter })).toMatchObject({ status: 400, name: 'ValidationException' })
    expect(await raw('QueryVectors', { ...query, filter, queryMode: 'ENHANCED' })).toMatchObject({ status: 200 })
    await raw('UpdateIndexMode', { ...index, indexMode: 'ENHANCED' })
    expect(await raw('QueryVectors', { ...query, queryMode: 'CLASSIC' })).toMatchObject({ status: 400, name: 'ValidationException' })
  })

  test('tags of buckets and indexes', async () => {
    const index = await door.newIndex('tagged', { tags: { a: '1' } })
    for (const resourceArn of [arn('tagged'), arn('tagged/index/index')]) {
      await send(new sdk.TagResourceCommand({ resourceArn, tags: { 'key with space': 'ü', b: '' } }))
      await send(new sdk.UntagResourceCommand({ resourceArn, tagKeys: ['b', 'never'] }))
    }
    expect((await send(new sdk.ListTagsForResourceCommand({ resourceArn: arn('tagged') }))).tags).toEqual({ 'key with space': 'ü' })
    expect((await send(new sdk.ListTagsForResourceCommand({ resourceArn: arn('tagged/index/index') }))).tags).toEqual({ a: '1', 'key with space': 'ü' })
    expect((await send(new sdk.GetIndexCommand(index))).index).toBeDefined()
    const many = Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, 'v']))
    expect(await errorOf(send(new sdk.TagResourceCommand({ resourceArn: arn('tagged'), tags: many })))).toMatchObject({ name: 'ValidationException' })
  })
})

describe('vectors', () => {
  test('put, get, replace, delete', async () => {
    const index = await door.newIndex('records')
    await send(new sdk.PutVectorsCommand({ ...index, vectors }))
    const get = async (keys: string[], flags = { returnData: true, returnMetadata: true }) => (await send(new sdk.GetVectorsCommand({ ...index, keys, ...flags }))).vectors!
    expect(await get(['b', 'none', 'd'])).toEqual([vectors[1], { ...vectors[3], metadata: {} }])
    expect(await get(['a'], { returnData: false, returnMetadata: false })).toEqual([{ key: 'a' }])
    await send(new sdk.PutVectorsCommand({ ...index, vectors: [{ key: 'a', data: { float32: [0.1, 0.2, 0.3] }, metadata: { other: true } }] }))
    expect(await get(['a'])).toEqual([{ key: 'a', data: { float32: [0.1, 0.2, 0.3].map(Math.fround) }, metadata: { other: true } }])
    await send(new sdk.PutVectorsCommand({ ...index, vectors: [{ key: 'a', data: { float32: [1, 1, 1] } }, { key: 'a', data: { float32: [2, 2, 2] } }] }))
    expect((await get(['a']))[0]!.data!.float32).toEqual([2, 2, 2])
    await send(new sdk.DeleteVectorsCommand({ ...index, keys: ['a', 'none', 'a'] }))
    expect(await get(['a', 'b', 'c'])).toHaveLength(2)
  })

  test('listed in pages and in parallel segments, each once', async () => {
    const index = await door.newIndex('listed')
    const all = Array.from({ length: 40 }, (_, i) => ({ key: `k"${i}'é`, data: { float32: [i, 0, 1] }, metadata: { i } }))
    await send(new sdk.PutVectorsCommand({ ...index, vectors: all }))
    const list = async (input: Partial<sdk.ListVectorsCommandInput>) => {
      const found: sdk.ListOutputVector[] = []
      for await (const page of sdk.paginateListVectors({ client: door.client, pageSize: 7 }, { ...index, ...input })) found.push(...page.vectors!)
      return found
    }
    expect(await list({ returnData: true, returnMetadata: true })).toEqual(all)
    expect(await list({})).toEqual(all.map(({ key }) => ({ key })))
    const segments = await Promise.all([0, 1, 2].map((segmentIndex) => list({ segmentCount: 3, segmentIndex })))
    expect(segments.every((segment) => segment.length > 0)).toBe(true)
    expect(segments.flat().map(({ key }) => key).sort()).toEqual(all.map(({ key }) => key).sort())
    const { nextToken } = await send(new sdk.ListVectorsCommand({ ...index, maxResults: 5, segmentCount: 3, segmentIndex: 0 }))
    expect(await errorOf(send(new sdk.ListVectorsCommand({ ...index, nextToken, segmentCount: 3, segmentIndex: 1 })))).toMatchObject({ name: 'ValidationException' })
  })

  test('nearest first, exact distances, ties by insertion', async () => {
    const euclidean = await door.newIndex('near')
    const cosine = await door.newIndex('angle', { distanceMetric: 'cosine' })
    for (const index of [euclidean, cosine]) await send(new sdk.PutVectorsCommand({ ...index, vectors }))
    const query = async (index: typeof euclidean, float32: number[], topK = 10) => send(new sdk.QueryVectorsCommand({ ...index, topK, queryVector: { float32 }, returnDistance: true }))
    const near = await query(euclidean, [1, 0, 0])
    expect(near.distanceMetric).toBe('euclidean')
    expect(near.vectors!.map(({ key }) => key)).toEqual(['a', 'd', 'b', 'c'])
    expect(near.vectors!.map(({ distance }) => distance!.toFixed(4))).toEqual(['0.0000', '1.0000', '1.4142', '1.4142'])
    expect(near.vectors!.every((vector) => !('data' in vector) && !('metadata' in vector))).toBe(true)
    const angle = await query(cosine, [2, 2, 0], 3)
    expect(angle.vectors!.map(({ key, distance }) => [key, distance!.toFixed(4)])).toEqual([['d', '0.0000'], ['a', '0.2929'], ['b', '0.2929']])
    expect(await errorOf(query(cosine, [0, 0, 0]))).toMatchObject({ name: 'ValidationException' })
    expect((await query(euclidean, [0, 0, 0])).vectors).toHaveLength(4)
  })

  test.each([
    [{ genre: 'drama' }, ['a']],
    [{ genre: { $ne: 'drama' } }, ['b', 'c', 'd']],
    [{ year: { $gte: 2005, $lt: 2010 } }, ['b']],
    [{ tags: 'y' }, ['a']],
    [{ genre: { $in: ['comedy', 'drama'] }, year: { $gt: 2000 } }, ['b']],
    [{ genre: { $nin: ['comedy'] } }, ['a', 'c', 'd']],
    [{ genre: { $exists: false } }, ['c', 'd']],
    [{ $or: [{ year: 2010 }, { $and: [{ genre: 'drama' }, { year: 1999 }] }] }, ['a', 'c']],
    [{ genre: { $startsWith: 'com' } }, ['b']],
    [{ year: '1999' }, []],
  ])('filter %j', async (filter, expected) => {
    const index = { vectorBucketName: 'filtered', indexName: 'index' }
    await door.newIndex('filtered').catch(() => undefined)
    await send(new sdk.PutVectorsCommand({ ...index, vectors }))
    const found = await send(new sdk.QueryVectorsCommand({ ...index, topK: 10, queryVector: { float32: [1, 2, 3] }, filter, returnMetadata: true }))
    expect(found.vectors!.map(({ key }) => key).sort()).toEqual(expected)
    for (const { key, metadata } of found.vectors!) expect(metadata).toEqual(vectors.find((each) => each.key === key)!.metadata ?? {})
  })

  test('topK beyond a page is read on with the token', async () => {
    const index = await door.newIndex('deep', { dimension: 1 })
    const count = 2300
    for (let start = 0; start < count; start += 500) {
      const batch = Array.from({ length: Math.min(500, count - start) }, (_, i) => ({ key: `k${start + i}`, data: { float32: [start + i] } }))
      await send(new sdk.PutVectorsCommand({ ...index, vectors: batch }))
    }
    const input = { ...index, topK: 2200, queryVector: { float32: [-1] }, returnDistance: true }
    const keys: string[] = []
    let nextToken: string | undefined
    let pages = 0
    do {
      const { json } = await raw('QueryVectors', { ...input, nextToken })
      keys.push(...json.vectors.map(({ key }: { key: string }) => key))
      nextToken = json.nextToken
      pages++
    } while (nextToken !== undefined)
    expect([pages, keys]).toEqual([3, Array.from({ length: 2200 }, (_, i) => `k${i}`)])
    const { json } = await raw('QueryVectors', input)
    expect(await raw('QueryVectors', { ...input, queryVector: { float32: [5] }, nextToken: json.nextToken })).toMatchObject({ status: 400 })
    expect(await errorOf(send(new sdk.QueryVectorsCommand({ ...input, topK: 10_001 })))).toMatchObject({ name: 'ValidationException' })
  })
})

describe('text search', () => {
  const texts = [
    { key: 'a', data: { float32: [1, 0, 0] }, metadata: { title: 'The harbour at night', body: 'lanterns and ships' } },
    { key: 'b', data: { float32: [0, 1, 0] }, metadata: { title: 'A windlass', body: 'it hauls the anchor in every harbour' } },
    { key: 'c', data: { float32: [0, 0, 1] }, metadata: { title: 'Bread', body: 'flour, water, salt' } },
  ]

  test('by words, by words and vector, with scores; configured at creation and later', async () => {
    const index = { vectorBucketName: 'texts', indexName: 'index' }
    await send(new sdk.CreateVectorBucketCommand(index))
    const metadataConfiguration = { nonFilterableMetadataKeys: ['body'], textSearchConfigurations: [{ metadataKey: 'body', language: 'en' }] }
    expect(await raw('CreateIndex', { ...index, dataType: 'float32', dimension: 3, distanceMetric: 'euclidean', metadataConfiguration })).toMatchObject({ status: 200 })
    await send(new sdk.PutVectorsCommand({ ...index, vectors: texts }))
    const search = (input: object) => raw('QueryVectors', { ...index, topK: 3, returnScores: true, ...input })
    const words = await search({ queryTexts: [{ text: 'harbours', metadataKey: 'body' }] })
    expect(words.json.vectors).toEqual([{ key: 'b', scores: { fused: 1 / 61, bm25Scores: [{ metadataKey: 'body', score: expect.any(Number) }] } }])
    expect(await search({ queryTexts: [{ text: 'harbour', metadataKey: 'title' }] })).toMatchObject({ status: 400, name: 'ValidationException' })
    const add = { textSearchConfigurations: [{ metadataKey: 'title' }] }
    expect(await raw('UpdateMetadataConfiguration', { ...index, add })).toMatchObject({ status: 200, json: { indexArn: arn('texts/index/index') } })
    expect((await raw('GetIndex', index)).json.index.metadataConfiguration).toEqual({
      nonFilterableMetadataKeys: ['body'],
      textSearchConfigurations: [
        { metadataKey: 'body', language: 'en', status: 'ACTIVE' },
        { metadataKey: 'title', status: 'ACTIVE' },
      ],
    })
    const queryTexts = [{ text: 'harbour', metadataKey: 'title' }, { text: 'harbour', metadataKey: 'body' }]
    const both = await search({ queryVector: { float32: [0, 0, 1] }, queryTexts })
    expect(both.json.vectors.map(({ key }: { key: string }) => key).sort()).toEqual(['a', 'b', 'c'])
    expect(both.json.vectors.find(({ key }: { key: string }) => key === 'c').scores).toEqual({ fused: 1 / 61, vectorDistance: 0 })
    expect(await raw('UpdateMetadataConfiguration', { ...index, add })).toMatchObject({ status: 409, name: 'ConflictException' })
    expect(await raw('UpdateMetadataConfiguration', { ...index, add, delete: add })).toMatchObject({ status: 400 })
    await raw('UpdateMetadataConfiguration', { ...index, delete: { textSearchConfigurations: [{ metadataKey: 'body' }] } })
    expect(await search({ queryTexts: [{ text: 'harbour', metadataKey: 'body' }] })).toMatchObject({ status: 400 })
    expect(await raw('UpdateIndexMode', { ...index, indexMode: 'CLASSIC' })).toMatchObject({ status: 400 })
  })
})
