import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isWindlassError } from '../base/errors.ts'
import { arbitraryContent, arbitraryMetadata } from '../testing/arbitraries.ts'
import { decodeMetadata, encodeMetadata, rowChecksum, type Metadata } from './record.ts'

describe('metadata', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(arbitraryMetadata, (metadata) => {
        // Not toStrictEqual, which takes a key `constructor` for the class.
        deepStrictEqual(decodeMetadata(encodeMetadata(metadata), 'x'), metadata)
      }),
      { numRuns: 500 },
    )
  })

  test('of equal content has equal bytes, whatever the order of its keys', () => {
    fc.assert(
      fc.property(arbitraryMetadata, (metadata) => {
        const reversed = Object.fromEntries(Object.entries(metadata).reverse())
        expect(encodeMetadata(reversed)).toEqual(encodeMetadata(metadata))
      }),
    )
  })

  test('has one form: bytes that decode encode to themselves, others are corrupt', () => {
    fc.assert(
      fc.property(arbitraryMetadata, fc.nat(), fc.integer({ min: 1, max: 255 }), (metadata, position, change) => {
        const bytes = encodeMetadata(metadata).slice()
        bytes[position % bytes.length]! ^= change
        let decoded: Metadata
        try {
          decoded = decodeMetadata(bytes, 'x')
        } catch (error) {
          expect(isWindlassError(error, 'corrupt')).toBe(true)
          return
        }
        expect(encodeMetadata(decoded)).toEqual(bytes)
      }),
      { numRuns: 2000 },
    )
  })

  test('of foreign bytes is a typed error or a value of that very form', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        let decoded: Metadata
        try {
          decoded = decodeMetadata(bytes, 'x')
        } catch (error) {
          expect(isWindlassError(error, 'corrupt')).toBe(true)
          return
        }
        expect(encodeMetadata(decoded)).toEqual(bytes)
      }),
      { numRuns: 2000 },
    )
  })
})

test('the checksum of a row changes with every part of its content', () => {
  fc.assert(
    fc.property(arbitraryContent(3), arbitraryContent(3), (a, b) => {
      const checksum = rowChecksum(a)
      expect(rowChecksum({ ...a, metadata: Object.fromEntries(Object.entries(a.metadata).reverse()) })).toBe(checksum)
      expect(rowChecksum(a, encodeMetadata(a.metadata))).toBe(checksum)
      expect(rowChecksum({ ...a, space: a.space === 'records' ? 'documents' : 'records' })).not.toBe(checksum)
      expect(rowChecksum({ ...a, document: a.document === null ? '' : null })).not.toBe(checksum)
      expect(rowChecksum({ ...a, vector: a.vector ? null : new Float32Array(3) })).not.toBe(checksum)
      if (a.key !== b.key) expect(rowChecksum({ ...a, key: b.key })).not.toBe(checksum)
      if (compare(a.metadata, b.metadata)) expect(rowChecksum({ ...a, metadata: b.metadata })).not.toBe(checksum)
    }),
  )
})

function compare(a: Metadata, b: Metadata): boolean {
  return encodeMetadata(a).join() !== encodeMetadata(b).join()
}
