// Asks: how does the vector index compare with an exact scan and with hnswlib-node on one thread, on real embeddings?
// recall@10, queries a second (best of several rounds in which all contenders take turns), p50, p99, build seconds and bytes, as one
// Markdown table. Parameters are tuned on every second held-out query, and the others are reported.
//
// npm install --prefix bench/vector && npx tsx bench/vector/main.ts [rounds]     WINDLASS_SHARED: the shared data's folder (default ../shared)
import { cpus } from 'node:os'
import { seededRandom } from '../../src/base/random.ts'
import { KernelHeap } from '../../src/kernels/heap.ts'
import { loadKernels } from '../../src/kernels/kernels.ts'
import { buildIndex } from '../../src/vector/build.ts'
import { chooseEffort } from '../../src/vector/effort.ts'
import type { SearchEffort } from '../../src/vector/index-layout.ts'
import { IndexReader } from '../../src/vector/index-reader.ts'
import { loadAll, searchIndex } from '../../src/vector/search-index.ts'
import { arraySource } from '../../src/vector/space.ts'
import { exactNeighbors, readNormalized } from './dataset.ts'
import { hnswlib } from './hnswlib.ts'

const rounds = Number(process.argv[2] ?? 5)
const [dimension, k] = [384, 10]
const base = readNormalized('base.f16', dimension)
const held = readNormalized('queries.f16', dimension)
const rowCount = base.length / dimension
const vector = (row: number) => base.subarray(row * dimension, (row + 1) * dimension)
const queryAt = (i: number) => held.subarray(i * dimension, (i + 1) * dimension)
const truth = await exactNeighbors('real', base, held, dimension, k)
const half = held.length / dimension / 2
// Every second query tunes, the others are reported.
const tuning = Array.from({ length: half }, (_, i) => 2 * i)
const reported = tuning.map((i) => i + 1)

interface Contender {
  readonly name: string
  readonly setting: string
  readonly buildSeconds: number
  readonly bytes: number
  search(query: number): readonly number[]
}

function recallOf(search: (query: number) => readonly number[], numbers: readonly number[]): number {
  let hits = 0
  for (const i of numbers) {
    const expected = new Set(truth.subarray(i * k, (i + 1) * k))
    for (const row of search(i)) if (expected.has(row)) hits++
  }
  return hits / (numbers.length * k)
}

/** The first of `settings` (cheapest first) that reaches `target` on the tuning queries; recall is taken to rise with them. */
function tune<T>(settings: readonly T[], target: number, search: (setting: T, query: number) => readonly number[]): T {
  let low = 0
  for (let high = settings.length - 1; low < high; ) {
    const middle = (low + high) >> 1
    if (recallOf((i) => search(settings[middle]!, i), tuning) >= target) high = middle
    else low = middle + 1
  }
  return settings[low]!
}

const targets = [0.95, 0.99]
const contenders: Contender[] = []

async function addOurs(clusters?: number): Promise<void> {
  const heap = new KernelHeap(await loadKernels())
  const started = performance.now()
  const steps = buildIndex(heap, arraySource(base, dimension), { metric: 'cosine', ...(clusters ? { clusters } : {}) }, seededRandom(1))
  let step = steps.next()
  while (!step.done) step = steps.next()
  const built = step.value
  const reader = new IndexReader(heap, built.head)
  loadAll(reader, built)
  const buildSeconds = (performance.now() - started) / 1000
  let bytes = built.head.centroids.byteLength + rowCount * 4
  for (let c = 0; c < built.head.clusters; c++) bytes += reader.listBytes(c) + reader.recordsBytes(c)
  const search = (effort: SearchEffort, i: number) => searchIndex(heap, reader, { query: queryAt(i), k, effort, vector }).map(({ row }) => row)
  const add = (name: string, effort: SearchEffort) => {
    const setting = `${name}: ${effort.probes} of ${built.head.clusters} probes, margin ${effort.margin.toFixed(2)}, ${effort.candidates} candidates`
    contenders.push({ name: 'windlass', setting, buildSeconds, bytes, search: (i) => search(effort, i) })
  }
  const levels = built.head.effort.filter((effort) => effort.depth === k)
  // Between two measured levels, ten steps.
  const settings = levels.slice(1).flatMap((to, level) => Array.from({ length: 10 }, (_, i) => blend(levels[level]!, to, i / 10)))
  for (const target of targets) add(`tuned for ${target}`, tune(settings, target, search))
  for (const recall of targets) add(`recall ${recall}`, chooseEffort(built.head, { k, recall }))
}

function blend(from: SearchEffort, to: SearchEffort, share: number): SearchEffort {
  const at = (a: number, b: number) => a + (b - a) * share
  return { probes: Math.round(at(from.probes, to.probes)), margin: at(from.margin, to.margin), candidates: Math.round(at(from.candidates, to.candidates)) }
}

function addHnswlib(): void {
  const peer = hnswlib('real', base, dimension)
  if (!peer) return console.log('hnswlib-node is not installed: npm install --prefix bench/vector')
  const { index, buildSeconds, bytes } = peer
  const arrays = Array.from({ length: 2 * half }, (_, i) => Array.from(queryAt(i)))
  const search = (ef: number, i: number) => {
    index.setEf(ef)
    return index.searchKnn(arrays[i]!, k).neighbors
  }
  for (const target of targets) {
    const ef = tune(Array.from({ length: 600 }, (_, i) => k + i), target, search)
    contenders.push({ name: 'hnswlib-node', setting: `tuned for ${target}: M 16, efConstruction 200, ef ${ef}`, buildSeconds, bytes, search: (i) => search(ef, i) })
  }
}

async function addExact(): Promise<void> {
  const kernels = await loadKernels()
  const heap = new KernelHeap(kernels)
  const [rows, query, out] = [heap.allocate(base.byteLength), heap.allocate(dimension * 4), heap.allocate(rowCount * 4)]
  heap.put(rows, base)
  const search = (i: number) => {
    heap.put(query, queryAt(i))
    kernels.dotMany(query, rows, dimension * 4, rowCount, dimension, out)
    const best: { row: number; score: number }[] = []
    for (let row = 0, least = -Infinity; row < rowCount; row++) {
      const score = heap.floats[(out >>> 2) + row]!
      if (score <= least) continue
      best.push({ row, score })
      best.sort((a, b) => b.score - a.score)
      if (best.length > k) best.pop()
      if (best.length === k) least = best[k - 1]!.score
    }
    return best.map(({ row }) => row)
  }
  contenders.push({ name: 'exact scan (WebAssembly)', setting: '', buildSeconds: 0, bytes: base.byteLength, search })
}

await addOurs()
addHnswlib()
await addExact()

const best = contenders.map(() => ({ total: Infinity, times: [] as number[] }))
for (let round = 0; round < rounds; round++) {
  contenders.forEach((contender, c) => {
    const times: number[] = []
    // The exact scan says enough with a tenth of the queries.
    const asked = contender.name.startsWith('exact') ? reported.slice(0, 50) : reported
    for (const i of asked) {
      const started = performance.now()
      contender.search(i)
      times.push(performance.now() - started)
    }
    const total = times.reduce((sum, time) => sum + time, 0) / asked.length
    if (total < best[c]!.total) best[c] = { total, times: times.sort((a, b) => a - b) }
  })
}
console.log(`${rowCount} x ${dimension}, ${half} queries, k = ${k}, one thread of ${cpus()[0]!.model}, Node ${process.version}, best of ${rounds} rounds\n`)
console.log('| index | setting | recall@10 | queries/s | p50 ms | p99 ms | build s | MB |\n|---|---|---|---|---|---|---|---|')
contenders.forEach(({ name, setting, buildSeconds, bytes, search }, c) => {
  const { total, times } = best[c]!
  const at = (share: number) => times[Math.floor(times.length * share)]!.toFixed(3)
  const build = Number.isNaN(buildSeconds) ? 'cached' : buildSeconds.toFixed(0)
  const recall = recallOf(search, name.startsWith('exact') ? reported.slice(0, 50) : reported)
  console.log(`| ${name} | ${setting} | ${recall.toFixed(4)} | ${Math.round(1000 / total)} | ${at(0.5)} | ${at(0.99)} | ${build} | ${(bytes / 1e6).toFixed(0)} |`)
})
