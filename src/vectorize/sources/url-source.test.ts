import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { toUtf8 } from '../../base/bytes.ts'
import { systemClock, type Clock } from '../../base/clock.ts'
import { testSource, type SourceFixture } from '../../testing/source-conformance.ts'
import type { Source } from './source.ts'
import { UrlSource, type UrlSourceOptions } from './url-source.ts'
import { webLimits } from './web-client.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

const closings: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closings.splice(0)) await close()
})

/** A web server on loopback that answers as `handle` says. */
async function serve(handle: Handler): Promise<{ url: string; requests: string[] }> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(request.url!)
    handle(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closings.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

/** Pages by path; with etags, and answers to conditions. */
const pages = (content: Record<string, string | Uint8Array>): Handler => (request, response) => {
  const body = content[request.url!]
  if (body === undefined) return void response.writeHead(404).end()
  const etag = `"${createHash('sha256').update(body).digest('hex').slice(0, 16)}"`
  if (request.headers['if-none-match'] === etag) return void response.writeHead(304, { etag }).end()
  response.writeHead(200, { etag, 'content-type': 'text/html; charset=utf-8' }).end(body)
}

const sitemapOf = (urls: readonly string[], tag = 'url') =>
  `<?xml version="1.0"?><${tag === 'url' ? 'urlset' : 'sitemapindex'} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">${urls.map((url) => `<${tag}><loc>${url.replaceAll('&', '&amp;')}</loc></${tag}>`).join('\n')}</${tag === 'url' ? 'urlset' : 'sitemapindex'}>`

/** A clock whose sleeps are told instead of slept. */
function countingClock(): Clock & { slept: number[] } {
  const slept: number[] = []
  return { ...systemClock, slept, sleep: async (ms) => void slept.push(ms) }
}

const open = (options: UrlSourceOptions) => new UrlSource({ ...options, limits: options.limits ?? { ...webLimits, timeoutMs: 5000, unreadMs: 500 } })

async function pathsOf(source: Source): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of (await source.list()).entries) paths.push(path)
  return paths
}

async function textOf(source: Source, path: string): Promise<string> {
  const content = await source.read({ path })
  if (content.kind !== 'found') return content.kind
  const parts: Uint8Array[] = []
  for await (const part of content.bytes()) parts.push(part)
  return Buffer.concat(parts).toString()
}

async function siteFixture(): Promise<SourceFixture> {
  const content: Record<string, Uint8Array> = {}
  let isThere = true
  const { url } = await serve((request, response) => {
    if (!isThere) return void response.writeHead(404).end()
    if (request.url === '/sitemap.xml') return void response.end(sitemapOf(Object.keys(content).map((path) => url + path)))
    return pages(content)(request, response)
  })
  const path = (name: string) => `/${name.split('/').map(encodeURIComponent).join('/')}`
  return {
    open: async (patterns = {}) => open({ sitemap: `${url}/sitemap.xml`, ...patterns }),
    put: async (name, bytes) => void (content[path(name)] = bytes),
    remove: async (name) => void delete content[path(name)],
    removeRoot: async () => void (isThere = false),
    pathOf: (name) => url + path(name),
  }
}

describe('UrlSource', () => {
  testSource(test, siteFixture)
})

describe('what is listed', () => {
  test('URLs as they are declared, once, without what comes after #, and whatever they are called', async () => {
    const source = open({ urls: ['https://a.example/x.png', 'https://a.example/b#part', 'https://A.example/b', 'https://a.example'] })
    expect(await pathsOf(source)).toEqual(['https://a.example/x.png', 'https://a.example/b', 'https://a.example/'])
    expect(await pathsOf(open({ urls: ['https://a.example/x.png', 'https://a.example/b'], exclude: ['*.png'] }))).toEqual(['https://a.example/b'])
    expect(await pathsOf(open({ urls: ['https://a.example/x', 'https://a.example/docs/b'], include: ['https://a.example/docs/**'] }))).toEqual(['https://a.example/docs/b'])
  })

  test('an index of sitemaps, gzipped or not, and each page once', async () => {
    const content: Record<string, string | Uint8Array> = {}
    const { url, requests } = await serve(pages(content))
    content['/index.xml'] = sitemapOf([`${url}/one.xml`, `${url}/two.xml.gz`, `${url}/one.xml`], 'sitemap')
    content['/one.xml'] = sitemapOf([`${url}/a?x=1&y=2`, `${url}/b`])
    content['/two.xml.gz'] = gzipSync(sitemapOf([`${url}/b`, `${url}/c`]))
    expect(await pathsOf(open({ sitemap: `${url}/index.xml` }))).toEqual([`${url}/a?x=1&y=2`, `${url}/b`, `${url}/c`])
    expect(requests).toEqual(['/index.xml', '/one.xml', '/two.xml.gz'])
  })

  test('a sitemap in a file, whose hosts are as good as declared', async () => {
    const { url } = await serve(pages({ '/a': 'A' }))
    const folder = mkdtempSync(join(tmpdir(), 'windlass-sitemap-'))
    closings.push(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'sitemap.xml'), sitemapOf([`${url}/a`]))
    const source = open({ sitemap: join(folder, 'sitemap.xml') })
    expect(await pathsOf(source)).toEqual([`${url}/a`])
    expect(await textOf(source, `${url}/a`)).toBe('A')
    await expect(pathsOf(open({ sitemap: join(folder, 'none.xml') }))).rejects.toMatchObject({ kind: 'not-found' })
  })

  test.each([
    ['a page of HTML', '<!doctype html><html><body>Sorry</body></html>', 'invalid'],
    ['nothing', '', 'invalid'],
    ['half a sitemap', sitemapOf(['https://a.example/']).slice(0, -5), 'unavailable'],
    ['prose', 'We are down for maintenance', 'invalid'],
  ])('%s in place of a sitemap is an error, never an empty listing', async (_, body, kind) => {
    const { url } = await serve(pages({ '/sitemap.xml': body }))
    await expect(pathsOf(open({ sitemap: `${url}/sitemap.xml` }))).rejects.toMatchObject({ kind })
  })

  test('a sitemap of another host is refused, a page of one is an error of that page', async () => {
    const content: Record<string, string> = {}
    const [{ url }, other] = [await serve(pages(content)), await serve(pages({ '/x': 'x', '/sitemap.xml': sitemapOf([]) }))]
    content['/a.xml'] = sitemapOf([`${other.url}/x`])
    content['/index.xml'] = sitemapOf([`${other.url}/sitemap.xml`], 'sitemap')
    const source = open({ sitemap: `${url}/a.xml` })
    expect(await pathsOf(source)).toEqual([`${other.url}/x`])
    await expect(source.read({ path: `${other.url}/x` })).rejects.toMatchObject({ kind: 'denied', message: expect.stringMatching(/no host that was declared/) })
    await expect(pathsOf(open({ sitemap: `${url}/index.xml` }))).rejects.toMatchObject({ kind: 'denied' })
    expect(other.requests).toEqual([])
  })
})

describe('what is read', () => {
  test('the type that the server tells, and decompressed bytes', async () => {
    const { url } = await serve((_, response) => void response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'text/markdown' }).end(gzipSync('# Hello')))
    const source = open({ urls: [url] })
    expect(await source.read({ path: url })).toMatchObject({ kind: 'found', contentType: 'text/markdown', sizeBytes: 7 })
    expect(await textOf(source, url)).toBe('# Hello')
  })

  test('Last-Modified is a revision once it is older than its second', async () => {
    let modified = 'Wed, 01 Jan 2025 00:00:00 GMT'
    const asked: (string | undefined)[] = []
    const { url } = await serve((request, response) => {
      asked.push(request.headers['if-modified-since'])
      if (request.headers['if-modified-since'] === modified) return void response.writeHead(304).end()
      response.writeHead(200, { 'last-modified': modified }).end('x')
    })
    const source = open({ urls: [url] })
    const first = await source.read({ path: url })
    const knownRevision = first.kind === 'found' ? first.revision! : ''
    expect(knownRevision).toBe(`modified:${modified}`)
    expect(await source.read({ path: url }, { knownRevision })).toEqual({ kind: 'unchanged' })
    expect(asked).toEqual([undefined, modified])
    // toUTCString of a time that is passed to it: the present second.
    modified = new Date(systemClock.now()).toUTCString()
    const recent = await source.read({ path: url })
    expect(recent.kind === 'found' && recent.revision).toBeUndefined()
  })

  test.each([
    [404, 'not-found'],
    [410, 'not-found'],
    [401, 'unauthenticated'],
    [403, 'denied'],
    [400, 'invalid'],
    [500, 'unavailable'],
    [204, 'invalid'],
  ])('status %i is %s', async (status, kind) => {
    const { url } = await serve((_, response) => void response.writeHead(status).end())
    await expect(open({ urls: [url], clock: countingClock() }).read({ path: url })).rejects.toMatchObject({ kind, details: { status } })
  })

  test('an overloaded server is asked again when it says so, and not if that is long', async () => {
    let answers: Record<string, string>[] = [{ 'retry-after': '7' }, { 'retry-after': new Date(systemClock.now() + 20_000).toUTCString() }, {}]
    const { url, requests } = await serve((_, response) => {
      const headers = answers.shift()
      if (headers) response.writeHead(429, headers).end()
      else response.end('at last')
    })
    const clock = countingClock()
    const source = open({ urls: [url], clock })
    expect(await textOf(source, url)).toBe('at last')
    expect(clock.slept[0]).toBe(7000)
    expect(clock.slept[1]).toBeGreaterThan(10_000)
    expect(clock.slept[1]).toBeLessThanOrEqual(20_000)
    expect(clock.slept[2]).toBeGreaterThan(0)
    answers = [{ 'retry-after': '3600' }]
    requests.length = 0
    await expect(source.read({ path: url })).rejects.toMatchObject({ kind: 'unavailable', details: { retryAfterMs: 3_600_000 } })
    expect(requests).toHaveLength(1)
    answers = Array.from({ length: 9 }, () => ({}))
    requests.length = 0
    await expect(source.read({ path: url })).rejects.toMatchObject({ kind: 'unavailable' })
    expect(requests).toHaveLength(4)
  })

  test('redirects are followed on declared hosts, five times, and to nowhere else', async () => {
    const elsewhere = await serve(pages({ '/': 'secret' }))
    const targets: Record<string, string> = { '/a': '/b', '/b': 'end', '/out': `${elsewhere.url}/`, '/file': 'file:///etc/hostname', '/loop': '/loop', '/login': 'http://user:word@127.0.0.1/', '/nothing': 'http://' }
    const { url, requests } = await serve((request, response) => {
      const location = targets[request.url!]
      if (location) response.writeHead(302, { location }).end()
      else response.end('end')
    })
    const source = open({ urls: [url] })
    expect(await textOf(source, `${url}/a`)).toBe('end')
    for (const path of ['/out', '/file', '/login', '/nothing']) await expect(source.read({ path: url + path }), path).rejects.toMatchObject({ kind: 'denied' })
    expect(elsewhere.requests).toEqual([])
    requests.length = 0
    await expect(open({ urls: [url], clock: countingClock(), limits: { ...webLimits, attemptsMax: 1 } }).read({ path: `${url}/loop` })).rejects.toMatchObject({ kind: 'unavailable', message: expect.stringMatching(/more than 5 times/) })
    expect(requests).toHaveLength(6)
  })

  test('an address inside the network that no declaration names is not asked', async () => {
    const { url, requests } = await serve(pages({ '/': 'inside' }))
    await expect(open({ urls: ['https://a.example/'] }).read({ path: url })).rejects.toMatchObject({ kind: 'denied' })
    expect(requests).toEqual([])
  })

  test('larger than maxBytes is told, with and without a length beforehand', async () => {
    const { url } = await serve((request, response) => {
      if (request.url === '/told') response.writeHead(200, { 'content-length': '1001' })
      response.write('x'.repeat(600))
      response.end('x'.repeat(401))
    })
    const source = open({ urls: [url], maxBytes: 1000 })
    for (const path of ['/told', '/streamed']) await expect(source.read({ path: url + path }), path).rejects.toMatchObject({ kind: 'too-large', message: expect.stringMatching(/maxBytes is 1000/) })
    expect(await textOf(open({ urls: [url], maxBytes: 1001 }), `${url}/streamed`)).toHaveLength(1001)
  })

  test('a server that does not answer, or stops in the middle, is unavailable', async () => {
    const { url } = await serve((request, response) => {
      if (request.url === '/breaks') {
        response.writeHead(200, { 'content-length': '100' })
        response.write('half')
        response.destroy()
      } else if (request.url === '/stalls') response.writeHead(200).write('half')
    })
    const source = open({ urls: [url], clock: countingClock(), limits: { ...webLimits, timeoutMs: 200, attemptsMax: 2 } })
    for (const path of ['/silent', '/breaks', '/stalls']) await expect(source.read({ path: url + path }), path).rejects.toMatchObject({ kind: 'unavailable', message: expect.stringContaining(path) })
  })

  test('no more than four requests at once go to a host', async () => {
    let [busy, most] = [0, 0]
    const { url } = await serve((_, response) => {
      most = Math.max(most, ++busy)
      void systemClock.sleep(20).then(() => {
        busy--
        response.end('x')
      })
    })
    const source = open({ urls: [url] })
    await Promise.all(Array.from({ length: 20 }, (_, i) => textOf(source, `${url}/${i}`)))
    expect(most).toBe(4)
  })

  test('a large page without a revision that changes between two passes is a conflict', async () => {
    let letter = 'a'
    const { url } = await serve((_, response) => void response.end(letter.repeat(6_000_000)))
    const content = await open({ urls: [url] }).read({ path: url })
    const pass = async () => {
      let size = 0
      for await (const part of content.kind === 'found' ? content.bytes() : []) size += part.length
      return size
    }
    expect(await pass()).toBe(6_000_000)
    expect(await pass()).toBe(6_000_000)
    letter = 'b'
    await expect(pass()).rejects.toMatchObject({ kind: 'conflict' })
  })

  test('a second pass is of the revision that was told, also when the first was left early', async () => {
    const content: Record<string, string> = { '/': 'a'.repeat(6_000_000) }
    const { url } = await serve((request, response) => pages(content)(request, response))
    const read = await open({ urls: [url] }).read({ path: url })
    if (read.kind !== 'found') throw new Error(read.kind)
    for await (const _ of read.bytes()) break
    content['/'] = 'b'.repeat(6_000_000)
    await expect(read.bytes()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ kind: 'conflict' })
  })
})

describe('sitemaps', () => {
  test('locations of images and comments are no pages; entities are decoded', async () => {
    const xml = `\uFEFF<?xml version="1.0"?><!-- <url><loc>https://a.example/no</loc></url> -->
      <s:urlset xmlns:s="x" xmlns:image="y"><s:url><s:loc> https://a.example/?a=1&#38;b=2 </s:loc><image:image><image:loc>https://a.example/i.jpg</image:loc></image:image></s:url></s:urlset>`
    const { url } = await serve(pages({ '/s.xml': toUtf8(xml) }))
    expect(await pathsOf(open({ sitemap: `${url}/s.xml` }))).toEqual(['https://a.example/?a=1&b=2'])
  })

  test('a text file with a URL a line is one too', async () => {
    const { url } = await serve(pages({ '/s.txt': 'https://a.example/x\r\n\nhttps://a.example/y\n' }))
    expect(await pathsOf(open({ sitemap: `${url}/s.txt` }))).toEqual(['https://a.example/x', 'https://a.example/y'])
  })
})
