import type { Random } from '../base/random.ts'
import type { KernelHeap } from '../kernels/heap.ts'
import type { Address } from '../kernels/kernels.ts'
import { CentroidFinder } from './centroid-finder.ts'
import { QueryForms } from './query-state.ts'
import type { SpaceMap, VectorSource } from './space.ts'

/** What a slice of a long computation reports: which part, and how much of it is done, 0 to 1. */
export interface BuildProgress {
  readonly part: 'train' | 'assign' | 'split' | 'order' | 'encode' | 'calibrate'
  readonly done: number
}

/** Rows handled between two reports: a slice takes some 10 ms. */
export const sliceRows = 2048

export interface Training {
  readonly clusters: number
  readonly iterations: number
  /** Rows of the sample for a cluster. */
  readonly sampleRows: number
  /** The sample never takes more kernel memory than this. */
  readonly sampleBytesMax: number
}

/**
 * k-means by Lloyd's iterations on a random sample: spherical for cosine (centroids of norm 1), with means for dot and Euclidean.
 * @returns `clusters` centroids of `padded` float32, which the caller owns. Empty clusters start again at random rows.
 */
export function* trainCentroids(heap: KernelHeap, map: SpaceMap, source: VectorSource, training: Training, random: Random): Generator<BuildProgress, Address> {
  const { padded } = map
  const rowBytes = padded * 4
  const { clusters } = training
  const wanted = Math.min(clusters * training.sampleRows, Math.floor(training.sampleBytesMax / rowBytes))
  const rows = sampleRows(source.count, Math.max(clusters, wanted), random)
  const sample = heap.allocate(rows.length * rowBytes)
  rows.forEach((row, i) => map.enter(source.vector(row), sample + i * rowBytes))
  const centroids = heap.allocate(clusters * rowBytes)
  // The sample is in random order, so its first rows are a random choice; fewer rows than clusters give some twice.
  for (let c = 0; c < clusters; c++) copyRow(heap, sample + (c % rows.length) * rowBytes, centroids + c * rowBytes, rowBytes)
  yield* iterate(heap, map, sample, rows.length, centroids, clusters, training.iterations, random)
  heap.release(sample)
  return centroids
}

/** Lloyd's iterations on `count` vectors in the heap; moves `centroids`. */
export function* iterate(
  heap: KernelHeap,
  map: SpaceMap,
  sample: Address,
  count: number,
  centroids: Address,
  clusters: number,
  iterations: number,
  random: Random,
): Generator<BuildProgress, void> {
  const { padded } = map
  const rowBytes = padded * 4
  const euclidean = map.space.metric !== 'cosine'
  const finder = new CentroidFinder(heap, centroids, clusters, padded, euclidean)
  const forms = new QueryForms(heap, padded)
  const sums = heap.allocate(clusters * rowBytes)
  const sizes = new Uint32Array(clusters)
  for (let iteration = 0; iteration < iterations; iteration++) {
    heap.bytes.fill(0, sums, sums + clusters * rowBytes)
    sizes.fill(0)
    for (let i = 0; i < count; i++) {
      if (i % sliceRows === 0) yield { part: 'train', done: (iteration + i / count) / iterations }
      copyRow(heap, sample + i * rowBytes, forms.vector, rowBytes)
      forms.prepare(false)
      finder.find(forms, 1)
      const nearest = finder.found[0]!
      sizes[nearest]!++
      heap.kernels.addTo(sums + nearest * rowBytes, forms.vector, padded)
    }
    for (let c = 0; c < clusters; c++) {
      const to = centroids + c * rowBytes
      if (sizes[c] === 0) copyRow(heap, sample + Math.floor(random.next() * count) * rowBytes, to, rowBytes)
      else moveCentroid(heap, sums + c * rowBytes, to, padded, sizes[c]!, !euclidean)
    }
    finder.refresh()
  }
  heap.release(sums)
  forms.release()
  finder.release()
}

/** Writes a mean, or its direction where `spherical`; a sum without direction leaves the centroid where it was. */
function moveCentroid(heap: KernelHeap, sum: Address, to: Address, padded: number, size: number, spherical: boolean): void {
  const norm = spherical ? Math.sqrt(heap.kernels.dotExact(sum, sum, padded)) : size
  if (norm === 0) return
  for (let i = 0; i < padded; i++) heap.floats[(to >>> 2) + i] = heap.floats[(sum >>> 2) + i]! / norm
}

export function copyRow(heap: KernelHeap, from: Address, to: Address, bytes: number): void {
  heap.bytes.copyWithin(to, from, from + bytes)
}

/** At most `wanted` different rows of `count`, in random order (Fisher-Yates on the part that is needed). */
export function sampleRows(count: number, wanted: number, random: Random): Uint32Array {
  const rows = Uint32Array.from({ length: count }, (_, i) => i)
  const taken = Math.min(count, wanted)
  for (let i = 0; i < taken; i++) {
    const j = i + Math.floor(random.next() * (count - i))
    ;[rows[i], rows[j]] = [rows[j]!, rows[i]!]
  }
  return rows.slice(0, taken)
}
