import { WindlassError, type ErrorKind } from '../base/errors.ts'

/** What the AWS SDK throws, as far as we read it. */
interface SdkError {
  readonly name?: string
  readonly message?: string
  readonly code?: string
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
  /** Where the bucket lies, of AuthorizationHeaderMalformed. */
  readonly Region?: string
}

interface Failure {
  readonly url: string
  readonly key: string
  readonly operation: string
  /** The IAM action that the operation needs. */
  readonly action: string
  readonly isConditional?: boolean
  /** Who asked, where that is known. */
  readonly principal?: string
  readonly how: 'failed' | 'timed out' | 'aborted'
}

/** What is left of an SDK error: its name, code and message, and nothing that was sent. */
export interface S3Cause extends Error {
  readonly code?: string
  readonly requestId?: string
  /** The store's clock, milliseconds since 1970. */
  readonly date?: number
}

const otherRegion = 'the bucket lies in another region or at another endpoint: set AWS_REGION or AWS_ENDPOINT_URL to it'
const slowDown: [ErrorKind, string] = ['unavailable', 'the store asks to slow down']

// By the code that S3 answers; what to do comes with it.
const byName: Record<string, [ErrorKind, string]> = {
  NoSuchBucket: ['not-found', 'the bucket does not exist: create it, or correct its name (S3_BUCKET_NAME) and region (AWS_REGION)'],
  InvalidBucketName: ['invalid', 'this is no name that a bucket can have: correct it (S3_BUCKET_NAME)'],
  InvalidAccessKeyId: ['unauthenticated', 'the access key id is not known: check AWS_ACCESS_KEY_ID and the endpoint (AWS_ENDPOINT_URL)'],
  SignatureDoesNotMatch: ['unauthenticated', 'the signature does not match: check AWS_SECRET_ACCESS_KEY and the region (AWS_REGION)'],
  ExpiredToken: ['unauthenticated', 'the session token has expired: get new credentials (AWS_SESSION_TOKEN)'],
  InvalidToken: ['unauthenticated', 'the session token is not valid: check AWS_SESSION_TOKEN'],
  CredentialsProviderError: ['unauthenticated', 'no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a role is attached'],
  RequestTimeTooSkewed: ['unauthenticated', "this machine's clock is wrong: set it, then retry"],
  AuthorizationHeaderMalformed: ['invalid', otherRegion],
  PermanentRedirect: ['invalid', otherRegion],
  IllegalLocationConstraintException: ['invalid', otherRegion],
  ObjectParentIsFile: ['invalid', 'a part of the path is an object: no key may be a folder of another'],
  ExistingObjectIsDirectory: ['invalid', 'other keys lie below this one, or a part of it is too long for this store (versitygw replaces parts of up to about 220 bytes)'],
  EntityTooLarge: ['too-large', 'the store does not take an object of this size'],
  QuotaExceeded: ['storage-full', "the bucket's quota is used up: raise it, or free space"],
  XMinioStorageFull: ['storage-full', 'the store is full: free space'],
  NotImplemented: ['unsupported', 'the store does not know this operation'],
  SlowDown: slowDown,
  RequestLimitExceeded: slowDown,
  ThrottlingException: slowDown,
}

const byStatus: Record<number, [ErrorKind, string]> = {
  301: ['invalid', otherRegion],
  307: ['unavailable', 'the bucket is still being set up'],
  401: ['unauthenticated', 'the store wants credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'],
  404: ['not-found', 'not found'],
  408: ['unavailable', 'the store waited too long for the request'],
  412: ['conflict', 'its condition does not hold'],
  413: ['too-large', 'the store does not take an object of this size'],
  429: slowDown,
  501: ['unsupported', 'the store does not know this operation'],
  507: ['storage-full', 'the store is full: free space'],
}

const byCode: Record<string, string> = {
  ENOTFOUND: 'the endpoint has no address: check AWS_ENDPOINT_URL and AWS_REGION',
  EAI_AGAIN: 'the endpoint has no address now: check AWS_ENDPOINT_URL and the network',
  ECONNREFUSED: 'nobody listens at the endpoint: check AWS_ENDPOINT_URL',
}

/** Turns what the SDK throws into our error: by code, else by status, else "no answer came". Never holds a secret. */
export function fromS3Error(error: unknown, failure: Failure): WindlassError {
  if (error instanceof WindlassError) return error
  const { $metadata, $response } = error as SdkError
  const status = $metadata?.httpStatusCode
  const [kind, what] = classify(error as SdkError, failure)
  const retryAfter = Number($response?.headers?.['retry-after'])
  return new WindlassError(kind, `${failure.url}: ${failure.operation} of ${failure.key}: ${what}`, {
    bucket: failure.url,
    operation: failure.operation,
    key: failure.key,
    ...(status !== undefined && { status }),
    ...(retryAfter > 0 && { retryAfterMs: retryAfter * 1000 }),
    cause: causeOf(error as SdkError),
  })
}

// User: arn:aws:sts::1:assumed-role/reader/windlass is not authorized to perform: s3:GetObject on resource: "arn:…" because …
const refusalPattern = /User: (\S+) is not authorized to perform: (\S+)(?: on resource: "?([^\s"]+)"?)?/

function classify(error: SdkError, failure: Failure): [ErrorKind, string] {
  const { operation, isConditional, how } = failure
  const { name = '', message = '', code = '' } = error
  const status = error.$metadata?.httpStatusCode
  // What was sent may have arrived, unless an answer says otherwise.
  const unanswered: ErrorKind = operation === 'put' ? 'outcome-unknown' : 'unavailable'
  if (how === 'aborted') return ['cancelled', 'cancelled by the caller']
  if (how === 'timed out') return [unanswered, 'no answer in time']
  if (name.startsWith('KMS')) return ['denied', `the bucket's KMS key refused (${name} ${message}): enable it, and grant kms:Decrypt and kms:GenerateDataKey`]
  const region = error.Region ?? error.$response?.headers?.['x-amz-bucket-region']
  if (region && (status === 301 || byName[name]?.[1] === otherRegion)) return ['invalid', `the bucket lies in region ${region}: set the region (AWS_REGION) to it`]
  const known = byName[name] ?? byName[code] ?? (status === undefined ? undefined : byStatus[status])
  if (known) return known
  if (status === 403) return ['denied', refusal(message, failure)]
  if (status === 409) return isConditional ? ['conflict', 'another write to this key was under way'] : ['unavailable', `another operation was under way (${name})`]
  if (status !== undefined && status >= 500) return [status === 503 ? 'unavailable' : unanswered, `the store failed: ${status} ${name}`]
  if (status !== undefined && status >= 300) return ['invalid', `the store refused: ${status} ${name} ${message}`.trimEnd()]
  if (/region is missing/i.test(message)) return ['invalid', 'no region is set: set AWS_REGION, or AWS_ENDPOINT_URL for a store that is not AWS']
  if (byCode[code]) return ['unavailable', byCode[code]]
  return [unanswered, `no answer came: ${message || name || code}`]
}

/** Who lacks what: in the service's words where it has any, since only it knows of keys of KMS and of policies that deny. */
function refusal(message: string, { url, key, operation, action, principal }: Failure): string {
  const [, user = principal, needed = action, resource] = refusalPattern.exec(message) ?? []
  if (needed.startsWith('kms:')) return `access denied by KMS: ${user} may not ${needed}${resource === undefined ? '' : ` with ${resource}`}: allow it in the policy of the key, and in that of the principal`
  const toKnow = operation === 'get' || operation === 'head' ? ', and s3:ListBucket to be told that a key is missing' : ''
  if (user === undefined) return `access denied: these credentials need ${needed} here${toKnow}`
  const bucket = url.slice('s3://'.length)
  const place = resource ?? `arn:aws:s3:::${bucket}${needed === 's3:ListBucket' || needed === 's3:CreateBucket' ? '' : `/${key}`}`
  return `access denied: ${user} needs ${needed} on ${place}${toKnow}`
}

function causeOf({ name, message, code, $metadata, $response }: SdkError): S3Cause {
  const date = Date.parse($response?.headers?.date ?? '')
  return Object.assign(new Error(message), {
    name: name ?? 'Error',
    ...(code !== undefined && { code }),
    ...($metadata?.requestId !== undefined && { requestId: $metadata.requestId }),
    ...(!Number.isNaN(date) && { date }),
  })
}
