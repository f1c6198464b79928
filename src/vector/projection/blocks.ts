import type { Random } from '../../base/random.ts'
import type { Address } from '../../kernels/kernels.ts'
import type { ProjectionProgress } from './neighbor-graph.ts'
import { pickRows, type ProjectionRows } from './projection-rows.ts'

/** Rows cut into blocks of neighbours. */
export interface Blocks {
  /** Which row each place holds, block by block. */
  readonly order: Uint32Array
  /** First place of each block, and the end of the last. */
  readonly starts: Uint32Array
  readonly rowsMax: number
  /** The blocks that `block` is to be compared with, such that each pair is named once: `compared` nearest of either, itself included. */
  pairs(block: number, compared: number): number[]
}

const rowsOfBlock = 256
const iterations = 4
const sampleOfCluster = 32
const rowsOfSlice = 2048

/**
 * Cuts rows into clusters of about 256 by k-means (Lloyd's iterations on a sample). A cluster of more than 512 is cut by order of rows, so that
 * equal rows, however many, do not make the work square.
 */
export function* cutIntoBlocks(rows: ProjectionRows, random: Random): Generator<ProjectionProgress, Blocks> {
  const { heap, padded, count } = rows
  const clusters = Math.max(1, Math.round(count / rowsOfBlock))
  const stride = padded * 4
  const centroids = heap.allocate(clusters * stride)
  const norms = heap.allocate(clusters * 4)
  const found = heap.allocate(Math.max(rowsOfSlice, clusters) * 4)
  const sample = pickRows(count, clusters * sampleOfCluster, random)
  for (let c = 0; c < clusters; c++) copyRow(rows, sample[c % Math.max(1, sample.length)] ?? 0, centroids + c * stride)
  const nearest = (row: number, many: number) => heap.kernels.assignRows(rows.rowAt(row), many, centroids, norms, clusters, padded, found)
  for (let iteration = 0; iteration < iterations && clusters > 1; iteration++) {
    yield { part: 'neighbors', done: (0.05 * iteration) / iterations }
    refreshNorms(rows, centroids, norms, clusters)
    const sums = heap.allocate(clusters * stride)
    heap.bytes.fill(0, sums, sums + clusters * stride)
    const sizes = new Uint32Array(clusters)
    for (const row of sample) {
      nearest(row, 1)
      const c = heap.words[found >>> 2]!
      sizes[c]!++
      heap.kernels.addTo(sums + c * stride, rows.rowAt(row), padded)
    }
    for (let c = 0; c < clusters; c++) {
      if (sizes[c] === 0) copyRow(rows, sample[Math.floor(random.next() * sample.length)]!, centroids + c * stride)
      else for (let i = 0; i < padded; i++) heap.floats[((centroids + c * stride) >>> 2) + i] = heap.floats[((sums + c * stride) >>> 2) + i]! / sizes[c]!
    }
    heap.release(sums)
  }
  refreshNorms(rows, centroids, norms, clusters)
  const clusterOf = new Uint32Array(count)
  for (let row = 0; row < count; row += rowsOfSlice) {
    yield { part: 'neighbors', done: 0.05 + (0.05 * row) / count }
    const many = Math.min(rowsOfSlice, count - row)
    nearest(row, many)
    clusterOf.set(heap.words.subarray(found >>> 2, (found >>> 2) + many), row)
  }
  const near = nearBlocks(rows, centroids, clusters)
  for (const at of [centroids, norms, found]) heap.release(at)
  return order(clusterOf, clusters, near)
}

/** Of each cluster the others, nearest first: as many as anybody compares. */
function nearBlocks(rows: ProjectionRows, centroids: Address, clusters: number): Uint32Array[] {
  const { heap, padded } = rows
  const stride = padded * 4
  const out = heap.allocate(clusters * 4)
  const near: Uint32Array[] = []
  for (let c = 0; c < clusters; c++) {
    heap.kernels.squaredMany(centroids + c * stride, centroids, stride, clusters, padded, out)
    const distances = heap.floats.slice(out >>> 2, (out >>> 2) + clusters)
    distances[c] = -1
    near.push(Uint32Array.from({ length: clusters }, (_, i) => i).sort((a, b) => distances[a]! - distances[b]! || a - b).slice(0, nearMax))
  }
  heap.release(out)
  return near
}

const nearMax = 32

/** Sorts rows by cluster and cuts large clusters; the pieces of one are each other's nearest. */
function order(clusterOf: Uint32Array, clusters: number, near: readonly Uint32Array[]): Blocks {
  const ends = new Uint32Array(clusters + 1)
  for (const c of clusterOf) ends[c + 1]!++
  for (let c = 0; c < clusters; c++) ends[c + 1]! += ends[c]!
  const next = ends.slice()
  const rowOrder = new Uint32Array(clusterOf.length)
  clusterOf.forEach((c, row) => (rowOrder[next[c]!++] = row))
  const starts: number[] = []
  const clusterOfBlock: number[] = []
  const blocksOf: number[][] = near.map(() => [])
  for (let c = 0; c < clusters; c++) {
    for (let start = ends[c]!; start < ends[c + 1]!; start += rowsOfBlock * 2) {
      blocksOf[c]!.push(starts.length)
      clusterOfBlock.push(c)
      starts.push(start)
    }
  }
  starts.push(clusterOf.length)
  const nearOf = (block: number, compared: number): number[] => {
    const own = blocksOf[clusterOfBlock[block]!]!
    const place = own.indexOf(block)
    const pieces = [...own.slice(place), ...own.slice(0, place)]
    const others = [...near[clusterOfBlock[block]!]!].slice(1).flatMap((c) => blocksOf[c]!)
    return [...pieces, ...others].slice(0, compared)
  }
  const pairsOf = new Map<number, number[][]>()
  const pairs = (block: number, compared: number) => {
    let all = pairsOf.get(compared)
    if (!all) {
      const sets = starts.slice(0, -1).map(() => new Set<number>())
      for (let b = 0; b < sets.length; b++) for (const other of nearOf(b, compared)) sets[Math.min(b, other)]!.add(Math.max(b, other))
      pairsOf.set(compared, (all = sets.map((set) => [...set])))
    }
    return all[block]!
  }
  return { order: rowOrder, starts: Uint32Array.from(starts), rowsMax: rowsOfBlock * 2, pairs }
}

function refreshNorms({ heap, padded }: ProjectionRows, centroids: Address, norms: Address, clusters: number): void {
  for (let c = 0; c < clusters; c++) {
    const at = centroids + c * padded * 4
    heap.floats[(norms >>> 2) + c] = heap.kernels.dotExact(at, at, padded)
  }
}

function copyRow(rows: ProjectionRows, row: number, to: Address): void {
  rows.heap.bytes.copyWithin(to, rows.rowAt(row), rows.rowAt(row) + rows.padded * 4)
}
