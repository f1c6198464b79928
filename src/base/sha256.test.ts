import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sha256Hex } from './bytes.ts'
import { sha256 } from './sha256.ts'

const hexOf = (words: Uint32Array) => Array.from(words, (word) => word.toString(16).padStart(8, '0')).join('')

test('sha256 is what the platform says, at every size', async () => {
  for (let size = 0; size < 200; size++) {
    const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 7 + size) & 255)
    expect(hexOf(sha256(bytes)), `${size} bytes`).toBe(await sha256Hex(bytes))
  }
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), async (bytes) => {
    expect(hexOf(sha256(bytes))).toBe(await sha256Hex(bytes))
  }), { numRuns: 50 })
})
