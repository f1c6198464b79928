import { existsSync, mkdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { cache } from './dataset.ts'

/** What we use of hnswlib-node. */
interface HnswIndex {
  initIndex(max: number, m: number, efConstruction: number, seed: number): void
  addPoint(vector: number[], label: number): void
  setEf(ef: number): void
  searchKnn(vector: number[], k: number): { neighbors: number[] }
  writeIndexSync(path: string): void
  readIndexSync(path: string): void
}

/** hnswlib-node over normalized rows; built once (minutes), then read from bench/cache. Undefined where it is not installed. */
export function hnswlib(name: string, rows: Float32Array, dimension: number): { index: HnswIndex; buildSeconds: number; bytes: number } | undefined {
  const require = createRequire(join(import.meta.dirname, 'package.json'))
  let constructor: new (space: string, dimension: number) => HnswIndex
  try {
    constructor = (require('hnswlib-node') as { HierarchicalNSW: typeof constructor }).HierarchicalNSW
  } catch {
    return undefined
  }
  const index = new constructor('ip', dimension)
  const count = rows.length / dimension
  const path = join(cache, `hnswlib-${name}-${count}x${dimension}-m16-ef200.bin`)
  let buildSeconds = NaN
  if (existsSync(path)) index.readIndexSync(path)
  else {
    const started = performance.now()
    index.initIndex(count, 16, 200, 100)
    for (let row = 0; row < count; row++) index.addPoint(Array.from(rows.subarray(row * dimension, (row + 1) * dimension)), row)
    buildSeconds = (performance.now() - started) / 1000
    mkdirSync(cache, { recursive: true })
    index.writeIndexSync(path)
  }
  return { index, buildSeconds, bytes: statSync(path).size }
}
