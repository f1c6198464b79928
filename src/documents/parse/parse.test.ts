import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { strToU8, zipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { parseFile } from '../testing.ts'
import { PageReader, type TextItem } from './pdf-page.ts'

const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../../../test/fixtures/documents', name))
const short = (blocks: readonly { kind: string; text: string; headingPath: readonly string[] }[]) =>
  blocks.map(({ kind, text, headingPath }) => [kind, text, headingPath.join('/')])

describe('text', () => {
  test('paragraphs are runs of lines, with their places', async () => {
    const { blocks } = await parseFile('a.txt', '\n one\ntwo\r\n\r\n \nthree')
    expect(blocks).toEqual([
      {
        kind: 'paragraph',
        text: ' one\ntwo',
        headingPath: [],
        lineStart: 2,
        lineEnd: 3,
        byteStart: 1,
        byteEnd: 9,
        verbatim: true,
      },
      {
        kind: 'paragraph',
        text: 'three',
        headingPath: [],
        lineStart: 6,
        lineEnd: 6,
        byteStart: 15,
        byteEnd: 20,
        verbatim: true,
      },
    ])
  })

  test('a paragraph without end is cut at a line', async () => {
    const { blocks } = await parseFile('a.txt', 'line of words\n'.repeat(10_000))
    expect(blocks.length).toBeGreaterThan(3)
    expect(blocks.map((block) => block.text).join('\n')).toBe('line of words\n'.repeat(10_000).trimEnd())
  })
})

describe('markdown', () => {
  test('CommonMark and GitHub tables, without markup', async () => {
    const { title, blocks } = await parseFile(
      'a.md',
      '# Deck *manual*\n\nSee [ropes](x.md) and `code`.<br>![a knot](k.png)\n\nSetext\n---\n\n1. one\n2. two\n   - deep\n\n       verbatim\n\n> quoted\n> # not ours\n\n| A | B |\n|:-|-:|\n| 1 | |\n',
    )
    expect(title).toBe('Deck manual')
    expect(short(blocks)).toEqual([
      ['heading', 'Deck manual', 'Deck manual'],
      ['paragraph', 'See ropes and code.\na knot', 'Deck manual'],
      ['heading', 'Setext', 'Deck manual/Setext'],
      ['list', '1. one', 'Deck manual/Setext'],
      ['list', '2. two\n  - deep\n    verbatim', 'Deck manual/Setext'],
      ['paragraph', 'quoted', 'Deck manual/Setext'],
      ['paragraph', 'not ours', 'Deck manual/Setext'],
      ['table', 'A: 1', 'Deck manual/Setext'],
    ])
  })

  test('fenced code keeps its lines and its place, and hides headings', async () => {
    const { blocks } = await parseFile('a.md', 'text\n\n```sh\n# not a heading\n\n  ls\n```\n')
    expect(blocks[1]).toEqual({
      kind: 'code',
      text: '# not a heading\n\n  ls',
      headingPath: [],
      lineStart: 4,
      lineEnd: 6,
      byteStart: 12,
      byteEnd: 33,
      verbatim: true,
    })
    expect((await parseFile('a.md', '> ```\n> x\n> ```\n')).blocks).toEqual([
      { kind: 'code', text: 'x', headingPath: [], lineStart: 2, lineEnd: 2, byteStart: 6, byteEnd: 9 },
    ])
  })

  test('HTML blocks are read as HTML', async () => {
    const { blocks } = await parseFile(
      'a.md',
      '<h1 align="center">Deck</h1>\n<p>A <b>bold</b> text</p>\n\n<script>x()</script>\n\nbelow',
    )
    expect(short(blocks)).toEqual([
      ['heading', 'Deck', 'Deck'],
      ['paragraph', 'A bold text', 'Deck'],
      ['paragraph', 'below', 'Deck'],
    ])
  })

  test('front matter gives the title and is not text; a rule is no front matter', async () => {
    expect(await parseFile('a.md', '---\ntitle: "Deck: all"\ntags:\n  - a\n---\n\ntext')).toMatchObject({
      title: 'Deck: all',
      blocks: [{ text: 'text', lineStart: 7 }],
    })
    expect(
      short((await parseFile('a.md', '---\nSome prose here.\n\n---\nmore')).blocks).map(([, text]) => text),
    ).toEqual(['Some prose here.', 'more'])
  })

  test('a large file is read in pieces that change nothing', async () => {
    const section = (i: number) =>
      `## Section ${i}\n\n${`Words of section ${i}. `.repeat(40)}\n\n\`\`\`\n# fenced ${i}\n\`\`\`\n\n`
    const source = '# Top\n\n' + Array.from({ length: 3000 }, (_, i) => section(i)).join('')
    expect(source.length).toBeGreaterThan(2_000_000)
    const { blocks } = await parseFile('a.md', source, { partBytes: 10_007 })
    expect(blocks).toHaveLength(1 + 3 * 3000)
    const bytes = Buffer.from(source)
    for (const block of blocks.slice(1).filter((block) => block.verbatim))
      expect(bytes.toString('utf8', block.byteStart, block.byteEnd)).toBe(block.text)
    expect(blocks[blocks.length - 1]).toMatchObject({ text: '# fenced 2999', headingPath: ['Top', 'Section 2999'] })
  })

  test('a heading too long to repeat in every passage is text', async () => {
    expect((await parseFile('a.md', `# ${'long '.repeat(100)}\n\ntext`)).blocks).toMatchObject([
      { kind: 'paragraph' },
      { kind: 'paragraph', headingPath: [] },
    ])
  })
})

describe('html', () => {
  const page = `<!doctype html><html lang="en-GB"><head><title>Harbour &amp; deck</title><style>p{}</style></head><body>
<nav><a href="/">Home</a> and more</nav><div role="navigation">Menu</div><div hidden>gone</div><script>var a = "<p>no</p>"</script>
<main><h1>Anchors</h1>
<p>Salt &lt;spray&gt; &eacute;  and
<b>bold</b><br>next</p>text outside<ul><li>one<ul><li>two</ul><li>three</ul>
<pre>
  keep
    this</pre>
<table><tr><th>Name<th>Weight</tr><tr><td>Bower<td><p>300 kg</p></tr></table>
<h2>Ropes</h2>last</main><footer>imprint</footer></body>`

  test('text in order, without scripts, navigation and what is hidden', async () => {
    const { title, language, blocks } = await parseFile('a.html', page)
    expect({ title, language }).toEqual({ title: 'Harbour & deck', language: 'en-GB' })
    expect(short(blocks)).toEqual([
      ['heading', 'Anchors', 'Anchors'],
      ['paragraph', 'Salt <spray> é and bold\nnext', 'Anchors'],
      ['paragraph', 'text outside', 'Anchors'],
      ['list', '- one', 'Anchors'],
      ['list', '  - two', 'Anchors'],
      ['list', '- three', 'Anchors'],
      ['code', '  keep\n    this', 'Anchors'],
      ['table', 'Name: Bower | Weight: 300 kg', 'Anchors'],
      ['heading', 'Ropes', 'Anchors/Ropes'],
      ['paragraph', 'last', 'Anchors/Ropes'],
    ])
  })

  test('places are those in the source', async () => {
    const bytes = Buffer.from(page)
    const { blocks } = await parseFile('a.html', page)
    expect(bytes.toString('utf8', blocks[1]!.byteStart, blocks[1]!.byteEnd)).toMatch(/^Salt &lt;.*next$/s)
    expect(blocks[1]).toMatchObject({ lineStart: 4, lineEnd: 5 })
    expect(bytes.toString('utf8', blocks[9]!.byteStart, blocks[9]!.byteEnd)).toBe('last')
  })

  test('a table that lays out the page is read as what it holds', async () => {
    const { blocks } = await parseFile(
      'a.html',
      '<table><tr><td><h1>Site</h1><p>One.</p><table><tr><td>Two.</td></tr></table><p>Three.</p></td></tr></table>After',
    )
    expect(short(blocks)).toEqual([
      ['heading', 'Site', 'Site'],
      ['paragraph', 'One.', 'Site'],
      ['paragraph', 'Two.', 'Site'],
      ['paragraph', 'Three.', 'Site'],
      ['paragraph', 'After', 'Site'],
    ])
  })

  test('depth is limited where it would take minutes', async () => {
    expect((await parseFile('a.html', '<div>'.repeat(4000) + 'deep')).blocks).toMatchObject([{ text: 'deep' }])
    await expect(parseFile('a.html', '<div>'.repeat(5000))).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('4096'),
    })
  })
})

describe('csv', () => {
  const rowsOf = async (text: string, name = 'a.csv') => (await parseFile(name, text)).blocks.map((block) => block.text)

  test('RFC 4180: quotes, doubled quotes, delimiters and line ends in values', async () => {
    const { blocks } = await parseFile(
      'a.csv',
      'name,note\r\n"Bower, big","says ""hi""\r\nand more"\r\nKedge,5" rope\r\n',
    )
    expect(blocks).toEqual([
      {
        kind: 'row',
        text: 'name: Bower, big\nnote: says "hi" and more',
        headingPath: [],
        lineStart: 2,
        lineEnd: 3,
        byteStart: 11,
        byteEnd: 47,
      },
      {
        kind: 'row',
        text: 'name: Kedge\nnote: 5" rope',
        headingPath: [],
        lineStart: 4,
        lineEnd: 4,
        byteStart: 49,
        byteEnd: 62,
      },
    ])
  })

  test.each([
    ['tabs', 'a\tb\n1\t2,5\n'],
    ['semicolons', 'a;b\n1;2,5\n'],
    ['bars', 'a|b\n1|2,5\n'],
  ])('%s', async (_, text) => {
    expect(await rowsOf(text)).toEqual(['a: 1\nb: 2,5'])
  })

  test('a first row that is data is data; empty values are left out; extra ones have a number', async () => {
    expect(await rowsOf('1,Bower\n2,\n')).toEqual(['column 1: 1\ncolumn 2: Bower', 'column 1: 2'])
    expect(await rowsOf('a,b\n1,2,3\n')).toEqual(['a: 1\nb: 2\ncolumn 3: 3'])
  })

  test('a quotation that never closes ends at its bound, and rows go on', async () => {
    const rows = await rowsOf(`a,b\n1,"open\n${'2,fine\n'.repeat(20_000)}`)
    expect(rows.length).toBeGreaterThan(5_000)
    expect(rows[rows.length - 1]).toBe('a: 2\nb: fine')
  })

  test('a row of any length comes in parts that know their columns', async () => {
    const rows = await rowsOf('a,b,c\n' + `${'x '.repeat(50_000)},${'y '.repeat(50_000)},z\n1,2,3\n`)
    expect(rows[rows.length - 1]).toBe('a: 1\nb: 2\nc: 3')
    expect(rows[rows.length - 2]).toMatch(/^b: y[^\n]*\nc: z$/)
    expect(rows.join(' ').match(/\bx\b/g)).toHaveLength(50_000)
  })
})

describe('json', () => {
  test('a record for each item, each line with its path', async () => {
    const { title, blocks } = await parseFile(
      'a.json',
      '{"title": "Deck", "n": 0, "none": null, "anchors": [{"name": "Bower", "uses": ["haul", "hold"], "__proto__": {"x": false}}, {"name": "Kedge"}]}',
    )
    expect(title).toBe('Deck')
    expect(blocks.map((block) => block.text)).toEqual([
      'title: Deck',
      'n: 0',
      'anchors.name: Bower\nanchors.uses: haul, hold\nanchors.__proto__.x: false',
      'anchors.name: Kedge',
    ])
    expect((await parseFile('a.json', '[1, "two", [], {}]')).blocks.map((block) => block.text)).toEqual(['1', 'two'])
  })

  test('what is not JSON, and what is nested without end, is named', async () => {
    await expect(parseFile('a.json', '{"a": ')).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('a.json is not JSON'),
    })
    await expect(parseFile('a.json', '['.repeat(5000) + ']'.repeat(5000))).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('deeper than 100'),
    })
  })

  test('lines of JSON have places; a broken one is named', async () => {
    const { blocks } = await parseFile('a.jsonl', '{"a": 1}\n\n{"b": "é"}\n')
    expect(blocks[1]).toEqual({
      kind: 'record',
      text: 'b: é',
      headingPath: [],
      lineStart: 3,
      lineEnd: 3,
      byteStart: 10,
      byteEnd: 21,
    })
    await expect(parseFile('a.jsonl', '{"a": 1}\n{"b"\n')).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('line 2'),
    })
  })

  test('a record longer than a piece is whole; one over the limit is refused', async () => {
    const long = 'word '.repeat(30_000).trim()
    expect((await parseFile('a.jsonl', `{"a": "${long}"}\n`)).blocks).toMatchObject([{ text: `a: ${long}` }])
    await expect(parseFile('a.jsonl', `{"a": "${'x'.repeat(17 * 1024 * 1024)}"}`)).rejects.toMatchObject({
      kind: 'too-large',
    })
  })
})

describe('code', () => {
  test('a definition has its comments and decorators', async () => {
    const { language, blocks } = await parseFile(
      'src/a.py',
      'import os\nimport sys\n\n# Hauls.\n@cached\ndef haul(x):\n    if x:\n\n        return 1\n    else:\n        return 2\nclass Rope:\n    pass\n',
    )
    expect(language).toBe('python')
    expect(blocks.map(({ text, lineStart, lineEnd }) => [text.split('\n')[0], lineStart, lineEnd])).toEqual([
      ['import os', 1, 2],
      ['# Hauls.', 4, 11],
      ['class Rope:', 12, 13],
    ])
  })

  test('what closes a definition belongs to it', async () => {
    const { blocks } = await parseFile('a.go', 'func a() {\n\tx()\n}\n\nfunc b(\n\ty int,\n) {\n\n\tz()\n}\n')
    expect(blocks.map((block) => block.text)).toEqual(['func a() {\n\tx()\n}', 'func b(\n\ty int,\n) {\n\n\tz()\n}'])
  })
})

describe('pdf', () => {
  test('pages, paragraphs and larger print', async () => {
    const { title, blocks } = await parseFile('a.pdf', fixture('handbook.pdf'))
    expect(title).toBe('Harbour handbook')
    expect(blocks).toMatchObject([
      { kind: 'heading', text: 'Anchors', page: 1, headingPath: ['Anchors'] },
      {
        kind: 'paragraph',
        text: 'The windlass hauls the anchor where the harbour is too deep for hands. '.repeat(3).trim(),
        page: 1,
        headingPath: ['Anchors'],
      },
      {
        kind: 'paragraph',
        text: 'Ropes wear, and a careful bosun checks them at every change of the watch. '.repeat(3).trim(),
        page: 1,
      },
      { kind: 'heading', text: 'Ropes', page: 2, headingPath: ['Ropes'] },
      { kind: 'paragraph', text: 'Kedge anchors weigh 80 kg.', page: 2, headingPath: ['Ropes'] },
    ])
  })

  test('does not take the bytes away from their owner, nor leave globals behind', async () => {
    const bytes = fixture('handbook.pdf')
    const before = bytes.length
    const globals = Object.keys(globalThis)
    await parseFile('a.pdf', bytes)
    expect(bytes.length).toBe(before)
    expect(
      ['DOMMatrix', 'ImageData', 'Path2D', 'navigator'].filter((name) => name in globalThis && !globals.includes(name)),
    ).toEqual([])
  })

  test('rows of dots are shortened, and lines of a table of contents are no headings', async () => {
    const line = (str: string, y: number, height: number): TextItem => ({
      str,
      transform: [height, 0, 0, height, 0, y],
      width: 300,
      height,
      hasEOL: true,
    })
    const items = [
      line('1 Anchors . . . . . . . . . 12', 700, 14),
      line('Anchors', 600, 14),
      line('plain-', 500, 10),
      line('ly text', 488, 10),
      line('far below', 460, 10),
      line('next column', 700, 10),
      line('8', 20, 10),
    ]
    expect(short([...new PageReader(10).read(items, 1)])).toEqual([
      ['paragraph', '1 Anchors … 12', ''],
      ['heading', 'Anchors', 'Anchors'],
      ['paragraph', 'plainly text', 'Anchors'],
      ['paragraph', 'far below', 'Anchors'],
      ['paragraph', 'next column', 'Anchors'],
    ])
  })

  test.each([
    ['encrypted.pdf', 'is encrypted'],
    ['no-text.pdf', 'has no text layer'],
  ])('%s', async (name, message) => {
    await expect(parseFile(name, fixture(name))).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining(message),
    })
  })
})

describe('docx', () => {
  test('styles make headings and lists; tables; neither deleted nor hidden text', async () => {
    const { title, blocks } = await parseFile('a.docx', fixture('manual.docx'))
    expect(title).toBe('Deck manual')
    expect(short(blocks)).toEqual([
      ['heading', 'Deck manual', 'Deck manual'],
      ['heading', 'Anchors', 'Deck manual/Anchors'],
      ['paragraph', 'The windlass hauls the anchor where the harbour is too deep for hands.', 'Deck manual/Anchors'],
      ['list', '- Bower', 'Deck manual/Anchors'],
      ['list', '- Kedge', 'Deck manual/Anchors'],
      ['heading', 'Weights', 'Deck manual/Anchors/Weights'],
      ['table', 'Name: Bower | Weight: 300 kg\nName: Kedge | Weight: 80 kg', 'Deck manual/Anchors/Weights'],
      ['paragraph', 'Salt & <spray> in עברית and 漢字', 'Deck manual/Anchors/Weights'],
      ['paragraph', 'Kept.', 'Deck manual/Anchors/Weights'],
    ])
  })

  const packed = (body: string, more: Record<string, string> = {}) =>
    zipSync({
      'word/document.xml': strToU8(body),
      ...Object.fromEntries(Object.entries(more).map(([name, xml]) => [name, strToU8(xml)])),
    })

  test('footnotes follow the paragraph that refers to them; text boxes are read once', async () => {
    const body =
      '<w:document><w:body><w:p><w:r><w:t>Main</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r></w:p><w:p><w:r><mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:r><w:t>Box</w:t></w:r></w:p></w:txbxContent></mc:Choice><mc:Fallback><w:p><w:r><w:t>Box</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent></w:r></w:p></w:body></w:document>'
    const notes =
      '<w:footnotes><w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>---</w:t></w:r></w:p></w:footnote><w:footnote w:id="2"><w:p><w:r><w:t>A note.</w:t></w:r></w:p></w:footnote></w:footnotes>'
    const { blocks } = await parseFile('a.docx', packed(body, { 'word/footnotes.xml': notes }))
    expect(blocks.map((block) => block.text)).toEqual(['Main', 'A note.', 'Box'])
  })

  test('entities that the file defines are not expanded', async () => {
    const { blocks } = await parseFile(
      'a.docx',
      packed(
        '<!DOCTYPE x [<!ENTITY a "boom"><!ENTITY b SYSTEM "file:///etc/passwd">]><w:document><w:body><w:p><w:r><w:t>1&a;2&b;3&amp;4</w:t></w:r></w:p></w:body></w:document>',
      ),
    )
    expect(blocks.map((block) => block.text)).toEqual(['1&a;2&b;3&4'])
  })

  test('a bomb is refused before it is unpacked', async () => {
    const bomb = packed(' '.repeat(50 * 1024 * 1024))
    expect(bomb.length).toBeLessThan(100_000)
    await expect(parseFile('a.docx', bomb)).rejects.toMatchObject({
      kind: 'too-large',
      message: expect.stringContaining('1:250'),
    })
  })

  test('a body without end, and another kind of archive, are refused', async () => {
    await expect(
      parseFile('a.docx', packed('<w:document><w:body><w:p><w:r><w:t>x</w:t></w:r></w:p>')),
    ).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('damaged') })
    await expect(parseFile('a.docx', zipSync({ 'xl/workbook.xml': strToU8('<x/>') }))).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('without word/document.xml'),
    })
  })
})
