import { createHash } from 'node:crypto'
import { WindlassError } from '../base/errors.ts'

/** Files up to this size are read once and kept while they are hashed, parsed and embedded. */
const keptBytesMax = 16 * 1024 * 1024

/** A document's bytes, which may be read again. */
export interface Content {
  /** In hexadecimal. */
  readonly sha256: string
  readonly sizeBytes: number
  open(): AsyncIterable<Uint8Array>
}

/** Formats that may be pictures of text. */
export const imageFormats: ReadonlySet<string> = new Set(['pdf', 'docx'])

/** Pages that hold no text. */
export function noText(path: string): WindlassError {
  return new WindlassError('invalid', `${path} holds no text, only pictures perhaps: recognize their text first`, { path })
}

/** Reads and hashes what `open` gives; small content is kept, large is opened again when it is asked for. */
export async function readContent(open: () => AsyncIterable<Uint8Array>): Promise<Content> {
  const hash = createHash('sha256')
  let parts: Uint8Array[] | null = []
  let sizeBytes = 0
  for await (const part of open()) {
    hash.update(part)
    sizeBytes += part.length
    if (sizeBytes > keptBytesMax) parts = null
    parts?.push(part)
  }
  const bytes = parts && Buffer.concat(parts)
  return {
    sha256: hash.digest('hex'),
    sizeBytes,
    open: bytes
      ? async function* () {
          yield bytes
        }
      : open,
  }
}

/** SHA-256 of text in hexadecimal. */
export function hashText(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
