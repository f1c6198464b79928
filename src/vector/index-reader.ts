import type { Bitset } from '../base/bitset.ts'
import { WindlassError } from '../base/errors.ts'
import type { KernelHeap } from '../kernels/heap.ts'
import { blockBytes, type Address } from '../kernels/kernels.ts'
import { CentroidFinder } from './centroid-finder.ts'
import type { IndexHead, SearchEffort } from './index-layout.ts'
import { recordBytes, slotsOfList } from './list-codec.ts'
import { QueryForms, Reservoir, scoreOfKey } from './query-state.ts'
import type { ClusterMatches, RowFilter } from './row-filter.ts'
import { SpaceMap } from './space.ts'

/** Candidates that a query may ask for at most. */
export const candidatesMax = 8192

/** Stands where a row has no slot: it is not in the index. */
export const noSlot = 0xffffffff

/** Ended queries kept for the next: some 300 kB each. */
const idleMax = 2

/** A plan that is expected to meet less than this share of what it would meet if matches lay everywhere alike is extended. */
const enoughMatches = 0.9

/** It then aims at this many times as many: far from the query, clusters tell less about where its neighbors are. */
const farMatches = 2.5

/** One query between its steps. Holds kernel memory until `release`. */
export interface IndexQuery {
  readonly forms: QueryForms
  readonly reservoir: Reservoir
  readonly pointers: Address
  readonly scores: Address
  /** What `plan` chose, best first. */
  clusters: Uint32Array
  /** Each planned cluster's share of its records' scores. */
  terms: Float32Array
  /** After `scan`: candidates by estimated score, best first, each once. After `rerank`: by 8-bit score. */
  slots: Uint32Array
  slotScores: Float32Array
  /** Whether `scan` met more than it could keep. */
  isFull: boolean
  /** Whether a filter's matches lie elsewhere than its neighbors. */
  isElsewhere: boolean
  /** The query's Euclidean norm, as it was put in. */
  norm: number
}

/**
 * Searches an index whose lists and records are put into kernel memory piece by piece. A query goes `begin`, `plan`, `scan`, `rerank`, `end`;
 * between them the caller sees to it that the lists of the planned clusters, then the records of the candidates, are there
 * (`hasList`/`setList`, `clusterOf` and `hasRecords`/`setRecords`). Steps never wait, so many queries may be between steps at once.
 */
export class IndexReader {
  readonly head: IndexHead
  readonly #heap: KernelHeap
  readonly #map: SpaceMap
  readonly #padded: number
  readonly #finder: CentroidFinder
  readonly #centroids: Address
  #rowOfSlot: Address = 0
  #rows: Uint32Array | null = null
  readonly #lists: Uint32Array
  readonly #records: Uint32Array
  readonly #scanTable: Address
  // The cluster of every 32nd slot: from there it is a few steps to the cluster of any.
  readonly #coarse: Uint32Array
  // Queries that ended, for the next: making one costs more than a search's arithmetic.
  readonly #idle: IndexQuery[] = []
  // Marks the slots that a merge has seen, without clearing between queries.
  #seen = new Uint32Array(1024)
  #seenBy = new Uint32Array(1024)
  #round = 0
  #slotOfRow: Uint32Array | undefined

  constructor(heap: KernelHeap, head: IndexHead) {
    this.head = head
    this.#heap = heap
    this.#map = new SpaceMap(heap, head.space)
    this.#padded = this.#map.padded
    this.#centroids = heap.allocate(head.centroids.byteLength)
    heap.put(this.#centroids, head.centroids)
    if (head.rowOfSlot) this.setRows(head.rowOfSlot)
    this.#finder = new CentroidFinder(heap, this.#centroids, head.clusters, this.#padded, head.space.metric === 'euclidean')
    this.#lists = new Uint32Array(head.clusters)
    this.#records = new Uint32Array(head.clusters)
    this.#scanTable = heap.allocate(head.clusters * 12)
    this.#coarse = new Uint32Array((head.count >>> 5) + 1)
    for (let c = 0, i = 0; c < head.clusters; c++) for (; i * 32 < head.slots[c + 1]!; i++) this.#coarse[i] = c
  }

  /** Whether filters can be applied. */
  get hasRows(): boolean {
    return this.#rows !== null
  }

  /** Tells the row of each slot, which filters need, where the head does not. */
  setRows(rowOfSlot: Uint32Array): void {
    if (this.#rows) return
    this.#rowOfSlot = this.#heap.allocate(this.head.count * 4)
    this.#heap.words.set(rowOfSlot, this.#rowOfSlot >>> 2)
    this.#rows = rowOfSlot
  }

  /** The row of a slot, once rows are set. */
  rowAt(slot: number): number {
    return this.#rows![slot]!
  }

  /** Kernel memory that the head takes, about. */
  get headBytes(): number {
    const { count, clusters } = this.head
    return clusters * (this.#padded * 5 + 64) + (this.#rows ? count * 4 : 0)
  }

  /** Bytes of a cluster's list. */
  listBytes(cluster: number): number {
    return (this.head.listBlocks[cluster + 1]! - this.head.listBlocks[cluster]!) * blockBytes(this.#padded)
  }

  /** Bytes of a cluster's records. */
  recordsBytes(cluster: number): number {
    return (this.head.slots[cluster + 1]! - this.head.slots[cluster]!) * recordBytes(this.#padded)
  }

  /** The slots of a list that is in memory, by entry. */
  entriesOf(cluster: number): Uint32Array {
    const at = this.#lists[cluster]!
    return slotsOfList(this.#heap.bytes.subarray(at, at + this.listBytes(cluster)), this.#padded)
  }

  hasList(cluster: number): boolean {
    return this.#lists[cluster] !== 0
  }

  hasRecords(cluster: number): boolean {
    return this.#records[cluster] !== 0
  }

  /** @throws {WindlassError} `unavailable` when kernel memory is full: drop others first. */
  setList(cluster: number, bytes: Uint8Array): void {
    this.#set(this.#lists, cluster, bytes, this.listBytes(cluster), 'posting list')
  }

  setRecords(cluster: number, bytes: Uint8Array): void {
    this.#set(this.#records, cluster, bytes, this.recordsBytes(cluster), 'records')
  }

  dropList(cluster: number): void {
    this.#drop(this.#lists, cluster)
  }

  dropRecords(cluster: number): void {
    this.#drop(this.#records, cluster)
  }

  /** Takes a query in. Its length does not matter for cosine and dot. */
  begin(query: Float32Array): IndexQuery {
    const state = this.#idle.pop() ?? {
      forms: new QueryForms(this.#heap, this.#padded),
      reservoir: new Reservoir(this.#heap, candidatesMax),
      pointers: this.#heap.allocate(candidatesMax * 4),
      scores: this.#heap.allocate(candidatesMax * 4),
      clusters: new Uint32Array(0),
      terms: new Float32Array(0),
      slots: new Uint32Array(0),
      slotScores: new Float32Array(0),
      isFull: false,
      isElsewhere: false,
      norm: 0,
    }
    state.isElsewhere = false
    let squares = 0
    for (const value of query) squares += value * value
    state.norm = Math.sqrt(squares)
    this.#map.enter(query, state.forms.vector, true)
    state.forms.prepare(true)
    return state
  }

  /**
   * Chooses the clusters to probe: the best `effort.probes`, without those that score `effort.margin` less than the best (query-aware pruning,
   * SPANN). Where matches of a filter lie elsewhere, it goes on until as many are expected as such a plan would meet if they lay everywhere
   * alike, and passes over the clusters that have none. @returns `state.clusters`, best first.
   */
  plan(state: IndexQuery, effort: Pick<SearchEffort, 'probes' | 'margin'>, filter?: RowFilter): Uint32Array {
    const { clusters, count } = this.head
    const wanted = Math.min(clusters, effort.probes)
    const found = this.#finder.find(state.forms, wanted)
    const { scores } = this.#finder
    let kept = Math.min(1, found)
    for (const least = scores[0]! - effort.margin; kept < found && scores[kept]! >= least; kept++);
    let order: Uint32Array = this.#finder.found.slice(0, kept)
    if (filter && kept < clusters) {
      const matches = filter.clusterMatches(this)
      const expected = (kept / clusters) * count * filter.selectivity
      const met = order.reduce((sum, cluster) => sum + matches.counts[cluster]!, 0)
      if (met < enoughMatches * expected) {
        state.isElsewhere = true
        const all = this.#finder.find(state.forms, clusters)
        order = coverMatches(this.#finder.found.subarray(0, all), kept, matches, farMatches * expected - met)
      }
    }
    return this.#replan(state, order)
  }

  /**
   * What to scan after the planned clusters, where a filter keeps rows that are farther than those that `plan` counts with: the clusters that
   * are expected to hold all but `missed` of the matches that score above `least`, what the k-th answer so far does (-Infinity: there are
   * fewer). @param most - So many at most. @returns `state.clusters`, best first.
   */
  extend(state: IndexQuery, least: number, missed: number, filter: RowFilter, most: number): Uint32Array {
    const { counts, exact } = filter.clusterMatches(this)
    const { clusters, hopes, sum } = this.#hopes(state, least, (cluster) => (exact ? counts[cluster]! : Math.max(1, counts[cluster]!)))
    const order = Array.from(hopes, (hope, i) => ({ cluster: clusters[i]!, hope })).sort((a, b) => b.hope - a.hope || a.cluster - b.cluster)
    const more: number[] = []
    let rest = sum
    for (const { cluster, hope } of order) {
      if (rest <= missed || more.length === most) break
      more.push(cluster)
      rest -= hope
    }
    return this.#replan(state, Uint32Array.from(more))
  }

  /** How many rows that score above `least` are expected in clusters that are not planned, all rows being matches. */
  expectRest(state: IndexQuery, least: number): number {
    const { slots } = this.head
    return this.#hopes(state, least, (cluster) => slots[cluster + 1]! - slots[cluster]!).sum
  }

  /** What is expected of the clusters that are not planned: it follows from their matches, their distance, and how rows are spread around centroids. */
  #hopes(state: IndexQuery, least: number, matchesOf: (cluster: number) => number): { clusters: number[]; hopes: number[]; sum: number } {
    const { spread, space } = this.head
    const result = { clusters: [] as number[], hopes: [] as number[], sum: 0 }
    const planned = new Set(state.clusters)
    if (!spread || planned.size === this.head.clusters) return result
    const found = this.#finder.find(state.forms, this.head.clusters)
    const { residual, deviation } = spread
    const shift = space.metric === 'euclidean' ? state.forms.squaredNorm : 0
    const squareOf = (score: number) => Math.max(0, space.metric === 'euclidean' ? -score : 2 - 2 * score)
    const limit = squareOf(least)
    for (let i = 0; i < found; i++) {
      const cluster = this.#finder.found[i]!
      const matches = matchesOf(cluster)
      if (matches === 0 || planned.has(cluster)) continue
      const score = this.#finder.scores[i]! - shift
      const away = squareOf(score)
      // For dot: <x, q> = <c, q> + <x - c, q>, of which the latter has the spread, q being of norm 1.
      const ahead = space.metric === 'dot' ? score - least : (limit - away - residual * residual) / Math.max(1e-9, 2 * Math.sqrt(away))
      const hope = matches * normalShare(ahead / Math.max(1e-9, residual * deviation))
      result.clusters.push(cluster)
      result.hopes.push(hope)
      result.sum += hope
    }
    return result
  }

  #replan(state: IndexQuery, clusters: Uint32Array): Uint32Array {
    state.clusters = clusters
    state.terms = this.#finder.termsOf(clusters)
    if (this.head.space.metric === 'euclidean') for (let i = 0; i < clusters.length; i++) state.terms[i]! -= state.forms.squaredNorm
    return clusters
  }

  /**
   * Scans the planned clusters' lists and keeps the best `candidates` by estimated score.
   * @returns `state.slots`: best first, those found in two lists once.
   */
  scan(state: IndexQuery, candidates: number, filter?: RowFilter): Uint32Array {
    const { words, floats, kernels } = this.#heap
    const { forms, reservoir, clusters } = state
    const table = this.#scanTable >>> 2
    for (let i = 0; i < clusters.length; i++) {
      const c = clusters[i]!
      if (this.#lists[c] === 0) throw new WindlassError('invalid', `the posting list of cluster ${c} is not in memory; set it before scanning`)
      words[table + 3 * i] = this.#lists[c]!
      words[table + 3 * i + 1] = this.head.listBlocks[c + 1]! - this.head.listBlocks[c]!
      floats[table + 3 * i + 2] = state.terms[i]!
    }
    const keep = Math.min(candidates, candidatesMax)
    reservoir.reset(keep, filter?.bitmap ?? 0, this.#rowOfSlot)
    kernels.scanLists(this.#scanTable, clusters.length, this.#padded / 4, forms.table, forms.tableScale, forms.bias, reservoir.at, reservoir.scores)
    const count = reservoir.finish()
    state.isFull = count === keep
    const keys = reservoir.keys >>> 2
    const slots = new Uint32Array(count)
    const scores = new Float32Array(count)
    let unique = 0
    this.#startMerge(count)
    for (let i = 0; i < count; i++) {
      const slot = words[keys + 2 * i]!
      if (!this.#isNew(slot)) continue
      slots[unique] = slot
      scores[unique++] = scoreOfKey(words[keys + 2 * i + 1]!)
    }
    state.slots = slots.subarray(0, unique)
    state.slotScores = scores.subarray(0, unique)
    return state.slots
  }

  /** Instead of `plan` and `scan`, where few rows match: makes all of `rows` candidates. At most `candidatesMax`. */
  propose(state: IndexQuery, rows: Bitset): void {
    const slots: number[] = []
    const slotOfRow = this.slotOfRow()
    rows.forEach((row) => void (slotOfRow[row] !== noSlot && slots.push(slotOfRow[row]!)))
    if (slots.length > candidatesMax) throw new WindlassError('too-large', `${slots.length} rows to score directly, at most ${candidatesMax}; scan lists instead`)
    state.slots = Uint32Array.from(slots).sort()
    state.slotScores = new Float32Array(slots.length)
  }

  /** The slot of each row, `noSlot` where it has none; made at the first call. @throws {WindlassError} `invalid` before `setRows`. */
  slotOfRow(): Uint32Array {
    if (!this.#slotOfRow) {
      if (!this.#rows) throw new WindlassError('invalid', 'the rows of the index are not in memory; set them before filtering')
      this.#slotOfRow = new Uint32Array(this.head.rowCount).fill(noSlot)
      this.#rows.forEach((row, slot) => (this.#slotOfRow![row] = slot))
    }
    return this.#slotOfRow
  }

  /** The cluster whose records hold a slot. */
  clusterOf(slot: number): number {
    let c = this.#coarse[slot >>> 5]!
    while (this.head.slots[c + 1]! <= slot) c++
    return c
  }

  /** Scores the candidates by their 8-bit codes and sorts them. @returns The best `keep` slots, best first. */
  rerank(state: IndexQuery, keep: number): Uint32Array {
    const { words, kernels } = this.#heap
    const { slots } = state
    const size = recordBytes(this.#padded)
    const pointers = state.pointers >>> 2
    for (let i = 0; i < slots.length; i++) {
      const c = this.clusterOf(slots[i]!)
      if (this.#records[c] === 0) throw new WindlassError('invalid', `the records of cluster ${c} are not in memory; set them before reranking`)
      words[pointers + i] = this.#records[c]! + (slots[i]! - this.head.slots[c]!) * size
    }
    kernels.scoreCodesAt(state.forms.codes, state.forms.codeScale, state.pointers, slots.length, this.#padded, state.scores)
    const keys = state.reservoir.keys >>> 2
    const scores = state.scores >>> 2
    for (let i = 0; i < slots.length; i++) {
      const bits = words[scores + i]! | 0
      words[keys + 2 * i] = slots[i]!
      words[keys + 2 * i + 1] = bits ^ ((bits >> 31) & 0x7fffffff)
    }
    const wanted = Math.min(keep, slots.length)
    const shift = this.head.space.metric === 'euclidean' ? state.forms.squaredNorm : 0
    kernels.selectKeys(state.reservoir.keys, slots.length, wanted)
    kernels.sortKeys(state.reservoir.keys, wanted)
    for (let i = 0; i < wanted; i++) {
      slots[i] = words[keys + 2 * i]!
      // Records leave out the query's own square.
      state.slotScores[i] = scoreOfKey(words[keys + 2 * i + 1]!) - shift
    }
    state.slots = slots.subarray(0, wanted)
    state.slotScores = state.slotScores.subarray(0, wanted)
    return state.slots
  }

  /**
   * Standard error of a slot's score by its 8-bit codes, whose records must be in memory: each dimension is off by up to half a step, all
   * values alike, and the rotation makes dimensions independent of each other.
   */
  errorOf({ forms }: IndexQuery, slot: number): number {
    const c = this.clusterOf(slot)
    const record = this.#records[c]! + (slot - this.head.slots[c]!) * recordBytes(this.#padded)
    return this.#heap.floats[(record + this.#padded) >>> 2]! * Math.sqrt(forms.squaredNorm / 12)
  }

  /** About how far the row of a score is that `rerank` gave, by the metric: cosine 1 - cos, dot minus the product, Euclidean not squared. */
  distanceOf({ norm }: IndexQuery, score: number): number {
    const { metric, scale } = this.head.space
    if (metric === 'cosine') return 1 - score
    if (metric === 'dot') return (-score * norm) / scale
    return Math.sqrt(Math.max(0, -score)) / scale
  }

  /** Ends a query; its state must not be used again. */
  end(state: IndexQuery): void {
    if (this.#idle.length < idleMax) this.#idle.push(state)
    else this.#release(state)
  }

  /** Gives back all kernel memory. Queries must have ended. */
  release(): void {
    this.#idle.splice(0).forEach((state) => this.#release(state))
    for (let c = 0; c < this.head.clusters; c++) {
      this.dropList(c)
      this.dropRecords(c)
    }
    this.#finder.release()
    for (const at of [this.#centroids, this.#scanTable]) this.#heap.release(at)
    if (this.#rowOfSlot !== 0) this.#heap.release(this.#rowOfSlot)
    this.#map.release()
  }

  #release(state: IndexQuery): void {
    state.forms.release()
    state.reservoir.release()
    this.#heap.release(state.pointers)
    this.#heap.release(state.scores)
  }

  #set(addresses: Uint32Array, cluster: number, bytes: Uint8Array, expected: number, name: string): void {
    if (bytes.length !== expected) throw new WindlassError('corrupt', `the ${name} of cluster ${cluster} have ${bytes.length} bytes, expected ${expected}; restore the segment`)
    this.#drop(addresses, cluster)
    const at = this.#heap.allocate(expected)
    this.#heap.bytes.set(bytes, at)
    addresses[cluster] = at
  }

  #drop(addresses: Uint32Array, cluster: number): void {
    if (addresses[cluster] !== 0) this.#heap.release(addresses[cluster]!)
    addresses[cluster] = 0
  }

  #startMerge(count: number): void {
    while (this.#seen.length < 4 * count) {
      this.#seen = new Uint32Array(this.#seen.length * 2)
      this.#seenBy = new Uint32Array(this.#seen.length)
      this.#round = 0
    }
    if (this.#round === 0xffffffff) {
      this.#seenBy.fill(0)
      this.#round = 0
    }
    this.#round++
  }

  // Open addressing; a place is taken in this round only if `seenBy` says so.
  #isNew(slot: number): boolean {
    const mask = this.#seen.length - 1
    let place = (Math.imul(slot, 0x9e3779b1) >>> 8) & mask
    while (this.#seenBy[place] === this.#round) {
      if (this.#seen[place] === slot) return false
      place = (place + 1) & mask
    }
    this.#seen[place] = slot
    this.#seenBy[place] = this.#round
    return true
  }
}

/** Share of a normal distribution that is below `z` standard deviations (the logistic approximation of Bowling et al. 2009, to 0.0002). */
function normalShare(z: number): number {
  return 1 / (1 + Math.exp(-(0.07056 * z ** 3 + 1.5976 * z)))
}

/** The nearest `near` clusters, and further ones in `order` until `missing` more matches are met. */
function coverMatches(order: Uint32Array, near: number, { counts, exact }: ClusterMatches, missing: number): Uint32Array {
  // A near cluster is probed even if no row has its first place there: some may have their second.
  const chosen = Array.from(order.subarray(0, near))
  for (let place = near, rest = missing; place < order.length && rest > 0; place++) {
    const count = counts[order[place]!]!
    if (count === 0 && exact) continue
    rest -= count
    chosen.push(order[place]!)
  }
  return Uint32Array.from(chosen)
}
