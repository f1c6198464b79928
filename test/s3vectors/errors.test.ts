// Every way a request can be wrong: the code, the status and, where AWS's own words are known, those.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inputShapes, type OperationName } from '../../src/api/s3vectors/model.ts'
import type { Shape } from '../../src/api/s3vectors/shapes.ts'
import { errorOf, sdk, TestS3Vectors } from './testing.ts'

let door: TestS3Vectors
const index = { vectorBucketName: 'errors', indexName: 'index' }
beforeAll(async () => {
  door = await TestS3Vectors.start()
  await door.newIndex('errors', { dimension: 5, distanceMetric: 'cosine', metadataConfiguration: { nonFilterableMetadataKeys: ['text'] } })
})
afterAll(() => door.stop())
const send: sdk.S3VectorsClient['send'] = ((command: never) => door.client.send(command)) as never

async function raw(operation: string, body: BodyInit, headers: Record<string, string> = {}): Promise<{ status: number; name: string | null; message: string }> {
  const response = await fetch(`${door.server.url}/${operation}`, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } })
  const json = (await response.json()) as { message: string }
  return { status: response.status, name: response.headers.get('x-amzn-errortype'), message: json.message }
}

describe("AWS's own words", () => {
  test.each<[string, () => Promise<unknown>, object]>([
    ['a bucket that is not there', () => send(new sdk.GetVectorBucketCommand({ vectorBucketName: 'none' })), { name: 'NotFoundException', status: 404, message: 'The specified vector bucket could not be found' }],
    ['an index that is not there', () => send(new sdk.GetIndexCommand({ ...index, indexName: 'none' })), { name: 'NotFoundException', status: 404, message: 'The specified index could not be found' }],
    ['an index of a bucket that is not there', () => send(new sdk.GetIndexCommand({ vectorBucketName: 'none', indexName: 'none' })), { message: 'The specified index could not be found' }],
    ['indexes of a bucket that is not there', () => send(new sdk.ListIndexesCommand({ vectorBucketName: 'none' })), { message: 'The specified vector bucket could not be found' }],
    ['an index in a bucket that is not there', () => send(new sdk.CreateIndexCommand({ vectorBucketName: 'none', indexName: 'abc', dataType: 'float32', dimension: 1, distanceMetric: 'cosine' })), { message: 'The specified vector bucket could not be found' }],
    ['a bucket twice', () => send(new sdk.CreateVectorBucketCommand({ vectorBucketName: 'errors' })), { name: 'ConflictException', status: 409, message: 'A vector bucket with the specified name already exists' }],
    ['a bucket that is not empty', () => send(new sdk.DeleteVectorBucketCommand({ vectorBucketName: 'errors' })), { name: 'ConflictException', message: 'The specified vector bucket is not empty' }],
    ['a name that is too short', () => send(new sdk.CreateVectorBucketCommand({ vectorBucketName: 'ab' })), { name: 'ValidationException', status: 400, message: "1 validation error detected. Value with length 2 at '/vectorBucketName' failed to satisfy constraint: Member must have length between 3 and 63, inclusive", fields: ['/vectorBucketName'] }],
    ['a name with capitals', () => send(new sdk.CreateVectorBucketCommand({ vectorBucketName: 'Capital' })), { message: 'Invalid vector bucket name' }],
    ['a metric of no kind', () => send(new sdk.CreateIndexCommand({ ...index, dataType: 'float32', dimension: 1, distanceMetric: 'dot' as never })), { message: "1 validation error detected. Value at '/distanceMetric' failed to satisfy constraint: Member must satisfy enum value set: [euclidean, cosine]" }],
    ['a data type of no kind', () => send(new sdk.CreateIndexCommand({ ...index, dataType: 'float64' as never, dimension: 1, distanceMetric: 'cosine' })), { message: "1 validation error detected. Value at '/dataType' failed to satisfy constraint: Member must satisfy enum value set: [float32]" }],
    ['a dimension that is too large', () => send(new sdk.CreateIndexCommand({ ...index, dataType: 'float32', dimension: 4097, distanceMetric: 'cosine' })), { message: "1 validation error detected. Value at '/dimension' failed to satisfy constraint: Member must be between 1 and 4096, inclusive" }],
    ['neither name nor ARN of a bucket', () => send(new sdk.GetVectorBucketCommand({})), { message: 'Must specify either vectorBucketName or vectorBucketArn but not both' }],
    ['half of an index', () => send(new sdk.GetIndexCommand({ indexName: 'index' })), { message: 'Must specify either indexArn or both vectorBucketName and indexName' }],
    ['a vector of another dimension', () => send(new sdk.PutVectorsCommand({ ...index, vectors: [{ key: 'K', data: { float32: [1] } }] })), { name: 'ValidationException', message: "Invalid record for key 'K': vector must have length 5, but has length 1" }],
  ])('%s', async (_, call, expected) => expect(await errorOf(call())).toMatchObject(expected))
})

describe('what may not be put', () => {
  const put = (vector: Partial<sdk.PutInputVector>) => send(new sdk.PutVectorsCommand({ ...index, vectors: [{ key: 'good', data: { float32: [1, 0, 0, 0, 0] } }, { key: 'bad', data: { float32: [1, 2, 3, 4, 5] }, ...vector }] }))
  test.each<[string, Partial<sdk.PutInputVector>]>([
    ['NaN', { data: { float32: [Number.NaN, 0, 0, 0, 1] } }],
    ['infinity', { data: { float32: [Number.POSITIVE_INFINITY, 0, 0, 0, 1] } }],
    ['beyond float32', { data: { float32: [1e39, 0, 0, 0, 1] } }],
    ['zero on cosine', { data: { float32: [0, 0, 0, 0, 0] } }],
    ['null in metadata', { metadata: { a: null } }],
    ['an object in metadata', { metadata: { a: { b: 1 } } }],
    ['a list of lists in metadata', { metadata: { a: [[1]] } }],
    ['51 keys of metadata', { metadata: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, 1])) }],
    ['filterable metadata above 2 KB', { metadata: { a: 'x'.repeat(2048) } }],
    ['metadata above 40 KB', { metadata: { text: 'x'.repeat(40 * 1024) } }],
    ['a key that is too long', { key: 'x'.repeat(1025) }],
    ['an empty key', { key: '' }],
  ])('%s, and nothing of the call is stored', async (_, vector) => {
    expect(await errorOf(put(vector))).toMatchObject({ name: 'ValidationException', status: 400 })
    expect((await send(new sdk.ListVectorsCommand(index))).vectors).toEqual([])
  })

  test('non-filterable metadata may be large, and may not be filtered by', async () => {
    await door.newIndex('large', { metadataConfiguration: { nonFilterableMetadataKeys: ['text'] } })
    const large = { vectorBucketName: 'large', indexName: 'index' }
    await send(new sdk.PutVectorsCommand({ ...large, vectors: [{ key: 'a', data: { float32: [1, 2, 3] }, metadata: { text: 'x'.repeat(39_000), small: 'y'.repeat(1000) } }] }))
    expect(await errorOf(send(new sdk.QueryVectorsCommand({ ...large, topK: 1, queryVector: { float32: [1, 2, 3] }, filter: { text: 'x' } })))).toMatchObject({ name: 'ValidationException' })
  })

  test.each([[{ a: { $not: { $eq: 1 } } }], [{ $nor: [{ a: 1 }] }], [{ a: { $gt: 'x' } }], [{ a: { $in: [] } }], [{ a: {} }], [{}], [{ $and: [] }], [{ $and: {} }], [{ a: { $in: [null] } }], [{ a: null }], [{ a: { $exists: 1 } }], [{ a: [1] }]])('filter %j', async (filter) => {
    const found = errorOf(send(new sdk.QueryVectorsCommand({ ...index, topK: 1, queryVector: { float32: [1, 2, 3, 4, 5] }, filter: filter as never })))
    expect(await found).toMatchObject({ name: 'ValidationException', status: 400 })
  })

  test('a filter of more than 100 constraints', async () => {
    const filter = { $or: Array.from({ length: 101 }, (_, i) => ({ a: i })) }
    expect(await errorOf(send(new sdk.QueryVectorsCommand({ ...index, topK: 1, queryVector: { float32: [1, 2, 3, 4, 5] }, filter })))).toMatchObject({ name: 'ValidationException' })
  })
})

describe('what is no request', () => {
  test.each([
    ['NaN as a word, as Python writes it', '{"vectorBucketName":"errors","indexName":"index","vectors":[{"key":"a","data":{"float32":[NaN,1,2,3,4]}}]}'],
    ['NaN as text, as JavaScript writes it', '{"vectorBucketName":"errors","indexName":"index","vectors":[{"key":"a","data":{"float32":["NaN",1,2,3,4]}}]}'],
    ['broken JSON', '{"vectorBucketName":'],
    ['a list', '[]'],
    ['a number', '7'],
    ['nesting without end', '['.repeat(100_000)],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
    ['nothing', ''],
  ])('%s', async (_, body) => {
    expect(await raw('PutVectors', body)).toMatchObject({ status: 400, name: 'ValidationException' })
  })

  test('a body above 20 MiB', async () => {
    const body = `{"vectorBucketName":"errors","indexName":"index","x":"${'y'.repeat(21 * 1024 * 1024)}"}`
    const refused = await raw('PutVectors', body).catch(() => ({ status: 'cut off' }))
    expect([400, 'cut off']).toContain(refused.status)
    expect((await send(new sdk.GetIndexCommand(index))).index).toBeDefined()
  })

  test('requests made of the model and of anything else are answered with a typed 4xx or done, never a 5xx', { timeout: 120_000 }, async () => {
    const runs = Number(process.env.WINDLASS_FUZZ_RUNS ?? 300)
    const anything = fc.oneof(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom<unknown>('NaN', 1e308, -1, 4096.5, '', 'x'.repeat(2000), null, true, [], {}, '__proto__', 'errors', 'index', { float32: [1] }, [{ key: 'a', data: { float32: [] } }]))
    const operation = fc.constantFrom(...(Object.keys(inputShapes) as OperationName[]).filter((name) => !/tag/i.test(name) && !name.startsWith('Delete')))
    const request = operation.chain((name) => {
      const shape = inputShapes[name] as Extract<Shape, { type: 'structure' }>
      return fc.record({ name: fc.constant(name), input: fc.record(Object.fromEntries(Object.keys(shape.members).map((member) => [member, anything])), { requiredKeys: [] }) })
    })
    await fc.assert(
      fc.asyncProperty(request, async ({ name, input }) => {
        const { status, name: code } = await raw(name, JSON.stringify(input))
        expect(status).toBeLessThan(500)
        if (status !== 200) expect(code).toMatch(/^(Validation|NotFound|Conflict)Exception$/)
      }),
      { numRuns: runs },
    )
  })
})
