import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface TinyRequest {
  readonly method: string
  readonly key: string
  readonly query: URLSearchParams
}

/** How a request is failed: a status, an error by its code, an answer that is cut, a body that is, one that is lost after all was done, or a range that is passed over. */
export type Misbehaviour = number | { status: number; code: string } | 'cut' | 'short' | 'done-but-cut' | 'whole' | undefined

/** One bucket of S3 in memory, behind a socket: list, get, put, delete, multipart; as much as a transfer asks for. */
export interface TinyS3 {
  readonly url: string
  readonly objects: Map<string, Buffer>
  /** Multipart uploads that were neither completed nor aborted. */
  readonly uploads: Map<string, Map<number, Buffer>>
  behave: (request: TinyRequest) => Misbehaviour
  close(): Promise<void>
}

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest()
const xml = (text: string) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
const pageSize = 3

/** Starts it on loopback; pages of listings are short, so that there are several. */
export async function startS3(): Promise<TinyS3> {
  const objects = new Map<string, Buffer>()
  const etags = new Map<Buffer, string>()
  const uploads = new Map<string, Map<number, Buffer>>()
  let ids = 0
  const etagOf = (bytes: Buffer) => etags.get(bytes) ?? `"${md5(bytes).toString('hex')}"`
  const answer = ({ method, key, query }: TinyRequest, request: IncomingMessage, body: Buffer, how: Misbehaviour): { status: number; headers?: Record<string, string>; body?: Buffer | string } => {
    const uploadId = query.get('uploadId')
    if (query.has('list-type')) return { status: 200, body: listXml(query) }
    if (query.has('uploads')) {
      uploads.set(`u${++ids}`, new Map())
      return { status: 200, body: `<InitiateMultipartUploadResult><UploadId>u${ids}</UploadId></InitiateMultipartUploadResult>` }
    }
    if (uploadId !== null) {
      const parts = uploads.get(uploadId)
      if (!parts) return { status: 404, body: '<Error><Code>NoSuchUpload</Code></Error>' }
      if (method === 'PUT') {
        parts.set(Number(query.get('partNumber')), body)
        return { status: 200, headers: { etag: etagOf(body) } }
      }
      uploads.delete(uploadId)
      if (method === 'DELETE') return { status: 204 }
      const ordered = [...parts].sort(([a], [b]) => a - b).map(([, part]) => part)
      const whole = Buffer.concat(ordered)
      etags.set(whole, `"${md5(Buffer.concat(ordered.map(md5))).toString('hex')}-${ordered.length}"`)
      objects.set(key, whole)
      return { status: 200, body: '<CompleteMultipartUploadResult/>' }
    }
    if (query.has('delete')) {
      if (/&(?!#\d+;)/.test(body.toString())) return { status: 400, body: '<Error><Code>MalformedXML</Code></Error>' }
      for (const [, name] of body.toString().matchAll(/<Key>(.*?)<\/Key>/g)) objects.delete(name!.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code))))
      return { status: 200, body: '<DeleteResult/>' }
    }
    if (method === 'PUT') {
      objects.set(key, body)
      return { status: 200, headers: { etag: etagOf(body) } }
    }
    const found = objects.get(key)
    if (!found) return { status: 404, body: '<Error><Code>NoSuchKey</Code></Error>' }
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')
    if (!range || how === 'whole') return { status: 200, headers: { etag: etagOf(found) }, body: found }
    const [start, end] = [Number(range[1]), Math.min(found.length, Number(range[2]) + 1)]
    return { status: 206, headers: { etag: etagOf(found), 'content-range': `bytes ${start}-${end - 1}/${found.length}` }, body: found.subarray(start, end) }
  }

  function listXml(query: URLSearchParams): string {
    const after = query.get('continuation-token') ?? ''
    const keys = [...objects.keys()].filter((key) => key.startsWith(query.get('prefix') ?? '') && key > after).sort((a, b) => (a < b ? -1 : 1))
    const page = keys.slice(0, pageSize)
    const entries = page.map((key) => `<Contents><Key>${xml(key)}</Key><Size>${objects.get(key)!.length}</Size><ETag>${xml(etagOf(objects.get(key)!))}</ETag></Contents>`)
    return `<ListBucketResult>${entries.join('')}${keys.length > pageSize ? `<NextContinuationToken>${xml(page.at(-1)!)}</NextContinuationToken>` : ''}</ListBucketResult>`
  }

  const state: TinyS3 = { url: '', objects, uploads, behave: () => undefined, close: () => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()) }
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const url = new URL(request.url!, 'http://host')
    const asked = { method: request.method!, key: decodeURIComponent(request.url!.split('?')[0]!.replace(/^\/bucket\/?/, '')), query: url.searchParams }
    const how = state.behave(asked)
    if (how === 'cut') return void response.destroy()
    if (typeof how === 'number') return void response.writeHead(how).end(`<Error><Code>${how === 503 ? 'SlowDown' : 'InternalError'}</Code></Error>`)
    if (typeof how === 'object') return void response.writeHead(how.status).end(`<Error><Code>${how.code}</Code></Error>`)
    const { status, headers, body = '' } = answer(asked, request, Buffer.concat(chunks), how)
    if (how === 'done-but-cut') return void response.destroy()
    response.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) })
    if (how !== 'short') return void response.end(body)
    response.write(body.slice(0, body.length / 2))
    setImmediate(() => response.destroy())
  }
  const server = createServer((request, response) => void handle(request, response).catch(() => response.destroy()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(state, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
}
