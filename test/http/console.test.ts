// The console's files over real HTTP: what may talk to them, what they may load, how they are kept by browsers, and how large they are.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
// @ts-expect-error a script, without types
import buildConsole from '../../scripts/build-console.mjs'
import { startTestServer, type TestServer } from './testing.ts'

const folder = mkdtempSync(join(tmpdir(), 'windlass-console-'))
const built = join(folder, 'console')
const key = { id: 'boss', secret: 'boss-secret-0123456789', role: 'admin' }
let open: TestServer
let keyed: TestServer

beforeAll(async () => {
  await (buildConsole as (target: string, options: { isForced: boolean }) => Promise<void>)(built, { isForced: true })
  open = await startTestServer({}, { consoleFolder: built })
  keyed = await startTestServer({ keys: JSON.stringify([key]) }, { consoleFolder: built })
}, 60_000)
afterAll(async () => {
  await open.stop()
  await keyed.stop()
  rmSync(folder, { recursive: true, force: true })
})

interface Raw {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** As it comes over the wire: `fetch` would decode it, and not let Host be set. */
function raw(server: TestServer, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const sent = request(server.url + path, { method, headers }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(parts) }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

async function assetsOf(server: TestServer): Promise<string[]> {
  const html = (await raw(server, '/')).body.toString()
  return [...html.matchAll(/(?:src|href)="(assets\/[^"]+)"/g)].map(([, path]) => `/${path}`)
}

describe('the page', () => {
  test('comes without a key, holds no script or style of its own, and names nothing elsewhere', async () => {
    for (const server of [open, keyed]) {
      const { status, headers, body } = await raw(server, '/')
      expect(status).toBe(200)
      expect(headers['content-type']).toBe('text/html; charset=utf-8')
      expect(headers['x-content-type-options']).toBe('nosniff')
      const html = body.toString()
      expect(html).not.toMatch(/<script(?![^>]*\ssrc=)/)
      expect(html).not.toMatch(/<style|\sstyle=|\son\w+=/)
      expect(html.replace("xmlns='http://www.w3.org/2000/svg'", '')).not.toMatch(/https?:\/\//)
    }
  })

  test('may load from this server only, run nothing inline, and stand in no frame', async () => {
    for (const path of ['/', ...(await assetsOf(open))]) {
      const policy = String((await raw(open, path)).headers['content-security-policy']).split('; ')
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("script-src 'self'")
      expect(policy).toContain("connect-src 'self'")
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).toContain("base-uri 'none'")
      expect(policy).toContain("form-action 'none'")
      expect(policy.join(' ')).not.toMatch(/unsafe|https?:|\*/)
    }
  })

  test('is refused to a name that was made to point here, and to pages of other sites', async () => {
    for (const path of ['/', ...(await assetsOf(open))]) {
      expect((await raw(open, path, { host: 'evil.example' })).status).toBe(403)
      expect((await raw(open, path, { origin: 'https://evil.example' })).status).toBe(403)
      expect((await raw(open, path, { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })).status).toBe(403)
    }
    // A link that leads here is followed.
    expect((await raw(open, '/', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' })).status).toBe(200)
  })

  test('what it asks for needs a key all the same', async () => {
    expect((await raw(keyed, '/v1/collections')).status).toBe(401)
    expect((await raw(keyed, '/v1/collections', { authorization: `Bearer ${key.secret}` })).status).toBe(200)
  })

  test('where the console is not built, `/` says how it is', async () => {
    const bare = await startTestServer({}, { consoleFolder: join(folder, 'nothing') })
    try {
      const { status, body } = await raw(bare, '/')
      expect(status).toBe(404)
      expect(body.toString()).toContain('npm run build')
    } finally {
      await bare.stop()
    }
  })
})

describe('its parts', () => {
  test('come in the encoding that was asked for, and are the same bytes in all', async () => {
    const paths = await assetsOf(open)
    expect(paths.filter((path) => path.endsWith('.js')).length).toBeGreaterThan(0)
    expect(paths.filter((path) => path.endsWith('.css'))).toHaveLength(1)
    for (const path of ['/', ...paths]) {
      const plain = await raw(open, path)
      const gzip = await raw(open, path, { 'accept-encoding': 'gzip, deflate' })
      const brotli = await raw(open, path, { 'accept-encoding': 'gzip, deflate, br' })
      expect(plain.headers['content-encoding']).toBeUndefined()
      expect(gzip.headers['content-encoding']).toBe('gzip')
      expect(brotli.headers['content-encoding']).toBe('br')
      expect(gunzipSync(gzip.body).equals(plain.body)).toBe(true)
      expect(brotliDecompressSync(brotli.body).equals(plain.body)).toBe(true)
      expect((await raw(open, path, { 'accept-encoding': 'br;q=0, gzip' })).headers['content-encoding']).toBe('gzip')
      for (const { headers } of [plain, gzip, brotli]) expect(headers.vary).toBe('accept-encoding')
    }
  })

  test('are asked for again by their tags, which differ by encoding', async () => {
    for (const path of ['/', ...(await assetsOf(open))]) {
      const tags = new Set<unknown>()
      for (const encoding of ['identity', 'gzip', 'br']) {
        const { etag } = (await raw(open, path, { 'accept-encoding': encoding })).headers
        tags.add(etag)
        const again = await raw(open, path, { 'accept-encoding': encoding, 'if-none-match': String(etag) })
        expect(again.status).toBe(304)
        expect(again.body).toHaveLength(0)
        expect((await raw(open, path, { 'accept-encoding': encoding, 'if-none-match': '"another"' })).status).toBe(200)
      }
      expect(tags.size).toBe(3)
    }
  })

  test('the page is asked for each time, parts with a hash in their names never again, answers of the API are not kept', async () => {
    expect((await raw(open, '/')).headers['cache-control']).toBe('no-cache')
    for (const path of await assetsOf(open)) {
      expect(path).toMatch(/-[A-Z0-9]{8}\.(js|css)$/)
      expect((await raw(open, path)).headers['cache-control']).toContain('immutable')
    }
    expect((await raw(open, '/ready')).headers['cache-control']).toBe('no-store')
  })

  test('are those of the build, whatever is asked for', async () => {
    for (const path of ['/assets/nothing.js', '/assets/../files.json', '/assets/..%2ffiles.json', '/assets/%2e%2e%2f%2e%2e%2fpackage.json', '/files.json', '/index.html.br', '/assets/constructor']) {
      expect((await raw(open, path)).status, path).toBe(404)
    }
  })

  test('the page names all that its script asks for at once', async () => {
    const paths = await assetsOf(open)
    for (const path of paths.filter((each) => each.endsWith('.js'))) {
      const text = (await raw(open, path)).body.toString()
      for (const [, name] of text.matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g)) expect(paths, path).toContain(`/assets/${name}`)
    }
  })

  test('the first load is less than 60 kB over the wire, and the whole console less than 200 kB', async () => {
    const size = async (path: string) => (await raw(open, path, { 'accept-encoding': 'br' })).body.length
    let first = 0
    for (const path of ['/', ...(await assetsOf(open))]) first += await size(path)
    expect(first).toBeLessThan(60_000)
    const all = readdirSync(join(built, 'assets')).filter((name) => name.endsWith('.br'))
    expect(all.reduce((total, name) => total + readFileSync(join(built, 'assets', name)).length, 0)).toBeLessThan(200_000)
  })
})
