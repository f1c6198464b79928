import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { messageOf, WindlassError } from '../base/errors.ts'
import { newId } from '../base/random.ts'
import type { ApiContext } from '../api/context.ts'
import { answerOf, isServerFault } from '../api/error-response.ts'
import { guardRequest } from '../api/request-guard.ts'
import { createHubApi, type HubDoor } from '../api/hub/hub-api.ts'
import { createChromaApi, isChromaPath, respondError } from '../api/chroma/chroma-api.ts'
import type { ChromaDoorSettings } from '../api/chroma/context.ts'
import { createRestApi, errorResponse, type RestEnvironment } from '../api/rest/rest-api.ts'
import { createS3VectorsApi, type S3VectorsSettings } from '../api/s3vectors/s3vectors-api.ts'
import { createConsole } from './console-assets.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

/** What a request passes on its way to a door: an id, the guard, the count, the log. */
export function createApp(context: ApiContext, { log, metrics, s3vectors, chroma, hub, consoleFolder }: { log: Log; metrics: Metrics; s3vectors: S3VectorsSettings; chroma: ChromaDoorSettings; hub: HubDoor; consoleFolder?: string | undefined }): Hono<RestEnvironment> {
  const { clock, random, corsOrigins, allowedHosts, keys } = context
  const app = new Hono<RestEnvironment>()
  app.use(async (c, next) => {
    const started = clock.monotonic()
    const requestId = newId(clock.now(), random)
    c.set('requestId', requestId)
    metrics.begin()
    await next()
    const ms = clock.monotonic() - started
    // A path that is no route may hold anything; its label is one for all.
    const route = c.get('route') ?? 'none'
    metrics.end(c.req.method, route, c.res.status, ms / 1000)
    c.header('x-request-id', requestId)
    // Answers are of this moment, but for the parts of the console, which say so themselves.
    if (!c.res.headers.has('cache-control')) c.header('cache-control', 'no-store')
    // What is left of a refused body is not read: nothing else can come on that connection.
    if (c.res.status >= 400 && isLarge(c.req.raw)) c.header('connection', 'close')
    c.header('x-content-type-options', 'nosniff')
    log.info('request', { method: c.req.method, path: c.req.path, status: c.res.status, ms: Math.round(ms * 10) / 10, requestId })
  })
  if (corsOrigins.length > 0) {
    app.use(cors({ origin: [...corsOrigins], allowHeaders: ['authorization', 'content-type', 'x-chroma-token'], exposeHeaders: ['x-request-id', 'retry-after'], maxAge: 600 }))
  }
  app.use(async (c, next) => {
    guardRequest(c.req.raw, { hasKeys: keys.keys().length > 0, allowedHosts, corsOrigins })
    await next()
  })
  app.route('/', createConsole({ consoleFolder }))
  app.route('/', createHubApi(hub, '/hf'))
  app.route('/', createS3VectorsApi(context, s3vectors))
  app.route('/', createChromaApi(context, chroma))
  app.route('/', createRestApi(context))
  app.onError((error, c) => {
    const requestId = c.get('requestId')
    if (isServerFault(answerOf(error))) log.error(messageOf(error), { requestId, stack: error instanceof WindlassError ? undefined : error.stack })
    return isChromaPath(c.req.path) ? respondError(error, context, requestId) : errorResponse(error, requestId)
  })
  app.notFound((c) => errorResponse(new WindlassError('not-found', `${c.req.method} ${c.req.path.slice(0, 200)} is not a route of this server: see /openapi.json`), c.get('requestId')))
  return app
}

const largeBodyBytes = 64 * 1024

function isLarge(request: Request): boolean {
  const length = request.headers.get('content-length')
  return length === null ? request.headers.has('transfer-encoding') : Number(length) > largeBodyBytes
}

/** A server that listens, and how to end it. */
export interface ListeningServer {
  readonly url: string
  readonly port: number
  /** Takes no new connections, finishes what is in work, then cuts what is left after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>
}

// A slow sender may take its time for a large file, not for its headers.
const headersTimeoutMs = 60_000
const requestTimeoutMs = 3_600_000

/** @throws {WindlassError} `unavailable` when the port is taken, `denied` when it may not be used. */
export async function listen(fetch: (request: Request, connection: unknown) => Response | Promise<Response>, { host, port, context }: { host: string; port: number; context: ApiContext }): Promise<ListeningServer> {
  const server = createServer({ headersTimeout: headersTimeoutMs, requestTimeout: requestTimeoutMs }, getRequestListener(fetch, { overrideGlobalObjects: false }))
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, host, port)))
    server.listen(port, host, resolve)
  })
  const address = server.address() as AddressInfo
  const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return { url: `http://${shown}:${address.port}`, port: address.port, drain: (timeoutMs) => drain(server, timeoutMs, context) }
}

async function drain(server: Server, timeoutMs: number, { clock }: ApiContext): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const timeout = new AbortController()
  const late = clock.sleep(timeoutMs, timeout.signal).then(
    () => server.closeAllConnections(),
    () => undefined,
  )
  await closed
  timeout.abort()
  await late
}

function listenError(error: Error & { code?: string }, host: string, port: number): WindlassError {
  if (error.code === 'EADDRINUSE') return new WindlassError('unavailable', `port ${port} of ${host} is taken: stop what listens there, or choose another with --port`, { path: 'port', cause: error })
  if (error.code === 'EACCES') return new WindlassError('denied', `port ${port} of ${host} may not be used by this user: choose one above 1023 with --port`, { path: 'port', cause: error })
  return new WindlassError('invalid', `cannot listen on ${host}:${port}: ${messageOf(error)}`, { path: 'host', cause: error })
}
