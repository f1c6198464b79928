import { WindlassError } from '../base/errors.ts'
import { checkNeeds, envelopeSize, openEnvelope, sealEnvelope, type ObjectKind } from './envelope.ts'
import { ByteReader, ByteWriter } from './varint.ts'

/** Which rows of one segment are dead. */
export interface Deletes {
  readonly segmentId: string
  /** Rows of that segment. */
  readonly rowCount: number
  /** Dead rows: bits set. */
  readonly count: number
  /** Row r is bit r % 8 of byte r / 8, the lowest bit first; set = dead. `ceil(rowCount / 8)` bytes; more must be zero. */
  readonly bitmap: Uint8Array
}

const kind: ObjectKind = { magic: 'WDEL', subject: 'deletion bitmap', formatVersion: 1 }

/** Key of a deletion bitmap below the collection's prefix. */
export function deletesKey(id: string): string {
  return `deletes/${id}`
}

/** @throws {WindlassError} `invalid` when `count` or the bitmap's size does not fit. */
export function encodeDeletes({ segmentId, rowCount, count, bitmap }: Deletes): Uint8Array<ArrayBuffer> {
  const size = Math.ceil(rowCount / 8)
  const problem = bitmapProblem(bitmap, rowCount, count)
  if (problem) throw new WindlassError('invalid', `deletion bitmap of segment ${segmentId}: ${problem}`)
  const writer = new ByteWriter(envelopeSize + 64 + size)
  writer.bytes(new Uint8Array(envelopeSize))
  writer.varint(0)
  writer.text(segmentId)
  writer.u32(rowCount)
  writer.u32(count)
  writer.bytes(bitmap.subarray(0, size))
  const bytes = writer.toBytes()
  sealEnvelope(kind, bytes)
  return bytes
}

/**
 * The bitmap of an object's bytes, as a view of them.
 * @param segment The segment it is read for; a bitmap of another is refused.
 * @throws {WindlassError} `corrupt`, or `unsupported` when a newer version wrote it.
 */
export function decodeDeletes(
  bytes: Uint8Array,
  key: string,
  segment: { readonly id: string; readonly rowCount: number },
): Deletes {
  openEnvelope(kind, bytes, key)
  const reader = new ByteReader(bytes, kind.subject, key, envelopeSize)
  checkNeeds(
    Array.from({ length: reader.count('needs') }, () => reader.text()),
    kind.subject,
    key,
  )
  const segmentId = reader.text()
  const rowCount = reader.u32()
  const count = reader.u32()
  if (segmentId !== segment.id) reader.fail(`it is of segment ${segmentId}, expected ${segment.id}`)
  if (rowCount !== segment.rowCount) reader.fail(`its segment has ${rowCount} rows, expected ${segment.rowCount}`)
  const bitmap = reader.bytes(Math.ceil(rowCount / 8))
  reader.end()
  const problem = bitmapProblem(bitmap, rowCount, count)
  if (problem) reader.fail(problem)
  return { segmentId, rowCount, count, bitmap }
}

/** What is wrong with a bitmap, or null. */
function bitmapProblem(bitmap: Uint8Array, rowCount: number, count: number): string | null {
  const size = Math.ceil(rowCount / 8)
  if (bitmap.length < size) return `${bitmap.length} bytes, ${rowCount} rows take ${size}`
  let found = 0
  for (let i = 0; i < bitmap.length; i++) {
    let byte = bitmap[i]!
    const validBits = rowCount - i * 8
    if (validBits < 8 && byte >> Math.max(validBits, 0) !== 0) return `bits are set beyond row ${rowCount - 1}`
    for (; byte !== 0; byte &= byte - 1) found++
  }
  return found === count ? null : `${found} bits are set, expected ${count}`
}
