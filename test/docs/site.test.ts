// The documentation: nothing leads nowhere, every page is in the index, and the server gives it out as it is.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import buildDocs, { anchorOf, brokenLinks, pagePaths, readPage, resolveLink } from '../../scripts/build-docs.mjs'
import { toChromaError } from '../../src/api/chroma/errors.ts'
import { helpUrl } from '../../src/api/error-response.ts'
import { toS3VectorsError } from '../../src/api/s3vectors/errors.ts'
import { errorPolicies, WindlassError, type ErrorKind } from '../../src/base/errors.ts'
import { createConsole } from '../../src/server/console-assets.ts'

const kinds = Object.keys(errorPolicies) as ErrorKind[]

test('no link leads nowhere', () => {
  expect(brokenLinks()).toEqual([])
})

test('a link that leads nowhere would be seen', () => {
  expect(resolveLink('docs/cli.md', 'nowhere.md')).toMatchObject({ kind: 'file', target: 'docs/nowhere.md' })
  expect(resolveLink('docs/decisions/README.md', '../cli.md#search')).toEqual({ kind: 'page', target: 'docs/cli.md', anchor: 'search' })
  expect(resolveLink('README.md', 'docs/decisions/')).toMatchObject({ kind: 'page', target: 'docs/decisions/README.md' })
  expect(resolveLink('README.md', 'https://example.com/a.md')).toEqual({ kind: 'outside' })
  const taken = new Map()
  expect(['H: names', 'Über `x`, y', 'H: names'].map((heading) => anchorOf(heading, taken))).toEqual(['h-names', 'über-x-y', 'h-names-1'])
})

test('every page is in the index', () => {
  const linked = new Set<string | undefined>(readPage('docs/README.md').links.map((link) => resolveLink('docs/README.md', link).target))
  const decisions = new Set<string | undefined>(readPage('docs/decisions/README.md').links.map((link) => resolveLink('docs/decisions/README.md', link).target))
  for (const page of pagePaths()) if (page !== 'docs/README.md') expect(linked.has(page) || decisions.has(page), page).toBe(true)
  const pages = readPage('docs/README.md').links.map((link) => resolveLink('docs/README.md', link)).filter(({ kind }) => kind === 'page').map(({ target }) => target)
  expect(pages, 'each once').toEqual([...new Set(pages)])
})

test('the page of errors says what the errors do', () => {
  const { tokens } = readPage('docs/errors.md')
  const rows = tokens.flatMap((token, i) => (token.type === 'tr_open' ? [tokens.slice(i, tokens.findIndex(({ type }, j) => j > i && type === 'tr_close')).flatMap(({ type, content }) => (type === 'inline' ? [content] : []))] : []))
  const stated = new Map(rows.slice(1).map(([kind = '', ...cells]) => [/^\[`(.*)`\]/.exec(kind)![1], cells]))
  expect([...stated.keys()]).toEqual(kinds)
  for (const kind of kinds) {
    const { httpStatus, exitCode, retry } = errorPolicies[kind]
    const [http, exit, again, s3vectors, chroma] = stated.get(kind)!
    expect([http, exit, again], kind).toEqual([String(httpStatus), String(exitCode), retry ? 'yes' : 'no'])
    const error = new WindlassError(kind, 'x')
    expect(s3vectors, kind).toContain(`\`${toS3VectorsError(error).code}\``)
    expect(chroma, kind).toContain(`\`${toChromaError(error).error}\``)
  }
})

describe('the site', () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'windlass-docs-')), 'docs')
  const app = createConsole({ docsFolder: folder })
  const get = (path: string) => app.request(`http://localhost${path}`)
  beforeAll(() => buildDocs(folder))
  afterAll(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

  test('every link and picture of every page is there, and nothing is fetched from elsewhere', async () => {
    const seen = new Set<string>()
    const waiting = ['/docs/index.html']
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      if (seen.has(path)) continue
      seen.add(path)
      const response = await get(path)
      expect(response.status, path).toBe(200)
      if (!path.endsWith('.html')) continue
      expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
      const html = await response.text()
      expect(html, path).not.toMatch(/<script|\bstyle="|src="https?:/)
      expect(html, path).toMatch(/<title>[^<]+ · Windlass<\/title>/)
      for (const [, link] of html.matchAll(/(?:href|src)="([^"#]*)[^"]*"/g)) {
        if (link !== '' && !/^[a-z]+:/.test(link!)) waiting.push(new URL(link!, `http://localhost${path}`).pathname)
      }
    }
    expect(seen.size).toBeGreaterThan(pagePaths().length)
  })

  test('every kind of error leads to its paragraph', async () => {
    const html = await (await get('/docs/errors.html')).text()
    for (const kind of [...kinds, 'internal', 'not-allowed'] as const) {
      const [path, anchor] = helpUrl(kind).split('#')
      expect(path).toBe('/docs/errors.html')
      expect(html, kind).toContain(`id="${anchor}"`)
    }
  })

  test('begins at /docs, and leads out of its folder nowhere', async () => {
    expect((await get('/docs')).headers.get('location')).toBe('/docs/')
    expect(await (await get('/docs/')).text()).toContain('Windlass documentation')
    expect((await get('/docs/decisions/')).status).toBe(200)
    for (const path of ['/docs/../package.json', '/docs/%2e%2e/package.json', '/docs/..%2fpackage.json', '/docs/files.json', '/docs/errors.html.gz']) expect((await get(path)).status, path).toBe(404)
  })

  test('where it is not built, says how to build it', async () => {
    const response = await createConsole({ docsFolder: join(folder, 'missing') }).request('http://localhost/docs/')
    expect([response.status, await response.text()]).toEqual([404, expect.stringContaining('npm run build')])
  })
})
