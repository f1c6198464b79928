import { createHash, createHmac } from 'node:crypto'
import { toIsoTime, type Clock } from '../base/clock.ts'
import { isWindlassError, messageOf, throwIfAborted, WindlassError, type ErrorKind } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import type { AwsCredentials, CredentialSource } from './credentials.ts'

export interface AwsServiceSettings {
  /** As requests are signed for it: `sts`, `sqs`. */
  readonly service: string
  readonly region: string
  readonly endpoint: string
  readonly clock: Clock
  readonly random: Random
}

export interface AwsCall {
  /** For messages, and what the credentials must be allowed: `sts:AssumeRole`. */
  readonly action: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

/** What a service of AWS refused with. `code` is its name for it. */
export class AwsError extends WindlassError {
  readonly code: string
  /** The service's own words. */
  readonly reason: string

  constructor(kind: ErrorKind, message: string, { code, reason, ...options }: { code: string; reason: string; status?: number; cause?: unknown }) {
    super(kind, message, options)
    this.code = code
    this.reason = reason
  }
}

const attemptsMax = 4
const baseMs = 100
const timeoutMsDefault = 30_000

const kinds: Readonly<Record<string, ErrorKind>> = {
  AccessDenied: 'denied',
  AccessDeniedException: 'denied',
  ExpiredToken: 'unauthenticated',
  ExpiredTokenException: 'unauthenticated',
  InvalidClientTokenId: 'unauthenticated',
  UnrecognizedClientException: 'unauthenticated',
  SignatureDoesNotMatch: 'unauthenticated',
  IncompleteSignature: 'unauthenticated',
  MissingAuthenticationToken: 'unauthenticated',
  Throttling: 'unavailable',
  ThrottlingException: 'unavailable',
  RequestThrottled: 'unavailable',
  QueueDoesNotExist: 'not-found',
  'AWS.SimpleQueueService.NonExistentQueue': 'not-found',
}

/**
 * Signed POST requests to one service of AWS's, in the Query or the JSON protocol, whose few operations that we need are less code than
 * a client of the SDK, and keep the Lambda bundle small. Signature Version 4: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
 */
export class AwsService {
  readonly #settings: AwsServiceSettings
  readonly #url: URL

  constructor(settings: AwsServiceSettings) {
    this.#settings = settings
    if (!URL.canParse(settings.endpoint)) throw new WindlassError('invalid', `endpoint ${JSON.stringify(settings.endpoint)} of ${settings.service} is not a URL: write https://host or http://host:port`, { path: 'endpoint' })
    this.#url = new URL(settings.endpoint)
    if (this.#url.pathname === '') this.#url.pathname = '/'
  }

  /**
   * Sends a request until it is answered, a few times. @returns the text of the answer.
   * @throws {AwsError} what the service refused with; {WindlassError} `unavailable` where no answer came.
   */
  async call(call: AwsCall, credentials: AwsCredentials): Promise<string> {
    const { clock, random } = this.#settings
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#callOnce(call, credentials)
      } catch (error) {
        throwIfAborted(call.signal)
        if (!isWindlassError(error, 'unavailable') || attempt === attemptsMax) throw error
        // Full jitter (Brooker 2015).
        await clock.sleep(random.next() * baseMs * 2 ** attempt, call.signal)
      }
    }
  }

  /** As `call`, with keys of `source`: should they have expired, once again with others. */
  async callAs(call: AwsCall, source: CredentialSource): Promise<string> {
    const credentials = await source.get()
    try {
      return await this.call(call, credentials)
    } catch (error) {
      if (!(error instanceof AwsError && error.code.startsWith('ExpiredToken'))) throw error
      source.refuse(credentials.accessKeyId)
      return this.call(call, await source.get())
    }
  }

  async #callOnce({ action, headers, body, signal, timeoutMs = timeoutMsDefault }: AwsCall, credentials: AwsCredentials): Promise<string> {
    const timeout = AbortSignal.timeout(timeoutMs)
    let response: Response
    let text: string
    try {
      response = await fetch(this.#url, { method: 'POST', headers: this.#sign(headers, body, credentials), body, redirect: 'error', signal: signal ? AbortSignal.any([signal, timeout]) : timeout })
      text = await response.text()
    } catch (error) {
      throwIfAborted(signal)
      throw new WindlassError('unavailable', `${action}: no answer from ${this.#url.origin}: ${messageOf((error as { cause?: unknown }).cause ?? error)}`, { cause: error })
    }
    if (response.ok) return text
    const { code, reason } = readRefusal(text, response.status)
    const kind = kinds[code] ?? (response.status >= 500 || response.status === 429 ? 'unavailable' : response.status === 403 ? 'denied' : 'invalid')
    throw new AwsError(kind, `${action}: ${code}: ${reason}`, { code, reason, status: response.status })
  }

  #sign(headers: Readonly<Record<string, string>>, body: string, { accessKeyId, secretAccessKey, sessionToken }: AwsCredentials): Record<string, string> {
    const { service, region, clock } = this.#settings
    const time = toIsoTime(clock.now()).replace(/[-:]|\.\d+/g, '')
    const signed: Record<string, string> = { ...headers, host: this.#url.host, 'x-amz-date': time, ...(sessionToken !== undefined && { 'x-amz-security-token': sessionToken }) }
    const names = Object.keys(signed).sort()
    const canonical = ['POST', this.#url.pathname, '', ...names.map((name) => `${name}:${signed[name]!.trim()}`), '', names.join(';'), hash(body)].join('\n')
    const scope = [time.slice(0, 8), region, service, 'aws4_request']
    const key = scope.reduce<Buffer>((chained, part) => hmac(chained, part), Buffer.from(`AWS4${secretAccessKey}`))
    const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope.join('/'), hash(canonical)].join('\n')).toString('hex')
    const { host: _, ...sent } = signed
    return { ...sent, authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope.join('/')}, SignedHeaders=${names.join(';')}, Signature=${signature}` }
  }
}

/** Code and message of a refusal, in XML or JSON. */
function readRefusal(text: string, status: number): { code: string; reason: string } {
  const code = textOf(text, 'Code')
  if (code !== undefined) return { code, reason: textOf(text, 'Message') ?? 'no reason given' }
  try {
    const { __type = '', message, Message } = JSON.parse(text) as { __type?: string; message?: string; Message?: string }
    if (__type !== '') return { code: __type.slice(__type.lastIndexOf('#') + 1), reason: message ?? Message ?? 'no reason given' }
  } catch {
    // Neither: whatever stands before the service answered.
  }
  return { code: `status ${status}`, reason: text.slice(0, 200) || 'no reason given' }
}

const entities: Readonly<Record<string, string>> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&apos;': "'", '&amp;': '&' }

/** The text of the first element of a name, in the flat XML of the Query protocol. */
export function textOf(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]
  return text?.replace(/&(?:lt|gt|quot|apos|amp);/g, (entity) => entities[entity]!)
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
