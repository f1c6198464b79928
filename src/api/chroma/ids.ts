const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
const uuidPattern = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i
const timeLength = 10
const idLength = 26

/**
 * A collection's id as clients of Chroma want it. Both are 128 bits: 48 of time and 80 of chance; ours is written in base 32, a UUID in hex.
 * The version and variant bits of RFC 9562 say nothing here.
 */
export function uuidOfId(id: string): string {
  const hex = toHex(id.slice(0, timeLength), 12) + toHex(id.slice(timeLength), 20)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** The id that a UUID stands for; null for what is no UUID. */
export function idOfUuid(uuid: string): string | null {
  if (!uuidPattern.test(uuid)) return null
  const hex = uuid.replaceAll('-', '')
  return toBase32(hex.slice(0, 12), timeLength) + toBase32(hex.slice(12), idLength - timeLength)
}

/** A UUID of 16 bytes, with the marks of version 4. */
export function uuidOfBytes(bytes: Uint8Array): string {
  const marked = Uint8Array.from(bytes)
  marked[6] = (marked[6]! & 0x0f) | 0x40
  marked[8] = (marked[8]! & 0x3f) | 0x80
  const hex = Array.from(marked, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')
}

function toHex(base32: string, length: number): string {
  let value = 0n
  for (const char of base32) value = value * 32n + BigInt(alphabet.indexOf(char))
  return value.toString(16).padStart(length, '0')
}

function toBase32(hex: string, length: number): string {
  let text = ''
  for (let value = BigInt(`0x${hex}`); text.length < length; value /= 32n) text = alphabet[Number(value % 32n)]! + text
  return text
}
