import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Hono } from 'hono'
import type { RestEnvironment } from '../api/rest/rest-api.ts'

// Nothing from elsewhere, nothing inline, in nobody's frame: what a stored text says can be shown, and never run.
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const types: Readonly<Record<string, string>> = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml' }
// Names of assets hold a hash of their bytes.
const immutable = 'private, max-age=31536000, immutable'
const revalidated = 'no-cache'

interface Asset {
  readonly etag: string
  readonly type: string
  readonly plain: Uint8Array<ArrayBuffer>
  readonly gz: Uint8Array<ArrayBuffer>
  readonly br: Uint8Array<ArrayBuffer>
}

/** Where `npm run build` puts the console: beside this file's folder in the package, in `dist` of a checkout run from its sources. */
export function defaultConsoleFolder(): string {
  const here = fileURLToPath(new URL('.', import.meta.url))
  const beside = join(here, '../console')
  return existsSync(join(beside, 'files.json')) ? beside : join(here, '../../dist/console')
}

/**
 * The web console at `/`, and its parts below `/assets/`. They hold no secret, so that no key is asked for: what they show comes from `/v1`.
 * Read once, when first asked for. Where the console is not built, `/` says how to build it.
 */
export function createConsole(folder: string = defaultConsoleFolder()): Hono<RestEnvironment> {
  const app = new Hono<RestEnvironment>({ strict: true })
  let assets: ReadonlyMap<string, Asset> | null = null
  const find = (path: string) => (assets ??= readAssets(folder)).get(path)
  app.get('/', (c) => {
    c.set('route', '/')
    const page = find('index.html')
    if (page) return answer(c.req.raw, page, revalidated)
    assets = null
    return new Response('the console is not built: run "npm run build"; the API is at /v1, see /openapi.json\n', { status: 404, headers: { 'content-type': 'text/plain; charset=utf-8' } })
  })
  app.get('/assets/:name', (c, next) => {
    c.set('route', '/assets')
    const asset = find(`assets/${c.req.param('name')}`)
    return asset ? Promise.resolve(answer(c.req.raw, asset, immutable)) : next()
  })
  return app
}

function answer(request: Request, asset: Asset, cacheControl: string): Response {
  const encoding = encodingOf(request.headers.get('accept-encoding') ?? '')
  // A strong ETag names bytes as they are sent: each encoding has its own.
  const etag = `"${asset.etag}${encoding === null ? '' : `-${encoding}`}"`
  const headers = new Headers({
    'content-type': asset.type,
    'content-security-policy': contentSecurityPolicy,
    'cross-origin-opener-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'cache-control': cacheControl,
    vary: 'accept-encoding',
    etag,
  })
  const known = request.headers.get('if-none-match')?.split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  if (known?.includes(etag)) return new Response(null, { status: 304, headers })
  if (encoding !== null) headers.set('content-encoding', encoding)
  return new Response(encoding === 'br' ? asset.br : encoding === 'gzip' ? asset.gz : asset.plain, { headers })
}

function encodingOf(accepted: string): 'br' | 'gzip' | null {
  const names = accepted.split(',').flatMap((part) => {
    const [name = '', ...parameters] = part.trim().toLowerCase().split(/\s*;\s*/)
    return parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter)) ? [] : [name]
  })
  if (names.includes('br')) return 'br'
  return names.includes('gzip') ? 'gzip' : null
}

function readAssets(folder: string): Map<string, Asset> {
  const list = join(folder, 'files.json')
  if (!existsSync(list)) return new Map()
  const read = (path: string) => new Uint8Array(readFileSync(join(folder, path)))
  const entries = Object.entries(JSON.parse(readFileSync(list, 'utf8')) as Record<string, string>)
  return new Map(entries.map(([path, etag]) => [path, { etag, type: types[path.split('.').pop()!] ?? 'application/octet-stream', plain: read(path), gz: read(`${path}.gz`), br: read(`${path}.br`) }]))
}
