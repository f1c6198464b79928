import { KernelHeap } from '../../../src/kernels/heap.ts'
import { loadKernels } from '../../../src/kernels/kernels.ts'
import type { Peer } from '../peer.ts'

/** Every row scored in float32 by this project's kernels: what an index has to beat. */
export function exact(): Peer {
  return {
    built: '',
    build: async () => {},
    async open(set) {
      const { dimension, count, queries } = set
      const kernels = await loadKernels()
      const heap = new KernelHeap(kernels)
      const rows = set.rows()
      const [all, query, out] = [heap.allocate(rows.byteLength), heap.allocate(dimension * 4), heap.allocate(count * 4)]
      heap.put(all, rows)
      return {
        families: [],
        fixed: { '': {} },
        use() {},
        search(i) {
          heap.put(query, queries.subarray(i * dimension, (i + 1) * dimension))
          kernels.dotMany(query, all, dimension * 4, count, dimension, out)
          const best: { row: number; score: number }[] = []
          for (let row = 0, least = -Infinity; row < count; row++) {
            const score = heap.floats[(out >>> 2) + row]!
            if (score <= least) continue
            best.push({ row, score })
            best.sort((a, b) => b.score - a.score)
            if (best.length > 10) best.pop()
            if (best.length === 10) least = best[9]!.score
          }
          return best.map(({ row }) => row)
        },
      }
    },
  }
}
