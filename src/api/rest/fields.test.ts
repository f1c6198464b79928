import { expect, test } from 'vitest'
import type { Metadata } from '../../format/record.ts'
import { FieldTally } from './fields.ts'

function summarizeFields(records: readonly Metadata[]): ReturnType<FieldTally['fields']> {
  const tally = new FieldTally()
  for (const record of records) tally.add(record)
  return tally.fields()
}

test('a field of many values shows the most frequent, and says that there are others', () => {
  const records = Array.from({ length: 100 }, (_, i) => ({ name: `n${i}`, kind: i < 60 ? 'a' : 'b' }))
  const [kind, name] = summarizeFields(records)
  expect(kind).toEqual({ field: 'kind', types: ['string'], count: 100, values: [{ value: 'a', count: 60 }, { value: 'b', count: 40 }], isComplete: true })
  expect(name!.values).toHaveLength(20)
  expect(name!.isComplete).toBe(false)
})

test('long texts are no values, and make a list of values incomplete', () => {
  expect(summarizeFields([{ abstract: 'x'.repeat(201) }, { abstract: 'short' }])).toEqual([{ field: 'abstract', types: ['string'], count: 2, values: [{ value: 'short', count: 1 }], isComplete: false }])
})

test('values of every type: whole numbers, truths, lists, nothing, objects', () => {
  const records = [{ x: 5n }, { x: true }, { x: [1, 1, 'a'] }, { x: null }, { x: { deep: 1 } }]
  const [x] = summarizeFields(records)
  expect(x!.types).toEqual(['boolean', 'list', 'number', 'object'])
  expect(x!.count).toBe(5)
  expect(x!.values).toEqual([1, 5, 'a', true].map((value) => ({ value, count: 1 })))
  expect([x!.min, x!.max]).toEqual([1, 5])
})

test('what a field is called is data: no name is special', () => {
  const [proto] = summarizeFields([JSON.parse('{"__proto__": "v"}')])
  expect(proto).toMatchObject({ field: '__proto__', count: 1, values: [{ value: 'v', count: 1 }] })
})

test('of many different fields a thousand are counted, and it is said that there are others', () => {
  const tally = new FieldTally()
  for (let i = 0; i < 1_000; i++) tally.add({ [`f${i}`]: i, all: 'same' })
  expect(tally.hasAllFields).toBe(false)
  expect(tally.fields()).toHaveLength(1_000)
  expect(tally.fields()[0]).toMatchObject({ field: 'all', count: 1_000 })
  const few = new FieldTally()
  for (let i = 0; i < 1_000; i++) few.add({ [`f${i}`]: i })
  expect(few.hasAllFields).toBe(true)
})

test('of many different values in many fields 50,000 are kept, and those that are kept are counted on', () => {
  const tally = new FieldTally()
  for (let i = 0; i < 2_000; i++) tally.add(Object.fromEntries(Array.from({ length: 30 }, (_, f) => [`f${f}`, i])))
  tally.add({ f0: 1, late: 'new' })
  const [first, ...others] = tally.fields()
  expect(first!.values[0]).toEqual({ value: 1, count: 2 })
  expect(others.at(-1)).toMatchObject({ field: 'late', count: 1, values: [], isComplete: false })
})
