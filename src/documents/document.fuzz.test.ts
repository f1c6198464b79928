import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isWindlassError } from '../base/errors.ts'
import type { DocumentFormat } from './formats.ts'
import { chunkBlocks, countWords, parseFile } from './testing.ts'

const fixture = (name: string) =>
  new Uint8Array(readFileSync(join(import.meta.dirname, '../../test/fixtures/documents', name)))
const utf8 = (text: string) => new TextEncoder().encode(text)

const originals: Record<DocumentFormat, Uint8Array> = {
  text: utf8('One two. Three é 漢字.\r\n\r\nFour 😀 five.\n'),
  markdown: utf8(
    '---\ntitle: a\n---\n# H\n\n- a\n  - b\n\n| a | b |\n|-|-|\n| c | d |\n\n```js\nx\n```\n> q\n\n<p>html</p>\n[l](u) ![i](u) **b**\n',
  ),
  html: utf8(
    '<!doctype html><title>t</title><h1>H</h1><p>a &amp; b<ul><li>x</ul><table><tr><th>a<tr><td>b</table><pre> c</pre><script>s</script>',
  ),
  pdf: fixture('handbook.pdf'),
  docx: fixture('manual.docx'),
  csv: utf8('a,b\n"1 ""x""\n2",3\n4,5\n'),
  json: utf8('{"a": [{"b": 1}, {"c": "d"}], "e": null}'),
  jsonl: utf8('{"a": 1}\n{"b": ["c"]}\n'),
  code: utf8('// c\nfunction a() {\n  b()\n\n  c()\n}\n\nconst d = 1\n'),
}
const names: Record<DocumentFormat, string> = {
  text: 'a.txt',
  markdown: 'a.md',
  html: 'a.html',
  pdf: 'a.pdf',
  docx: 'a.docx',
  csv: 'a.csv',
  json: 'a.json',
  jsonl: 'a.jsonl',
  code: 'a.js',
}

type Damage = { readonly at: number; readonly how: 'flip' | 'cut' | 'insert' | 'repeat'; readonly bytes: Uint8Array }

const damages = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    how: fc.constantFrom('flip', 'cut', 'insert', 'repeat'),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
  }),
  { minLength: 1, maxLength: 4 },
)

function damage(original: Uint8Array, { at, how, bytes }: Damage): Uint8Array {
  const index = Math.min(original.length - 1, Math.floor(at * original.length))
  if (index < 0) return bytes
  if (how === 'cut') return original.slice(0, index)
  if (how === 'flip') return original.map((byte, i) => (i === index ? byte ^ (bytes[0]! || 1) : byte))
  const inserted = how === 'insert' ? bytes : original.subarray(index, index + bytes.length * 16)
  return new Uint8Array(Buffer.concat([original.subarray(0, index), inserted, original.subarray(index)]))
}

/** Reads to the end, or fails the way it may. */
async function readOrRefuse(name: string, bytes: Uint8Array): Promise<void> {
  try {
    const { blocks } = await parseFile(name, bytes, { partBytes: 1000 })
    for (const chunk of await chunkBlocks(blocks, { tokensMax: 16, overlapTokens: 4 })) {
      expect(chunk.text.trim()).not.toBe('')
      expect(chunk.tokenCount).toBe(countWords(chunk.embeddingText))
      if (chunk.byteStart !== undefined) expect(chunk.byteEnd).toBeLessThanOrEqual(bytes.length)
    }
  } catch (error) {
    if (!isWindlassError(error, 'invalid', 'too-large', 'unsupported')) throw error
    expect(error.message).toMatch(/^[^.]/)
  }
}

test.each(Object.keys(originals) as DocumentFormat[])(
  '%s: damaged files end in text or in a typed error',
  async (format) => {
    await fc.assert(
      fc.asyncProperty(damages, async (damages) => {
        await readOrRefuse(
          names[format],
          damages.reduce((bytes, one) => damage(bytes, one as Damage), originals[format]),
        )
      }),
      { numRuns: format === 'pdf' || format === 'docx' ? 60 : 200 },
    )
  },
)

test('foreign bytes under any name end in text or in a typed error', async () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.constantFrom(...Object.values(originals)),
    fc.string({ unit: 'binary' }).map(utf8),
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...Object.values(names), 'a.exe', 'a', 'https://a/b?c'), content, readOrRefuse),
    { numRuns: 300 },
  )
})

test.each([
  ['nested quotations', 'a.md', '>'.repeat(20_000) + ' x'],
  ['nested lists', 'a.md', Array.from({ length: 3000 }, (_, i) => ' '.repeat(i) + '- x').join('\n')],
  ['open brackets', 'a.md', '['.repeat(50_000)],
  ['open images', 'a.md', '![['.repeat(20_000)],
  ['stars', 'a.md', '*a_ '.repeat(20_000)],
  ['backticks', 'a.md', Array.from({ length: 600 }, (_, i) => '`'.repeat(i)).join(' ')],
  ['open links', 'a.md', '[a](<b'.repeat(20_000)],
  ['open tags', 'a.md', '<a x="'.repeat(20_000)],
  ['open comments', 'a.md', '<!-- '.repeat(20_000)],
  ['entities', 'a.md', '&'.repeat(100_000)],
  ['table delimiters', 'a.md', '|'.repeat(20_000) + '\n' + '|-'.repeat(20_000)],
  ['references', 'a.md', '[a]: b\n'.repeat(20_000)],
  ['open elements', 'a.html', '<p><b><table><tr><td><ul><li>'.repeat(20_000)],
  ['closed elements', 'a.html', '</p></table></ul>'.repeat(50_000)],
  ['attributes', 'a.html', `<p ${'a '.repeat(100_000)}>x`],
  ['quotes', 'a.csv', '"'.repeat(200_000)],
  ['delimiters', 'a.csv', ','.repeat(200_000)],
  ['combining marks', 'a.txt', 'a' + '\u0301'.repeat(200_000)],
  ['flags', 'a.txt', '🇨🇭'.repeat(50_000)],
  ['blank lines', 'a.py', '\n'.repeat(200_000)],
])('%s without end are read in a moment', { timeout: 20_000 }, async (_, name, text) => {
  await readOrRefuse(name, utf8(text))
})
