import { spawn, type ChildProcess, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { concatBytes } from '../../base/bytes.ts'
import { throwIfAborted, WindlassError } from '../../base/errors.ts'

export interface GitAnswer {
  readonly status: number
  readonly stdout: Buffer
  readonly stderr: string
}

// What a hook or an outer git tells the gits it starts: ours is to see the repository it is pointed at.
const inherited = ['GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE', 'GIT_OBJECT_DIRECTORY', 'GIT_ALTERNATE_OBJECT_DIRECTORIES', 'GIT_COMMON_DIR', 'GIT_NAMESPACE', 'GIT_PREFIX']

/** Starts git in `folder`: never asks, never locks, answers in English. */
function startGit(folder: string, args: readonly string[]): ChildProcessWithoutNullStreams {
  const environment: NodeJS.ProcessEnv = { ...process.env, LC_ALL: 'C', GIT_OPTIONAL_LOCKS: '0', GIT_TERMINAL_PROMPT: '0' }
  for (const name of inherited) delete environment[name]
  return spawn('git', args, { cwd: folder, env: environment, windowsHide: true })
}

/** Runs git to its end. @throws {WindlassError} `missing-dependency` without git, `not-found` without the folder, `cancelled`. */
export async function runGit(folder: string, args: readonly string[], signal?: AbortSignal): Promise<GitAnswer> {
  throwIfAborted(signal)
  const child = startGit(folder, args)
  child.stdin.end()
  const stop = () => child.kill()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    const [stdout, stderr, status] = await Promise.all([allOf(child.stdout), allOf(child.stderr), endOf(child, folder)])
    throwIfAborted(signal)
    return { status, stdout, stderr: stderr.toString().trim() }
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

/** What git writes, as it comes. Ends git when it is left early. @throws {WindlassError} `unavailable` when git fails, `cancelled`. */
export async function* streamGit(folder: string, args: readonly string[], signal?: AbortSignal): AsyncIterable<Uint8Array> {
  throwIfAborted(signal)
  const child = startGit(folder, args)
  child.stdin.end()
  const stderr = allOf(child.stderr)
  const status = endOf(child, folder)
  // Awaited below, unless the caller leaves.
  status.catch(() => undefined)
  const stop = () => child.kill()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    for await (const chunk of child.stdout) yield chunk as Uint8Array
    const code = await status
    throwIfAborted(signal)
    if (code !== 0) throw new WindlassError('unavailable', `git ${args[0]} failed in ${folder}: ${(await stderr).toString().trim() || `exit status ${code}`}`)
  } finally {
    signal?.removeEventListener('abort', stop)
    child.kill()
  }
}

/** Records of git's `-z` formats. */
export async function* splitAtNul(chunks: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk])
    let start = 0
    for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, start)) {
      yield bytes.toString('utf8', start, end)
      start = end + 1
    }
    rest = bytes.subarray(start)
  }
  if (rest.length > 0) yield rest.toString('utf8')
}

/** What `cat-file` says of an object. `bytes` is empty where only the kind was asked for. */
export interface GitObject {
  readonly id: string
  readonly type: string
  readonly size: number
  readonly bytes: Uint8Array
}

interface Waiting {
  resolve(object: GitObject | null): void
  reject(error: unknown): void
}

/** One `git cat-file` that answers many questions, in order. Answers are held whole: ask for large objects otherwise. */
export class GitBatch {
  readonly #folder: string
  readonly #withBytes: boolean
  #child: ChildProcessWithoutNullStreams | null = null
  #waiting: Waiting[] = []
  #chunks: Uint8Array[] = []
  #size = 0
  #header: Omit<GitObject, 'bytes'> | null = null

  constructor(folder: string, { withBytes }: { withBytes: boolean }) {
    this.#folder = folder
    this.#withBytes = withBytes
  }

  /** @param name Of an object as git names it, without a line break. @returns null where there is none. */
  ask(name: string): Promise<GitObject | null> {
    return new Promise((resolve, reject) => {
      const child = (this.#child ??= this.#start())
      this.#waiting.push({ resolve, reject })
      child.stdin.write(`${name}\n`)
    })
  }

  async close(): Promise<void> {
    const child = this.#child
    if (!child) return
    this.#child = null
    const ended = new Promise((resolve) => child.once('close', resolve))
    child.stdin.end()
    child.kill()
    await ended
  }

  #start(): ChildProcessWithoutNullStreams {
    const child = startGit(this.#folder, ['cat-file', this.#withBytes ? '--batch' : '--batch-check'])
    this.#chunks = []
    this.#size = 0
    this.#header = null
    const stderr = allOf(child.stderr)
    child.stdin.on('error', () => undefined)
    child.stdout.on('data', (chunk: Uint8Array) => {
      if (this.#child === child) this.#take(chunk)
    })
    const end = async (error?: unknown) => {
      if (this.#child === child) this.#child = null
      const waiting = this.#waiting.splice(0)
      if (waiting.length === 0) return
      const message = (await stderr).toString().trim()
      for (const { reject } of waiting) reject(new WindlassError('unavailable', `git cat-file ended in ${this.#folder}${message && `: ${message}`}`, { cause: error }))
    }
    endOf(child, this.#folder).then(() => end(), end)
    return child
  }

  #take(chunk: Uint8Array): void {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    for (;;) {
      if (!this.#header) {
        const line = this.#takeLine()
        if (line === null) return
        const match = /^([0-9a-f]{40,64}) (\w+) (\d+)$/.exec(line)
        if (!match) this.#waiting.shift()?.resolve(null)
        else this.#header = { id: match[1]!, type: match[2]!, size: Number(match[3]) }
        if (!match) continue
      }
      const header = this.#header!
      // The content is followed by a line break.
      const length = this.#withBytes ? header.size + 1 : 0
      if (this.#size < length) return
      const bytes = length === 0 ? new Uint8Array(0) : this.#takeBytes(length).subarray(0, header.size)
      this.#header = null
      this.#waiting.shift()?.resolve({ ...header, bytes })
    }
  }

  #takeLine(): string | null {
    const all = this.#joined()
    const end = all.indexOf(10)
    return end < 0 ? null : Buffer.from(this.#takeBytes(end + 1)).toString('utf8', 0, end)
  }

  #takeBytes(length: number): Uint8Array {
    const all = this.#joined()
    this.#chunks = all.length > length ? [all.subarray(length)] : []
    this.#size -= length
    // A copy: what follows in the same chunk would be kept alive.
    return all.slice(0, length)
  }

  #joined(): Uint8Array {
    if (this.#chunks.length !== 1) this.#chunks = [concatBytes(this.#chunks)]
    return this.#chunks[0]!
  }
}

async function allOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts)
}

/** The exit status; of a git that was killed, -1. */
function endOf(child: ChildProcess, folder: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      // A folder that is not there looks the same as a git that is not there.
      const isNoGit = error.code === 'ENOENT' && error.syscall?.startsWith('spawn') === true
      reject(isNoGit ? new WindlassError('missing-dependency', `git could not be started in ${folder}: install git, and see that it is in PATH`, { package: 'git', cause: error }) : error)
    })
    child.on('close', (code) => resolve(code ?? -1))
  })
}
