import { createHash } from 'node:crypto'

/** Files up to this size are read once and kept while they are hashed, parsed and embedded. */
const keptBytesMax = 16 * 1024 * 1024

/** A stream's SHA-256 and size; its bytes too when it is small, so that it need not be read again. */
export async function readOnce(stream: AsyncIterable<Uint8Array>): Promise<{ sha256: string; sizeBytes: number; bytes: Uint8Array | null }> {
  const hash = createHash('sha256')
  let parts: Uint8Array[] | null = []
  let sizeBytes = 0
  for await (const part of stream) {
    hash.update(part)
    sizeBytes += part.length
    if (sizeBytes > keptBytesMax) parts = null
    parts?.push(part)
  }
  return { sha256: hash.digest('hex'), sizeBytes, bytes: parts && Buffer.concat(parts) }
}

/** SHA-256 of text in hexadecimal. */
export function hashText(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
