import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ObjectStore } from '../../../src/store/object-store.ts'
import { Refusal, type Accounts, type Caller } from './accounts.ts'
import { escapeXml, type DoubleServer } from './sts-server.ts'

export interface GuardedBucket {
  readonly name: string
  readonly store: ObjectStore
  readonly region?: string
  /** Keys whose objects are encrypted with a key of KMS that the caller needs too. */
  readonly kms?: { readonly prefix: string; readonly keyArn: string }
}

/**
 * A double of S3 that lets nobody in but who may: reads and lists buckets with the keys of the double of STS, whose policies and expiry
 * it enforces for each request. Signatures are not checked here; the real servers do that. Error bodies as S3 writes them.
 */
export async function startGuardedS3(accounts: Accounts, buckets: readonly GuardedBucket[]): Promise<DoubleServer> {
  const requests: DoubleServer['requests'] = []
  const double = { requests, trouble: null as Refusal | null }
  const server = createServer((request, response) => {
    serve(request, response, { accounts, buckets, double }).catch((error: unknown) => {
      const { status, code, message } = error instanceof Refusal ? error : new Refusal(500, 'InternalError', String(error))
      const region = error instanceof Redirect ? error.region : undefined
      const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${escapeXml(message)}</Message><RequestId>double</RequestId></Error>`
      response.writeHead(status, { 'content-type': 'application/xml', ...(region && { 'x-amz-bucket-region': region }) }).end(request.method === 'HEAD' ? undefined : body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(double, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  })
}

class Redirect extends Refusal {
  readonly region: string

  constructor(region: string) {
    super(301, 'PermanentRedirect', 'The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.')
    this.region = region
  }
}

interface World {
  readonly accounts: Accounts
  readonly buckets: readonly GuardedBucket[]
  readonly double: Pick<DoubleServer, 'requests' | 'trouble'>
}

async function serve(request: IncomingMessage, response: ServerResponse, { accounts, buckets, double }: World): Promise<void> {
  const { accessKeyId, region } = signerOf(request)
  const token = request.headers['x-amz-security-token']
  const caller = callerOf(accounts, accessKeyId, typeof token === 'string' ? token : null)
  const url = new URL(request.url ?? '/', 'http://double')
  const [, name = '', ...parts] = url.pathname.split('/')
  const key = decodeURIComponent(parts.join('/'))
  const action = key === '' ? 's3:ListBucket' : 's3:GetObject'
  double.requests.push({ action, caller: caller.arn })
  if (double.trouble) throw double.trouble
  const bucket = buckets.find((each) => each.name === name)
  if (!bucket) throw new Refusal(404, 'NoSuchBucket', 'The specified bucket does not exist')
  if (bucket.region !== undefined && bucket.region !== region) throw new Redirect(bucket.region)
  if (key === '') return list(bucket, url.searchParams, caller, accounts, response)
  accounts.require(caller, action, `arn:aws:s3:::${name}/${key}`)
  if (bucket.kms && key.startsWith(bucket.kms.prefix)) requireKms(accounts, caller, bucket.kms.keyArn)
  await get(bucket, key, caller, accounts, request, response)
}

function signerOf(request: IncomingMessage): { accessKeyId: string; region: string } {
  const [, accessKeyId, region] = /Credential=([^/]+)\/\d{8}\/([^/]+)\/s3\//.exec(request.headers.authorization ?? '') ?? []
  if (accessKeyId === undefined || region === undefined) throw new Refusal(403, 'AccessDenied', 'Access Denied')
  return { accessKeyId, region }
}

/** As S3 words what STS words otherwise. */
function callerOf(accounts: Accounts, accessKeyId: string, token: string | null): Caller {
  try {
    return accounts.callerOf(accessKeyId, token)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    if (error.code === 'ExpiredToken') throw new Refusal(400, 'ExpiredToken', 'The provided token has expired.')
    throw new Refusal(403, 'InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.')
  }
}

function requireKms(accounts: Accounts, caller: Caller, keyArn: string): void {
  try {
    accounts.require(caller, 'kms:Decrypt', keyArn)
  } catch {
    throw new Refusal(403, 'AccessDenied', `User: ${caller.arn} is not authorized to perform: kms:Decrypt on resource: ${keyArn} because no identity-based policy allows the kms:Decrypt action`)
  }
}

/** The policies here have no conditions: a grant on `arn:aws:s3:::bucket?prefix*` is one on listings below a prefix. */
async function list({ name, store }: GuardedBucket, query: URLSearchParams, caller: Caller, accounts: Accounts, response: ServerResponse): Promise<void> {
  const prefix = query.get('prefix') ?? ''
  requireList(accounts, caller, name, prefix)
  const found: string[] = []
  for await (const { key, size, etag } of store.list(prefix)) found.push(`<Contents><Key>${escapeXml(key)}</Key><Size>${size}</Size><ETag>${escapeXml(etag ?? '')}</ETag></Contents>`)
  response.writeHead(200, { 'content-type': 'application/xml' }).end(`<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>${name}</Name><IsTruncated>false</IsTruncated>${found.join('')}</ListBucketResult>`)
}

function requireList(accounts: Accounts, caller: Caller, name: string, prefix: string | null): void {
  try {
    accounts.require(caller, 's3:ListBucket', prefix === null ? `arn:aws:s3:::${name}` : `arn:aws:s3:::${name}?${prefix}`)
  } catch {
    throw new Refusal(403, 'AccessDenied', `User: ${caller.arn} is not authorized to perform: s3:ListBucket on resource: "arn:aws:s3:::${name}" because no identity-based policy allows the s3:ListBucket action`)
  }
}

async function get({ name, store }: GuardedBucket, key: string, caller: Caller, accounts: Accounts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const ifNoneMatch = request.headers['if-none-match']
  const answer = await store.get(key, ifNoneMatch === undefined ? {} : { ifNoneMatch })
  if (answer.kind === 'unchanged') {
    response.writeHead(304).end()
    return
  }
  if (answer.kind === 'absent') {
    // Who may not list is not told that a key is missing.
    requireList(accounts, caller, name, null)
    throw new Refusal(404, 'NoSuchKey', 'The specified key does not exist.')
  }
  const { bytes, etag } = answer
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
  const start = Number(from ?? 0)
  if (from !== undefined && start >= bytes.length) throw new Refusal(416, 'InvalidRange', 'The requested range is not satisfiable')
  const end = Math.min(bytes.length, to ? Number(to) + 1 : bytes.length)
  const part = bytes.subarray(start, end)
  const range = from === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }
  response.writeHead(from === undefined ? 200 : 206, { etag, 'content-length': String(part.length), ...range }).end(request.method === 'HEAD' ? undefined : part)
}
