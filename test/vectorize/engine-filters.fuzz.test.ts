// The law of filters in engines: what a filter of ours matches, the engine's filter lets pass. More is filtered out here, less is lost.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkFilter } from '../../src/api/s3vectors/filter.ts'
import { matchesFilter, parseFilter, type Filter } from '../../src/engine/query/filter.ts'
import type { Metadata } from '../../src/format/record.ts'
import { filterableOf, plainFilter } from '../../src/vectorize/destinations/filter-condition.ts'
import { indexBody, encodeDocument } from '../../src/vectorize/destinations/opensearch/opensearch-index.ts'
import { toClauses } from '../../src/vectorize/destinations/opensearch/opensearch-filter.ts'
import { encodePayload, plainJson, type Point } from '../../src/vectorize/destinations/point-store.ts'
import { toQdrantFilter } from '../../src/vectorize/destinations/qdrant/qdrant-filter.ts'
import { toVectorFilter } from '../../src/vectorize/destinations/s3vectors/vector-filter.ts'
import { encodeVectorMetadata, nonFilterableKeys } from '../../src/vectorize/destinations/s3vectors/vector-metadata.ts'
import { scorerOf, type Mapping } from '../doubles/opensearch/query.ts'
import { passes } from '../doubles/qdrant/filter.ts'

const scalar = fc.constantFrom<string | number | bigint | boolean>('', 'a', 'ab', 'b', '\uE000', '\u{1F600}', 'x'.repeat(2500), `${'x'.repeat(2500)}y`, 0, 1, 1n, 1.5, -2, 2n ** 53n, 2n ** 53n + 1n, true, false)
const value = fc.oneof({ weight: 4, arbitrary: scalar }, fc.array(fc.oneof(scalar, fc.constant(null)), { maxLength: 3 }), fc.constant(null), fc.constant({ nested: 1 }))
const key = fc.constantFrom('x', 'y', 'a key', 'with.dot', 'with"quote', 'source', 'title', 'page')
const metadata = fc.dictionary(fc.constantFrom('x', 'y', 'a key', 'with.dot', 'with"quote', 'source', 'title'), value, { maxKeys: 4, noNullPrototype: true }) as fc.Arbitrary<Metadata>
const comparison = fc.oneof(
  fc.record({ $eq: scalar }),
  fc.record({ $ne: scalar }),
  fc.record({ $in: fc.array(scalar, { minLength: 1, maxLength: 3 }) }),
  fc.record({ $nin: fc.array(scalar, { minLength: 1, maxLength: 3 }) }),
  fc.record({ $exists: fc.boolean() }),
  fc.record({ $startsWith: fc.constantFrom('', 'a', 'ab', '\uE000', 'x'.repeat(2400)) }),
  ...['$gt', '$gte', '$lt', '$lte'].map((operator) => scalar.filter((each) => typeof each !== 'boolean').map((each) => ({ [operator]: each }))),
)
const { filter } = fc.letrec((tie) => ({
  filter: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.tuple(key, comparison).map(([name, each]) => ({ [name]: each })),
    fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((parts) => ({ $and: parts })),
    fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((parts) => ({ $or: parts })),
    tie('filter').map((part) => ({ $not: part })),
  ),
}))

function pointOf(given: Metadata): Point {
  // As it comes back: what is found is filtered again by that.
  const known = plainJson(given) as Metadata
  return { document: '0'.repeat(32), version: 'v', index: 1, vectorizer: 'mine', path: 'a/b.md', title: 'a title', text: 'text', hash: '0', model: 'm', vector: Float32Array.of(1, 0), place: { index: 1, headingPath: ['one'], page: 2 }, metadata: known }
}

function holds(passesIn: (point: Point, filter: Filter) => boolean, isFound: (given: Metadata) => boolean = () => true): void {
  let matched = 0
  fc.assert(
    fc.property(metadata.filter(isFound), filter, (given, json) => {
      const parsed = plainFilter(parseFilter(json))
      const point = pointOf(given)
      const others = { ...point, vectorizer: 'theirs' }
      expect(passesIn(others, parsed)).toBe(false)
      if (!matchesFilter(parsed, filterableOf(point))) return
      matched++
      expect(passesIn(point, parsed)).toBe(true)
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 2000) },
  )
  expect(matched, 'how often the filter matched').toBeGreaterThan(200)
}

describe('filters in engines let pass all that ours match, and nothing of other vectorizers', () => {
  test('Qdrant', () => holds((point, parsed) => passes(toQdrantFilter('mine', parsed), { id: 1, payload: encodePayload(point) })))

  test('OpenSearch', () => {
    const { mappings } = indexBody(2, false) as { mappings: Mapping }
    holds((point, parsed) => {
      const document = { id: '1', source: encodeDocument(point, 'cosinesimil') }
      return scorerOf({ bool: { filter: toClauses('mine', parsed) } }, mappings, [document])(document) !== null
    })
  })

  // Values that do not fit into filterable metadata are not found by a filter: that is documented.
  test('S3 Vectors', () => {
    const fits = (given: Metadata) => Object.values(given).every((each) => JSON.stringify(each, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)).length < 100)
    holds((point, parsed) => {
      const json = toVectorFilter('mine', parsed)
      checkFilter(json, 'ENHANCED', new Set(nonFilterableKeys))
      return matchesFilter(parseFilter(json), encodeVectorMetadata(point) as Metadata, { negationMatchesMissing: false, looksIntoLists: true })
    }, fits)
  })
})

test('an engine is asked for what it can tell: most of a filter reaches it', () => {
  const parsed = parseFilter({ $and: [{ x: 'a' }, { y: { $gt: 1 } }, { source: 'a/b.md' }] })
  expect(toQdrantFilter('mine', parsed)).toEqual({ must: [{ key: 'vectorizer', match: { value: 'mine' } }, { must: [{ should: [{ key: 'metadata.x', match: { value: 'a' } }] }, { key: 'metadata.y', range: { gt: 1 } }, { should: [{ key: 'path', match: { value: 'a/b.md' } }] }] }] })
  expect(toVectorFilter('mine', parsed)).toEqual({ $and: [{ vectorizer: { $eq: 'mine' } }, { $and: [{ x: { $eq: 'a' } }, { y: { $gt: 1 } }, { source: { $eq: 'a/b.md' } }] }] })
  expect(toClauses('mine', parsed)).toHaveLength(2)
  expect(JSON.stringify(toClauses('mine', parsed))).toContain('"facts.number":{"gt":1}')
})
