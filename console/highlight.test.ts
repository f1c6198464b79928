import fc from 'fast-check'
import { expect, test } from 'vitest'
import { excerpt, pieces, unwrap } from './highlight.ts'

const range = fc.record({ start: fc.integer({ min: 0, max: 60 }), length: fc.integer({ min: 0, max: 20 }) }).map(({ start, length }) => ({ start, end: start + length }))

test('pieces are the text, and a unit is lit where a range covers it', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), fc.array(range, { maxLength: 8 }), (text, ranges) => {
      const found = pieces(text, ranges)
      expect(found.map(({ text: piece }) => piece).join('')).toBe(text)
      const lit = found.flatMap(({ text: piece, isHit }) => Array.from({ length: piece.length }, () => isHit))
      expect(lit).toEqual(Array.from({ length: text.length }, (_, i) => ranges.some(({ start, end }) => start <= i && i < end)))
    }),
  )
})

test('Hebrew stays in the order it is written in', () => {
  const text = 'יש לשמן את השרשרת'
  expect(pieces(text, [{ start: 11, end: 17 }]).map(({ text: piece }) => piece)).toEqual(['יש לשמן את ', 'השרשרת'])
})

test('an excerpt is around the first highlight, keeps what is lit in it, and is cut between words', () => {
  const text = `${'word '.repeat(200)}needle ${'word '.repeat(200)}`
  const at = text.indexOf('needle')
  const cut = excerpt(text, [{ start: at, end: at + 6 }], 200)
  expect(cut.isCut).toBe(true)
  expect(cut.text.length).toBeLessThanOrEqual(204)
  expect(cut.ranges.map(({ start, end }) => cut.text.slice(start, end))).toEqual(['needle'])
  expect(cut.text).toMatch(/^… word .* word …$/)
  expect(excerpt('short', [{ start: 0, end: 5 }], 200)).toEqual({ text: 'short', ranges: [{ start: 0, end: 5 }], isCut: false })
})

test('an excerpt is a part of the text, and what it lights is lit there', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', 'b', ' ', '😀', 'ש'), minLength: 1, maxLength: 400 }), fc.array(range, { maxLength: 4 }), fc.integer({ min: 60, max: 120 }), (text, ranges, lengthMax) => {
      const cut = excerpt(text, ranges.filter(({ end }) => end <= text.length), lengthMax)
      const bare = cut.text.replace(/^… /, '').replace(/ …$/, '')
      expect(text).toContain(bare)
      expect(bare).not.toMatch(/\p{Surrogate}/u)
      expect(bare.length).toBeLessThanOrEqual(Math.max(lengthMax, text.length > lengthMax ? lengthMax : text.length))
    }),
  )
})

test('lines that were broken to fit a column are joined, others stay, and every place stays where it is', () => {
  const long = 'a line of a paragraph that was broken by its writer to fit a column'
  expect(unwrap(`${long}\nand goes on`)).toBe(`${long} and goes on`)
  for (const next of ['- an item', '| a | table |', '  indented', '', '# heading', '2. second']) expect(unwrap(`${long}\n${next}`)).toBe(`${long}\n${next}`)
  expect(unwrap('short\nverse')).toBe('short\nverse')
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom('a', ' ', '\n', 'b'), maxLength: 300 }), (text) => unwrap(text).length === text.length))
})
