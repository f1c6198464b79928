import { Hono, type Context } from 'hono'
import { messageOf, WindlassError } from '../../base/errors.ts'
import { newNonce } from '../../base/random.ts'
import { authenticate, openAccess, type Access } from '../access.ts'
import type { ApiContext } from '../context.ts'
import { jsonBytesMax } from '../request-body.ts'
import type { ChromaAnswer, ChromaDoorSettings, ChromaRoute, OperationContext } from './context.ts'
import { ChromaError, invalid, toChromaError } from './errors.ts'
import { collectionRoutes } from './operations/collections.ts'
import { databaseRoutes } from './operations/databases.ts'
import { questionRoutes } from './operations/questions.ts'
import { recordRoutes } from './operations/records.ts'
import { searchRoutes } from './operations/search.ts'
import { serviceRoutes } from './operations/service.ts'
import { parseJson } from './parse-json.ts'
import { asObject, type JsonObject } from './read-body.ts'
import { answerSync } from './sync.ts'
import { writeJson } from './write-json.ts'

interface Environment {
  Variables: { requestId: string; route: string }
}

/** Every call of the door. */
export const chromaRoutes: readonly ChromaRoute[] = [...serviceRoutes, ...databaseRoutes, ...collectionRoutes, ...recordRoutes, ...questionRoutes, ...searchRoutes]

const root = '/api/v2'
const syncPath = '/api/s3/sync'

/** The Chroma door: what clients of version 1.5 (Python) and 3.5 (JavaScript) call. */
export function createChromaApi(context: ApiContext, settings: ChromaDoorSettings): Hono<Environment> {
  const api = new Hono<Environment>()
  const byPath = new Map<string, ChromaRoute[]>()
  for (const route of chromaRoutes) {
    const path = root + route.path
    byPath.set(path, [...(byPath.get(path) ?? []), route])
  }
  for (const [path, routes] of byPath) {
    api.all(path.replace(/\{(\w+)\}/g, ':$1'), (c) => {
      c.set('route', path)
      const route = routes.find(({ method }) => method === c.req.method)
      return route ? answer(c, route, context, settings) : c.body(null, 405, { allow: routes.map(({ method }) => method).join(', ') })
    })
  }
  api.on(['GET', 'POST'], syncPath, async (c) => {
    c.set('route', syncPath)
    try {
      return respond({ json: await answerSync(c.req.raw, accessOf(c.req.raw, context), context) }, context)
    } catch (error) {
      return respondError(error, context, c.get('requestId'))
    }
  })
  api.all(`${root}/*`, (c) => c.body(null, 404))
  api.all('/api/v1/*', (c) => respondError(new ChromaError(410, 'Unimplemented', 'The v1 API is deprecated. Please use /v2 apis'), context, c.get('requestId')))
  return api
}

async function answer(c: Context<Environment>, route: ChromaRoute, api: ApiContext, settings: ChromaDoorSettings): Promise<Response> {
  const request = c.req.raw
  try {
    const context: OperationContext = {
      bucket: api.bucket,
      access: route.isPublic ? openAccess : accessOf(request, api),
      clock: api.clock,
      random: api.random,
      allowReset: settings.allowReset,
      consistency: settings.consistency,
      isReady: api.isReady(),
      signal: request.signal,
    }
    const run = (body: JsonObject) => route.handle({ params: c.req.param(), query: new URL(request.url).searchParams, body, context })
    return respond(await runWithBody(request, route, api, run), api)
  } catch (error) {
    const known = toChromaError(error)
    if (known.status >= 500 && !(error instanceof ChromaError)) settings.onFault(error, c.get('requestId'))
    return respondError(error, api, c.get('requestId'))
  }
}

async function runWithBody(request: Request, route: ChromaRoute, { bodies }: ApiContext, run: (body: JsonObject) => Promise<ChromaAnswer>): Promise<ChromaAnswer> {
  if (route.method === 'GET' || route.method === 'DELETE') return run({})
  return bodies.withBytes(request, jsonBytesMax, async (bytes) => {
    // POST /reset has none.
    if (bytes.length === 0 && route.path === '/reset') return run({})
    const type = request.headers.get('content-type')
    if (type === null || !/^application\/([\w.+-]+\+)?json\b/i.test(type)) throw new ChromaError(415, 'ChromaError', 'Expected request with `Content-Type: application/json`')
    let text: string
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    } catch {
      throw invalid('Failed to parse the request body as JSON: invalid UTF-8')
    }
    return run(asObject(parseJson(text), ''))
  })
}

/** A token in Chroma's own header, or what every door takes. */
function accessOf(request: Request, { keys }: ApiContext): Access {
  const token = request.headers.get('x-chroma-token')
  return authenticate(keys.keys(), token === null ? request.headers.get('authorization') : `Bearer ${token.replace(/^bearer\s+/i, '')}`)
}

function respond({ status = 200, json }: ChromaAnswer, { random }: ApiContext): Response {
  const headers = { 'content-type': 'application/json', 'chroma-trace-id': newNonce(random) }
  const parts = writeJson(json)
  const first = parts.next().value ?? ''
  const second = parts.next()
  // Most answers are one part, which needs no stream.
  if (second.done) return new Response(first, { status, headers })
  const encoder = new TextEncoder()
  const waiting = [first, second.value]
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = waiting.length > 0 ? { value: waiting.shift()!, done: false } : parts.next()
      if (next.done) controller.close()
      else controller.enqueue(encoder.encode(next.value))
    },
  })
  return new Response(body, { status, headers })
}

/** An error as Chroma tells it, for what happens before a request has reached the door too. */
export function respondError(error: unknown, { random }: Pick<ApiContext, 'random'>, requestId: string): Response {
  const known = toChromaError(error)
  const isOurFault = known.status >= 500 && !(error instanceof ChromaError) && !(error instanceof WindlassError)
  const message = isOurFault ? `internal error: the log of the server has it under request ${requestId}` : messageOf(known)
  const headers = new Headers({ 'content-type': 'application/json', 'chroma-trace-id': newNonce(random) })
  if (known.retryAfterSeconds !== undefined) headers.set('retry-after', String(known.retryAfterSeconds))
  if (known.status === 401) headers.set('www-authenticate', 'Bearer')
  return new Response(JSON.stringify({ error: known.error, message }), { status: known.status, headers })
}

/** Whether a path is this door's. */
export function isChromaPath(path: string): boolean {
  return path.startsWith('/api/')
}
