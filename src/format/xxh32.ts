const prime1 = 0x9e3779b1
const prime2 = 0x85ebca77
const prime3 = 0xc2b2ae3d
const prime4 = 0x27d4eb2f
const prime5 = 0x165667b1

/**
 * XXH32 of `bytes`: a fast hash that mixes well, unlike a CRC, whose values cancel out when many are combined.
 * By Yann Collet, after the "xxHash fast digest algorithm" specification, 0.1.1. Not cryptographic.
 * @returns An unsigned 32-bit number.
 */
export function xxh32(bytes: Uint8Array, seed: number): number {
  const { length } = bytes
  const view = new DataView(bytes.buffer, bytes.byteOffset, length)
  let i = 0
  let hash: number
  if (length >= 16) {
    let a = (seed + prime1 + prime2) | 0
    let b = (seed + prime2) | 0
    let c = seed | 0
    let d = (seed - prime1) | 0
    for (; i <= length - 16; i += 16) {
      a = round(a, view.getInt32(i, true))
      b = round(b, view.getInt32(i + 4, true))
      c = round(c, view.getInt32(i + 8, true))
      d = round(d, view.getInt32(i + 12, true))
    }
    hash = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0
  } else {
    hash = (seed + prime5) | 0
  }
  hash = (hash + length) | 0
  for (; i <= length - 4; i += 4) {
    hash = Math.imul(rotate((hash + Math.imul(view.getInt32(i, true), prime3)) | 0, 17), prime4)
  }
  for (; i < length; i++) hash = Math.imul(rotate((hash + Math.imul(bytes[i]!, prime5)) | 0, 11), prime1)
  hash = Math.imul(hash ^ (hash >>> 15), prime2)
  hash = Math.imul(hash ^ (hash >>> 13), prime3)
  return (hash ^ (hash >>> 16)) >>> 0
}

function round(lane: number, word: number): number {
  return Math.imul(rotate((lane + Math.imul(word, prime2)) | 0, 13), prime1)
}

function rotate(value: number, count: number): number {
  return (value << count) | (value >>> (32 - count))
}
