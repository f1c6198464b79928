// What a merge makes of the small sections of its inputs: pure, no row's content is looked at.
import type { Bitset } from '../base/bitset.ts'
import { compareBytes } from '../base/bytes.ts'
import { columnHeaderSize, compareStamps, encodeRowFacts, type BlobIndex, type KeySection, type NormSection, type RowSection } from './segment-sections.ts'

/** Which row of which input each row of the merged segment was, and where each row of each input went. */
export interface MergeOrder {
  readonly rowCount: number
  /** Per new row: the input it comes from, and its row there. */
  readonly inputs: Uint16Array
  readonly rows: Uint32Array
  /** Per input, per old row: the new row, or -1 for a dead one. */
  readonly maps: readonly Int32Array[]
}

/** Orders the live rows of all inputs by birth: the order of insertion outlives every merge. */
export function orderMerge(sections: readonly RowSection[], dead: readonly Bitset[]): MergeOrder {
  const maps = sections.map(({ rowCount }) => new Int32Array(rowCount).fill(-1))
  const rowCount = sections.reduce((sum, section, i) => sum + section.rowCount - dead[i]!.count(), 0)
  const inputs = new Uint16Array(rowCount)
  const rows = new Uint32Array(rowCount)
  const next = sections.map((_, i) => nextLive(sections[i]!.rowCount, dead[i]!, 0))
  for (let row = 0; row < rowCount; row++) {
    let first = -1
    for (let i = 0; i < sections.length; i++) {
      if (next[i]! >= sections[i]!.rowCount) continue
      if (first < 0 || compareStamps(sections[i]!.bornAt(next[i]!), sections[first]!.bornAt(next[first]!)) < 0) first = i
    }
    const old = next[first]!
    inputs[row] = first
    rows[row] = old
    maps[first]![old] = row
    next[first] = nextLive(sections[first]!.rowCount, dead[first]!, old + 1)
  }
  return { rowCount, inputs, rows, maps }
}

function nextLive(rowCount: number, dead: Bitset, from: number): number {
  let row = from
  while (row < rowCount && dead.has(row)) row++
  return row
}

/** Section `rows` of the merged segment: stamps and checksums as they were. */
export function mergeRowSections(sections: readonly RowSection[], { rowCount, inputs, rows }: MergeOrder): Uint8Array<ArrayBuffer> {
  return encodeRowFacts(rowCount, (row) => {
    const [section, old] = [sections[inputs[row]!]!, rows[row]!]
    return {
      space: section.spaceAt(old),
      hasVector: section.hasVector(old),
      hasDocument: section.hasDocument(old),
      born: section.bornAt(old),
      changed: section.changedAt(old),
      checksum: section.checksumAt(old),
    }
  })
}

/** Section `keys`. The inputs' rows are in key order already, so that it takes one comparison an input and row. */
export function mergeKeySections(sections: readonly KeySection[], order: MergeOrder): Uint8Array<ArrayBuffer> {
  const { rowCount, inputs, rows } = order
  let textSize = 0
  for (let row = 0; row < rowCount; row++) textSize += sections[inputs[row]!]!.keyBytesAt(rows[row]!).length
  const orderStart = columnHeaderSize + (rowCount + 1) * 4
  const textStart = orderStart + rowCount * 4
  const bytes = new Uint8Array(textStart + textSize)
  const view = new DataView(bytes.buffer)
  let end = 0
  for (let row = 0; row < rowCount; row++) {
    const key = sections[inputs[row]!]!.keyBytesAt(rows[row]!)
    bytes.set(key, textStart + end)
    end += key.length
    view.setUint32(columnHeaderSize + (row + 1) * 4, end, true)
  }
  let placed = 0
  const place = (row: number) => view.setUint32(orderStart + placed++ * 4, row, true)
  const records = mergeKeyRange(sections, order, 'records', place)
  mergeKeyRange(sections, order, 'documents', place)
  view.setUint32(0, rowCount, true)
  view.setUint32(4, records, true)
  return bytes
}

/** Visits the new rows of one space by key. @returns how many there are. */
function mergeKeyRange(sections: readonly KeySection[], { maps }: MergeOrder, space: 'records' | 'documents', visit: (row: number) => void): number {
  const ranges = sections.map((section) => section.orderRange(space))
  const at = ranges.map(({ start }) => start)
  const settle = (i: number) => {
    while (at[i]! < ranges[i]!.end && maps[i]![sections[i]!.rowInOrder(at[i]!)]! < 0) at[i]!++
  }
  sections.forEach((_, i) => settle(i))
  for (let count = 0; ; count++) {
    let first = -1
    let firstKey: Uint8Array | null = null
    for (let i = 0; i < sections.length; i++) {
      if (at[i]! >= ranges[i]!.end) continue
      const key = sections[i]!.keyBytesAt(sections[i]!.rowInOrder(at[i]!))
      if (firstKey === null || compareBytes(key, firstKey) < 0) [first, firstKey] = [i, key]
    }
    if (first < 0) return count
    visit(maps[first]![sections[first]!.rowInOrder(at[first]!)]!)
    at[first]!++
    settle(first)
  }
}

/** Section `norms`: norm and checksum of each vector as they were. */
export function mergeNormSections(sections: readonly NormSection[], { rowCount, inputs, rows }: MergeOrder): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(columnHeaderSize + rowCount * 8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, rowCount, true)
  for (let row = 0; row < rowCount; row++) {
    const [section, old] = [sections[inputs[row]!]!, rows[row]!]
    view.setFloat32(columnHeaderSize + row * 4, section.values[old]!, true)
    view.setUint32(columnHeaderSize + (rowCount + row) * 4, section.checksumAt(old), true)
  }
  return bytes
}

/** Section `metadata-offsets` or `documents-offsets`: where each blob will lie, known before one is read. */
export function mergeBlobIndexes(indexes: readonly BlobIndex[], { rowCount, inputs, rows }: MergeOrder): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(columnHeaderSize + (rowCount + 1) * 4 + rowCount * 4)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, rowCount, true)
  let offset = 0
  for (let row = 0; row < rowCount; row++) {
    const [index, old] = [indexes[inputs[row]!]!, rows[row]!]
    const { start, end } = index.rangeOf(old)
    offset += end - start
    view.setUint32(columnHeaderSize + (row + 1) * 4, offset, true)
    view.setUint32(columnHeaderSize + (rowCount + 1 + row) * 4, index.checksumAt(old), true)
  }
  return bytes
}
