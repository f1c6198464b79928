// Who may talk to the server, and what about.
import { mkdtempSync, rmSync, writeFileSync, utimesSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { restRoutes } from '../../src/api/rest/rest-api.ts'
import { startTestServer, type TestServer } from './testing.ts'

const secret = (id: string) => `${id}-secret-0123456789`
const keys = [
  { id: 'reader', secret: secret('reader'), role: 'read' },
  { id: 'writer', secret: secret('writer'), role: 'write' },
  { id: 'boss', secret: secret('boss'), role: 'admin' },
  { id: 'tenant', secret: secret('tenant'), role: 'admin', collections: ['tenant-*', 'shared'] },
]
const bearer = (id: string) => ({ authorization: `Bearer ${secret(id)}` })

/** With headers that fetch does not let one set. Resolves to status and body. */
function rawRequest(url: string, headers: Record<string, string>, method = 'GET'): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers }, (response) => {
      let body = ''
      response.on('data', (part) => (body += String(part)))
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

describe('with keys', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer({ keys: JSON.stringify(keys) })
    for (const name of ['tenant-a', 'other']) await server.call('POST', '/v1/collections', { json: { name }, headers: bearer('boss') })
  })
  afterAll(() => server.stop())

  test('every route but /ready is closed to who has no key, and to a wrong key', async () => {
    for (const { method, path, role } of restRoutes) {
      const target = path.replace('{collection}', 'other').replace(/\{\w+\*\}/, 'x')
      for (const headers of [{}, { authorization: 'Bearer wrong-secret-0123456789' }, { authorization: `Basic ${btoa(`boss:${secret('reader')}`)}` }, { authorization: 'Digest x' }]) {
        const { status } = await server.call(method.toUpperCase(), target, { headers })
        expect([target, status]).toEqual([target, role === null ? 200 : 401])
      }
    }
  })

  test('a role may do what it includes, and no more', async () => {
    const ranks = ['read', 'write', 'admin']
    for (const { method, path, role } of restRoutes) {
      const target = path.replace('{collection}', 'none').replace(/\{\w+\*\}/, 'x')
      for (const { id, role: has } of keys.slice(0, 3)) {
        const { status } = await server.call(method.toUpperCase(), target, { headers: bearer(id) })
        const allowed = role === null || ranks.indexOf(has) >= ranks.indexOf(role)
        expect([method, target, id, status === 403]).toEqual([method, target, id, !allowed])
      }
    }
  })

  test('basic authentication is the same key', async () => {
    const headers = { authorization: `Basic ${btoa(`reader:${secret('reader')}`)}` }
    expect((await server.call('GET', '/v1/collections', { headers })).status).toBe(200)
  })

  test('a key for some collections sees and touches no others', async () => {
    const headers = bearer('tenant')
    expect((await server.call('GET', '/v1/collections', { headers })).json.collections.map(({ name }: { name: string }) => name)).toEqual(['tenant-a'])
    expect((await server.call('GET', '/v1/collections/tenant-a', { headers })).status).toBe(200)
    for (const path of ['', '/records', '/count', '/documents', '/search?q=x']) expect((await server.call('GET', `/v1/collections/other${path}`, { headers })).status).toBe(403)
    expect((await server.call('POST', '/v1/collections', { json: { name: 'more' }, headers })).status).toBe(403)
    expect((await server.call('POST', '/v1/collections', { json: { name: 'shared' }, headers })).status).toBe(201)
    const { json } = await server.call('GET', '/health', { headers })
    expect(JSON.stringify(json)).not.toContain('other')
  })

  test('no answer and no metric holds a secret', async () => {
    const { text } = await server.call('GET', '/metrics', { headers: bearer('reader') })
    const denied = await server.call('DELETE', '/v1/collections/other', { headers: bearer('reader') })
    for (const { id } of keys) expect(text + denied.text).not.toContain(secret(id))
  })
})

describe('keys in a file', () => {
  test('are read again when the file changes; a broken file changes nothing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'windlass-keys-'))
    const path = join(folder, 'keys.json')
    let changes = 0
    const write = (text: string) => {
      writeFileSync(path, text)
      utimesSync(path, ++changes, changes)
    }
    write(JSON.stringify([keys[0]]))
    const server = await startTestServer({ keys: `@${path}` })
    const status = async (id: string) => (await server.call('GET', '/v1/collections', { headers: bearer(id) })).status
    const until = async (id: string, expected: number) => {
      for (let i = 0; i < 100 && (await status(id)) !== expected; i++) await new Promise((resolve) => setTimeout(resolve, 50))
      expect(await status(id)).toBe(expected)
    }
    try {
      expect([await status('reader'), await status('writer')]).toEqual([200, 401])
      write(JSON.stringify([keys[1]]))
      await until('writer', 200)
      expect(await status('reader')).toBe(401)
      for (const broken of ['[', '[]', '[{"id":"x"}]']) {
        write(broken)
        await new Promise((resolve) => setTimeout(resolve, 1100))
        expect([await status('writer'), await status('nobody')]).toEqual([200, 401])
      }
    } finally {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('without keys', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer({ 'allowed-hosts': 'search.internal', 'cors-origins': 'https://app.example' })
  })
  afterAll(() => server.stop())

  test('any address but loopback is refused', async () => {
    await expect(startTestServer({ host: '0.0.0.0' })).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('WINDLASS_KEYS') })
  })

  test('a name that is not ours is refused: it may have been rebound', async () => {
    const { port } = new URL(server.url)
    for (const host of ['evil.example', `evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.evil.example']) {
      expect([host, (await rawRequest(`${server.url}/ready`, { host })).status]).toEqual([host, 403])
    }
    for (const host of ['localhost', `localhost:${port}`, '127.0.0.1', '[::1]:80', 'search.internal', 'SEARCH.internal:80']) {
      expect([host, (await rawRequest(`${server.url}/ready`, { host })).status]).toEqual([host, 200])
    }
  })

  test("pages of other sites are refused, whatever they send; the configured origin's are not", async () => {
    const post = (headers: Record<string, string>) => server.call('POST', '/v1/collections', { json: { name: `c${Math.random()}` }, headers }).then(({ status }) => status)
    expect(await post({ origin: 'https://evil.example' })).toBe(403)
    expect(await post({ origin: 'null' })).toBe(403)
    expect(await post({ origin: server.url })).toBe(201)
    expect(await post({ origin: 'https://app.example' })).toBe(201)
    const { status } = await rawRequest(`${server.url}/v1/collections`, { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })
    expect(status).toBe(403)
  })

  test('only the configured origin is told that it may read answers', async () => {
    const preflight = (origin: string) => rawRequest(`${server.url}/v1/collections`, { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' }, 'OPTIONS')
    const allowed = await preflight('https://app.example')
    expect([allowed.status, allowed.headers['access-control-allow-origin']]).toEqual([204, 'https://app.example'])
    const refused = await preflight('https://evil.example')
    expect(refused.headers['access-control-allow-origin']).toBeUndefined()
  })
})

test.each([
  ['not JSON', '{', /not JSON/],
  ['no list', '{}', /not a list/],
  ['a short secret', '[{"id":"a","secret":"short","role":"read"}]', /secret: expected at least 16/],
  ['an unknown role', '[{"id":"a","secret":"0123456789abcdef","role":"root"}]', /role: expected read, write, admin/],
  ['the same id twice', `[{"id":"a","secret":"0123456789abcdef","role":"read"},{"id":"a","secret":"0123456789abcdeg","role":"read"}]`, /two keys/],
  ['a misspelt field', '[{"id":"a","secret":"0123456789abcdef","role":"read","collection":"x"}]', /collection: expected only/],
])('keys with %s are refused at the start, without the secret in the message', async (_, setting, message) => {
  const error = await startTestServer({ keys: setting }).then(
    () => null,
    (each: Error) => each,
  )
  expect(error?.message).toMatch(message)
  expect(error?.message).not.toContain('0123456789')
})
