import { describe, expect, test } from 'vitest'
import { toUtf8, utf8Length } from '../base/bytes.ts'
import { chunkKey, parseDocument } from './document.ts'
import { parseFile } from './testing.ts'

describe('detection', () => {
  const formatOf = async (name: string, content: string, contentType?: string) =>
    (await parseFile(name, content, contentType === undefined ? {} : { contentType })).format

  test('extension, then content type, then the text itself', async () => {
    expect(await formatOf('a.md', '<html>')).toBe('markdown')
    expect(await formatOf('a.md', 'x', 'text/html')).toBe('markdown')
    expect(await formatOf('notes', 'x', 'text/html; charset=utf-8')).toBe('html')
    expect(await formatOf('notes', '\n <!DOCTYPE html><p>x')).toBe('html')
    expect(await formatOf('README', 'x')).toBe('text')
    expect(await formatOf('dir.md/Makefile', 'x:\n')).toBe('code')
    expect(await formatOf('a.csv', 'x', 'text/plain')).toBe('csv')
  })

  test('a web address goes by its content type and not by its query', async () => {
    expect(await formatOf('https://example.com/page.php?file=x.pdf', '<p>x', 'text/html')).toBe('html')
    expect(await formatOf('https://example.com/a.md?raw=1#top', '# x')).toBe('markdown')
  })

  test('magic bytes overrule the extension, and a format must begin with its own', async () => {
    await expect(parseFile('a.txt', '%PDF-1.7 nonsense')).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('damaged'),
    })
    await expect(parseFile('a.pdf', 'just text')).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('is not pdf'),
    })
    await expect(parseFile('a.docx', 'PK\x03\x04')).rejects.toMatchObject({ kind: 'invalid' })
  })

  test.each([
    ['zero bytes', new Uint8Array([0x61, 0x00, 0x62, 0x63]), 'byte 1 is zero'],
    ['a picture', new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), 'PNG'],
    ['gzip', new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0]), 'gzip'],
    ['control characters', Uint8Array.from({ length: 200 }, (_, i) => 1 + (i % 8)), 'control characters'],
  ])('%s are not text, and the error names what is', async (_, bytes, why) => {
    await expect(parseFile('a.txt', bytes)).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringMatching(new RegExp(`${why}.*text, markdown, html, pdf, docx, csv, json, jsonl, code`)),
    })
  })

  test('a note that begins like a binary file is still text', async () => {
    expect(await formatOf('a.txt', 'ID3 tags explained')).toBe('text')
    expect(await formatOf('a.txt', 'RIFFs of the south')).toBe('text')
  })

  test('an unknown format is refused', async () => {
    await expect(parseFile('a.txt', 'x', { format: 'rtf' as 'text' })).rejects.toMatchObject({
      kind: 'invalid',
      details: { path: 'format' },
    })
  })
})

test('an empty file has no blocks in any streamed format', async () => {
  for (const name of ['a.txt', 'a.md', 'a.csv', 'a.jsonl', 'a.py', 'a.html'])
    expect((await parseFile(name, '')).blocks).toEqual([])
})

test('the source is closed when parsing fails, and when the reader stops early', async () => {
  let closed = 0
  const input = (name: string, text: string) => ({
    name,
    open: async function* () {
      try {
        for (;;) yield toUtf8(text.repeat(100_000))
      } finally {
        closed++
      }
    },
  })
  await expect(parseDocument(input('a.png', '\x00'))).rejects.toMatchObject({ kind: 'invalid' })
  expect(closed).toBe(1)
  const { blocks } = await parseDocument(input('a.txt', 'line\n\n'))
  for await (const _ of blocks) break
  expect(closed).toBe(2)
})

describe('chunkKey', () => {
  const hash = 'ab'.repeat(32)

  test('names document, index and text', () => {
    expect(chunkKey('dir/a.md', 3, hash)).toBe('dir/a.md#3-abababababababab')
  })

  test('is bounded for any document key, and two keys never share one', () => {
    const long = 'é'.repeat(440)
    expect(chunkKey(long, 0, hash)).toBe(`${long}#0-abababababababab`)
    const keys = [
      long,
      long + 'a',
      long + 'b',
      long.slice(0, 439) + '😀a',
      long.slice(0, 439) + '😀b',
      'x'.repeat(5000),
    ].map((key) => chunkKey(key, Number.MAX_SAFE_INTEGER, hash))
    expect(new Set(keys).size).toBe(keys.length)
    for (const key of keys) {
      expect(utf8Length(key)).toBeLessThanOrEqual(979)
      expect(key).not.toMatch(/\p{Cs}/u)
    }
    // The replaced form is longer than any key that is kept as it is.
    const replaced = keys[1]!.slice(0, keys[1]!.lastIndexOf('#'))
    expect(chunkKey(replaced, 0, hash).startsWith(`${replaced}#`)).toBe(false)
  })
})
