import type { KernelHeap } from '../kernels/heap.ts'
import { SpaceMap, type Space, type VectorSource } from './space.ts'
import { sliceRows, type BuildProgress } from './train.ts'

/** Rows and their scores in the space. */
export interface ScoredRows {
  readonly rows: Uint32Array
  readonly scores: Float64Array
}

/**
 * The nearest rows of each of `queries` (rows of the same source), without itself, by exact scores in the space. Reads the source once.
 * @param depthOf - How many for a query, by its place.
 * @returns Nearest first; fewer where there are fewer rows.
 */
export function* exactRows(heap: KernelHeap, space: Space, source: VectorSource, queries: Uint32Array, depthOf: (query: number) => number): Generator<BuildProgress, ScoredRows[]> {
  const map = new SpaceMap(heap, space)
  const { padded } = map
  const rowBytes = padded * 4
  const memory = heap.allocate((queries.length + sliceRows) * rowBytes + sliceRows * 4)
  const [block, out] = [memory + queries.length * rowBytes, memory + (queries.length + sliceRows) * rowBytes]
  queries.forEach((row, i) => map.enter(source.vector(row), memory + i * rowBytes))
  const best = Array.from(queries, () => ({ rows: [] as number[], scores: [] as number[] }))
  const norms = new Float64Array(sliceRows)
  const squares = Float64Array.from(queries, (_, i) => heap.kernels.dotExact(memory + i * rowBytes, memory + i * rowBytes, padded))
  for (let start = 0; start < source.count; start += sliceRows) {
    yield { part: 'calibrate', done: start / source.count / 2 }
    const size = Math.min(sliceRows, source.count - start)
    for (let i = 0; i < size; i++) {
      map.enter(source.vector(start + i), block + i * rowBytes)
      if (space.metric === 'euclidean') norms[i] = heap.kernels.dotExact(block + i * rowBytes, block + i * rowBytes, padded) / 2
    }
    best.forEach(({ rows, scores }, q) => {
      const k = depthOf(q)
      heap.kernels.dotMany(memory + q * rowBytes, block, rowBytes, size, padded, out)
      for (let i = 0; i < size; i++) {
        const score = heap.floats[(out >>> 2) + i]! - norms[i]!
        if ((scores.length === k && score <= scores[k - 1]!) || start + i === queries[q]) continue
        let place = 0
        for (let high = scores.length; place < high; ) {
          const middle = (place + high) >>> 1
          if (scores[middle]! >= score) place = middle + 1
          else high = middle
        }
        scores.splice(place, 0, score)
        rows.splice(place, 0, start + i)
        if (scores.length > k) [scores.length, rows.length] = [k, k]
      }
    })
  }
  heap.release(memory)
  map.release()
  return best.map(({ rows, scores }, q) => ({ rows: Uint32Array.from(rows), scores: Float64Array.from(scores, (score) => (space.metric === 'euclidean' ? 2 * score - squares[q]! : score)) }))
}
