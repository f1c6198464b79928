import type { Bitset } from '../../base/bitset.ts'
import { ContentSummer, type SummedRow } from '../../format/content-sum.ts'
import type { Manifest } from '../../format/manifest.ts'
import type { KeySection, RowSection } from '../../format/segment-sections.ts'
import type { CollectionCore } from '../core.ts'
import type { Segment } from '../segment.ts'
import { readDeletes, SegmentScan } from './segment-scan.ts'

/** What the sum takes of a row of a segment. */
export function summedRow(rows: RowSection, keys: KeySection, row: number): SummedRow {
  return { space: rows.spaceAt(row), key: keys.keyBytesAt(row), born: rows.bornAt(row), changed: rows.changedAt(row), checksum: rows.checksumAt(row) }
}

/** The sum of a manifest's live rows: as it says, or added up where a version that knew no sums wrote it. */
export async function contentBefore(core: CollectionCore, manifest: Manifest): Promise<ContentSummer> {
  const { content, floor, segments } = manifest
  if (content?.floor === floor) return new ContentSummer(content.sum)
  const summer = new ContentSummer()
  for (const ref of segments) {
    const [{ rows, keys }, dead] = await Promise.all([SegmentScan.open(core.context.store, core.id, ref), readDeletes(core.context.store, core.id, ref)])
    for (let row = 0; row < ref.rowCount; row++) if (!dead.has(row)) summer.add(summedRow(rows, keys, row))
  }
  return summer
}

/** Takes away the rows of a segment that died since the manifest's bitmap. @param dead All that are dead now. */
export async function removeDied(content: ContentSummer, segment: Segment, dead: Bitset): Promise<void> {
  const [before, rows, keys] = await Promise.all([segment.loadDeletes(), segment.rows(), segment.keys()])
  const died = dead.clone().andNot(before)
  died.forEach((row) => content.remove(summedRow(rows, keys, row)))
}
