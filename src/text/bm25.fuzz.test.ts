import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bitset } from '../base/bitset.ts'
import { WindlassError } from '../base/errors.ts'
import { bm25Scores, bm25TopK } from './bm25.ts'
import { MemoryPostings, StoredPostings, type TermSource } from './postings.ts'

const word = fc.constantFrom('a', 'b', 'c', 'd', 'e')
const part = fc.array(fc.option(fc.array(word, { maxLength: 12 })), { maxLength: 40 })
const scene = fc.record({
  parts: fc.array(part, { maxLength: 3 }),
  query: fc.array(fc.oneof(word, fc.constant('absent')), { maxLength: 6 }),
  dead: fc.array(fc.nat(40), { maxLength: 10 }),
  parameters: fc.constantFrom({}, { k1: 0.9, b: 0.4 }, { b: 0 }, { k1: 0 }),
})

type Row = readonly string[] | null

function sourcesOf(parts: readonly (readonly Row[])[], dead: readonly number[]) {
  return parts.map((rows, i) => {
    const memory = new MemoryPostings()
    rows.forEach((terms, row) => terms && memory.add(row, terms))
    const source: TermSource = i % 2 ? memory : StoredPostings.open(memory.toBytes((row) => row, rows.length))
    // The last source has no bitset: all its rows are live.
    const live = Bitset.full(rows.length)
    for (const row of dead) if (row < rows.length) live.clear(row)
    return i === parts.length - 1 ? { source } : { source, live }
  })
}

/** The formula as the paper has it, by counting. */
function textbook(parts: readonly (readonly Row[])[], query: readonly string[], { k1 = 1.2, b = 0.75 }: { k1?: number; b?: number }): number[][] {
  const documents = parts.flat().filter((row) => row !== null)
  const averageLength = documents.reduce((sum, row) => sum + row.length, 0) / documents.length
  return parts.map((rows) =>
    rows.map((row) =>
      query.reduce((score, term) => {
        const count = row?.filter((other) => other === term).length ?? 0
        if (count === 0) return score
        const n = documents.filter((each) => each.includes(term)).length
        const idf = Math.log(1 + (documents.length - n + 0.5) / (n + 0.5))
        return score + (idf * count * (k1 + 1)) / (count + k1 * (1 - b + (b * row!.length) / averageLength))
      }, 0),
    ),
  )
}

test('scores equal the textbook formula over all sources, for live rows that have a query term', () => {
  fc.assert(
    fc.property(scene, ({ parts, query, dead, parameters }) => {
      const sources = sourcesOf(parts, dead)
      const expected = textbook(parts, query, parameters)
      const results = bm25Scores(query, sources, parameters)
      expect(results).toHaveLength(parts.length)
      results.forEach(({ rows, scores }, i) => {
        const scoring = expected[i]!.flatMap((score, row) => (score > 0 && sources[i]!.live?.has(row) !== false ? [row] : []))
        expect(Array.from(rows)).toEqual(scoring)
        scoring.forEach((row, j) => expect(scores[j]! / expected[i]![row]!).toBeCloseTo(1, 5))
      })
    }),
    { numRuns: 500 },
  )
})

test('the top k is the head of all scores, sorted by score, source, row', () => {
  fc.assert(
    fc.property(scene, fc.nat(50), ({ parts, query, dead, parameters }, k) => {
      const sources = sourcesOf(parts, dead)
      const all = bm25Scores(query, sources, parameters).flatMap(({ rows, scores }, source) =>
        Array.from(rows, (row, i) => ({ source, row, score: scores[i]! })),
      )
      all.sort((x, y) => y.score - x.score || x.source - y.source || x.row - y.row)
      expect(bm25TopK(query, sources, k, parameters)).toEqual(all.slice(0, k))
    }),
    { numRuns: 500 },
  )
})

test('damaged postings leave nothing behind for the next query', () => {
  const [source] = sourcesOf([[['a', 'b'], ['a'], ['b']]], [])
  const before = bm25Scores(['a', 'b'], [source!])
  const damaged: TermSource = {
    rowCount: 3,
    documentCount: 3,
    termTotal: 4,
    lengthOf: (row) => source!.source.lengthOf(row),
    find: (term) => {
      if (term === 'b') throw new WindlassError('corrupt', 'damaged')
      return source!.source.find(term)
    },
  }
  expect(() => bm25Scores(['a', 'b'], [source!, { source: damaged }])).toThrow(/damaged/)
  expect(bm25Scores(['a', 'b'], [source!])).toEqual(before)
})
