import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc32c } from './checksum.ts'

const ascending = Uint8Array.from({ length: 32 }, (_, i) => i)

// RFC 3720, appendix B.4.
const readCommand = new Uint8Array(48)
readCommand.set([0x01, 0xc0], 0)
readCommand.set([0x14, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02], 16)

test.each([
  ['32 zeros', new Uint8Array(32), 0x8a9136aa],
  ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 ascending', ascending, 0x46dd794e],
  ['32 descending', ascending.slice().reverse(), 0x113fdb5c],
  ['a SCSI read command', readCommand, 0xd9963a56],
  ['nothing', new Uint8Array(0), 0],
  ['the digits 1 to 9', new TextEncoder().encode('123456789'), 0xe3069283],
])('crc32c of %s is as published', (_, bytes, expected) => {
  expect(crc32c(bytes)).toBe(expected)
})

/** The definition, a bit at a time. */
function bitwise(bytes: Uint8Array): number {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

test('crc32c equals the bitwise definition at any length and place in memory, and goes on where it stopped', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300, size: 'max' }), fc.nat(9), fc.nat(), (content, shift, cut) => {
      const bytes = new Uint8Array(shift + content.length).subarray(shift)
      bytes.set(content)
      const expected = bitwise(bytes)
      expect(crc32c(bytes)).toBe(expected)
      const at = cut % (bytes.length + 1)
      expect(crc32c(bytes.subarray(at), crc32c(bytes.subarray(0, at)))).toBe(expected)
    }),
    { numRuns: 500 },
  )
})
