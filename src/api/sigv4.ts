import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { AccessKey } from './access.ts'

/** Why a signature does not count; the codes are those AWS answers with. */
export class SignatureError extends Error {
  override readonly name = 'SignatureError'
  readonly code: 'MissingAuthenticationTokenException' | 'UnrecognizedClientException' | 'InvalidSignatureException'

  constructor(code: SignatureError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** A signed request, as it arrived. */
export interface SignedRequest {
  readonly method: string
  /** Path as sent, percent-encoding untouched. */
  readonly rawPath: string
  readonly query: URLSearchParams
  readonly headers: Headers
  readonly body: Uint8Array
}

interface Signature {
  readonly keyId: string
  readonly date: string
  readonly region: string
  readonly service: string
  readonly signedHeaders: readonly string[]
  readonly signature: string
  /** `YYYYMMDDTHHMMSSZ` */
  readonly time: string
  readonly expiresSeconds: number | null
}

/** Clocks may differ this much; it is also how long a captured request could be sent again. */
const skewMsMax = 15 * 60_000
const expiresSecondsMax = 7 * 24 * 3600

/**
 * Whose signature a request carries: AWS Signature Version 4, in the Authorization header or the query. The canonical path is the path
 * encoded again, as all services but S3 have it; without `x-amz-content-sha256` the body's own hash counts, which boto3 relies on.
 * @throws {SignatureError}
 */
export function verifySignature(request: SignedRequest, keys: readonly AccessKey[], { service, clock }: { service: string; clock: Clock }): AccessKey {
  const signature = request.query.has('X-Amz-Signature') ? fromQuery(request.query) : fromHeader(request.headers)
  const key = keys.find(({ id }) => id === signature.keyId)
  if (!key) throw new SignatureError('UnrecognizedClientException', 'The security token included in the request is invalid.')
  if (signature.service !== service) throw invalid(`Credential should be scoped to correct service: '${service}'.`)
  if (!signature.time.startsWith(signature.date)) throw invalid('Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP')
  checkTime(signature, clock.now())
  if (!signature.signedHeaders.includes('host')) throw invalid("'Host' must be a 'SignedHeader' in the AWS Authorization.")
  const expected = sign(request, signature, key.secret)
  const given = Buffer.from(signature.signature, 'hex')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw invalid('The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.')
  }
  return key
}

function fromHeader(headers: Headers): Signature {
  const header = headers.get('authorization')
  if (!header) throw new SignatureError('MissingAuthenticationTokenException', 'Missing Authentication Token')
  if (!header.startsWith('AWS4-HMAC-SHA256')) throw invalid('Authorization header requires the algorithm AWS4-HMAC-SHA256')
  const part = (name: string) => new RegExp(`${name}=([^,\\s]+)`).exec(header)?.[1]
  return toSignature(part('Credential'), part('SignedHeaders'), part('Signature'), headers.get('x-amz-date'), null)
}

function fromQuery(query: URLSearchParams): Signature {
  const get = (name: string) => query.get(name) ?? undefined
  const expires = Number(get('X-Amz-Expires') ?? 'NaN')
  if (!Number.isInteger(expires) || expires < 1 || expires > expiresSecondsMax) throw invalid(`X-Amz-Expires must be between 1 and ${expiresSecondsMax} seconds`)
  return toSignature(get('X-Amz-Credential'), get('X-Amz-SignedHeaders'), get('X-Amz-Signature'), query.get('X-Amz-Date'), expires)
}

function toSignature(credential: string | undefined, signedHeaders: string | undefined, signature: string | undefined, time: string | null, expiresSeconds: number | null): Signature {
  const scope = /^([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request$/.exec(credential ?? '')
  if (!scope || !signedHeaders || !signature || !/^[0-9a-f]{64}$/.test(signature)) throw invalid('Authorization header requires Credential, SignedHeaders and Signature parameters.')
  if (!time || !/^\d{8}T\d{6}Z$/.test(time)) throw invalid('Authorization header requires existence of X-Amz-Date as YYYYMMDDTHHMMSSZ.')
  return { keyId: scope[1]!, date: scope[2]!, region: scope[3]!, service: scope[4]!, signedHeaders: signedHeaders.toLowerCase().split(';'), signature, time, expiresSeconds }
}

function checkTime({ time, expiresSeconds }: Signature, now: number): void {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(time)!
  const signedAt = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second))
  const latest = signedAt + (expiresSeconds === null ? skewMsMax : expiresSeconds * 1000)
  if (now > latest) throw invalid(`Signature expired: ${time} is now earlier than ${Math.round((now - skewMsMax) / 1000)} (seconds since 1970)`)
  if (signedAt > now + skewMsMax) throw invalid(`Signature not yet current: ${time} is still later than ${Math.round((now + skewMsMax) / 1000)} (seconds since 1970)`)
}

function sign(request: SignedRequest, signature: Signature, secret: string): Buffer {
  const { date, region, service, time } = signature
  const scope = `${date}/${region}/${service}/aws4_request`
  const text = ['AWS4-HMAC-SHA256', time, scope, hash(canonicalRequest(request, signature))].join('\n')
  const key = [date, region, service, 'aws4_request'].reduce<Buffer>((chained, part) => hmac(chained, part), Buffer.from(`AWS4${secret}`))
  return hmac(key, text)
}

function canonicalRequest({ method, rawPath, query, headers, body }: SignedRequest, { signedHeaders }: Signature): string {
  const declared = headers.get('x-amz-content-sha256')
  const actual = hash(body)
  if (declared !== null && declared !== actual) throw invalid('The value of x-amz-content-sha256 does not match the body')
  return [
    method,
    rawPath.split('/').map(encode).join('/'),
    [...query].filter(([name]) => name !== 'X-Amz-Signature').map(([name, value]) => [encode(name), encode(value)] as const).sort(byNameThenValue).map((pair) => pair.join('=')).join('&'),
    ...signedHeaders.map((name) => `${name}:${(headers.get(name) ?? '').trim().replace(/ +/g, ' ')}`),
    '',
    signedHeaders.join(';'),
    actual,
  ].join('\n')
}

function byNameThenValue(a: readonly [string, string], b: readonly [string, string]): number {
  const [x, y] = a[0] === b[0] ? [a[1], b[1]] : [a[0], b[0]]
  return x < y ? -1 : x > y ? 1 : 0
}

/** RFC 3986: everything but unreserved characters. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

function hash(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function invalid(message: string): SignatureError {
  return new SignatureError('InvalidSignatureException', message)
}
