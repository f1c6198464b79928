import { expect, test } from 'vitest'
import { parseDuration as serversDuration } from '../src/vectorize/declaration/duration.ts'
import { defaultPrices, estimateCost } from './cost.ts'
import { quantile, warmthOf } from './latency.ts'
import { languages } from './languages.ts'
import { stemmers } from '../src/text/stemmers.ts'
import { parseDuration, showBytes, showCount, showDollars, showMs, showNoun } from './quantities.ts'
import { hrefOf, parsePlace } from './router.ts'

test('bytes, counts and times are shown in three digits at most', () => {
  expect([0, 999, 1000, 1536, 99_400, 999_499, 999_500, 1e9, 123.4e9, 5e15].map(showBytes)).toEqual(['0 B', '999 B', '1.0 kB', '1.5 kB', '99.4 kB', '999 kB', '1.0 MB', '1.0 GB', '123 GB', '5.0 PB'])
  expect([0.04, 9.94, 12.4, 999.4, 999.5, 1400, 99_000, 180_000].map(showMs)).toEqual(['0 ms', '9.9 ms', '12 ms', '999 ms', '1.0 s', '1.4 s', '99.0 s', '3 min'])
  expect([0, 0.00001, 0.0004, 0.023, 0.5, 12.345, 1234.5].map(showDollars)).toEqual(['$0', 'under $0.0001', '$0.0004', '$0.023', '$0.50', '$12.35', '$1,235'])
  expect([showCount(1234567), showNoun(1, 'query', 'queries'), showNoun(2, 'query', 'queries')]).toEqual(['1,234,567', '1 query', '2 queries'])
})

test('a duration is what the server takes it for', () => {
  for (const text of ['500ms', '30s', '1.5m', '2h', '1d']) expect(parseDuration(text)).toBe(serversDuration(text))
  expect(parseDuration('soon')).toBeNaN()
})

test('a month costs its bytes, and a million records as much as these would', () => {
  const cost = estimateCost({ sizeBytes: 2e9, recordCount: 500_000, queriesPerDay: 10_000, requestsPerQuery: 2 }, defaultPrices)
  expect(cost.storage).toBeCloseTo(0.046)
  expect(cost.storagePerMillion).toBeCloseTo(0.092)
  // 608,000 reads.
  expect(cost.requests).toBeCloseTo(0.2432)
  expect(estimateCost({ sizeBytes: 100, recordCount: 0, queriesPerDay: 1, requestsPerQuery: 1 }, defaultPrices).storagePerMillion).toBeNull()
})

test('the two requests that look for newer writes leave a query warm; one for a vector makes it cold', () => {
  expect([0, 2, 3].map((requests) => warmthOf({ requests, vectorRequests: 0 }))).toEqual(['memory', 'memory', 'texts'])
  expect(warmthOf({ requests: 2, vectorRequests: 1 })).toBe('cold')
  expect([quantile([], 0.5), quantile([3, 1, 2], 0.5), quantile([1, 2, 3, 4], 0.5), quantile([1, 2, 3, 4], 1)]).toEqual([null, 2, 2, 4])
})

test('a place survives being written as an address', () => {
  for (const parts of [[], ['manuals'], ['a/b?c#d&e=f', 'ש']]) {
    const query = { q: 'how & why? 100%', f: '[{"a":1}]' }
    expect(parsePlace(hrefOf('search', parts, query))).toEqual({ page: 'search', parts, query })
  }
  expect(parsePlace('')).toEqual({ page: 'search', parts: [], query: {} })
  expect(parsePlace('#/documents/%E0%A4%A')).toMatchObject({ page: 'documents', parts: ['%E0%A4%A'] })
})

test('the languages offered are those that there are', () => {
  expect([...languages].sort()).toEqual(Object.keys(stemmers).sort())
})
