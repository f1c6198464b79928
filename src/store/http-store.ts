import { startTimer } from '../base/clock.ts'
import { throwIfAborted, WindlassError } from '../base/errors.ts'
import { checkObjectKey, checkRange, cutRange } from './object-key.ts'
import type { ByteRange, GetOptions, GetResult, ListedObject, ObjectStore, PutResult } from './object-store.ts'
import type { ObjectHead } from './wrapping-store.ts'

const timeoutMs = 30_000

/**
 * Objects behind a web server that answers range requests: for reading a public bucket, also from a browser. One attempt a call.
 * Freshness is what the server and the caches before it give: good for eventual reads only.
 */
export class HttpStore implements ObjectStore {
  readonly url: string
  readonly #base: string
  readonly #timeoutMs: number

  /**
   * @param url `https://host/path`; keys follow it.
   * @throws {WindlassError} `invalid` for a URL with a name and password in it, which would show in errors.
   */
  constructor(url: string, options: { requestTimeoutMs?: number } = {}) {
    this.url = url.replace(/\/+$/, '')
    const { username, password, search, hash } = parseUrl(this.url)
    if (username || password)
      throw new WindlassError('invalid', `bucket ${new URL(url).host}: a URL must not hold a password`, {
        path: 'bucket',
      })
    if (search || hash)
      throw new WindlassError('invalid', `bucket ${this.url} has a query or fragment, which keys cannot follow`, {
        path: 'bucket',
      })
    this.#base = `${this.url}/`
    this.#timeoutMs = options.requestTimeoutMs ?? timeoutMs
  }

  async get(key: string, { range, ifNoneMatch, signal }: GetOptions = {}): Promise<GetResult> {
    checkRange(range)
    // HTTP has no way to ask for no bytes.
    if (range && ('suffix' in range ? range.suffix === 0 : range.end === range.start))
      return this.#emptyPart(key, signal)
    const headers: Record<string, string> = {}
    if (range) headers.range = 'suffix' in range ? `bytes=-${range.suffix}` : `bytes=${range.start}-${range.end - 1}`
    if (ifNoneMatch !== undefined) headers['if-none-match'] = ifNoneMatch
    const { status, fields, bytes } = await this.#request('GET', key, headers, signal)
    const date = timeOf(fields.get('date'))
    if (status === 304) return { kind: 'unchanged', date }
    if (status === 404 || status === 410) return { kind: 'absent', date }
    if (status === 416) return this.#emptyPart(key, signal)
    if (status !== 200 && status !== 206) throw this.#failed(key, 'get', status)
    return {
      kind: 'found',
      ...partOf(bytes, range, status, fields),
      etag: etagOf(fields),
      lastModified: timeOf(fields.get('last-modified')),
      date,
    }
  }

  async head(key: string, { signal }: { signal?: AbortSignal } = {}): Promise<ObjectHead | null> {
    const { status, fields } = await this.#request('HEAD', key, {}, signal)
    if (status === 404 || status === 410) return null
    if (status !== 200) throw this.#failed(key, 'head', status)
    return {
      etag: etagOf(fields),
      size: Number(fields.get('content-length') ?? 0),
      lastModified: timeOf(fields.get('last-modified')),
      date: timeOf(fields.get('date')),
    }
  }

  put(key: string): Promise<PutResult> {
    return Promise.reject(this.#readOnly('put', key))
  }


  async *list(prefix: string): AsyncIterable<ListedObject> {
    throw this.#readOnly('list', prefix)
  }

  delete(keys: readonly string[]): Promise<void> {
    return Promise.reject(this.#readOnly('delete', keys[0] ?? ''))
  }

  async #emptyPart(key: string, signal: AbortSignal | undefined): Promise<GetResult> {
    const head = await this.head(key, signal ? { signal } : {})
    return head ? { kind: 'found', bytes: new Uint8Array(0), ...head } : { kind: 'absent', date: undefined }
  }

  async #request(
    method: string,
    key: string,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<{ status: number; fields: Headers; bytes: Uint8Array }> {
    throwIfAborted(signal)
    checkObjectKey(key)
    const controller = new AbortController()
    const abort = () => controller.abort()
    signal?.addEventListener('abort', abort, { once: true })
    const limit = startTimer(this.#timeoutMs, abort)
    try {
      // Caches in between would answer for the manifest and the log, whose freshness is the promise.
      const response = await fetch(this.#base + key.split('/').map(encodeURIComponent).join('/'), {
        method,
        headers,
        cache: 'no-store',
        signal: controller.signal,
      })
      return { status: response.status, fields: response.headers, bytes: new Uint8Array(await response.arrayBuffer()) }
    } catch (error) {
      throwIfAborted(signal)
      const what = controller.signal.aborted
        ? `no answer within ${this.#timeoutMs} ms`
        : 'no answer came: check the URL and the network (a browser needs the server to allow it by CORS)'
      throw new WindlassError('unavailable', `${this.url}: ${method.toLowerCase()} of ${key}: ${what}`, {
        bucket: this.url,
        key,
        operation: method.toLowerCase(),
        cause: error,
      })
    } finally {
      limit.stop()
      signal?.removeEventListener('abort', abort)
    }
  }

  #failed(key: string, operation: string, status: number): WindlassError {
    const isDenied = status === 401 || status === 403
    const kind = isDenied ? 'denied' : status >= 500 || status === 429 || status === 408 ? 'unavailable' : 'invalid'
    const remedy = isDenied ? ': make the objects public, or open the bucket as s3://' : ''
    return new WindlassError(kind, `${this.url}: ${operation} of ${key}: the server answered ${status}${remedy}`, {
      bucket: this.url,
      key,
      operation,
      status,
    })
  }

  #readOnly(operation: string, key: string): WindlassError {
    return new WindlassError(
      'unsupported',
      `${this.url}: ${operation} of ${key}: a bucket over HTTP is read-only: open it as s3:// to write or list`,
      { bucket: this.url, key, operation },
    )
  }
}

function parseUrl(url: string): URL {
  try {
    return new URL(url)
  } catch {
    throw new WindlassError('invalid', `bucket ${JSON.stringify(url)} is not a URL: use https://host/path`, {
      path: 'bucket',
    })
  }
}

/** What was asked for, and the whole size. A server without ranges sends everything: the part is cut from it. */
function partOf(
  bytes: Uint8Array,
  range: ByteRange | undefined,
  status: number,
  fields: Headers,
): { bytes: Uint8Array; size: number } {
  if (status === 200)
    return { bytes: range ? bytes.slice(...cutRange(range, bytes.length)) : bytes, size: bytes.length }
  const total = /\/(\d+)$/.exec(fields.get('content-range') ?? '')?.[1]
  return { bytes, size: total === undefined ? bytes.length : Number(total) }
}

function etagOf(fields: Headers): string {
  return fields.get('etag') ?? fields.get('last-modified') ?? ''
}

function timeOf(field: string | null): number | undefined {
  const time = Date.parse(field ?? '')
  return Number.isNaN(time) ? undefined : time
}
