import { isLittleEndian } from './typed-views.ts'

// The Castagnoli polynomial x^32 + x^28 + x^27 + ... + 1, bits reversed (RFC 3720, section 12.1).
const polynomial = 0x82f63b78
const sliceCount = 16

// tables[s * 256 + b]: what byte b does to the checksum when s more bytes follow it in the same step.
const tables = buildTables()

function buildTables(): Int32Array {
  const built = new Int32Array(sliceCount * 256)
  for (let byte = 0; byte < 256; byte++) {
    let value = byte
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1
    built[byte] = value
  }
  for (let i = 256; i < built.length; i++) {
    const before = built[i - 256]!
    built[i] = (before >>> 8) ^ built[before & 255]!
  }
  return built
}

/**
 * CRC-32C (Castagnoli) of `bytes`: the checksum of every object and section, as in iSCSI (RFC 3720) and S3.
 *
 * Slicing (Kounavis and Berry, "A Systematic Approach to Building High Performance Software-Based CRC Generators",
 * 2005), by 16 bytes a step.
 * @param previous The checksum of the bytes before these, to go on from there: crc(a + b) = crc(b, crc(a)).
 * @returns An unsigned 32-bit number.
 */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  let crc = ~previous
  let i = 0
  const { length } = bytes
  // The words are read in the platform's byte order; the tables assume the lowest byte first.
  if (isLittleEndian && length >= 64) {
    while ((bytes.byteOffset + i) & 3) crc = (crc >>> 8) ^ tables[(crc ^ bytes[i++]!) & 255]!
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + i, ((length - i) >>> 4) << 2)
    crc = crcOfWords(words, crc)
    i += words.byteLength
  }
  for (; i < length; i++) crc = (crc >>> 8) ^ tables[(crc ^ bytes[i]!) & 255]!
  return ~crc >>> 0
}

function crcOfWords(words: Int32Array, start: number): number {
  const t = tables
  let crc = start
  for (let i = 0; i < words.length; i += 4) {
    const a = crc ^ words[i]!
    const b = words[i + 1]!
    const c = words[i + 2]!
    const d = words[i + 3]!
    // prettier-ignore
    crc =
      t[3840 + (a & 255)]! ^ t[3584 + ((a >>> 8) & 255)]! ^ t[3328 + ((a >>> 16) & 255)]! ^ t[3072 + (a >>> 24)]! ^
      t[2816 + (b & 255)]! ^ t[2560 + ((b >>> 8) & 255)]! ^ t[2304 + ((b >>> 16) & 255)]! ^ t[2048 + (b >>> 24)]! ^
      t[1792 + (c & 255)]! ^ t[1536 + ((c >>> 8) & 255)]! ^ t[1280 + ((c >>> 16) & 255)]! ^ t[1024 + (c >>> 24)]! ^
      t[768 + (d & 255)]! ^ t[512 + ((d >>> 8) & 255)]! ^ t[256 + ((d >>> 16) & 255)]! ^ t[d >>> 24]!
  }
  return crc
}
