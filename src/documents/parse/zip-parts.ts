import { unzipSync } from 'fflate'
import { isWindlassError, messageOf, WindlassError } from '../../base/errors.ts'

/** All parts together, unpacked. */
const unpackedBytesMax = 256 * 1024 * 1024
/** XML packs to a twentieth or so; deflate's own limit is 1:1032. Smaller parts may have any ratio. */
const ratioMax = 250
const ratioFreeBytes = 4 * 1024 * 1024

/**
 * Unpacks the entries that `isWanted`. Sizes are checked against the archive's own directory before anything is unpacked, and
 * fflate writes into a buffer of that size, so that a directory that lies gets no more than it claimed.
 * @throws {WindlassError} `too-large` for entries that unpack to too much; `invalid` for a damaged archive.
 */
export function unzipParts(
  archive: Uint8Array,
  isWanted: (name: string) => boolean,
  name: string,
): Map<string, Uint8Array> {
  let total = 0
  const check = (entry: { name: string; size: number; originalSize: number }): boolean => {
    if (!isWanted(entry.name)) return false
    total += entry.originalSize
    if (
      total > unpackedBytesMax ||
      (entry.originalSize > ratioFreeBytes && entry.originalSize > ratioMax * entry.size)
    ) {
      throw new WindlassError(
        'too-large',
        `${name} unpacks to ${total} bytes or more (${entry.name}: ${entry.size} to ${entry.originalSize}), limits are ${unpackedBytesMax} and 1:${ratioMax}`,
        { path: name },
      )
    }
    return true
  }
  try {
    return new Map(Object.entries(unzipSync(archive, { filter: check })))
  } catch (cause) {
    if (isWindlassError(cause)) throw cause
    throw new WindlassError('invalid', `${name} is a damaged zip archive: ${messageOf(cause)}`, { path: name, cause })
  }
}
