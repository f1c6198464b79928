import { Hono, type Context } from 'hono'
import type { z } from 'zod'
import { errorPolicies, WindlassError } from '../../base/errors.ts'
import { authenticate } from '../access.ts'
import type { ApiContext } from '../context.ts'
import { answerOf, helpUrl, noSuchRoute } from '../error-response.ts'
import { toJsonText } from '../json.ts'
import { openApiDocument } from './openapi.ts'
import { route, type Route, type RouteResult } from './route.ts'
import { audioRoutes } from './routes/audio.ts'
import { collectionRoutes } from './routes/collections.ts'
import { documentRoutes } from './routes/documents.ts'
import { modelRoutes } from './routes/models.ts'
import { overviewRoutes } from './routes/overview.ts'
import { mapRoutes } from './routes/maps.ts'
import { recordRoutes } from './routes/records.ts'
import { snapshotRoutes } from './routes/snapshots.ts'
import { serviceRoutes } from './routes/service.ts'
import { vectorizerRoutes } from './routes/vectorizers.ts'

/** What the server's outer layers add to every request. */
export interface RestEnvironment {
  Variables: { requestId: string; route: string }
}

/** Every operation of the REST door, most specific paths first. */
export const restRoutes: readonly Route[] = [...serviceRoutes, ...collectionRoutes, ...recordRoutes, ...documentRoutes, ...snapshotRoutes, ...vectorizerRoutes, ...audioRoutes, ...overviewRoutes, ...modelRoutes, ...mapRoutes, openApiRoute()]

/** The REST door: `/v1`, `/health`, `/ready`, `/metrics`, `/openapi.json`. */
export function createRestApi(context: ApiContext): Hono<RestEnvironment> {
  const api = new Hono<RestEnvironment>({ strict: true })
  const methods = new Map<string, string[]>()
  for (const spec of restRoutes) {
    const path = honoPath(spec.path)
    methods.set(path, [...(methods.get(path) ?? []), spec.method.toUpperCase()])
    api.on(spec.method.toUpperCase(), path, (c) => {
      c.set('route', spec.path)
      return runRoute(spec, c, context)
    })
  }
  for (const [path, allowed] of methods) {
    api.all(path, (c) => {
      const error = { kind: 'not-allowed', message: `${c.req.method} is not allowed here: use ${allowed.join(', ')}`, docs: helpUrl('not-allowed'), requestId: c.get('requestId') }
      return c.body(toJsonText({ error }), 405, { 'content-type': 'application/json', allow: allowed.join(', ') })
    })
  }
  api.notFound((c) => errorResponse(noSuchRoute(c.req.method, c.req.path), c.get('requestId')))
  return api
}

/** An error as `/v1` tells it. */
export function errorResponse(error: unknown, requestId: string): Response {
  const { status, kind, message, path, retryAfterSeconds } = answerOf(error)
  const headers = new Headers({ 'content-type': 'application/json' })
  if (retryAfterSeconds !== undefined) headers.set('retry-after', String(retryAfterSeconds))
  if (status === errorPolicies.unauthenticated.httpStatus) headers.set('www-authenticate', 'Bearer')
  return new Response(toJsonText({ error: { kind, message, ...(path !== undefined && { path }), docs: helpUrl(kind), requestId } }), { status, headers })
}

async function runRoute(spec: Route, c: Context<RestEnvironment>, context: ApiContext): Promise<Response> {
  const request = c.req.raw
  const access = spec.role === null ? null : authenticate(context.keys.keys(), request.headers.get('authorization'))
  const params = parse(spec.params, c.req.param(), 'path') as { collection?: string } | undefined
  if (spec.role !== null) access!.require(spec.role, params?.collection)
  const query = parse(spec.query, queryOf(c), 'query')
  const run = (body: unknown) => spec.handle({ params, query, body, raw: request, access, context } as never)
  const result = spec.body ? await context.bodies.withJson(request, (json) => run(parse(spec.body, json ?? {}, 'body'))) : await run(undefined)
  return toResponse(result)
}

function toResponse({ status = 200, json, text, contentType, headers, stream }: RouteResult): Response {
  if (status === 204) return new Response(null, { status })
  if (stream) return new Response(pulled(stream), { status, headers: { 'content-type': contentType ?? 'application/octet-stream', ...headers } })
  if (text !== undefined) return new Response(text, { status, headers: { 'content-type': contentType ?? 'text/plain; charset=utf-8', ...headers } })
  return new Response(toJsonText(json), { status, headers: { 'content-type': 'application/json' } })
}

/** A body that is read as fast as the client takes it, and no further. */
function pulled(bytes: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const parts = bytes[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await parts.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await parts.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}

function queryOf(c: Context): Record<string, string> {
  return Object.fromEntries(
    Object.entries(c.req.queries()).map(([name, values]) => {
      if (values.length > 1) throw new WindlassError('invalid', `parameter ${name} is given ${values.length} times`, { path: name })
      return [name, values[0]!]
    }),
  )
}

/** @throws {WindlassError} `invalid`, naming the first place that is wrong and what is expected there. */
function parse(schema: z.ZodType | undefined, value: unknown, what: string): unknown {
  if (!schema) return undefined
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const path = issue!.path.join('.')
  throw new WindlassError('invalid', `${path === '' ? what : path}: ${lowerFirst(issue!.message)}`, { path: path === '' ? what : path })
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}

function honoPath(path: string): string {
  return path.replace(/\{(\w+)\*\}/g, ':$1{.+}').replace(/\{(\w+)\}/g, ':$1')
}

function openApiRoute(): Route {
  return route({
    method: 'get',
    path: '/openapi.json',
    operationId: 'openApi',
    summary: 'This document',
    tag: 'service',
    role: 'read',
    answers: { 200: { description: 'OpenAPI 3.1', contentType: 'application/json' } },
    async handle({ context }) {
      return { json: openApiDocument(restRoutes, context.version) }
    },
  })
}

