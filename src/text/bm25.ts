import type { Bitset } from '../base/bitset.ts'
import type { TermSource } from './postings.ts'

/** A set of rows, and which of them may score. */
export interface ScoredSource {
  readonly source: TermSource
  /** Rows that may score; all where absent. */
  readonly live?: Bitset
}

/** Rows of one source that have a query term, ascending, and their scores. */
export interface SourceScores {
  readonly rows: Uint32Array
  readonly scores: Float32Array
}

/** k1: how fast repeats of a term stop counting. b: how much long rows are held back, 0 to 1. */
export interface Bm25Parameters {
  readonly k1?: number
  readonly b?: number
}

/**
 * BM25 (Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework", section 3.4), with the idf that Lucene uses, which is
 * never negative: ln(1 + (N - n + 0.5) / (n + 0.5)).
 *
 * Counts are those of all sources together, so a row scores alike wherever it lies. Rows that are not live are still counted until
 * a merge drops them, as in other segmented indexes.
 * @param query Terms; a repeated one weighs as often as it is repeated.
 * @returns One entry a source, in their order.
 */
export function bm25Scores(query: readonly string[], sources: readonly ScoredSource[], { k1 = 1.2, b = 0.75 }: Bm25Parameters = {}): SourceScores[] {
  const weights = new Map<string, number>()
  for (const term of query) weights.set(term, (weights.get(term) ?? 0) + 1)
  const documentCount = sources.reduce((sum, { source }) => sum + source.documentCount, 0)
  const termTotal = sources.reduce((sum, { source }) => sum + source.termTotal, 0)
  const averageLength = documentCount > 0 ? termTotal / documentCount : 0
  const accumulators = sources.map(({ source }) => new Float32Array(source.rowCount))
  for (const [term, weight] of weights) {
    const postings = sources.map(({ source }) => source.find(term))
    const frequency = postings.reduce((sum, posting) => sum + (posting?.documentFrequency ?? 0), 0)
    if (frequency === 0) continue
    const idf = Math.log(1 + (documentCount - frequency + 0.5) / (frequency + 0.5))
    postings.forEach((posting, s) => {
      if (!posting) return
      const { source, live } = sources[s]!
      const scores = accumulators[s]!
      const { rows, counts } = posting
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i]!
        if (row >= scores.length || (live && !live.has(row))) continue
        const count = counts[i]!
        const norm = averageLength > 0 ? k1 * (1 - b + (b * source.lengthOf(row)) / averageLength) : k1
        scores[row]! += (weight * idf * count * (k1 + 1)) / (count + norm)
      }
    })
  }
  return accumulators.map(nonZero)
}

function nonZero(scores: Float32Array): SourceScores {
  let count = 0
  for (let row = 0; row < scores.length; row++) if (scores[row]! > 0) count++
  const rows = new Uint32Array(count)
  const values = new Float32Array(count)
  for (let row = 0, next = 0; row < scores.length; row++) {
    if (scores[row]! <= 0) continue
    rows[next] = row
    values[next++] = scores[row]!
  }
  return { rows, scores: values }
}
