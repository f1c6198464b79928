import { describe, test } from 'vitest'
import { testDestination } from '../../src/testing/destination-conformance.ts'
import { startOpenSearchDouble } from '../doubles/opensearch/double.ts'
import { openSearchable, searchedPlace } from './point-destinations.ts'

describe('OpenSearch', () => {
  testDestination(test, async () => {
    const double = await startOpenSearchDouble({ basic: { user: 'admin', password: 'opensearch-secret' } })
    const open = (vectorizer?: string) => openSearchable({ type: 'opensearch', url: double.url, index: 'docs', auth: { type: 'basic' } }, vectorizer, { OPENSEARCH_USER: 'admin', OPENSEARCH_PASSWORD: 'opensearch-secret' })
    return searchedPlace(open, { loseAnswers: () => double.faults.repeat(3, /^PUT |_bulk$|_delete_by_query$/, { kind: 'lost' }), close: () => double.close() })
  })
})

describe('OpenSearch Serverless, which sees writes at once', () => {
  testDestination(test, async () => {
    const key = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret-of-the-double' }
    const double = await startOpenSearchDouble({ isServerless: true, aws: { ...key, region: 'eu-west-1', service: 'aoss' } })
    const open = (vectorizer?: string) => openSearchable({ type: 'opensearch', url: double.url, index: 'docs', auth: { type: 'aws', service: 'aoss' } }, vectorizer, { AWS_ACCESS_KEY_ID: key.accessKeyId, AWS_SECRET_ACCESS_KEY: key.secretAccessKey, AWS_REGION: 'eu-west-1' })
    return searchedPlace(open, { loseAnswers: () => double.faults.repeat(3, /^PUT |_bulk$/, { kind: 'lost' }), close: () => double.close() })
  })
})
