import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import type { Built } from './contender.ts'
import type { VectorSet } from './dataset.ts'
import type { Setting } from './peer.ts'

/** One line of the table: a peer under a setting. Times in milliseconds a query, of the best round. */
export interface Entry {
  readonly name: string
  readonly built: Built
  readonly bytes: number
  readonly goal: string
  readonly setting: Setting
  recall: number
  wallMs: number
  cpuMs: number
  p50: number
  p99: number
  rss: number
}

/** The table in Markdown, with the machine, the commit and the day above it. Ratios are of ours, tuned for the same recall. */
export function tableOf(set: VectorSet, queries: number, rounds: number, entries: readonly Entry[]): string {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', cwd: import.meta.dirname }).trim()
  const head = `${set.rows.length / set.dimension} x ${set.dimension} (${set.about}), ${queries} queries, k = 10; one core of ${cpus().length} (${cpus()[0]!.model}, shared with other work), Node ${process.version}, commit ${commit}, ${today()}, best of ${rounds} rounds.`
  const lines = entries.map((entry) => {
    const { name, built, goal, setting, recall, wallMs, cpuMs, p50, p99, rss, bytes } = entry
    const ours = goal.startsWith('tuned') ? entries.find((other) => other.name === 'windlass' && other.goal === goal.replace(', not reached', '')) : undefined
    const told = Object.entries(setting).map(([key, value]) => `${key} ${value >= 1e9 ? 'any' : Math.round(value * 100) / 100}`)
    const cells = [
      name, [built.built, goal, ...told].filter(Boolean).join(', '), recall.toFixed(4), rate(wallMs), rate(cpuMs), ours ? (ours.cpuMs / cpuMs).toFixed(2) : '',
      p50.toFixed(3), p99.toFixed(3), bytes < 1e6 ? '0' : (built.cpuSeconds?.toFixed(0) ?? 'kept'), (bytes / 1e6).toFixed(0), (rss / 1e6).toFixed(0),
    ]
    return `| ${cells.join(' | ')} |`
  })
  const names = ['index', 'setting', 'recall@10', 'queries/s', 'per core-second', 'of ours', 'p50 ms', 'p99 ms', 'build s', 'disk MB', 'memory MB']
  return `${head}\n\n| ${names.join(' | ')} |\n|${'---|'.repeat(names.length)}\n${lines.join('\n')}\n`
}

/** Puts a table into results.md, between the marks of its set. */
export function storeTable(name: string, table: string): void {
  const path = join(import.meta.dirname, 'results.md')
  const [start, end] = [`<!-- ${name} -->\n`, `<!-- end of ${name} -->\n`]
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '# Vector index beside its peers\n'
  const [from, to] = [text.indexOf(start), text.indexOf(end)]
  const part = `${start}\n${table}\n${end}`
  writeFileSync(path, from < 0 ? `${text}\n${part}` : text.slice(0, from) + part + text.slice(to + end.length))
}

function rate(ms: number): string {
  return ms > 100 ? (1000 / ms).toFixed(1) : String(Math.round(1000 / ms))
}

function today(): string {
  return new Date().toISOString().slice(0, 10)
}
