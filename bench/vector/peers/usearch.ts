import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Peer } from '../peer.ts'

/** What we use of usearch. */
interface UsearchIndex {
  add(keys: BigUint64Array, vectors: Float32Array, threads: number): void
  search(vector: Float32Array, k: number, threads: number): { keys: BigUint64Array }
  save(path: string): void
  load(path: string): void
}

/** usearch: HNSW over float32 or int8 vectors. */
export function usearch(quantization: 'f32' | 'i8'): Peer {
  const create = (dimensions: number, expansion: number): UsearchIndex => {
    const { Index } = createRequire(join(import.meta.dirname, '../package.json'))('usearch') as { Index: new (options: object) => UsearchIndex }
    return new Index({ dimensions, metric: 'cos', quantization, connectivity: 16, expansion_add: 200, expansion_search: expansion, multi: false })
  }
  return {
    built: `${quantization}, connectivity 16, expansion_add 200`,
    async build(set, folder) {
      const index = create(set.dimension, 64)
      const rows = set.rows()
      for (let row = 0; row < set.count; row++) index.add(BigUint64Array.of(BigInt(row)), rows.subarray(row * set.dimension, (row + 1) * set.dimension), 1)
      index.save(join(folder, 'index.usearch'))
    },
    async open(set, folder) {
      let [index, current] = [undefined as UsearchIndex | undefined, NaN]
      return {
        families: [Array.from({ length: 1000 }, (_, i) => ({ expansion: 10 + i }))],
        // How far a search looks is fixed when an index is made.
        use({ expansion }) {
          if (expansion === current) return
          index = undefined
          globalThis.gc?.()
          index = create(set.dimension, expansion!)
          index.load(join(folder, 'index.usearch'))
          current = expansion!
        },
        search: (i) => Array.from(index!.search(set.queries.subarray(i * set.dimension, (i + 1) * set.dimension), 10, 1).keys, Number),
      }
    },
  }
}
