import * as sdk from '@aws-sdk/client-s3vectors'
import { describe, test } from 'vitest'
import { testDestination, type DestinationPlace } from '../../src/testing/destination-conformance.ts'
import { startS3Vectors } from '../../src/testing/servers.ts'
import { documentId } from '../../src/vectorize/destinations/point-store.ts'
import { decodeVectorMetadata } from '../../src/vectorize/destinations/s3vectors/vector-metadata.ts'
import { openSearchable, searchedPlace } from './point-destinations.ts'

process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'

describe('S3 Vectors, behind our own door', () => {
  testDestination(test, async () => {
    const server = await startS3Vectors()
    const { accessKeyId, secretAccessKey } = server.credentials
    const declaration = { type: 's3vectors', bucket: 'vectors', index: 'docs', endpoint: server.endpoint, region: 'us-east-1', accessKeyIdVariable: 'ID', secretAccessKeyVariable: 'SECRET' } as const
    const open = (vectorizer?: string) => openSearchable(declaration, vectorizer, { ID: accessKeyId, SECRET: secretAccessKey })
    return searchedPlace(open, { close: () => server.stop() })
  })
})

// Moto's, or AWS's: WINDLASS_TEST_S3VECTORS is the endpoint, credentials are those of the environment. Moto cannot search, so that what is
// there is listed; and it leaves what a killed writer left, which is found by a search.
const endpoint = process.env.WINDLASS_TEST_S3VECTORS
describe.skipIf(!endpoint)(`S3 Vectors at ${endpoint ?? 'WINDLASS_TEST_S3VECTORS, which is not set'}`, () => {
  let count = 0
  testDestination(test, () => Promise.resolve(listedPlace(endpoint!, `docs-${process.pid}-${++count}`)))
})

function listedPlace(url: string, index: string): DestinationPlace {
  const credentials = { accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? 'testing', secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? 'testing' }
  const client = new sdk.S3VectorsClient({ endpoint: url, region: 'us-east-1', credentials })
  const name = { vectorBucketName: 'windlass-test', indexName: index }
  const declaration = { type: 's3vectors', bucket: name.vectorBucketName, index, endpoint: url, region: 'us-east-1', accessKeyIdVariable: 'ID', secretAccessKeyVariable: 'SECRET' } as const
  return {
    open: (vectorizer) => openSearchable(declaration, vectorizer, { ID: credentials.accessKeyId, SECRET: credentials.secretAccessKey }),
    contents: async (path) => {
      const points = []
      for await (const page of sdk.paginateListVectors({ client }, { ...name, returnMetadata: true })) for (const { metadata } of page.vectors ?? []) points.push(decodeVectorMetadata(metadata, null))
      for (const vectorizer of ['conformance', 'other']) {
        const mine = points.filter((point) => point?.document === documentId(vectorizer, path))
        const head = mine.find((point) => point?.head)
        const texts = mine.filter((point) => point?.version === head?.version && point?.text !== '').sort((a, b) => a!.index - b!.index)
        if (texts.length > 0) return texts.map((point) => point!.text)
      }
      return []
    },
    close: async () => {
      await client.send(new sdk.DeleteIndexCommand(name))
      client.destroy()
    },
  }
}
