import { Bitset } from '../../base/bitset.ts'
import type { Row } from '../../format/record.ts'
import type { EngineContext } from '../core.ts'
import { forEachInGroups } from '../query/candidates.ts'
import { matchesFilter } from '../query/filter.ts'
import { findRows } from '../query/rows.ts'
import type { Segment } from '../segment.ts'
import type { Snapshot } from '../view.ts'
import { textMatches } from './text-scan.ts'
import { costOf, type Selection, type Where } from './where.ts'

/**
 * The snapshot as if it held only the selected records: everything that reads a snapshot then works on those, top-k included.
 * @throws {WindlassError} `too-large` when a text condition would have to read more than a scan may.
 */
export async function narrow(snapshot: Snapshot, { keys, where }: Selection, context: EngineContext): Promise<Snapshot> {
  let narrowed = snapshot
  if (keys) narrowed = await narrowToKeys(narrowed, keys)
  if (where) narrowed = await narrowToMatches(narrowed, where, context)
  return narrowed
}

async function narrowToKeys(snapshot: Snapshot, keys: readonly string[]): Promise<Snapshot> {
  const { memtable, liveSlots } = snapshot
  const slots = new Bitset(liveSlots.records.length)
  const slotOf = new Map<Row, number>()
  liveSlots.records.forEach((slot) => void slotOf.set(memtable.rows[slot]!, slot))
  const bySegment = new Map<Segment, Bitset>()
  for (const ref of await findRows(snapshot, 'records', keys)) {
    if (!ref) continue
    if ('row' in ref) {
      // Written after the snapshot was taken: not in it.
      const slot = slotOf.get(ref.row)
      if (slot !== undefined) slots.set(slot)
      continue
    }
    let rows = bySegment.get(ref.segment)
    if (!rows) bySegment.set(ref.segment, (rows = new Bitset(ref.segment.rowCount)))
    rows.set(ref.rowIndex)
  }
  const segments = snapshot.segments.map(({ segment, dead }) => ({ segment, dead: dead.clone().or((bySegment.get(segment) ?? new Bitset(segment.rowCount)).clone().not()) }))
  return { ...snapshot, segments, liveSlots: { ...liveSlots, records: slots } }
}

async function narrowToMatches(snapshot: Snapshot, where: Where, context: EngineContext): Promise<Snapshot> {
  const { memtable, liveSlots } = snapshot
  const slots = liveSlots.records.clone()
  liveSlots.records.forEach((slot) => void (matchesWhere(where, memtable.rows[slot]!) || slots.clear(slot)))
  const segments: { segment: Segment; dead: Bitset }[] = []
  await forEachInGroups(snapshot.segments, async ({ segment, dead }, index) => {
    const live = (await segment.rowsOfSpace('records')).clone().andNot(dead)
    const matching = live.isEmpty() ? live : await selectRows(segment, where, live, context)
    segments[index] = { segment, dead: matching.clone().not() }
  })
  return { ...snapshot, segments, liveSlots: { ...liveSlots, records: slots } }
}

/** Whether one row matches: what `selectRows` answers for many. */
export function matchesWhere(where: Where, row: Pick<Row, 'metadata' | 'document'>): boolean {
  switch (where.op) {
    case 'and':
      return where.parts.every((part) => matchesWhere(part, row))
    case 'or':
      return where.parts.some((part) => matchesWhere(part, row))
    case 'not':
      return !matchesWhere(where.part, row)
    case 'metadata':
      return matchesFilter(where.filter, row.metadata, where.rules)
    case 'document':
      return row.document !== null && where.test.matches(row.document)
  }
}

/** The rows of `within` that match. */
async function selectRows(segment: Segment, where: Where, within: Bitset, context: EngineContext): Promise<Bitset> {
  switch (where.op) {
    case 'and': {
      let rows = within
      for (const part of cheapFirst(where.parts)) {
        if (rows.isEmpty()) break
        rows = await selectRows(segment, part, rows, context)
      }
      return rows.clone()
    }
    case 'or': {
      const rows = new Bitset(within.length)
      const rest = within.clone()
      for (const part of cheapFirst(where.parts)) {
        const found = await selectRows(segment, part, rest, context)
        rows.or(found)
        rest.andNot(found)
      }
      return rows
    }
    case 'not':
      return within.clone().andNot(await selectRows(segment, where.part, within, context))
    case 'metadata':
      return (await segment.columns()).select(where.filter, where.rules).and(within)
    case 'document':
      return textMatches(segment, where.test, within, context)
  }
}

function cheapFirst(parts: readonly Where[]): Where[] {
  return [...parts].sort((a, b) => costOf(a) - costOf(b))
}
