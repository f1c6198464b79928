import type { Random } from '../base/random.ts'
import type { KernelHeap } from '../kernels/heap.ts'
import { blockBytes, type Address } from '../kernels/kernels.ts'
import { assignRows, none, type Assignment } from './assign.ts'
import { calibrate } from './calibrate.ts'
import type { Metric } from './exact-search.ts'
import { decodeCentroids, encodeCentroids } from './index-codec.ts'
import type { IndexHead } from './index-layout.ts'
import { blockCount, recordBytes, writeList, writeRecord } from './list-codec.ts'
import { orderClusters } from './order-clusters.ts'
import { measureSpace, SpaceMap, type VectorSource } from './space.ts'
import { copyRow, iterate, sampleRows, trainCentroids, type BuildProgress } from './train.ts'

export interface BuildOptions {
  readonly metric: Metric
  /** Default: see `defaultClusters`. 1: nothing is trained, and every search scans everything. */
  readonly clusters?: number
  /** Whether rows go into a second cluster. Default true; never with one cluster. */
  readonly twice?: boolean
  /** Lloyd's iterations. Default 10. */
  readonly iterations?: number
  /** Sampled rows for a cluster. Default 40. */
  readonly sampleRows?: number
  /** Default 256 MiB. */
  readonly sampleBytesMax?: number
  /** Whether efforts are measured. Default true. */
  readonly calibrated?: boolean
}

/**
 * Up to this many rows every 1-bit code is scanned and nothing is trained: some 6 ns a row. Measured: clusters are as fast at 2,000 rows, at 10,000
 * they take 50 instead of 80 µs, at 20,000 a third of the time; but their build costs seconds, and the recall of a full scan is near 1.
 */
export const exhaustiveMax = 10_000

/** No list is longer than this many times the mean. */
export const listBound = 4

/**
 * How many clusters suit `count` rows: six times the square root, measured: at 116,658 rows, 2,048 clusters scan the fewest codes for a recall of
 * 0.95 and of 0.99, with the clusters' own codes counted. Never fewer than 32 rows a cluster.
 */
export function defaultClusters(count: number): number {
  return count <= exhaustiveMax ? 1 : Math.round(Math.min(count / 32, 6 * Math.sqrt(count)))
}

/** A head that knows its rows. */
export type BuiltHead = IndexHead & { readonly rowOfSlot: Uint32Array }

/** A built index: its head, and its lists and records cluster by cluster, made when asked for, so that they need not be in memory together. */
export interface BuiltIndex {
  readonly head: BuiltHead
  /** The bytes of a cluster's posting list. */
  list(cluster: number): Uint8Array<ArrayBuffer>
  /** The bytes of a cluster's records. */
  records(cluster: number): Uint8Array<ArrayBuffer>
  /** The first and second cluster of a row (`none` where there is no second). */
  clustersOf(row: number): readonly [number, number]
  /** Gives back kernel memory; `list` and `records` fail afterwards. */
  release(): void
}

/**
 * Builds an index: trains centroids, assigns rows, bounds the lists. A generator: each step is a slice of some 10 ms, so it runs in a worker
 * or between other work, and its end is its return value. The same source, options and random numbers give the same bytes.
 *
 * Memory: the sample (`sampleBytesMax` at most), centroids (4 n bytes each), and 20 bytes a row.
 */
export function* buildIndex(heap: KernelHeap, source: VectorSource, options: BuildOptions, random: Random): Generator<BuildProgress, BuiltIndex> {
  const space = measureSpace(source, options.metric, random)
  const map = new SpaceMap(heap, space)
  const clusters = Math.max(1, Math.min(options.clusters ?? defaultClusters(source.count), source.count))
  const twice = (options.twice ?? true) && clusters > 1
  const training = { clusters, iterations: options.iterations ?? 10, sampleRows: options.sampleRows ?? 40, sampleBytesMax: options.sampleBytesMax ?? 2 ** 28 }
  const trained = yield* trainCentroids(heap, map, source, clusters === 1 ? { ...training, iterations: 1, sampleRows: 10_000 } : training, random)
  let centroids = rounded(copyCentroids(heap, trained, clusters * map.padded), map.padded)
  heap.release(trained)
  let assignment: Assignment
  for (let round = 0; ; round++) {
    const address = putCentroids(heap, centroids)
    assignment = yield* assignRows(heap, map, source, address, centroids.length / map.padded, twice)
    heap.release(address)
    const crowded = crowdedClusters(assignment, centroids.length / map.padded, twice)
    if (clusters === 1 || crowded.length === 0 || round === 2) break
    centroids = rounded(yield* splitClusters(heap, map, source, centroids, assignment, crowded, random), map.padded)
  }
  const built = encodeIndex(heap, map, source, clusters === 1 ? { centroids, assignment } : yield* inOrder(heap, map.padded, cutLists(centroids, map.padded, assignment, twice)))
  if (options.calibrated === false) return built
  return { ...built, head: { ...built.head, ...(yield* calibrate(heap, built, source, random)) } }
}

/** Centroids, row-major, and which clusters each row is in. */
interface Clustering {
  readonly centroids: Float32Array
  readonly assignment: Assignment
}

/** What is stored of centroids: codes are made relative to it. */
function rounded(centroids: Float32Array, padded: number): Float32Array {
  return decodeCentroids(encodeCentroids(centroids, padded), padded)
}

function copyCentroids(heap: KernelHeap, at: Address, length: number): Float32Array {
  return heap.floats.slice(at >>> 2, (at >>> 2) + length)
}

function putCentroids(heap: KernelHeap, centroids: Float32Array): Address {
  const at = heap.allocate(centroids.length * 4)
  heap.put(at, centroids)
  return at
}

function listSizes({ first, second }: Assignment, clusters: number): Uint32Array {
  const sizes = new Uint32Array(clusters)
  for (const c of first) sizes[c]!++
  for (const c of second) if (c !== none) sizes[c]!++
  return sizes
}

function sizeMax(rows: number, clusters: number, twice: boolean): number {
  return Math.max(32, Math.floor((listBound * rows * (twice ? 2 : 1)) / clusters))
}

function crowdedClusters(assignment: Assignment, clusters: number, twice: boolean): { cluster: number; parts: number }[] {
  const most = sizeMax(assignment.first.length, clusters, twice)
  return [...listSizes(assignment, clusters)].flatMap((size, cluster) => (size > most ? [{ cluster, parts: Math.min(16, Math.ceil((2 * size) / most)) }] : []))
}

/** Replaces each crowded cluster by several, trained on its own rows. */
function* splitClusters(
  heap: KernelHeap,
  map: SpaceMap,
  source: VectorSource,
  centroids: Float32Array,
  { first }: Assignment,
  crowded: { cluster: number; parts: number }[],
  random: Random,
): Generator<BuildProgress, Float32Array> {
  const { padded } = map
  const rowsOf = new Map(crowded.map(({ cluster }) => [cluster, [] as number[]]))
  first.forEach((cluster, row) => rowsOf.get(cluster)?.push(row))
  const more: Float32Array[] = []
  const kept = centroids.slice()
  for (const [i, { cluster, parts }] of crowded.entries()) {
    yield { part: 'split', done: i / crowded.length }
    const rows = rowsOf.get(cluster)!
    const chosen = sampleRows(rows.length, 256 * parts, random)
    if (chosen.length < parts) continue
    const sample = heap.allocate(chosen.length * padded * 4)
    chosen.forEach((at, j) => map.enter(source.vector(rows[at]!), sample + j * padded * 4))
    const parted = heap.allocate(parts * padded * 4)
    copyRow(heap, sample, parted, parts * padded * 4)
    for (const _ of iterate(heap, map, sample, chosen.length, parted, parts, 5, random));
    const result = copyCentroids(heap, parted, parts * padded)
    kept.set(result.subarray(0, padded), cluster * padded)
    more.push(result.slice(padded))
    heap.release(parted)
    heap.release(sample)
  }
  const all = new Float32Array(kept.length + more.reduce((sum, { length }) => sum + length, 0))
  all.set(kept)
  more.reduce((at, part) => (all.set(part, at), at + part.length), kept.length)
  return all
}

/** Keeps the bound whatever the data (many equal vectors cannot be split): cuts lists that are still too long into several with one centroid. */
function cutLists(centroids: Float32Array, padded: number, { first, second }: Assignment, twice: boolean): Clustering {
  let clusters = centroids.length / padded
  const most = sizeMax(first.length, clusters, twice)
  const filled = new Uint32Array(clusters)
  // Where entries of a cluster go now: itself until it is full, then a new one.
  const target = Uint32Array.from({ length: clusters }, (_, c) => c)
  const copies: number[] = []
  const place = (cluster: number) => {
    if (filled[cluster]! === most) {
      filled[cluster] = 0
      target[cluster] = clusters++
      copies.push(cluster)
    }
    filled[cluster]!++
    return target[cluster]!
  }
  const placed = { first: first.map(place), second: second.map((cluster) => (cluster === none ? none : place(cluster))) }
  const all = new Float32Array(clusters * padded)
  all.set(centroids)
  copies.forEach((cluster, i) => all.set(centroids.subarray(cluster * padded, (cluster + 1) * padded), centroids.length + i * padded))
  return { centroids: all, assignment: placed }
}

/** Numbers clusters so that what a query probes lies together. */
function* inOrder(heap: KernelHeap, padded: number, { centroids, assignment }: Clustering): Generator<BuildProgress, Clustering> {
  const order = yield* orderClusters(heap, centroids, padded)
  const placeOf = new Uint32Array(order.length)
  const ordered = new Float32Array(centroids.length)
  order.forEach((cluster, place) => {
    placeOf[cluster] = place
    ordered.set(centroids.subarray(cluster * padded, (cluster + 1) * padded), place * padded)
  })
  const renamed = (clusters: Uint32Array) => clusters.map((cluster) => (cluster === none ? none : placeOf[cluster]!))
  return { centroids: ordered, assignment: { first: renamed(assignment.first), second: renamed(assignment.second) } }
}

function encodeIndex(heap: KernelHeap, map: SpaceMap, source: VectorSource, { centroids, assignment }: Clustering): BuiltIndex {
  const { padded, space } = map
  const clusters = centroids.length / padded
  const euclidean = space.metric === 'euclidean'
  const firstRows = groupRows(assignment.first, clusters)
  const secondRows = groupRows(assignment.second, clusters)
  const slotOfRow = new Uint32Array(source.count)
  firstRows.rows.forEach((row, slot) => (slotOfRow[row] = slot))
  const listBlocks = new Uint32Array(clusters + 1)
  for (let c = 0; c < clusters; c++) listBlocks[c + 1] = listBlocks[c]! + blockCount(firstRows.of(c).length + secondRows.of(c).length)
  const head: BuiltHead = { space, count: source.count, rowCount: source.count, clusters, centroids, listBlocks, slots: firstRows.starts, rowOfSlot: firstRows.rows, spread: null, effort: [] }
  const vector = heap.allocate(padded * 4)
  const centroid = heap.allocate(padded * 4)
  const list = (c: number) => {
    const first = firstRows.of(c)
    const second = secondRows.of(c)
    const rowAt = (i: number) => (i < first.length ? first[i]! : second[i - first.length]!)
    const bytes = (listBlocks[c + 1]! - listBlocks[c]!) * blockBytes(padded)
    const at = heap.allocate(bytes)
    heap.put(centroid, centroids.subarray(c * padded, (c + 1) * padded))
    const enter = (i: number) => {
      map.enter(source.vector(rowAt(i)), vector)
      return vector
    }
    writeList(heap, at, centroid, padded, euclidean, first.length + second.length, (i) => slotOfRow[rowAt(i)]!, enter)
    const result = heap.bytes.slice(at, at + bytes)
    heap.release(at)
    return result
  }
  const records = (c: number) => {
    const rows = firstRows.of(c)
    const size = recordBytes(padded)
    const at = heap.allocate(rows.length * size)
    rows.forEach((row, i) => {
      map.enter(source.vector(row), vector)
      writeRecord(heap, at + i * size, vector, padded, euclidean)
    })
    const result = heap.bytes.slice(at, at + rows.length * size)
    heap.release(at)
    return result
  }
  const release = () => {
    heap.release(vector)
    heap.release(centroid)
    map.release()
  }
  const clustersOf = (row: number) => [assignment.first[row]!, assignment.second[row]!] as const
  return { head, list, records, clustersOf, release }
}

/** Rows by cluster, ascending within each (counting sort). */
function groupRows(clusterOf: Uint32Array, clusters: number): { starts: Uint32Array; rows: Uint32Array; of(cluster: number): Uint32Array } {
  const starts = new Uint32Array(clusters + 1)
  for (const c of clusterOf) if (c !== none) starts[c + 1]!++
  for (let c = 0; c < clusters; c++) starts[c + 1]! += starts[c]!
  const next = starts.slice(0, clusters)
  const rows = new Uint32Array(starts[clusters]!)
  clusterOf.forEach((c, row) => {
    if (c !== none) rows[next[c]!++] = row
  })
  return { starts, rows, of: (cluster) => rows.subarray(starts[cluster], starts[cluster + 1]) }
}
