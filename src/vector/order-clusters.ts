import type { KernelHeap } from '../kernels/heap.ts'
import { recordBytes, writeRecord } from './list-codec.ts'
import { QueryForms } from './query-state.ts'
import type { BuildProgress } from './train.ts'

/** Steps of the chain between two reports: each scores all centroids that are left. */
const sliceSteps = 64

/**
 * An order of clusters in which neighbors in space are often neighbors in number: a chain that goes on to the nearest centroid that is left
 * (the nearest-neighbor tour of Rosenkrantz, Stearns & Lewis 1977, which needs no more than that). Units lie in this order, so what a query
 * probes lies in fewer pieces: on the real set (116,658 x 384, 29 clusters probed) 13 instead of 25 range reads, of as many bytes.
 * Distances are those of 8-bit codes: 0.1 s for 2,000 centroids, growing with the square.
 * @param centroids Row-major, `padded` values each.
 * @returns Numbers of centroids, in the new order.
 */
export function* orderClusters(heap: KernelHeap, centroids: Float32Array, padded: number): Generator<BuildProgress, Uint32Array> {
  const count = centroids.length / padded
  const size = recordBytes(padded)
  const forms = new QueryForms(heap, padded)
  const records = heap.allocate(count * size)
  const pointers = heap.allocate(count * 8 + 64)
  const scores = pointers + count * 4
  const enter = (c: number) => heap.put(forms.vector, centroids.subarray(c * padded, (c + 1) * padded))
  for (let c = 0; c < count; c++) {
    enter(c)
    writeRecord(heap, records + c * size, forms.vector, padded, true)
  }
  // Numbers of those that are left come first; `pointers` says where each one's record is.
  const order = Uint32Array.from({ length: count }, (_, c) => c)
  const pointer = pointers >>> 2
  for (let i = 0; i < count; i++) heap.words[pointer + i] = records + i * size
  for (let at = 0; at + 1 < count; at++) {
    if (at % sliceSteps === 0) yield { part: 'order', done: at / count }
    enter(order[at]!)
    forms.prepare(true)
    const left = count - at - 1
    heap.kernels.scoreCodesAt(forms.codes, forms.codeScale, pointers + 4 * (at + 1), left, padded, scores)
    // Taken anew: whoever worked meanwhile may have made the memory grow.
    const found = heap.floats.subarray(scores >>> 2, (scores >>> 2) + left)
    let nearest = 0
    for (let i = 1; i < left; i++) if (found[i]! > found[nearest]!) nearest = i
    swap(order, at + 1, at + 1 + nearest)
    swap(heap.words, pointer + at + 1, pointer + at + 1 + nearest)
  }
  heap.release(pointers)
  heap.release(records)
  forms.release()
  return order
}

function swap(values: Uint32Array, i: number, j: number): void {
  const value = values[i]!
  values[i] = values[j]!
  values[j] = value
}
