import type { KernelHeap } from '../kernels/heap.ts'
import { blockBytes, type Address } from '../kernels/kernels.ts'
import { blockCount, writeList } from './list-codec.ts'
import { Reservoir, scoreOfKey, type QueryForms } from './query-state.ts'

/**
 * Finds the best centroids for a vector: their 1-bit codes are scanned (3 ns each), then the most promising scored exactly. It stands in
 * for a hierarchy of clusters: scanning 4,096 codes costs less than walking two levels of 64 float32 centroids.
 */
export class CentroidFinder {
  readonly count: number
  /** `count` times `padded` float32, not owned. */
  readonly centroids: Address
  readonly #heap: KernelHeap
  readonly #padded: number
  readonly #euclidean: boolean
  readonly #memory: Address
  readonly #list: Address
  readonly #lists: Address
  readonly #pointers: Address
  readonly #products: Address
  readonly #norms: Float32Array
  readonly #scoreOf: Float32Array
  readonly #reservoir: Reservoir
  /** The best of the last `find`, best first, and their scores. */
  readonly found: Uint32Array
  readonly scores: Float32Array

  constructor(heap: KernelHeap, centroids: Address, count: number, padded: number, euclidean: boolean) {
    this.#heap = heap
    this.centroids = centroids
    this.count = count
    this.#padded = padded
    this.#euclidean = euclidean
    const listBytes = blockCount(count) * blockBytes(padded)
    const room = Math.ceil(count / 16) * 64
    this.#memory = heap.allocate(listBytes + 2 * room + 64)
    this.#list = this.#memory
    this.#pointers = this.#list + listBytes
    this.#products = this.#pointers + room
    this.#lists = this.#products + room
    this.#reservoir = new Reservoir(heap, count)
    this.found = new Uint32Array(count)
    this.scores = new Float32Array(count)
    this.#norms = new Float32Array(count)
    this.#scoreOf = new Float32Array(count)
    this.refresh()
  }

  /** Makes the codes anew, after centroids have moved. */
  refresh(): void {
    const { kernels } = this.#heap
    const mean = this.#heap.allocate(this.#padded * 4)
    this.#heap.floats.fill(0, mean >>> 2, (mean >>> 2) + this.#padded)
    for (let c = 0; c < this.count; c++) {
      kernels.addTo(mean, this.#at(c), this.#padded)
      this.#norms[c] = this.#euclidean ? kernels.dotExact(this.#at(c), this.#at(c), this.#padded) : 0
    }
    for (let i = 0; i < this.#padded; i++) this.#heap.floats[(mean >>> 2) + i]! /= this.count
    writeList(this.#heap, this.#list, mean, this.#padded, this.#euclidean, this.count, (c) => c, (c) => this.#at(c))
    this.#heap.release(mean)
  }

  /**
   * Fills `found` and `scores` with the best `count` for `query`: <c, q>, or for Euclidean 2 <c, q> - |c|².
   * @param wider - How many times `count` are scored exactly. The codes of all are scored alike, so those left out are rarely among the best.
   * @returns How many.
   */
  find(query: QueryForms, count: number, wider = 2): number {
    const { kernels } = this.#heap
    const candidates = Math.min(this.count, Math.max(16, Math.ceil(count * wider)))
    let size = this.count
    const pointers = this.#pointers >>> 2
    const keys = this.#reservoir.keys >>> 2
    if (candidates < this.count) {
      this.#reservoir.reset(candidates)
      const lists = this.#lists >>> 2
      this.#heap.words[lists] = this.#list
      this.#heap.words[lists + 1] = blockCount(this.count)
      // The same for all: it changes no order.
      this.#heap.floats[lists + 2] = 0
      kernels.scanLists(this.#lists, 1, this.#padded / 4, query.table, query.tableScale, query.bias, this.#reservoir.at, this.#reservoir.scores)
      size = Math.min(candidates, this.#heap.words[this.#reservoir.at >>> 2]!)
      kernels.selectKeys(this.#reservoir.keys, this.#heap.words[this.#reservoir.at >>> 2]!, size)
    }
    const { words, floats } = this.#heap
    for (let i = 0; i < size; i++) {
      const c = candidates < this.count ? words[keys + 2 * i]! : i
      this.found[i] = c
      words[pointers + i] = this.#at(c)
    }
    kernels.dotAt(query.vector, this.#pointers, size, this.#padded, this.#products)
    const products = this.#products >>> 2
    for (let i = 0; i < size; i++) {
      const c = this.found[i]!
      const score = this.#euclidean ? 2 * floats[products + i]! - this.#norms[c]! : floats[products + i]!
      // As a key: score, then the lower centroid.
      floats[keys + 2 * i + 1] = score
      const high = words[keys + 2 * i + 1]! | 0
      words[keys + 2 * i + 1] = high ^ ((high >> 31) & 0x7fffffff)
      words[keys + 2 * i] = ~c
    }
    const wanted = Math.min(count, size)
    kernels.selectKeys(this.#reservoir.keys, size, wanted)
    kernels.sortKeys(this.#reservoir.keys, wanted)
    for (let i = 0; i < wanted; i++) {
      this.found[i] = ~words[keys + 2 * i]!
      this.scores[i] = scoreOfKey(words[keys + 2 * i + 1]!)
      this.#scoreOf[this.found[i]!] = this.scores[i]!
    }
    return wanted
  }

  /** The scores that the last `find` gave to some of what it found. */
  termsOf(clusters: Uint32Array): Float32Array {
    return Float32Array.from(clusters, (c) => this.#scoreOf[c]!)
  }

  #at(c: number): Address {
    return this.centroids + c * this.#padded * 4
  }

  release(): void {
    this.#heap.release(this.#memory)
    this.#reservoir.release()
  }
}
