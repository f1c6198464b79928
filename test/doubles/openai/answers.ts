/** What a route answers: JSON, or raw bytes. */
export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly bytes?: Uint8Array
}

/** A request as a route sees it. */
export interface DoubleRequest {
  readonly method: string
  /** Below `/v1`, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  /** The parsed body of a JSON request; an empty object where there is none. */
  readonly body: Readonly<Record<string, unknown>>
  /** Of a multipart request. */
  readonly fields: ReadonlyMap<string, string>
  readonly files: ReadonlyMap<string, ReceivedFile>
}

/** A file that came in a multipart body. `content` is null when it was too big to keep. */
export interface ReceivedFile {
  readonly filename: string
  readonly bytes: number
  readonly content: Uint8Array | null
}

/** Refused in the shape in which OpenAI refuses. */
export class ApiError extends Error {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown

  constructor(status: number, message: string, { type, param = null, code = null, headers = {} }: { type?: string; param?: string | null; code?: string | null; headers?: Readonly<Record<string, string>> } = {}) {
    super(message)
    this.status = status
    this.headers = headers
    this.body = { error: { message, type: type ?? (status === 429 ? 'rate_limit_error' : status >= 500 ? 'server_error' : 'invalid_request_error'), param, code } }
  }
}

/** @throws {ApiError} 404, as OpenAI words it. */
export function notFound(what: string, id: string): ApiError {
  return new ApiError(404, `No ${what} found with id '${id}'.`, { param: 'id' })
}

/** 400 for one parameter. */
export function badParameter(param: string, message: string, code: string | null = null): ApiError {
  return new ApiError(400, message, { param, code })
}

/** Cuts a page out of objects in order of creation: `limit`, `order`, `after`, `before`. */
export function pageOf<Entry extends { readonly id: string }>(all: readonly Entry[], query: URLSearchParams, { limitMax = 100, limitDefault = 20, orderDefault = 'desc' }: { limitMax?: number; limitDefault?: number; orderDefault?: 'asc' | 'desc' } = {}): { object: 'list'; data: Entry[]; first_id: string | null; last_id: string | null; has_more: boolean } {
  const limit = Number(query.get('limit') ?? limitDefault)
  if (!Number.isInteger(limit) || limit < 1 || limit > limitMax) throw badParameter('limit', `Invalid 'limit': expected a value between 1 and ${limitMax}, but got ${query.get('limit')} instead.`)
  const order = query.get('order') ?? orderDefault
  if (order !== 'asc' && order !== 'desc') throw badParameter('order', `Invalid value: '${order}'. Supported values are: 'asc' and 'desc'.`, 'invalid_value')
  const ordered = order === 'asc' ? all : [...all].reverse()
  const place = (id: string | null, otherwise: number) => (id === null ? otherwise : ordered.findIndex((entry) => entry.id === id))
  const after = place(query.get('after'), -1)
  if (query.get('after') !== null && after === -1) throw badParameter('after', `No object found with id '${query.get('after')}'.`)
  const before = place(query.get('before'), ordered.length)
  const rest = ordered.slice(after + 1, before === -1 ? undefined : before)
  const data = query.get('before') !== null && query.get('after') === null ? rest.slice(-limit) : rest.slice(0, limit)
  return { object: 'list', data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: rest.length > data.length }
}
