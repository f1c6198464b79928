import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

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

const types: Readonly<Record<string, string>> = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml', png: 'image/png' }
interface Asset {
  readonly etag: string
  readonly type: string
  readonly plain: Uint8Array<ArrayBuffer>
  /** Null for what is compressed already. */
  readonly gz: Uint8Array<ArrayBuffer> | null
  readonly br: Uint8Array<ArrayBuffer> | null
}

/** Where `npm run build` puts `name`: beside this file's folder in the package, in `dist` of a checkout run from its sources. */
export function builtFolder(name: string): string {
  const here = fileURLToPath(new URL('.', import.meta.url))
  const beside = join(here, '..', name)
  return existsSync(join(beside, 'files.json')) ? beside : join(here, '../../dist', name)
}

/** Files that were built, with their compressed forms: read once, when first asked for, and then given out of memory. */
export class AssetFolder {
  readonly #folder: string
  #assets: ReadonlyMap<string, Asset> | null = null

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Null for what is not among them. */
  answer(request: Request, path: string, cacheControl: string): Response | null {
    this.#assets ??= readAssets(this.#folder)
    // It may be built while the server runs.
    if (this.#assets.size === 0) this.#assets = null
    const asset = this.#assets?.get(path)
    return asset ? answer(request, asset, cacheControl) : null
  }
}

function answer(request: Request, asset: Asset, cacheControl: string): Response {
  const encoding = asset.br === null ? null : encodingOf(request.headers.get('accept-encoding') ?? '')
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
  return new Response((encoding === 'br' ? asset.br : encoding === 'gzip' ? asset.gz : null) ?? asset.plain, { headers })
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
  const readIfThere = (path: string) => (existsSync(join(folder, path)) ? read(path) : null)
  const entries = Object.entries(JSON.parse(readFileSync(list, 'utf8')) as Record<string, string>)
  return new Map(entries.map(([path, etag]) => [path, { etag, type: types[path.split('.').pop()!] ?? 'application/octet-stream', plain: read(path), gz: readIfThere(`${path}.gz`), br: readIfThere(`${path}.br`) }]))
}
