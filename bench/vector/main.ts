// Asks: how does the vector index compare with its peers, on one core, on the same vectors? Every peer runs in a process of its own, all on the
// same core, and they take turns in every round. Prints one Markdown table; `--store` also puts it into results.md.
//
// Queries with even numbers tune, odd ones are reported. queries/s: the best round by the clock. per core-second: the best round by processor
// time, which the machine's other work does not change; ratios are of these. Build: processor seconds. Disk: all files needed to answer, vectors
// included. Memory: resident, of the whole process. Indexes and tuned settings are kept in bench/cache; ours are made again when its source
// changes.
//
// npm install --prefix bench/vector && npx tsx bench/vector/main.ts [--set real|mixed] [--rounds 5] [--only name,name] [--store]
// BENCH_CORE: the core, default 1.
// faiss: python3 -m venv bench/cache/python && bench/cache/python/bin/pip install faiss-cpu numpy     WINDLASS_SHARED: the shared data's folder
import { parseArgs } from 'node:util'
import { Contender } from './contender.ts'
import { exactNeighbors, loadSet } from './dataset.ts'
import type { Setting } from './peer.ts'
import { storeTable, tableOf, type Entry } from './table.ts'
import { recallOf, tune } from './tune.ts'

const names = [
  'windlass', 'exact', 'hnswlib-node', 'hnswlib-node-native', 'usearch-f32', 'usearch-i8', 'sqlite-vec', 'sqlite-vec-bit', 'lancedb-ivf-pq', 'lancedb-ivf-hnsw-sq',
  'faiss-ivf-flat', 'faiss-ivf-pq-fastscan', 'faiss-hnsw', 'faiss-hnsw-sq8', 'faiss-ivf-rabitq', 'faiss-ivf-rabitq-fastscan',
]
const targets = [0.95, 0.99]
const k = 10
// Slow peers say enough with a twentieth of the queries.
const few = new Set(['exact', 'sqlite-vec', 'sqlite-vec-bit'])

const { values: options } = parseArgs({ options: { set: { type: 'string', default: 'real' }, rounds: { type: 'string', default: '5' }, only: { type: 'string' }, store: { type: 'boolean' } } })
const set = loadSet(options.set)
const truth = await exactNeighbors(set.name, set.rows, set.queries, set.dimension, k)
const half = set.queries.length / set.dimension / 2
const tuning = Array.from({ length: half }, (_, i) => 2 * i)
const reported = tuning.map((i) => i + 1)
const wanted = options.only?.split(',') ?? names

const running: { contender: Contender; goal: string; setting: Setting }[] = []
for (const name of wanted) {
  const contender = await Contender.open(name, set)
  if (!contender) {
    console.error(`${name} cannot run here; it is left out`)
    continue
  }
  for (const target of contender.families.length > 0 ? targets : []) {
    const asked = few.has(name) ? tuning.slice(0, half / 5) : tuning
    const { setting, recall } = await contender.remember(`tuned for ${target}`, () => tune(contender, target, asked, truth, k))
    console.error(`${name}: ${JSON.stringify(setting)} has a recall of ${recall.toFixed(4)} when tuned for ${target}`)
    running.push({ contender, goal: recall < target ? `tuned for ${target}, not reached` : `tuned for ${target}`, setting })
  }
  for (const [goal, setting] of Object.entries(contender.fixed)) running.push({ contender, goal, setting })
}

const entries: Entry[] = running.map(({ contender, goal, setting }) => ({
  name: contender.name, built: contender.built, bytes: contender.bytes, goal, setting, recall: 0, wallMs: Infinity, cpuMs: Infinity, p50: Infinity, p99: Infinity, rss: 0,
}))
for (let round = 0; round < Number(options.rounds); round++) {
  for (const [i, { contender, setting }] of running.entries()) {
    const isSlow = few.has(contender.name)
    const queries = isSlow ? reported.slice(0, half / 20) : reported
    const answer = await contender.ask(setting, queries, isSlow ? 3 : 50)
    const entry = entries[i]!
    const times = [...answer.times].sort((a, b) => a - b)
    const wallMs = times.reduce((sum, time) => sum + time, 0) / times.length
    if (wallMs < entry.wallMs) Object.assign(entry, { wallMs, p50: times[times.length >> 1], p99: times[Math.floor(times.length * 0.99)] })
    entry.cpuMs = Math.min(entry.cpuMs, answer.cpuMs / queries.length)
    entry.rss = Math.max(entry.rss, answer.rss)
    entry.recall = recallOf(answer, queries, truth, k)
  }
  console.error(`round ${round + 1} of ${options.rounds}`)
}
for (const contender of new Set(running.map((each) => each.contender))) contender.close()
const table = tableOf(set, half, Number(options.rounds), entries)
console.log(table)
if (options.store) storeTable(set.name, table)
