import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Bitset } from '../../base/bitset.ts'
import { isWindlassError } from '../../base/errors.ts'
import type { Metadata } from '../../format/record.ts'
import { Columns, encodeColumns } from './columns.ts'
import { matchesFilter, parseFilter, type FilterRules } from './filter.ts'

// Few keys and values, with neighbours of every kind: equal numbers of two types, numbers beyond 2^53, strings that are prefixes.
const scalar = fc.constantFrom<string | number | bigint | boolean>('', 'a', 'ab', 'b', '\uE000', '\u{1F600}', 0, 1, 1n, 1.5, -2, 2n ** 53n, 2n ** 53n + 1n, 2 ** 53, true, false)
const value = fc.oneof({ weight: 4, arbitrary: scalar }, fc.array(fc.oneof(scalar, fc.constant(null)), { maxLength: 3 }), fc.constant(null), fc.constant({ nested: 1 }))
const key = fc.constantFrom('x', 'y', 'z')
const rows: fc.Arbitrary<Metadata[]> = fc.array(fc.dictionary(key, value, { maxKeys: 3 }), { maxLength: 40 })

const comparison = fc.oneof(
  fc.record({ $eq: scalar }),
  fc.record({ $ne: scalar }),
  fc.record({ $in: fc.array(scalar, { minLength: 1, maxLength: 3 }) }),
  fc.record({ $nin: fc.array(scalar, { minLength: 1, maxLength: 3 }) }),
  fc.record({ $exists: fc.boolean() }),
  fc.record({ $startsWith: fc.constantFrom('', 'a', 'ab', '\uE000') }),
  ...['$gt', '$gte', '$lt', '$lte'].map((operator) => scalar.filter((each) => typeof each !== 'boolean').map((each) => ({ [operator]: each }))),
)
const leaf = fc.oneof(
  fc.tuple(key, scalar).map(([name, each]) => ({ [name]: each })),
  fc.tuple(key, comparison).map(([name, each]) => ({ [name]: each })),
  fc.tuple(key, comparison, comparison).map(([name, a, b]) => ({ [name]: { ...a, ...b } })),
)
const { filter } = fc.letrec((tie) => ({
  filter: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((parts) => ({ $and: parts })),
    fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((parts) => ({ $or: parts })),
    tie('filter').map((part) => ({ $not: part })),
  ),
}))
const rules: fc.Arbitrary<FilterRules> = fc.record({ negationMatchesMissing: fc.boolean(), looksIntoLists: fc.boolean() })

describe('a filter', () => {
  test('selects from columns what it matches row by row', () => {
    fc.assert(
      fc.property(rows, filter, rules, (metadata, json, by) => {
        const parsed = parseFilter(json)
        const selected = Columns.open(encodeColumns(metadata)).select(parsed, by)
        const expected = metadata.reduce((set, row, i) => (matchesFilter(parsed, row, by) ? set.set(i) : set), new Bitset(metadata.length))
        expect([...selected.toBytes()]).toEqual([...expected.toBytes()])
      }),
      { numRuns: Number(process.env.FUZZ_RUNS ?? 500) },
    )
  })

  test.each<[unknown, Metadata, boolean]>([
    [{ a: 1 }, { a: 1n }, true],
    [{ a: 2 ** 53 }, { a: 2n ** 53n + 1n }, false],
    [{ a: 'x' }, { a: ['y', 'x'] }, true],
    [{ a: { $ne: 'x' } }, { a: ['y', 'x'] }, false],
    [{ a: { $ne: 'x' } }, {}, true],
    [{ a: { $gt: 1 } }, { a: '2' }, false],
    [{ a: { $gte: 1, $lt: 3 } }, { a: 2 }, true],
    [{ a: { $startsWith: 'ab' } }, { a: 'abc' }, true],
    [{ a: { $exists: false } }, { b: 1 }, true],
    [{ a: { $exists: true } }, { a: null }, true],
    [{ $not: { a: 1 } }, {}, true],
    [{}, {}, true],
    [{ toString: { $exists: true } }, {}, false],
  ])('%j on %o: %s', (json, metadata, matches) => {
    expect(matchesFilter(parseFilter(json), metadata)).toBe(matches)
    expect(Columns.open(encodeColumns([metadata])).select(parseFilter(json)).has(0)).toBe(matches)
  })

  test.each<[unknown, RegExp]>([
    [null, /^filter: expected an object, found null/],
    [{ a: { $foo: 1 } }, /^filter\.a\.\$foo: unknown operator.*\$startsWith/],
    [{ $nor: [] }, /^filter\.\$nor: unknown operator.*\$and/],
    [{ $and: [{ year: { $gte: null } }] }, /^filter\.\$and\[0\]\.year\.\$gte: expected a number or a string, found null/],
    [{ a: { $in: [] } }, /^filter\.a\.\$in: expected a list of one value/],
    [{ a: {} }, /found \{\}/],
    [{ a: null }, /^filter\.a: .*found null/],
    [{ a: { $in: [[1]] } }, /\$in\[0\]: .*found a list/],
    [{ a: { $in: Array.from({ length: 1001 }, (_, i) => i) } }, /more than 1000/],
    [Array.from({ length: 20 }).reduce<unknown>((inner) => ({ $not: inner }), { a: 1 }), /deeper than 16/],
  ])('refuses %j', (json, message) => {
    expect(() => parseFilter(json)).toThrow(message)
  })

  test('damaged columns give a typed error or an answer', () => {
    const bytes = encodeColumns(Array.from({ length: 200 }, (_, i) => ({ a: i % 7, b: `text ${i}`, c: [i, 'x'], d: BigInt(i) })))
    const probe = (damaged: Uint8Array) => {
      try {
        const columns = Columns.open(damaged)
        for (const name of ['a', 'b', 'c', 'd']) if (columns.rowCount < 10_000) columns.select(parseFilter({ [name]: { $gt: 3 } }))
      } catch (error) {
        if (!isWindlassError(error, 'corrupt', 'unsupported')) throw error
      }
    }
    for (let size = 0; size < bytes.length; size += 11) probe(bytes.slice(0, size))
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, byte) => {
        const damaged = bytes.slice()
        damaged[at] = byte
        probe(damaged)
      }),
      { numRuns: 2000 },
    )
  })
})
