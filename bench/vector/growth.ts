// Asks: how do queries a second, what a cold query reads, and the build grow with the number of rows? Rows are synthetic: those of the shared set
// in turn (a stride apart, so that few are a fair sample), each moved towards one of its 50 nearest neighbors by a spherical step t drawn from
// (0, 0.5), plus Gaussian noise with a norm of 0.25, normalized again; fixed seed. Only this engine: a graph index takes the better part of an
// hour to build at a million rows. Prints one Markdown table and puts it into results.md and growth.json, which draw-growth.ts draws.
//
// node --max-old-space-size=8000 --import tsx bench/vector/growth.ts 10000 [more rows, each a run of its own]     WINDLASS_SHARED: the shared data's folder
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '../../src/base/random.ts'
import { KernelHeap } from '../../src/kernels/heap.ts'
import { loadKernels } from '../../src/kernels/kernels.ts'
import { buildIndex } from '../../src/vector/build.ts'
import { chooseEffort } from '../../src/vector/effort.ts'
import { encodeHead } from '../../src/vector/index-codec.ts'
import type { SearchEffort } from '../../src/vector/index-layout.ts'
import { IndexReader } from '../../src/vector/index-reader.ts'
import { loadAll, searchIndex } from '../../src/vector/search-index.ts'
import { arraySource } from '../../src/vector/space.ts'
import { cache, exactNeighbors, readNormalized } from './dataset.ts'
import { growthTable, type Growth } from './growth-table.ts'
import { storeTable } from './table.ts'

const [dimension, k, queryCount] = [384, 10, 500]
const held = readNormalized('queries.f16', dimension).subarray(0, queryCount * dimension)
const queryAt = (i: number) => held.subarray(i * dimension, (i + 1) * dimension)
const cpuSeconds = () => (process.cpuUsage().user + process.cpuUsage().system) / 1e6

async function index(vectors: Float32Array, calibrated: boolean) {
  const heap = new KernelHeap(await loadKernels())
  const started = cpuSeconds()
  const steps = buildIndex(heap, arraySource(vectors, dimension), { metric: 'cosine', calibrated }, seededRandom(1))
  let step = steps.next()
  while (!step.done) step = steps.next()
  const built = step.value
  const reader = new IndexReader(heap, built.head)
  loadAll(reader, built)
  built.release()
  const buildSeconds = cpuSeconds() - started
  const search = (query: Float32Array, count: number, effort: SearchEffort) =>
    searchIndex(heap, reader, { query, k: count, effort, vector: (row) => vectors.subarray(row * dimension, (row + 1) * dimension) }).map(({ row }) => row)
  return { heap, head: built.head, reader, buildSeconds, search }
}

/** The 50 nearest neighbors of each row of the shared set, nearly; kept in bench/cache. */
async function neighborsOf(base: Float32Array): Promise<Uint32Array> {
  const path = join(cache, 'neighbors-real.u32')
  if (existsSync(path)) return new Uint32Array(new Uint8Array(readFileSync(path)).buffer)
  const { search } = await index(base, false)
  const neighbors = new Uint32Array((base.length / dimension) * 50)
  for (let row = 0; row < base.length / dimension; row++) {
    const found = search(base.subarray(row * dimension, (row + 1) * dimension), 51, { probes: 16, margin: Infinity, candidates: 150 }).filter((other) => other !== row)
    for (let i = 0; i < 50; i++) neighbors[row * 50 + i] = found[i] ?? row
  }
  writeFileSync(path, neighbors)
  return neighbors
}

async function makeRows(rowCount: number): Promise<Float32Array> {
  const base = readNormalized('base.f16', dimension)
  const neighbors = await neighborsOf(base)
  const random = seededRandom(1_000_000)
  const gauss = () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
  const rows = new Float32Array(rowCount * dimension)
  for (let row = 0; row < rowCount; row++) {
    const from = (row * 7919) % (base.length / dimension)
    const to = neighbors[from * 50 + Math.floor(random.next() * 50)]!
    const t = random.next() / 2
    let cosine = 0
    for (let i = 0; i < dimension; i++) cosine += base[from * dimension + i]! * base[to * dimension + i]!
    const angle = Math.acos(Math.min(1, cosine))
    const [a, b] = angle < 1e-3 ? [1 - t, t] : [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)]
    let squares = 0
    for (let i = 0; i < dimension; i++) {
      const value = a * base[from * dimension + i]! + b * base[to * dimension + i]! + (0.25 / Math.sqrt(dimension)) * gauss()
      rows[row * dimension + i] = value
      squares += value * value
    }
    for (let i = 0; i < dimension; i++) rows[row * dimension + i]! /= Math.sqrt(squares)
  }
  return rows
}

async function measure(rowCount: number): Promise<Growth[]> {
  const rows = await makeRows(rowCount)
  const truth = await exactNeighbors('synthetic-strided', rows, held, dimension, k)
  const { heap, head, reader, buildSeconds, search } = await index(rows, true)
  const headBytes = encodeHead({ head, cardEnds: new Uint32Array(head.clusters + 1), hasEntryCards: true, checksums: new Uint32Array(head.clusters) }).length
  return [0.9, 0.95, 0.99].map((wished) => {
    const effort = chooseEffort(head, { k, recall: wished })
    let [hits, probes, coldBytes] = [0, 0, headBytes]
    for (let i = 0; i < queryCount; i++) {
      const expected = new Set(truth.subarray(i * k, (i + 1) * k))
      for (const row of search(queryAt(i), k, effort)) if (expected.has(row)) hits++
      const state = reader.begin(queryAt(i))
      const clusters = reader.plan(state, effort)
      probes += clusters.length / queryCount
      coldBytes += clusters.reduce((sum, cluster) => sum + reader.listBytes(cluster) + reader.recordsBytes(cluster), 0) / queryCount
      reader.end(state)
    }
    let [wall, cpu, times] = [Infinity, Infinity, [] as number[]]
    for (let round = 0; round < 5; round++) {
      const [each, since] = [[] as number[], cpuSeconds()]
      for (let i = 0; i < queryCount; i++) {
        const started = performance.now()
        search(queryAt(i), k, effort)
        each.push(performance.now() - started)
      }
      cpu = Math.min(cpu, cpuSeconds() - since)
      const total = each.reduce((sum, time) => sum + time, 0)
      if (total < wall) [wall, times] = [total, each.sort((a, b) => a - b)]
    }
    const [p50, p99] = [times[queryCount >> 1]!, times[Math.floor(queryCount * 0.99)]!]
    const base = { rows: rowCount, wished, recall: hits / queryCount / k, clusters: head.clusters, probes, buildSeconds, coldBytes, headBytes, memoryBytes: heap.usedBytes }
    return { ...base, perSecond: (queryCount * 1000) / wall, perCoreSecond: queryCount / cpu, p50, p99 }
  })
}

const path = join(import.meta.dirname, 'growth.json')
for (const count of process.argv.slice(2).map(Number)) {
  const measured = await measure(count)
  const known = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Growth[]) : []
  const all = [...known.filter(({ rows }) => rows !== count), ...measured].sort((a, b) => a.rows - b.rows || a.wished - b.wished)
  writeFileSync(path, `${JSON.stringify(all, null, 1)}\n`)
  const table = growthTable(all)
  console.log(table)
  storeTable('growth', table)
}
