import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'

/** What growth.ts measures of one number of rows under one wish; times in milliseconds, sizes in bytes. */
export interface Growth {
  readonly rows: number
  readonly wished: number
  readonly recall: number
  readonly clusters: number
  /** Clusters probed, on average. */
  readonly probes: number
  /** Processor seconds. */
  readonly buildSeconds: number
  /** What a query reads when nothing is in memory: the head, and the units of the clusters that it probes. */
  readonly coldBytes: number
  readonly headBytes: number
  readonly memoryBytes: number
  readonly perSecond: number
  readonly perCoreSecond: number
  readonly p50: number
  readonly p99: number
}

/** The table in Markdown. */
export function growthTable(all: readonly Growth[]): string {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', cwd: import.meta.dirname }).trim()
  const lines = all.map((each) => {
    const mb = (bytes: number) => (bytes / 1e6).toFixed(1)
    const cells = [each.rows, each.wished, each.recall.toFixed(4), Math.round(each.perSecond), Math.round(each.perCoreSecond), each.p50.toFixed(3), each.p99.toFixed(3)]
    return `| ${[...cells, `${each.probes.toFixed(1)} of ${each.clusters}`, mb(each.coldBytes), mb(each.headBytes), each.buildSeconds.toFixed(1), mb(each.memoryBytes)].join(' | ')} |`
  })
  const names = ['rows', 'recall wished', 'recall@10', 'queries/s', 'per core-second', 'p50 ms', 'p99 ms', 'clusters probed', 'cold MB', 'of it the head', 'build s', 'index memory MB']
  const head = `Growth, on synthetic rows of 384 dimensions (see growth.ts), 500 queries, k = 10; one thread of ${cpus()[0]!.model}, shared with other work, commit ${commit}, ${new Date().toISOString().slice(0, 10)}, best of 5 rounds. Cold: bytes that a query reads of a bucket when nothing is in memory, answers' own rows aside. Build: processor seconds.`
  return `${head}\n\n| ${names.join(' | ')} |\n|${'---|'.repeat(names.length)}\n${lines.join('\n')}\n`
}
