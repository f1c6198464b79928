import fc from 'fast-check'
import { expect, test } from 'vitest'
import { liftVectors, lowerVectors } from './float-arrays.ts'

const mark = 'm-'

/** As the door reads a body. */
function read(text: string): unknown {
  const { rest, vectors } = liftVectors(Buffer.from(text), mark)
  const input: unknown = JSON.parse(Buffer.from(rest).toString())
  lowerVectors(input, vectors, mark)
  return input
}

const bitsOf = (values: Iterable<number>) => [...new Uint32Array(Float32Array.from(values).buffer)]
const body = (list: string) => `{"queryVector":{"float32":${list}}}`

function vectorOf(text: string): Float32Array {
  const { queryVector } = read(text) as { queryVector: { float32: Float32Array } }
  expect(queryVector.float32).toBeInstanceOf(Float32Array)
  return queryVector.float32
}

/** Decimal texts of every look: short, long, with exponents, at and around the middle of two float32, tiny and huge. */
const float = fc.float({ noNaN: true, noDefaultInfinity: true })
const middle = float.map((value) => {
  const bits = new Uint32Array(new Float32Array([value]).buffer)
  const next = new Float32Array(new Uint32Array([bits[0]! + 1]).buffer)[0]!
  return Number.isFinite(next) ? value / 2 + next / 2 : value
})
const nudged = fc.tuple(middle, fc.integer({ min: -200, max: 200 })).map(([value, ulps]) => {
  const words = new BigInt64Array(new Float64Array([value]).buffer)
  words[0] = words[0]! + BigInt(ulps)
  const moved = new Float64Array(words.buffer)[0]!
  return Number.isFinite(moved) ? moved : value
})
const digits = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 40 }).map((list) => list.join(''))
const written = fc.tuple(fc.constantFrom('', '-'), digits.map((text) => text.replace(/^0+(?=\d)/, '')), fc.option(digits, { nil: '' }), fc.option(fc.tuple(fc.constantFrom('e', 'E', 'e-', 'e+'), fc.integer({ min: 0, max: 400 })), { nil: null })).map(
  ([sign, whole, fraction, exponent]) => `${sign}${whole}${fraction === '' ? '' : `.${fraction}`}${exponent ? exponent.join('') : ''}`,
)
const number = fc.oneof(float.map(String), fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? '-0' : String(value))), middle.map(String), nudged.map(String), nudged.map((value) => value.toPrecision(30)), written)
const space = fc.constantFrom('', ' ', '\n', '\t\r ')

test('a list is what fround of each JSON number is, bit for bit', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(number, space, space), { minLength: 1, maxLength: 20 }), (list) => {
      const text = `[${list.map(([value, before, after]) => before + value + after).join(',')}]`
      expect(bitsOf(vectorOf(body(text)))).toEqual(bitsOf(JSON.parse(text) as number[]))
    }),
    { numRuns: 5000 },
  )
})

test('long lists grow', () => expect(vectorOf(body(`[${Array.from({ length: 5000 }, (_, i) => i / 7).join(', ')}]`))).toEqual(Float32Array.from({ length: 5000 }, (_, i) => i / 7)))

const oddities = fc.constantFrom('1', '-1.5', '01', '1.', '.5', '-', '+1', '1e', '1e+', '--1', 'NaN', 'Infinity', '"NaN"', 'null', 'true', '[1]', '{}', '""', '0x1', '1_0', '', ' ', '\u00a01', '"\\"float32\\":[1]"', '1 2')

test('what is not all numbers is judged by the JSON parser, as ever', () => {
  fc.assert(
    fc.property(fc.array(oddities, { maxLength: 4 }), (list) => {
      const text = body(`[${list.join(',')}]`)
      let expected: unknown
      try {
        expected = JSON.parse(text)
      } catch {
        expect(() => read(text)).toThrow(SyntaxError)
        return
      }
      const { queryVector } = read(text) as { queryVector: { float32: unknown } }
      const { float32 } = (expected as { queryVector: { float32: unknown[] } }).queryVector
      if (queryVector.float32 instanceof Float32Array) expect(bitsOf(queryVector.float32)).toEqual(bitsOf(float32 as number[]))
      else expect(queryVector.float32).toEqual(float32)
    }),
    { numRuns: 3000 },
  )
})

/** Texts whose pieces look like vectors and are not. */
const pieces = fc.constantFrom('"data"', '"queryVector"', '"float32"', ':', '{', '}', '[', ']', '[1,2]', ',', '"x"', '\\', '"', ' ', '1', '{"float32":[1,2]}', '"data":{"float32":[3,4]}', '"data\\"":{"float32":[5]}', '"\\"data":{"float32":[6]}', '"m-0"', '{"data":{"float32":')

test('a body is what it was: lifted or not, no other text becomes a vector', () => {
  const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (_, each: unknown) => (each instanceof Float32Array ? [...each] : each)))
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 25 }), fc.boolean(), (list, inObject) => {
      const text = inObject ? `{"vectors":[{${list.join('')}}]}` : list.join('')
      const lifted = liftVectors(Buffer.from(text), mark)
      let expected: unknown
      try {
        expected = JSON.parse(text)
      } catch {
        expect(() => JSON.parse(Buffer.from(lifted.rest).toString()) as unknown).toThrow(SyntaxError)
        return
      }
      const input = JSON.parse(Buffer.from(lifted.rest).toString()) as unknown
      lowerVectors(input, lifted.vectors, mark)
      // A vector where none belongs keeps its mark; the checks of shapes refuse it there, as they would the list.
      const rest = JSON.stringify(input).includes('"m-') ? expected : input
      expect(plain(rest)).toEqual(plain(expected))
    }),
    { numRuns: 5000 },
  )
})

test.each([
  ['{"vectors":[{"key":"a","data":{"float32":[1,2]}},{"data" : { "float32" : [ 3 , 4 ] }, "key":"b"}]}', [[1, 2], [3, 4]]],
  ['{"vectors":[{"data":{"x":1,"float32":[1,2]}}]}', [[1, 2]]],
  ['{"vectors":[{"data":{"float32":[1,2],"float32":[3]}}]}', [[3]]],
  ['{"vectors":[{"metadata":{"t":"\\"data\\":{\\"float32\\":[9]}"},"data":{"float32":[1]}}]}', [[1]]],
])('%s', (text, expected) => {
  const { vectors } = read(text) as { vectors: { data: { float32: Iterable<number> } }[] }
  expect(vectors.map(({ data }) => [...data.float32])).toEqual(expected)
})

test.each(['{"x\\"data":{"float32":[1,2]}}', '{"data2":{"float32":[1,2]}}', '{"metadata":{"float32":[1,2]}}', '{"float32":[1,2]}', '["data","float32",[1,2]]'])('%s is left as it is', (text) =>
  expect(Buffer.from(liftVectors(Buffer.from(text), mark).rest).toString()).toBe(text),
)
