import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { detectFormat } from './detect.ts'
import { parseDocument } from './document.ts'
import { formats, type DocumentFormat } from './formats.ts'
import { fileOf, parseFile } from './testing.ts'

const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../../test/fixtures/documents', name))

// A file of each format that says "windlass" somewhere. A new format does not compile without one.
const examples: Record<DocumentFormat, { name: string; content: string | Uint8Array }> = {
  text: { name: 'a.txt', content: 'a windlass' },
  markdown: { name: 'a.md', content: '# Deck\n\na *windlass*' },
  html: { name: 'a.html', content: '<p>a windlass' },
  pdf: { name: 'a.pdf', content: fixture('handbook.pdf') },
  docx: { name: 'a.docx', content: fixture('manual.docx') },
  csv: { name: 'a.csv', content: 'name,use\nwindlass,haul\n' },
  json: { name: 'a.json', content: '{"name": "windlass"}' },
  jsonl: { name: 'a.jsonl', content: '{"name": "windlass"}\n' },
  code: { name: 'a.py', content: 'def windlass(): pass\n' },
}

describe.each(formats)('$format', ({ format, extensions, contentTypes, magic }) => {
  const { name, content } = examples[format]

  test('its example is recognized and read', async () => {
    const document = await parseFile(name, content)
    expect(document.format).toBe(format)
    expect(document.blocks.map((block) => block.text).join('\n')).toContain('windlass')
  })

  test('every extension and content type leads to it', () => {
    const head = new TextEncoder().encode(magic ?? 'text')
    for (const extension of extensions)
      expect(detectFormat(`dir/file.${extension.toUpperCase()}`, undefined, head)).toBe(format)
    for (const contentType of contentTypes)
      expect(detectFormat('https://example.com/x', `${contentType}; charset=utf-8`, head)).toBe(format)
  })

  test('belongs to one row only', () => {
    for (const other of formats) {
      if (other.format === format) continue
      expect(other.extensions.filter((extension) => extensions.includes(extension))).toEqual([])
      expect(other.contentTypes.filter((contentType) => contentTypes.includes(contentType))).toEqual([])
    }
  })
})

test.each(formats.filter(({ reads }) => reads === 'whole'))(
  '$format is limited in size, whether the size is known before or not',
  async ({ format }) => {
    const { name, content } = examples[format]
    await expect(parseFile(name, content, { wholeFileBytesMax: 4 })).rejects.toMatchObject({
      kind: 'too-large',
      message: expect.stringContaining('4'),
    })
    const { size: _, ...input } = fileOf(name, content, 3)
    await expect(parseDocument(input, { wholeFileBytesMax: 4 })).rejects.toMatchObject({ kind: 'too-large' })
  },
)

test.each(formats.filter(({ reads }) => reads === 'stream'))(
  '$format is read in parts of any size with the same result',
  async ({ format }) => {
    const { name, content } = examples[format]
    const whole = await parseFile(name, content)
    expect((await parseFile(name, content, { partBytes: 1, wholeFileBytesMax: 4 })).blocks).toEqual(whole.blocks)
  },
)
