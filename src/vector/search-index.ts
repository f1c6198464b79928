import type { KernelHeap } from '../kernels/heap.ts'
import type { Metric } from './exact-search.ts'
import type { IndexReader } from './index-reader.ts'
import type { SearchEffort } from './index-layout.ts'
import type { RowFilter } from './row-filter.ts'
import type { Neighbor } from './top-k.ts'

/** What of a search over an index that lies in memory. */
export interface IndexSearch {
  readonly query: Float32Array
  readonly k: number
  readonly effort: SearchEffort
  readonly filter?: RowFilter
  /** The vector of a row, as it was put in: returned distances are exact. */
  readonly vector: (row: number) => Float32Array
}

/** Rows whose exact distances are computed for `k` answers: 8-bit scores order neighbors nearly right, so a few more than `k` suffice. */
export function exactCount(k: number): number {
  return k + 4 + (k >>> 2)
}

/** `begin` to `end` in one go, for an index whose lists and records are all in memory. Nearest first; equal distances: the lower row first. */
export function searchIndex(heap: KernelHeap, reader: IndexReader, { query, k, effort, filter, vector }: IndexSearch): Neighbor[] {
  const state = reader.begin(query)
  try {
    if (filter?.isDirect) reader.propose(state, filter.rows)
    else {
      reader.plan(state, effort, filter)
      reader.scan(state, Math.max(effort.candidates, exactCount(k)), filter)
    }
    const slots = reader.rerank(state, exactCount(k))
    const { space } = reader.head
    const rows = new Uint32Array(slots.length)
    for (let i = 0; i < rows.length; i++) rows[i] = reader.rowAt(slots[i]!)
    return exactNeighborsOf(heap, space.metric, query, rows, vector).slice(0, k)
  } finally {
    reader.end(state)
  }
}

/** Exact distances, the same bits as `searchExact` computes, of some rows; sorted. */
export function exactNeighborsOf(heap: KernelHeap, metric: Metric, query: Float32Array, rows: Uint32Array, vector: (row: number) => Float32Array): Neighbor[] {
  const { kernels } = heap
  const dimension = query.length
  const at = heap.allocate(dimension * 8)
  const other = at + dimension * 4
  heap.put(at, query)
  const queryNorm = metric === 'cosine' ? Math.sqrt(kernels.dotExact(at, at, dimension)) : 0
  const found: Neighbor[] = []
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!
    heap.floats.set(vector(row), other >>> 2)
    let distance
    if (metric === 'euclidean') distance = Math.sqrt(kernels.squaredExact(at, other, dimension))
    else {
      const product = kernels.dotExact(at, other, dimension)
      if (metric === 'dot') distance = -product
      else {
        const scale = queryNorm * Math.fround(Math.sqrt(kernels.dotExact(other, other, dimension)))
        distance = 1 - Math.min(1, Math.max(-1, scale === 0 ? 0 : product / scale))
      }
    }
    found.push({ row, distance })
  }
  heap.release(at)
  return found.sort((a, b) => a.distance - b.distance || a.row - b.row)
}

/** Puts every list and record set of a built index into a reader. */
export function loadAll(reader: IndexReader, built: { list(cluster: number): Uint8Array; records(cluster: number): Uint8Array }): void {
  for (let c = 0; c < reader.head.clusters; c++) reader.setList(c, built.list(c))
  for (let c = 0; c < reader.head.clusters; c++) reader.setRecords(c, built.records(c))
}
