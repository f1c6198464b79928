import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createAnalyzer } from './analyzer.ts'
import { highlight } from './highlight.ts'

const english = createAnalyzer({ language: 'english' })
const marked = (text: string, query: string, windowSize?: number) => {
  const { ranges, window } = highlight(text, english.terms(query), english, windowSize)
  return { words: ranges.map(({ start, end }) => text.slice(start, end)), shown: text.slice(window.start, window.end) }
}

test('matching words are found in the form that the text has', () => {
  expect(marked('Connections, and a connected thing. OpenSAML!', 'connecting saml').words).toEqual(['Connections', 'connected', 'OpenSAML'])
})

test('pairs of characters that touch are one range', () => {
  expect(marked('我在东京都工作', '东京都').words).toEqual(['东京都'])
})

test('the window has the most different terms, not the most matches', () => {
  const filler = 'nothing here at all. '.repeat(30)
  const text = `${filler}apple apple apple. ${filler}An apple and a pear. ${filler}`
  const { shown } = marked(text, 'apple pear', 80)
  expect(shown).toContain('An apple and a pear.')
  expect(shown.length).toBeLessThanOrEqual(80)
  expect(shown).toMatch(/^\w+ /)
  expect(text).toMatch(new RegExp(`\\s${shown.replaceAll('.', '\\.')}\\s`))
})

test('the window starts and ends between words, and cuts no character where there are none', () => {
  const spaced = `${'ten words of filler '.repeat(20)}pear ${'more of it after '.repeat(20)}`
  const dense = `${'🎉'.repeat(50)}pear${'🎉'.repeat(50)}`
  for (let size = 8; size < 200; size++) {
    const { window } = highlight(spaced, english.terms('pear'), english, size)
    expect(spaced.slice(window.start - 1, window.start)).toMatch(/\s/)
    expect(spaced.slice(window.end, window.end + 1)).toMatch(/\s/)
    const { shown } = marked(dense, 'pear', size)
    expect(shown).toContain('pear')
    expect(shown).not.toMatch(/\p{Surrogate}/u)
  }
})

test('without a match the window is the beginning', () => {
  expect(marked('one two three four five', 'zebra', 12)).toEqual({ words: [], shown: 'one two' })
  expect(marked('short', 'zebra')).toEqual({ words: [], shown: 'short' })
  expect(marked('', 'zebra')).toEqual({ words: [], shown: '' })
})

test('ranges are in order and apart, and the window is as long as it may be, wherever the matches are', () => {
  const word = fc.constantFrom('apple', 'pear', 'plum', '东京', '𠮷', 'e\u0301t', 'averyveryveryveryverylongwordindeedalmostendless', '.', '\n')
  fc.assert(
    fc.property(fc.array(word, { maxLength: 80 }), fc.constantFrom(' ', ''), fc.integer({ min: 1, max: 120 }), (words, space, size) => {
      const text = words.join(space)
      const { ranges, window } = highlight(text, english.terms('pear 东京 𠮷 ét'), english, size)
      expect(window.start).toBeGreaterThanOrEqual(0)
      expect(window.end).toBeLessThanOrEqual(text.length)
      expect(window.start).toBeLessThanOrEqual(window.end)
      // One identifier may be longer than the window.
      expect(window.end - window.start).toBeLessThanOrEqual(Math.max(size, ...ranges.map(({ start, end }) => end - start)))
      expect(text.slice(window.start, window.end)).not.toMatch(/\p{Surrogate}/u)
      ranges.forEach(({ start, end }, i) => {
        expect(end).toBeGreaterThan(start)
        if (i > 0) expect(start).toBeGreaterThan(ranges[i - 1]!.end)
      })
      if (ranges.length > 0) expect(ranges.some(({ start, end }) => start < window.end && end > window.start)).toBe(true)
    }),
    { numRuns: 1000 },
  )
})
