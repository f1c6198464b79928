import { describe, expect, test } from 'vitest'
import { crc32c } from './checksum.ts'
import { encodeMetadata, rowChecksum, type Row } from './record.ts'
import {
  BlobIndex,
  encodeBlobs,
  encodeKeySection,
  encodeRowSection,
  encodeVectorSection,
  KeySection,
  RowSection,
  VectorSection,
} from './segment-sections.ts'
import {
  decodeSegment,
  encodeSegment,
  openSegment,
  openSegmentDirectory,
  SegmentWriter,
  segmentKey,
  verifySection,
} from './segment.ts'
import { xxh32 } from './xxh32.ts'

const key = 'data/c1/segments/s1.seg'
const row = (ordinal: number, changes: Partial<Row> = {}): Row => ({
  space: 'records',
  key: `k${ordinal}`,
  vector: Float32Array.of(3, 4),
  metadata: { n: ordinal },
  document: `text ${ordinal}`,
  born: { seq: 5, ordinal },
  changed: { seq: 6, ordinal },
  ...changes,
})
const rows = [row(0), row(1, { vector: null, document: null }), row(2, { space: 'documents', key: 'k0' })]
const encode = (list: Row[]) => encodeSegment({ id: 's1', rows: list, dimension: 2, extraSections: [] })

/** The last bytes of a segment with a changed trailer whose checksum fits. */
function resealTrailer(bytes: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const copy = bytes.slice()
  const trailer = copy.subarray(-32)
  const view = new DataView(trailer.buffer, trailer.byteOffset)
  change(view)
  view.setUint32(24, crc32c(trailer.subarray(0, 24)), true)
  return copy
}

/** A segment whose directory is replaced, with checksums that fit. */
function resealDirectory(bytes: Uint8Array, change: (directory: Record<string, unknown>) => void): Uint8Array {
  const trailer = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 32)
  const start = Number(trailer.getBigUint64(0, true))
  const directory = JSON.parse(new TextDecoder().decode(bytes.subarray(start, bytes.length - 32))) as Record<
    string,
    unknown
  >
  change(directory)
  const encoded = new TextEncoder().encode(JSON.stringify(directory))
  const copy = new Uint8Array(start + encoded.length + 32)
  copy.set(bytes.subarray(0, start))
  copy.set(encoded, start)
  copy.set(bytes.subarray(-32), start + encoded.length)
  return resealTrailer(copy, (view) => {
    view.setUint32(8, encoded.length, true)
    view.setUint32(12, crc32c(encoded), true)
  })
}

test('the sections of a segment are the ones that docs/format.md draws, in that order', () => {
  const { sections } = encode(rows)
  expect(sections.map(({ name }) => name)).toEqual([
    'rows',
    'keys',
    'vectors',
    'norms',
    'metadata-offsets',
    'metadata',
    'documents-offsets',
    'documents',
  ])
  expect(sections[0]!.offset).toBe(64)
})

test('sections are laid out as docs/format.md draws', () => {
  const { bytes, sections } = encode(rows)
  const at = (name: string): DataView => {
    const { offset, size } = sections.find((each) => each.name === name)!
    return new DataView(bytes.buffer, offset, size)
  }
  const u32s = (view: DataView, offset: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => view.getUint32(offset + i * 4, true))
  const text = (view: DataView, offset = 0): string =>
    new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + offset, view.byteLength - offset))

  const facts = at('rows')
  expect(u32s(facts, 0, 2)).toEqual([3, 0])
  expect([0, 1, 2].map((i) => facts.getFloat64(8 + i * 8, true))).toEqual([5, 5, 5])
  expect([0, 1, 2].map((i) => facts.getFloat64(32 + i * 8, true))).toEqual([6, 6, 6])
  expect([0, 1, 2].map((i) => facts.getBigUint64(56 + i * 8, true))).toEqual(rows.map((each) => rowChecksum(each)))
  expect(u32s(facts, 80, 3)).toEqual([0, 1, 2])
  expect(u32s(facts, 92, 3)).toEqual([0, 1, 2])
  expect([0, 1, 2].map((i) => facts.getUint8(104 + i))).toEqual([6, 0, 7])
  expect(facts.byteLength).toBe(107)

  expect(u32s(at('keys'), 0, 9)).toEqual([3, 2, 0, 2, 4, 6, 0, 1, 2])
  expect(text(at('keys'), 36)).toBe('k0k1k0')

  expect(u32s(at('vectors'), 0, 16)).toEqual([3, 2, ...new Uint32Array(14)])
  expect(Array.from({ length: 6 }, (_, i) => at('vectors').getFloat32(64 + i * 4, true))).toEqual([3, 4, 0, 0, 3, 4])
  expect(u32s(at('norms'), 0, 2)).toEqual([3, 0])
  expect([0, 1, 2].map((i) => at('norms').getFloat32(8 + i * 4, true))).toEqual([5, 0, 5])
  const vectorChecksum = crc32c(new Uint8Array(Float32Array.of(3, 4).buffer))
  expect(u32s(at('norms'), 20, 3)).toEqual([vectorChecksum, 0, vectorChecksum])

  expect(u32s(at('documents-offsets'), 0, 6)).toEqual([3, 0, 0, 6, 6, 12])
  expect(u32s(at('documents-offsets'), 24, 3)).toEqual(
    ['text 0', '', 'text 2'].map((each) => crc32c(new TextEncoder().encode(each))),
  )
  expect(text(at('documents'))).toBe('text 0text 2')
  expect(u32s(at('metadata-offsets'), 0, 6)).toEqual([3, 0, 0, 12, 24, 36])
})

test('a row checksum is made as docs/format.md says', () => {
  const bytes = Uint8Array.of(
    6,
    2,
    0x6b,
    0x30,
    ...encodeMetadata({ n: 0 }),
    6,
    ...new TextEncoder().encode('text 0'),
    ...new Uint8Array(Float32Array.of(3, 4).buffer),
  )
  expect(rowChecksum(row(0))).toBe((BigInt(xxh32(bytes, 0x57494e44)) << 32n) | BigInt(xxh32(bytes, 0)))
})

test('a key is found in its own space only', () => {
  const space = 'documents' as const
  const keys = new KeySection(
    encodeKeySection([row(0, { key: 'b', space }), row(1, { key: 'a' }), row(2, { key: 'c', space })]),
    key,
  )
  const find = (where: Row['space'], text: string) => keys.find(where, new TextEncoder().encode(text))
  expect(['a', 'b', 'c'].map((text) => find('records', text))).toEqual([1, -1, -1])
  expect(['a', 'b', 'c'].map((text) => find('documents', text))).toEqual([-1, 0, 2])
})

test('a segment of no rows opens', () => {
  const decoded = decodeSegment(encodeSegment({ id: 's1', rows: [], dimension: 0, extraSections: [] }).bytes, key)
  expect(decoded.rows).toEqual([])
})

describe('encodeSegment', () => {
  test.each([
    ['rows out of order', [row(1), row(0)], 'must be sorted by birth: row 1 is 5.0, after 5.1'],
    ['two rows born together', [row(0), row(0, { key: 'other' })], 'must be sorted by birth'],
    ['a key twice in a space', [row(0), row(1, { key: 'k0' })], 'two rows of a segment have the key "k0" in records'],
    [
      'a vector of another dimension',
      [row(0, { vector: new Float32Array(3) })],
      'vector of row 0 has dimension 3, the segment has 2',
    ],
    ['half a surrogate pair', [row(0, { document: '\ud800' })], 'half a surrogate pair'],
  ])('refuses %s', (_, list, message) => {
    expect(() => encode(list)).toThrow(
      expect.objectContaining({ kind: 'invalid', message: expect.stringContaining(message) }),
    )
  })

  test('refuses a section name twice', () => {
    const writer = new SegmentWriter()
    writer.add('a', new Uint8Array(1))
    expect(() => writer.add('a', new Uint8Array(1))).toThrow(expect.objectContaining({ kind: 'invalid' }))
  })
})

describe('opening', () => {
  const { bytes, sections } = encode(rows)

  test('needs no more than the directory and what follows it', () => {
    const { sections: found } = openSegmentDirectory(bytes, bytes.length, key)
    const last = found.at(-1)!
    const start = Math.ceil((last.offset + last.size) / 64) * 64
    expect(openSegmentDirectory(bytes.subarray(start), bytes.length, key).sections).toEqual(sections)
    expect(() => openSegmentDirectory(bytes.subarray(start + 1), bytes.length, key)).toThrow(
      expect.objectContaining({
        kind: 'invalid',
        message: `${key}: the directory needs the last ${bytes.length - start} bytes, found ${bytes.length - start - 1}`,
      }),
    )
  })

  test('tells a newer version and a needed feature from damage', () => {
    expect(() =>
      openSegment(
        resealTrailer(bytes, (view) => view.setUint16(16, 2, true)),
        key,
      ),
    ).toThrow(expect.objectContaining({ kind: 'unsupported' }))
    expect(() =>
      openSegment(
        resealDirectory(bytes, (directory) => (directory.needs = ['x'])),
        key,
      ),
    ).toThrow(expect.objectContaining({ kind: 'unsupported' }))
    expect(() =>
      openSegment(
        resealDirectory(bytes, (directory) => (directory.formatVersion = 2)),
        key,
      ),
    ).toThrow(expect.objectContaining({ kind: 'unsupported' }))
  })

  test.each([
    ['another row count', (directory: Record<string, unknown>) => (directory.rowCount = 4)],
    [
      'rows that the sections do not have',
      (directory: Record<string, unknown>) => Object.assign(directory, { rowCount: 4, recordCount: 3 }),
    ],
    ['a missing section', (directory: Record<string, unknown>) => (directory.sections as unknown[]).pop()],
    ['an id with a slash', (directory: Record<string, unknown>) => (directory.id = 'a/b')],
  ])('refuses %s even where the checksums fit', (_, change) => {
    expect(() => decodeSegment(resealDirectory(bytes, change), key)).toThrow(
      expect.objectContaining({ kind: 'corrupt' }),
    )
  })

  test('of a section names object and section when it is damaged', () => {
    const ref = sections[5]!
    const section = bytes.slice(ref.offset, ref.offset + ref.size)
    expect(verifySection(section, ref, key)).toBe(section)
    section[0]! ^= 1
    expect(() => verifySection(section, ref, key)).toThrow(
      expect.objectContaining({
        kind: 'corrupt',
        details: { key },
        message: expect.stringMatching(`^${key}: segment is damaged: section metadata has checksum`),
      }),
    )
    expect(() => verifySection(section.subarray(1), ref, key)).toThrow(expect.objectContaining({ kind: 'corrupt' }))
  })
})

describe('a section that passes its checksum is refused', () => {
  const rowBytes = encodeRowSection(rows.map((each) => ({ ...each, hasVector: true, hasDocument: true, checksum: 1n })))
  const keyBytes = encodeKeySection(rows)
  const vectorBytes = encodeVectorSection([Float32Array.of(1, 2)], 2)
  const blobs = encodeBlobs([Uint8Array.of(1, 2), Uint8Array.of(3)])
  const changed = (bytes: Uint8Array, offset: number, values: number[]): Uint8Array => {
    const copy = bytes.slice()
    copy.set(values, offset)
    return copy
  }
  const openBlobs = (bytes: Uint8Array) => new BlobIndex(bytes, 'documents', 3, key)

  test('only when something is wrong with it', () => {
    expect(new RowSection(rowBytes, key).rowCount).toBe(3)
    expect(new KeySection(keyBytes, key).keyAt(2)).toBe('k0')
    expect(new VectorSection(vectorBytes, key).dimension).toBe(2)
    expect(openBlobs(blobs.offsets).blobAt(1, blobs.bytes)).toEqual(Uint8Array.of(3))
  })

  test.each<[string, () => unknown]>([
    ['rows: no header', () => new RowSection(new Uint8Array(7), key)],
    ['rows: a larger count', () => new RowSection(changed(rowBytes, 0, [4]), key)],
    ['rows: a vast count', () => new RowSection(changed(rowBytes, 0, [255, 255, 255, 255]), key)],
    ['rows: unknown flags', () => new RowSection(changed(rowBytes, 8 + 3 * 32, [8]), key)],
    [
      'rows: a sequence that is no number',
      () => new RowSection(changed(rowBytes, 8, [0, 0, 0, 0, 0, 0, 0xf8, 0x7f]), key),
    ],
    ['rows: two born together', () => new RowSection(changed(rowBytes, 8 + 3 * 24, [1]), key)],
    ['rows: out of order', () => new RowSection(changed(rowBytes, 8 + 3 * 24, [9]), key)],
    ['keys: a larger count', () => new KeySection(changed(keyBytes, 0, [200]), key)],
    ['keys: more records than rows', () => new KeySection(changed(keyBytes, 4, [4]), key)],
    ['keys: the first offset not 0', () => new KeySection(changed(keyBytes, 8, [1]), key)],
    ['keys: offsets that fall', () => new KeySection(changed(keyBytes, 12, [6]), key)],
    ['keys: bytes beyond the last offset', () => new KeySection(changed(keyBytes, 20, [5]), key)],
    ['keys: a row twice in key order', () => new KeySection(changed(keyBytes, 24, [1]), key)],
    ['keys: a row beyond the end', () => new KeySection(changed(keyBytes, 24, [3]), key)],
    ['keys: not UTF-8', () => new KeySection(changed(keyBytes, 36, [255]), key).keyAt(0)],
    ['vectors: another dimension', () => new VectorSection(changed(vectorBytes, 4, [3]), key)],
    ['vectors: a vast dimension', () => new VectorSection(changed(vectorBytes, 4, [255, 255, 255, 255]), key)],
    ['blobs: offsets beyond the section', () => new BlobIndex(blobs.offsets, 'documents', 2, key)],
    ['blobs: offsets that fall', () => openBlobs(changed(blobs.offsets, 12, [9]))],
    ['blobs: another checksum', () => openBlobs(changed(blobs.offsets, 20, [0])).blobAt(0, blobs.bytes)],
    ['blobs: a blob of another size', () => openBlobs(blobs.offsets).verify(0, Uint8Array.of(1))],
  ])('%s', (_, open) => {
    expect(open).toThrow(expect.objectContaining({ kind: 'corrupt', details: { key } }))
  })

  test('blobs: a codec that is reserved is news, not damage', () => {
    expect(() => openBlobs(changed(blobs.offsets, 4, [1]))).toThrow(expect.objectContaining({ kind: 'unsupported' }))
  })
})

test('segmentKey names the object', () => {
  expect(segmentKey('s1')).toBe('segments/s1.seg')
})
