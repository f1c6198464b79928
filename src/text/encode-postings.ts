import { compareUtf8 } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import { finish } from '../base/steps.ts'
import { PostingsEncoder } from './postings-format.ts'
import type { ListedPostings, Posting } from './postings.ts'

/** Postings to write anew, and where their rows go. */
export interface PostingsPart {
  readonly postings: ListedPostings
  /** The row in the new segment, in any order; -1 leaves it out. No two rows of all parts may go to the same place. */
  readonly rowMap: (row: number) => number
}

const dropped = 0xffffffff
/** In rows moved: how much is done at a time (some 10 ms), and what finding a term costs beside its rows. */
const stepWork = 100_000
const findWork = 20

/**
 * Writes postings anew as one: a flush, or a merge of segments, in one pass over the terms of all.
 * Rows that go nowhere are forgotten, with the terms that only they had.
 * @param rowCount Rows of the new segment.
 * @throws {WindlassError} `invalid` when a row goes beyond `rowCount`, or where another one went.
 */
export function encodePostings(parts: readonly PostingsPart[], rowCount: number): Uint8Array<ArrayBuffer> {
  return finish(encodePostingsInSteps(parts, rowCount))
}

/** As `encodePostings`, giving way after every few milliseconds of work. @throws as that does, from the step that finds it. */
export function* encodePostingsInSteps(parts: readonly PostingsPart[], rowCount: number): Generator<undefined, Uint8Array<ArrayBuffer>> {
  const lengths = new Uint32Array(rowCount)
  const targets = parts.map(({ postings, rowMap }) => {
    const target = new Uint32Array(postings.rowCount).fill(dropped)
    for (let row = 0; row < target.length; row++) {
      const to = postings.hasField(row) ? rowMap(row) : -1
      if (to === -1) continue
      if (!(to >= 0 && to < rowCount)) throw new WindlassError('invalid', `row ${row} goes to ${to}, expected 0 to ${rowCount - 1}, or -1`)
      if (lengths[to] !== 0) throw new WindlassError('invalid', `two rows go to row ${to} of the text index`)
      lengths[to] = postings.lengthOf(row) + 1
      target[row] = to
    }
    return target
  })
  const encoder = new PostingsEncoder(lengths)
  let work = 0
  for (const { term, holders } of termsOf(parts)) {
    const found: Posting[] = []
    for (const part of holders) {
      const posting = moved(parts[part]!.postings.find(term)!, targets[part]!)
      work += posting.documentFrequency + findWork
      if (posting.documentFrequency > 0) found.push(posting)
    }
    if (found.length > 0) {
      const { rows, counts } = inOrder(found.length === 1 ? found[0]! : joined(found))
      encoder.add(term, rows, counts)
    }
    if (work < stepWork) continue
    work = 0
    yield
  }
  return encoder.finish()
}

/** The terms of all parts in order, each once, with the parts that have it. */
function* termsOf(parts: readonly PostingsPart[]): Generator<{ term: string; holders: readonly number[] }> {
  const iterators = parts.map(({ postings }) => postings.terms()[Symbol.iterator]())
  const heads = iterators.map(advance)
  for (;;) {
    let term: string | null = null
    for (const head of heads) if (head !== null && (term === null || compareUtf8(head, term) < 0)) term = head
    if (term === null) return
    const holders: number[] = []
    heads.forEach((head, part) => {
      if (head !== term) return
      holders.push(part)
      heads[part] = advance(iterators[part]!)
    })
    yield { term, holders }
  }
}

function advance(iterator: Iterator<string>): string | null {
  const { value, done } = iterator.next()
  return done ? null : (value as string)
}

/** The rows that go somewhere, where they go. */
function moved({ rows, counts }: Posting, targets: Uint32Array): Posting {
  const movedRows = new Uint32Array(rows.length)
  const movedCounts = new Uint32Array(rows.length)
  let size = 0
  for (let i = 0; i < rows.length; i++) {
    const target = targets[rows[i]!]!
    if (target === dropped) continue
    movedRows[size] = target
    movedCounts[size++] = counts[i]!
  }
  return { documentFrequency: size, rows: movedRows.subarray(0, size), counts: movedCounts.subarray(0, size) }
}

function joined(postings: readonly Posting[]): Posting {
  const documentFrequency = postings.reduce((sum, posting) => sum + posting.documentFrequency, 0)
  const rows = new Uint32Array(documentFrequency)
  const counts = new Uint32Array(documentFrequency)
  let at = 0
  for (const posting of postings) {
    rows.set(posting.rows, at)
    counts.set(posting.counts, at)
    at += posting.documentFrequency
  }
  return { documentFrequency, rows, counts }
}

/** Sorted by row; as it is where it is sorted already, the usual case. */
function inOrder(posting: Posting): Posting {
  const { documentFrequency, rows, counts } = posting
  let i = 1
  while (i < documentFrequency && rows[i - 1]! < rows[i]!) i++
  if (i >= documentFrequency) return posting
  // Row and count in one number, so that the platform's own sort of numbers does.
  const pairs = Float64Array.from(rows, (row, j) => row * 2 ** 21 + Math.min(counts[j]!, 2 ** 21 - 1)).sort()
  return {
    documentFrequency,
    rows: Uint32Array.from(pairs, (pair) => Math.floor(pair / 2 ** 21)),
    counts: Uint32Array.from(pairs, (pair) => pair % 2 ** 21),
  }
}
