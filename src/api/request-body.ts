import { WindlassError } from '../base/errors.ts'
import { parseJsonText } from './json.ts'

/** Largest JSON body: a commit of 16 MiB, written in decimal, takes up to five times that. */
export const jsonBytesMax = 96 * 1024 * 1024
/** All JSON bodies that are being read or worked on at one moment. */
const jsonBytesTotalMax = 256 * 1024 * 1024

/** Bounds the memory that bodies take, all requests together. */
export class BodyBudget {
  #usedBytes = 0

  /**
   * Reads a JSON body and runs `task` on it; its size counts until `task` ends.
   * @throws {WindlassError} `too-large`, `unavailable` when too many large bodies are in work, `invalid` for what is not JSON.
   */
  async withJson<Value>(request: Request, task: (json: unknown) => Promise<Value>): Promise<Value> {
    checkJsonType(request)
    return this.withBytes(request, jsonBytesMax, (bytes) => task(bytes.length === 0 ? undefined : parseJsonText(decode(bytes))))
  }

  /** As `withJson`, for who needs the bytes. */
  async withBytes<Value>(request: Request, bytesMax: number, task: (bytes: Uint8Array) => Promise<Value>): Promise<Value> {
    let taken = 0
    try {
      const parts: Uint8Array[] = []
      for await (const part of request.body ?? []) {
        taken += part.length
        this.#usedBytes += part.length
        if (taken > bytesMax) throw new WindlassError('too-large', `the body has more than ${bytesMax} bytes: send fewer records at once`, { path: 'body' })
        if (this.#usedBytes > jsonBytesTotalMax) {
          throw new WindlassError('unavailable', `requests in work hold more than ${jsonBytesTotalMax} bytes: try again`, { retryAfterMs: 1000 })
        }
        parts.push(part)
      }
      return await task(Buffer.concat(parts))
    } finally {
      this.#usedBytes -= taken
    }
  }
}

function checkJsonType(request: Request): void {
  const type = request.headers.get('content-type')
  if (request.body !== null && type !== null && !/^application\/([\w.+-]+\+)?json\b/i.test(type) && request.headers.get('content-length') !== '0') {
    throw new WindlassError('invalid', `content-type is ${JSON.stringify(type.slice(0, 100))}, expected application/json`, { path: 'content-type' })
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new WindlassError('invalid', 'the body is not UTF-8', { path: 'body', cause })
  }
}
