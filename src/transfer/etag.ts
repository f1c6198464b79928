import { createHash, type Hash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { partBytesOf } from './remote.ts'

const readBytes = 1024 * 1024
const mebi = 1024 * 1024
// What common tools cut by: aws s3 and we 8, boto's and rclone's 5, s5cmd's 50 …; where two would give as many parts, each is tried.
const usualPartSizes = [5, 6, 8, 10, 15, 16, 20, 25, 32, 50, 64, 100, 128, 256, 512, 1024].map((size) => size * mebi)

/** Whether an etag can be compared with content: an MD5, or the MD5 of the MD5s of parts, with their number. */
export function isContentEtag(etag: string): boolean {
  return /^"?[0-9a-f]{32}(-\d+)?"?$/.test(etag)
}

/**
 * Whether a file has the content that an etag is of. Reads it once, in pieces. An object whose parts were cut in a way that nobody uses
 * counts as different.
 * @param size Of the file.
 */
export async function hasEtag(path: string, size: number, etag: string): Promise<boolean> {
  const [wanted = '', count] = etag.replaceAll('"', '').split('-')
  if (count === undefined) return (await hashWhole(path)) === wanted
  const sizes = new Set([partBytesOf(size), ...usualPartSizes, size])
  const fitting = [...sizes].filter((partBytes) => partBytes > 0 && Math.ceil(size / partBytes) === Number(count))
  return fitting.length > 0 && (await hashParts(path, fitting)).includes(wanted)
}

async function hashWhole(path: string): Promise<string> {
  const hash = createHash('md5')
  for await (const piece of readPieces(path)) hash.update(piece)
  return hash.digest('hex')
}

/** The MD5 of the parts' MD5s, for each size of parts; in one reading. */
async function hashParts(path: string, sizes: readonly number[]): Promise<string[]> {
  const cuts = sizes.map((partBytes) => new PartHash(partBytes))
  for await (const piece of readPieces(path)) for (const cut of cuts) cut.update(piece)
  return cuts.map((cut) => cut.digest())
}

/** The same buffer every time: what is kept must be copied. */
async function* readPieces(path: string): AsyncIterable<Buffer> {
  const handle = await open(path)
  try {
    const buffer = Buffer.allocUnsafe(readBytes)
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, readBytes)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}

class PartHash {
  readonly #partBytes: number
  readonly #all = createHash('md5')
  #part: Hash = createHash('md5')
  #left: number

  constructor(partBytes: number) {
    this.#partBytes = partBytes
    this.#left = partBytes
  }

  update(bytes: Buffer): void {
    for (let rest = bytes; rest.length > 0; ) {
      const piece = rest.subarray(0, this.#left)
      this.#part.update(piece)
      this.#left -= piece.length
      rest = rest.subarray(piece.length)
      if (this.#left === 0) this.#endPart()
    }
  }

  digest(): string {
    if (this.#left < this.#partBytes) this.#endPart()
    return this.#all.digest('hex')
  }

  #endPart(): void {
    this.#all.update(this.#part.digest())
    this.#part = createHash('md5')
    this.#left = this.#partBytes
  }
}
