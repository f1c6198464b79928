import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isWindlassError } from '../base/errors.ts'
import { encodePostings } from './encode-postings.ts'
import { MemoryPostings, StoredPostings, type TermSource } from './postings.ts'

type Row = readonly string[] | null

// Few words, so that lists are long, and prefixes of each other, so that front coding works hard.
const common = fc.constantFrom('a', 'ab', 'abc', 'abd', 'b', 'é', '\uffee', '\u{1F600}', 'zebra')
const word = fc.oneof({ weight: 4, arbitrary: common }, { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 5, unit: 'grapheme' }) })
const row = fc.option(fc.array(word, { maxLength: 12 }))
const rows = fc.oneof(fc.array(row, { maxLength: 40 }), fc.array(row, { minLength: 130, maxLength: 300, size: 'max' }))

function build(all: readonly Row[]): MemoryPostings {
  const postings = new MemoryPostings()
  all.forEach((terms, i) => terms && postings.add(i, terms))
  return postings
}

/** Unaligned on purpose: sections lie anywhere in an object. */
function open(bytes: Uint8Array): StoredPostings {
  const shifted = new Uint8Array(bytes.length + 3)
  shifted.set(bytes, 3)
  return StoredPostings.open(shifted.subarray(3), 'segments/1')
}

function termsOf(all: readonly Row[]): string[] {
  return [...new Set(all.flatMap((terms) => terms ?? []))]
}

/** Checks everything a source says against a scan of the rows. */
function expectSame(source: TermSource, all: readonly Row[], absent: readonly string[] = []): void {
  expect(source.documentCount).toBe(all.filter((each) => each !== null).length)
  expect(source.termTotal).toBe(all.reduce((sum, each) => sum + (each?.length ?? 0), 0))
  expect([-1, ...all.keys(), all.length].map((i) => source.lengthOf(i))).toEqual([0, ...all.map((each) => each?.length ?? 0), 0])
  const expected = new Map<string, Map<number, number>>(absent.map((term) => [term, new Map()]))
  all.forEach((each, i) => {
    for (const term of each ?? []) {
      let counts = expected.get(term)
      if (!counts) expected.set(term, (counts = new Map()))
      counts.set(i, (counts.get(i) ?? 0) + 1)
    }
  })
  for (const [term, counts] of expected) {
    const found = source.find(term)
    expect(found ? Array.from(found.rows, (each, i) => [each, found.counts[i]]) : []).toEqual([...counts])
    expect(found?.documentFrequency ?? 0).toBe(counts.size)
  }
}

describe('postings', () => {
  test('memory and stored form both answer like a scan', () => {
    fc.assert(
      fc.property(rows, fc.array(word, { maxLength: 5 }), (all, extra) => {
        const memory = build(all)
        const stored = open(memory.toBytes((i) => i, all.length))
        const terms = termsOf(all)
        expect([...stored.terms()].sort()).toEqual([...terms].sort())
        expect(stored.termCount).toBe(terms.length)
        for (const source of [memory, stored]) {
          expectSame(source, all, [...extra, ''])
          expect(all.map((_, i) => source.hasField(i))).toEqual(all.map((each) => each !== null))
        }
      }),
    )
  })

  test('a row map drops and moves rows, as if they had been added so', () => {
    const moves = rows.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray([...all.keys()])))
    fc.assert(
      fc.property(moves, ([all, order]) => {
        const placeOf = new Map(order.map((from, to) => [from, to]))
        const moved = order.map((from) => all[from]!)
        const bytes = build(all).toBytes((i) => placeOf.get(i) ?? -1, order.length)
        expect(bytes).toEqual(build(moved).toBytes((i) => i, moved.length))
        expectSame(open(bytes), moved)
      }),
      { numRuns: 50 },
    )
  })

  test('merged postings are those of all rows in a row', () => {
    fc.assert(
      fc.property(fc.array(rows, { maxLength: 3 }), (parts) => {
        let offset = 0
        const merged = parts.map((all, i) => {
          const start = offset
          offset += all.length
          const memory = build(all)
          return { postings: i % 2 ? memory : open(memory.toBytes((each) => each, all.length)), rowMap: (each: number) => start + each }
        })
        const together = parts.flat()
        expect(encodePostings(merged, offset)).toEqual(build(together).toBytes((i) => i, offset))
      }),
      { numRuns: 50 },
    )
  })

  test('damaged bytes give a typed error or an answer within bounds, never a hang or a crash', () => {
    const sample = Array.from({ length: 700 }, (_, i) => [`w${i % 50}`, 'all', `x${i}`, ...Array.from({ length: i % 7 }, () => 'often')])
    const bytes = build(sample).toBytes()
    const probe = (damaged: Uint8Array) => {
      try {
        const postings = StoredPostings.open(damaged)
        for (const term of ['all', 'often', 'w7', 'x100', 'nothing']) {
          const found = postings.find(term)
          if (!found) continue
          // One assertion a list, not a row: there are millions of rows.
          const isBad = found.rows.some((each, i) => each >= postings.rowCount || (i > 0 && each <= found.rows[i - 1]!) || found.counts[i] === 0)
          expect([found.rows.length, isBad]).toEqual([found.documentFrequency, false])
        }
        let count = 0
        for (const _ of postings.terms()) if (++count > 2000) break
        return 'open'
      } catch (error) {
        if (!isWindlassError(error, 'corrupt', 'unsupported')) throw error
        return error.kind
      }
    }
    expect(probe(bytes)).toBe('open')
    for (let size = 0; size < bytes.length; size += 7) expect(probe(bytes.slice(0, size))).toBe('corrupt')
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.oneof(fc.nat(200), fc.nat(bytes.length - 1)), fc.nat(255)), { minLength: 1, maxLength: 3 }), (changes) => {
        const damaged = bytes.slice()
        for (const [at, value] of changes) damaged[at] = value
        probe(damaged)
      }),
      { numRuns: 1500 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (foreign) => void probe(foreign)), { numRuns: 1000 })
  })
})
