// Asks: what does full-text search cost, and how well does it find? Run: npx tsx src/text/bm25.bench.ts
// Needs the package descriptions of the shared data; its folder is $WINDLASS_SHARED, default ../shared.
// Processor time, not the clock's: it reads alike on a busy machine.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { createAnalyzer, type Analyzer } from './analyzer.ts'
import { bm25Scores, bm25TopK } from './bm25.ts'
import { encodePostings } from './encode-postings.ts'
import { MemoryPostings, StoredPostings } from './postings.ts'

interface Package {
  readonly synopsis: string
  readonly body: string
}

const path = join(process.env.WINDLASS_SHARED ?? '../shared', 'data/packages.jsonl.gz')
const packages = gunzipSync(readFileSync(path)).toString().trim().split('\n').map((line) => JSON.parse(line) as Package) // prettier-ignore

function secondsOf<Result>(work: () => Result): [seconds: number, result: Result] {
  const start = process.cpuUsage()
  const result = work()
  const { user, system } = process.cpuUsage(start)
  return [(user + system) / 1e6, result]
}

function indexOf(rows: readonly Package[], analyzer: Analyzer): MemoryPostings {
  const postings = new MemoryPostings()
  rows.forEach(({ body }, row) => postings.add(row, analyzer.terms(body)))
  return postings
}

/** Mean nDCG@10 of finding each body by its synopsis: the first 1,000 unique synopses of 8,000 rows. */
function ndcgOf(rows: readonly Package[], analyzer: Analyzer): number {
  const sources = [{ source: StoredPostings.open(indexOf(rows, analyzer).toBytes()) }]
  const repeats = new Map<string, number>()
  for (const { synopsis } of rows) repeats.set(synopsis, (repeats.get(synopsis) ?? 0) + 1)
  const queries = [...rows.entries()].filter(([, { synopsis }]) => repeats.get(synopsis) === 1).slice(0, 1000)
  let sum = 0
  for (const [row, { synopsis }] of queries) {
    const rank = bm25TopK(analyzer.terms(synopsis), sources, 10).findIndex((found) => found.row === row)
    if (rank >= 0) sum += 1 / Math.log2(rank + 2)
  }
  return sum / queries.length
}

const report = (what: string, value: number, unit: string, digits = 1) => console.log(`${what.padEnd(44)}${value.toFixed(digits).padStart(12)} ${unit}`)

for (const language of ['english', 'none']) {
  const analyzer = createAnalyzer({ language })
  report(`nDCG@10, fixed task, ${language}`, ndcgOf(packages.slice(0, 8000), analyzer), '', 4)
  for (const start of [8000, 16000, 24000]) {
    report(`nDCG@10, rows from ${start}, ${language}`, ndcgOf(packages.slice(start, start + 8000), analyzer), '', 4)
  }
}

const english = createAnalyzer({ language: 'english' })
const textBytes = packages.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0)
const [analyzeSeconds] = secondsOf(() => packages.forEach(({ body }) => english.terms(body)))
const [indexSeconds, memory] = secondsOf(() => indexOf(packages, english))
const [encodeSeconds, bytes] = secondsOf(() => memory.toBytes())
const [openSeconds] = secondsOf(() => {
  for (let i = 0; i < 1000; i++) StoredPostings.open(bytes)
})
const stored = StoredPostings.open(bytes)
const [mergeSeconds, merged] = secondsOf(() =>
  encodePostings([0, 1].map((part) => ({ postings: stored, rowMap: (row: number) => row + part * packages.length })), packages.length * 2),
)
report('text', textBytes / 1e6, 'MB')
report('rows', packages.length, '', 0)
report('terms', stored.termCount, '', 0)
report('analyze', textBytes / 1e6 / analyzeSeconds, 'MB/s')
report('analyze and add', packages.length / indexSeconds, 'rows/s', 0)
report('encode', packages.length / encodeSeconds, 'rows/s', 0)
report('merge two', (packages.length * 2) / mergeSeconds, 'rows/s', 0)
report('open', openSeconds * 1000, 'µs', 2)
report('postings', bytes.length / 1e6, 'MB')
report('postings per text', (bytes.length / textBytes) * 100, '%')
report('two merged', merged.length / 1e6, 'MB')

const queries = packages.slice(0, 2000).map(({ synopsis }) => english.terms(synopsis))
for (const [name, source] of [['stored', stored], ['in memory', memory]] as const) {
  const [top] = secondsOf(() => queries.forEach((query) => bm25TopK(query, [{ source }], 10)))
  const [all] = secondsOf(() => queries.forEach((query) => bm25Scores(query, [{ source }])))
  report(`top 10, ${name}`, (top / queries.length) * 1e6, 'µs/query', 0)
  report(`all scores, ${name}`, (all / queries.length) * 1e6, 'µs/query', 0)
}
