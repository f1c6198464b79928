import { expect, test } from 'vitest'
import { seededRandom } from '../base/random.ts'
import { finishInTurns } from '../base/steps.ts'
import { KernelHeap } from '../kernels/heap.ts'
import { loadKernels } from '../kernels/kernels.ts'
import { orderClusters } from './order-clusters.ts'

const padded = 32

async function orderOf(centroids: Float32Array): Promise<Uint32Array> {
  const heap = new KernelHeap(await loadKernels())
  // What works between two steps may take memory, so that it moves.
  return finishInTurns(orderClusters(heap, centroids, padded), () => Promise.resolve(void heap.allocate(1_000_000)))
}

test('every cluster has one place, and points of clouds lie together, cloud by cloud', async () => {
  const random = seededRandom(3)
  const clouds = 20
  const centers = Array.from({ length: clouds }, () => Array.from({ length: padded }, () => random.next() - 0.5))
  const centroids = Float32Array.from({ length: 400 * padded }, (_, i) => centers[Math.floor(i / padded) % clouds]![i % padded]! + 0.1 * random.next())
  const order = [...(await orderOf(centroids))]
  expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 400 }, (_, c) => c))
  const changes = order.filter((cluster, i) => i > 0 && cluster % clouds !== order[i - 1]! % clouds).length
  expect(changes).toBe(clouds - 1)
})

test('equal, zero and lone centroids have an order, too', async () => {
  expect([...(await orderOf(new Float32Array(padded)))]).toEqual([0])
  expect((await orderOf(new Float32Array(5 * padded).fill(0))).length).toBe(5)
  expect(new Set(await orderOf(new Float32Array(70 * padded).fill(0.25))).size).toBe(70)
})
