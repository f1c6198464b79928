import { expect, test } from 'vitest'
import { seededRandom } from '../base/random.ts'
import { KernelHeap } from '../kernels/heap.ts'
import { loadKernels } from '../kernels/kernels.ts'
import { assignRows } from './assign.ts'
import { SpaceMap, arraySource, paddedDimension } from './space.ts'

test.each(['cosine', 'dot', 'euclidean'] as const)('%s: the first cluster is the nearest, the second has the least SOAR loss', async (metric) => {
  const [count, dimension, clusters] = [300, 40, 16]
  const random = seededRandom(5)
  const heap = new KernelHeap(await loadKernels())
  const space = { metric, dimension, seed: 1, scale: 1, center: new Float32Array(metric === 'euclidean' ? dimension : 0).fill(0.1) }
  const map = new SpaceMap(heap, space)
  const padded = paddedDimension(dimension)
  const vectors = Float32Array.from({ length: count * dimension }, () => random.next() - 0.5)
  const centroids = heap.allocate(clusters * padded * 4)
  for (let c = 0; c < clusters; c++) map.enter(Float32Array.from({ length: dimension }, () => random.next() - 0.5), centroids + c * padded * 4)
  const read = (at: number) => Array.from(heap.floats.subarray(at >>> 2, (at >>> 2) + padded))
  const product = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0)
  const steps = assignRows(heap, map, arraySource(vectors, dimension), centroids, clusters, true)
  let step = steps.next()
  while (!step.done) step = steps.next()
  const { first, second } = step.value
  const entered = heap.allocate(padded * 4)
  for (let row = 0; row < count; row++) {
    map.enter(vectors.subarray(row * dimension, (row + 1) * dimension), entered)
    const x = read(entered)
    const residuals = Array.from({ length: clusters }, (_, c) => read(centroids + c * padded * 4).map((value, i) => x[i]! - value))
    const near = (c: number) => (metric === 'cosine' ? -product(x, read(centroids + c * padded * 4)) : product(residuals[c]!, residuals[c]!))
    const r = residuals[first[row]!]!
    const loss = (c: number) => product(residuals[c]!, residuals[c]!) + (1.5 * product(r, residuals[c]!) ** 2) / product(r, r)
    for (let c = 0; c < clusters; c++) {
      expect(near(first[row]!)).toBeLessThanOrEqual(near(c) + 1e-5)
      if (c !== first[row]) expect(loss(second[row]!)).toBeLessThanOrEqual(loss(c) + 1e-4)
    }
    expect(second[row]).not.toBe(first[row])
  }
})
