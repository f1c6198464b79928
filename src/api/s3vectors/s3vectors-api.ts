import type { Context } from 'hono'
import { Hono } from 'hono'
import { messageOf } from '../../base/errors.ts'
import { newNonce } from '../../base/random.ts'
import type { ApiContext } from '../context.ts'
import { parseJsonText, toJsonText } from '../json.ts'
import { authorize, identify } from './authorize.ts'
import { defaultQuotas, type Operation, type OperationContext, type Quotas } from './context.ts'
import { S3VectorsError, toS3VectorsError } from './errors.ts'
import { liftVectors, lowerVectors } from './float-arrays.ts'
import { inputShapes, type OperationName } from './model.ts'
import type { Account } from './names.ts'
import { bucketOperations } from './operations/buckets.ts'
import { indexOperations } from './operations/indexes.ts'
import { queryOperations } from './operations/query.ts'
import { tagOperations } from './operations/tags.ts'
import { vectorOperations } from './operations/vectors.ts'
import { checkShape, isObject } from './shapes.ts'

/** What the door has of its own. */
export interface S3VectorsSettings {
  readonly account: Account
  readonly quotas?: Partial<Quotas>
  /** Address and security of the connection a request came by. */
  connectionOf(c: Context): { sourceIp: string; isSecure: boolean }
  /** Tells the log what the caller is not told. */
  onFault(error: unknown, requestId: string): void
}

interface Environment {
  Variables: { requestId: string; route: string }
}

const holdsVectors: ReadonlySet<OperationName> = new Set<OperationName>(['PutVectors', 'QueryVectors'])

/** The service's limit of a request. */
const payloadBytesMax = 20 * 1024 * 1024

const operations: Record<OperationName, Operation> = { ...bucketOperations, ...indexOperations, ...vectorOperations, ...queryOperations, ...tagOperations }

/** The S3 Vectors door: every operation is `POST /<Operation>`, but tags, which lie under `/tags/<arn>`. */
export function createS3VectorsApi(context: ApiContext, settings: S3VectorsSettings): Hono<Environment> {
  const api = new Hono<Environment>()
  const mark = `${newNonce(context.random)}-`
  for (const name of Object.keys(inputShapes) as OperationName[]) {
    if (name in tagOperations) continue
    api.post(`/${name}`, (c) => {
      c.set('route', `/${name}`)
      return answer(c, name, context, settings, (body) => (body.length === 0 ? {} : holdsVectors.has(name) ? parseVectorBody(body, mark) : parseBody(body)))
    })
  }
  const tagMethods = { GET: 'ListTagsForResource', POST: 'TagResource', DELETE: 'UntagResource' } as const
  api.on(Object.keys(tagMethods), '/tags/*', (c) => {
    c.set('route', '/tags/{resourceArn}')
    return answer(c, tagMethods[c.req.method as keyof typeof tagMethods], context, settings, (body) => {
      const resourceArn = decodeArn(new URL(c.req.url).pathname.slice('/tags/'.length))
      if (c.req.method === 'DELETE') {
        const tagKeys = new URL(c.req.url).searchParams.getAll('tagKeys')
        return { resourceArn, ...(tagKeys.length > 0 && { tagKeys }) }
      }
      return c.req.method === 'POST' ? { ...asObject(parseBody(body)), resourceArn } : { resourceArn }
    })
  })
  return api
}

async function answer(c: Context<Environment>, name: OperationName, api: ApiContext, settings: S3VectorsSettings, toInput: (body: Uint8Array) => unknown): Promise<Response> {
  const requestId = c.get('requestId')
  try {
    const output = await api.bodies.withBytes(c.req.raw, payloadBytesMax, async (body) => {
      const url = new URL(c.req.url)
      const access = identify({ method: c.req.method, rawPath: url.pathname, query: url.searchParams, headers: c.req.raw.headers, body }, api.keys.keys(), api.clock)
      const input = toInput(body)
      checkShape(input, inputShapes[name])
      const context: OperationContext = {
        bucket: api.bucket,
        account: settings.account,
        quotas: { ...defaultQuotas, ...settings.quotas },
        clock: api.clock,
        access,
        ...settings.connectionOf(c),
        signal: c.req.raw.signal,
      }
      const given = withoutNulls(input as Record<string, unknown>)
      await authorize(name, given, context)
      return operations[name](given as never, context)
    })
    return respond(200, output, requestId)
  } catch (error) {
    const known = toS3VectorsError(error)
    if (known.status >= 500) settings.onFault(error, requestId)
    const fields = known.fields.length > 0 ? { fieldList: known.fields } : {}
    const response = respond(known.status, { __type: known.code, message: known.message, ...fields }, requestId)
    response.headers.set('x-amzn-errortype', known.code)
    return response
  }
}

function respond(status: number, body: unknown, requestId: string): Response {
  return new Response(writeJson(body), { status, headers: { 'content-type': 'application/json', 'x-amzn-requestid': requestId, 'x-amz-request-id': requestId } })
}

/** NaN as a bare word, which Python writes, is no JSON; both that and broken JSON are the caller's fault. */
function parseBody(body: Uint8Array): unknown {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    throw new S3VectorsError('ValidationException', 'The request body is not UTF-8')
  }
  try {
    return parseJsonText(text)
  } catch (error) {
    throw new S3VectorsError('ValidationException', `The request could not be parsed: ${messageOf(error)}`)
  }
}

/** As `parseBody`, vectors as float32: two fifths of what a put cost were its numbers (bench/s3vectors/results.md). */
function parseVectorBody(body: Uint8Array, mark: string): unknown {
  const { rest, vectors } = liftVectors(Buffer.from(body.buffer, body.byteOffset, body.length), mark)
  const input = parseBody(rest)
  lowerVectors(input, vectors, mark)
  return input
}

/** Long integers are rare, and a replacer for them makes every other answer several times slower. */
function writeJson(body: unknown): string {
  try {
    return JSON.stringify(body)
  } catch {
    return toJsonText(body)
  }
}

function asObject(json: unknown): Record<string, unknown> {
  if (!isObject(json)) throw new S3VectorsError('ValidationException', 'The request body must be a JSON object')
  return json
}

function decodeArn(encoded: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch {
    throw new S3VectorsError('ValidationException', 'Invalid resource ARN')
  }
}

/** A member that is null counts as not given. */
function withoutNulls(input: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null))
}
