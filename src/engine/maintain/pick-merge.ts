import type { SegmentRef } from '../../format/manifest.ts'
import { indexSections } from '../../vector/index-codec.ts'
import type { EngineSettings } from '../core.ts'

/** What is needed to decide which segments to merge. */
export type MergeSettings = Pick<EngineSettings, 'mergeFanIn' | 'segmentBytesMax' | 'segmentRowsMax' | 'segmentIndexBytesMax'>

const tierBase = 64 * 1024
const tierFactor = 4
const inputsMax = 64

/** Bytes of the rows that live, about. */
export function liveBytes(ref: SegmentRef): number {
  return ref.rowCount === 0 ? 0 : Math.ceil(ref.size * (liveRows(ref) / ref.rowCount))
}

/** Bytes of its sections that are read as wholes: keys, filter and text indexes. Vectors and contents are read in parts. */
export function indexBytes(ref: SegmentRef): number {
  const size = ref.sections.reduce((sum, section) => (readInParts.has(section.name) ? sum : sum + section.size), 0)
  return ref.rowCount === 0 ? 0 : Math.ceil(size * (liveRows(ref) / ref.rowCount))
}

const readInParts = new Set(['vectors', 'metadata', 'documents', indexSections.lists, indexSections.head, indexSections.rows])

/** Rows that live. */
export function liveRows({ rowCount, deletes }: SegmentRef): number {
  return rowCount - (deletes?.count ?? 0)
}

/**
 * The segments that a merge should take now, in the manifest's order; null when none is due.
 *
 * Tiers as in the log-structured merge-tree with lazy ("tiered") merging (O'Neil et al. 1996; named so by Dayan and Idreos,
 * "Dostoevsky", 2018): a tier is a factor of four in size, and when it holds `mergeFanIn` segments, they become one of a
 * higher tier, together with what lies below, so that a row is rewritten once a tier. Segments of which half is dead are
 * rewritten whatever their tier.
 */
export function pickMerge(segments: readonly SegmentRef[], settings: MergeSettings): SegmentRef[] | null {
  const { segmentBytesMax, segmentRowsMax, segmentIndexBytesMax } = settings
  const candidates = segments.filter((ref) => liveBytes(ref) <= segmentBytesMax / 2 && liveRows(ref) <= segmentRowsMax / 2 && indexBytes(ref) <= segmentIndexBytesMax / 2)
  const tiers = new Map<number, number>()
  for (const ref of candidates) tiers.set(tierOf(ref), (tiers.get(tierOf(ref)) ?? 0) + 1)
  const due = [...tiers].sort(([a], [b]) => a - b).find(([, count]) => count >= settings.mergeFanIn)
  if (due) {
    const picked = fitting(candidates.filter((ref) => tierOf(ref) <= due[0]), settings)
    if (picked.size > 1) return segments.filter((ref) => picked.has(ref))
  }
  const wasteful = segments.find((ref) => liveRows(ref) * 2 < ref.rowCount)
  return wasteful ? [wasteful] : null
}

/** All segments that fit one, for who wants to merge whether or not it is due; null when that would change nothing. */
export function pickEverything(segments: readonly SegmentRef[], settings: MergeSettings): SegmentRef[] | null {
  const picked = fitting(segments, settings)
  const merged = segments.filter((ref) => picked.has(ref))
  return merged.length > 1 || merged.some(({ deletes }) => deletes) ? merged : null
}

/** The smallest first, as long as their rows fit one segment. */
function fitting(segments: readonly SegmentRef[], { segmentBytesMax, segmentRowsMax, segmentIndexBytesMax }: MergeSettings): Set<SegmentRef> {
  const picked = new Set<SegmentRef>()
  let bytes = 0
  let rows = 0
  let indexes = 0
  for (const ref of [...segments].sort((a, b) => liveBytes(a) - liveBytes(b))) {
    bytes += liveBytes(ref)
    rows += liveRows(ref)
    indexes += indexBytes(ref)
    if (bytes > segmentBytesMax || rows > segmentRowsMax || indexes > segmentIndexBytesMax || picked.size === inputsMax) break
    picked.add(ref)
  }
  return picked
}

function tierOf(ref: SegmentRef): number {
  return Math.max(0, Math.floor(Math.log(Math.max(1, liveBytes(ref)) / tierBase) / Math.log(tierFactor)) + 1)
}
