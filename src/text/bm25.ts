import type { Bitset } from '../base/bitset.ts'
import type { Posting, TermSource } from './postings.ts'

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

/** One of the best rows: `source` is its place among the sources. */
export interface ScoredRow {
  readonly source: number
  readonly row: number
  readonly score: number
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
export function bm25Scores(query: readonly string[], sources: readonly ScoredSource[], parameters: Bm25Parameters = {}): SourceScores[] {
  const results: SourceScores[] = []
  scoreRows(query, sources, parameters, (_, rows, scores) => {
    const values = new Float32Array(rows.length)
    for (let i = 0; i < rows.length; i++) values[i] = scores[rows[i]!]!
    results.push({ rows, scores: values })
  })
  return results
}

/** The `k` best rows of all sources by `bm25Scores`: highest score first, then the earlier source, then the lower row. */
export function bm25TopK(query: readonly string[], sources: readonly ScoredSource[], k: number, parameters: Bm25Parameters = {}): ScoredRow[] {
  const best = new BestRows(k)
  scoreRows(query, sources, parameters, (source, rows, scores) => {
    for (let i = 0; i < rows.length; i++) best.offer(source, rows[i]!, scores[rows[i]!]!)
  })
  return best.inOrder()
}

interface WeightedTerm {
  /** Weight in the query times idf times (k1 + 1). */
  readonly weight: number
  /** Its rows, one entry a source. */
  readonly postings: readonly (Posting | null)[]
}

// Grows to the largest source; all zero between calls, so that a query costs what it touches, not what a source has.
let accumulator = new Float32Array(0)
let touchedWords = new Uint32Array(0)

/** Calls `visit` once a source with the rows that score, ascending, and the scores by row, which are valid during the call only. */
function scoreRows(
  query: readonly string[],
  sources: readonly ScoredSource[],
  { k1 = 1.2, b = 0.75 }: Bm25Parameters,
  visit: (source: number, rows: Uint32Array, scores: Float32Array) => void,
): void {
  // Everything is looked up first: damaged postings must not leave the accumulator half filled.
  const terms = weightTerms(query, sources, k1)
  const documentCount = sum(sources, ({ source }) => source.documentCount)
  const termTotal = sum(sources, ({ source }) => source.termTotal)
  const lengthFactor = termTotal > 0 ? (k1 * b * documentCount) / termTotal : 0
  const constant = k1 * (1 - b)
  sources.forEach(({ source, live }, index) => {
    if (accumulator.length < source.rowCount) {
      accumulator = new Float32Array(source.rowCount)
      touchedWords = new Uint32Array(Math.ceil(source.rowCount / 32))
    }
    for (const { weight, postings } of terms) {
      const posting = postings[index]
      if (posting) accumulate(posting, weight, source, live, constant, lengthFactor)
    }
    const rows = takeTouched(source.rowCount)
    visit(index, rows, accumulator)
    for (let i = 0; i < rows.length; i++) accumulator[rows[i]!] = 0
  })
}

function weightTerms(query: readonly string[], sources: readonly ScoredSource[], k1: number): WeightedTerm[] {
  const documentCount = sum(sources, ({ source }) => source.documentCount)
  const repeats = new Map<string, number>()
  for (const term of query) repeats.set(term, (repeats.get(term) ?? 0) + 1)
  return [...repeats].map(([term, count]) => {
    const postings = sources.map(({ source }) => source.find(term))
    const frequency = sum(postings, (posting) => posting?.documentFrequency ?? 0)
    const idf = Math.log(1 + (documentCount - frequency + 0.5) / (frequency + 0.5))
    return { weight: count * idf * (k1 + 1), postings }
  })
}

function accumulate(
  { rows, counts }: Posting,
  weight: number,
  source: TermSource,
  live: Bitset | undefined,
  constant: number,
  lengthFactor: number,
): void {
  const scores = accumulator
  const touched = touchedWords
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!
    if (live !== undefined && !live.has(row)) continue
    const count = counts[i]!
    scores[row]! += (weight * count) / (count + constant + lengthFactor * source.lengthOf(row))
    touched[row >>> 5]! |= 1 << (row & 31)
  }
}

/** The rows marked as touched, ascending; clears the marks. */
function takeTouched(rowCount: number): Uint32Array {
  const wordCount = Math.ceil(rowCount / 32)
  let rows = new Uint32Array(64)
  let size = 0
  for (let i = 0; i < wordCount; i++) {
    let word = touchedWords[i]!
    if (word === 0) continue
    touchedWords[i] = 0
    if (size + 32 > rows.length) {
      const grown = new Uint32Array(rows.length * 2)
      grown.set(rows)
      rows = grown
    }
    for (; word !== 0; word &= word - 1) rows[size++] = (i << 5) + 31 - Math.clz32(word & -word)
  }
  return rows.subarray(0, size)
}

/** A heap of at most `k` rows with the worst on top: a row that does not beat it costs one comparison. */
class BestRows {
  readonly #k: number
  readonly #heap: ScoredRow[] = []

  constructor(k: number) {
    this.#k = k
  }

  offer(source: number, row: number, score: number): void {
    const heap = this.#heap
    if (heap.length < this.#k) {
      heap.push({ source, row, score })
      this.#rise(heap.length - 1)
      // Rows are offered in order, so an equal score never beats one that is there.
    } else if (heap.length > 0 && score > heap[0]!.score) {
      heap[0] = { source, row, score }
      this.#sink()
    }
  }

  inOrder(): ScoredRow[] {
    return [...this.#heap].sort(compareRows)
  }

  #rise(from: number): void {
    const heap = this.#heap
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >>> 1
      if (compareRows(heap[parent]!, heap[at]!) > 0) return
      ;[heap[parent], heap[at]] = [heap[at]!, heap[parent]!]
      at = parent
    }
  }

  #sink(): void {
    const heap = this.#heap
    for (let at = 0; ; ) {
      let worst = at
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && compareRows(heap[child]!, heap[worst]!) > 0) worst = child
      }
      if (worst === at) return
      ;[heap[worst], heap[at]] = [heap[at]!, heap[worst]!]
      at = worst
    }
  }
}

/** Best first. */
function compareRows(a: ScoredRow, b: ScoredRow): number {
  return b.score - a.score || a.source - b.source || a.row - b.row
}

function sum<Item>(items: readonly Item[], valueOf: (item: Item) => number): number {
  return items.reduce((total, item) => total + valueOf(item), 0)
}
