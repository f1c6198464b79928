// A double of S3 over a store in memory: put, get, head, list and delete, with what goes wrong at a bucket set on purpose. Errors as
// S3's reference has them. Signatures are not computed here; the real servers do that.
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface S3DoubleOptions {
  readonly bucket?: string
  /** Requests must be signed for it. */
  readonly region?: string
  readonly accessKeyId?: string
  /** Actions that nobody may. */
  readonly denied?: readonly string[]
  /** Milliseconds that its clock is ahead. */
  readonly aheadMs?: number
  /** Does not look at If-Match and If-None-Match of a put. */
  readonly ignoresConditions?: boolean
  readonly server?: string
  /** Takes requests and never answers. */
  readonly hangs?: boolean
}

export interface S3Double {
  readonly url: string
  readonly objects: ReadonlyMap<string, Buffer>
  /** Buckets that were made, with the body of the request. */
  readonly made: ReadonlyMap<string, string>
  /** `METHOD /path` of each request. */
  readonly journal: readonly string[]
  close(): Promise<void>
}

class Refusal extends Error {
  readonly status: number
  readonly code: string
  readonly region: string | undefined

  constructor(status: number, code: string, region?: string) {
    super(code)
    this.status = status
    this.code = code
    this.region = region
  }
}

/** Starts the double on 127.0.0.1. */
export async function startS3Double(options: S3DoubleOptions = {}): Promise<S3Double> {
  const objects = new Map<string, Buffer>()
  const journal: string[] = []
  const made = new Map<string, string>()
  const server = createServer((request, response) => {
    journal.push(`${request.method} ${request.url}`)
    if (options.hangs) return
    response.setHeader('date', new Date(Date.now() + (options.aheadMs ?? 0)).toUTCString())
    if (options.server) response.setHeader('server', options.server)
    serve(request, response, { objects, made }, options).catch((error: unknown) => {
      const { status, code, region } = error instanceof Refusal ? error : new Refusal(500, 'InternalError')
      response.writeHead(status, { 'content-type': 'application/xml', ...(region && { 'x-amz-bucket-region': region }) })
      response.end(request.method === 'HEAD' ? undefined : `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message>${region ? `<Region>${region}</Region>` : ''}</Error>`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    made,
    journal,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function serve(request: IncomingMessage, response: ServerResponse, { objects, made }: { objects: Map<string, Buffer>; made: Map<string, string> }, options: S3DoubleOptions): Promise<void> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  const body = Buffer.concat(parts)
  const url = new URL(request.url ?? '/', 'http://double')
  const [, bucket = '', ...rest] = url.pathname.split('/')
  const key = decodeURIComponent(rest.join('/'))
  const [, accessKeyId, region] = /Credential=([^/]+)\/\d{8}\/([^/]+)\/s3\//.exec(request.headers.authorization ?? '') ?? []
  if (options.accessKeyId !== undefined && accessKeyId !== options.accessKeyId) throw new Refusal(403, 'InvalidAccessKeyId')
  if (request.method === 'PUT' && key === '') {
    if (made.has(bucket)) throw new Refusal(409, 'BucketAlreadyOwnedByYou')
    made.set(bucket, body.toString())
    return void response.writeHead(200).end()
  }
  if (bucket !== (options.bucket ?? 'docs') && !made.has(bucket)) throw new Refusal(404, 'NoSuchBucket')
  if (options.region !== undefined && region !== options.region) throw new Refusal(301, 'PermanentRedirect', options.region)
  const may = (action: string) => {
    if (options.denied?.includes(action)) throw new Refusal(403, 'AccessDenied')
  }
  const method = `${request.method}${key === '' ? ' bucket' : ''}`
  switch (method) {
    case 'GET bucket':
      may('s3:ListBucket')
      return void response.writeHead(200, { 'content-type': 'application/xml' }).end(listing(objects, url.searchParams.get('prefix') ?? ''))
    case 'POST bucket': {
      const keys = [...body.toString().matchAll(/<Key>([^<]+)<\/Key>/g)].map(([, each]) => each!)
      const isDenied = options.denied?.includes('s3:DeleteObject')
      if (!isDenied) for (const each of keys) objects.delete(each)
      const results = isDenied ? keys.map((each) => `<Error><Key>${each}</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`) : []
      return void response.writeHead(200, { 'content-type': 'application/xml' }).end(`<?xml version="1.0"?><DeleteResult>${results.join('')}</DeleteResult>`)
    }
    case 'PUT':
      may('s3:PutObject')
      if (!options.ignoresConditions) checkConditions(request, objects.get(key))
      objects.set(key, body)
      return void response.writeHead(200, { etag: etagOf(body) }).end()
    case 'DELETE':
      may('s3:DeleteObject')
      objects.delete(key)
      return void response.writeHead(204).end()
    default: {
      may('s3:GetObject')
      const found = objects.get(key)
      if (found) return void response.writeHead(200, { etag: etagOf(found), 'content-length': found.length }).end(request.method === 'HEAD' ? undefined : found)
      // Who may not list is not told that a key is missing.
      may('s3:ListBucket')
      throw new Refusal(404, 'NoSuchKey')
    }
  }
}

function checkConditions({ headers }: IncomingMessage, found: Buffer | undefined): void {
  if (headers['if-none-match'] === '*' && found) throw new Refusal(412, 'PreconditionFailed')
  const match = headers['if-match']
  if (match !== undefined && (!found || etagOf(found) !== match)) throw new Refusal(412, 'PreconditionFailed')
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`
}

function listing(objects: ReadonlyMap<string, Buffer>, prefix: string): string {
  const contents = [...objects].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, bytes]) => `<Contents><Key>${key}</Key><Size>${bytes.length}</Size><ETag>${etagOf(bytes)}</ETag></Contents>`)
  return `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>false</IsTruncated>${contents.join('')}</ListBucketResult>`
}
