import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { seededRandom } from '../../src/base/random.ts'

export type Direction = 'up' | 'down'

/** A program that transfers a folder. */
export interface Tool {
  readonly name: string
  command(direction: Direction, folder: string, url: string): string[]
}

const root = join(import.meta.dirname, '../..')

/** @param isBuilt False: from the sources, which takes a second more to start; for tests. */
export function windlass(isBuilt: boolean): Tool {
  const program = isBuilt ? [join(root, 'dist/cli/main.js')] : ['--import', pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href, join(root, 'src/cli/main.ts')]
  const words = (direction: Direction, folder: string, url: string) => (direction === 'up' ? ['push', '--all', folder, url] : ['pull', '--all', url, folder])
  return { name: 'windlass', command: (...task) => [process.execPath, ...program, ...words(...task)] }
}

/** Each with its own defaults; `aws s3 cp` sends everything, so `windlass` is told to. */
export const rivals: readonly Tool[] = [
  { name: 'aws s3 cp', command: (direction, folder, url) => ['aws', 's3', 'cp', '--recursive', '--only-show-errors', ...(direction === 'up' ? [folder, url] : [url, folder])] },
  { name: 's5cmd', command: (direction, folder, url) => ['s5cmd', '--log', 'error', 'cp', ...(direction === 'up' ? [`${folder}/`, `${url}/`] : [`${url}/*`, `${folder}/`])] },
]

/** A set of files to transfer. */
export interface Task {
  readonly name: string
  readonly count: number
  /** Of the smallest and the largest. */
  readonly bytes: readonly [number, number]
}

export interface Measured {
  readonly task: string
  readonly direction: Direction
  readonly tool: string
  /** A round each; the process from its start to its end. */
  readonly seconds: number[]
}

/**
 * Transfers each set with each tool, in turns, so that what else the machine does befalls all alike.
 * @throws when a tool fails, or what it brought is not what was sent.
 */
export function measure(tools: readonly Tool[], tasks: readonly Task[], { url, folder, rounds }: { url: string; folder: string; rounds: number }): Measured[] {
  return tasks.flatMap((task) => {
    const source = join(folder, 'source')
    makeFiles(source, task)
    const expected = hashFolder(source)
    const results = (['up', 'down'] as const).flatMap((direction) => tools.map((tool): Measured => ({ task: task.name, direction, tool: tool.name, seconds: [] })))
    for (let round = 0; round < rounds; round++) {
      // Another first each time: it pays for what the last round left to be done.
      for (const tool of [...tools.slice(round % tools.length), ...tools.slice(0, round % tools.length)]) {
        const place = `${url}/${task.name.replace(/\W+/g, '-')}/${tool.name.replace(/\W+/g, '-')}`
        const target = join(folder, 'target')
        for (const direction of ['up', 'down'] as const) {
          const [program, ...words] = tool.command(direction, direction === 'up' ? source : target, place)
          const started = performance.now()
          const { status, stderr, error } = spawnSync(program!, words, { encoding: 'utf8' })
          const seconds = (performance.now() - started) / 1000
          if (status !== 0) throw new Error(`${tool.name} ${direction}: ${error?.message ?? stderr}`)
          results.find((each) => each.direction === direction && each.tool === tool.name)!.seconds.push(seconds)
        }
        if (hashFolder(target) !== expected) throw new Error(`${tool.name} brought something else than it sent`)
        rmSync(target, { recursive: true })
      }
    }
    rmSync(source, { recursive: true })
    return results
  })
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2
}

/** Rows of seconds and of how many times as long as `windlass` each took; the middle of the rounds' own ratios. */
export function resultTable(results: readonly Measured[]): string {
  const rows = results.map(({ task, direction, tool, seconds }) => {
    const own = results.find((each) => each.task === task && each.direction === direction && each.tool === 'windlass')!
    const ratio = median(seconds.map((each, round) => each / own.seconds[round]!))
    return `| ${task} | ${direction} | ${tool} | ${median(seconds).toFixed(2)} | ${Math.min(...seconds).toFixed(2)} | ${Math.max(...seconds).toFixed(2)} | ${ratio.toFixed(2)} |`
  })
  return ['| files | | tool | median s | least s | most s | times windlass |', '|---|---|---|---|---|---|---|', ...rows].join('\n')
}

function makeFiles(folder: string, { count, bytes: [least, most] }: Task): void {
  const random = seededRandom(count)
  rmSync(folder, { recursive: true, force: true })
  const noise = Buffer.from(random.bytes(1_000_003))
  for (let i = 0; i < count; i++) {
    const below = join(folder, `d${i % 20}`)
    mkdirSync(below, { recursive: true })
    const content = Buffer.alloc(least + Math.floor(random.next() * (most - least)), noise)
    content.writeUInt32LE(i)
    writeFileSync(join(below, `f${i}.bin`), content)
  }
}

function hashFolder(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const lines = files.map((entry) => {
    const path = join(entry.parentPath, entry.name)
    return `${path.slice(folder.length)} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`
  })
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex')
}
