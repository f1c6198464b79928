import type { KernelHeap } from '../kernels/heap.ts'
import type { Address } from '../kernels/kernels.ts'
import { CentroidFinder } from './centroid-finder.ts'
import { QueryForms } from './query-state.ts'
import type { SpaceMap, VectorSource } from './space.ts'
import { sliceRows, type BuildProgress } from './train.ts'

/** No second cluster. */
export const none = 0xffffffff

/** Each row's clusters. */
export interface Assignment {
  readonly first: Uint32Array
  /** `none` where there is none. */
  readonly second: Uint32Array
}

/** How much a residual that points the way of the first one is worth avoiding (SOAR's lambda). */
const soarWeight = 1.5
/** Clusters nearest to a row among which its second is chosen. */
const secondChoices = 24

/**
 * Puts every row into its nearest cluster and into a second one by SOAR (Sun et al. 2023): the least |r'|² + (<r, r'> / |r|)², where r and r'
 * are the residuals to the two. A query that is far from the first centroid in the direction of r then tends to be near the second.
 */
export function* assignRows(heap: KernelHeap, map: SpaceMap, source: VectorSource, centroids: Address, clusters: number, twice: boolean): Generator<BuildProgress, Assignment> {
  const { padded } = map
  const rowBytes = padded * 4
  const finder = new CentroidFinder(heap, centroids, clusters, padded, map.space.metric !== 'cosine')
  const forms = new QueryForms(heap, padded)
  const scratch = heap.allocate(rowBytes + 2 * 4 * secondChoices)
  const [pointers, products] = [scratch + rowBytes, scratch + rowBytes + 4 * secondChoices]
  const squares = Float64Array.from({ length: clusters }, (_, c) => heap.kernels.dotExact(centroids + c * rowBytes, centroids + c * rowBytes, padded))
  const first = new Uint32Array(source.count)
  const second = new Uint32Array(source.count).fill(none)
  for (let row = 0; row < source.count; row++) {
    if (row % sliceRows === 0) yield { part: 'assign', done: row / source.count }
    map.enter(source.vector(row), forms.vector)
    forms.prepare(false)
    const found = finder.find(forms, twice ? secondChoices : 1, twice ? 1.5 : 8)
    const nearest = finder.found[0]!
    first[row] = nearest
    if (!twice || found < 2) continue
    const { floats, words, kernels } = heap
    const [x, r, c] = [forms.vector >>> 2, scratch >>> 2, (centroids + nearest * rowBytes) >>> 2]
    for (let i = 0; i < padded; i++) floats[r + i] = floats[x + i]! - floats[c + i]!
    for (let i = 0; i < found; i++) words[(pointers >>> 2) + i] = centroids + finder.found[i]! * rowBytes
    const residual = kernels.dotExact(scratch, scratch, padded)
    // A row at its centroid is found there; a second entry would find nothing more.
    if (residual < 1e-12) continue
    kernels.dotAt(scratch, pointers, found, padded, products)
    const withRow = kernels.dotExact(scratch, forms.vector, padded)
    const rowSquare = kernels.dotExact(forms.vector, forms.vector, padded)
    let least = Infinity
    for (let i = 1; i < found; i++) {
      const other = finder.found[i]!
      const score = finder.scores[i]!
      const product = map.space.metric === 'cosine' ? score : (score + squares[other]!) / 2
      const distance = rowSquare - 2 * product + squares[other]!
      const along = withRow - floats[(products >>> 2) + i]!
      const loss = distance + (soarWeight * along * along) / residual
      if (loss < least) {
        least = loss
        second[row] = other
      }
    }
  }
  heap.release(scratch)
  forms.release()
  finder.release()
  return { first, second }
}
