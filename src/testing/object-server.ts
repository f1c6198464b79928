import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toIsoTime } from '../base/clock.ts'
import type { ByteRange, ObjectStore, StoredObject } from '../store/object-store.ts'

/** A web server on loopback that serves the objects of a store, as a public bucket does: GET and HEAD, ranges, etags. */
export interface ObjectServer {
  readonly url: string
  close(): Promise<void>
}

/** @param options.withRanges False: always sends everything, as the simplest servers do. */
export async function serveObjects(store: ObjectStore, { withRanges = true }: { withRanges?: boolean } = {}): Promise<ObjectServer> {
  const server = createServer((request, response) => {
    const key = (request.url ?? '/').slice(1).split('/').map(decodeURIComponent).join('/')
    const range = withRanges ? parseRange(request.headers.range) : undefined
    const ifNoneMatch = request.headers['if-none-match']
    const finish = (status: number, fields: Record<string, string> = {}, bytes: Uint8Array = new Uint8Array(0)) => {
      response.writeHead(status, { 'content-length': String(bytes.length), ...fields })
      response.end(request.method === 'HEAD' ? undefined : bytes)
    }
    store.get(key, { ...(range && { range }), ...(ifNoneMatch !== undefined && { ifNoneMatch }) }).then(
      (answer) => {
        if (answer.kind === 'absent') return finish(404)
        if (answer.kind === 'unchanged') return finish(304)
        const fields = { etag: answer.etag, 'last-modified': toHttpTime(answer.lastModified ?? 0) }
        if (!range) return finish(200, { ...fields, 'content-length': String(answer.size) }, answer.bytes)
        if (answer.bytes.length === 0) return finish(416, { 'content-range': `bytes */${answer.size}` })
        return finish(206, { ...fields, 'content-range': rangeField(range, answer) }, answer.bytes)
      },
      () => finish(500),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function parseRange(field: string | undefined): ByteRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(field ?? '')
  if (!match) return undefined
  const [, start = '', end = ''] = match
  if (start === '') return { suffix: Number(end) }
  return { start: Number(start), end: end === '' ? Number.MAX_SAFE_INTEGER : Number(end) + 1 }
}

function rangeField(range: ByteRange, { bytes, size }: StoredObject): string {
  const start = 'suffix' in range ? size - bytes.length : range.start
  return `bytes ${start}-${start + bytes.length - 1}/${size}`
}

const days = ['Thu', 'Fri', 'Sat', 'Sun', 'Mon', 'Tue', 'Wed']
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Milliseconds since 1970, a Thursday, as HTTP writes times (RFC 9110, section 5.6.7). */
function toHttpTime(ms: number): string {
  const [, year, month, day, time] = /^(\d+)-(\d+)-(\d+)T([\d:]+)/.exec(toIsoTime(ms)) ?? []
  return `${days[Math.floor(ms / 86_400_000) % 7]}, ${day} ${months[Number(month) - 1]} ${year} ${time} GMT`
}
