import { createHash } from 'node:crypto'
import * as http from 'node:http'
import * as https from 'node:https'
import { toIsoTime, type Clock } from '../base/clock.ts'
import { isWindlassError, throwIfAborted, WindlassError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { fromS3Error } from '../store/s3-errors.ts'
import { escapeUri, Signer, type Credentials } from './sign.ts'

export interface WireSettings {
  readonly bucket: string
  /** Without a path: `https://s3.eu-west-1.amazonaws.com`. */
  readonly endpoint: string
  /** Bucket in the path instead of the host. */
  readonly pathStyle: boolean
  readonly region: string
  /** Asked before each request, since what it gives may expire. */
  readonly credentials: () => Promise<Credentials>
  /** Sent with each request, and signed. */
  readonly headers: Readonly<Record<string, string>>
  readonly requestsAtOnce: number
  readonly clock: Clock
  readonly random: Random
}

export interface WireRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** Absent: the bucket itself. */
  readonly key?: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Where to put the answer's body, if it is large enough. */
  readonly into?: Buffer
  /** For error messages: what it does, and the IAM action that it needs. */
  readonly operation: string
  readonly action: string
  readonly signal?: AbortSignal | undefined
}

export interface WireAnswer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

const attemptsMax = 6
const baseMs = 50
const waitMaxMs = 5000
const idleMs = 30_000

/**
 * Requests to one S3 bucket with little between them and the socket: a transfer of many small files is bound by what each costs this
 * process, and a request of the SDK costs five times one of these. Everything that is sent may be repeated, and is.
 */
export class S3Wire {
  readonly url: string
  readonly #settings: WireSettings
  readonly #base: URL
  readonly #signer: Signer
  readonly #agent: http.Agent
  #requests = 0

  constructor(settings: WireSettings) {
    this.url = `s3://${settings.bucket}`
    this.#settings = settings
    const base = new URL(settings.endpoint)
    if (!settings.pathStyle) base.hostname = `${settings.bucket}.${base.hostname}`
    this.#base = base
    this.#signer = new Signer(settings.region)
    const options = { keepAlive: true, maxSockets: settings.requestsAtOnce, scheduling: 'lifo' as const }
    this.#agent = base.protocol === 'https:' ? new https.Agent(options) : new http.Agent(options)
  }

  get requests(): number {
    return this.#requests
  }

  /**
   * Sends a request until it is answered, a few times.
   * @throws {WindlassError} for a status of 300 or more, by what the caller can do; `details.status` has it.
   */
  async send(request: WireRequest): Promise<WireAnswer> {
    const { clock, random } = this.#settings
    for (let failures = 0; ; ) {
      try {
        return await this.#sendOnce(request)
      } catch (error) {
        throwIfAborted(request.signal)
        if (!isWindlassError(error, 'unavailable', 'outcome-unknown')) throw error
        if (++failures >= attemptsMax) throw new WindlassError('unavailable', `${error.message} (tried ${failures} times)`, { ...error.details, cause: error })
        // Full jitter (Brooker 2015).
        await clock.sleep(Math.max(random.next() * Math.min(waitMaxMs, baseMs * 2 ** failures), error.details.retryAfterMs ?? 0), request.signal)
      }
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  async #sendOnce(request: WireRequest): Promise<WireAnswer> {
    const answer = await this.#exchange(request).catch((error: unknown) => {
      throw fromS3Error(error, this.#failure(request, request.signal?.aborted ? 'aborted' : 'failed'))
    })
    // A multipart upload can fail after its 200 was sent; then an error is in the body.
    if (answer.status < 300 && !(request.operation === 'complete' && answer.body.includes('<Error>'))) return answer
    throw fromS3Error(errorOf(answer), this.#failure(request, 'failed'))
  }

  #failure({ key = 'the bucket', operation, action }: WireRequest, how: 'failed' | 'aborted') {
    return { url: this.url, key, operation, action, how }
  }

  async #exchange({ method, key, query = {}, headers = {}, body, into, signal }: WireRequest): Promise<WireAnswer> {
    const { bucket, pathStyle, clock, credentials } = this.#settings
    const path = `${pathStyle ? `/${bucket}` : ''}/${key === undefined ? '' : escapeUri(key, true)}`
    const pairs = Object.entries(query).map(([name, value]) => `${escapeUri(name, false)}=${escapeUri(value, false)}`)
    const signed = this.#signer.sign(
      {
        method,
        host: this.#base.host,
        path,
        query: pairs.sort().join('&'),
        // TLS keeps a body whole; without it the signature must.
        bodyHash: body && this.#base.protocol === 'https:' ? 'UNSIGNED-PAYLOAD' : createHash('sha256').update(body ?? '').digest('hex'),
        time: toIsoTime(clock.now()).replace(/[-:]|\.\d+/g, ''),
        headers: { ...this.#settings.headers, ...headers },
      },
      await credentials(),
    )
    if (body) signed['content-length'] = String(body.length)
    this.#requests++
    const target = pairs.length === 0 ? path : `${path}?${pairs.join('&')}`
    return exchange(this.#base, { method, path: target, headers: signed, agent: this.#agent, signal }, body, into)
  }
}

/** One request and its whole answer. */
function exchange(base: URL, { signal, ...options }: http.RequestOptions & { signal: AbortSignal | undefined }, body: Uint8Array | undefined, into: Buffer | undefined): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    const send = base.protocol === 'https:' ? https.request : http.request
    const request = send({ ...options, timeout: idleMs, protocol: base.protocol, hostname: base.hostname.replace(/^\[|\]$/g, ''), port: base.port, ...(signal && { signal }) }, (response) => {
      const expected = Number(response.headers['content-length'] ?? Number.NaN)
      // One buffer for an answer of known size: a part of megabytes comes in a hundred pieces.
      let whole = !(expected > 0) ? null : into && expected <= into.length ? into.subarray(0, expected) : Buffer.allocUnsafe(expected)
      const pieces: Buffer[] = []
      let size = 0
      response.on('data', (piece: Buffer) => {
        if (whole && size + piece.length <= whole.length) piece.copy(whole, size)
        else pieces.push(piece)
        size += piece.length
      })
      // Also what Node makes of a body that is shorter than its length.
      response.on('error', reject)
      response.on('end', () => {
        whole ??= Buffer.concat(pieces)
        resolve({ status: response.statusCode!, headers: response.headers, body: whole })
      })
    })
    request.on('timeout', () => request.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })))
    request.on('error', reject)
    request.end(body)
  })
}

/** What the SDK would throw for an answer, which is what our table of errors reads. */
function errorOf({ status, headers, body }: WireAnswer): object {
  const text = body.toString('utf8', 0, 4096)
  const read = (tag: string) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(text)?.[1]
  return { name: read('Code') ?? '', message: read('Message') ?? '', $metadata: { httpStatusCode: status < 300 ? 500 : status }, $response: { headers } }
}
