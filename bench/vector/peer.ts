// The process of one peer: `build` makes its index in bench/cache, `serve` opens it and answers one line of JSON with another. Each peer has a
// process of its own, so that resident memory is its own and a peer that fails takes nobody along.
//
// node --import tsx --expose-gc bench/vector/peer.ts build|serve <peer> <folder> <set> <rows> <dimension>     started by contender.ts
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { cache, floatsOf } from './dataset.ts'
import { exact } from './peers/exact.ts'
import { hnswlib } from './peers/hnswlib.ts'
import { lancedb } from './peers/lancedb.ts'
import { sqliteVec } from './peers/sqlite-vec.ts'
import { usearch } from './peers/usearch.ts'
import { windlass } from './peers/windlass.ts'

/** What a peer may be told before a search, by names of its own; `Infinity` is written as 1e9. */
export type Setting = Readonly<Record<string, number>>

/** What a peer searches. Vectors are normalized: cosine, product and distance give one order. */
export interface PeerSet {
  readonly name: string
  readonly count: number
  readonly dimension: number
  readonly queries: Float32Array
  /** Reads the rows, row-major; a peer that keeps them has them in its memory. */
  rows(): Float32Array
}

/** An open index. */
export interface Searcher {
  /** Families of settings, each cheapest first, recall rising; tuning takes the fastest member of any that reaches a target. */
  readonly families: readonly (readonly Setting[])[]
  /** Settings that are measured without tuning, by what they are called. */
  readonly fixed?: Readonly<Record<string, Setting>>
  /** Before searches with a setting; not timed. */
  use(setting: Setting): void
  /** The rows found for a query, by its number. */
  search(query: number): readonly number[] | Promise<readonly number[]>
}

/** A way to build an index in `folder` and to open it again. */
export interface Peer {
  /** What was built, for people: its build parameters. */
  readonly built: string
  build(set: PeerSet, folder: string): Promise<void>
  open(set: PeerSet, folder: string): Promise<Searcher>
}

/** Peers by name. */
const peers: Readonly<Record<string, Peer>> = {
  windlass: windlass(),
  exact: exact(),
  'hnswlib-node': hnswlib(false),
  'hnswlib-node-native': hnswlib(true),
  'usearch-f32': usearch('f32'),
  'usearch-i8': usearch('i8'),
  'lancedb-ivf-pq': lancedb('ivfPq'),
  'lancedb-ivf-hnsw-sq': lancedb('hnswSq'),
  'sqlite-vec': sqliteVec('float'),
  'sqlite-vec-bit': sqliteVec('bit'),
}

const [mode, name, folder, setName, count, dimension] = process.argv.slice(2) as [string, string, string, string, string, string]
const peer = peers[name]!
const path = (part: string) => join(cache, `${setName}-${part}.f32`)
const set: PeerSet = { name: setName, count: Number(count), dimension: Number(dimension), queries: floatsOf(path('queries')), rows: () => floatsOf(path('rows')) }

function cpuMs(since: number): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000 - since
}

if (mode === 'build') {
  set.rows()
  const [wall, cpu] = [performance.now(), cpuMs(0)]
  await peer.build(set, folder)
  writeFileSync(join(folder, 'built.json'), JSON.stringify({ built: peer.built, seconds: (performance.now() - wall) / 1000, cpuSeconds: cpuMs(cpu) / 1000 }))
  process.exit(0)
}

const searcher = await peer.open(set, folder)
const answer = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`)
answer({ families: searcher.families, fixed: searcher.fixed ?? {} })
for await (const line of createInterface({ input: process.stdin })) {
  const { setting, queries, warm } = JSON.parse(line) as { setting: Setting; queries: number[]; warm: number }
  searcher.use(setting)
  for (const query of queries.slice(0, warm)) await searcher.search(query)
  const [rows, times] = [[] as (readonly number[])[], [] as number[]]
  const cpu = cpuMs(0)
  for (const query of queries) {
    const started = performance.now()
    const found = searcher.search(query)
    rows.push(found instanceof Promise ? await found : found)
    times.push(performance.now() - started)
  }
  answer({ rows, times, cpuMs: cpuMs(cpu), rss: Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? NaN) * 1024 })
}
