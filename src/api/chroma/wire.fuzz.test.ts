import fc from 'fast-check'
import { RE2JS } from 're2js'
import { expect, test } from 'vitest'
import { newId, seededRandom } from '../../base/random.ts'
import { idOfUuid, uuidOfId } from './ids.ts'
import { collectionOf, isName, placeOf } from './names.ts'
import { parseJson } from './parse-json.ts'
import { literalsOf } from './regex-literals.ts'
import { toWritable, writeJson } from './write-json.ts'

const text = (value: unknown) => [...writeJson(value)].join('')

test('JSON that is written comes back the same: integers, floats, texts, nesting', () => {
  const leaf = fc.oneof(fc.string({ unit: 'grapheme' }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.double({ noNaN: true, noDefaultInfinity: true }).map((each) => (each === 0 ? 0 : each)), fc.boolean(), fc.constant(null))
  const { value } = fc.letrec((tie) => ({ value: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('value'), { maxLength: 4 }), fc.dictionary(fc.string(), tie('value'), { maxKeys: 4 })) }))
  fc.assert(
    fc.property(value, (given) => {
      const plain = parseJson(text(toWritable(given)))
      expect(plain).toEqual(given)
    }),
  )
})

test('what JSON.parse refuses is refused, and what it takes is taken', () => {
  const piece = fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '\\', '\\u00e9', '1', '-', '.', '0', 'e', 'true', 'null', ' ', 'a', '"a"', '\n')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')), (json) => {
      const outcome = (parse: (json: string) => unknown) => {
        try {
          return { value: JSON.stringify(parse(json), (_, each: unknown) => (typeof each === 'bigint' ? Number(each) : each)) }
        } catch {
          return 'refused'
        }
      }
      // A raw line feed in a text and a number without end are where we are more patient, or more careful.
      if (/"[^"]*\n/.test(json) || /\d{15}|e\d{3}/.test(json)) return
      expect(outcome(parseJson)).toEqual(outcome(JSON.parse))
    }),
    { numRuns: 3000 },
  )
})

test('vectors are lists of numbers, however they are written', () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true })), { maxLength: 5 }), { maxLength: 3 }), fc.constantFrom('', ' ', '\n'), (vectors, space) => {
      const json = `{"embeddings":[${vectors.map((each) => `[${each.map((number) => space + JSON.stringify(number) + space).join(',')}]`).join(',')}]}`
      expect(parseJson(json)).toEqual({ embeddings: JSON.parse(JSON.stringify(vectors)) as unknown })
    }),
  )
  for (const bad of ['[[1,2]', '[[1,,2]]', '[[1 2]]', '[[01]]', '[[1e999]]', '[[.5]]', '[[1,2]]]']) expect(() => parseJson(`{"embeddings":${bad}}`), bad).toThrow()
  expect(parseJson('{"embeddings":[[1,"a]"],[],[[2]],["]"]]}')).toEqual({ embeddings: [[1, 'a]'], [], [[2]], [']']] })
})

test('every id is a UUID, and comes back from it', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 0, max: 2 ** 47 }), (seed, now) => {
      const id = newId(now, seededRandom(seed))
      const uuid = uuidOfId(id)
      expect(uuid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      expect(idOfUuid(uuid)).toBe(id)
      expect(idOfUuid(uuid.toUpperCase().replaceAll('-', ''))).toBe(id)
    }),
  )
})

test('a place and a name are one collection, and the other way round', () => {
  const name = fc.string({ unit: fc.constantFrom(...'ab.-_9'), minLength: 3, maxLength: 8 }).filter(isName)
  const tenant = fc.oneof(fc.constant('default_tenant'), fc.string({ unit: 'grapheme', minLength: 3, maxLength: 8 }))
  const database = fc.oneof(fc.constant('default_database'), name)
  fc.assert(
    fc.property(tenant, database, name, (tenant, database, name) => {
      expect(placeOf(collectionOf({ tenant, database }, name))).toEqual({ tenant, database, name })
    }),
  )
})

test('a text that matches a pattern has every literal of it', () => {
  const piece = fc.constantFrom('a', 'b', 'é', ' ', 'ab', '.', '\\.', '[ab]', '[^]a]', '(b|a)', '(ab)', 'a?', 'b*', 'a+', 'b{2}', 'a{0,1}', '^', '$', '\\d', '\\bab', '(?i)', '\\Qa.\\E', '\\x61', '|')
  const sample = fc.string({ unit: fc.constantFrom(...'abé .1]'), maxLength: 8 })
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join('')), fc.array(sample, { maxLength: 8 }), (pattern, texts) => {
      let compiled: RE2JS
      try {
        compiled = RE2JS.compile(pattern)
      } catch {
        return
      }
      for (const each of texts) if (compiled.matcher(each).find()) for (const literal of literalsOf(pattern)) expect(each, pattern).toContain(literal)
    }),
    { numRuns: 3000 },
  )
  expect(literalsOf('^anchor chain\\.$')).toEqual(['anchor chain.'])
  expect(literalsOf('err[oO]r: \\d+ in module')).toEqual(['err', 'r: ', ' in module'])
})
