import { describe, expect, test } from 'vitest'
import { decodeMetadata, encodeMetadata, metadataDepthMax, type Metadata, type MetadataValue } from './record.ts'
import { xxh32 } from './xxh32.ts'

const utf8 = new TextEncoder()

describe('encodeMetadata', () => {
  test('writes the bytes that docs/format.md draws', () => {
    const bytes = encodeMetadata({ b: -1n, a: [true, null], '': 'é', c: { d: 1.5 } })
    // prettier-ignore
    expect([...bytes]).toEqual([
      4, // members, in the order of their keys' bytes
      0, 5, 2, 0xc3, 0xa9, // '': text of 2 bytes
      1, 0x61, 6, 2, 2, 0, // a: list of 2: true, null
      1, 0x62, 4, 1, // b: int64, zigzag -1
      1, 0x63, 7, 1, 1, 0x64, 3, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, // c: object of 1: d: float64
    ])
  })

  test('keeps 1 and 1n apart', () => {
    const decoded = decodeMetadata(encodeMetadata({ float: 1, integer: 1n }), 'x')
    expect(decoded).toStrictEqual({ float: 1, integer: 1n })
  })

  test('keeps the ends of int64', () => {
    const ends = { low: -(2n ** 63n), high: 2n ** 63n - 1n, wide: 2n ** 49n, safe: 2n ** 53n + 1n }
    expect(decodeMetadata(encodeMetadata(ends), 'x')).toStrictEqual(ends)
  })

  test('sorts keys by UTF-8, not by UTF-16', () => {
    // U+FFFF is after U+1F600 in UTF-16 units, before it in UTF-8.
    const bytes = encodeMetadata({ '\u{1f600}': null, '\uffff': null })
    expect([...bytes.subarray(1, 5)]).toEqual([3, ...utf8.encode('\uffff')])
  })

  test('a key __proto__ stays an own key and touches no prototype', () => {
    const metadata = JSON.parse('{"__proto__":{"polluted":true}}') as Metadata
    const decoded = decodeMetadata(encodeMetadata(metadata), 'x')
    expect(Object.keys(decoded)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype)
    expect((decoded as { polluted?: boolean }).polluted).toBeUndefined()
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  test.each([
    ['NaN', { a: Number.NaN }, 'metadata.a is NaN'],
    ['infinity', { a: [1, Infinity] }, 'metadata.a.1 is Infinity'],
    ['-0', { a: { b: -0 } }, 'metadata.a.b is -0'],
    ['2^63', { a: 2n ** 63n }, 'does not fit a signed 64-bit integer'],
    ['-2^63 - 1', { a: -(2n ** 63n) - 1n }, 'does not fit a signed 64-bit integer'],
    ['undefined', { a: undefined }, 'metadata.a is undefined'],
    ['a hole', { a: Array(1) }, 'metadata.a.0 is undefined'],
    ['a date', { a: new Date(0) }, 'an instance of Date'],
    ['a map', { a: new Map() }, 'an instance of Map'],
    ['a vector', { a: new Float32Array(1) }, 'an instance of Float32Array'],
    ['a function', { a: () => 1 }, 'metadata.a is function'],
    ['half a pair in a value', { a: 'x\ud800' }, 'metadata.a holds half a surrogate pair'],
    ['half a pair in a long value', { a: `${'x'.repeat(100)}\udc00` }, 'metadata.a holds half a surrogate pair'],
    ['half a pair in a key', { '\udfff': 1 }, 'metadata holds half a surrogate pair'],
    ['a list for the whole', [], 'metadata must be an object, found a list'],
    ['null for the whole', null, 'metadata must be an object, found null'],
  ])('refuses %s', (_, metadata, message) => {
    expect(() => encodeMetadata(metadata as unknown as Metadata)).toThrow(
      expect.objectContaining({ kind: 'invalid', message: expect.stringContaining(message) }),
    )
  })

  test('nests to its limit and not beyond', () => {
    const nest = (levels: number, wrap: (value: MetadataValue) => MetadataValue): Metadata => {
      let value: MetadataValue = 1
      for (let i = 1; i < levels; i++) value = wrap(value)
      return { a: value }
    }
    for (const wrap of [(value: MetadataValue) => [value], (value: MetadataValue) => ({ a: value })]) {
      const deepest = nest(metadataDepthMax, wrap)
      expect(decodeMetadata(encodeMetadata(deepest), 'x')).toEqual(deepest)
      expect(() => encodeMetadata(nest(metadataDepthMax + 1, wrap))).toThrow(
        expect.objectContaining({ kind: 'invalid' }),
      )
    }
    // A hostile nesting must end in an error, not in a full stack.
    const lists = [1, 0, ...Array.from({ length: 100_000 }, () => [6, 1]).flat()]
    const objects = Array.from({ length: 100_000 }, () => [1, 0, 7]).flat()
    for (const bytes of [lists, objects]) {
      expect(() => decodeMetadata(Uint8Array.from(bytes), 'x')).toThrow(
        expect.objectContaining({ kind: 'corrupt', message: expect.stringContaining('nests deeper than 32 levels') }),
      )
    }
    const circle: { self?: unknown } = {}
    circle.self = circle
    expect(() => encodeMetadata(circle as Metadata)).toThrow(expect.objectContaining({ kind: 'invalid' }))
  })
})

test.each([
  ['keys out of order', [2, 1, 0x62, 0, 1, 0x61, 0]],
  ['a key twice', [2, 1, 0x61, 0, 1, 0x61, 0]],
  ['an unknown tag', [1, 0, 8]],
  ['a longer form of a number', [0x80, 0]],
  ['a longer form of an integer', [1, 0, 4, 0x80, 0]],
  ['an integer of 65 bits', [1, 0, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]],
  ['-0', [1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0x80]],
  ['a count beyond the end', [1, 0, 6, 0xff, 0xff, 0xff, 0x7f]],
  ['bytes after the end', [0, 0]],
  ['nothing', []],
  ['text that is not UTF-8', [1, 0, 5, 1, 0xff]],
])('decodeMetadata refuses %s', (_, bytes) => {
  expect(() => decodeMetadata(Uint8Array.from(bytes), 'data/1/log/7')).toThrow(
    expect.objectContaining({
      kind: 'corrupt',
      details: { key: 'data/1/log/7' },
      message: expect.stringMatching(/^data\/1\/log\/7: metadata is damaged at byte \d+: /),
    }),
  )
})

test('xxh32 gives the known answers', () => {
  expect(xxh32(utf8.encode(''), 0)).toBe(0x02cc5d05)
  expect(xxh32(utf8.encode('abc'), 0)).toBe(0x32d153ff)
  expect(xxh32(utf8.encode('Nobody inspects the spammish repetition'), 0)).toBe(0xe2293b2f)
})
