import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { cache } from '../dataset.ts'
import type { Peer } from '../peer.ts'

/** What we use of hnswlib-node. */
interface HnswIndex {
  initIndex(max: number, m: number, efConstruction: number, seed: number): void
  addPoint(vector: number[], label: number): void
  setEf(ef: number): void
  searchKnn(vector: number[], k: number): { neighbors: number[] }
  writeIndexSync(path: string): void
  readIndexSync(path: string): void
}

/** hnswlib-node: as npm installs it (compiled without vector instructions beyond the baseline), or compiled for this machine's. */
export function hnswlib(native: boolean): Peer {
  const create = (dimension: number): HnswIndex => {
    const root = native ? compileNative() : join(import.meta.dirname, '..')
    const { HierarchicalNSW } = createRequire(join(root, 'package.json'))('hnswlib-node') as { HierarchicalNSW: new (space: string, dimension: number) => HnswIndex }
    return new HierarchicalNSW('ip', dimension)
  }
  return {
    built: `M 16, efConstruction 200${native ? ', compiled with -O3 -march=native' : ', as npm installs it'}`,
    async build(set, folder) {
      const index = create(set.dimension)
      const rows = set.rows()
      index.initIndex(set.count, 16, 200, 100)
      for (let row = 0; row < set.count; row++) index.addPoint(Array.from(rows.subarray(row * set.dimension, (row + 1) * set.dimension)), row)
      index.writeIndexSync(join(folder, 'index.bin'))
    },
    async open(set, folder) {
      const index = create(set.dimension)
      index.readIndexSync(join(folder, 'index.bin'))
      const queries = Array.from({ length: set.queries.length / set.dimension }, (_, i) => Array.from(set.queries.subarray(i * set.dimension, (i + 1) * set.dimension)))
      return {
        families: [Array.from({ length: 800 }, (_, i) => ({ ef: 10 + i }))],
        use: ({ ef }) => index.setEf(ef!),
        search: (i) => index.searchKnn(queries[i]!, 10).neighbors,
      }
    },
  }
}

/** Installs hnswlib-node a second time, under bench/cache. */
function compileNative(): string {
  const root = join(cache, 'hnswlib-native')
  if (existsSync(join(root, 'node_modules/hnswlib-node/build/Release/addon.node'))) return root
  mkdirSync(root, { recursive: true })
  const { dependencies } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as { dependencies: Record<string, string> }
  writeFileSync(join(root, 'package.json'), JSON.stringify({ private: true, dependencies: { 'hnswlib-node': dependencies['hnswlib-node'] } }))
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, CXXFLAGS: '-O3 -march=native' } })
  return root
}
