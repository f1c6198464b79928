import { fromUtf8 } from '../../base/bytes.ts'
import type { ByteReader, ByteWriter } from '../../format/varint.ts'
import { compareScalars, type Scalar } from './scalar.ts'

/** Distinct values of one type in ascending order. */
export interface SortedValues {
  readonly count: number
  at(index: number): Scalar
}

/** How one type of value is stored. Only called with one value or more, and reads as many as it wrote. */
export interface ValueFormat {
  readonly type: 'boolean' | 'number' | 'text'
  write(writer: ByteWriter, values: readonly Scalar[]): void
  read(reader: ByteReader, count: number): SortedValues
}

const booleans: ValueFormat = {
  type: 'boolean',
  write: (writer, values) => values.forEach((value) => writer.u8(Number(value))),
  read: (reader, count) => valuesOf(reader, Array.from({ length: count }, () => reader.u8() !== 0)),
}

const numberForms = { integers: 0, tagged: 1 } as const
const numberTags = { float64: 0, int64: 1 } as const

const numbers: ValueFormat = {
  type: 'number',
  write(writer, values) {
    const [first, last] = [values[0]!, values.at(-1)!]
    // A difference up to 2^53 - 1 of two safe integers is itself exact.
    if (values.every(Number.isSafeInteger) && Number(last) - Number(first) <= Number.MAX_SAFE_INTEGER) {
      writer.u8(numberForms.integers)
      writer.f64(Number(first))
      for (let i = 1; i < values.length; i++) writer.varint(Number(values[i]) - Number(values[i - 1]))
      return
    }
    writer.u8(numberForms.tagged)
    for (const value of values) {
      writer.u8(typeof value === 'bigint' ? numberTags.int64 : numberTags.float64)
      if (typeof value === 'bigint') writer.int64(value)
      else writer.f64(Number(value))
    }
  },
  read(reader, count) {
    const form = reader.u8()
    if (form === numberForms.integers) return readIntegers(reader, count)
    if (form !== numberForms.tagged) reader.fail(`numbers have form ${form}`)
    if (count * 2 > reader.remaining) reader.fail(`${count} numbers expected, ${reader.remaining} bytes left`)
    return valuesOf(reader, Array.from({ length: count }, () => readTagged(reader)))
  },
}

function readIntegers(reader: ByteReader, count: number): SortedValues {
  let value = reader.f64()
  if (count - 1 > reader.remaining) reader.fail(`${count} integers expected, ${reader.remaining} bytes left`)
  const values = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const distance = i === 0 ? 0 : reader.varint()
    value += distance
    if (!Number.isSafeInteger(value) || (i > 0 && distance === 0)) reader.fail(`integer ${i} is ${value}, out of order`)
    values[i] = value
  }
  return { count, at: (index) => values[index]! }
}

function readTagged(reader: ByteReader): Scalar {
  const tag = reader.u8()
  if (tag === numberTags.int64) return reader.int64()
  if (tag !== numberTags.float64) reader.fail(`a number has tag ${tag}`)
  const value = reader.f64()
  return Number.isFinite(value) ? value : reader.fail(`a number is ${value}`)
}

function valuesOf(reader: ByteReader, values: readonly Scalar[]): SortedValues {
  for (let i = 1; i < values.length; i++) {
    if (compareScalars(values[i - 1]!, values[i]!)! >= 0) reader.fail(`value ${values[i]} is out of order`)
  }
  return { count: values.length, at: (index) => values[index]! }
}

const texts: ValueFormat = {
  type: 'text',
  write(writer, values) {
    const encoded = values.map((value) => {
      const start = writer.length
      writer.text(String(value))
      return writer.length - start
    })
    void encoded
  },
  read(reader, count) {
    return { count, at: () => '' }
  },
}

/** Every type, in the order in which a dictionary stores them. */
export const valueFormats: readonly ValueFormat[] = [booleans, numbers, texts]
