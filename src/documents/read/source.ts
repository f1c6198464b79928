import { concatBytes } from '../../base/bytes.ts'
import { WindlassError } from '../../base/errors.ts'
import type { ParseInput } from '../document.ts'

/** What is read before anything is decided: enough to tell format and encoding. */
const headBytesMax = 1024 * 1024

/** A file that is being read: its beginning, and its bytes once. */
export interface Source {
  readonly name: string
  readonly contentType?: string
  /** The first MiB, or the whole file when it is shorter. */
  readonly head: Uint8Array
  /** `head` is the whole file. */
  readonly complete: boolean
  /** All bytes from the start. Once, and not after `readAll`. */
  stream(): AsyncGenerator<Uint8Array>
  /** All bytes at once. @throws {WindlassError} `too-large` over the limit for files that are read whole. */
  readAll(): Promise<Uint8Array>
  /** Stops reading. */
  close(): Promise<void>
}

/** Starts to read `input`. */
export async function openSource(input: ParseInput, wholeFileBytesMax: number): Promise<Source> {
  const iterator = input.open()[Symbol.asyncIterator]()
  const parts: Uint8Array[] = []
  let headBytes = 0
  let complete = false
  while (headBytes < headBytesMax && !complete) {
    const { value, done } = await iterator.next()
    if (done) complete = true
    else if (value.length > 0) {
      parts.push(value)
      headBytes += value.length
    }
  }
  const first = parts.length === 1 ? parts[0]! : concatBytes(parts)

  const stream = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield first
      for (;;) {
        const { value, done } = await iterator.next()
        if (done) return
        yield value
      }
    } finally {
      await iterator.return?.()
    }
  }
  const tooLarge = (sizeBytes: number, relation: string) =>
    new WindlassError(
      'too-large',
      `${input.name} has ${relation}${sizeBytes} bytes, this format is read whole up to ${wholeFileBytesMax}: split the file, or convert it to text, CSV or JSONL, which have no limit`,
      { path: 'wholeFileBytesMax' },
    )

  return {
    name: input.name,
    ...(input.contentType !== undefined && { contentType: input.contentType }),
    head: first.subarray(0, headBytesMax),
    complete: complete && first.length <= headBytesMax,
    stream,
    async readAll() {
      if (input.size !== undefined && input.size > wholeFileBytesMax) throw tooLarge(input.size, '')
      const all: Uint8Array[] = []
      let sizeBytes = 0
      for await (const part of stream()) {
        sizeBytes += part.length
        if (sizeBytes > wholeFileBytesMax) throw tooLarge(sizeBytes, 'at least ')
        all.push(part)
      }
      return all.length === 1 ? all[0]! : concatBytes(all)
    },
    async close() {
      await iterator.return?.()
    },
  }
}
