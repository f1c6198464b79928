import { gunzipSync } from 'node:zlib'
import { Parser } from 'htmlparser2'
import { fromUtf8Lenient } from '../../base/bytes.ts'
import { messageOf, WindlassError } from '../../base/errors.ts'

/** Limits of the protocol (sitemaps.org): 50 MB uncompressed, 50,000 entries; a little more is forgiven. */
export const sitemapBytesMax = 64 * 1024 * 1024

export interface Sitemap {
  /** Of pages, or of further sitemaps. */
  readonly kind: 'urlset' | 'sitemapindex'
  readonly urls: readonly string[]
}

/**
 * Reads a sitemap or an index of sitemaps (sitemaps.org protocol 0.9), plain or gzipped; a text file with a URL a line too.
 * @param name For messages.
 * @throws {WindlassError} `invalid` for anything else: an empty listing would delete everything.
 */
export function parseSitemap(bytes: Uint8Array, name: string): Sitemap {
  const text = fromUtf8Lenient(isGzip(bytes) ? unzipped(bytes, name) : bytes).replace(/^\uFEFF/, '')
  if (!text.trimStart().startsWith('<')) return parseList(text, name)
  const urls: string[] = []
  const open: string[] = []
  let kind: Sitemap['kind'] | null = null
  let isClosed = false
  let location = ''
  const parser = new Parser(
    {
      onopentagname(tag) {
        const local = localName(tag)
        if (open.length === 0 && (local === 'urlset' || local === 'sitemapindex')) kind = local
        open.push(local)
        location = ''
      },
      ontext(part) {
        if (isLocation(open)) location += part
      },
      onclosetag(_, isImplied) {
        if (isLocation(open) && location.trim() !== '') urls.push(location.trim())
        open.pop()
        if (open.length === 0) isClosed = !isImplied
      },
    },
    { xmlMode: true, decodeEntities: true },
  )
  parser.end(text)
  if (kind === null) throw new WindlassError('invalid', `${name} is no sitemap: expected <urlset> or <sitemapindex>, found ${JSON.stringify(text.slice(0, 60))}`, { path: name })
  // Half a sitemap would look like half of the pages were deleted.
  if (!isClosed) throw new WindlassError('unavailable', `${name} breaks off before </${kind as string}>`, { path: name })
  return { kind, urls }
}

/** `<url><loc>` and `<sitemap><loc>`, and not the `<image:loc>` of extensions. */
function isLocation(open: readonly string[]): boolean {
  return open.length === 3 && open[2] === 'loc' && (open[1] === 'url' || open[1] === 'sitemap')
}

function localName(tag: string): string {
  return tag.slice(tag.indexOf(':') + 1).toLowerCase()
}

function parseList(text: string, name: string): Sitemap {
  const urls = text.split(/\r?\n/).map((each) => each.trim()).filter((each) => each !== '')
  const wrong = urls.find((url) => !/^https?:\/\//i.test(url))
  if (wrong !== undefined || urls.length === 0) throw new WindlassError('invalid', `${name} is no sitemap: expected XML, or a URL a line, found ${JSON.stringify((wrong ?? '').slice(0, 60))}`, { path: name })
  return { kind: 'urlset', urls }
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b
}

function unzipped(bytes: Uint8Array, name: string): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: sitemapBytesMax })
  } catch (error) {
    throw new WindlassError('invalid', `${name} cannot be unzipped: ${messageOf(error)}`, { path: name, cause: error })
  }
}
