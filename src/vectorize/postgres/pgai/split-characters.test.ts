import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { splitByCharacter, splitRecursively, type CharacterSplit, type RecursiveSplit } from './split-characters.ts'

// Made by langchain-text-splitters 1.1.3 itself.
const { cases } = JSON.parse(readFileSync(join(import.meta.dirname, '../../../../test/fixtures/pgai/text-splits.json'), 'utf8')) as {
  cases: { kind: 'character' | 'recursive'; text: string; options: CharacterSplit & RecursiveSplit; chunks: string[] }[]
}

describe('texts are cut as LangChain cuts them', () => {
  test.each(['character', 'recursive'] as const)('by the %s splitter', (kind) => {
    const ofKind = cases.filter((each) => each.kind === kind)
    expect(ofKind.length).toBeGreaterThan(150)
    for (const { text, options, chunks } of ofKind) {
      expect(kind === 'character' ? splitByCharacter(text, options) : splitRecursively(text, options), `${JSON.stringify(options)} of ${JSON.stringify(text.slice(0, 40))}`).toEqual(chunks)
    }
  })
})

test('a character is a code point, not a unit of UTF-16', () => {
  expect(splitRecursively('🎉🎉🎉🎉', { chunkSize: 2, chunkOverlap: 0, separators: [''], isSeparatorRegex: false })).toEqual(['🎉🎉', '🎉🎉'])
})

test('a separator that is no regular expression is told', () => {
  expect(() => splitByCharacter('a b', { chunkSize: 5, chunkOverlap: 0, separator: '(', isSeparatorRegex: true })).toThrow(/separator "\(" is no regular expression/)
})

test('patterns of Python that JavaScript would refuse are read', () => {
  expect(splitByCharacter('a!b!c', { chunkSize: 1, chunkOverlap: 0, separator: '\\!', isSeparatorRegex: true })).toEqual(['a', 'b', 'c'])
  expect(splitByCharacter('a1b٣c', { chunkSize: 1, chunkOverlap: 0, separator: '(?P<n>\\d)', isSeparatorRegex: true })).toContain('c')
  expect(splitByCharacter('a-b c', { chunkSize: 1, chunkOverlap: 0, separator: '[\\s\\-]', isSeparatorRegex: true })).toEqual(['a', 'b', 'c'])
})
