import { WindlassError } from '../base/errors.ts'

const unknownToken = '[UNK]'
// Longer words are unknown without looking, as in BERT's reference tokenizer.
const wordLengthMax = 100
const cachedWordsMax = 32_768
const notAscii = /[^\0-\x7f]/
const punctuation = /^\p{P}$/u
const whitespace = /^\s$/u
const control = /^\p{C}$/u

type CharacterClass = 0 | 1 | 2 | 3 | 4 | 5
const unseen = 0
const letter = 1
const space = 2
const mark = 3 // a word of its own
const dropped = 4
const ideograph = 5 // a word of its own, even inside a run

// Classes of the characters of the basic plane, worked out when first met.
const classes = new Uint8Array(0x10000)

/**
 * Splits text into the ids of word pieces: BERT's uncased tokenizer (Devlin et al. 2019; greedy longest match as in Wu et al. 2016,
 * "Google's Neural Machine Translation System", section 4.1).
 *
 * Lower case, no accents; punctuation and ideographs stand alone. Names of special tokens in a text (`[MASK]`) are ordinary text.
 */
export class WordPiece {
  readonly unknown: number
  readonly #ids = new Map<string, number>()
  readonly #pieceLengthMax: number
  // Texts are some thousand words over and over. Two generations: a full one becomes the old one, so frequent words survive.
  #recent = new Map<string, readonly number[]>()
  #older = new Map<string, readonly number[]>()

  /**
   * @param tokens Each one's place is its id; a piece that continues a word begins with `##`.
   * @throws {WindlassError} `invalid` when `[UNK]` is not among them.
   */
  constructor(tokens: readonly string[]) {
    tokens.forEach((token, id) => this.#ids.set(token, id))
    const unknown = this.#ids.get(unknownToken)
    if (unknown === undefined)
      throw new WindlassError(
        'invalid',
        `a WordPiece vocabulary needs ${unknownToken}, and none of ${tokens.length} tokens is it`,
      )
    this.unknown = unknown
    this.#pieceLengthMax = tokens.reduce((longest, token) => Math.max(longest, token.length), 1)
  }

  /** Ids in the order of the text; `unknown` for a word that the pieces cannot spell. No start or end token is added. */
  encode(text: string): number[] {
    const ids: number[] = []
    const normal = normalize(text)
    let start = 0
    for (let i = 0; i <= normal.length; i++) {
      const kind = i < normal.length ? classOf(normal.charCodeAt(i)) : space
      if (kind === letter) continue
      if (i > start) for (const id of this.#piecesOf(normal.slice(start, i))) ids.push(id)
      start = i + 1
      if (kind === mark || kind === ideograph) for (const id of this.#piecesOf(normal[i]!)) ids.push(id)
    }
    return ids
  }

  #piecesOf(word: string): readonly number[] {
    const recent = this.#recent.get(word)
    if (recent) return recent
    const pieces = this.#older.get(word) ?? this.#split(word)
    if (this.#recent.size >= cachedWordsMax) {
      this.#older = this.#recent
      this.#recent = new Map()
    }
    if (word.length <= wordLengthMax) this.#recent.set(word, pieces)
    return pieces
  }

  #split(word: string): number[] {
    if (word.length > wordLengthMax && [...word].length > wordLengthMax) return [this.unknown]
    const pieces: number[] = []
    for (let start = 0; start < word.length;) {
      let end = Math.min(word.length, start + this.#pieceLengthMax)
      let id: number | undefined
      for (; end > start; end--) {
        const piece = word.slice(start, end)
        id = this.#ids.get(start === 0 ? piece : `##${piece}`)
        if (id !== undefined) break
      }
      if (id === undefined) return [this.unknown]
      pieces.push(id)
      start = end
    }
    return pieces
  }
}

function normalize(text: string): string {
  if (!notAscii.test(text)) return dropControls(text.toLowerCase())
  let clean = ''
  for (const character of text) {
    const kind = character.length === 1 ? classOf(character.charCodeAt(0)) : classify(character)
    if (kind === dropped) continue
    const standsAlone = kind === ideograph || (kind === mark && character.length > 1)
    clean += kind === space ? ' ' : standsAlone ? ` ${character} ` : character
  }
  // A capital sigma becomes the same letter at a word's end as elsewhere, as in the tokenizer the model was trained with.
  return clean
    .normalize('NFD')
    .replace(/\p{Mn}/gu, '')
    .replaceAll('\u03a3', '\u03c3')
    .toLowerCase()
}

function dropControls(text: string): string {
  return /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text) ? text.replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/g, '') : text
}

function classOf(code: number): number {
  // Half of a pair is part of a word: what stands alone beyond the basic plane was set apart by spaces before.
  if (code >= 0xd800 && code <= 0xdfff) return letter
  const known = classes[code]!
  if (known !== unseen) return known
  return (classes[code] = classify(String.fromCharCode(code)))
}

function classify(character: string): CharacterClass {
  const code = character.codePointAt(0)!
  if (code === 0x9 || code === 0xa || code === 0xd) return space
  if (code === 0 || code === 0xfffd || control.test(character)) return dropped
  if (whitespace.test(character)) return space
  if (isIdeograph(code)) return ideograph
  // All of ASCII that is neither letter nor digit counts as punctuation, symbols such as $ and + too.
  const isAsciiMark = code < 0x80 && !/[0-9A-Za-z]/.test(character)
  return isAsciiMark || punctuation.test(character) ? mark : letter
}

// The blocks that BERT's reference tokenizer lists; kana and hangul are not among them.
function isIdeograph(code: number): boolean {
  return (
    (code >= 0x4e00 && code <= 0x9fff) ||
    (code >= 0x3400 && code <= 0x4dbf) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0x20000 && code <= 0x2a6df) ||
    (code >= 0x2a700 && code <= 0x2ceaf) ||
    (code >= 0x2f800 && code <= 0x2fa1f)
  )
}
