import type { Stamp } from '../../format/record.ts'
import { selectCandidates } from '../query/candidates.ts'
import { compareStamps } from '../../format/segment-sections.ts'
import type { RowRef } from '../query/rows.ts'
import type { Snapshot } from '../view.ts'

interface Ordered {
  readonly length: number
  refAt(position: number): RowRef
  bornAt(position: number): Stamp
}

/**
 * The records of a snapshot from `offset` on, in the order they were first inserted.
 * @param limit Absent: all that are left.
 */
export async function selectInOrder(snapshot: Snapshot, { offset = 0, limit = Infinity }: { offset?: number; limit?: number } = {}): Promise<RowRef[]> {
  const sources = await orderedSources(snapshot)
  const positions = sources.map(() => 0)
  const refs: RowRef[] = []
  for (let seen = 0; refs.length < limit; seen++) {
    let next = -1
    for (let i = 0; i < sources.length; i++) {
      if (positions[i]! >= sources[i]!.length) continue
      if (next < 0 || compareStamps(sources[i]!.bornAt(positions[i]!), sources[next]!.bornAt(positions[next]!)) < 0) next = i
    }
    if (next < 0) break
    const position = positions[next]!++
    if (seen >= offset) refs.push(sources[next]!.refAt(position))
  }
  return refs
}

/** Every source with rows; a segment is sorted by insertion, the memtable is not. */
async function orderedSources(snapshot: Snapshot): Promise<Ordered[]> {
  const ordered: Ordered[] = []
  for (const source of await selectCandidates(snapshot, 'records', undefined)) {
    const rows: number[] = []
    const live = await source.rows()
    live.forEach((row) => rows.push(row))
    if (rows.length === 0) continue
    if ('memory' in source) {
      const { memory } = source
      rows.sort((a, b) => compareStamps(memory[a]!.born, memory[b]!.born))
      ordered.push({ length: rows.length, refAt: (position) => ({ row: memory[rows[position]!]! }), bornAt: (position) => memory[rows[position]!]!.born })
      continue
    }
    const { segment } = source
    const stamps = await segment.rows()
    ordered.push({ length: rows.length, refAt: (position) => ({ segment, rowIndex: rows[position]! }), bornAt: (position) => stamps.bornAt(rows[position]!) })
  }
  return ordered
}
