import { Bitset } from '../../base/bitset.ts'
import { ByteReader, ByteWriter } from '../../format/varint.ts'

/** Rows of one segment that a filter index can hold: a head (row × 4 + form) then fits 32 bits. */
export const rowCountMax = 2 ** 28

// The two low bits of a row set's head say its form; the rest is the row, the size in bytes, or nothing.
const forms = { one: 0, list: 1, bitmap: 2, all: 3 } as const

/** Appends one set of ascending rows, in whatever form is smallest. */
export function writeRowSet(writer: ByteWriter, rows: readonly number[], rowCount: number): void {
  if (rows.length === rowCount) return writer.varint(forms.all)
  if (rows.length === 1) return writer.varint(rows[0]! * 4 + forms.one)
  const list = new ByteWriter(rows.length + 16)
  rows.forEach((row, i) => list.varint(row - (i === 0 ? -1 : rows[i - 1]!)))
  if (list.length <= bitmapSize(rowCount)) {
    writer.varint(list.length * 4 + forms.list)
    return writer.bytes(list.toBytes())
  }
  const bitmap = new Bitset(rowCount)
  for (const row of rows) bitmap.set(row)
  writer.varint(forms.bitmap)
  writer.bytes(bitmap.toBytes())
}

/** Row sets as stored, one after the other. Reading them finds where each begins; a set is decoded each time it is added. */
export class RowSets {
  readonly #bytes: Uint8Array
  /** Set i is in bytes [starts[i], starts[i + 1]). */
  readonly #starts: Uint32Array
  readonly #rowCount: number

  private constructor(bytes: Uint8Array, starts: Uint32Array, rowCount: number) {
    this.#bytes = bytes
    this.#starts = starts
    this.#rowCount = rowCount
  }

  /** @param bytes What `reader` reads, from its beginning. */
  static read(reader: ByteReader, bytes: Uint8Array, count: number, rowCount: number): RowSets {
    if (count > reader.remaining) reader.fail(`${count} row sets expected, ${reader.remaining} bytes left`)
    const starts = new Uint32Array(count + 1)
    for (let i = 0; i < count; i++) {
      starts[i] = reader.offset
      const head = reader.varint()
      const form = head % 4
      const value = Math.floor(head / 4)
      if (form === forms.one) {
        if (value >= rowCount) reader.fail(`row ${value} of ${rowCount}`)
      } else if (form === forms.list) {
        if (value > bitmapSize(rowCount)) reader.fail(`row list of ${value} bytes, longer than a bitmap`)
        reader.bytes(value)
      } else {
        if (value !== 0) reader.fail(`row set has head ${head}`)
        if (form === forms.bitmap) reader.bytes(bitmapSize(rowCount))
      }
    }
    starts[count] = reader.offset
    return new RowSets(bytes, starts, rowCount)
  }

  /** Adds the rows of sets [first, last) to `rows`. @throws {WindlassError} `corrupt` for a list that is out of order. */
  addTo(rows: Bitset, first: number, last: number): void {
    const bytes = this.#bytes
    const end = last > first ? this.#starts[last]! : 0
    // Written out, not with a ByteReader: a wide range over distinct values is one head after the other, and this is its cost.
    for (let at = this.#starts[first]!; at < end; ) {
      let head = bytes[at++]!
      if (head >= 128) {
        head &= 127
        for (let shift = 7; ; shift += 7) {
          const byte = bytes[at++]!
          head |= (byte & 127) << shift
          if (byte < 128) break
        }
      }
      const form = head & 3
      if (form === forms.one) rows.set(head >>> 2)
      else if (form === forms.list) {
        this.#addList(rows, at, at + (head >>> 2))
        at += head >>> 2
      } else if (form === forms.all) rows.or(Bitset.full(this.#rowCount))
      else {
        const size = bitmapSize(this.#rowCount)
        rows.or(Bitset.fromBytes(bytes.subarray(at, at + size), this.#rowCount))
        at += size
      }
    }
  }

  #addList(rows: Bitset, start: number, end: number): void {
    const bytes = this.#bytes
    let row = -1
    for (let at = start; at < end; ) {
      let distance = 0
      for (let shift = 0; ; shift += 7) {
        if (at === end || shift > 28) this.#fail(at, 'a row list ends within a number')
        const byte = bytes[at++]!
        distance |= (byte & 127) << shift
        if (byte < 128) break
      }
      row += distance
      if (distance <= 0 || row >= this.#rowCount) this.#fail(at, `a row list is out of order at row ${row}`)
      rows.set(row)
    }
  }

  #fail(at: number, what: string): never {
    new ByteReader(this.#bytes, 'filter index', 'columns', at).fail(what)
  }
}

function bitmapSize(rowCount: number): number {
  return (rowCount + 7) >>> 3
}
