import type { z } from 'zod'
import type { Access, Role } from '../access.ts'
import type { ApiContext } from '../context.ts'

/** One answer of a route, for OpenAPI and for the test that holds us to it. */
export interface RouteAnswer {
  readonly description: string
  readonly schema?: z.ZodType
  readonly contentType?: string
}

/** What a handler is given. */
export interface RouteRequest<Params, Query, Body> {
  readonly params: Params
  readonly query: Query
  readonly body: Body
  /** The request as it came, for who reads the body as a stream. */
  readonly raw: Request
  readonly access: Access
  readonly context: ApiContext
}

export interface RouteResult {
  readonly status?: number
  readonly json?: unknown
  readonly text?: string
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as it comes, in place of `text`. */
  readonly stream?: AsyncIterable<Uint8Array>
}

/** One operation: the server's routing, the checks before the handler and the OpenAPI document are all made from this. */
export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'delete'
  /** With `{name}` for one part, and `{name*}` for the rest of the path. */
  readonly path: string
  readonly operationId: string
  readonly summary: string
  readonly tag: 'collections' | 'records' | 'documents' | 'snapshots' | 'vectorizers' | 'maps' | 'audio' | 'service'
  /** Least role of the key; null: anyone, without a key. */
  readonly role: Role | null
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  /** JSON body. */
  readonly body?: z.ZodType
  /** Media types of a body that the handler reads itself. */
  readonly rawBody?: Readonly<Record<string, string>>
  readonly answers: Readonly<Record<number, RouteAnswer>>
  handle(request: RouteRequest<never, never, never>): Promise<RouteResult>
}

type Shape<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined

/** A route whose handler knows the types of what its schemas let through. */
export function route<Params extends z.ZodObject | undefined, Query extends z.ZodObject | undefined, Body extends z.ZodType | undefined>(
  spec: Omit<Route, 'handle' | 'params' | 'query' | 'body'> & {
    params?: Params
    query?: Query
    body?: Body
    handle(request: RouteRequest<Shape<Params>, Shape<Query>, Shape<Body>>): Promise<RouteResult>
  },
): Route {
  return spec as unknown as Route
}
