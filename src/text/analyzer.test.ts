import { expect, test } from 'vitest'
import { analyzerIdOf, createAnalyzer, createAnalyzerById } from './analyzer.ts'

const english = createAnalyzer({ language: 'english' })

test.each([
  ['Running runners ran', ['run', 'runner', 'ran']],
  ['Installing the packages', ['instal', 'the', 'packag']],
  ['C++ and C# on x86_64', ['c++', 'and', 'c#', 'on', 'x86_64', 'x86', '64']],
  ['node.js', ['node.j', 'node', 'js']],
  ['parseHttpRequest', ['parsehttprequest', 'pars', 'http', 'request']],
  ['naïve café', ['naiv', 'cafe']],
  ['ﬁle', ['file']],
  ['东京都', ['东京', '京都']],
  ['שלום עולם', ['שלום', 'עולם']],
  ['', []],
])('%s', (text, terms) => {
  expect(english.terms(text)).toEqual(terms)
})

test('a question and a text meet whatever their case and form', () => {
  expect(english.terms('CONNECTIONS')).toEqual(english.terms('connection'))
  expect(createAnalyzer({ language: 'german' }).terms('Häuser')).toEqual(createAnalyzer({ language: 'german' }).terms('häusern'))
  expect(createAnalyzer({ language: 'none' }).terms('Running')).toEqual(['running'])
})

test('spans point at the words they came from', () => {
  const text = 'The quick foxes, 东京!'
  expect(english.spans(text).map(({ term, start, end }) => [term, text.slice(start, end)])).toEqual([
    ['the', 'The'],
    ['quick', 'quick'],
    ['fox', 'foxes'],
    ['东京', '东京'],
  ])
})

test('terms stay short, whatever is thrown at the analyzer', () => {
  expect(english.terms('x'.repeat(100_000))[0]!.length).toBeLessThanOrEqual(64)
})

test('an id of another version or language is refused by name', () => {
  expect(createAnalyzerById(analyzerIdOf('french')).id).toBe('french-1')
  expect(() => createAnalyzerById('english-2')).toThrow(/english-2.*upgrade/)
  expect(() => analyzerIdOf('klingon')).toThrow(/klingon.*english/)
})
