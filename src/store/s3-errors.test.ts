// Answers that no test server gives on demand, word for word as S3 writes them.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, test } from 'vitest'
import { seededRandom } from '../base/random.ts'
import { systemClock } from '../base/clock.ts'
import { RetryingStore } from './retrying-store.ts'
import { S3Store } from './s3-store.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void
let answer: Answer = () => {}
let requests: IncomingMessage[] = []
const server = createServer((request, response) => {
  requests.push(request)
  request.resume().on('end', () => answer(request, response))
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
afterAll(() => {
  server.close()
  server.closeAllConnections()
})

const secretAccessKey = 'a-secret-that-must-not-show'
const open = (options: { requestTimeoutMs?: number; region?: string; endpoint?: string } = {}) => new S3Store({ bucket: 'bucket', endpoint, accessKeyId: 'AKIDEXAMPLE', secretAccessKey, ...options })
const xml = (code: string, message = 'what the store says') => `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`
const bytes = Uint8Array.of(1)

function answers(status: number, code: string, headers: Record<string, string> = {}): void {
  requests = []
  answer = (_, response) => response.writeHead(status, { 'content-type': 'application/xml', ...headers }).end(xml(code))
}

const failureOf = (promise: Promise<unknown>) => promise.then(() => undefined, (error: unknown) => error)

describe('what S3 answers, as what the caller can do', () => {
  test.each([
    [404, 'NoSuchBucket', 'not-found', /create it, or correct its name \(S3_BUCKET_NAME\)/],
    [403, 'InvalidAccessKeyId', 'unauthenticated', /AWS_ACCESS_KEY_ID/],
    [403, 'SignatureDoesNotMatch', 'unauthenticated', /AWS_SECRET_ACCESS_KEY/],
    [400, 'ExpiredToken', 'unauthenticated', /AWS_SESSION_TOKEN/],
    [403, 'RequestTimeTooSkewed', 'unauthenticated', /clock is wrong/],
    [301, 'PermanentRedirect', 'invalid', /AWS_REGION/],
    [400, 'AuthorizationHeaderMalformed', 'invalid', /AWS_REGION/],
    [400, 'KMS.DisabledException', 'denied', /KMS key.*kms:Decrypt/],
    [403, 'AccessDenied', 'denied', /s3:GetObject/],
    [429, 'TooManyRequests', 'unavailable', /slow down/],
    [503, 'SlowDown', 'unavailable', /slow down/],
    [503, 'ServiceUnavailable', 'unavailable', /503/],
    [500, 'InternalError', 'unavailable', /500 InternalError/],
    [507, 'XMinioStorageFull', 'storage-full', /free space/],
    [400, 'SomethingNew', 'invalid', /400 SomethingNew what the store says/],
  ])('%i %s on a read', async (status, code, kind, message) => {
    answers(status, code)
    const failed = await failureOf(open().get('some/key'))
    expect(failed).toMatchObject({ kind, message: expect.stringMatching(message), details: { bucket: 's3://bucket', key: 'some/key', operation: 'get', status } })
    expect(requests).toHaveLength(1)
  })

  test.each([
    [412, 'PreconditionFailed', 'conflict'],
    [409, 'ConditionalRequestConflict', 'conflict'],
    [404, 'NoSuchKey', 'conflict'],
    [503, 'SlowDown', 'unavailable'],
    [500, 'InternalError', 'outcome-unknown'],
    [504, 'GatewayTimeout', 'outcome-unknown'],
    [403, 'AccessDenied', 'denied'],
  ])('%i %s on a conditional put', async (status, code, kind) => {
    answers(status, code)
    expect(await failureOf(open().put('key', bytes, { condition: { ifMatch: '"etag"' } }))).toMatchObject({ kind })
    expect(requests).toHaveLength(1)
  })

  test('409 on an unconditional put is no conflict: there was no condition', async () => {
    answers(409, 'OperationAborted')
    expect(await failureOf(open().put('key', bytes))).toMatchObject({ kind: 'unavailable' })
  })

  test('Retry-After is passed on, and the store’s clock is read from failures too', async () => {
    answers(503, 'SlowDown', { 'retry-after': '7' })
    expect(await failureOf(open().get('key'))).toMatchObject({ details: { retryAfterMs: 7000 } })
    answers(404, 'NoSuchKey', { date: 'Sat, 21 Nov 2026 08:00:00 GMT' })
    expect(await open().get('key')).toEqual({ kind: 'absent', date: Date.UTC(2026, 10, 21, 8) })
  })

  test('no answer: a read may be repeated, the outcome of a put is unknown', async () => {
    answer = () => {}
    expect(await failureOf(open({ requestTimeoutMs: 50 }).get('key'))).toMatchObject({ kind: 'unavailable', message: expect.stringMatching(/no answer in time/) })
    expect(await failureOf(open({ requestTimeoutMs: 50 }).put('key', bytes, { condition: { ifAbsent: true } }))).toMatchObject({ kind: 'outcome-unknown' })
    answer = (_, response) => response.destroy()
    expect(await failureOf(open().get('key'))).toMatchObject({ kind: 'unavailable' })
    expect(await failureOf(open().put('key', bytes))).toMatchObject({ kind: 'outcome-unknown' })
    answer = (_, response) => response.writeHead(200, { 'content-length': '100' }).write('half')
    expect(await failureOf(open({ requestTimeoutMs: 50 }).get('key'))).toMatchObject({ kind: 'unavailable', message: expect.stringMatching(/no answer in time/) })
    expect(await failureOf(open().get('key', { signal: AbortSignal.timeout(50) }))).toMatchObject({ kind: 'cancelled' })
  })

  test('one key of many that was not deleted is a failure, though the answer is 200', async () => {
    answer = (_, response) => response.writeHead(200, { 'content-type': 'application/xml' }).end('<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>')
    expect(await failureOf(open().delete(['a', 'b']))).toMatchObject({ kind: 'denied', message: 's3://bucket: delete of b: 1 of 2 keys are still there: AccessDenied no: these credentials need s3:DeleteObject here' })
  })

  test('deletes go a thousand at a time', async () => {
    requests = []
    answer = (_, response) => response.writeHead(200, { 'content-type': 'application/xml' }).end('<DeleteResult></DeleteResult>')
    await open().delete(Array.from({ length: 2001 }, (_, i) => `key-${i}`))
    expect(requests.map(({ method }) => method)).toEqual(['POST', 'POST', 'DELETE'])
  })

  test('under RetryingStore a failing read is repeated, and a failing conditional put is sent once', async () => {
    const store = new RetryingStore(open(), { clock: systemClock, random: seededRandom(1), settings: { attemptsMax: 3, baseMs: 1, waitMaxMs: 1, deadlineMs: 60_000 } })
    answers(500, 'InternalError')
    await failureOf(store.get('key'))
    expect(requests).toHaveLength(3)
    requests = []
    await failureOf(store.put('key', bytes, { condition: { ifAbsent: true } }))
    expect(requests).toHaveLength(1)
  })
})

describe('what is sent', () => {
  test('a region of `auto` is signed as us-east-1 where the endpoint is not known to want `auto`', async () => {
    answers(404, 'NoSuchKey')
    await open({ region: 'auto' }).get('key')
    await open().get('key')
    await open({ region: 'eu-west-3' }).get('key')
    expect(requests.map(({ headers }) => headers.authorization?.split('/')[2])).toEqual(['us-east-1', 'us-east-1', 'eu-west-3'])
    const urlOf = async (endpointOfStore: string) => new URL(await open({ region: 'auto', endpoint: endpointOfStore }).presign('key', { method: 'GET', expiresInSeconds: 60 })).searchParams.get('X-Amz-Credential')
    expect(await urlOf('https://account.r2.cloudflarestorage.com')).toMatch(/\/auto\/s3\//)
    expect(await urlOf('https://fly.storage.tigris.dev')).toMatch(/\/auto\/s3\//)
  })

  test('no checksum headers that stores may not know, and no copies in caches', async () => {
    answer = (_, response) => response.writeHead(200, { etag: '"e"' }).end()
    requests = []
    await open().put('key', bytes)
    const names = Object.keys(requests[0]!.headers)
    expect(names.filter((name) => /checksum|trailer/.test(name))).toEqual([])
    expect(requests[0]!.headers['cache-control']).toBe('no-store')
  })

  test('no secret in any error, its details or its causes', async () => {
    for (const [status, code] of [[403, 'SignatureDoesNotMatch'], [500, 'InternalError'], [400, 'Other']] as const) {
      answers(status, code)
      const failed = (await failureOf(open().get('key'))) as Error
      let shown = ''
      for (let error: unknown = failed; error instanceof Error; error = error.cause) {
        for (const name of Object.getOwnPropertyNames(error)) shown += JSON.stringify((error as unknown as Record<string, unknown>)[name])
      }
      expect(shown).not.toMatch(/a-secret-that|AKIDEXAMPLE|Signature=/)
    }
  })
})
