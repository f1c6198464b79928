import type { Bitset } from '../../base/bitset.ts'
import type { Row, Space } from '../../format/record.ts'
import type { Segment } from '../segment.ts'
import type { Snapshot } from '../view.ts'
import { defaultFilterRules, matchesFilter, type Filter, type FilterRules } from './filter.ts'

/** Rows of one source are told from another's by a number: source × 2^32 + row. */
export const sourceStride = 2 ** 32

/** The rows of one source that a read may return: of the space, live, and matching the filter. */
export type Candidates = SegmentCandidates | MemoryCandidates

export interface SegmentCandidates {
  readonly segment: Segment
  /** Rows that are superseded or deleted. */
  readonly dead: Bitset
  /** Rows that are live and match the filter; null: there is none. */
  readonly matching: Bitset | null
  /** The rows; without a filter they are found at the first call, and a search by an index never asks. Do not change it. */
  rows(): Promise<Bitset>
}

export interface MemoryCandidates {
  readonly memory: readonly Row[]
  rows(): Promise<Bitset>
}

/** How many segments are read side by side: enough to hide a round trip, few enough to bound memory. */
export const segmentsAtOnce = 8

/** Narrows every source to the rows of `space` that are live and match, segments first, then the memtable. */
export async function selectCandidates(
  snapshot: Snapshot,
  space: Space,
  filter: Filter | undefined,
  rules: FilterRules = defaultFilterRules,
): Promise<Candidates[]> {
  const candidates: Candidates[] = []
  const slots = snapshot.liveSlots[space].clone()
  const memory = snapshot.memtable.rows.slice(0, slots.length)
  if (filter) slots.forEach((slot) => void (matchesFilter(filter, memory[slot]!.metadata, rules) || slots.clear(slot)))
  await forEachInGroups(snapshot.segments, async ({ segment, dead }, index) => {
    const live = async () => (await segment.rowsOfSpace(space)).clone().andNot(dead)
    let matching: Bitset | null = null
    if (filter) {
      matching = await live()
      if (!matching.isEmpty()) matching.and(await segment.select(filter, rules))
    }
    let rows: Promise<Bitset> | null = matching && Promise.resolve(matching)
    candidates[index] = { segment, dead, matching, rows: () => (rows ??= live()) }
  })
  candidates.push({ memory, rows: () => Promise.resolve(slots) })
  return candidates
}

/** Runs `task` on every item, `segmentsAtOnce` at a time. */
export async function forEachInGroups<Item>(items: readonly Item[], task: (item: Item, index: number) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += segmentsAtOnce) {
    await Promise.all(items.slice(start, start + segmentsAtOnce).map((item, i) => task(item, start + i)))
  }
}
