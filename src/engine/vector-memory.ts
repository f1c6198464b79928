import { WindlassError } from '../base/errors.ts'
import { KernelHeap } from '../kernels/heap.ts'
import { loadKernels } from '../kernels/kernels.ts'
import { CardBlock } from '../format/row-card.ts'
import { unitRange, type StoredHead } from '../vector/index-codec.ts'
import { IndexReader } from '../vector/index-reader.ts'

/** The part of an index that is in memory. */
export interface LoadedIndex {
  readonly key: string
  /** Tells its units from those of others. */
  readonly number: number
  readonly stored: StoredHead
  readonly reader: IndexReader
  /** Per cluster, while its unit is in memory. */
  readonly cards: Map<number, CardBlock>
  /** Queries between their steps: while there are any, the head stays. */
  users: number
}

/** Clusters an index has at most. */
const clustersMax = 2 ** 24
/** What queries, filters and the kernels' own tables take beside what is cached. */
const reservedBytes = 64 * 1024 * 1024
const heapMax = 2 ** 32 - 65_536

/**
 * What of vector indexes is in memory: heads, and the units of clusters that were probed, under one byte budget; least recently used goes
 * first. Nothing in it is needed for correctness.
 */
export class VectorMemory {
  readonly budgetBytes: number
  #heap: Promise<KernelHeap> | null = null
  readonly #indexes = new Map<string, LoadedIndex>()
  // In order of use. Number of the index times clustersMax, plus the cluster: no text is made for each of a query's clusters.
  readonly #units = new Map<number, { index: LoadedIndex; cluster: number; size: number }>()
  #numberNext = 0
  /** Vectors without an index, and their bytes, in order of use. */
  readonly #rows = new Map<{ drop(): void }, number>()
  #rowBytes = 0
  #unitBytes = 0
  #headBytes = 0

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes
  }

  /** Bytes of all that is kept. */
  get sizeBytes(): number {
    return this.#unitBytes + this.#headBytes + this.#rowBytes
  }

  /** The kernels and their memory, made at the first call. */
  heap(): Promise<KernelHeap> {
    this.#heap ??= loadKernels().then((kernels) => new KernelHeap(kernels, Math.min(heapMax, this.budgetBytes + reservedBytes)))
    return this.#heap
  }

  /** The index of a segment, if its head is in memory. */
  find(key: string): LoadedIndex | undefined {
    const index = this.#indexes.get(key)
    if (index) {
      // Used now: heads go in this order, too.
      this.#indexes.delete(key)
      this.#indexes.set(key, index)
    }
    return index
  }

  /** Takes a head in. */
  add(heap: KernelHeap, key: string, stored: StoredHead): LoadedIndex {
    const known = this.find(key)
    if (known) return known
    // The reader's copy of the centroids, and their codes.
    this.#makeRoom(stored.head.centroids.byteLength * 2)
    const index: LoadedIndex = { key, number: this.#numberNext++, stored, reader: new IndexReader(heap, stored.head), cards: new Map(), users: 0 }
    this.#indexes.set(key, index)
    this.#headBytes += headSize(index)
    return index
  }

  /** Rows of slots, which filters need. */
  setRows(index: LoadedIndex, rowOfSlot: Uint32Array): void {
    if (index.reader.hasRows) return
    this.#makeRoom(rowOfSlot.byteLength * 2)
    this.#headBytes -= headSize(index)
    index.reader.setRows(rowOfSlot)
    this.#headBytes += headSize(index)
  }

  has(index: LoadedIndex, cluster: number): boolean {
    return index.cards.has(cluster)
  }

  /** Marks units as used now. */
  touch(index: LoadedIndex, clusters: Uint32Array): void {
    const base = index.number * clustersMax
    for (const cluster of clusters) {
      const unit = this.#units.get(base + cluster)
      if (!unit) continue
      this.#units.delete(base + cluster)
      this.#units.set(base + cluster, unit)
    }
  }

  /** Takes a verified unit in; others may go. @throws {WindlassError} `corrupt` for wrong sizes. */
  put(index: LoadedIndex, cluster: number, bytes: Uint8Array): void {
    if (this.has(index, cluster)) return
    const { stored, reader } = index
    const { start, records, cards } = unitRange(stored, cluster)
    this.#makeRoom(bytes.length)
    const { slots } = stored.head
    reader.setList(cluster, bytes.subarray(0, records - start))
    const cardCount = stored.hasEntryCards ? reader.entriesOf(cluster).length : slots[cluster + 1]! - slots[cluster]!
    const block = new CardBlock(bytes.slice(cards - start), cardCount, index.key)
    reader.setRecords(cluster, bytes.subarray(records - start, cards - start))
    index.cards.set(cluster, block)
    this.#unitBytes += bytes.length
    this.#units.set(index.number * clustersMax + cluster, { index, cluster, size: bytes.length })
  }

  /** Makes room for more of an owner's rows, which are then counted as kept. Others may be dropped. */
  holdRows(owner: { drop(): void }, bytes: number): void {
    const held = this.#rows.get(owner) ?? 0
    // Not itself: it is being filled.
    this.#rows.delete(owner)
    this.#makeRoom(bytes)
    this.#rows.set(owner, held + bytes)
    this.#rowBytes += bytes
  }

  /** Marks rows as used now. */
  touchRows(owner: { drop(): void }): void {
    const held = this.#rows.get(owner)
    if (held === undefined) return
    this.#rows.delete(owner)
    this.#rows.set(owner, held)
  }

  /** Counts an owner's rows as gone. */
  forgetRows(owner: { drop(): void }): void {
    this.#rowBytes -= this.#rows.get(owner) ?? 0
    this.#rows.delete(owner)
  }

  #makeRoom(bytes: number): void {
    if (this.sizeBytes + bytes <= this.budgetBytes) return
    // Rows first: most of them are of memtables that were flushed since.
    for (const owner of [...this.#rows.keys()]) {
      if (this.sizeBytes + bytes <= this.budgetBytes) return
      owner.drop()
    }
    for (const [number, unit] of this.#units) {
      if (this.sizeBytes + bytes <= this.budgetBytes) return
      this.#dropUnit(number, unit)
    }
    for (const index of [...this.#indexes.values()]) {
      if (this.sizeBytes + bytes <= this.budgetBytes) return
      if (index.users === 0) this.#dropIndex(index)
    }
    if (bytes > this.budgetBytes) {
      throw new WindlassError('too-large', `a search needs ${bytes} bytes of a vector index at once, the budget is ${this.budgetBytes}: raise memory-budget`)
    }
  }

  #dropUnit(number: number, { index, cluster, size }: { index: LoadedIndex; cluster: number; size: number }): void {
    index.reader.dropList(cluster)
    index.reader.dropRecords(cluster)
    index.cards.delete(cluster)
    this.#unitBytes -= size
    this.#units.delete(number)
  }

  #dropIndex(index: LoadedIndex): void {
    const base = index.number * clustersMax
    for (const cluster of [...index.cards.keys()]) this.#dropUnit(base + cluster, this.#units.get(base + cluster)!)
    this.#headBytes -= headSize(index)
    index.reader.release()
    this.#indexes.delete(index.key)
  }
}

function headSize({ stored, reader }: LoadedIndex): number {
  return reader.headBytes + stored.head.centroids.byteLength + stored.head.clusters * 24
}
