import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Block } from '../document.ts'
import { chunkBlocks, countWords } from '../testing.ts'

const sentence = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
      fc.constantFrom('the', 'anchor', 'e\u0301', '漢字', 'שלום', '👩‍👩‍👧'),
    ),
    { minLength: 1, maxLength: 15 },
  )
  // A colon would make columns of a table, which are said again where a value is cut.
  .map((words) => `${words.join(' ').replaceAll(':', '')}. `)
const lines = fc.array(sentence, { minLength: 1, maxLength: 8 })
const block = fc.record({
  kind: fc.constantFrom('paragraph', 'list', 'code', 'table', 'heading'),
  text: fc.tuple(lines, fc.constantFrom('', '\n')).map(([all, separator]) => all.join(separator)),
  level: fc.integer({ min: 1, max: 3 }),
})

/** Gives blocks the paths that a parser would. */
const blocks = fc.array(block, { maxLength: 12 }).map((all) => {
  const path: string[] = []
  return all.map(({ kind, text, level }, i): Block => {
    if (kind !== 'heading') return { kind: kind, text, headingPath: [...path] }
    path.splice(Math.min(level - 1, path.length), Infinity, `Ʊ${i}`)
    return { kind: 'heading', text: `Ʊ${i}`, level, headingPath: [...path] }
  })
})

const counters: Record<string, (text: string) => number> = {
  words: countWords,
  characters: (text) => [...text].length,
  bytes: (text) => 1 + new TextEncoder().encode(text).length,
}
const solid = (text: string) => text.replace(/\s+/g, '')

test.each(Object.keys(counters))(
  'by %s: passages are within bounds, say everything once and in order, and are the same every time',
  async (name) => {
    const countTokens = counters[name]!
    await fc.assert(
      fc.asyncProperty(blocks, fc.integer({ min: 20, max: 200 }), async (blocks, tokensMax) => {
        const chunks = await chunkBlocks(blocks, { tokensMax, countTokens })
        expect(await chunkBlocks(blocks, { tokensMax, countTokens })).toEqual(chunks)
        expect(chunks.map((chunk) => chunk.index)).toEqual(chunks.map((_, i) => i))
        for (const chunk of chunks) {
          expect(chunk.tokenCount).toBe(countTokens(chunk.embeddingText))
          expect(chunk.embeddingText.endsWith(chunk.text)).toBe(true)
          expect(chunk.text.trim()).not.toBe('')
          expect(chunk.text).not.toMatch(/\p{Cs}/u)
          // A single character may have more tokens than there is room for.
          if (tokensMax > 64) expect(chunk.tokenCount).toBeLessThanOrEqual(tokensMax)
        }
        const bodies = blocks.filter((block) => block.kind !== 'heading')
        const said = solid(chunks.map((chunk) => chunk.text.replace(/(^|\n| > )Ʊ\d+(?=\n| > |$)/g, '')).join(''))
        expect(said).toBe(solid(bodies.map((block) => block.text).join('')))
        for (const heading of blocks)
          if (heading.kind === 'heading')
            expect(
              chunks.some((chunk) => chunk.text.includes(heading.text) || chunk.headingPath.includes(heading.text)),
            ).toBe(true)
      }),
      { numRuns: 150 },
    )
  },
)

test('overlap repeats only the end of the passage before, within its bound and its section', async () => {
  // Paragraphs of sentences of numbered words, so that every repetition is overlap.
  const shape = fc.array(
    fc.record({
      section: fc.nat({ max: 2 }),
      sentences: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 }),
    }),
    { minLength: 1, maxLength: 8 },
  )
  await fc.assert(
    fc.asyncProperty(
      shape,
      fc.integer({ min: 12, max: 40 }),
      fc.nat({ max: 6 }),
      async (shape, tokensMax, overlapTokens) => {
        let words = 0
        const sectionOfWord: number[] = []
        const blocks: Block[] = []
        for (const [i, { section, sentences }] of shape.entries()) {
          if (shape[i - 1]?.section !== section)
            blocks.push({ kind: 'heading', text: `Ʊ${section}`, headingPath: [`Ʊ${section}`] })
          const text = sentences
            .map((count) => `${Array.from({ length: count }, () => `W${words++}`).join(' ')}. `)
            .join('')
          while (sectionOfWord.length < words)
            sectionOfWord.push(blocks.filter((block) => block.kind === 'heading').length)
          blocks.push({ kind: 'paragraph', text, headingPath: [`Ʊ${section}`] })
        }
        let next = 0
        for (const chunk of await chunkBlocks(blocks, { tokensMax, overlapTokens })) {
          const run = [...chunk.text.matchAll(/W(\d+)/g)].map((match) => Number(match[1]))
          const first = run[0]!
          expect(run).toEqual(run.map((_, i) => first + i))
          expect(first).toBeLessThanOrEqual(next)
          expect(next - first).toBeLessThanOrEqual(overlapTokens)
          if (first < next) expect(sectionOfWord[first]).toBe(sectionOfWord[next])
          expect(first + run.length).toBeGreaterThan(next)
          expect(chunk.tokenCount).toBeLessThanOrEqual(tokensMax)
          next = first + run.length
        }
        expect(next).toBe(words)
      },
    ),
    { numRuns: 300 },
  )
})
