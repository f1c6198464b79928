import * as sdk from '@aws-sdk/client-s3vectors'
import { expect } from 'vitest'
import type { SettingName } from '../../src/config/settings.ts'
import { startTestServer, type TestServer } from '../http/testing.ts'

export { sdk }

/** The official client against a server of ours. */
export class TestS3Vectors {
  readonly server: TestServer
  readonly client: sdk.S3VectorsClient

  constructor(server: TestServer, credentials = { accessKeyId: 'anyone', secretAccessKey: 'anything-at-all' }) {
    this.server = server
    this.client = new sdk.S3VectorsClient({ endpoint: server.url, region: 'us-east-1', credentials, maxAttempts: 1 })
  }

  static async start(settings: Partial<Record<SettingName, string>> = {}): Promise<TestS3Vectors> {
    process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'
    return new TestS3Vectors(await startTestServer(settings))
  }

  async stop(): Promise<void> {
    this.client.destroy()
    await this.server.stop()
  }

  /** A bucket with an index of three dimensions in it. */
  async newIndex(bucket: string, options: Partial<Omit<sdk.CreateIndexCommandInput, 'indexName'>> = {}): Promise<{ vectorBucketName: string; indexName: string }> {
    await this.client.send(new sdk.CreateVectorBucketCommand({ vectorBucketName: bucket }))
    const input = { vectorBucketName: bucket, indexName: 'index', dataType: 'float32', dimension: 3, distanceMetric: 'euclidean', ...options } as const
    await this.client.send(new sdk.CreateIndexCommand(input))
    return { vectorBucketName: bucket, indexName: 'index' }
  }
}

/** The error that a call ends with, as the SDK sees it. */
export async function errorOf(call: Promise<unknown>): Promise<{ name: string; status: number; message: string; fields: string[] }> {
  const error = await call.then(
    () => null,
    (each: sdk.S3VectorsServiceException) => each,
  )
  expect(error, 'expected to be refused').not.toBeNull()
  const { name, message, $metadata } = error!
  const fields = error instanceof sdk.ValidationException ? (error.fieldList ?? []).map(({ path }) => path!) : []
  return { name, status: $metadata.httpStatusCode!, message, fields }
}
