import { expect, test } from 'vitest'
import { WordPiece } from './wordpiece.ts'

const tokens = ['[UNK]', 'un', '##aff', '##able', 'una', 'cafe', '!', 'σ', '##σ', '日', '本', '𠀀', 'a', 'b', '##b']
const wordPiece = new WordPiece(tokens)
const pieces = (text: string) => wordPiece.encode(text).map((id) => tokens[id])

test('the longest piece is taken first, and a word it leaves without an end is unknown', () => {
  expect(pieces('unaffable')).toEqual(['[UNK]'])
  expect(pieces('abb un')).toEqual(['a', '##b', '##b', 'un'])
})

test('case and accents do not count', () => expect(pieces('CAFÉ Cafe\u0301')).toEqual(['cafe', 'cafe']))

test('punctuation and ideographs stand alone', () =>
  expect(pieces('a!b日本a𠀀b')).toEqual(['a', '!', 'b', '日', '本', 'a', '𠀀', 'b']))

test('a capital sigma is the same letter everywhere', () => expect(pieces('ΣΣ')).toEqual(['σ', '##σ']))

test('control characters vanish inside a word and do not split it', () => {
  expect(pieces('c\u0000af\u200be')).toEqual(['cafe'])
  expect(pieces('c\u0007afe')).toEqual(['cafe'])
})

test('a word of more than 100 characters is unknown', () => {
  expect(pieces('a' + 'b'.repeat(99))).toHaveLength(100)
  expect(pieces('a' + 'b'.repeat(100))).toEqual(['[UNK]'])
})

test('empty and blank texts have no pieces', () => {
  expect(wordPiece.encode('')).toEqual([])
  expect(wordPiece.encode(' \n\t ')).toEqual([])
})

test('a vocabulary without [UNK] is refused', () => expect(() => new WordPiece(['a'])).toThrow(/needs \[UNK\]/))
