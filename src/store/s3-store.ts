import {
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type DeleteObjectsCommandOutput,
  type GetObjectCommandOutput,
  type HeadObjectCommandOutput,
  type ListObjectsV2CommandOutput,
} from '@aws-sdk/client-s3'
import { isWindlassError, throwIfAborted, WindlassError } from '../base/errors.ts'
import { checkObjectKey, checkRange } from './object-key.ts'
import type { GetOptions, GetResult, ListOptions, ListedObject, ObjectStore, PutOptions, PutResult } from './object-store.ts'
import { S3Connection, type S3Request, type S3Settings } from './s3-connection.ts'
import type { S3Cause } from './s3-errors.ts'
import { cutParts, uploadParts } from './s3-multipart.ts'
import type { ObjectHead } from './wrapping-store.ts'

const keysPerDelete = 1000
const binary = 'application/octet-stream'

/**
 * Objects in an S3 bucket, or in any store that speaks S3. One attempt a call: retrying is a wrapper's business, and a conditional
 * put must never be repeated behind its caller's back (docs/protocol.md, B2).
 * Needs s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket, nothing else. Etags are made of the content: the same bytes
 * put again have the same etag.
 */
export class S3Store implements ObjectStore {
  readonly url: string
  readonly #bucket: string
  readonly #connection: S3Connection

  /** @throws {WindlassError} `invalid` for settings that contradict each other; nothing is contacted yet. */
  constructor(settings: S3Settings) {
    this.#connection = new S3Connection(settings)
    this.url = this.#connection.url
    this.#bucket = settings.bucket
  }

  async get(key: string, { range, ifNoneMatch, signal }: GetOptions = {}): Promise<GetResult> {
    checkObjectKey(key)
    checkRange(range)
    // HTTP has no way to ask for no bytes.
    if (range && ('suffix' in range ? range.suffix === 0 : range.end === range.start)) return this.#emptyPart(key, signal)
    const command = new GetObjectCommand({
      Bucket: this.#bucket,
      Key: key,
      Range: range && ('suffix' in range ? `bytes=-${range.suffix}` : `bytes=${range.start}-${range.end - 1}`),
      IfNoneMatch: ifNoneMatch,
    })
    try {
      const { output, body, date } = await this.#connection.send<GetObjectCommandOutput>(command, { operation: 'get', key, action: 's3:GetObject', signal })
      const total = /\/(\d+)$/.exec(output.ContentRange ?? '')?.[1]
      const size = total === undefined ? body.length : Number(total)
      return { kind: 'found', bytes: body, etag: output.ETag ?? '', size, lastModified: output.LastModified?.getTime(), date }
    } catch (error) {
      const date = causeOf(error)?.date
      if (statusOf(error) === 304) return { kind: 'unchanged', date }
      if (isAbsent(error)) return { kind: 'absent', date }
      // A range that begins past the end: the object is there, and has nothing in it.
      if (statusOf(error) === 416) return this.#emptyPart(key, signal)
      throw error
    }
  }

  async head(key: string, { signal }: { signal?: AbortSignal } = {}): Promise<ObjectHead | null> {
    checkObjectKey(key)
    try {
      const command = new HeadObjectCommand({ Bucket: this.#bucket, Key: key })
      const { output, date } = await this.#connection.send<HeadObjectCommandOutput>(command, { operation: 'head', key, action: 's3:GetObject', signal })
      return { etag: output.ETag ?? '', size: output.ContentLength ?? 0, lastModified: output.LastModified?.getTime(), date }
    } catch (error) {
      // The answer to a HEAD has no body, so a missing bucket and a missing key look alike.
      if (isAbsent(error)) return null
      throw error
    }
  }

  async put(key: string, bytes: Uint8Array, { condition, contentType = binary, signal }: PutOptions = {}): Promise<PutResult> {
    checkObjectKey(key)
    const command = new PutObjectCommand({
      Bucket: this.#bucket,
      Key: key,
      Body: bytes,
      ContentType: contentType,
      // Browsers and CDNs must not answer for what is replaced.
      CacheControl: 'no-store',
      ...(condition && ('ifAbsent' in condition ? { IfNoneMatch: '*' } : { IfMatch: condition.ifMatch })),
    })
    try {
      const request: S3Request = { operation: 'put', key, action: 's3:PutObject', isConditional: condition !== undefined, bodyBytes: bytes.length, signal }
      const { output, date } = await this.#connection.send<{ ETag?: string }>(command, request)
      return { etag: output.ETag ?? '', date }
    } catch (error) {
      // If-Match on a key that is gone answers 404: the condition does not hold.
      if (condition && 'ifMatch' in condition && isAbsent(error)) {
        throw new WindlassError('conflict', `${this.url}: put of ${key}: it is gone, so its condition does not hold`, { bucket: this.url, key, operation: 'put', status: 404, cause: error })
      }
      throw error
    }
  }

  async *list(prefix: string, { startAfter, signal }: ListOptions = {}): AsyncIterable<ListedObject> {
    for (let token: string | undefined; ; ) {
      const command = new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: prefix, ...(token === undefined ? { StartAfter: startAfter || undefined } : { ContinuationToken: token }) })
      const { output } = await this.#connection.send<ListObjectsV2CommandOutput>(command, { operation: 'list', key: prefix, action: 's3:ListBucket', signal })
      for (const { Key, Size, ETag, LastModified } of output.Contents ?? []) {
        if (Key !== undefined) yield { key: Key, size: Size ?? 0, ...(ETag !== undefined && { etag: ETag }), lastModified: LastModified?.getTime() }
      }
      token = output.NextContinuationToken
      if (!token) return
    }
  }

  async delete(keys: readonly string[], { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    throwIfAborted(signal)
    for (let i = 0; i < keys.length; i += keysPerDelete) await this.#deleteSome(keys.slice(i, i + keysPerDelete), signal)
  }

  async #deleteSome(keys: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const request: S3Request = { operation: 'delete', key: keys[0]!, action: 's3:DeleteObject', signal }
    if (keys.length === 1) {
      const command = new DeleteObjectCommand({ Bucket: this.#bucket, Key: keys[0] })
      await this.#connection.send(command, request).catch((error: unknown) => {
        if (!isAbsent(error)) throw error
      })
      return
    }
    const command = new DeleteObjectsCommand({ Bucket: this.#bucket, Delete: { Objects: keys.map((Key) => ({ Key })), Quiet: true } })
    const { output } = await this.#connection.send<DeleteObjectsCommandOutput>(command, request)
    // The whole answers 200 although single keys failed.
    const failures = (output.Errors ?? []).filter(({ Code }) => Code !== 'NoSuchKey')
    const [first] = failures
    if (!first) return
    const kind = first.Code === 'AccessDenied' ? 'denied' : 'unavailable'
    const what = `${failures.length} of ${keys.length} keys are still there: ${first.Code} ${first.Message ?? ''}`.trimEnd()
    const remedy = kind === 'denied' ? ': these credentials need s3:DeleteObject here' : ''
    throw new WindlassError(kind, `${this.url}: delete of ${first.Key}: ${what}${remedy}`, { bucket: this.url, key: first.Key ?? '', operation: 'delete' })
  }

  async upload(key: string, chunks: AsyncIterable<Uint8Array>, { contentType = binary, signal }: { contentType?: string; signal?: AbortSignal } = {}): Promise<PutResult> {
    checkObjectKey(key)
    throwIfAborted(signal)
    const parts = cutParts(chunks)
    const first = await parts.next()
    const second = first.done ? first : await parts.next()
    // One part needs no multipart upload.
    if (second.done) return this.put(key, first.value ?? new Uint8Array(0), { contentType, ...(signal && { signal }) })
    const all = async function* () {
      yield first.value!
      yield second.value
      yield* parts
    }
    return uploadParts(this.#connection, all(), { key, contentType, signal })
  }

  async presign(key: string, { method, expiresInSeconds, contentType }: { method: 'GET' | 'PUT'; expiresInSeconds: number; contentType?: string }): Promise<string> {
    checkObjectKey(key)
    const { getSignedUrl } = await import('@aws-sdk/s3-request-presigner')
    const target = { Bucket: this.#bucket, Key: key }
    const command = method === 'GET' ? new GetObjectCommand(target) : new PutObjectCommand({ ...target, ...(contentType && { ContentType: contentType }) })
    return getSignedUrl(this.#connection.client, command, { expiresIn: expiresInSeconds })
  }

  /**
   * Makes the bucket, if it is not there.
   * @throws {WindlassError} `denied` where these credentials may not; a bucket that somebody made already will do then.
   */
  async createBucket(): Promise<void> {
    const { region } = this.#connection
    const location = region && region !== 'us-east-1' && region !== 'auto' ? { CreateBucketConfiguration: { LocationConstraint: region as never } } : {}
    const request: S3Request = { operation: 'create', key: 'the bucket', action: 's3:CreateBucket' }
    try {
      await this.#connection.send(new CreateBucketCommand({ Bucket: this.#bucket, ...location }), request)
    } catch (error) {
      if (causeOf(error)?.name !== 'BucketAlreadyOwnedByYou') throw error
    }
  }

  place(): string {
    return this.#connection.place()
  }

  async close(): Promise<void> {
    this.#connection.close()
  }

  /** No bytes of an object that may be there. */
  async #emptyPart(key: string, signal: AbortSignal | undefined): Promise<GetResult> {
    const head = await this.head(key, signal ? { signal } : {})
    return head ? { kind: 'found', bytes: new Uint8Array(0), ...head } : { kind: 'absent', date: undefined }
  }
}

function statusOf(error: unknown): number | undefined {
  return isWindlassError(error) ? error.details.status : undefined
}

function causeOf(error: unknown): Partial<S3Cause> | undefined {
  return isWindlassError(error) ? (error.cause as Partial<S3Cause> | undefined) : undefined
}

function isAbsent(error: unknown): boolean {
  return statusOf(error) === 404 && causeOf(error)?.name !== 'NoSuchBucket'
}
