import { Tokenizer } from '@huggingface/tokenizers'
import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { WordPiece } from './wordpiece.ts'

// The vocabulary that ships with the model, read from the file's end: one token a line.
const folder = join(import.meta.dirname, '../../models/static-384')
const { vocabularyBytes } = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8')) as { vocabularyBytes: number }
const tokens = readFileSync(join(folder, 'model.bin')).subarray(-vocabularyBytes).toString('utf8').split('\n')

const wordPiece = new WordPiece(tokens)
const oracle = new Tokenizer(
  {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: null,
    decoder: null,
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    },
  },
  { tokenizer_class: 'BertTokenizer' },
)
const encodeByOracle = (text: string) => oracle.encode(text, { add_special_tokens: false }).ids

const words = fc.constantFrom(
  'the',
  'Retrieval',
  'unaffable',
  'naïve',
  'ÉCOLE',
  'c++',
  "don't",
  'e-mail',
  '3.14',
  '$5',
  'foo_bar',
  '日本語',
  '漢x字',
  '한국어',
  'Привет',
  'ß',
  'ﬁne',
  'İstanbul',
  '—',
  '…',
  '“quoted”',
  '😀',
  'a\u0301',
  '\u200b',
  'x'.repeat(100),
  'x'.repeat(101),
  'q'.repeat(40),
  '\u0000',
  '\ufffd',
  '\u00a0',
)
const separators = fc.constantFrom(' ', '', '\n', '\t', '\u3000', '  ', '-', '\r\n')
const realistic = fc.array(fc.tuple(words, separators), { maxLength: 20 }).map((parts) => parts.flat().join(''))
const agree = (text: string) => {
  expect(wordPiece.encode(text)).toEqual(encodeByOracle(text))
}
// Where the oracle and the tokenizer of the training differ, we follow the latter. The oracle lowers a whole text, so a sigma at a word's
// end becomes another letter; and it looks at half pairs, so it does not set ideographs beyond the basic plane apart.
const isSettled = (text: string) => !/[\u03a3\u{20000}-\u{2fa1f}]/u.test(text)

test('pieces are those of the reference tokenizer, for real words in many scripts', () => {
  fc.assert(
    fc.property(realistic, (text) => agree(text)),
    { numRuns: 500 },
  )
})

test('pieces are those of the reference tokenizer, for any ASCII', () => {
  const ascii = fc.string({ unit: 'binary-ascii', maxLength: 60 })
  fc.assert(
    fc.property(ascii, (text) => agree(text)),
    { numRuns: 1000 },
  )
})

test('pieces are those of the reference tokenizer, for any characters', () => {
  const any = fc.string({ unit: 'grapheme', maxLength: 40 }).filter(isSettled)
  fc.assert(
    fc.property(any, (text) => agree(text)),
    { numRuns: 1000 },
  )
})

test('any string is tokenized without failing, half surrogates too', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
      const torn = text + '\ud83d'
      for (const id of wordPiece.encode(torn)) expect(tokens[id]).toBeDefined()
    }),
  )
})
