import { paddedDimension } from './space.ts'
import type { Effort, IndexHead, SearchEffort } from './index-layout.ts'

/** What a search wants. */
export interface SearchWish {
  readonly k: number
  /** 0.5 to below 1; 1 means exact, which is `searchExact`. */
  readonly recall: number
  /** Share of the rows that may be answers, 0 to 1. Default 1. */
  readonly selectivity?: number
  /** Clusters to probe, for experts; overrides what calibration found. */
  readonly probes?: number
}

/** Where nothing was measured: a sixteenth of the clusters, and at least this many. */
const probesUnmeasured = 32

/**
 * How hard to search for a wish, from what was measured when the index was built. A filter that keeps a share s makes a search for k as deep
 * as one for k / s without: that many neighbors must be passed to find k that match. Between measured depths probes are interpolated as a
 * power of depth; beyond the deepest they grow as between the last two.
 */
export function chooseEffort(head: IndexHead, { k, recall, selectivity = 1, probes }: SearchWish): SearchEffort {
  const depth = Math.max(1, k / Math.max(selectivity, 1 / Math.max(1, head.count)))
  // A level's recall is reached, so the first level that is not below the wish; past the last level, the last.
  const level = [...new Set(head.effort.map((effort) => effort.recall))].find((each) => each >= recall) ?? head.effort.at(-1)?.recall
  const rows = head.effort.filter((effort) => effort.recall === level)
  if (rows.length === 0) {
    const some = Math.max(probesUnmeasured, Math.ceil(head.clusters / 16))
    // The fewer dimensions, the less one bit of each says.
    const coarseness = Math.max(1, 512 / paddedDimension(head.space.dimension))
    return { probes: Math.min(head.clusters, probes ?? some), margin: Infinity, candidates: Math.ceil(Math.max(256, 16 * k) * coarseness) }
  }
  const candidates = Math.ceil(interpolate(rows, k, (effort) => effort.candidates))
  if (probes !== undefined) return { probes: Math.min(head.clusters, probes), margin: Infinity, candidates }
  const [first] = rows as [Effort]
  const margin = depth <= first.depth ? first.margin : interpolate(rows, depth, (effort) => effort.margin)
  return { probes: Math.min(head.clusters, Math.ceil(interpolate(rows, depth, (effort) => effort.probes))), margin: beyond(rows, depth) ? Infinity : margin, usual: first.usual, rest: first.rest * (k / first.depth), candidates: Math.max(candidates, k) }
}

function beyond(rows: Effort[], depth: number): boolean {
  return depth > rows.at(-1)!.depth
}

/** A power law through the two measured depths around `depth`; constant below the first, growing with depth itself where only one was measured. */
function interpolate(rows: Effort[], depth: number, of: (effort: Effort) => number): number {
  const [first] = rows as [Effort]
  if (depth <= first.depth) return of(first)
  if (rows.length === 1) return of(first) * (depth / first.depth)
  const next = Math.max(1, Math.min(rows.length - 1, rows.findIndex((row) => row.depth >= depth) < 0 ? rows.length - 1 : rows.findIndex((row) => row.depth >= depth)))
  const [a, b] = [rows[next - 1]!, rows[next]!]
  const [low, high] = [Math.max(of(a), 1e-9), Math.max(of(b), 1e-9)]
  if (!Number.isFinite(low) || !Number.isFinite(high)) return Infinity
  return low * (high / low) ** (Math.log(depth / a.depth) / Math.log(b.depth / a.depth))
}
