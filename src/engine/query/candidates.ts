import type { Bitset } from '../../base/bitset.ts'
import type { Row, Space } from '../../format/record.ts'
import type { Segment } from '../segment.ts'
import type { Snapshot } from '../view.ts'
import { defaultFilterRules, matchesFilter, type Filter, type FilterRules } from './filter.ts'

/** Rows of one source are told from another's by a number: source × 2^32 + row. */
export const sourceStride = 2 ** 32

/** The rows of one source that a read may return: of the space, live, and matching the filter. */
export type Candidates =
  | { readonly segment: Segment; readonly rows: Bitset }
  | { readonly memory: readonly Row[]; readonly rows: Bitset }

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
    const rows = (await segment.rowsOfSpace(space)).clone()
    rows.andNot(dead)
    if (filter && !rows.isEmpty()) rows.and((await segment.columns()).select(filter, rules))
    candidates[index] = { segment, rows }
  })
  candidates.push({ memory, rows: slots })
  return candidates
}

/** Runs `task` on every item, `segmentsAtOnce` at a time. */
export async function forEachInGroups<Item>(items: readonly Item[], task: (item: Item, index: number) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += segmentsAtOnce) {
    await Promise.all(items.slice(start, start + segmentsAtOnce).map((item, i) => task(item, start + i)))
  }
}
