// The filter index of a segment, format version 1. Integers are varints (LEB128) unless said otherwise.
//
//   u8 version, rowCount, keyCount
//   directory: per metadata key, in order of UTF-8: text key, size of its column in bytes
//   columns, one after the other; each:
//     present rows                 row list: every row that has the key, whatever its value
//     dictionary of single values
//     dictionary of list elements
//   dictionary: count, then per distinct value in order (false, true; numbers; strings):
//     u8 tag (0 false, 1 true, 2 float64, 3 int64, 4 text), the value, row list
//   row list: count, then the distance of each row to the one before (the first from -1)
import { Bitset } from '../../base/bitset.ts'
import { compareUtf8 } from '../../base/bytes.ts'
import { WindlassError } from '../../base/errors.ts'
import type { Metadata } from '../../format/record.ts'
import { ByteReader, ByteWriter } from '../../format/varint.ts'
import { compareScalars, defaultFilterRules, isScalar, type Filter, type FilterRules, type RangeFilter, type Scalar } from './filter.ts'

const version = 1
const subject = 'filter index'
const tags = { false: 0, true: 1, float64: 2, int64: 3, text: 4 } as const

interface GrowingColumn {
  readonly present: number[]
  readonly single: Map<Scalar, number[]>
  readonly elements: Map<Scalar, number[]>
}

/** Builds the filter index of a segment row by row, in the order of its rows. */
export class ColumnsBuilder {
  readonly #columns = new Map<string, GrowingColumn>()
  readonly #skip: ReadonlySet<string>
  #rowCount = 0

  /** @param skip Metadata keys that no filter shall find. */
  constructor(skip: ReadonlySet<string> = new Set()) {
    this.#skip = skip
  }

  add(metadata: Metadata): void {
    const row = this.#rowCount++
    for (const [key, value] of Object.entries(metadata)) {
      if (this.#skip.has(key)) continue
      let column = this.#columns.get(key)
      if (!column) this.#columns.set(key, (column = { present: [], single: new Map(), elements: new Map() }))
      column.present.push(row)
      if (isScalar(value)) addRow(column.single, value, row)
      else if (Array.isArray(value)) for (const element of value) if (isScalar(element)) addRow(column.elements, element, row)
    }
  }

  toBytes(): Uint8Array {
    const encoded = [...this.#columns].sort(([a], [b]) => compareUtf8(a, b)).map(([key, column]) => ({ key, bytes: encodeColumn(column) }))
    const writer = new ByteWriter()
    writer.u8(version)
    writer.varint(this.#rowCount)
    writer.varint(encoded.length)
    for (const { key, bytes } of encoded) {
      writer.text(key)
      writer.varint(bytes.length)
    }
    for (const { bytes } of encoded) writer.bytes(bytes)
    return writer.toBytes()
  }
}

/**
 * Builds the filter index of a segment's rows.
 * @param skip Metadata keys that no filter shall find.
 */
export function encodeColumns(rows: readonly Metadata[], { skip = new Set() }: { skip?: ReadonlySet<string> } = {}): Uint8Array {
  const builder = new ColumnsBuilder(skip)
  for (const metadata of rows) builder.add(metadata)
  return builder.toBytes()
}

function addRow(dictionary: Map<Scalar, number[]>, value: Scalar, row: number): void {
  const rows = dictionary.get(value)
  if (!rows) dictionary.set(value, [row])
  else if (rows.at(-1) !== row) rows.push(row)
}

function encodeColumn({ present, single, elements }: GrowingColumn): Uint8Array {
  const writer = new ByteWriter()
  writeRows(writer, present)
  for (const dictionary of [single, elements]) {
    writer.varint(dictionary.size)
    for (const [value, rows] of [...dictionary].sort(([a], [b]) => orderValues(a, b))) {
      writeValue(writer, value)
      writeRows(writer, rows)
    }
  }
  return writer.toBytes()
}

function writeRows(writer: ByteWriter, rows: readonly number[]): void {
  writer.varint(rows.length)
  let before = -1
  for (const row of rows) {
    writer.varint(row - before)
    before = row
  }
}

function writeValue(writer: ByteWriter, value: Scalar): void {
  if (typeof value === 'boolean') return writer.u8(value ? tags.true : tags.false)
  if (typeof value === 'number') {
    writer.u8(tags.float64)
    return writer.f64(value)
  }
  if (typeof value === 'bigint') {
    writer.u8(tags.int64)
    return writer.int64(value)
  }
  writer.u8(tags.text)
  writer.text(value)
}

/** Booleans, numbers, strings; equal numbers of both types side by side, so that a search finds both. */
function orderValues(a: Scalar, b: Scalar): number {
  return rankOf(a) - rankOf(b) || compareScalars(a, b)! || Number(typeof a === 'bigint') - Number(typeof b === 'bigint')
}

function rankOf(value: Scalar): number {
  return typeof value === 'boolean' ? 0 : typeof value === 'string' ? 2 : 1
}

/** The filter index of a segment, open. A column is decoded when a filter first names it. */
export class Columns {
  readonly rowCount: number
  readonly #bytes: Uint8Array
  readonly #ranges = new Map<string, { start: number; end: number }>()
  readonly #decoded = new Map<string, Column>()

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    const reader = new ByteReader(bytes, subject, '')
    const found = reader.u8()
    if (found !== version) throw new WindlassError('unsupported', `${subject} has version ${found}, this windlass reads ${version}: upgrade`)
    this.rowCount = reader.varint()
    const sizes = Array.from({ length: reader.count('columns', 2) }, () => ({ key: reader.text(), size: reader.varint() }))
    let start = reader.offset
    for (const { key, size } of sizes) {
      if (start + size > bytes.length) reader.fail(`column ${JSON.stringify(key)} ends beyond the end`)
      this.#ranges.set(key, { start, end: start + size })
      start += size
    }
    if (start !== bytes.length) reader.fail(`it has ${bytes.length} bytes, expected ${start}`)
  }

  /** @throws {WindlassError} `corrupt`, or `unsupported` when a newer version wrote it. */
  static open(bytes: Uint8Array): Columns {
    return new Columns(bytes)
  }

  /** The rows that match. */
  select(filter: Filter, rules: FilterRules = defaultFilterRules): Bitset {
    switch (filter.op) {
      case 'and':
        return filter.filters.reduce((rows, each) => rows.and(this.select(each, rules)), Bitset.full(this.rowCount))
      case 'or':
        return filter.filters.reduce((rows, each) => rows.or(this.select(each, rules)), new Bitset(this.rowCount))
      case 'not':
        return this.select(filter.filter, rules).not()
      case 'exists': {
        const present = this.#present(filter.key)
        return filter.exists ? present : present.not()
      }
      case 'ne':
      case 'nin': {
        const values = 'values' in filter ? filter.values : [filter.value]
        const base = rules.negationMatchesMissing ? Bitset.full(this.rowCount) : this.#present(filter.key)
        return base.andNot(this.#withAny(filter.key, values, rules))
      }
      case 'in':
        return this.#withAny(filter.key, filter.values, rules)
      case 'eq':
        return this.#withAny(filter.key, [filter.value], rules)
      default:
        return this.#inRange(filter, rules)
    }
  }

  #present(key: string): Bitset {
    const rows = new Bitset(this.rowCount)
    this.#column(key)?.present.forEach((row) => rows.set(row))
    return rows
  }

  #withAny(key: string, values: readonly Scalar[], rules: FilterRules): Bitset {
    const rows = new Bitset(this.rowCount)
    for (const dictionary of this.#dictionaries(key, rules)) {
      for (const value of values) dictionary.addRows(rows, dictionary.lowerBound(value), dictionary.upperBound(value))
    }
    return rows
  }

  #inRange(filter: RangeFilter | Extract<Filter, { op: 'startsWith' }>, rules: FilterRules): Bitset {
    const rows = new Bitset(this.rowCount)
    const { op, value } = filter
    for (const dictionary of this.#dictionaries(filter.key, rules)) {
      const [first, last] = dictionary.bounds(rankOf(value))
      if (op === 'startsWith') dictionary.addRows(rows, dictionary.lowerBound(value), dictionary.prefixEnd(String(value)))
      else if (op === 'gt') dictionary.addRows(rows, dictionary.upperBound(value), last)
      else if (op === 'gte') dictionary.addRows(rows, dictionary.lowerBound(value), last)
      else dictionary.addRows(rows, first, op === 'lt' ? dictionary.lowerBound(value) : dictionary.upperBound(value))
    }
    return rows
  }

  #dictionaries(key: string, rules: FilterRules): readonly Dictionary[] {
    const column = this.#column(key)
    if (!column) return []
    return rules.looksIntoLists ? [column.single, column.elements] : [column.single]
  }

  #column(key: string): Column | null {
    const range = this.#ranges.get(key)
    if (!range) return null
    let column = this.#decoded.get(key)
    if (!column) {
      const reader = new ByteReader(this.#bytes.subarray(range.start, range.end), subject, '')
      column = { present: readRows(reader, this.rowCount), single: Dictionary.read(reader, this.rowCount), elements: Dictionary.read(reader, this.rowCount) }
      reader.end()
      this.#decoded.set(key, column)
    }
    return column
  }
}

interface Column {
  readonly present: Uint32Array
  readonly single: Dictionary
  readonly elements: Dictionary
}

/** Distinct values in order, and the rows of each, side by side: a range of values is a range of rows. */
class Dictionary {
  readonly #values: readonly Scalar[]
  /** Rows of value i: `#rows[#starts[i]]` to `#rows[#starts[i + 1]]`. */
  readonly #starts: Uint32Array
  readonly #rows: Uint32Array

  private constructor(values: readonly Scalar[], starts: Uint32Array, rows: Uint32Array) {
    this.#values = values
    this.#starts = starts
    this.#rows = rows
  }

  static read(reader: ByteReader, rowCount: number): Dictionary {
    const count = reader.count('values', 2)
    const values: Scalar[] = []
    const starts = new Uint32Array(count + 1)
    const lists: Uint32Array[] = []
    for (let i = 0; i < count; i++) {
      const value = readValue(reader)
      if (i > 0 && orderValues(values[i - 1]!, value) >= 0) reader.fail(`value ${i} is out of order`)
      values.push(value)
      const rows = readRows(reader, rowCount)
      lists.push(rows)
      starts[i + 1] = starts[i]! + rows.length
    }
    const all = new Uint32Array(starts[count]!)
    lists.forEach((rows, i) => all.set(rows, starts[i]))
    return new Dictionary(values, starts, all)
  }

  /** Adds the rows of the values in [first, last). */
  addRows(rows: Bitset, first: number, last: number): void {
    if (first >= last) return
    for (let i = this.#starts[first]!; i < this.#starts[last]!; i++) rows.set(this.#rows[i]!)
  }

  /** The first value not before `value`. */
  lowerBound(value: Scalar): number {
    return this.#search((stored) => rankOf(stored) < rankOf(value) || (rankOf(stored) === rankOf(value) && compareScalars(stored, value)! < 0))
  }

  /** The first value after `value`. */
  upperBound(value: Scalar): number {
    return this.#search((stored) => rankOf(stored) < rankOf(value) || (rankOf(stored) === rankOf(value) && compareScalars(stored, value)! <= 0))
  }

  /** The first string after those that start with `prefix`. */
  prefixEnd(prefix: string): number {
    return this.#search((stored) => typeof stored !== 'string' || stored.startsWith(prefix) || compareUtf8(stored, prefix) < 0)
  }

  /** The values of one type: [first, last). */
  bounds(rank: number): [number, number] {
    return [this.#search((stored) => rankOf(stored) < rank), this.#search((stored) => rankOf(stored) <= rank)]
  }

  /** How many values, from the first on, are `before`. */
  #search(before: (stored: Scalar) => boolean): number {
    let low = 0
    let high = this.#values.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (before(this.#values[middle]!)) low = middle + 1
      else high = middle
    }
    return low
  }
}

function readValue(reader: ByteReader): Scalar {
  const tag = reader.u8()
  if (tag === tags.false || tag === tags.true) return tag === tags.true
  if (tag === tags.float64) {
    const value = reader.f64()
    return Number.isFinite(value) ? value : reader.fail(`a value is ${value}`)
  }
  if (tag === tags.int64) return reader.int64()
  if (tag === tags.text) return reader.text()
  return reader.fail(`a value has tag ${tag}`)
}

function readRows(reader: ByteReader, rowCount: number): Uint32Array {
  const count = reader.count('rows', 1)
  const rows = new Uint32Array(count)
  let before = -1
  for (let i = 0; i < count; i++) {
    const delta = reader.varint()
    before += delta
    if (delta === 0 || before >= rowCount) reader.fail('a row list is out of order')
    rows[i] = before
  }
  return rows
}
