import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { newNonce, type Random } from '../base/random.ts'

/** Bytes of any number, read in ranges. */
export interface ByteSource {
  /** For messages. */
  readonly name: string
  readonly sizeBytes: number
  /** The bytes [start, end), within the size. */
  read(start: number, end: number, signal?: AbortSignal): Promise<Uint8Array>
}

const partBytes = 2 * 1024 * 1024

/**
 * Lets a program on this machine read `source` by HTTP with ranges, under a path that nobody else can guess. One part of 2 MB is in memory for each of its requests.
 */
export async function serveBytes(source: ByteSource, random: Random): Promise<{ readonly url: string; failure(): unknown; close(): Promise<void> }> {
  const path = `/${newNonce(random)}`
  let failure: unknown = null
  const server = createServer((request, response) => {
    if (request.url !== path || (request.method !== 'GET' && request.method !== 'HEAD')) {
      response.writeHead(404).end()
      return
    }
    const { start, end, isPart } = rangeOf(request.headers.range, source.sizeBytes)
    const headers = { 'accept-ranges': 'bytes', 'content-type': 'application/octet-stream', 'content-length': Math.max(0, end - start) }
    if (start >= end && isPart) {
      response.writeHead(416, { 'content-range': `bytes */${source.sizeBytes}` }).end()
      return
    }
    response.writeHead(isPart ? 206 : 200, { ...headers, ...(isPart && { 'content-range': `bytes ${start}-${end - 1}/${source.sizeBytes}` }) })
    if (request.method === 'HEAD') response.end()
    else send(source, start, end, response).catch((error: unknown) => {
      failure ??= error
      response.destroy()
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
    failure: () => failure,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** `bytes=a-b`, `bytes=a-`, `bytes=-n` as [start, end), cut to the size; anything else is the whole. */
export function rangeOf(header: string | null | undefined, sizeBytes: number): { start: number; end: number; isPart: boolean } {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return { start: 0, end: sizeBytes, isPart: false }
  if (match[1] === '') return { start: Math.max(0, sizeBytes - Number(match[2])), end: sizeBytes, isPart: true }
  return { start: Number(match[1]), end: match[2] === '' ? sizeBytes : Math.min(sizeBytes, Number(match[2]) + 1), isPart: true }
}

async function send(source: ByteSource, start: number, end: number, response: ServerResponse): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  for (let at = start; at < end && !response.destroyed; at += partBytes) {
    let bytes: Uint8Array
    try {
      bytes = await source.read(at, Math.min(end, at + partBytes), gone.signal)
    } catch (error) {
      // Who reads has seen enough, and has gone elsewhere in the file.
      if (gone.signal.aborted) return
      throw error
    }
    if (!response.write(bytes)) await drained(response)
  }
  response.end()
}

/** Until more may be written, or nobody reads any more. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      response.off('drain', go).off('close', go)
      resolve()
    }
    response.on('drain', go).on('close', go)
  })
}
