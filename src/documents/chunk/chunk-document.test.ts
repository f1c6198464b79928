import { describe, expect, test } from 'vitest'
import type { Block } from '../document.ts'
import { chunkBlocks, countWords, parseFile } from '../testing.ts'

const words = (count: number, word = 'word') => Array.from({ length: count }, (_, i) => `${word}${i}`).join(' ')
const paragraph = (text: string, headingPath: string[] = []): Block => ({ kind: 'paragraph', text, headingPath })
const chunksOf = async (name: string, text: string, options = {}) =>
  chunkBlocks((await parseFile(name, text)).blocks, options)
const textsOf = async (name: string, text: string, options = {}) =>
  (await chunksOf(name, text, options)).map((chunk) => chunk.text)

describe('structure', () => {
  test('headings go into the path and what is embedded, not into the passage', async () => {
    const chunks = await chunksOf('a.md', '# Deck\n\n## Anchors\n\nHaul away.\n\n## Ropes\n\nCoil down.')
    expect(chunks).toMatchObject([
      {
        index: 0,
        text: 'Haul away.',
        embeddingText: 'Deck > Anchors\n\nHaul away.',
        headingPath: ['Deck', 'Anchors'],
        tokenCount: 7,
      },
      {
        index: 1,
        text: 'Coil down.',
        embeddingText: 'Deck > Ropes\n\nCoil down.',
        headingPath: ['Deck', 'Ropes'],
        tokenCount: 7,
      },
    ])
  })

  test('small neighbours of one section share a passage; sections do not', async () => {
    expect(await textsOf('a.md', 'a\n\nb\n\n# H\n\nc\n\nd')).toEqual(['a\n\nb', 'c\n\nd'])
  })

  test('two sections of the same name are two', async () => {
    expect(await textsOf('a.md', '# H\n\na\n\n# H\n\nb')).toEqual(['a', 'b'])
  })

  test('a heading without text of its own is not lost, and does not end a passage', async () => {
    expect(await textsOf('a.md', '# A\n\n## Empty\n\n## Full\n\ntext')).toEqual(['Empty\n\ntext'])
    expect(await chunksOf('a.md', '# A\n\ntext\n\n# Last\n\n## Leaf')).toMatchObject([
      { text: 'text' },
      { text: 'Leaf', headingPath: ['Last'] },
    ])
  })

  test('a passage rather ends with a paragraph than a sentence later', async () => {
    const [first] = await textsOf('a.txt', `${words(6, 'A')}. ${words(5, 'B')}.\n\n${words(4, 'C')}. ${words(9, 'D')}.`)
    expect(first).toBe(`${words(6, 'A')}. ${words(5, 'B')}.`)
  })

  test('wrapped lines are not sentences', async () => {
    expect(await textsOf('a.txt', 'One two\nthree four.\nFive six\nseven eight.', { tokensMax: 7 })).toEqual([
      'One two\nthree four.',
      'Five six\nseven eight.',
    ])
  })

  test('a long heading path gives way, outermost first, and the passage keeps two thirds', async () => {
    const chunks = await chunkBlocks([paragraph(words(40), [words(10, 'x'), 'Outer', 'Inner'])])
    expect(chunks.length).toBeLessThan(5)
    for (const chunk of chunks) {
      expect(chunk.embeddingText.startsWith('Outer > Inner\n\n')).toBe(true)
      expect(chunk.headingPath).toHaveLength(3)
      expect(chunk.tokenCount).toBeLessThanOrEqual(20)
    }
  })

  test('list items are lines, table rows name their columns', async () => {
    expect(await textsOf('a.md', '- a\n- b\n  - c\n')).toEqual(['- a\n- b\n  - c'])
    expect(
      await textsOf('a.md', '| Name | Weight |\n|-|-|\n| Bower | 300 kg |\n| Kedge | 80 kg |', { tokensMax: 8 }),
    ).toEqual(['Name: Bower | Weight: 300 kg', 'Name: Kedge | Weight: 80 kg'])
  })
})

describe('sentences of every script', () => {
  test.each([
    ['Chinese', '第一句话。第二句话。', ['第一句话。', '第二句话。']],
    ['Japanese', '船です。錨です！', ['船です。', '錨です！']],
    ['Hebrew', 'משפט ראשון. משפט שני.', ['משפט ראשון.', 'משפט שני.']],
    ['Arabic', 'هل هذا مرسى؟ نعم هو.', ['هل هذا مرسى؟', 'نعم هو.']],
    ['Hindi', 'यह नाव है। वह लंगर है।', ['यह नाव है।', 'वह लंगर है।']],
  ])('%s', async (_, text, sentences) => {
    const tokensMax = Math.max(...sentences.map((sentence) => [...sentence].length))
    expect(await textsOf('a.txt', text, { tokensMax, countTokens: (part: string) => [...part.trim()].length })).toEqual(
      sentences,
    )
  })
})

describe('what is too long', () => {
  test('is cut at white space', async () => {
    const texts = await textsOf('a.txt', words(100))
    expect(texts.join(' ')).toBe(words(100))
    expect(texts.length).toBeLessThan(8)
  })

  test('is never cut inside a character', async () => {
    const characters = ['e\u0301\u0323', '😀', '👩‍👩‍👧', 'कि', '각']
    const text = Array.from({ length: 200 }, (_, i) => characters[(i * 7) % 5]).join('')
    const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' })
    for (const tokensMax of [1, 2, 3, 7, 50]) {
      const texts = await textsOf('a.txt', text, { tokensMax, countTokens: (part: string) => part.length })
      expect(texts.join('')).toBe(text)
      for (const { segment } of texts.flatMap((part) => [...graphemes.segment(part)]))
        expect(characters).toContain(segment)
    }
  })

  test('a row cut in a value says its column again', async () => {
    const texts = await textsOf('a.csv', `name,notes\nAlice,${words(40)}\n`)
    expect(texts.length).toBeGreaterThan(2)
    expect(texts[0]).toMatch(/^name: Alice\nnotes: word0/)
    for (const text of texts.slice(1)) expect(text).toMatch(/^notes: word\d/)
  })

  test('a column name that would leave no room is not said again', async () => {
    const texts = await textsOf('a.csv', `name,${words(9, 'x')}\nAlice,${words(40, 'y')}\n`)
    expect(texts.slice(1).join(' ')).not.toContain('x0')
    expect(texts.length).toBeLessThanOrEqual(4)
  })

  test('code is cut between definitions, then at blank lines, before it is cut at lines', async () => {
    const code = 'function a() {\n  one two three four\n\n  five six seven eight\n}\n\nfunction b() {\n  nine\n}\n'
    expect(await textsOf('a.ts', code, { tokensMax: 15 })).toEqual([
      'function a() {\n  one two three four\n\n  five six seven eight\n}',
      'function b() {\n  nine\n}',
    ])
    expect(await textsOf('a.ts', code, { tokensMax: 9 })).toEqual([
      'function a() {\n  one two three four',
      '  five six seven eight\n}',
      'function b() {\n  nine\n}',
    ])
  })
})

describe('overlap', () => {
  const text = Array.from({ length: 12 }, (_, i) => `Sentence number ${i} ends.`).join(' ')

  test('the next passage begins with the last sentences of this one, as many as fit', async () => {
    const texts = await textsOf('a.txt', text, { overlapTokens: 9 })
    expect(texts[0]).toMatch(/number 3 ends\.$/)
    expect(texts[1]).toMatch(/^Sentence number 2 ends\. Sentence number 3 ends\. Sentence number 4 ends\./)
    expect(texts.every((part) => countWords(part) <= 20)).toBe(true)
  })

  test('is never all of the passage before', async () => {
    const path = ['a b c d e f']
    const chunks = await chunkBlocks(
      [paragraph('One two three four five six.', path), paragraph('Seven eight nine. Ten and so on and on.', path)],
      { overlapTokens: 10 },
    )
    expect(chunks.map((chunk) => chunk.text)).toEqual([
      'One two three four five six.',
      'Seven eight nine. Ten and so on and on.',
    ])
  })

  test('does not cross into another section, nor repeat rows', async () => {
    const [first, second] = await textsOf('a.md', '# A\n\nOne. Two.\n\n# B\n\nThree.', { overlapTokens: 9 })
    expect([first, second]).toEqual(['One. Two.', 'Three.'])
    const rows = await textsOf('a.csv', 'name,n\n' + Array.from({ length: 20 }, (_, i) => `row${i},${i}\n`).join(''), {
      overlapTokens: 9,
    })
    expect(rows.join('\n').match(/name: row3$/gm)).toHaveLength(1)
  })
})

describe('places', () => {
  test('line and byte range of each passage are those of its text', async () => {
    const source = '\uFEFFOne é two. Three\r\nfour five six. Seven eight.\r\n\r\nNine 漢字 ten. Eleven twelve.\r\n'
    const bytes = new TextEncoder().encode(source)
    const chunks = await chunksOf('a.txt', source, { tokensMax: 7 })
    expect(chunks.length).toBeGreaterThan(3)
    for (const { text, byteStart, byteEnd, lineStart } of chunks) {
      expect(new TextDecoder().decode(bytes.subarray(byteStart, byteEnd)).replaceAll('\r\n', '\n')).toBe(text)
      expect(source.slice(0, source.indexOf(text.slice(0, 4))).split('\n')).toHaveLength(lineStart!)
    }
  })

  test('text that the format changed has the place of its whole block', async () => {
    const chunks = await chunksOf('a.md', 'intro\n\nOne *two* three. Four five six.\n', { tokensMax: 5 })
    expect(chunks.slice(1)).toMatchObject([
      { text: 'One two three.', lineStart: 3, lineEnd: 3, byteStart: 7, byteEnd: 38 },
      { text: 'Four five six.', lineStart: 3, lineEnd: 3, byteStart: 7, byteEnd: 38 },
    ])
  })
})

test('tokens are counted again when they do not add up across units', async () => {
  // Every join costs three tokens that no single unit has.
  const countTokens = (text: string) => countWords(text) + 3 * (text.match(/[.] \S/g)?.length ?? 0)
  const chunks = await chunksOf('a.txt', Array.from({ length: 30 }, (_, i) => `Sentence ${i} ends.`).join(' '), {
    countTokens,
    overlapTokens: 5,
  })
  expect(chunks.map((chunk) => chunk.tokenCount)).toEqual(chunks.map((chunk) => countTokens(chunk.embeddingText)))
  expect(Math.max(...chunks.map((chunk) => chunk.tokenCount))).toBeLessThanOrEqual(20)
  for (let i = 0; i < 30; i++) expect(chunks.some((chunk) => chunk.text.includes(`Sentence ${i} ends.`))).toBe(true)
})

test('each text is counted about twice', async () => {
  let counted = 0
  const text = Array.from(
    { length: 400 },
    (_, i) => `Sentence number ${i} ends here.${i % 5 === 0 ? '\n\n' : ' '}`,
  ).join('')
  await chunksOf('a.txt', text, {
    tokensMax: 128,
    countTokens: (part: string) => {
      counted += part.length
      return countWords(part)
    },
  })
  expect(counted / text.length).toBeLessThan(2.2)
})

test.each([
  [{ tokensMax: 2 }, 'tokensMax'],
  [{ tokensMax: 3.5 }, 'tokensMax'],
  [{ overlapTokens: -1 }, 'overlapTokens'],
  [{ overlapTokens: 11 }, 'overlapTokens'],
])('refuses %j', async (options, path) => {
  await expect(chunkBlocks([], options)).rejects.toMatchObject({ kind: 'invalid', details: { path } })
})

test('stops when the signal aborts', async () => {
  const controller = new AbortController()
  controller.abort()
  await expect(chunkBlocks([paragraph('x')], { signal: controller.signal })).rejects.toMatchObject({
    kind: 'cancelled',
  })
})
