// The doctor at moto's SQS and S3 Vectors. Runs where WINDLASS_TEST_MOTO says where moto is.
import * as sdk from '@aws-sdk/client-s3vectors'
import { describe, expect, test } from 'vitest'
import { AwsService } from '../../src/aws/aws-service.ts'
import { systemClock } from '../../src/base/clock.ts'
import { newId, systemRandom } from '../../src/base/random.ts'
import { openQueue } from '../../src/vectorize/events/open-queue.ts'
import { examine, textOf } from './testing.ts'

const endpoint = process.env.WINDLASS_TEST_MOTO ?? ''
const keys = { accessKeyId: 'testing', secretAccessKey: 'testing' }
const name = `doctor-${newId(systemClock.now(), systemRandom)}`

describe.skipIf(endpoint === '')('doctor at moto (WINDLASS_TEST_MOTO)', () => {
  test('a queue that is there, with a message that stays, and one that is not', async () => {
    const sqs = new AwsService({ service: 'sqs', region: 'us-east-1', endpoint, clock: systemClock, random: systemRandom })
    const call = async (operation: string, body: object) => JSON.parse(await sqs.call({ action: operation, headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${operation}` }, body: JSON.stringify(body) }, keys)) as Record<string, never>
    const { QueueUrl } = await call('CreateQueue', { QueueName: name })
    await call('SendMessage', { QueueUrl, MessageBody: '{}' })
    const look = async (queueUrl: string) => {
      const open = () => openQueue({ name: 'docs', source: { type: 's3', url: 's3://docs', events: { queueUrl } } as never }, { environment: { AWS_REGION: 'us-east-1', AWS_ENDPOINT_URL: endpoint }, clock: systemClock, random: systemRandom, storeSettings: keys })
      return textOf(await examine('queue', { environment: { WINDLASS_BUCKET: 'memory:' }, context: { queues: [{ vectorizer: 'docs', open }] } }))
    }
    expect(await look(QueueUrl!)).toMatch(/^ok \|.*messages waiting: 1/)
    expect(await look(QueueUrl!), 'it is still there, and nobody is kept from it').toMatch(/messages waiting: 1/)
    expect(await look(`${QueueUrl}-not-there`)).toMatch(/^problem \|.*aws sqs get-queue-url/)
  })

  test('a vector bucket and an index: missing, then there', async () => {
    const environment = { WINDLASS_BUCKET: 'memory:', S3_VECTOR_BUCKET_NAME: name, S3_VECTOR_INDEX_NAME: 'main', AWS_ENDPOINT_URL_S3VECTORS: endpoint, AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing', AWS_REGION: 'us-east-1' }
    const look = async (more: Record<string, string> = {}) => textOf(await examine('s3vectors', { environment: { ...environment, ...more } }))
    expect(await look()).toMatch(/^problem \| there is no vector bucket/)
    const client = new sdk.S3VectorsClient({ endpoint, region: 'us-east-1', credentials: keys })
    await client.send(new sdk.CreateVectorBucketCommand({ vectorBucketName: name }))
    expect(await look()).toMatch(/^problem \| there is no vector index/)
    await client.send(new sdk.CreateIndexCommand({ vectorBucketName: name, indexName: 'main', dataType: 'float32', dimension: 4, distanceMetric: 'cosine' }))
    client.destroy()
    expect(await look({ VECTOR_DIMENSION: '5' })).toMatch(/^problem \| index .* takes 4 values/)
    // Moto has no queries; another release of it may.
    expect(await look()).toMatch(/^(ok|problem \| \S+ does not know QueryVectors \(404\))/)
  })
})
