import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { cache, type VectorSet } from './dataset.ts'
import type { Setting } from './peer.ts'

/** What a peer's process says of some searches; times in milliseconds, resident memory in bytes. */
export interface Answer {
  readonly rows: readonly (readonly number[])[]
  readonly times: readonly number[]
  readonly cpuMs: number
  readonly rss: number
}

/** How an index was built; kept beside it. Null: by an earlier version of this bench, which did not say. */
export interface Built {
  readonly built: string
  readonly seconds: number | null
  readonly cpuSeconds: number | null
}

const repository = join(import.meta.dirname, '../..')
const python = join(cache, 'python/bin/python')
// One core for every process that is measured, whatever threads it starts. Builds are counted in processor time, wherever they run.
const pinned = existsSync('/usr/bin/taskset') ? ['taskset', '-c', process.env['BENCH_CORE'] ?? '1'] : []
// LanceDB waits forever when told to use one thread; the core has to do.
const oneThread = { OMP_NUM_THREADS: '1', RUST_LOG: 'error' }

/** A peer's process: built where its index is not kept in bench/cache, then open. */
export class Contender {
  readonly name: string
  readonly built: Built
  /** Bytes of all files it needs to answer. */
  readonly bytes: number
  families: readonly (readonly Setting[])[] = []
  fixed: Readonly<Record<string, Setting>> = {}
  readonly #folder: string
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(name: string, folder: string, built: Built, child: ChildProcess) {
    this.name = name
    this.built = built
    this.bytes = sizeOf(folder)
    this.#folder = folder
    this.#child = child
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  }

  /** Undefined where the peer cannot run here: it says why on stderr. */
  static async open(name: string, set: VectorSet): Promise<Contender | undefined> {
    const folder = folderOf(name, set)
    if (!existsSync(join(folder, 'built.json'))) {
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(folder, { recursive: true })
      const code = await new Promise((resolve) => start('build', name, folder, set).on('close', resolve).on('error', resolve))
      if (code !== 0) return undefined
    }
    const contender = new Contender(name, folder, JSON.parse(readFileSync(join(folder, 'built.json'), 'utf8')) as Built, start('serve', name, folder, set))
    const { families, fixed } = (await contender.#next()) as Pick<Contender, 'families' | 'fixed'>
    Object.assign(contender, { families, fixed })
    return contender
  }

  /** Searches for some queries, one after the other, after `warm` of them were searched for untimed. */
  async ask(setting: Setting, queries: readonly number[], warm = 50): Promise<Answer> {
    this.#child.stdin!.write(`${JSON.stringify({ setting, queries, warm })}\n`)
    return (await this.#next()) as Answer
  }

  /** What `find` says, kept beside the index under `name`. */
  async remember<T>(name: string, find: () => Promise<T>): Promise<T> {
    const path = join(this.#folder, 'tuned.json')
    const known = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Record<string, T>) : {}
    if (known[name] !== undefined) return known[name]
    const found = await find()
    writeFileSync(path, JSON.stringify({ ...known, [name]: found }))
    return found
  }

  close(): void {
    this.#child.stdin!.end()
  }

  async #next(): Promise<unknown> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`${this.name} ended; see its last words above`)
    return JSON.parse(value)
  }
}

function start(mode: 'build' | 'serve', name: string, folder: string, { name: setName, rows, dimension }: VectorSet): ChildProcess {
  const rest = [mode, name, folder, setName, String(rows.length / dimension), String(dimension)]
  const peer = name.startsWith('faiss')
    ? [python, join(import.meta.dirname, 'peers/faiss_peer.py'), ...rest, cache]
    : [process.execPath, '--max-old-space-size=6000', '--expose-gc', '--import', 'tsx', join(import.meta.dirname, 'peer.ts'), ...rest]
  const [command, ...words] = [...(mode === 'serve' ? pinned : isLong(name, rows.length / dimension) ? ['nice', '-n', '10'] : []), ...peer]
  return spawn(command!, words, { cwd: repository, stdio: ['pipe', mode === 'build' ? 'ignore' : 'pipe', 'inherit'], env: { ...process.env, ...oneThread } })
}

// Graphs, and LanceDB's product quantization, take minutes to build, and stand back for other work.
function isLong(name: string, count: number): boolean {
  return count > 50_000 && /hnsw|usearch|lancedb/.test(name)
}

// Ours is built again when its source has changed.
function folderOf(name: string, { name: setName, rows, dimension }: VectorSet): string {
  const version = name === 'windlass' ? `-${sourceHash(['src/vector', 'src/kernels', 'src/kernels/assembly'])}` : ''
  return join(cache, `${name}${version}-${setName}-${rows.length / dimension}x${dimension}`)
}

function sourceHash(folders: string[]): string {
  const hash = createHash('sha256')
  for (const folder of folders) {
    const names = readdirSync(join(repository, folder)).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    for (const file of names.sort()) hash.update(readFileSync(join(repository, folder, file)))
  }
  return hash.digest('hex').slice(0, 8)
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}
