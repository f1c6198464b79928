import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isWindlassError } from '../../../base/errors.ts'
import type { MetadataValue } from '../../../format/record.ts'
import { attributesOf, readAttributes } from './attributes.ts'

const text = fc.string({ unit: 'binary', maxLength: 1200 })
const value: fc.Arbitrary<MetadataValue> = fc.oneof(text, fc.double(), fc.bigInt(), fc.boolean(), fc.constant(null), fc.array(fc.oneof(text, fc.bigInt())), fc.dictionary(fc.string(), fc.string()))
const metadata = fc.dictionary(fc.oneof(fc.string({ maxLength: 80 }), fc.constantFrom('path', 'path_2', 'path_4', 'windlass', 'sha256', 'title')), value, { maxKeys: 30 })

test('attributes keep within the limits, and tell whose a document is and where', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 1000 }), metadata, text, (path, metadata, title) => {
      const attributes = attributesOf('docs', { path, sha256: 'ab', sizeBytes: 1, metadata, title })
      const entries = Object.entries(attributes)
      expect(entries.length).toBeLessThanOrEqual(16)
      for (const [key, each] of entries) {
        expect(key.length).toBeGreaterThan(0)
        expect(key.length).toBeLessThanOrEqual(64)
        expect(['string', 'number', 'boolean']).toContain(typeof each)
        if (typeof each === 'string') expect(each.length).toBeLessThanOrEqual(512)
        if (typeof each === 'number') expect(Number.isFinite(each)).toBe(true)
      }
      expect(readAttributes(JSON.parse(JSON.stringify(attributes)) as typeof attributes)).toEqual({ vectorizer: 'docs', path, sha256: 'ab' })
    }),
  )
})

test('as much metadata as there is room for is kept, in the order of its keys; characters are not torn', () => {
  const metadata = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${String(i).padStart(2, '0')}`, i]))
  const attributes = attributesOf('docs', { path: 'a.md', sha256: 'ab', sizeBytes: 1, metadata: { ...metadata, cut: `${'x'.repeat(511)}🎉`, list: ['a', 1n], far: 2n ** 60n, none: null } })
  expect(attributes).toEqual({ windlass: 'docs', sha256: 'ab', path: 'a.md', cut: 'x'.repeat(511), far: String(2n ** 60n), ...Object.fromEntries(Object.entries(metadata).slice(0, 11)) })
  expect(attributesOf('docs', { path: 'a.md', sha256: 'ab', sizeBytes: 1, metadata: { list: ['a', 1n] } })).toMatchObject({ list: '["a","1"]' })
})

test('a path that does not fit is refused, files of others are not ours', () => {
  const refused = () => attributesOf('docs', { path: 'x'.repeat(2049), sha256: 'ab', sizeBytes: 1, metadata: {} })
  expect(refused).toThrow(/2049 characters, at most 2048/)
  try {
    refused()
  } catch (error) {
    expect(isWindlassError(error, 'invalid')).toBe(true)
  }
  expect(readAttributes(null)).toBeNull()
  expect(readAttributes({ path: 'a.md' })).toBeNull()
  expect(readAttributes({ windlass: 'docs' })).toBeNull()
})
