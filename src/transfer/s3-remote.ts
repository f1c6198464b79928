import { createHash } from 'node:crypto'
import { isWindlassError, WindlassError } from '../base/errors.ts'
import { BufferPool, forEachAtOnce } from './at-once.ts'
import { partBytesOf, partsAtOnce, type Content, type GetPiece, type Piece, type Remote, type RemoteFile } from './remote.ts'
import type { S3Wire, WireRequest } from './s3-wire.ts'

const keysPerDelete = 1000
const deletesAtOnce = 4

/** Objects below a prefix of an S3 bucket. Needs s3:ListBucket, s3:GetObject, s3:PutObject; s3:DeleteObject where something is deleted. */
export class S3Remote implements Remote {
  readonly url: string
  readonly isLocal = false
  readonly #wire: S3Wire
  readonly #prefix: string

  /** @param prefix Empty, or ends in a slash. */
  constructor(wire: S3Wire, prefix: string) {
    this.url = `${wire.url}/${prefix}`.replace(/\/$/, '')
    this.#wire = wire
    this.#prefix = prefix
  }

  async *list(signal?: AbortSignal): AsyncIterable<RemoteFile> {
    for (let token = ''; ; ) {
      const query = { 'list-type': '2', ...(this.#prefix !== '' && { prefix: this.#prefix }), ...(token !== '' && { 'continuation-token': token }) }
      const { body } = await this.#wire.send({ method: 'GET', query, operation: 'list', action: 's3:ListBucket', signal })
      const text = body.toString()
      for (const [, entry] of text.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
        const key = textOf(entry!, 'Key')
        yield { path: key.slice(this.#prefix.length), size: Number(textOf(entry!, 'Size')), etag: textOf(entry!, 'ETag') }
      }
      token = textOf(text, 'NextContinuationToken')
      if (token === '') return
    }
  }

  async put(path: string, content: Content, contentType: string, signal?: AbortSignal): Promise<void> {
    if (content.size > partBytesOf(content.size)) return this.#putParts(path, content, contentType, signal)
    const body = await content.read(0, content.size)
    await this.#wire.send({ method: 'PUT', key: this.#prefix + path, body, headers: { 'content-type': contentType }, operation: 'put', action: 's3:PutObject', signal })
  }

  async get(path: string, { range, into, signal }: GetPiece = {}): Promise<Piece | null> {
    const headers: Record<string, string> = range ? { range: `bytes=${range.start}-${range.end - 1}` } : {}
    const request: WireRequest = { method: 'GET', key: this.#prefix + path, headers, operation: 'get', action: 's3:GetObject', signal, ...(into && { into }) }
    try {
      const { body, headers } = await this.#wire.send(request)
      const total = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1]
      return { bytes: body, etag: headers.etag ?? '', size: total === undefined ? body.length : Number(total) }
    } catch (error) {
      if (isWindlassError(error) && error.details.status === 404 && (error.cause as { name?: string } | undefined)?.name !== 'NoSuchBucket') return null
      throw error
    }
  }

  async delete(paths: readonly string[], signal?: AbortSignal): Promise<void> {
    const batches = Array.from({ length: Math.ceil(paths.length / keysPerDelete) }, (_, i) => paths.slice(i * keysPerDelete, (i + 1) * keysPerDelete))
    await Promise.all(Array.from({ length: deletesAtOnce }, async () => {
      for (let batch = batches.pop(); batch; batch = batches.pop()) await this.#deleteSome(batch, signal)
    }))
  }

  requests(): number {
    return this.#wire.requests
  }

  async close(): Promise<void> {
    this.#wire.close()
  }

  async #deleteSome(paths: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const objects = paths.map((path) => `<Object><Key>${escapeXml(this.#prefix + path)}</Key></Object>`)
    const body = Buffer.from(`<Delete><Quiet>true</Quiet>${objects.join('')}</Delete>`)
    // S3 wants a checksum with this one request; MD5 is the one that every store knows.
    const headers = { 'content-md5': createHash('md5').update(body).digest('base64') }
    const answer = await this.#wire.send({ method: 'POST', query: { delete: '' }, headers, body, operation: 'delete', action: 's3:DeleteObject', signal })
    const error = /<Error>(.*?)<\/Error>/s.exec(answer.body.toString())?.[1]
    if (error === undefined || textOf(error, 'Code') === 'NoSuchKey') return
    const kind = textOf(error, 'Code') === 'AccessDenied' ? 'denied' : 'unavailable'
    throw new WindlassError(kind, `${this.url}: delete of ${textOf(error, 'Key')}: ${textOf(error, 'Code')} ${textOf(error, 'Message')}`, { operation: 'delete', key: textOf(error, 'Key') })
  }

  async #putParts(path: string, content: Content, contentType: string, signal: AbortSignal | undefined): Promise<void> {
    const request = { key: this.#prefix + path, action: 's3:PutObject', signal }
    const started = await this.#wire.send({ ...request, method: 'POST', query: { uploads: '' }, headers: { 'content-type': contentType }, operation: 'put' })
    const uploadId = textOf(started.body.toString(), 'UploadId')
    const partBytes = partBytesOf(content.size)
    const etags: string[] = new Array(Math.ceil(content.size / partBytes))
    const buffers = new BufferPool(partBytes)
    try {
      await forEachAtOnce(etags.keys(), partsAtOnce, (i) =>
        buffers.use(async (buffer) => {
          const body = await content.read(i * partBytes, Math.min(content.size, (i + 1) * partBytes), buffer)
          const { headers } = await this.#wire.send({ ...request, method: 'PUT', query: { partNumber: String(i + 1), uploadId }, body, operation: 'put' })
          etags[i] = headers.etag ?? ''
        }),
      )
      await this.#complete(path, uploadId, etags, signal)
    } catch (error) {
      // Where this is denied, the bucket's lifecycle rule removes what was sent.
      await this.#wire.send({ method: 'DELETE', key: request.key, query: { uploadId }, operation: 'abort upload', action: 's3:AbortMultipartUpload' }).catch(() => undefined)
      throw error
    }
  }

  async #complete(path: string, uploadId: string, etags: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const parts = etags.map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`)
    const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
    try {
      await this.#wire.send({ method: 'POST', key: this.#prefix + path, query: { uploadId }, body, operation: 'complete', action: 's3:PutObject', signal })
    } catch (error) {
      // A repeated completion meets its own success, whose answer was lost.
      if (!isWindlassError(error) || (error.cause as { name?: string } | undefined)?.name !== 'NoSuchUpload') throw error
      await this.#mustBeThere(path, etags, error, signal)
    }
  }

  /** @throws `error` unless the object is there and made of these parts. */
  async #mustBeThere(path: string, etags: readonly string[], error: unknown, signal: AbortSignal | undefined): Promise<void> {
    const parts = etags.map((etag) => Buffer.from(etag.replaceAll('"', ''), 'hex'))
    const wanted = `${createHash('md5').update(Buffer.concat(parts)).digest('hex')}-${etags.length}`
    const found = await this.get(path, { range: { start: 0, end: 1 }, signal })
    if (found?.etag.replaceAll('"', '') !== wanted) throw error
  }
}

/** Text of the first such element; empty where there is none. */
function textOf(xml: string, tag: string): string {
  const start = xml.indexOf(`<${tag}>`)
  if (start < 0) return ''
  const from = start + tag.length + 2
  return unescapeXml(xml.slice(from, xml.indexOf('<', from)))
}

const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescapeXml(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex?: string, decimal?: string, name?: string) => {
    if (name !== undefined) return named[name] ?? whole
    return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16))
  })
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
