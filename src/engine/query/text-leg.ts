import { WindlassError } from '../../base/errors.ts'
import type { Analyzer } from '../../text/analyzer.ts'
import { bm25Scores, type SourceScores } from '../../text/bm25.ts'
import { MemoryPostings, type StoredPostings } from '../../text/postings.ts'
import { TopK } from '../../vector/top-k.ts'
import { textOf } from '../memtable.ts'
import type { Segment } from '../segment.ts'
import type { Snapshot } from '../view.ts'
import { sourceStride, type Candidates } from './candidates.ts'

/** A row by id (source × 2^32 + row), and its BM25. */
export interface TextScored {
  readonly id: number
  readonly textScore: number
}

/** BM25 of the rows that have a word of the query. */
export class TextLeg {
  readonly #indexes: readonly number[]
  readonly #scores: readonly SourceScores[]

  /** @param indexes Place of each entry of `scores` among the sources. */
  constructor(indexes: readonly number[], scores: readonly SourceScores[]) {
    this.#indexes = indexes
    this.#scores = scores
  }

  /** Rows that have a word of the query. */
  get size(): number {
    return this.#scores.reduce((sum, { rows }) => sum + rows.length, 0)
  }

  /** Best first; equal scores keep the lower id first. */
  top(k: number): TextScored[] {
    const best = new TopK(k)
    this.#scores.forEach(({ rows, scores }, i) => {
      const base = this.#indexes[i]! * sourceStride
      for (let j = 0; j < rows.length; j++) if (-scores[j]! <= best.threshold) best.offer(base + rows[j]!, -scores[j]!)
    })
    return best.sorted().map(({ row, distance }) => ({ id: row, textScore: -distance }))
  }

  /** Undefined where the row has no word of the query. */
  scoreOf(id: number): number | undefined {
    const index = Math.floor(id / sourceStride)
    const entry = this.#scores[this.#indexes.indexOf(index)]
    if (!entry) return undefined
    const position = lowerBound(entry.rows, id - index * sourceStride)
    return entry.rows[position] === id - index * sourceStride ? entry.scores[position] : undefined
  }
}

/** @throws {WindlassError} `invalid` for a field without a full-text index. */
export async function scoreText(snapshot: Snapshot, sources: readonly Candidates[], text: string, field: string, analyzerFor: (id: string) => Analyzer): Promise<TextLeg> {
  const spec = snapshot.schema.textFields.find((textField) => textField.field === field)
  if (!spec) throw new WindlassError('invalid', `field ${JSON.stringify(field)} has no full-text index`, { path: 'field' })
  const analyzer = analyzerFor(spec.analyzer)
  const terms = analyzer.terms(text)
  const indexed = await Promise.all(
    sources.map(async (source, index) => {
      const postings = 'memory' in source ? (snapshot.memtable.postings.get(field) ?? null) : await segmentPostings(source.segment, field, analyzer)
      return postings && { source: postings, live: await source.rows(), index }
    }),
  )
  const present = indexed.filter((entry) => entry !== null)
  return new TextLeg(
    present.map(({ index }) => index),
    bm25Scores(terms, present),
  )
}

// A field that got its index after the segment was written: its words are found by reading them, once, until a merge writes them down.
const builtPostings = new WeakMap<Segment, Map<string, Promise<MemoryPostings>>>()
const rowsReadAtOnce = 1000

async function segmentPostings(segment: Segment, field: string, analyzer: Analyzer): Promise<StoredPostings | MemoryPostings | null> {
  const stored = await segment.postings(field)
  if (stored || field === 'document') return stored
  let byField = builtPostings.get(segment)
  if (!byField) builtPostings.set(segment, (byField = new Map()))
  let building = byField.get(field)
  if (!building) {
    building = buildPostings(segment, field, analyzer)
    byField.set(field, building)
    building.catch(() => byField.delete(field))
  }
  return building
}

async function buildPostings(segment: Segment, field: string, analyzer: Analyzer): Promise<MemoryPostings> {
  const postings = new MemoryPostings()
  const rows: number[] = []
  ;(await segment.rowsOfSpace('records')).forEach((row) => rows.push(row))
  for (let start = 0; start < rows.length; start += rowsReadAtOnce) {
    const part = rows.slice(start, start + rowsReadAtOnce)
    const contents = await segment.metadataOf(part)
    contents.forEach((metadata, i) => {
      const text = textOf({ document: null, metadata }, field)
      if (text !== null) postings.add(part[i]!, analyzer.terms(text))
    })
  }
  return postings
}

function lowerBound(sorted: Uint32Array, value: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}
