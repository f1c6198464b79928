import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Bitset } from '../base/bitset.ts'
import { isWindlassError } from '../base/errors.ts'
import { bm25Scores } from './bm25.ts'
import { MemoryPostings, StoredPostings } from './postings.ts'

// Few words, so that posting lists are long, and prefixes of each other, so that front coding works hard.
const word = fc.oneof(fc.constantFrom('a', 'ab', 'abc', 'abd', 'b', 'é', '\u{1F600}', 'zebra'), fc.string({ minLength: 1, maxLength: 5 }).filter((s) => s.isWellFormed()))
const texts = fc.array(fc.option(fc.array(word, { maxLength: 12 })), { maxLength: 300 })

function build(rows: readonly (readonly string[] | null)[]): MemoryPostings {
  const postings = new MemoryPostings()
  rows.forEach((terms, row) => terms && postings.add(row, terms))
  return postings
}

describe('postings', () => {
  test('memory and stored form both answer like a scan', () => {
    fc.assert(
      fc.property(texts, fc.array(word, { maxLength: 5 }), (rows, extra) => {
        const memory = build(rows)
        const stored = StoredPostings.open(memory.toBytes((row) => row, rows.length))
        const all = [...new Set(rows.flatMap((terms) => terms ?? []))]
        expect([...stored.terms()].sort()).toEqual([...all].sort())
        for (const source of [memory, stored]) {
          expect(source.documentCount).toBe(rows.filter((terms) => terms !== null).length)
          expect(source.termTotal).toBe(rows.reduce((sum, terms) => sum + (terms?.length ?? 0), 0))
          for (const term of [...all, ...extra]) {
            const expected = rows.flatMap((terms, row) => {
              const count = terms?.filter((each) => each === term).length ?? 0
              return count > 0 ? [[row, count]] : []
            })
            const found = source.find(term)
            expect(found ? [...found.rows].map((row, i) => [row, found.counts[i]]) : []).toEqual(expected)
            expect(found?.documentFrequency ?? 0).toBe(expected.length)
          }
          rows.forEach((terms, row) => expect(source.lengthOf(row)).toBe(terms?.length ?? 0))
        }
      }),
    )
  })

  test('a row map drops and moves rows', () => {
    fc.assert(
      fc.property(texts, fc.infiniteStream(fc.boolean()), (rows, keep) => {
        const kept = rows.map((_, row) => row).filter(() => keep.next().value)
        const order = [...kept].reverse()
        const stored = StoredPostings.open(build(rows).toBytes((row) => order.indexOf(row), order.length))
        const direct = StoredPostings.open(build(order.map((row) => rows[row]!)).toBytes((row) => row, order.length))
        for (const term of new Set(rows.flatMap((terms) => terms ?? []))) expect(stored.find(term)).toEqual(direct.find(term))
        expect(stored.termTotal).toBe(direct.termTotal)
      }),
      { numRuns: 50 },
    )
  })

  test('damaged bytes give a typed error or an answer, never a hang or a crash', () => {
    const bytes = build(Array.from({ length: 300 }, (_, i) => [`w${i % 50}`, 'all', `x${i}`])).toBytes()
    const probe = (damaged: Uint8Array) => {
      try {
        const postings = StoredPostings.open(damaged)
        for (const term of ['all', 'w7', 'x100', 'nothing']) postings.find(term)
        let count = 0
        for (const _ of postings.terms()) if (++count > 1000) break
      } catch (error) {
        if (!isWindlassError(error, 'corrupt', 'unsupported') && !(error instanceof TypeError && /encoded data/.test(String(error)))) throw error
      }
    }
    for (let size = 0; size < bytes.length; size += 7) probe(bytes.slice(0, size))
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const damaged = bytes.slice()
        damaged[at] = value
        probe(damaged)
      }),
      { numRuns: 2000 },
    )
  })
})

test('bm25Scores equals the textbook formula over all sources', () => {
  fc.assert(
    fc.property(fc.array(texts, { minLength: 1, maxLength: 3 }), fc.array(word, { minLength: 1, maxLength: 4 }), (parts, query) => {
      const all = parts.flat().filter((terms) => terms !== null)
      const average = all.reduce((sum, terms) => sum + terms.length, 0) / Math.max(1, all.length)
      const live = parts.map((rows) => rows.reduce((set, _, row) => (row % 3 === 1 ? set : set.set(row)), new Bitset(rows.length)))
      const sources = parts.map((rows, i) => ({ source: i % 2 ? build(rows) : StoredPostings.open(build(rows).toBytes((row) => row, rows.length)), live: live[i]! }))
      const results = bm25Scores(query, sources)
      parts.forEach((rows, part) => {
        const found = new Map([...results[part]!.rows].map((row, i) => [row, results[part]!.scores[i]!]))
        rows.forEach((terms, row) => {
          let expected = 0
          for (const term of query) {
            const count = terms?.filter((each) => each === term).length ?? 0
            const n = all.filter((each) => each.includes(term)).length
            if (count > 0) expected += (Math.log(1 + (all.length - n + 0.5) / (n + 0.5)) * count * 2.2) / (count + 1.2 * (0.25 + (0.75 * terms!.length) / average))
          }
          if (expected > 0 && row % 3 !== 1) expect(found.get(row)! / expected).toBeCloseTo(1, 4)
          else expect(found.has(row)).toBe(false)
        })
      })
    }),
    { numRuns: 60 },
  )
})
