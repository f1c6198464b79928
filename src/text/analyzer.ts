import { WindlassError } from '../base/errors.ts'
import { characterClass, classOf, classOfPair, isHan } from './characters.ts'
import { offsetsOf } from './offsets.ts'
import { stemmers } from './stemmers.ts'
import { WordAnalyzer } from './words.ts'

/** Turns text into the terms that an index and a question share. */
export interface Analyzer {
  /** Name and version; stored with the collection, because an index and a question must agree. */
  readonly id: string
  /** Terms in their order, repeats included. */
  terms(text: string): string[]
  /** Terms in the same order, with the place [start, end) in `text` that each came from, in UTF-16 units. */
  spans(text: string): TermSpan[]
}

/** A term and where in the text it came from: [start, end) in UTF-16 units. */
export interface TermSpan {
  readonly term: string
  readonly start: number
  readonly end: number
}

// Raise it when any text's terms change, by our doing or by a new release of the stemmers: analyzer.test.ts pins them.
const version = 1
// A run longer than this is no word: analyzed, but not remembered.
const cachedLengthMax = 80
const cachedWordsMax = 32_768
// From this length on, V8 makes a slice a view of the text.
const sliceLengthMin = 13
const notAscii = /[^\0-\x7f]/

/** Languages with a stemmer, and `none`. */
export const languages: readonly string[] = Object.keys(stemmers)

const analyzers = new Map<string, Analyzer>()

/** The id that a schema stores for a language. @throws {WindlassError} `invalid` for a language that has no stemmer. */
export function analyzerIdOf(language: string): string {
  if (!Object.hasOwn(stemmers, language)) {
    throw new WindlassError('invalid', `language ${JSON.stringify(language)} is not known: use one of ${languages.join(', ')}`, { path: 'language' })
  }
  return `${language}-${version}`
}

/** The analyzer of an id, shared. @throws {WindlassError} `unsupported` when another version made the index. */
export function createAnalyzerById(id: string): Analyzer {
  const known = analyzers.get(id)
  if (known) return known
  const language = id.slice(0, id.lastIndexOf('-'))
  if (!Object.hasOwn(stemmers, language) || id !== `${language}-${version}`) {
    throw new WindlassError('unsupported', `text analyzer ${JSON.stringify(id)} is not one of this version (${version}): upgrade`)
  }
  const analyzer = new LanguageAnalyzer(id, new WordAnalyzer(language, stemmers[language]!))
  analyzers.set(id, analyzer)
  return analyzer
}

/** As `createAnalyzerById`, by language: one of `languages`. */
export function createAnalyzer({ language }: { language: string }): Analyzer {
  return createAnalyzerById(analyzerIdOf(language))
}

/**
 * Splits at what is no letter, digit or mark, and leaves each run to a `WordAnalyzer`; scripts without spaces become overlapping pairs.
 * Text is in NFKC before it is split, so composed, decomposed, full-width and ligature forms meet.
 */
class LanguageAnalyzer implements Analyzer {
  readonly id: string
  readonly #words: WordAnalyzer
  // Texts are some thousand words over and over. Two generations: a full one becomes the old one, so frequent words survive.
  #recent = new Map<string, readonly string[]>()
  #older = new Map<string, readonly string[]>()

  constructor(id: string, words: WordAnalyzer) {
    this.id = id
    this.#words = words
  }

  terms(text: string): string[] {
    const terms: string[] = []
    this.#analyze(notAscii.test(text) ? text.normalize('NFKC') : text, terms, null)
    return terms
  }

  spans(text: string): TermSpan[] {
    const terms: string[] = []
    const places: number[] = []
    const normal = notAscii.test(text) ? text.normalize('NFKC') : text
    this.#analyze(normal, terms, places)
    const place = offsetsOf(text, normal)
    return terms.map((term, i) => ({ term, start: place.startOf(places[i * 2]!), end: place.endOf(places[i * 2 + 1]!) }))
  }

  #analyze(text: string, terms: string[], places: number[] | null): void {
    const { word, joiner, ignorable, unspaced } = characterClass
    const { length } = text
    let at = 0
    while (at < length) {
      let kind = classOf(text.charCodeAt(at))
      let width = 1
      if (kind === characterClass.surrogate) {
        kind = classOfPair(text, at)
        if (kind === word || kind === unspaced) width = 2
      }
      const start = at
      at += width
      if (kind === word) {
        for (; at < length; at += width) {
          kind = classOf(text.charCodeAt(at))
          width = 1
          if (kind === word || kind === ignorable) continue
          if (kind === joiner) {
            if (at + 1 < length && classOf(text.charCodeAt(at + 1)) === word) continue
            break
          }
          if (kind !== characterClass.surrogate || classOfPair(text, at) !== word) break
          width = 2
        }
        at += suffixLength(text, at)
        for (const term of this.#termsOf(text.slice(start, at))) {
          terms.push(term)
          places?.push(start, at)
        }
      } else if (kind === unspaced) {
        at = endOfUnspaced(text, at)
        emitPairs(text.slice(start, at).toLowerCase(), start, terms, places)
      }
    }
  }

  #termsOf(run: string): readonly string[] {
    const recent = this.#recent.get(run)
    if (recent) return recent
    // A slice keeps the whole text alive that it was cut from; this copy does not.
    const key = run.length < sliceLengthMin ? run : copyOf(run)
    const terms = this.#older.get(key) ?? this.#words.terms(key)
    if (key.length > cachedLengthMax) return terms
    if (this.#recent.size >= cachedWordsMax) {
      this.#older = this.#recent
      this.#recent = new Map()
    }
    this.#recent.set(key, terms)
    return terms
  }
}

/** Length of what belongs to the name of a programming language behind a word: c++, c#. */
function suffixLength(text: string, at: number): number {
  const [first, second] = [text.charCodeAt(at), text.charCodeAt(at + 1)]
  if (first === 0x2b && second === 0x2b) return 2
  const isSharp = first === 0x23 && !(at + 1 < text.length && classOf(second) === characterClass.word)
  return isSharp ? 1 : 0
}

function endOfUnspaced(text: string, start: number): number {
  let at = start
  while (at < text.length) {
    const kind = classOf(text.charCodeAt(at))
    if (kind === characterClass.unspaced) at += 1
    else if (kind === characterClass.surrogate && classOfPair(text, at) === characterClass.unspaced) at += 2
    else break
  }
  return at
}

/**
 * Overlapping pairs of characters, and single ideographs: without a dictionary, and the same on every platform. Pairs and single
 * characters together retrieve Chinese better than either (Nie, Gao, Zhang & Zhou 2000, "On the use of words and n-grams for Chinese
 * information retrieval").
 */
function emitPairs(run: string, start: number, terms: string[], places: number[] | null): void {
  const characters = [...run]
  let at = start
  characters.forEach((character, i) => {
    const next = characters[i + 1]
    if (characters.length === 1 || isHan(character)) {
      terms.push(character)
      places?.push(at, at + character.length)
    }
    if (next !== undefined) {
      terms.push(character + next)
      places?.push(at, at + character.length + next.length)
    }
    at += character.length
  })
}

function copyOf(run: string): string {
  return JSON.parse(JSON.stringify(run)) as string
}
