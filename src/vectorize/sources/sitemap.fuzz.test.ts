import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toUtf8 } from '../../base/bytes.ts'
import { isWindlassError } from '../../base/errors.ts'
import { parseSitemap } from './sitemap.ts'

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
const documentOf = (urls: readonly string[]) => `<?xml version="1.0"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n${urls.map((url) => `<url><loc>${escaped(url)}</loc><lastmod>2025-01-01</lastmod></url>\n`).join('')}</urlset>\n`
const urls = fc.array(fc.webUrl({ withQueryParameters: true }), { maxLength: 20 })

test('the URLs that were written are read, gzipped or not', () => {
  fc.assert(
    fc.property(urls, fc.boolean(), (written, isZipped) => {
      const bytes = toUtf8(documentOf(written))
      expect(parseSitemap(isZipped ? gzipSync(bytes) : bytes, 'sitemap')).toEqual({ kind: 'urlset', urls: written })
    }),
  )
})

test('a sitemap that breaks off anywhere is an error, not a shorter one', () => {
  fc.assert(
    fc.property(urls, fc.nat(), fc.boolean(), (written, at, isZipped) => {
      const whole = toUtf8(documentOf(written).trimEnd())
      const bytes = isZipped ? gzipSync(whole) : whole
      try {
        expect(parseSitemap(bytes.subarray(0, at % bytes.length), 'sitemap')).toBe('refused')
      } catch (error) {
        if (!isWindlassError(error, 'invalid', 'unavailable')) throw error
      }
    }),
  )
})
