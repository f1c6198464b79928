import { describe, test } from 'vitest'
import { testDestination } from '../../src/testing/destination-conformance.ts'
import { startQdrantDouble } from '../doubles/qdrant/double.ts'
import { openSearchable, searchedPlace } from './point-destinations.ts'

describe('Qdrant', () => {
  testDestination(test, async () => {
    const double = await startQdrantDouble({ apiKey: 'qdrant-secret' })
    const open = (vectorizer?: string) => openSearchable({ type: 'qdrant', url: double.url, collection: 'docs', apiKeyVariable: 'KEY' }, vectorizer, { KEY: 'qdrant-secret' })
    return searchedPlace(open, { loseAnswers: () => double.faults.repeat(3, /^PUT |delete$/, { kind: 'lost' }), close: () => double.close() })
  })
})
