import { toUtf8 } from '../../../base/bytes.ts'
import { xxh32 } from '../../../format/xxh32.ts'
import { createAnalyzer } from '../../../text/analyzer.ts'

/** A vector of which only the values that are not zero are written. */
export interface SparseVector {
  readonly indices: readonly number[]
  readonly values: readonly number[]
}

const k1 = 1.2
const b = 0.75
/** Terms of a chunk of 256 tokens, about. The true mean is not known while chunks are written; Qdrant's FastEmbed assumes 256 words. */
const meanLength = 150

const analyzer = createAnalyzer({ language: 'english' })

/**
 * Words of a text with the part of BM25 that the text alone decides (Robertson & Zaragoza 2009, equation 3.15); the rest, idf, is what
 * Qdrant multiplies with where the modifier of a sparse vector is `idf`. An index is the 32-bit hash of a term.
 */
export function sparseText(text: string): SparseVector {
  const terms = analyzer.terms(text)
  const norm = k1 * (1 - b + (b * terms.length) / meanLength)
  return toSparse(terms, (count) => (count * (k1 + 1)) / (count + norm))
}

/** The words of a question, each as often as it is there. */
export function sparseQuestion(text: string): SparseVector {
  return toSparse(analyzer.terms(text), (count) => count)
}

function toSparse(terms: readonly string[], weigh: (count: number) => number): SparseVector {
  const counts = new Map<number, number>()
  for (const term of terms) {
    const index = xxh32(toUtf8(term), 0)
    counts.set(index, (counts.get(index) ?? 0) + 1)
  }
  const entries = [...counts].sort(([x], [y]) => x - y)
  return { indices: entries.map(([index]) => index), values: entries.map(([, count]) => weigh(count)) }
}
