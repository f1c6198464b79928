import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isWindlassError } from '../base/errors.ts'
import { arbitraryText } from '../testing/arbitraries.ts'
import { ByteReader, ByteWriter, hasLoneSurrogate } from './varint.ts'

type Field =
  | ['u8' | 'u16' | 'u32' | 'f64' | 'varint', number]
  | ['int64', bigint]
  | ['text', string]
  | ['bytes', Uint8Array]
  | ['f32Array', Float32Array]

const arbitraryField: fc.Arbitrary<Field> = fc.oneof(
  fc.tuple(fc.constant('u8' as const), fc.nat(255)),
  fc.tuple(fc.constant('u16' as const), fc.nat(65535)),
  fc.tuple(fc.constant('u32' as const), fc.integer({ min: 0, max: 0xffffffff })),
  fc.tuple(fc.constant('f64' as const), fc.double()),
  fc.tuple(
    fc.constant('varint' as const),
    fc.oneof(fc.maxSafeNat(), fc.nat(300), fc.constantFrom(127, 128, 16383, 16384, Number.MAX_SAFE_INTEGER)),
  ),
  fc.tuple(
    fc.constant('int64' as const),
    fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: -300n, max: 300n })),
  ),
  fc.tuple(fc.constant('text' as const), fc.oneof(arbitraryText(), arbitraryText(300))),
  fc.tuple(fc.constant('bytes' as const), fc.uint8Array({ maxLength: 20 })),
  fc.tuple(fc.constant('f32Array' as const), fc.float32Array({ maxLength: 20 })),
)

function read(reader: ByteReader, [type, value]: Field): unknown {
  if (type === 'bytes') return reader.bytes(value.length)
  if (type === 'f32Array') return reader.f32Array(value.length)
  return reader[type]()
}

test('ByteReader reads what ByteWriter wrote, and no byte less will do', () => {
  fc.assert(
    fc.property(fc.array(arbitraryField, { maxLength: 12 }), fc.nat(3), (fields, capacity) => {
      const writer = new ByteWriter(capacity)
      for (const [type, value] of fields) (writer[type] as (value: unknown) => void).call(writer, value)
      const bytes = writer.toBytes()
      const reader = new ByteReader(bytes, 'sample', 'x')
      for (const field of fields) expect(read(reader, field)).toEqual(field[1])
      reader.end()
      if (bytes.length === 0) return
      const short = new ByteReader(bytes.subarray(0, -1), 'sample', 'x')
      expect(() => fields.forEach((field) => read(short, field))).toThrow(expect.objectContaining({ kind: 'corrupt' }))
    }),
    { numRuns: 500 },
  )
})

test('a varint or int64 has one form: what reads, writes the same bytes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.nat(255), fc.constantFrom(0x80, 0xff, 0, 1)), { minLength: 1, maxLength: 12 }),
      fc.constantFrom('varint' as const, 'int64' as const),
      (list, type) => {
        const bytes = Uint8Array.from(list)
        const reader = new ByteReader(bytes, 'sample', 'x')
        let value: number | bigint
        try {
          value = reader[type]()
        } catch (error) {
          expect(isWindlassError(error, 'corrupt')).toBe(true)
          return
        }
        const writer = new ByteWriter()
        if (typeof value === 'number') writer.varint(value)
        else writer.int64(value)
        expect(writer.toBytes()).toEqual(bytes.subarray(0, reader.offset))
      },
    ),
    { numRuns: 3000 },
  )
})

test('hasLoneSurrogate agrees with encoding and decoding', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.integer({ min: 0xd700, max: 0xe100 }).map((code) => String.fromCharCode(code)) }),
      (text) => {
        expect(hasLoneSurrogate(text)).toBe(
          new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text)) !== text,
        )
      },
    ),
  )
})

test('ByteReader refuses a count that the bytes cannot hold before anything is made for it', () => {
  const writer = new ByteWriter()
  writer.varint(Number.MAX_SAFE_INTEGER)
  const reader = (): ByteReader => new ByteReader(writer.toBytes(), 'sample', 'x')
  expect(() => reader().count('things')).toThrow(
    /x: sample is damaged at byte 8: 9007199254740991 things expected, 0 bytes left/,
  )
  expect(() => reader().text()).toThrow(expect.objectContaining({ kind: 'corrupt' }))
  expect(() => reader().f32Array(2 ** 40)).toThrow(expect.objectContaining({ kind: 'corrupt' }))
})

test('ByteWriter refuses what it cannot write', () => {
  for (const value of [-1, 0.5, 2 ** 53, Number.NaN])
    expect(() => new ByteWriter().varint(value)).toThrow(expect.objectContaining({ kind: 'invalid' }))
  expect(() => new ByteWriter().int64(2n ** 63n)).toThrow(expect.objectContaining({ kind: 'invalid' }))
})
