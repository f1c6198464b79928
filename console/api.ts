const keyName = 'windlass-key'

/** An answer that is an error; `kind` as docs/rest.md lists them, `offline` where there was no answer. */
export class ApiError extends Error {
  readonly kind: string
  readonly status: number
  readonly requestId: string | undefined
  /** Where this server explains the kind. */
  readonly docs: string | undefined

  constructor(kind: string, message: string, status: number, { requestId, docs }: { requestId?: string | undefined; docs?: string | undefined } = {}) {
    super(message)
    this.name = 'ApiError'
    this.kind = kind
    this.status = status
    this.requestId = requestId
    this.docs = docs
  }
}

export interface CallOptions {
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly json?: unknown
  readonly signal?: AbortSignal
}

/** The public HTTP API, with the key that was entered; it lasts as long as the tab. */
export class Api {
  readonly #listeners = new Set<() => void>()

  get key(): string | null {
    return sessionStorage.getItem(keyName)
  }

  set key(key: string | null) {
    if (key === null) sessionStorage.removeItem(keyName)
    else sessionStorage.setItem(keyName, key)
    for (const listener of this.#listeners) listener()
  }

  /** @returns Ends the listening. */
  onKeyChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get headers(): Record<string, string> {
    return this.key === null ? {} : { authorization: `Bearer ${this.key}` }
  }

  /** @throws {ApiError} */
  async call<Answer>(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const response = await this.fetch(method, path, options)
    return (response.status === 204 ? undefined : await response.json()) as Answer
  }

  get<Answer>(path: string, query: CallOptions['query'] = {}, signal?: AbortSignal): Promise<Answer> {
    return this.call('GET', path, { query, ...(signal && { signal }) })
  }

  post<Answer>(path: string, json: unknown = {}, signal?: AbortSignal): Promise<Answer> {
    return this.call('POST', path, { json, ...(signal && { signal }) })
  }

  /** An answer that was not refused. @throws {ApiError} */
  async fetch(method: string, path: string, { query = {}, json, signal }: CallOptions = {}): Promise<Response> {
    let response: Response
    try {
      response = await fetch(withQuery(path, query), {
        method,
        headers: { ...this.headers, ...(json !== undefined && { 'content-type': 'application/json' }) },
        ...(json !== undefined && { body: JSON.stringify(json) }),
        ...(signal && { signal }),
      })
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') throw error
      throw new ApiError('offline', 'the server does not answer: is it still running?', 0)
    }
    if (!response.ok && response.status !== 503) throw await errorOf(response)
    // /health says with 503 what is wrong, in an answer of its own form.
    if (response.status === 503 && !path.startsWith('/health')) throw await errorOf(response)
    return response
  }

  /**
   * Sends a file, and tells how much of it has gone.
   * @throws {ApiError}; an `AbortError` when `signal` aborts.
   */
  upload<Answer>(path: string, file: File, { method = 'PUT', onProgress, signal, query = {} }: { method?: 'PUT' | 'POST'; onProgress(share: number): void; signal?: AbortSignal; query?: CallOptions['query'] }): Promise<Answer> {
    // fetch cannot tell how far an upload has come.
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest()
      request.open(method, withQuery(path, query))
      for (const [name, value] of Object.entries(this.headers)) request.setRequestHeader(name, value)
      request.setRequestHeader('content-type', file.type || 'application/octet-stream')
      request.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 1)
      request.onerror = () => reject(new ApiError('offline', 'the connection broke off', 0))
      request.onabort = () => reject(new DOMException('cancelled', 'AbortError'))
      request.onload = () => {
        const json = parseOrNull(request.responseText)
        if (request.status >= 200 && request.status < 300) resolve(json as Answer)
        else reject(toApiError(json, request.status))
      }
      signal?.addEventListener('abort', () => request.abort(), { once: true })
      request.send(file)
    })
  }
}

/** A path of which every part is written as itself. */
export function pathOf(...parts: readonly string[]): string {
  return `/${parts.map(encodeURIComponent).join('/')}`
}

function withQuery(path: string, query: Readonly<Record<string, string | number | undefined>>): string {
  const entries = Object.entries(query).flatMap(([name, value]): [string, string][] => (value === undefined ? [] : [[name, String(value)]]))
  return entries.length === 0 ? path : `${path}?${new URLSearchParams(entries)}`
}

async function errorOf(response: Response): Promise<ApiError> {
  return toApiError(parseOrNull(await response.text()), response.status)
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function toApiError(json: unknown, status: number): ApiError {
  const error = (json as { error?: { kind?: string; message?: string; requestId?: string; docs?: string } } | null)?.error
  return new ApiError(error?.kind ?? 'unknown', error?.message ?? `the server answered ${status}`, status, error)
}
