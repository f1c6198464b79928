import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bitset } from '../base/bitset.ts'
import { seededRandom } from '../base/random.ts'
import { KernelHeap } from '../kernels/heap.ts'
import { loadKernels } from '../kernels/kernels.ts'
import { chunkRows, searchChunks } from './chunk-search.ts'
import { searchExact, type Metric } from './exact-search.ts'

const kernels = await loadKernels()

test('searchChunks answers what searchExact answers, to the bit', () => {
  const scene = fc.record({
    metric: fc.constantFrom<Metric>('cosine', 'dot', 'euclidean'),
    dimension: fc.constantFrom(1, 2, 3, 16, 17, 100),
    count: fc.constantFrom(1, 5, 200, 1500),
    k: fc.constantFrom(1, 3, 10, 2000),
    kind: fc.constantFrom('random', 'grid', 'copies', 'zeros', 'huge', 'tiny', 'near'),
    share: fc.constantFrom(0, 0.1, 1),
    seed: fc.integer(),
  })
  fc.assert(
    fc.property(scene, ({ metric, dimension, count, k, kind, share, seed }) => {
      const random = seededRandom(seed)
      const value = (row: number) => {
        const plain = random.next() - 0.5
        if (kind === 'grid') return Math.round(plain * 4)
        if (kind === 'zeros' && row % 3 === 0) return 0
        if (kind === 'huge') return plain * 1e25
        if (kind === 'tiny') return plain * 1e-25
        return kind === 'near' ? 1000 + plain * 1e-3 : plain
      }
      const make = (row: number) => Float32Array.from({ length: dimension }, () => value(row))
      const rows = Array.from({ length: count }, (_, row) => make(row))
      if (kind === 'copies') rows.forEach((_, row) => (rows[row] = rows[row % 3]!))
      const query = kind === 'copies' ? rows[0]! : make(1)
      const vectors = Float32Array.from(rows.flatMap((row) => [...row]))
      const norms = Float32Array.from(rows, (row) => Math.sqrt(row.reduce((sum, x) => sum + x * x, 0)))
      const allowed = new Bitset(count)
      for (let row = 0; row < count; row++) if (random.next() < share) allowed.set(row)
      const heap = new KernelHeap(kernels)
      const chunks = Array.from({ length: Math.ceil(count / chunkRows) }, () => heap.allocate(chunkRows * dimension * 4))
      rows.forEach((row, i) => heap.put(chunks[Math.floor(i / chunkRows)]! + (i % chunkRows) * dimension * 4, row))
      const found = searchChunks(heap, { dimension, chunks, norms }, { query, metric, rows: allowed, k })
      const used = heap.usedBytes
      chunks.forEach((chunk) => heap.release(chunk))
      expect(used - heap.usedBytes, 'what it took, it gave back').toBe(used)
      expect(found).toEqual(searchExact({ query, metric, vectors, norms, dimension, rows: allowed, k }))
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 150) },
  )
})
