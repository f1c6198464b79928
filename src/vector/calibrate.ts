import type { Random } from '../base/random.ts'
import type { KernelHeap } from '../kernels/heap.ts'
import { none } from './assign.ts'
import type { BuiltIndex } from './build.ts'
import type { Effort, Spread } from './index-layout.ts'
import { candidatesMax, IndexReader } from './index-reader.ts'
import { SpaceMap, type VectorSource } from './space.ts'
import { exactRows, type ScoredRows } from './exact-rows.ts'
import { sampleRows, type BuildProgress } from './train.ts'

/** The recalls that efforts are measured for. */
export const recallLevels = [0.5, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999] as const

/** The depths they are measured at, where there are rows enough. */
const depths = [10, 30, 100, 1000] as const
/** Rows asked for at the least depth; recall is then known to about half a percent. Deeper, more neighbors of fewer rows say as much. */
const queriesMax = 400
/** Of these, those whose candidates are ranked. */
const rankedMax = 64
/** Pairs of rows by which their spread is measured. */
const pairsMax = 2000
/** Posting lists kept while candidates are ranked. */
const listBytesMax = 2 ** 27
/**
 * Nearest rows that are left out. A row that asks has near-copies in the collection more often than a query from outside has, and those are
 * found whatever is probed; without this, on a collection where every text comes in nine variants, a wish for 0.95 finds 0.87.
 */
const skipped = 10
/**
 * Of the recall that may be lost, this share is spent, on clusters that are not probed and candidates that are not reranked. The rest is kept
 * back: rows helped to train the centroids, so queries that are not rows are a little harder.
 */
const spentShare = 0.93
/** Shares that may go to candidates; that is taken which makes a search cheapest. */
const rankShares = [0.08, 0.11, 0.15, 0.2, 0.27, 0.36] as const
/** The only one where every cluster is probed. */
const rankSharesAlone = [0.5] as const
/** What reranking a candidate costs, in entries of posting lists scanned. Measured: 190 and 13 ns at 384 dimensions, and both grow with these. */
const candidateCost = 14

interface Sample {
  readonly row: number
  /** Each true neighbor's earliest place in the order of clusters, and how much that cluster scores less than the best. */
  readonly places: Uint32Array
  readonly gaps: Float32Array
  /** By place: how much less than the best. Ascending. */
  readonly allGaps: Float32Array
  readonly truth: Uint32Array
  /** Score of the farthest neighbor. */
  readonly least: number
}

function nthRows({ rows, scores }: ScoredRows, depth: number): ScoredRows {
  return { rows: rows.subarray(skipped, skipped + depth), scores: scores.subarray(skipped, skipped + depth) }
}

/**
 * Measures on the data itself what recall costs: takes rows as queries (each without itself), finds their neighbors exactly, and sees how many
 * clusters must be probed and how many candidates reranked to find them.
 * @returns How rows are spread, and one effort for each of `recallLevels`, for each depth of at most a twentieth of the rows. Empty with fewer than 200 rows.
 */
export function* calibrate(heap: KernelHeap, built: BuiltIndex, source: VectorSource, random: Random): Generator<BuildProgress, { effort: Effort[]; spread: Spread | null }> {
  const measured = depths.filter((depth) => depth * 20 <= source.count)
  if (measured.length === 0) return { effort: [], spread: null }
  const rows = sampleRows(source.count, queriesMax, random)
  const fewer = (count: number, depth: number) => Math.ceil(count / Math.sqrt(depth / depths[0]))
  const depthOf = (query: number) => measured.findLast((depth) => query < fewer(rows.length, depth))!
  const truth = yield* exactRows(heap, built.head.space, source, rows, (query) => depthOf(query) + skipped)
  const spread = measureSpread(heap, built, source, random)
  const reader = new IndexReader(heap, { ...built.head, spread })
  const lists = new ListKeeper(reader, built)
  const { clusters, listBlocks } = built.head
  const listEntries = (32 * listBlocks[clusters]!) / clusters
  const costOf = (plan: Probing & { candidates: number }) => plan.clusters * listEntries + plan.candidates * candidateCost
  const efforts: Effort[] = []
  for (const depth of measured) {
    const asked = rows.subarray(0, fewer(rows.length, depth))
    const samples = Array.from(asked, (row, i) => placeNeighbors(reader, built, source, row, nthRows(truth[i]!, depth)))
    const shares = built.head.clusters === 1 ? rankSharesAlone : rankShares
    const neighbors = gatherNeighbors(samples)
    const probings = recallLevels.map((recall) => shares.map((share) => cheapestProbing(samples, neighbors, 1 - (1 - recall) * (spentShare - share))))
    // With a few clusters more, a candidate has hardly more above it: ranks are measured once.
    const probing = probings.map(([fewest]) => fewest!)
    const ranks = recallLevels.map(() => [] as number[])
    const ranked = fewer(rankedMax, depth)
    for (const [i, sample] of samples.slice(0, ranked).entries()) {
      yield { part: 'calibrate', done: 0.5 + i / ranked / 2 }
      rankNeighbors(lists, source, sample, probing, ranks, Math.min(candidatesMax, Math.max(1024, 8 * depth)))
    }
    recallLevels.forEach((recall, level) => {
      const plans = shares.map((share, i) => {
        const rank = tailRank(ranks[level]!, (1 - recall) * share)
        return { ...probings[level]![i]!, candidates: Math.min(candidatesMax, Math.max(6 * depths[0], 2 * depth, Math.ceil(1.25 * rank))) }
      })
      const { probes, margin, candidates } = plans.reduce((best, plan) => (costOf(plan) < costOf(best) ? plan : best))
      const rest = Math.max((1 - recall) * depth, usualRest(reader, source, samples.slice(0, ranked), { probes, margin }))
      efforts.push({ recall, depth, probes, margin, usual: usualOf(samples), rest, candidates })
    })
  }
  reader.release()
  return { effort: efforts, spread }
}

/**
 * The rank that all but a `share` of `ranks` are below. The share is smaller than what a sample can show, so the tail beyond the last fiftieth
 * is taken to fall as a power, as it does between the tenth and the fiftieth.
 */
function tailRank(ranks: number[], share: number): number {
  if (ranks.length === 0) return 0
  const sorted = ranks.sort((a, b) => a - b)
  const at = (rest: number) => sorted[Math.max(0, Math.ceil(sorted.length * (1 - rest)) - 1)]! + 1
  if (share >= 0.02) return at(share)
  const power = Math.log(Math.max(1.2, at(0.02) / at(0.1))) / Math.log(5)
  return at(0.02) * (0.02 / share) ** power
}

function placeNeighbors(reader: IndexReader, built: BuiltIndex, source: VectorSource, row: number, { rows: truth, scores }: ScoredRows): Sample {
  const state = reader.begin(source.vector(row))
  const order = reader.plan(state, { probes: built.head.clusters, margin: Infinity })
  const placeOf = new Uint32Array(built.head.clusters)
  order.forEach((cluster, place) => (placeOf[cluster] = place))
  const allGaps = Float32Array.from(state.terms, (term) => state.terms[0]! - term)
  reader.end(state)
  const places = truth.map((neighbor) => {
    const [first, second] = built.clustersOf(neighbor)
    return Math.min(placeOf[first]!, second === none ? none : placeOf[second]!)
  })
  return { row, truth, places, allGaps, gaps: Float32Array.from(places, (place) => allGaps[place]!), least: scores.at(-1) ?? -Infinity }
}

/** What the score of the farthest neighbor is above, for nine queries in ten. */
function usualOf(samples: Sample[]): number {
  return Float64Array.from(samples, ({ least }) => least).sort()[Math.floor(samples.length / 10)]!
}

/** What `expectRest` says of the middle one of queries that probe so: some queries are far from everything, and much is expected for them. */
function usualRest(reader: IndexReader, source: VectorSource, samples: Sample[], probing: { probes: number; margin: number }): number {
  const rests = Float64Array.from(samples, ({ row, least }) => {
    const state = reader.begin(source.vector(row))
    reader.plan(state, probing)
    const rest = reader.expectRest(state, least)
    reader.end(state)
    return rest
  })
  return rests.sort()[rests.length >>> 1] ?? 0
}

/** How rows lie around their centroids, seen from other rows. */
function measureSpread(heap: KernelHeap, { head, clustersOf }: BuiltIndex, source: VectorSource, random: Random): Spread {
  const map = new SpaceMap(heap, head.space)
  const { padded } = map
  const at = heap.allocate(padded * 12)
  const [from, row, centroid] = [at, at + padded * 4, at + padded * 8]
  const rows = sampleRows(source.count, 2 * pairsMax, random)
  const pairs = rows.length >>> 1
  const residuals = new Float64Array(pairs)
  const cosines = new Float64Array(pairs)
  for (let i = 0; i < pairs; i++) {
    map.enter(source.vector(rows[2 * i]!), from)
    map.enter(source.vector(rows[2 * i + 1]!), row)
    const [cluster] = clustersOf(rows[2 * i + 1]!)
    heap.put(centroid, head.centroids.subarray(cluster * padded, (cluster + 1) * padded))
    const residual = heap.kernels.squaredExact(row, centroid, padded)
    const away = heap.kernels.squaredExact(from, centroid, padded)
    residuals[i] = residual
    const scale = 2 * Math.sqrt(residual * away)
    cosines[i] = scale > 0 ? (away + residual - heap.kernels.squaredExact(from, row, padded)) / scale : 0
  }
  heap.release(at)
  map.release()
  const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / Math.max(1, pairs)
  return { residual: Math.sqrt(mean(residuals)), deviation: Math.max(1e-3, Math.sqrt(mean(cosines.map((cosine) => cosine * cosine)))) }
}

interface Probing {
  readonly probes: number
  readonly margin: number
  /** Clusters that a query probes on average. */
  readonly clusters: number
}

/** The true neighbors of all samples, in the order of their gaps. */
interface Neighbors {
  readonly gaps: Float32Array
  readonly places: Uint32Array
}

function gatherNeighbors(samples: Sample[]): Neighbors {
  const all = samples.flatMap(({ gaps, places }) => Array.from(gaps, (gap, i) => ({ gap, place: places[i]! }))).sort((a, b) => a.gap - b.gap)
  return { gaps: Float32Array.from(all, ({ gap }) => gap), places: Uint32Array.from(all, ({ place }) => place) }
}

/** The probes and margin that find `recall` of the neighbors with the fewest probes on average. */
function cheapestProbing(samples: Sample[], { gaps, places }: Neighbors, recall: number): Probing {
  const total = gaps.length
  const clusters = samples[0]!.allGaps.length
  let best: Probing = { probes: clusters, margin: Infinity, clusters }
  let least = Infinity
  // A margin must let through what is wanted; between that and none at all, a few dozen are tried.
  const lowest = Math.min(total - 1, Math.floor(recall * total))
  const margins = Array.from({ length: 24 }, (_, i) => gaps[Math.min(total - 1, Math.floor(lowest + ((total - lowest) * i) / 24))]! * (1 + i / 100))
  const needed = Math.ceil(recall * total)
  for (const margin of [...margins, Infinity]) {
    const within = countUpTo(gaps, margin)
    if (within < needed) continue
    const probes = nthPlace(places.subarray(0, within), needed, clusters) + 1
    const cost = samples.reduce((sum, { allGaps }) => sum + Math.min(probes, countUpTo(allGaps, margin)), 0)
    if (cost < least) [least, best] = [cost, { probes, margin, clusters: cost / samples.length }]
  }
  return best
}

/** The `n`-th smallest of places below `end`, by counting: tens of thousands are asked for again and again. */
function nthPlace(places: Uint32Array, n: number, end: number): number {
  const counts = new Uint32Array(end)
  for (const place of places) counts[place]!++
  let place = 0
  for (let seen = counts[0]!; seen < n; seen += counts[++place]!);
  return place
}

function countUpTo(ascending: Float32Array, limit: number): number {
  let low = 0
  for (let high = ascending.length; low < high; ) {
    const middle = (low + high) >>> 1
    if (ascending[middle]! <= limit) low = middle + 1
    else high = middle
  }
  return low
}

/** Makes posting lists when they are needed and keeps them up to a number of bytes. */
class ListKeeper {
  readonly reader: IndexReader
  readonly #built: BuiltIndex
  #bytes = 0

  constructor(reader: IndexReader, built: BuiltIndex) {
    this.reader = reader
    this.#built = built
  }

  need(clusters: Uint32Array): void {
    const missing = clusters.filter((cluster) => !this.reader.hasList(cluster))
    const bytes = missing.reduce((sum, cluster) => sum + this.reader.listBytes(cluster), 0)
    if (this.#bytes + bytes > listBytesMax) {
      for (let cluster = 0; cluster < this.reader.head.clusters; cluster++) this.reader.dropList(cluster)
      this.#bytes = 0
      if (missing.length < clusters.length) return this.need(clusters)
    }
    for (const cluster of missing) this.reader.setList(cluster, this.#built.list(cluster))
    this.#bytes += bytes
  }
}

/** Adds to `ranks`, for each level, the places of the neighbors among the best `keep` candidates by estimated score. */
function rankNeighbors(lists: ListKeeper, source: VectorSource, sample: Sample, probing: { probes: number; margin: number }[], ranks: number[][], keep: number): void {
  const { reader } = lists
  const state = reader.begin(source.vector(sample.row))
  const neighbors = new Set(sample.truth)
  let [before, found] = [-1, [] as number[]]
  probing.forEach((effort, level) => {
    const clusters = reader.plan(state, effort)
    if (clusters.length !== before) {
      before = clusters.length
      lists.need(clusters)
      let self = 0
      found = []
      reader.scan(state, keep).forEach((slot, rank) => {
        const row = reader.rowAt(slot)
        if (row === sample.row) self = 1
        // Without those left out, the neighbor would rank as much higher.
        else if (neighbors.has(row)) found.push(Math.max(0, rank - self - skipped))
      })
    }
    for (const rank of found) ranks[level]!.push(rank)
  })
  reader.end(state)
}
