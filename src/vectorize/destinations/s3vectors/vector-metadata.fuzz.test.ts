import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromUtf8Lenient, toUtf8, utf8Length } from '../../../base/bytes.ts'
import type { Metadata } from '../../../format/record.ts'
import { plainJson, type Point } from '../point-store.ts'
import { cut, cutMarker, decodeVectorMetadata, encodeVectorMetadata, metadataLimits, nonFilterableKeys } from './vector-metadata.ts'

/** Halves of characters replaced: text from a file has none. */
const wellFormed = (text: string) => fromUtf8Lenient(toUtf8(text))
const long = fc.tuple(fc.string({ unit: 'binary', maxLength: 30 }), fc.integer({ min: 0, max: 2000 })).map(([text, times]) => wellFormed(text.repeat(times).slice(0, 60_000)))
const medium = fc.tuple(fc.string({ unit: 'binary', minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 100 })).map(([text, times]) => wellFormed(text.repeat(times)))
const value = fc.oneof(fc.string({ maxLength: 20 }), medium, long, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.boolean(), fc.constant(null), fc.array(fc.oneof(fc.string(), fc.integer(), fc.constant(null)), { maxLength: 5 }), fc.constant({ nested: [1] }))
const key = fc.oneof(fc.string({ maxLength: 10 }), long, fc.constantFrom('source', 'text', 'record', 'windlass', 'version', '', '$eq', '__proto__'))
const point: fc.Arbitrary<Point> = fc.record({
  document: fc.constant('0'.repeat(32)),
  version: fc.constant('01jd0000000000000000000000'),
  index: fc.nat(100_000),
  vectorizer: fc.string({ minLength: 1, maxLength: 63 }),
  path: fc.string({ unit: 'binary', minLength: 1, maxLength: 512 }).map(wellFormed),
  title: long,
  text: long,
  hash: fc.constant('0123456789abcdef'),
  model: fc.constant('static-384'),
  vector: fc.option(fc.constant(Float32Array.of(1)), { nil: null }),
  place: fc.record({ index: fc.nat(10), headingPath: fc.array(long, { maxLength: 20 }) }),
  metadata: fc.dictionary(key, value, { maxKeys: 60, noNullPrototype: true }) as fc.Arbitrary<Metadata>,
}, { noNullPrototype: true })

test('metadata of any size is within the limits of S3 Vectors, and what identifies the chunk comes back', () => {
  fc.assert(
    fc.property(point, (given) => {
      const encoded = encodeVectorMetadata(given)
      const sizes = Object.entries(encoded).map(([name, each]) => ({ name, size: utf8Length(name) + utf8Length(typeof each === 'string' ? each : JSON.stringify(each)) }))
      const filterable = sizes.filter(({ name }) => !(nonFilterableKeys as readonly string[]).includes(name))
      expect(sizes.length).toBeLessThanOrEqual(metadataLimits.keys)
      expect(filterable.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(metadataLimits.filterableBytes)
      expect(sizes.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(metadataLimits.bytes)
      const decoded = decodeVectorMetadata(encoded, given.vector)!
      const { document, version, index, vectorizer, path, hash } = given
      expect(decoded).toMatchObject({ document, version, index, vectorizer, path, hash, vector: given.vector })
      const whole = plainJson(given.metadata)
      for (const [name, each] of Object.entries(decoded.metadata)) expect(each).toEqual(whole[name])
      if (given.vector === null) return
      if (decoded.text !== given.text) expect(given.text.startsWith(decoded.text.slice(0, -cutMarker.length))).toBe(true)
      // There is always room for a chunk as they mostly are.
      if (utf8Length(given.text) < 16_000) expect(decoded.text).toBe(given.text)
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 200) },
  )
}, 60_000)

test('a text is cut between characters, and says so', () => {
  expect(cut('short', 100)).toBe('short')
  const text = 'é🎉'.repeat(100)
  for (let bytes = 40; bytes < 60; bytes++) {
    const kept = cut(text, bytes)
    expect(utf8Length(kept)).toBeLessThanOrEqual(bytes)
    expect(kept.endsWith(cutMarker)).toBe(true)
    expect(wellFormed(kept)).toBe(kept)
  }
})
