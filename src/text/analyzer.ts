import { WindlassError } from '../base/errors.ts'
import { stemmers } from './stemmers.ts'

/** Turns text into the terms that an index and a question share. */
export interface Analyzer {
  /** Name and version; stored with the collection, because an index and a question must agree. */
  readonly id: string
  /** Terms in their order, repeats included. */
  terms(text: string): string[]
  /** Terms with the place [start, end) in `text` that each came from, in UTF-16 units. */
  spans(text: string): TermSpan[]
}

export interface TermSpan {
  readonly term: string
  readonly start: number
  readonly end: number
}

const version = 1
const termLengthMax = 64
const stemCacheMax = 50_000

// Letters, marks and digits of any script, joined by what is inside names: node.js, foo_bar, x86-64 splits at the hyphen.
// A trailing + or # belongs to the names of languages: c++, c#.
const wordPattern = /[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:[._'’][\p{L}\p{N}][\p{L}\p{M}\p{N}]*)*(?:\+\+|#(?![\p{L}\p{N}]))?/gu
// Scripts written without spaces: two neighbouring characters make a term, the usual way to index them without a dictionary.
const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
const plainAscii = /^[a-z]+$/
const notPlain = /[^a-z0-9]/
const camelJoint = /(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u
// Accents that only mark stress or tone are folded; where they make another letter, the language's own stemmer has its say first.
const combining = /\p{M}+/gu

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

/** The analyzer of an id, shared. @throws {WindlassError} `unsupported` when a newer version made the index. */
export function createAnalyzerById(id: string): Analyzer {
  const known = analyzers.get(id)
  if (known) return known
  const language = id.slice(0, id.lastIndexOf('-'))
  if (!Object.hasOwn(stemmers, language) || id !== `${language}-${version}`) {
    throw new WindlassError('unsupported', `text analyzer ${JSON.stringify(id)} is not one of this version (${version}): upgrade`)
  }
  const analyzer = new LanguageAnalyzer(id, stemmers[language]!)
  analyzers.set(id, analyzer)
  return analyzer
}

/** As `createAnalyzerById`, by language. */
export function createAnalyzer({ language }: { language: string }): Analyzer {
  return createAnalyzerById(analyzerIdOf(language))
}

class LanguageAnalyzer implements Analyzer {
  readonly id: string
  readonly #stemmer: (word: string) => string
  /** Text is a few thousand words over and over: stemming each once makes analysis several times faster. */
  readonly #stems = new Map<string, string>()

  constructor(id: string, stemmer: (word: string) => string) {
    this.id = id
    this.#stemmer = stemmer
  }

  terms(text: string): string[] {
    const terms: string[] = []
    this.#analyze(text, (term) => terms.push(term))
    return terms
  }

  spans(text: string): TermSpan[] {
    const spans: TermSpan[] = []
    this.#analyze(text, (term, start, end) => spans.push({ term, start, end }))
    return spans
  }

  #analyze(text: string, emit: (term: string, start: number, end: number) => void): void {
    for (const match of text.matchAll(wordPattern)) {
      const word = match[0]
      const start = match.index
      const end = start + word.length
      if (unspaced.test(word)) emitPairs(word, start, emit)
      else if (plainAscii.test(word)) emit(this.#stem(word), start, end)
      else {
        const lower = word.toLowerCase()
        emit(this.#stem(lower), start, end)
        // An identifier is found whole, and by its parts.
        const parts = word.split(/[._'’]/u).flatMap((part) => part.split(camelJoint))
        if (parts.length > 1) for (const part of parts) if (part.length > 1) emit(this.#stem(part.toLowerCase()), start, end)
      }
    }
  }

  #stem(lower: string): string {
    const known = this.#stems.get(lower)
    if (known !== undefined) return known
    let term = notPlain.test(lower) ? lower.normalize('NFKC') : lower
    if (term.length <= termLengthMax) term = this.#stemmer(term)
    if (notPlain.test(term)) term = term.normalize('NFD').replace(combining, '').normalize('NFC')
    term = term.slice(0, termLengthMax)
    if (this.#stems.size >= stemCacheMax) this.#stems.clear()
    this.#stems.set(lower, term)
    return term
  }
}

/** Two neighbouring characters at a time; a single one by itself. */
function emitPairs(word: string, start: number, emit: (term: string, start: number, end: number) => void): void {
  const characters = [...word.normalize('NFKC').toLowerCase()]
  if (characters.length === 1) emit(characters[0]!, start, start + word.length)
  let at = start
  for (let i = 0; i + 1 < characters.length; i++) {
    const pair = characters[i]! + characters[i + 1]!
    emit(pair, at, Math.min(at + pair.length, start + word.length))
    at += characters[i]!.length
  }
}
