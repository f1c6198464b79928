import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { startTimer } from '../base/clock.ts'
import { isWindlassError, throwIfAborted, WindlassError } from '../base/errors.ts'
import { fromS3Error } from './s3-errors.ts'

/** Where an S3 bucket is and how to get in. What is absent comes from the AWS default chain. */
export interface S3Settings {
  readonly bucket: string
  readonly endpoint?: string
  readonly region?: string
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  readonly sessionToken?: string
  /** Asked before each request, instead of keys that are given or found: keys that expire, roles. */
  readonly credentials?: CredentialSource
  /** Bucket in the path instead of the host; default: whenever an endpoint is given. */
  readonly forcePathStyle?: boolean
  /** How long a request may take, and a second more for each MiB that travels. */
  readonly requestTimeoutMs?: number
}

/** Gives keys that are good for a while yet. */
export interface CredentialSource {
  get(): Promise<{ readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }>
  /** The store does not take these keys any more: the next `get` gives others, where there are any. */
  refuse(accessKeyId: string): void
  /** Whose keys they are, for messages; undefined where it cannot be found out. */
  principal(): Promise<string | undefined>
}

/** What a request is for: names it in errors, and the IAM action that it needs. */
export interface S3Request {
  readonly operation: string
  readonly key: string
  readonly action: string
  readonly isConditional?: boolean
  /** Bytes that are sent. */
  readonly bodyBytes?: number
  readonly signal?: AbortSignal | undefined
}

interface Answer {
  readonly $metadata: { headers?: HeaderFields }
  readonly ContentLength?: number | undefined
  readonly Body?: { transformToByteArray(): Promise<Uint8Array>; destroy?(error?: Error): void } | undefined
}

type HeaderFields = Readonly<Record<string, string | undefined>>

const timeoutMs = 30_000
// The SDK's default of 50 sockets is less than one wide query of several collections asks for.
const socketsMax = 128
// Stores of many regions, which sign as `auto`; all others want a name, and those without AWS take us-east-1.
const regionlessHosts = /(^|\.)(r2\.cloudflarestorage\.com|tigris\.dev|t3\.storage\.dev|storage\.googleapis\.com)$/
// What S3 says of keys that were good once.
const expiredNames = new Set(['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired'])
const tigrisHosts = /(^|\.)(tigris\.dev|t3\.storage\.dev)$/

/** Sends commands to one bucket, each once, and turns what goes wrong into our errors. */
export class S3Connection {
  readonly url: string
  readonly bucket: string
  readonly client: S3Client
  readonly region: string | undefined
  readonly #endpoint: string
  readonly #timeoutMs: number
  readonly #credentials: CredentialSource | undefined
  #server: string | undefined

  constructor(settings: S3Settings) {
    const { bucket, endpoint, accessKeyId, secretAccessKey } = settings
    const host = endpoint === undefined ? '' : hostOf(endpoint)
    if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
      const [given, missing] = accessKeyId === undefined ? ['a secret key', 'AWS_ACCESS_KEY_ID'] : ['an access key', 'AWS_SECRET_ACCESS_KEY']
      throw new WindlassError('invalid', `s3://${bucket}: ${given} is set, but ${missing} is not: set both, or neither`, { bucket: `s3://${bucket}`, path: missing })
    }
    this.url = `s3://${bucket}`
    this.bucket = bucket
    this.region = regionOf(settings.region, endpoint, host)
    this.#endpoint = endpoint ?? 'aws'
    this.#timeoutMs = settings.requestTimeoutMs ?? timeoutMs
    this.#credentials = settings.credentials
    this.client = new S3Client(clientConfig(settings, this.region))
    keepHeaders(this.client, (headers) => (this.#server ??= headers.server))
    if (tigrisHosts.test(host)) useTigrisConsistency(this.client)
  }

  /** Endpoint, bucket, and the server's name for itself once it has answered. */
  place(): string {
    return `${this.#endpoint.replace(/\/$/, '')}/${this.bucket} (${this.#server ?? 'unnamed server'})`
  }

  /**
   * Sends a command once, or again with other keys when those at hand have expired; a body is read to its end.
   * @param command A command of the S3 client; its type is generic beyond what is worth repeating here.
   * @throws {WindlassError} by what the caller can do; `details.status` and `cause.name` tell the rest.
   */
  async send<Output>(command: object, request: S3Request): Promise<{ output: Output; body: Uint8Array; date: number | undefined }> {
    const used = await this.#credentials?.get()
    try {
      return await this.#sendOnce(command, request)
    } catch (error) {
      // Refused before anything was done with it, so that even a conditional put may go again.
      if (!used || !(isWindlassError(error) && expiredNames.has((error.cause as Error | undefined)?.name ?? ''))) throw error
      this.#credentials!.refuse(used.accessKeyId)
      return this.#sendOnce(command, request)
    }
  }

  async #sendOnce<Output>(command: object, request: S3Request): Promise<{ output: Output; body: Uint8Array; date: number | undefined }> {
    const { signal } = request
    throwIfAborted(signal)
    const controller = new AbortController()
    let timedOut = false
    const startLimit = (bytes: number) =>
      startTimer(this.#timeoutMs + bytes / 1024, () => {
        timedOut = true
        controller.abort()
      })
    const abort = () => controller.abort()
    signal?.addEventListener('abort', abort, { once: true })
    let limit = startLimit(request.bodyBytes ?? 0)
    try {
      const answer = (await this.client.send(command as never, { abortSignal: controller.signal })) as Answer
      limit.stop()
      limit = startLimit(answer.ContentLength ?? 0)
      const body = answer.Body ? await readBody(answer.Body, controller.signal) : new Uint8Array(0)
      return { output: answer as Output, body, date: dateOf(answer.$metadata.headers) }
    } catch (error) {
      const how = signal?.aborted ? 'aborted' : timedOut ? 'timed out' : 'failed'
      const isRefused = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode === 403
      const principal = isRefused && how === 'failed' ? await this.#credentials?.principal().catch(() => undefined) : undefined
      throw fromS3Error(error, { url: this.url, ...request, how, ...(principal !== undefined && { principal }) })
    } finally {
      limit.stop()
      signal?.removeEventListener('abort', abort)
    }
  }

  close(): void {
    this.client.destroy()
  }
}

function hostOf(endpoint: string): string {
  try {
    return new URL(endpoint).hostname
  } catch {
    throw new WindlassError('invalid', `endpoint ${JSON.stringify(endpoint)} is not a URL: write https://host or http://host:port`, { path: 'endpoint' })
  }
}

function regionOf(region: string | undefined, endpoint: string | undefined, host: string): string | undefined {
  if (region !== undefined && region !== 'auto') return region
  // Without an endpoint it is AWS, and the chain may know the region.
  if (endpoint === undefined) return region === 'auto' ? 'us-east-1' : undefined
  return regionlessHosts.test(host) ? 'auto' : 'us-east-1'
}

function clientConfig(settings: S3Settings, region: string | undefined): S3ClientConfig {
  const { endpoint, accessKeyId, secretAccessKey, sessionToken, credentials, forcePathStyle } = settings
  return {
    ...(region && { region }),
    ...(endpoint && { endpoint }),
    ...(accessKeyId && secretAccessKey && { credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) } }),
    ...(credentials && { credentials: asked(credentials) }),
    forcePathStyle: forcePathStyle ?? endpoint !== undefined,
    // Retrying is a wrapper's business: the SDK would repeat conditional puts, and sign them again (docs/protocol.md, B2 and B4).
    maxAttempts: 1,
    // Newer checksums break stores that do not know them (R2, older MinIO); ours are in the formats.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: 5000,
      httpAgent: { keepAlive: true, maxSockets: socketsMax },
      httpsAgent: { keepAlive: true, maxSockets: socketsMax },
    },
  }
}

/** Asked for every request: the client would keep what it got once. */
function asked(source: CredentialSource): NonNullable<S3ClientConfig['credentials']> {
  return Object.assign(() => source.get(), { memoized: true })
}

/** Puts the headers of each answer into its metadata: the SDK drops `Date` and `Server`. */
function keepHeaders(client: S3Client, see: (headers: HeaderFields) => void): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      try {
        const result = await next(args)
        const { headers } = result.response as { headers: HeaderFields }
        ;(result.output as Answer & { $metadata: { headers?: HeaderFields } }).$metadata.headers = headers
        see(headers)
        return result
      } catch (error) {
        const headers = (error as { $response?: { headers?: HeaderFields } }).$response?.headers
        if (headers) see(headers)
        throw error
      }
    },
    // Outside the SDK's own deserializer, which makes the output or the error.
    { step: 'deserialize', priority: 'high', name: 'keepHeaders' },
  )
}

/** Tigris serves nearby copies unless told otherwise; conditions and reads of the protocol need the one truth. */
function useTigrisConsistency(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      ;(args.request as { headers: Record<string, string> }).headers['X-Tigris-Consistent'] = 'true'
      return next(args)
    },
    { step: 'build', name: 'tigrisConsistency' },
  )
}

/** All bytes of a body, unless `signal` aborts: then the connection is given up at once. */
async function readBody(body: NonNullable<Answer['Body']>, signal: AbortSignal): Promise<Uint8Array> {
  const stop = () => body.destroy?.(new Error('aborted while its body was read'))
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await body.transformToByteArray()
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** The `Date` of an answer: milliseconds since 1970. */
function dateOf(headers: HeaderFields | undefined): number | undefined {
  const time = Date.parse(headers?.date ?? '')
  return Number.isNaN(time) ? undefined : time
}
