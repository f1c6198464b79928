import type { Bitset } from '../base/bitset.ts'
import { joinRanges } from '../base/groups.ts'
import type { RowCard } from '../format/row-card.ts'
import { blockBytes } from '../kernels/kernels.ts'
import { chooseEffort, type SearchWish } from '../vector/effort.ts'
import { decodeHead, decodeRows, indexSections, unitRange, verifyUnit } from '../vector/index-codec.ts'
import type { SearchEffort } from '../vector/index-layout.ts'
import { candidatesMax, type IndexQuery } from '../vector/index-reader.ts'
import { RowFilter } from '../vector/row-filter.ts'
import { exactCount, exactNeighborsOf } from '../vector/search-index.ts'
import { paddedDimension } from '../vector/space.ts'
import type { Neighbor } from '../vector/top-k.ts'
import type { LoadedIndex, VectorMemory } from './vector-memory.ts'

/** Units nearer than this are read together. */
const gapBytesMax = 64 * 1024
/** Filters that keep this many rows or fewer are scored directly where the whole index would be in memory anyway. */
const directBytesMax = 16 * 1024 * 1024
/**
 * A row that was found in the list of its second cluster only, so that its finer code is not at hand, is looked at if it could be among the
 * `k` best were its estimate so many standard errors off. Measured on the real set: with 1 recall is lost in the fourth digit, with 2 none.
 */
const roughErrors = 2
/** The same of estimates by 8-bit codes, of which few vectors more than `k` are read, however many errors are allowed for. */
const fineErrors = 4
/** Candidates are too few when the last of them could, at so many standard errors, be among the best; then there are so many times more. */
const doubt = 1
const widening = 4
/** Clusters probed beyond a plan because of a filter: so many times the plan's at most, or so many. */
const extensionMax = 16
const extensionMin = 64
/** Of the budget, what one step of a search takes at most: the rest of a long plan waits its turn. */
const budgetShare = 4

/** What a search did, added up over segments. */
export interface SearchTally {
  clustersProbed: number
  codesScanned: number
  candidates: number
  requests: number
  bytesRead: number
  roundTrips: number
}

/** Of a search that has done nothing yet. */
export const noTally: Readonly<SearchTally> = { clustersProbed: 0, codesScanned: 0, candidates: 0, requests: 0, bytesRead: 0, roundTrips: 0 }

/** A row that may be among the nearest, and about how far it is. */
export interface IndexedRow {
  readonly card: RowCard
  /** By the metric, from codes: the exact distance needs the vector. */
  readonly estimate: number
  /** It hardly is nearer than this, nor farther than that: Infinity where there is nothing but the 1-bit code. */
  readonly nearest: number
  readonly farthest: number
  /** Its place in the index, and its score there. */
  readonly slot: number
  readonly score: number
}

/** The segment's sections: whole ones have passed their checksum, ranges have not. */
export interface SectionSource {
  readonly key: string
  sizeOf(name: string): number
  whole(name: string): Promise<Uint8Array>
  range(name: string, start: number, end: number): Promise<Uint8Array>
}

interface LiveFilter {
  readonly dead: Bitset
  readonly filter: RowFilter
  users: number
  isStale: boolean
}

/** Nearest first, equal ones in the order of rows. */
export function byEstimate(a: IndexedRow, b: IndexedRow): number {
  return a.estimate - b.estimate || a.card.row - b.card.row
}

/** The clustered index of one segment: reads what a query needs of it, and no more. */
export class SegmentIndex {
  readonly #source: SectionSource
  readonly #memory: VectorMemory
  #opening: Promise<LoadedIndex> | null = null
  #live: LiveFilter | null = null

  constructor(source: SectionSource, memory: VectorMemory) {
    this.#source = source
    this.#memory = memory
  }

  /**
   * The rows that are nearest, about: a few more than `wish.k`, and what else may be among them, nearest first.
   * @param dead Rows that are no answers. @param matching Where given, only these are.
   */
  async search(query: Float32Array, wish: SearchWish, dead: Bitset, matching: Bitset | null, tally: SearchTally): Promise<IndexedRow[]> {
    const index = await this.#acquire(tally)
    const heap = await this.#memory.heap()
    let filter: RowFilter | null = null
    let live: LiveFilter | null = null
    try {
      if (matching || !dead.isEmpty()) await this.#loadRows(index, tally)
      const { head } = index.stored
      if (matching) filter = new RowFilter(heap, matching, undefined, head.count)
      else if (!dead.isEmpty()) {
        live = this.#liveFilter(heap, dead, head.count)
        filter = live.filter
      }
      if (filter?.count === 0) return []
      return await this.#searchFiltered(index, query, wish, filter, tally)
    } finally {
      index.users--
      if (live) this.#release(live)
      else filter?.release()
    }
  }

  /** Begins to read the head, for who will search soon: a failure shows then. */
  prefetch(): void {
    void this.#open({ ...noTally }).catch(() => undefined)
  }

  /** Exact distances of some rows, nearest first. @param vectorOf As it was put in. */
  async measure(query: Float32Array, rows: Uint32Array, vectorOf: (row: number) => Float32Array): Promise<Neighbor[]> {
    const index = await this.#open({ ...noTally })
    return exactNeighborsOf(await this.#memory.heap(), index.stored.head.space.metric, query, rows, vectorOf)
  }

  /** Reads all of it ahead of the first query, as far as the budget reaches. */
  async warm(tally: SearchTally): Promise<void> {
    const index = await this.#acquire(tally)
    try {
      const { head } = index.stored
      const clusters: number[] = []
      let size = 0
      for (let c = 0; c < head.clusters && size < this.#memory.budgetBytes / 2; c++) {
        size += this.#unitBytes(index, c)
        clusters.push(c)
      }
      for (const part of this.#parts(index, Uint32Array.from(clusters))) await this.#withUnits(index, part, tally, () => undefined)
    } finally {
      index.users--
    }
  }

  async #searchFiltered(index: LoadedIndex, query: Float32Array, wish: SearchWish, filter: RowFilter | null, tally: SearchTally): Promise<IndexedRow[]> {
    const { reader } = index
    const finalists = exactCount(wish.k)
    const effort = chooseEffort(index.stored.head, filter ? { ...wish, selectivity: filter.selectivity } : wish)
    const state = reader.begin(query)
    try {
      if (filter && filter.isDirect && (this.#isAllLoaded(index) || this.#listsBytes(index) <= directBytesMax)) {
        reader.propose(state, filter.rows)
        tally.candidates += state.slots.length
        return await this.#rank(index, state, state.slots, finalists, tally)
      }
      reader.plan(state, effort, filter ?? undefined)
      tally.clustersProbed += state.clusters.length
      const found = await this.#find(index, state, effort, wish.k, filter, tally)
      return filter ? await this.#goOn(index, state, effort, wish.k, found, filter, tally) : found
    } finally {
      reader.end(state)
    }
  }

  /** Where a filter keeps rows that lie farther than usual, what the plan left out may have nearer ones: looks there, too. */
  async #goOn(index: LoadedIndex, state: IndexQuery, effort: SearchEffort, k: number, found: IndexedRow[], filter: RowFilter, tally: SearchTally): Promise<IndexedRow[]> {
    const { reader } = index
    const least = found[k - 1]?.score ?? -Infinity
    if (effort.usual === undefined || (least >= effort.usual && !state.isElsewhere)) return found
    const most = Math.max(extensionMin, extensionMax * state.clusters.length)
    const more = reader.extend(state, least, effort.rest!, filter, most)
    if (more.length === 0) return found
    tally.clustersProbed += more.length
    const others = await this.#find(index, state, effort, k, filter, tally)
    const rows = new Map<number, IndexedRow>()
    // Of two finds of one row, the finer.
    for (const each of [...found, ...others]) if (!((rows.get(each.card.row)?.farthest ?? Infinity) < each.farthest)) rows.set(each.card.row, each)
    return [...rows.values()].sort(byEstimate)
  }

  /**
   * Scans what is planned and ranks the best of it. How many candidates that takes was measured with queries like the rows; where estimates
   * turn out to be so far off that what was left out could be among the `k` best, more are taken.
   */
  async #find(index: LoadedIndex, state: IndexQuery, effort: SearchEffort, k: number, filter: RowFilter | null, tally: SearchTally): Promise<IndexedRow[]> {
    const { clusters, terms } = state
    const finalists = exactCount(k)
    for (let keep = Math.max(effort.candidates, finalists); ; keep *= widening) {
      state.clusters = clusters
      state.terms = terms
      const atHand = await this.#scan(index, state, keep, filter, tally, () => this.#rankHere(index, state, k))
      const { slots, slotScores, isFull } = state
      tally.candidates += slots.length
      const found = atHand ?? (await this.#rank(index, state, this.#worthy(index, state, k), finalists, tally))
      const kth = found[k - 1]
      if (!isFull || !kth || keep >= candidatesMax) return found
      const fine = found.filter(({ farthest }) => farthest < Infinity).slice(0, finalists)
      let squares = 0
      for (const { slot, score } of fine) squares += (score - slotScores[slots.indexOf(slot)]!) ** 2
      if (slotScores.at(-1)! + doubt * Math.sqrt(squares / fine.length) < kth.score) return found
    }
  }

  /**
   * Scans the planned clusters, part by part where they would not fit memory together. Leaves candidates in `state.slots`.
   * @param task Runs while all that was scanned is in memory. @returns what it does; null where it did not run, for there were parts.
   */
  async #scan<Value>(index: LoadedIndex, state: IndexQuery, candidates: SearchEffort['candidates'], filter: RowFilter | null, tally: SearchTally, task: () => Value): Promise<Value | null> {
    const { reader, stored } = index
    const { clusters, terms } = state
    for (const c of clusters) tally.codesScanned += 32 * (stored.head.listBlocks[c + 1]! - stored.head.listBlocks[c]!)
    const scan = () => reader.scan(state, candidates, filter ?? undefined)
    const parts = this.#parts(index, clusters)
    if (parts.length <= 1) {
      return this.#withUnits(index, clusters, tally, () => {
        scan()
        return task()
      })
    }
    const best = new Map<number, number>()
    let done = 0
    for (const part of parts) {
      state.clusters = part
      state.terms = terms.subarray(done, done + part.length)
      done += part.length
      await this.#withUnits(index, part, tally, scan)
      state.slots.forEach((slot, i) => best.set(slot, Math.max(best.get(slot) ?? -Infinity, state.slotScores[i]!)))
    }
    const order = [...best].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, candidates)
    state.clusters = clusters
    state.terms = terms
    state.slots = Uint32Array.from(order, ([slot]) => slot)
    state.slotScores = Float32Array.from(order, ([, score]) => score)
    return null
  }

  /**
   * Ranks the candidates by what is in memory: those whose unit is there by their 8-bit codes; of the others, which were found in the list of
   * their second cluster, the estimate has to do, and its error is allowed for. Leaves `state.slots` as it is.
   * @returns null where the units of others are needed: an index of version 1 has the cards of rows nowhere else.
   */
  #rankHere(index: LoadedIndex, state: IndexQuery, k: number): IndexedRow[] | null {
    const { reader, stored } = index
    const { slots, slotScores } = state
    const finalists = exactCount(k)
    if (slots.every((slot) => this.#memory.has(index, reader.clusterOf(slot)))) {
      const found = this.#rerank(index, state, slots, finalists)
      ;[state.slots, state.slotScores] = [slots, slotScores]
      return found
    }
    if (!stored.hasEntryCards) return null
    const { here, others, slack } = this.#sift(index, state, k)
    const found = this.#rerank(index, state, here, finalists)
    ;[state.slots, state.slotScores] = [slots, slotScores]
    const cards = this.#entryCards(index, state.clusters, new Set(others))
    for (const [slot, card] of cards) {
      const score = slotScores[slots.indexOf(slot)]!
      found.push({ card, estimate: reader.distanceOf(state, score), nearest: reader.distanceOf(state, score + slack), farthest: Infinity, slot, score })
    }
    return found.sort(byEstimate)
  }

  /** The cards of rows whose second cluster is one of `clusters`, by their slots. */
  #entryCards({ reader, stored, cards }: LoadedIndex, clusters: Uint32Array, slots: ReadonlySet<number>): Map<number, RowCard> {
    const found = new Map<number, RowCard>()
    for (const cluster of clusters) {
      const entries = reader.entriesOf(cluster)
      for (let i = stored.head.slots[cluster + 1]! - stored.head.slots[cluster]!; i < entries.length; i++) {
        if (slots.has(entries[i]!)) found.set(entries[i]!, cards.get(cluster)!.at(i))
      }
    }
    return found
  }

  /** Of the candidates, those that can still win: reading a unit for each of the others would cost more than all that was probed. */
  #worthy(index: LoadedIndex, state: IndexQuery, k: number): Uint32Array {
    const { slots, slotScores } = state
    const { here, others } = this.#sift(index, state, k)
    ;[state.slots, state.slotScores] = [slots, slotScores]
    return Uint32Array.of(...here, ...others)
  }

  /** Parts the candidates whose units are in memory from the others, of which it leaves out those whose estimates are too far below. Spoils `state.slots`. */
  #sift(index: LoadedIndex, state: IndexQuery, k: number): { here: Uint32Array; others: Uint32Array; slack: number } {
    const { reader } = index
    const { slots, slotScores } = state
    const isHere = Array.from(slots, (slot) => this.#memory.has(index, reader.clusterOf(slot)))
    const here = slots.filter((_, i) => isHere[i])
    const others = slots.filter((_, i) => !isHere[i])
    if (others.length === 0 || here.length < k) return { here, others, slack: Infinity }
    const estimates = new Map(Array.from(slots, (slot, i) => [slot, slotScores[i]!]))
    state.slots = here.slice()
    state.slotScores = new Float32Array(here.length)
    const ranked = reader.rerank(state, here.length)
    const least = state.slotScores[k - 1]!
    let squares = 0
    ranked.forEach((slot, i) => (squares += (state.slotScores[i]! - estimates.get(slot)!) ** 2))
    const slack = roughErrors * Math.sqrt(squares / ranked.length)
    return { here, others: others.filter((slot) => estimates.get(slot)! + slack >= least), slack }
  }

  /** Scores slots by their 8-bit codes, wherever they are, and gives the best with their cards. */
  async #rank(index: LoadedIndex, state: IndexQuery, slots: Uint32Array, finalists: number, tally: SearchTally): Promise<IndexedRow[]> {
    const { reader } = index
    const clusterOf = (slot: number) => reader.clusterOf(slot)
    const needed = Uint32Array.from(new Set(Array.from(slots, clusterOf)))
    const parts = this.#parts(index, needed)
    if (parts.length <= 1) {
      return this.#withUnits(index, needed, tally, () => this.#rerank(index, state, slots, finalists))
    }
    const found: IndexedRow[] = []
    for (const part of parts) {
      const here = new Set(part)
      const some = slots.filter((slot) => here.has(clusterOf(slot)))
      found.push(...(await this.#withUnits(index, part, tally, () => this.#rerank(index, state, some, finalists))))
    }
    return found.sort(byEstimate).slice(0, finalists)
  }

  #rerank(index: LoadedIndex, state: IndexQuery, slots: Uint32Array, finalists: number): IndexedRow[] {
    const { reader, stored } = index
    state.slots = slots.slice()
    state.slotScores = new Float32Array(slots.length)
    return Array.from(reader.rerank(state, finalists), (slot, i): IndexedRow => {
      const cluster = reader.clusterOf(slot)
      const card = index.cards.get(cluster)!.at(slot - stored.head.slots[cluster]!)
      const score = state.slotScores[i]!
      const slack = fineErrors * reader.errorOf(state, slot)
      return { card, estimate: reader.distanceOf(state, score), nearest: reader.distanceOf(state, score + slack), farthest: reader.distanceOf(state, score - slack), slot, score }
    })
  }

  /** Runs `task` while units are in memory, all at once: nothing is awaited in between, so no other query can need their room. */
  async #withUnits<Value>(index: LoadedIndex, clusters: Uint32Array, tally: SearchTally, task: () => Value): Promise<Value> {
    const missing = clusters.filter((c) => !this.#memory.has(index, c))
    this.#memory.touch(index, clusters)
    if (missing.length === 0) return task()
    const read = new Map<number, Uint8Array>()
    for (let wanted = missing; wanted.length > 0; wanted = clusters.filter((c) => !this.#memory.has(index, c) && !read.has(c))) {
      for (const [cluster, bytes] of await this.#readUnits(index, wanted, tally)) read.set(cluster, bytes)
    }
    this.#memory.touch(index, clusters)
    for (const [cluster, bytes] of read) this.#memory.put(index, cluster, bytes)
    return task()
  }

  async #readUnits(index: LoadedIndex, clusters: Uint32Array, tally: SearchTally): Promise<[number, Uint8Array][]> {
    const { stored, key } = index
    const groups = joinRanges(Array.from(clusters, (cluster) => ({ cluster, ...unitRange(stored, cluster) })), gapBytesMax)
    tally.roundTrips++
    const parts = await Promise.all(
      groups.map(async (group) => {
        tally.requests++
        tally.bytesRead += group.end - group.start
        const bytes = await this.#source.range(indexSections.lists, group.start, group.end)
        return group.members.map(({ cluster, start, end }): [number, Uint8Array] => [cluster, verifyUnit(stored, cluster, bytes.subarray(start - group.start, end - group.start), key)])
      }),
    )
    return parts.flat()
  }

  /** The head, held until its users are one less. */
  async #acquire(tally: SearchTally): Promise<LoadedIndex> {
    for (;;) {
      await this.#open(tally)
      // Others may have needed the room meanwhile.
      const index = this.#memory.find(this.#source.key)
      if (!index) continue
      index.users++
      return index
    }
  }

  async #open(tally: SearchTally): Promise<LoadedIndex> {
    const known = this.#memory.find(this.#source.key)
    if (known) return known
    this.#opening ??= this.#read(tally).finally(() => (this.#opening = null))
    return this.#opening
  }

  async #read(tally: SearchTally): Promise<LoadedIndex> {
    const { key } = this.#source
    const [heap, bytes] = await Promise.all([this.#memory.heap(), this.#whole(indexSections.head, tally)])
    return this.#memory.add(heap, key, decodeHead(bytes, this.#source.sizeOf(indexSections.lists), key))
  }

  async #loadRows(index: LoadedIndex, tally: SearchTally): Promise<void> {
    if (index.reader.hasRows) return
    const bytes = await this.#whole(indexSections.rows, tally)
    this.#memory.setRows(index, decodeRows(bytes, index.stored.head, index.key))
  }

  #whole(name: string, tally: SearchTally): Promise<Uint8Array> {
    tally.roundTrips++
    tally.requests++
    tally.bytesRead += this.#source.sizeOf(name)
    return this.#source.whole(name)
  }

  /** The filter of the rows that are not dead, kept for the next query: a snapshot's bitmap never changes. */
  #liveFilter(heap: ConstructorParameters<typeof RowFilter>[0], dead: Bitset, of: number): LiveFilter {
    if (this.#live?.dead !== dead) {
      const old = this.#live
      const rows = dead.clone().not()
      this.#live = { dead, filter: new RowFilter(heap, rows, undefined, of), users: 0, isStale: false }
      if (old) {
        old.isStale = true
        if (old.users === 0) old.filter.release()
      }
    }
    this.#live!.users++
    return this.#live!
  }

  #release(live: LiveFilter): void {
    live.users--
    if (live.isStale && live.users === 0) live.filter.release()
  }

  /** Clusters in parts of which each takes no more than its share of the budget. */
  #parts(index: LoadedIndex, clusters: Uint32Array): Uint32Array[] {
    const most = this.#memory.budgetBytes / budgetShare
    const parts: Uint32Array[] = []
    let [start, size] = [0, 0]
    for (let i = 0; i < clusters.length; i++) {
      const bytes = this.#unitBytes(index, clusters[i]!)
      if (size > 0 && size + bytes > most) {
        parts.push(clusters.subarray(start, i))
        ;[start, size] = [i, 0]
      }
      size += bytes
    }
    if (start < clusters.length) parts.push(clusters.subarray(start))
    return parts
  }

  #unitBytes({ stored }: LoadedIndex, cluster: number): number {
    const { start, end } = unitRange(stored, cluster)
    return end - start
  }

  #isAllLoaded({ cards, stored }: LoadedIndex): boolean {
    return cards.size === stored.head.clusters
  }

  #listsBytes({ stored }: LoadedIndex): number {
    const { clusters, listBlocks, space } = stored.head
    return listBlocks[clusters]! * blockBytes(paddedDimension(space.dimension))
  }
}
