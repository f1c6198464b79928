// How the writer of today makes the files of v1/. Goes away when format version 2 is written.
import { encodeCatalogEntry } from '../../src/format/catalog-entry.ts'
import { encodeDeletes } from '../../src/format/deletes.ts'
import { encodeLogRecord } from '../../src/format/log-record.ts'
import { encodeManifest } from '../../src/format/manifest.ts'
import { encodeSegment } from '../../src/format/segment.ts'
import { encodeSnapshot } from '../../src/format/snapshot.ts'
import { encodeSweepPlan } from '../../src/format/sweep-plan.ts'
import { catalogEntry, deletes, laterManifest, logRecords, manifest, rows, segment, snapshot, sweepPlan } from './content-v1.ts'

/** Every file of v1/ by name. */
export function encodeFiles(): Map<string, Uint8Array> {
  const { bytes, sections, counts } = encodeSegment({ ...segment, rows })
  const segments = [
    {
      ...counts,
      size: bytes.length,
      seqStart: 1,
      seqEnd: manifest.floor,
      sections,
      deletes: { id: '01jd3k6m8p0000000000000007', count: 2, recordCount: 2 },
    },
    {
      id: 'empty',
      size: 0,
      rowCount: 0,
      recordCount: 0,
      documentRowCount: 0,
      seqStart: 1,
      seqEnd: 1,
      sections: [],
      deletes: null,
      owner: 'parent',
    },
  ]
  const files = new Map([
    ['manifest', encodeManifest({ ...manifest, segments })],
    ['segment', bytes],
    ['deletes', encodeDeletes(deletes)],
    ['catalog-entry', encodeCatalogEntry(catalogEntry)],
    ['manifest-later', encodeManifest(laterManifest)],
    ['snapshot', encodeSnapshot(snapshot)],
    ['sweep-plan', encodeSweepPlan(sweepPlan)],
  ])
  for (const [name, record] of Object.entries(logRecords)) files.set(name, encodeLogRecord(record))
  return files
}
