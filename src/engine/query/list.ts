import { fromBase64Url, fromUtf8Lenient, toBase64Url, toUtf8 } from '../../base/bytes.ts'
import { WindlassError } from '../../base/errors.ts'
import { limits } from '../../base/limits.ts'
import type { Space, Stamp } from '../../format/record.ts'
import { compareStamps } from '../../format/segment-sections.ts'
import type { ListOptions, ListPage } from '../types.ts'
import type { Snapshot } from '../view.ts'
import { selectCandidates, type Candidates } from './candidates.ts'
import { readRows, type RowRef } from './rows.ts'

/**
 * A page of live rows in the order they were first inserted.
 * The token is the insertion stamp of the page's last row: it stays right whatever is written, flushed or merged meanwhile,
 * a row that lives throughout is listed exactly once.
 */
export async function listRows(snapshot: Snapshot, options: ListOptions): Promise<ListPage> {
  const limit = options.limit ?? 100
  if (!Number.isInteger(limit) || limit < 1 || limit > limits.listPageMax) {
    throw new WindlassError('invalid', `limit is ${limit}, expected 1 to ${limits.listPageMax}`, { path: 'limit' })
  }
  const after = options.after === undefined ? null : decodeToken(options.after)
  const candidates = await selectCandidates(snapshot, options.space ?? 'records', options.filter)
  const first = await firstRows(candidates, after, limit + 1)
  const page = first.slice(0, limit)
  const rows = await readRows(snapshot, page.map(({ ref }) => ref), options.include ?? {})
  const last = page.at(-1)
  return first.length > limit && last ? { rows, next: encodeToken(last.born) } : { rows }
}

/** How many live rows match. */
export async function countRows(snapshot: Snapshot, space: Space, filter: ListOptions['filter']): Promise<number> {
  const candidates = await selectCandidates(snapshot, space, filter)
  let count = 0
  for (const source of candidates) count += (await source.rows()).count()
  return count
}

interface Found {
  readonly ref: RowRef
  readonly born: Stamp
}

/** The `count` rows with the smallest insertion stamps above `after`. A segment is sorted by them; the memtable is not. */
async function firstRows(candidates: readonly Candidates[], after: Stamp | null, count: number): Promise<Found[]> {
  const found: Found[] = []
  for (const source of candidates) {
    const live = await source.rows()
    if ('memory' in source) {
      const rows: Found[] = []
      live.forEach((slot) => {
        const row = source.memory[slot]!
        if (!after || compareStamps(row.born, after) > 0) rows.push({ ref: { row }, born: row.born })
      })
      found.push(...rows.sort((a, b) => compareStamps(a.born, b.born)).slice(0, count))
      continue
    }
    if (live.isEmpty()) continue
    const stamps = await source.segment.rows()
    let start = 0
    if (after) {
      let end = source.segment.rowCount
      while (start < end) {
        const middle = (start + end) >>> 1
        if (compareStamps(stamps.bornAt(middle), after) > 0) end = middle
        else start = middle + 1
      }
    }
    let taken = 0
    for (let rowIndex = start; rowIndex < source.segment.rowCount && taken < count; rowIndex++) {
      if (!live.has(rowIndex)) continue
      found.push({ ref: { segment: source.segment, rowIndex }, born: stamps.bornAt(rowIndex) })
      taken++
    }
  }
  return found.sort((a, b) => compareStamps(a.born, b.born)).slice(0, count)
}

function encodeToken({ seq, ordinal }: Stamp): string {
  return toBase64Url(toUtf8(`1.${seq}.${ordinal}`))
}

function decodeToken(token: string): Stamp {
  const bytes = fromBase64Url(token)
  const match = bytes && /^1\.(\d{1,16})\.(\d{1,10})$/.exec(fromUtf8Lenient(bytes))
  if (!match) throw new WindlassError('invalid', 'page token is not one that a list gave: start again without it', { path: 'after' })
  return { seq: Number(match[1]), ordinal: Number(match[2]) }
}
