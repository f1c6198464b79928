// What other people's test suites and applications use of the door.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startS3Vectors } from '../../src/testing/index.ts'
import { run } from '../process/processes.ts'
import { sdk, TestS3Vectors } from './testing.ts'

test('a server of its own for every suite', async () => {
  const [one, two] = await Promise.all([startS3Vectors(), startS3Vectors({ region: 'eu-west-1', accountId: '123456789012' })])
  const clients = [one, two].map(({ endpoint, region, credentials }) => new sdk.S3VectorsClient({ endpoint, region, credentials }))
  const { vectorBucketArn } = await clients[1]!.send(new sdk.CreateVectorBucketCommand({ vectorBucketName: 'mine' }))
  expect(vectorBucketArn).toBe('arn:aws:s3vectors:eu-west-1:123456789012:bucket/mine')
  expect((await clients[0]!.send(new sdk.ListVectorBucketsCommand({}))).vectorBuckets).toEqual([])
  await Promise.all([one.stop(), two.stop()])
})

test("a file service's own variables name and shape its index: made when missing, filled by files, found by vectors", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'windlass-vectors-'))
  try {
    writeFileSync(join(folder, 'harbour.md'), '# Harbour\n\nThe windlass hauls the anchor.\n')
    const bucket = `file:${join(folder, 'bucket')}`
    const env = { S3_VECTOR_BUCKET_NAME: 'my-vectors', S3_VECTOR_INDEX_NAME: 'documents', VECTOR_DIMENSION: '384' }
    expect(run(['index', join(folder, 'harbour.md'), '--bucket', bucket], env).stdout).toContain('1 new')
    expect(run(['search', 'anchors', '--bucket', bucket], env).stdout).toContain('harbour.md')
    const door = await TestS3Vectors.start({ bucket, 's3-vector-bucket': 'my-vectors', 's3-vector-index': 'documents' })
    const index = { vectorBucketName: 'my-vectors', indexName: 'documents' }
    expect((await door.client.send(new sdk.ListVectorBucketsCommand({}))).vectorBuckets).toMatchObject([{ vectorBucketName: 'my-vectors' }])
    expect((await door.client.send(new sdk.GetIndexCommand(index))).index).toMatchObject({ dimension: 384, distanceMetric: 'cosine' })
    const { vectors } = await door.client.send(new sdk.ListVectorsCommand({ ...index, returnData: true, returnMetadata: true }))
    expect(vectors).toMatchObject([{ metadata: { source: expect.stringContaining('harbour.md') } }])
    const found = await door.client.send(new sdk.QueryVectorsCommand({ ...index, topK: 1, queryVector: { float32: vectors![0]!.data!.float32! }, returnDistance: true }))
    expect(found.vectors![0]!.distance).toBeCloseTo(0, 5)
    await door.stop()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a collection that another door made under a name with a slash is an index, in a bucket that nobody had to make', async () => {
  const door = await TestS3Vectors.start()
  await door.server.call('POST', '/v1/collections', { json: { name: 'other/door', dimension: 2 } })
  expect((await door.client.send(new sdk.ListIndexesCommand({ vectorBucketName: 'other' }))).indexes).toMatchObject([{ indexName: 'door' }])
  await door.client.send(new sdk.PutVectorsCommand({ vectorBucketName: 'other', indexName: 'door', vectors: [{ key: 'a', data: { float32: [1, 2] }, metadata: { x: 1 } }] }))
  const { json } = await door.server.call('GET', '/v1/collections/other%2Fdoor/records')
  expect(json.records).toMatchObject([{ key: 'a', metadata: { x: 1 } }])
  await door.stop()
})
