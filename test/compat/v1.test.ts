import { deepStrictEqual } from 'node:assert'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { catalogKey, decodeCatalogEntry } from '../../src/format/catalog-entry.ts'
import { decodeDeletes } from '../../src/format/deletes.ts'
import { decodeLogRecord } from '../../src/format/log-record.ts'
import { decodeManifest } from '../../src/format/manifest.ts'
import { decodeSegment } from '../../src/format/segment.ts'
import { decodeSnapshot } from '../../src/format/snapshot.ts'
import { decodeSweepPlan } from '../../src/format/sweep-plan.ts'
import { catalogEntry, deletes, laterManifest, logRecords, manifest, rows, segment, snapshot, sweepPlan } from './content-v1.ts'
import { encodeFiles } from './encode-v1.ts'

const folder = join(import.meta.dirname, 'v1')
const read = (name: string): Uint8Array => readFileSync(join(folder, `${name}.bin`))

describe('files that format version 1 wrote open with equal content', () => {
  test('manifest', () => {
    const { segments, ...rest } = decodeManifest(read('manifest'), 'manifest')
    deepStrictEqual(rest, manifest)
    expect(segments.map(({ id, size, deletes: dead, owner }) => ({ id, size, dead, owner }))).toEqual([
      {
        id: segment.id,
        size: read('segment').length,
        dead: { id: '01jd3k6m8p0000000000000007', count: 2, recordCount: 2 },
        owner: undefined,
      },
      { id: 'empty', size: 0, dead: null, owner: 'parent' },
    ])
    expect(segments[0]!.sections).toEqual(decodeSegment(read('segment'), 'segment').directory.sections)
  })

  test('manifest with members that came later, snapshot, sweep plan', () => {
    deepStrictEqual(decodeManifest(read('manifest-later'), 'manifest'), laterManifest)
    deepStrictEqual(decodeSnapshot(read('snapshot'), 'snapshot'), snapshot)
    deepStrictEqual(decodeSweepPlan(read('sweep-plan'), 'sweep-plan'), sweepPlan)
  })

  test('segment', () => {
    const decoded = decodeSegment(read('segment'), 'segment')
    deepStrictEqual(decoded.rows, rows)
    for (const { name, bytes } of segment.extraSections)
      expect(new Uint8Array(decoded.sections.get(name)!)).toEqual(bytes)
  })

  test('deletion bitmap', () => {
    const { bitmap, ...rest } = decodeDeletes(read('deletes'), 'deletes', { id: segment.id, rowCount: rows.length })
    expect({ ...rest, bitmap: new Uint8Array(bitmap) }).toEqual(deletes)
  })

  test('catalog entry', () => {
    expect(decodeCatalogEntry(read('catalog-entry'), catalogKey(manifest.name))).toStrictEqual(catalogEntry)
  })

  test.each(Object.entries(logRecords))('%s', (name, record) => {
    deepStrictEqual(decodeLogRecord(read(name), name, record.seq), record)
  })
})

// A byte that moves without a new format version is found here, before a release has written it.
test('the writer of today still makes these very bytes', () => {
  const files = encodeFiles()
  expect(readdirSync(folder).sort()).toEqual([...files.keys()].map((name) => `${name}.bin`).sort())
  for (const [name, bytes] of files) expect(new Uint8Array(read(name)), name).toEqual(bytes)
})
