import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createAnalyzer, languages } from './analyzer.ts'
import { isHan } from './characters.ts'

const fragment = fc.constantFrom(
  'Node.js', 'C++', 'c#', 'fooBarBaz', 'HTTPServer', 'x86_64', "user's", 'ﬁ', 'e\u0301', 'ガ', '東京', '한국', '각', 'ไทย', 'ß', 'İ', 'ё',
  '\u00ad', '\u200d', '\ud842', '𠮷', '🎉', '.', '_', '-', '+', '#', '\u2019', ' ', '\u3000', 'ment', 'ation', 'ing', 'yed', '½', '℃', 'ﷺ',
) // prettier-ignore
const text = fc.oneof(
  fc.array(fragment, { maxLength: 20 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ maxLength: 60 }),
  fc.stringMatching(/^[a-zäöüéıа-я]{1,30}$/),
)
const analyzer = fc.constantFrom(...languages).map((language) => createAnalyzer({ language }))
const hasLoneSurrogate = /\p{Surrogate}/u

test('terms are short, whole and not empty, whatever the text', () => {
  fc.assert(
    fc.property(analyzer, text, (language, input) => {
      for (const term of language.terms(input)) {
        expect(term.length).toBeGreaterThan(0)
        expect(term.length).toBeLessThanOrEqual(64)
        expect(term).not.toMatch(hasLoneSurrogate)
        expect(term).not.toMatch(/[\s\p{Lu}]/u)
      }
    }),
    { numRuns: 2000 },
  )
})

test('terms of two lines are the terms of one, then of the other', () => {
  fc.assert(
    fc.property(analyzer, text, text, (language, first, second) => {
      expect(language.terms(`${first}\n${second}`)).toEqual([...language.terms(first), ...language.terms(second)])
    }),
    { numRuns: 1000 },
  )
})

test('composed and decomposed text have the same terms', () => {
  fc.assert(
    fc.property(analyzer, text, (language, input) => {
      expect(language.terms(input.normalize('NFD'))).toEqual(language.terms(input.normalize('NFC')))
    }),
    { numRuns: 1000 },
  )
})

test('spans are the terms, each of a place that has its term', () => {
  fc.assert(
    fc.property(analyzer, text, (language, input) => {
      const spans = language.spans(input)
      expect(spans.map(({ term }) => term)).toEqual(language.terms(input))
      for (const { term, start, end } of spans) {
        expect(start).toBeGreaterThanOrEqual(0)
        expect(end).toBeGreaterThan(start)
        expect(end).toBeLessThanOrEqual(input.length)
        // A single ideograph, a word, an identifier: the place by itself gives the term again.
        if (isHan(term) || /^[a-z]+$/.test(term)) expect(language.terms(input.slice(start, end))).toContain(term)
      }
    }),
    { numRuns: 2000 },
  )
})
