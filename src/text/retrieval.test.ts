import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { createAnalyzer } from './analyzer.ts'
import { bm25TopK } from './bm25.ts'
import { MemoryPostings, StoredPostings } from './postings.ts'

const path = join(process.env.WINDLASS_SHARED ?? '../shared', 'data/packages.jsonl.gz')

// A floor, not a record: bm25.bench.ts has the figures. It fails when analysis or scoring breaks in a way that still looks plausible.
test.skipIf(!existsSync(path))('package descriptions are found by their synopsis: nDCG@10 is at least 0.81', () => {
  const lines = gunzipSync(readFileSync(path)).toString().trim().split('\n').slice(0, 8000)
  const rows = lines.map((line) => JSON.parse(line) as { synopsis: string; body: string })
  const analyzer = createAnalyzer({ language: 'english' })
  const memory = new MemoryPostings()
  rows.forEach(({ body }, row) => memory.add(row, analyzer.terms(body)))
  const sources = [{ source: StoredPostings.open(memory.toBytes()) }]
  const repeats = new Map<string, number>()
  for (const { synopsis } of rows) repeats.set(synopsis, (repeats.get(synopsis) ?? 0) + 1)
  const queries = [...rows.entries()].filter(([, { synopsis }]) => repeats.get(synopsis) === 1).slice(0, 1000)
  const gains = queries.map(([row, { synopsis }]) => {
    const rank = bm25TopK(analyzer.terms(synopsis), sources, 10).findIndex((found) => found.row === row)
    return rank < 0 ? 0 : 1 / Math.log2(rank + 2)
  })
  expect(gains.reduce((sum, gain) => sum + gain, 0) / gains.length).toBeGreaterThan(0.81)
})
