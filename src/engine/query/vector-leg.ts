import type { Bitset } from '../../base/bitset.ts'
import { addTo } from '../../base/groups.ts'
import type { RowCard } from '../../format/row-card.ts'
import type { Row } from '../../format/record.ts'
import { searchExact, type Metric } from '../../vector/exact-search.ts'
import { candidatesMax } from '../../vector/index-reader.ts'
import { exactCount } from '../../vector/search-index.ts'
import type { Neighbor } from '../../vector/top-k.ts'
import { chunkedRowsMin, type ExactRows, type VectorAt } from '../exact-rows.ts'
import type { Memtable } from '../memtable.ts'
import type { Segment } from '../segment.ts'
import type { IndexedRow, SearchTally } from '../segment-index.ts'
import type { Snapshot } from '../view.ts'
import { forEachInGroups, sourceStride, type Candidates } from './candidates.ts'
import { denseVectors, distancesOf, type VectorBlock } from './vectors.ts'

/** A row by id (source × 2^32 + row) and its exact distance. */
export interface VectorScored {
  readonly id: number
  readonly distance: number
  /** Where an index told it. */
  readonly card?: RowCard
}

/** What a vector search found. */
export interface VectorLeg {
  /** Nearest first; equal distances keep the lower id first. */
  readonly nearest: readonly VectorScored[]
  /** Distances of the text leg's rows, so that both legs score every candidate. */
  readonly distances: ReadonlyMap<number, number>
  readonly rowsScored: number
}

export interface VectorSearch {
  readonly query: Float32Array
  readonly k: number
  /** 0.5 to 1; 1: every vector is scored. */
  readonly recall: number
  readonly probes?: number
  /** Rows whose distance is wanted, near or not. */
  readonly also: readonly number[]
}

/** A search for more is exact: an index has no room for so many candidates that the best of them are found. */
const finalistsMax = candidatesMax / 1.5
/** More rows than these are not put into kernel memory to be scored: they are scanned where they are. */
const chunkedRowsMax = 65_536

/** Exact distances are computed of the finalists of all segments together, no more than one segment would give, and of rough ones. */
interface Finalist extends IndexedRow {
  readonly source: number
}

/** The nearest rows of all sources: by their indexes where they have one, else by scoring every vector. Distances are exact. */
export async function scoreVectors(snapshot: Snapshot, sources: readonly Candidates[], search: VectorSearch, tally: SearchTally): Promise<VectorLeg> {
  const { query, k, recall } = search
  const { metric } = snapshot.schema
  const nearest: VectorScored[] = []
  const distances = new Map<number, number>()
  const finalists: Finalist[] = []
  let rowsScored = 0
  await forEachInGroups(sources, async (source, index) => {
    const base = index * sourceStride
    const also = search.also.filter((id) => Math.floor(id / sourceStride) === index).map((id) => id - base)
    let vectorAt: VectorAt
    if ('segment' in source && source.segment.index && recall < 1 && exactCount(k) <= finalistsMax) {
      if (source.segment.dimension !== query.length) return
      const wish = { k, recall, ...(search.probes !== undefined && { probes: search.probes }) }
      const found = await source.segment.index.search(query, wish, source.dead, source.matching, tally)
      for (const row of found) finalists.push({ ...row, source: index })
      const vectors = also.length > 0 ? await source.segment.vectorsOf(also) : []
      const known = new Map(also.map((row, i) => [row, vectors[i]!]))
      vectorAt = (row) => known.get(row) ?? null
    } else {
      const rows = await source.rows()
      if (rows.isEmpty()) return
      const scan = 'memory' in source ? await scanMemory(snapshot.memtable, source.memory, rows, search, metric) : await scanSegment(source.segment, rows, search, metric)
      rowsScored += scan.count
      for (const { row, distance } of scan.nearest) nearest.push({ id: base + row, distance })
      vectorAt = scan.vectorAt
    }
    for (const { row, distance } of distancesOf(also, vectorAt, query, metric)) distances.set(base + row, distance)
  })
  if (finalists.length > 0) nearest.push(...(await measure(finalists, sources, search, tally)))
  nearest.sort((a, b) => a.distance - b.distance || a.id - b.id)
  return { nearest: nearest.slice(0, k), distances, rowsScored: rowsScored + tally.codesScanned }
}

/** What scoring every row of a source found. */
interface Scan {
  readonly nearest: readonly Neighbor[]
  readonly count: number
  readonly vectorAt: VectorAt
}

async function scanMemory(memtable: Memtable, memory: readonly Row[], rows: Bitset, search: VectorSearch, metric: Metric): Promise<Scan> {
  const vectorAt = (row: number) => {
    const { vector } = memory[row]!
    return vector?.length === search.query.length ? vector : null
  }
  const present = rows.clone()
  rows.forEach((row) => void (vectorAt(row) || present.clear(row)))
  const block = () => denseVectors(memory.map((_, row) => vectorAt(row)), search.query.length)
  return { nearest: await nearestOf(memtable.vectors, vectorAt, block, present, search, metric), count: present.count(), vectorAt }
}

async function scanSegment(segment: Segment, rows: Bitset, search: VectorSearch, metric: Metric): Promise<Scan> {
  const block = await segment.vectors()
  const { dimension } = block
  if (dimension !== search.query.length) return { nearest: [], count: 0, vectorAt: () => null }
  const present = rows.clone().and(block.present)
  const vectorAt = (row: number) => (block.present.has(row) ? block.vectors.subarray(row * dimension, (row + 1) * dimension) : null)
  return { nearest: await nearestOf(segment.exactRows, vectorAt, () => block, present, search, metric), count: present.count(), vectorAt }
}

async function nearestOf(exact: ExactRows, vectorAt: VectorAt, block: () => VectorBlock, rows: Bitset, { query, k }: VectorSearch, metric: Metric): Promise<Neighbor[]> {
  if (rows.length >= chunkedRowsMin && rows.length <= chunkedRowsMax) return exact.search(query, metric, rows, k, vectorAt)
  return searchExact({ ...block(), query, metric, rows, k })
}

/** Exact distances of the finalists that can be among the `k` nearest. */
async function measure(finalists: Finalist[], sources: readonly Candidates[], { query, k }: VectorSearch, tally: SearchTally): Promise<VectorScored[]> {
  finalists.sort((a, b) => a.estimate - b.estimate || a.source - b.source || a.card.row - b.card.row)
  const isRough = ({ farthest }: Finalist) => farthest === Infinity
  const fine = finalists.filter((each) => !isRough(each)).slice(0, exactCount(k))
  // So many are nearer than this that who is not may be left unread.
  const limit = fine.map(({ farthest }) => farthest).sort((a, b) => a - b)[k - 1] ?? Infinity
  const bySource = new Map<number, RowCard[]>()
  for (const { source, card, nearest } of [...fine, ...finalists.filter(isRough)]) if (nearest <= limit) addTo(bySource, source, card)
  const before = tally.requests
  const measured = await Promise.all(
    [...bySource].map(async ([index, cards]) => {
      const source = sources[index]!
      if (!('segment' in source) || !source.segment.index) return []
      const vectors = await source.segment.vectorsAt(cards, query.length, tally)
      const place = new Map(cards.map(({ row }, i) => [row, i]))
      const found = await source.segment.index.measure(query, Uint32Array.from(cards, ({ row }) => row), (row) => vectors[place.get(row)!]!)
      return found.map(({ row, distance }): VectorScored => ({ id: index * sourceStride + row, distance, card: cards[place.get(row)!]! }))
    }),
  )
  if (tally.requests > before) tally.roundTrips++
  return measured.flat()
}
