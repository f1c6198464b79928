// Signatures and policies, with the official client.
import { createHmac, createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errorOf, sdk, TestS3Vectors } from './testing.ts'
import { startTestServer, type TestServer } from '../http/testing.ts'

const keys = [
  { id: 'READER', secret: 'reader-secret-0123456789', role: 'read' },
  { id: 'WRITER', secret: 'writer-secret-0123456789', role: 'write' },
  { id: 'ADMIN', secret: 'admin-secret-0123456789', role: 'admin' },
  { id: 'TENANT', secret: 'tenant-secret-0123456789', role: 'admin', collections: ['tenant/*'] },
]
let server: TestServer
const doors = new Map<string, TestS3Vectors>()
beforeAll(async () => {
  server = await startTestServer({ keys: JSON.stringify(keys) })
  for (const { id, secret } of keys) doors.set(id, new TestS3Vectors(server, { accessKeyId: id, secretAccessKey: secret }))
  for (const bucket of ['shared', 'tenant']) await as('ADMIN').newIndex(bucket)
})
afterAll(() => server.stop())
const as = (id: string) => doors.get(id)!
const index = { vectorBucketName: 'shared', indexName: 'index' }
const put = () => new sdk.PutVectorsCommand({ ...index, vectors: [{ key: 'a', data: { float32: [1, 2, 3] }, metadata: { secret: 'yes' } }] })
const query = (more: object = {}) => new sdk.QueryVectorsCommand({ ...index, topK: 1, queryVector: { float32: [1, 2, 3] }, ...more })

describe('signatures', () => {
  test('of every operation, tags with their escaped ARNs among them', async () => {
    await as('ADMIN').client.send(put())
    const resourceArn = 'arn:aws:s3vectors:us-east-1:000000000000:bucket/shared/index/index'
    await as('ADMIN').client.send(new sdk.TagResourceCommand({ resourceArn, tags: { 'a b': 'c/d+e' } }))
    await as('ADMIN').client.send(new sdk.UntagResourceCommand({ resourceArn, tagKeys: ['x y', 'z=+/@'] }))
    expect((await as('READER').client.send(new sdk.ListTagsForResourceCommand({ resourceArn }))).tags).toEqual({ 'a b': 'c/d+e' })
  })

  test.each([
    ['an unknown key', { accessKeyId: 'NOBODY', secretAccessKey: 'reader-secret-0123456789' }, 'UnrecognizedClientException'],
    ['a wrong secret', { accessKeyId: 'READER', secretAccessKey: 'writer-secret-0123456789' }, 'InvalidSignatureException'],
  ])('%s', async (_, credentials, name) => {
    expect(await errorOf(new TestS3Vectors(server, credentials).client.send(query()))).toMatchObject({ name, status: 403 })
  })

  test('none at all, and that of another door', async () => {
    for (const headers of [{}, { authorization: 'Bearer reader-secret-0123456789' }]) {
      const response = await fetch(`${server.url}/ListVectorBuckets`, { method: 'POST', body: '{}', headers: headers as Record<string, string> })
      expect(response.status).toBe(403)
    }
  })

  /** Signs by hand, to lie about one thing at a time. */
  async function signed(lie: { sentBody?: string; ageMs?: number; service?: string; extra?: Record<string, string> }): Promise<string> {
    const { sentBody = '{}', ageMs = 0, service = 's3vectors', extra = {} } = lie
    const path = '/ListVectorBuckets'
    const time = new Date(Date.now() - ageMs).toISOString().replace(/[-:]|\.\d+/g, '')
    const { host } = new URL(server.url)
    const hash = (text: string) => createHash('sha256').update(text).digest('hex')
    const canonical = ['POST', path, '', `host:${host}`, `x-amz-date:${time}`, '', 'host;x-amz-date', hash('{}')].join('\n')
    const scope = `${time.slice(0, 8)}/us-east-1/${service}/aws4_request`
    const key = [time.slice(0, 8), 'us-east-1', service, 'aws4_request'].reduce((chained: Buffer, part) => createHmac('sha256', chained).update(part).digest(), Buffer.from(`AWS4${keys[0]!.secret}`))
    const signature = createHmac('sha256', key).update(['AWS4-HMAC-SHA256', time, scope, hash(canonical)].join('\n')).digest('hex')
    const authorization = `AWS4-HMAC-SHA256 Credential=READER/${scope}, SignedHeaders=host;x-amz-date, Signature=${signature}`
    const response = await fetch(server.url + path, { method: 'POST', body: sentBody, headers: { 'x-amz-date': time, authorization, ...extra } })
    await response.text()
    return response.status === 200 ? 'done' : response.headers.get('x-amzn-errortype')!
  }

  test('count for their body, their time, their service and nothing else', async () => {
    expect(await signed({})).toBe('done')
    expect(await signed({ ageMs: 14 * 60_000 })).toBe('done')
    expect(await signed({ ageMs: -14 * 60_000 })).toBe('done')
    const refused = 'InvalidSignatureException'
    expect(await signed({ sentBody: '{"maxResults":1}' })).toBe(refused)
    expect(await signed({ ageMs: 16 * 60_000 })).toBe(refused)
    expect(await signed({ ageMs: -16 * 60_000 })).toBe(refused)
    expect(await signed({ service: 's3' })).toBe(refused)
    expect(await signed({ extra: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } })).toBe(refused)
  })
})

describe('roles', () => {
  test('read, write, admin', async () => {
    expect(await errorOf(as('READER').client.send(put()))).toMatchObject({ name: 'AccessDeniedException', status: 403, message: 'User: arn:aws:iam::000000000000:user/READER is not authorized to perform: s3vectors:PutVectors on resource: arn:aws:s3vectors:us-east-1:000000000000:bucket/shared/index/index' })
    await as('WRITER').client.send(put())
    expect((await as('READER').client.send(query({ returnMetadata: true }))).vectors).toHaveLength(1)
    expect(await errorOf(as('WRITER').client.send(new sdk.DeleteIndexCommand(index)))).toMatchObject({ name: 'AccessDeniedException' })
  })

  test('a key for some collections', async () => {
    expect((await as('TENANT').client.send(new sdk.ListVectorsCommand({ ...index, vectorBucketName: 'tenant' }))).vectors).toEqual([])
    for (const command of [query(), put(), new sdk.GetIndexCommand(index), new sdk.DeleteVectorBucketCommand({ vectorBucketName: 'shared' })]) {
      expect(await errorOf(as('TENANT').client.send(command as sdk.GetIndexCommand))).toMatchObject({ name: 'AccessDeniedException' })
    }
    expect((await as('TENANT').client.send(new sdk.ListIndexesCommand({ vectorBucketName: 'shared' }))).indexes).toEqual([])
  })
})

describe('bucket policies', () => {
  const arn = 'arn:aws:s3vectors:us-east-1:000000000000:bucket/shared'
  const setPolicy = (...statements: object[]) => as('ADMIN').client.send(new sdk.PutVectorBucketPolicyCommand({ vectorBucketName: 'shared', policy: JSON.stringify({ Version: '2012-10-17', Statement: statements }) }))
  const user = (id: string) => ({ AWS: `arn:aws:iam::000000000000:user/${id}` })
  const allowed = (id: string, command: unknown) =>
    as(id)
      .client.send(command as sdk.GetIndexCommand)
      .then(
        () => true,
        (error: Error) => {
          if (error.name === 'AccessDeniedException') return false
          throw error
        },
      )

  test('allow more, deny what the role allows, and deny wins', async () => {
    await setPolicy({ Effect: 'Allow', Principal: user('READER'), Action: ['s3vectors:Put*'], Resource: `${arn}/index/*` })
    expect([await allowed('READER', put()), await allowed('READER', new sdk.DeleteVectorsCommand({ ...index, keys: ['x'] }))]).toEqual([true, false])
    await setPolicy({ Effect: 'Deny', Principal: '*', Action: 's3vectors:GetVectors', Resource: '*' }, { Effect: 'Allow', Principal: '*', Action: 's3vectors:*', Resource: '*' })
    expect(await allowed('READER', new sdk.GetVectorsCommand({ ...index, keys: ['a'] }))).toBe(false)
    // What reveals metadata needs GetVectors too.
    expect([await allowed('READER', query()), await allowed('READER', query({ returnMetadata: true })), await allowed('READER', query({ filter: { secret: 'yes' } }))]).toEqual([true, false, false])
    expect(await allowed('READER', new sdk.ListVectorsCommand({ ...index, returnData: true }))).toBe(false)
  })

  test.each<[string, object, boolean]>([
    ['the address of this machine', { IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '127.0.0.0/8', '::1'] } }, true],
    ['another address', { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, false],
    ['not this address', { NotIpAddress: { 'aws:SourceIp': '127.0.0.1/32' } }, false],
    ['a user by pattern', { StringLike: { 'aws:username': 'READ*' } }, true],
    ['another user', { StringEquals: { 'aws:username': 'WRITER' } }, false],
    ['encryption that is not there', { Bool: { 'aws:SecureTransport': 'true' } }, false],
    ['two conditions, one of which does not hold', { StringLike: { 'aws:username': '*' }, Bool: { 'aws:SecureTransport': true } }, false],
  ])('condition: %s', async (_, Condition, expected) => {
    await setPolicy({ Effect: 'Allow', Principal: '*', Action: 's3vectors:PutVectors', Resource: `${arn}/index/i?dex`, Condition })
    expect(await allowed('READER', put())).toBe(expected)
  })

  test.each([
    ['no JSON', '{'],
    ['an action of another service', { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: '*' }],
    ['an unknown operator', { Effect: 'Deny', Principal: '*', Action: 's3vectors:*', Resource: '*', Condition: { NumericEquals: { 'aws:username': '1' } } }],
    ['an unknown key', { Effect: 'Deny', Principal: '*', Action: 's3vectors:*', Resource: '*', Condition: { StringEquals: { 'aws:MultiFactorAuthAge': '1' } } }],
    ['an element that we do not evaluate', { Effect: 'Deny', Principal: '*', Action: 's3vectors:*', NotResource: '*' }],
    ['no principal', { Effect: 'Deny', Action: 's3vectors:*', Resource: '*' }],
  ])('%s is refused when it is put', async (_, statement) => {
    const policy = typeof statement === 'string' ? statement : JSON.stringify({ Version: '2012-10-17', Statement: statement })
    expect(await errorOf(as('ADMIN').client.send(new sdk.PutVectorBucketPolicyCommand({ vectorBucketName: 'shared', policy })))).toMatchObject({ name: 'ValidationException', message: expect.stringContaining('Invalid policy') })
  })
})
