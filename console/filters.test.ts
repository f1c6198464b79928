import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchesFilter, parseFilter } from '../src/engine/query/filter.ts'
import { operatorsOf, parseValue, toFilter, type Condition, type Field } from './filters.ts'

const field = (name: string, types: Field['types'], values: (string | number | boolean)[] = []): Field => ({ field: name, types, count: 1, values: values.map((value) => ({ value, count: 1 })), isComplete: true })
const fields = [field('year', ['number'], [2024]), field('name', ['string'], ['2024']), field('draft', ['boolean'], [true]), field('tags', ['list'], ['a', 'b']), field('sizes', ['list'], [1, 2])]
const of = (field: string, operator: Condition['operator'], value = ''): Condition => ({ field, operator, value })

test('a value is of the type that its field has', () => {
  expect(toFilter([of('year', 'is', ' 2024 ')], fields)).toEqual({ year: { $eq: 2024 } })
  expect(toFilter([of('name', 'is', '2024')], fields)).toEqual({ name: { $eq: '2024' } })
  expect(toFilter([of('draft', 'is', 'true')], fields)).toEqual({ draft: { $eq: true } })
  expect(toFilter([of('sizes', 'is', '2')], fields)).toEqual({ sizes: { $eq: 2 } })
  expect(toFilter([of('tags', 'is', '2')], fields)).toEqual({ tags: { $eq: '2' } })
  expect(toFilter([of('unknown', 'is', '2')], fields)).toEqual({ unknown: { $eq: '2' } })
  expect(parseValue('1e400', ['number'])).toBe('1e400')
})

test('conditions hold together; what is not finished is left out', () => {
  expect(toFilter([], fields)).toBeUndefined()
  expect(toFilter([of('', 'is', 'x'), of('year', 'at-least', ' ')], fields)).toBeUndefined()
  expect(toFilter([of('year', 'at-least', '2020'), of('name', 'is', ''), of('tags', 'any-of', 'a, b,')], fields)).toEqual({ $and: [{ year: { $gte: 2020 } }, { tags: { $in: ['a', 'b'] } }] })
})

test('every comparison means to the engine what it says', () => {
  const matches = (condition: Condition, metadata: object) => matchesFilter(parseFilter(toFilter([condition], fields)), metadata as never)
  expect([2019, 2020, 2021].map((year) => matches(of('year', 'at-least', '2020'), { year }))).toEqual([false, true, true])
  expect([2019, 2020, 2021].map((year) => matches(of('year', 'at-most', '2020'), { year }))).toEqual([true, true, false])
  expect([2019, 2020].map((year) => matches(of('year', 'is-not', '2020'), { year }))).toEqual([true, false])
  expect(['ab', 'ba'].map((name) => matches(of('name', 'starts-with', 'a'), { name }))).toEqual([true, false])
  expect([{ name: 'x' }, {}].map((metadata) => matches(of('name', 'exists'), metadata))).toEqual([true, false])
  expect([{ name: 'x' }, {}].map((metadata) => matches(of('name', 'is-absent'), metadata))).toEqual([false, true])
  expect(matches(of('tags', 'is', 'a'), { tags: ['a', 'c'] })).toBe(true)
})

test('whatever is typed, the engine takes the filter', () => {
  const condition = fc.record({ field: fc.constantFrom('year', 'name', 'draft', 'tags', 'sizes'), operator: fc.constantFrom('is', 'is-not', 'any-of', 'starts-with', 'exists', 'is-absent') as fc.Arbitrary<Condition['operator']>, value: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('1', 'true', 'a,b')) })
  fc.assert(
    fc.property(fc.array(condition.filter(({ operator, value }) => operator !== 'any-of' || value.split(',').some((each) => each.trim() !== '')), { minLength: 1, maxLength: 4 }), (conditions) => {
      const filter = toFilter(conditions, fields)
      if (filter !== undefined) parseFilter(filter)
    }),
  )
})

test('more and less are asked of numbers only, beginnings of texts only', () => {
  expect(operatorsOf(['number'])).toContain('at-least')
  expect(operatorsOf(['string'])).not.toContain('at-least')
  expect(operatorsOf(['boolean'])).not.toContain('starts-with')
})
