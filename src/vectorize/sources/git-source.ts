import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { throwIfAborted, WindlassError } from '../../base/errors.ts'
import { GitBatch, runGit, splitAtNul, streamGit } from './git-process.ts'
import { parseLfsPointer, type LfsPointer } from './lfs-pointer.ts'
import { pathFilter, type PathFilter, type PathPatterns } from './path-filter.ts'
import type { Source, SourceContent, SourceEntry, SourceListing } from './source.ts'

// Larger ones get a git of their own, and come in pieces.
const batchBytesMax = 4 * 1024 * 1024
const lfsPointerBytesMax = 1024

interface Checkout {
  /** Where git is run: the top of the working tree, or a bare repository. */
  readonly top: string
  readonly isBare: boolean
  /** Of the folder that is the root, below the top: `docs/`, or empty. */
  readonly prefix: string
}

/**
 * The files of a commit, below a folder of a checkout; what is not committed is not there. Revisions are the ids of blobs, so reads
 * never conflict. Since a commit that is an ancestor of the present one, only what changed is listed; after a force push, in a clone
 * that does not reach back so far, or with other patterns, everything. Submodules and symbolic links are passed over. Needs git.
 */
export class GitSource implements Source {
  readonly description: string
  readonly #path: string
  readonly #ref: string
  readonly #filter: PathFilter
  readonly #patterns: PathPatterns
  #checkout: Checkout | null = null
  #commit: string | null = null
  #kinds: GitBatch | null = null
  #contents: GitBatch | null = null

  constructor(path: string, { ref = 'HEAD', include, exclude }: PathPatterns & { ref?: string | undefined } = {}) {
    this.description = `git ${path} at ${ref}`
    this.#path = resolve(path)
    this.#ref = ref
    this.#patterns = { include, exclude }
    this.#filter = pathFilter(this.#patterns)
  }

  /** @throws {WindlassError} `not-found` without checkout, commit or folder in it; `missing-dependency` without git. */
  async list({ since, signal }: { since?: string; signal?: AbortSignal } = {}): Promise<SourceListing> {
    throwIfAborted(signal)
    const { top, prefix } = (this.#checkout = await this.#find())
    const commit = (this.#commit = await this.#resolve(this.#checkout))
    const tree = treeOf(commit, prefix)
    if (!(await isFolder(top, tree, signal))) {
      throw new WindlassError('not-found', `${this.description}: commit ${commit.slice(0, 12)} has no folder ${prefix}`, { path: prefix })
    }
    const cursor = () => `${commit} ${this.#selection(prefix)}`
    const base = await this.#baseOf(since, commit, signal)
    if (base === null) return { kind: 'everything', entries: this.#everything(tree, signal), cursor }
    const gone: string[] = []
    return { kind: 'changes', entries: this.#changes(treeOf(base, prefix), tree, gone, signal), deleted: yieldAll(gone), cursor }
  }

  async read({ path }: SourceEntry, { knownRevision, signal }: { knownRevision?: string; signal?: AbortSignal } = {}): Promise<SourceContent> {
    throwIfAborted(signal)
    const { top, prefix } = (this.#checkout ??= await this.#find())
    const commit = (this.#commit ??= await this.#resolve(this.#checkout))
    this.#kinds ??= new GitBatch(top, { withBytes: false })
    const blob = path === '' ? null : await this.#kinds.ask(await this.#nameOf(commit, prefix + path))
    throwIfAborted(signal)
    if (blob?.type !== 'blob') throw new WindlassError('not-found', `${path}: no such file in ${this.description}, commit ${commit.slice(0, 12)}`, { path })
    const { id, size } = blob
    if (id === knownRevision) return { kind: 'unchanged' }
    const pointer = size <= lfsPointerBytesMax ? parseLfsPointer(await this.#small(id)) : null
    if (pointer) return { kind: 'found', revision: id, sizeBytes: pointer.size, ...(await this.#largeFile(path, pointer, signal)) }
    const bytes = size <= batchBytesMax ? () => this.#whole(id) : () => streamGit(top, ['cat-file', 'blob', id], signal)
    return { kind: 'found', revision: id, sizeBytes: size, bytes }
  }

  async close(): Promise<void> {
    const open = [this.#kinds, this.#contents]
    this.#kinds = this.#contents = null
    for (const batch of open) await batch?.close()
  }

  async #find(): Promise<Checkout> {
    const folder = await stat(this.#path).catch(() => null)
    if (!folder?.isDirectory()) throw new WindlassError('not-found', `${this.#path}: no such folder`, { path: this.#path })
    const { status, stdout, stderr } = await runGit(this.#path, ['rev-parse', '--show-prefix'])
    if (status !== 0) {
      if (/dubious ownership/.test(stderr)) throw new WindlassError('denied', `${this.#path} belongs to another user, so git does not read it: git config --global --add safe.directory ${this.#path}`, { path: this.#path })
      const isNone = /not a git repository/i.test(stderr)
      throw new WindlassError(isNone ? 'not-found' : 'unavailable', `${this.#path} ${isNone ? 'is in no git repository: clone one there, or use a source of type folder' : `cannot be read by git: ${stderr}`}`, { path: this.#path })
    }
    const top = await runGit(this.#path, ['rev-parse', '--show-toplevel'])
    const isBare = top.status !== 0
    return { top: isBare ? this.#path : line(top.stdout), isBare, prefix: line(stdout) }
  }

  async #resolve({ top }: Checkout): Promise<string> {
    if (this.#ref.startsWith('-')) throw new WindlassError('invalid', `ref ${JSON.stringify(this.#ref)} is none: write a branch, a tag or a commit`, { path: 'ref' })
    const { status, stdout } = await runGit(top, ['rev-parse', '--verify', '--quiet', `${this.#ref}^{commit}`])
    if (status === 0) return line(stdout)
    throw new WindlassError('not-found', `${this.#path} has no commit ${this.#ref}: commit something, or fetch it (actions/checkout takes fetch-depth and ref)`, { path: 'ref' })
  }

  /** What a cursor is good for besides its commit: the same folder, and the same patterns. */
  #selection(prefix: string): string {
    const { include = null, exclude = null } = this.#patterns
    return createHash('sha256').update(JSON.stringify([prefix, include, exclude])).digest('hex').slice(0, 16)
  }

  /** The commit of a cursor, if what changed since can be told. */
  async #baseOf(since: string | undefined, commit: string, signal: AbortSignal | undefined): Promise<string | null> {
    const { top, prefix } = this.#checkout!
    const [, base, selection] = /^([0-9a-f]{40}|[0-9a-f]{64}) (\w+)$/.exec(since ?? '') ?? []
    if (base === undefined || selection !== this.#selection(prefix)) return null
    if ((await runGit(top, ['merge-base', '--is-ancestor', base, commit], signal)).status !== 0) return null
    // In a shallow or partial clone the commit may be known and its files not.
    return (await isFolder(top, treeOf(base, prefix), signal)) ? base : null
  }

  async *#everything(tree: string, signal: AbortSignal | undefined): AsyncIterable<SourceEntry> {
    for await (const record of splitAtNul(streamGit(this.#checkout!.top, ['ls-tree', '-r', '-z', '--full-tree', tree], signal))) {
      const [, mode, id, path] = /^(\d+) \w+ ([0-9a-f]+)\t(.*)$/s.exec(record) ?? []
      throwIfAborted(signal)
      if (path !== undefined && isFile(mode!) && this.#filter.takes(path)) yield { path, revision: id! }
    }
  }

  /** @param gone Receives what is no file of ours any more. A rename is one path gone and another there: the content tells the rest. */
  async *#changes(before: string, after: string, gone: string[], signal: AbortSignal | undefined): AsyncIterable<SourceEntry> {
    const args = ['diff-tree', '-r', '-z', '--raw', '--no-abbrev', '--no-renames', before, after]
    let change: { mode: string; id: string } | null = null
    for await (const record of splitAtNul(streamGit(this.#checkout!.top, args, signal))) {
      throwIfAborted(signal)
      if (!change) {
        const [, mode, id] = /^:\d+ (\d+) [0-9a-f]+ ([0-9a-f]+) [A-Z]/.exec(record) ?? []
        if (mode === undefined) throw new WindlassError('unavailable', `git diff-tree said ${JSON.stringify(record.slice(0, 80))}, which is not understood`)
        change = { mode, id: id! }
        continue
      }
      const { mode, id } = change
      change = null
      if (!this.#filter.takes(record)) continue
      if (isFile(mode)) yield { path: record, revision: id }
      else gone.push(record)
    }
  }

  /** How the batch is asked for a file; its questions end in line breaks, so a path that has one is looked up first. */
  async #nameOf(commit: string, path: string): Promise<string> {
    if (!path.includes('\n')) return `${commit}:${path}`
    const { stdout } = await runGit(this.#checkout!.top, ['ls-tree', '-z', '--full-tree', commit, '--', path])
    return /^\d+ blob ([0-9a-f]+)\t/.exec(stdout.toString())?.[1] ?? 'none'
  }

  async #small(id: string): Promise<Uint8Array> {
    this.#contents ??= new GitBatch(this.#checkout!.top, { withBytes: true })
    const blob = await this.#contents.ask(id)
    if (!blob) throw new WindlassError('unavailable', `${this.description}: blob ${id} is not in this clone: fetch it`)
    return blob.bytes
  }

  async *#whole(id: string): AsyncIterable<Uint8Array> {
    yield await this.#small(id)
  }

  /** What a pointer of Git LFS stands for, if the working tree has it. */
  async #largeFile(path: string, pointer: LfsPointer, signal: AbortSignal | undefined): Promise<{ bytes(): AsyncIterable<Uint8Array> }> {
    const { top, isBare, prefix } = this.#checkout!
    const place = join(top, prefix + path)
    const bytes = () => verified(place, path, pointer, signal)
    const stats = isBare ? null : await lstat(place).catch(() => null)
    if (stats?.isFile() && stats.size === pointer.size && (await isWhole(bytes()))) return { bytes }
    throw new WindlassError('invalid', `${path} is a pointer of Git LFS, and the checkout does not have its ${pointer.size} bytes: git lfs pull`, { path })
  }
}

/** A file, as long as it is what the pointer says. */
async function* verified(place: string, path: string, pointer: LfsPointer, signal: AbortSignal | undefined): AsyncIterable<Uint8Array> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(place)) {
    throwIfAborted(signal)
    hash.update(chunk as Uint8Array)
    yield chunk as Uint8Array
  }
  if (hash.digest('hex') !== pointer.sha256) throw new WindlassError('conflict', `${path} in the working tree is not what its pointer of Git LFS says: git lfs pull`, { path })
}

async function isWhole(bytes: AsyncIterable<Uint8Array>): Promise<boolean> {
  try {
    for await (const _ of bytes);
    return true
  } catch {
    return false
  }
}

/** Regular files; not symbolic links (120000) and submodules (160000). */
function isFile(mode: string): boolean {
  return mode.startsWith('100')
}

function treeOf(commit: string, prefix: string): string {
  return prefix === '' ? commit : `${commit}:${prefix.replace(/\/$/, '')}`
}

/** Whether git has a folder by that name; a commit is its topmost. */
async function isFolder(top: string, tree: string, signal: AbortSignal | undefined): Promise<boolean> {
  const { stdout } = await runGit(top, ['cat-file', '-t', tree], signal)
  return /^(tree|commit)$/.test(line(stdout))
}

function line(bytes: Buffer): string {
  return bytes.toString().replace(/\n$/, '')
}

async function* yieldAll(values: readonly string[]): AsyncIterable<string> {
  yield* values
}
