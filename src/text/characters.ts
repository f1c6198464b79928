/** What a UTF-16 unit is to the tokenizer. */
export const characterClass = {
  separator: 1,
  /** A letter, digit or mark of a script that puts spaces between words. */
  word: 2,
  /** Holds a word together where a letter or digit follows: node.js, foo_bar, user's. */
  joiner: 3,
  /** A letter of a script without spaces between words. */
  unspaced: 4,
  /** Invisible inside a word: soft hyphen, zero-width joiners. */
  ignorable: 5,
  /** Half of a character beyond U+FFFF: ask `classOfPair`. */
  surrogate: 6,
} as const

/** Invisible characters that an analyzed word loses. */
export const ignorables = /\u00ad|\u200c|\u200d|\u2060|\ufeff/g

const joiners = "._'\u2019"
const wordCharacter = /[\p{L}\p{N}\p{M}]/u
// Script extensions, because the long-vowel mark of Japanese belongs to two scripts. Hangul has spaces, but glues particles to
// nouns; pairs are the usual way to index it without a dictionary.
const unspacedScript =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}\p{scx=Bopomofo}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u
const han = /\p{Script=Han}/u

// Filled as characters are met: 0 is "not met yet". Regular expressions know Unicode, tables are fast.
const classes = new Uint8Array(65536)
classes.fill(characterClass.surrogate, 0xd800, 0xe000)

/** The class of the UTF-16 unit `unit`. */
export function classOf(unit: number): number {
  return classes[unit]! || (classes[unit] = classify(String.fromCharCode(unit)))
}

/** The class of the character of two units at `index`, or `separator` for half of one. */
export function classOfPair(text: string, index: number): number {
  const point = text.codePointAt(index)!
  return point > 0xffff ? classify(String.fromCodePoint(point)) : characterClass.separator
}

/** Whether `character` is a Han ideograph, which is a word often enough to be a term of its own. */
export function isHan(character: string): boolean {
  return han.test(character)
}

function classify(character: string): number {
  if (joiners.includes(character)) return characterClass.joiner
  if (character.search(ignorables) === 0) return characterClass.ignorable
  if (!wordCharacter.test(character)) return characterClass.separator
  return unspacedScript.test(character) ? characterClass.unspaced : characterClass.word
}
