// Keys, and which pages may call.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errorOf, noEmbedding, TestChroma } from './testing.ts'
import { startTestServer } from '../http/testing.ts'

const keys = [
  { id: 'reader', secret: 'reader-secret-0123456789', role: 'read' },
  { id: 'writer', secret: 'writer-secret-0123456789', role: 'write' },
  { id: 'admin', secret: 'admin-secret-0123456789', role: 'admin' },
  { id: 'tenant', secret: 'tenant-secret-0123456789', role: 'admin', collections: ['acme/*'] },
]
let door: TestChroma
beforeAll(async () => {
  door = new TestChroma(await startTestServer({ keys: JSON.stringify(keys), 'allow-reset': 'true' }))
  await as('admin').client.createCollection({ name: 'ships', embeddingFunction: noEmbedding })
})
afterAll(() => door.stop())
const secretOf = (id: string) => keys.find((key) => key.id === id)!.secret
const as = (id: string) => door.as({ headers: { 'x-chroma-token': secretOf(id) } })
const ships = (id: string) => as(id).client.getCollection({ name: 'ships', embeddingFunction: noEmbedding })

describe('keys', () => {
  test.each([
    ['a token', { 'x-chroma-token': secretOf('reader') }],
    ['a bearer', { authorization: `Bearer ${secretOf('reader')}` }],
    ['basic', { authorization: `Basic ${btoa(`reader:${secretOf('reader')}`)}` }],
  ])('%s', async (_, headers) => {
    expect(await door.as({ headers }).client.countCollections()).toBe(1)
    expect(await door.as({ headers }).client.getUserIdentity()).toMatchObject({ user_id: 'reader' })
  })

  test.each([
    ['none', {}],
    ['a wrong token', { 'x-chroma-token': 'wrong-secret-0123456789' }],
    ['a token with a good header beside it', { 'x-chroma-token': 'wrong-secret-0123456789', authorization: `Bearer ${secretOf('admin')}` }],
    ['basic with another name', { authorization: `Basic ${btoa(`writer:${secretOf('reader')}`)}` }],
  ])('%s: 401', async (_, headers) => {
    const answer = await door.call('GET', '/auth/identity', undefined, headers as Record<string, string>)
    expect(answer).toMatchObject({ status: 401, json: { error: 'AuthorizationError' } })
    expect(await errorOf(door.as({ headers: headers as Record<string, string> }).client.countCollections())).toMatchObject({ name: 'ChromaAuthError' })
  })

  test('what clients look at before anything else needs none', async () => {
    for (const path of ['/heartbeat', '/version', '/pre-flight-checks', '/healthcheck']) expect((await door.call('GET', path)).status).toBe(200)
  })

  test('roles: read, write, admin', async () => {
    const record = { ids: ['x'], embeddings: [[1, 2]] }
    expect(await errorOf((await ships('reader')).add(record))).toMatchObject({ name: 'ChromaForbiddenError' })
    await (await ships('writer')).add(record)
    expect(await (await ships('reader')).count()).toBe(1)
    expect((await as('writer').client.getOrCreateCollection({ name: 'ships', embeddingFunction: noEmbedding })).name).toBe('ships')
    for (const id of ['reader', 'writer']) {
      expect(await errorOf(as(id).client.createCollection({ name: `made-by-${id}`, embeddingFunction: noEmbedding }))).toMatchObject({ name: 'ChromaForbiddenError' })
      expect(await errorOf(as(id).client.deleteCollection({ name: 'ships' }))).toMatchObject({ name: 'ChromaForbiddenError' })
      expect(await errorOf((await ships(id)).modify({ name: 'boats' }))).toMatchObject({ name: 'ChromaForbiddenError' })
      expect(await errorOf(as(id).client.reset())).toMatchObject({ name: 'ChromaForbiddenError' })
    }
  })

  test('a key for some collections reaches and sees no others', async () => {
    const token = { 'x-chroma-token': secretOf('admin') }
    await door.call('POST', '/tenants', { name: 'acme' }, token)
    await door.call('POST', '/tenants/acme/databases', { name: 'prod' }, token)
    const mine = door.as({ tenant: 'acme', database: 'prod', headers: { 'x-chroma-token': secretOf('tenant') } })
    await mine.client.createCollection({ name: 'boats', embeddingFunction: noEmbedding })
    expect(await mine.client.countCollections()).toBe(1)
    expect(await as('tenant').client.listCollections()).toEqual([])
    expect(await errorOf(as('tenant').client.getCollection({ name: 'ships' }))).toMatchObject({ name: 'ChromaForbiddenError' })
    const { id } = await ships('admin')
    const answer = await door.call('POST', `/tenants/default_tenant/databases/default_database/collections/${id}/get`, {}, { 'x-chroma-token': secretOf('tenant') })
    expect(answer).toMatchObject({ status: 403, json: { error: 'AuthError' } })
    expect(await errorOf(as('tenant').client.reset())).toMatchObject({ name: 'ChromaForbiddenError' })
  })
})

describe('pages', () => {
  test('of other sites are refused, in words of Chroma', async () => {
    const answer = await door.call('GET', '/heartbeat', undefined, { origin: 'https://evil.example' })
    expect(answer).toMatchObject({ status: 403, json: { error: 'AuthError', message: expect.stringContaining('origin') as string } })
  })

  test('that are allowed may send the token', async () => {
    const open = new TestChroma(await startTestServer({ 'cors-origins': 'https://app.example' }))
    try {
      const response = await fetch(`${open.server.url}/api/v2/heartbeat`, {
        method: 'OPTIONS',
        headers: { origin: 'https://app.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-chroma-token' },
      })
      expect(response.headers.get('access-control-allow-headers')).toContain('x-chroma-token')
    } finally {
      await open.stop()
    }
  })
})
