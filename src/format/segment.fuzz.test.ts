import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareUtf8 } from '../base/bytes.ts'
import { isWindlassError } from '../base/errors.ts'
import { arbitraryKey, arbitraryRows, arbitrarySpace } from '../testing/arbitraries.ts'
import type { Row } from './record.ts'
import { BlobIndex, KeySection, RowSection, VectorSection, NormSection, vectorRange } from './segment-sections.ts'
import { decodeSegment, encodeSegment, openSegmentDirectory, SegmentWriter, verifySection } from './segment.ts'

const arbitraryScene = fc.nat(4).chain((dimension) => fc.tuple(fc.constant(dimension), arbitraryRows(dimension)))

test('a segment comes back as it was, wherever its bytes lie in memory', () => {
  fc.assert(
    fc.property(arbitraryScene, fc.uint8Array({ maxLength: 100 }), fc.nat(9), ([dimension, rows], extra, shift) => {
      const extraSections = [
        { name: 'columns', bytes: extra },
        { name: 'text.document', bytes: new Uint8Array(0) },
      ]
      const { bytes, sections, counts } = encodeSegment({ id: 's1', rows, dimension, extraSections })
      const moved = new Uint8Array(shift + bytes.length + 3).subarray(shift, shift + bytes.length)
      moved.set(bytes)
      const decoded = decodeSegment(moved, 'x')
      deepStrictEqual(decoded.rows, rows as Row[])
      expect(decoded.sections.get('columns')).toEqual(extra)
      const recordCount = rows.filter(({ space }) => space === 'records').length
      expect(counts).toEqual({
        id: 's1',
        rowCount: rows.length,
        recordCount,
        documentRowCount: rows.length - recordCount,
      })
      expect(decoded.directory).toEqual({ formatVersion: 1, needs: [], ...counts, sections })
      expect(sections.every(({ offset }) => offset % 64 === 0)).toBe(true)
    }),
    { numRuns: 200 },
  )
})

test('each row can be read alone: by key, its facts, blobs and vector by range', () => {
  fc.assert(
    fc.property(arbitraryScene, fc.array(fc.tuple(arbitrarySpace, arbitraryKey)), ([dimension, rows], strangers) => {
      const { bytes, sections } = encodeSegment({ id: 's1', rows, dimension, extraSections: [] })
      const refs = openSegmentDirectory(bytes.subarray(-2000), bytes.length, 'x').sections
      expect(refs).toEqual(sections)
      const ref = (name: string) => refs.find((each) => each.name === name)!
      const section = (name: string) =>
        verifySection(bytes.subarray(ref(name).offset, ref(name).offset + ref(name).size), ref(name), 'x')
      const keys = new KeySection(section('keys'), 'x')
      const facts = new RowSection(section('rows'), 'x')
      const vectors = new VectorSection(section('vectors'), 'x')
      const norms = new NormSection(section('norms'), 'x')
      const documents = new BlobIndex(section('documents-offsets'), 'documents', ref('documents').size, 'x')
      const { find } = { find: (space: Row['space'], key: string) => keys.find(space, new TextEncoder().encode(key)) }

      rows.forEach((row, i) => {
        expect(find(row.space, row.key)).toBe(i)
        expect(keys.keyAt(i)).toBe(row.key)
        expect([
          facts.bornAt(i),
          facts.changedAt(i),
          facts.spaceAt(i),
          facts.hasVector(i),
          facts.hasDocument(i),
        ]).toEqual([row.born, row.changed, row.space, row.vector !== null, row.document !== null])
        const { start, end } = documents.rangeOf(i)
        const blob = bytes.slice(ref('documents').offset + start, ref('documents').offset + end)
        expect(new TextDecoder('utf-8', { ignoreBOM: true }).decode(documents.verify(i, blob))).toBe(row.document ?? '')
        expect(vectors.vectorAt(i)).toEqual(row.vector ?? new Float32Array(dimension))
        expect(norms.values[i]).toBe(
          Math.fround(Math.sqrt((row.vector ?? new Float32Array(0)).reduce((sum, value) => sum + value * value, 0))),
        )
        if (!row.vector) return
        const range = vectorRange(i, dimension)
        const alone = bytes.slice(ref('vectors').offset + range.start, ref('vectors').offset + range.end)
        expect(norms.verifyVector(i, alone)).toEqual(row.vector)
        alone[0]! ^= 1
        expect(() => norms.verifyVector(i, alone)).toThrow(expect.objectContaining({ kind: 'corrupt' }))
      })
      for (const [space, key] of strangers)
        expect(find(space, key)).toBe(rows.findIndex((row) => row.space === space && row.key === key))
    }),
    { numRuns: 200 },
  )
})

test('key order is that of UTF-8 bytes, records before documents', () => {
  fc.assert(
    fc.property(arbitraryRows(0, 30), (rows) => {
      const { sections, bytes } = encodeSegment({ id: 's1', rows, dimension: 0, extraSections: [] })
      const { offset } = sections.find(({ name }) => name === 'keys')!
      const view = new DataView(bytes.buffer, offset)
      const order = rows.map((_, i) => view.getUint32(8 + (rows.length + 1) * 4 + i * 4, true))
      const expected = [...rows.keys()].sort((a, b) => {
        const spaces = Number(rows[a]!.space === 'documents') - Number(rows[b]!.space === 'documents')
        return spaces || compareUtf8(rows[a]!.key, rows[b]!.key)
      })
      expect(order).toEqual(expected)
    }),
  )
})

test('foreign bytes in a section, under checksums that fit, give the same rows or a typed error', () => {
  fc.assert(
    fc.property(
      arbitraryScene,
      fc.nat(),
      fc.nat(),
      fc.uint8Array({ minLength: 1, maxLength: 12 }),
      ([dimension, rows], which, position, change) => {
        const { bytes, counts } = encodeSegment({ id: 's1', rows, dimension, extraSections: [] })
        const { sections } = decodeSegment(bytes, 'x')
        const [target, content] = [...sections][which % sections.size]!
        if (content.length === 0) return
        const damaged = content.slice()
        const at = position % content.length
        damaged.set(change.subarray(0, content.length - at), at)
        const writer = new SegmentWriter()
        for (const [name, section] of sections) writer.add(name, name === target ? damaged : section)
        let decoded: Row[]
        try {
          decoded = decodeSegment(writer.finish(counts).bytes, 'x').rows
        } catch (error) {
          if (!isWindlassError(error, 'corrupt', 'unsupported')) throw error
          return
        }
        // The stamps are covered by the section's checksum alone, and zeros stand in for vectors that rows do not have.
        const contentOf = ({ space, key, vector, metadata, document }: Row) => ({
          space,
          key,
          vector,
          metadata,
          document,
        })
        expect(decoded.map(contentOf)).toEqual(rows.map(contentOf))
      },
    ),
    { numRuns: 1000 },
  )
})
