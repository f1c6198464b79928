import { WindlassError } from '../base/errors.ts'
import { crc32c } from './checksum.ts'

/** Size of what precedes every body, in every version of the format. */
export const envelopeSize = 24
const headerCheckedSize = 20

/** What tells one kind of object from another, and how far this code can read it. */
export interface ObjectKind {
  /** Four ASCII characters at the start. */
  readonly magic: string
  /** For messages: 'manifest', 'log record'. */
  readonly subject: string
  /** The newest version this code reads and the one it writes. */
  readonly formatVersion: number
}

/**
 * Puts the envelope around a body: magic, version, sizes and two checksums that together cover every byte of header and body.
 * @param fill Bytes whose first `envelopeSize` are free and whose rest is the body; they are filled in place.
 */
export function sealEnvelope(kind: ObjectKind, fill: Uint8Array): void {
  const view = new DataView(fill.buffer, fill.byteOffset, fill.byteLength)
  for (let i = 0; i < 4; i++) view.setUint8(i, kind.magic.charCodeAt(i))
  view.setUint16(4, kind.formatVersion, true)
  view.setUint16(6, 0, true)
  view.setUint32(8, fill.length - envelopeSize, true)
  view.setUint32(12, 0, true)
  view.setUint32(16, crc32c(fill.subarray(envelopeSize)), true)
  view.setUint32(headerCheckedSize, crc32c(fill.subarray(0, headerCheckedSize)), true)
}

/**
 * Checks the envelope and returns the body, a view of `bytes`.
 * @throws {WindlassError} `corrupt` for another kind of object, a truncated or a changed one; `unsupported` for a newer version.
 */
export function openEnvelope(kind: ObjectKind, bytes: Uint8Array, key: string): Uint8Array {
  const { subject, magic } = kind
  const damaged = (what: string) => new WindlassError('corrupt', `${key}: ${subject} is damaged: ${what}`, { key })
  if (bytes.length < envelopeSize) throw damaged(`it has ${bytes.length} bytes, expected at least ${envelopeSize}`)
  checkMagic(magic, subject, bytes, 0, key)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const headerChecksum = view.getUint32(headerCheckedSize, true)
  const headerFound = crc32c(bytes.subarray(0, headerCheckedSize))
  if (headerFound !== headerChecksum)
    throw damaged(`header checksum is ${hex(headerFound)}, expected ${hex(headerChecksum)}`)
  // The header is the same in all versions, so from here on a number we do not know is news, not damage.
  checkFormatVersion(view.getUint16(4, true), kind.formatVersion, subject, key)
  if (view.getUint16(6, true) !== 0) throw damaged('reserved bytes 6 and 7 are not zero')
  const bodySize = view.getUint32(8, true)
  const size = envelopeSize + bodySize + view.getUint32(12, true)
  if (bytes.length !== size) throw damaged(`it has ${bytes.length} bytes, expected ${size}`)
  const body = bytes.subarray(envelopeSize, envelopeSize + bodySize)
  const expected = view.getUint32(16, true)
  const found = crc32c(body)
  if (found !== expected) throw damaged(`body checksum is ${hex(found)}, expected ${hex(expected)}`)
  return body
}

/** @throws {WindlassError} `corrupt` unless the four characters of `magic` are at `offset`. */
export function checkMagic(magic: string, subject: string, bytes: Uint8Array, offset: number, key: string): void {
  const found = String.fromCharCode(...bytes.subarray(offset, offset + 4))
  if (found !== magic) {
    throw new WindlassError(
      'corrupt',
      `${key}: is not a ${subject}: magic is ${JSON.stringify(found)}, expected ${JSON.stringify(magic)}`,
      { key },
    )
  }
}

/** @throws {WindlassError} `unsupported` for a version above `known`, `corrupt` for 0. */
export function checkFormatVersion(found: number, known: number, subject: string, key: string): void {
  if (found === 0)
    throw new WindlassError('corrupt', `${key}: ${subject} has format version 0, expected 1 to ${known}`, { key })
  if (found > known) throw tooNew(`format version ${found}, this one reads up to ${known}`, subject, key)
}

/** Features of the format that this version understands, beside format version 1. */
const knownNeeds: ReadonlySet<string> = new Set<string>()

/** @throws {WindlassError} `unsupported` when `needs` names a feature that this version does not know. */
export function checkNeeds(needs: readonly string[], subject: string, key: string): void {
  const unknown = needs.filter((need) => !knownNeeds.has(need))
  if (unknown.length > 0) throw tooNew(`needs ${unknown.map((need) => JSON.stringify(need)).join(', ')}`, subject, key)
}

function tooNew(what: string, subject: string, key: string): WindlassError {
  return new WindlassError('unsupported', `${key}: ${subject} was written by a newer windlass (${what}): upgrade`, {
    key,
  })
}

/** A checksum as people compare it. */
export function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, '0')
}
