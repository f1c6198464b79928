import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { arbitraryId } from '../testing/arbitraries.ts'
import { decodeDeletes, deletesKey, encodeDeletes } from './deletes.ts'
import { sealEnvelope } from './envelope.ts'

const key = 'data/c1/deletes/d1'
const deletes = { segmentId: 's1', rowCount: 11, count: 3, bitmap: Uint8Array.of(0b1000_0001, 0b100) }

test('a deletion bitmap comes back as it was', () => {
  fc.assert(
    fc.property(arbitraryId, fc.array(fc.boolean(), { maxLength: 40 }), fc.nat(9), (segmentId, dead, spare) => {
      const bitmap = new Uint8Array(Math.ceil(dead.length / 8))
      dead.forEach((isDead, row) => (bitmap[row >> 3]! |= Number(isDead) << (row & 7)))
      const original = { segmentId, rowCount: dead.length, count: dead.filter(Boolean).length, bitmap }
      const longer = new Uint8Array(bitmap.length + spare)
      longer.set(bitmap)
      const bytes = encodeDeletes({ ...original, bitmap: longer })
      expect(decodeDeletes(bytes, key, { id: segmentId, rowCount: dead.length })).toEqual(original)
    }),
  )
})

test('a deletion bitmap is laid out as docs/format.md draws', () => {
  expect([...encodeDeletes(deletes).subarray(24)]).toEqual([0, 2, 0x73, 0x31, 11, 0, 0, 0, 3, 0, 0, 0, 0x81, 4])
})

describe('decodeDeletes', () => {
  test.each([
    ['another segment', { id: 's2', rowCount: 11 }, 'it is of segment s1, expected s2'],
    ['another row count', { id: 's1', rowCount: 12 }, 'its segment has 11 rows, expected 12'],
  ])('refuses a bitmap for %s', (_, segment, message) => {
    expect(() => decodeDeletes(encodeDeletes(deletes), key, segment)).toThrow(
      expect.objectContaining({ kind: 'corrupt', details: { key }, message: expect.stringContaining(message) }),
    )
  })

  test.each([
    ['corrupt', 'another count', 32, [4], 1],
    ['corrupt', 'a bit beyond the last row', 37, [0b1100], 1],
    ['corrupt', 'a row count that the bytes do not hold', 28, [0, 1], 1],
    ['unsupported', 'a need', 24, [1, 1, 0x78], 1],
    ['unsupported', 'a newer version', 24, [], 2],
  ])('answers %s for %s even where the checksums fit', (kind, _, offset, change, formatVersion) => {
    const bytes = encodeDeletes(deletes).slice()
    bytes.set(change, offset)
    sealEnvelope({ magic: 'WDEL', subject: 'deletion bitmap', formatVersion }, bytes)
    expect(() => decodeDeletes(bytes, key, { id: 's1', rowCount: bytes[28] === 0 ? 256 : 11 })).toThrow(
      expect.objectContaining({ kind }),
    )
  })
})

test.each([
  ['another count', { ...deletes, count: 2 }],
  ['a short bitmap', { ...deletes, bitmap: Uint8Array.of(1) }],
  ['a bit beyond the last row', { ...deletes, count: 4, bitmap: Uint8Array.of(0x81, 0b1100) }],
  ['a bit in spare bytes', { ...deletes, count: 4, bitmap: Uint8Array.of(0x81, 4, 0, 1) }],
])('encodeDeletes refuses %s', (_, broken) => {
  expect(() => encodeDeletes(broken)).toThrow(expect.objectContaining({ kind: 'invalid' }))
})

test('deletesKey names the object', () => {
  expect(deletesKey('d1')).toBe('deletes/d1')
})
