import { expect, test } from 'vitest'
import { toUtf8 } from '../../../base/bytes.ts'
import { filenameOf, markerOf } from './filename.ts'

const name = (path: string, { contentType, start = toUtf8('plain text') }: { contentType?: string; start?: Uint8Array } = {}) =>
  filenameOf({ path, sha256: '', sizeBytes: 1, metadata: {}, ...(contentType !== undefined && { contentType }) }, { marker: '.windlass-0', nonce: '1', start }).filename

test.each([
  ['guide/install.md', 'install.windlass-01.md'],
  ['Report.PDF', 'Report.windlass-01.pdf'],
  ['page.htm', 'page.htm.windlass-01.html'],
  ['notes.mdx', 'notes.mdx.windlass-01.md'],
  ['app.tsx', 'app.tsx.windlass-01.ts'],
  ['table.csv', 'table.csv.windlass-01.txt'],
  ['config.yaml', 'config.yaml.windlass-01.txt'],
  ['README', 'README.windlass-01.txt'],
  ['.gitignore', 'gitignore.windlass-01.txt'],
  ['עברית/文 1.md', '文 1.windlass-01.md'],
  ['a"b\r\n*.md', 'a_b___.windlass-01.md'],
  [`${'🎉é'.repeat(100)}.md`, `${'_é'.repeat(40)}.windlass-01.md`],
  ['https://example.com/docs/page.html?x=a.b#c/d.e', 'page.windlass-01.html'],
  ['https://example.com/', 'file.windlass-01.txt'],
])('%s is uploaded as %s', (path, expected) => {
  expect(name(path)).toBe(expected)
})

test('text is told from what is not by its bytes, and by its content type', () => {
  const zeros = Uint8Array.of(80, 75, 0, 0)
  expect(() => name('image.png', { start: zeros })).toThrow(/image\.png: neither text/)
  expect(() => name('broken.md', { start: zeros })).toThrow(/neither text/)
  expect(name('a.docx', { start: zeros })).toBe('a.windlass-01.docx')
  expect(name('download', { start: zeros, contentType: 'application/pdf' })).toBe('download.windlass-01.pdf')
  expect(name('page', { contentType: 'Text/HTML; charset=utf-8' })).toBe('page.windlass-01.html')
  expect(name('utf16.log', { start: Uint8Array.of(0xff, 0xfe, 65, 0) })).toBe('utf16.log.windlass-01.txt')
})

test('the marker tells vectorizers and vector stores apart', () => {
  expect(markerOf('a', 'vs_1')).toMatch(/^\.windlass-[0-9a-f]{8}$/)
  expect(new Set([markerOf('a', 'vs_1'), markerOf('a', 'vs_2'), markerOf('b', 'vs_1')]).size).toBe(3)
})
