import { describe, test } from 'vitest'
import { testDestination } from '../../src/testing/destination-conformance.ts'
import { startS3Vectors } from '../../src/testing/servers.ts'
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
