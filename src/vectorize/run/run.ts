import { isWindlassError, messageOf, throwIfAborted, WindlassError } from '../../base/errors.ts'
import { newId } from '../../base/random.ts'
import type { Destination, NotedDocument } from '../destinations/destination.ts'
import type { Source, SourceEntry } from '../sources/source.ts'
import type { Failure, FileState } from '../state/file-state.ts'
import type { PathState, SyncState, Versioned } from '../state/sync-state.ts'
import type { VectorizeContext } from './context.ts'
import { Peers } from './peers.ts'
import type { Recipe } from './recipe.ts'
import { findDrift, repairDrift } from './reconcile.ts'
import { failuresTold, newReport, type RunReport } from './report.ts'
import { scan, verdict, type Comparison } from './scan.ts'
import { blank, StepError, vectorizeDocument, type DocumentOutcome } from './vectorize-document.ts'

export interface RunOptions {
  /** Everything again. */
  readonly isFull?: boolean
  /** Compare destinations with the state first, and put right what differs. */
  readonly isCheck?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: RunProgress) => void
}

export interface RunProgress {
  readonly listed: number
  readonly done: number
  readonly total: number
  readonly report: Readonly<RunReport>
}

export interface RunSettings {
  readonly filesAtOnce: number
  readonly claimFiles: number
  readonly attempts: number
  readonly retryAfterMs: number
  readonly workerTimeoutMs: number
  readonly deleteMissing: boolean
}

export interface RunParts {
  readonly name: string
  readonly context: VectorizeContext
  readonly source: Source
  readonly state: SyncState
  readonly destinations: readonly Destination[]
  readonly recipe: Recipe
  readonly settings: RunSettings
}

/** A document to vectorize, or to remove from everywhere. */
type Task = { readonly path: string; readonly entry: SourceEntry } | { readonly path: string; readonly entry: null }

/** Replaced while it was read, or done by two at once: looked at again at once so often. */
const conflictRetriesMax = 4
/** So many documents that fail one after the other because something cannot be reached: it is not about them. */
const unreachableMax = 10
/** Errors about which nothing can be done by trying again: the document is set aside. */
const finalKinds = new Set(['invalid', 'too-large', 'unsupported', 'missing-dependency', 'corrupt'])
/** Errors of an embedder or a destination that are not about the document. */
const fatalKinds = new Set(['unauthenticated', 'denied', 'storage-full', 'missing-dependency'])

/** One run of one worker: lists, compares, claims, vectorizes, removes, until nothing is left to do that others are not at. */
export class Run {
  report = newReport()
  readonly #parts: RunParts
  readonly #options: RunOptions
  readonly #worker: string
  readonly #peers: Peers
  readonly #startedAt: number
  readonly #recipeRun: Comparison
  #tasks: Task[] = []
  /** Claimed by others when we came to them. */
  #held: Task[] = []
  #claimed: { task: Task; seen: PathState }[] = []
  #claiming: Promise<void> | null = null
  #missing = new Map<string, FileState>()
  #total = 0
  #listed = 0
  #unreachable = 0
  /** Told of paths, not of a listing: nobody knows what the source has there before it is asked. */
  #isFollowing = false

  constructor(parts: RunParts, options: RunOptions = {}) {
    this.#parts = parts
    this.#options = options
    const { clock, random, process } = parts.context
    this.#startedAt = clock.now()
    this.#worker = newId(this.#startedAt, random)
    this.#peers = new Peers(parts.state, { clock, process, timeoutMs: parts.settings.workerTimeoutMs })
    this.#recipeRun = { recipe: parts.recipe.id, destinations: parts.destinations.map(({ name }) => name), isFull: options.isFull ?? false, startedAt: this.#startedAt, now: () => clock.now() }
  }

  /** @throws {WindlassError} what stops all of it: a source that cannot be listed, a destination or an embedder that refuses everything. */
  async execute(): Promise<RunReport> {
    const { state } = this.#parts
    await this.#atWork(async () => {
      if (this.#options.isCheck) await this.#reconcile(this.#parts.destinations)
      const cursor = await this.#workThrough()
      await this.#finishForTheDead()
      for (const destination of this.#parts.destinations) await destination.finish?.(this.#noted(destination.name))
      if (cursor !== undefined) await state.setCursor(this.#cursorRecipe(), cursor)
    })
    await state.noteRun({ id: this.#worker, startedAt: this.#startedAt, endedAt: this.#parts.context.clock.now(), report: this.report })
    return this.report
  }

  /**
   * Stays at work while `task` names paths to look at, as often as it likes: what the source has there by now is vectorized, what it
   * has not is removed. Whoever names a path again, or one where nothing happened, has asked the source for nothing.
   */
  follow<Value>(task: (apply: (paths: readonly string[]) => Promise<RunReport>) => Promise<Value>): Promise<Value> {
    this.#isFollowing = true
    let last: Promise<unknown> = Promise.resolve()
    return this.#atWork(async () => {
      const value = await task((paths) => {
        // One after the other: they share what is claimed.
        const applied = last.then(() => this.#apply(paths))
        last = applied.catch(() => undefined)
        return applied
      })
      await last
      await this.#finishForTheDead()
      return value
    })
  }

  async #apply(paths: readonly string[]): Promise<RunReport> {
    this.report = newReport()
    this.#unreachable = 0
    this.#tasks = [...new Set(paths)].map((path) => ({ path, entry: { path } }))
    this.#total = this.#tasks.length
    try {
      await this.#workers()
      await this.#waitForOthers()
      return this.report
    } catch (error) {
      await this.#parts.state.release(this.#claimed.splice(0).map(({ task }) => task.path)).catch(() => undefined)
      this.#tasks = []
      this.#held = []
      throw error
    }
  }

  /** Seen by others while `task` runs; what it leaves claimed is let go. */
  async #atWork<Value>(task: () => Promise<Value>): Promise<Value> {
    const { state } = this.#parts
    await this.#prepare()
    const ending = new AbortController()
    // Before anything is stored: who looks for what killed runs left must know of us.
    await this.#beatOnce(1)
    const beating = this.#beat(ending.signal)
    try {
      await this.#peers.look({ isForced: true })
      return await task()
    } finally {
      ending.abort()
      await beating
      // Should that fail, others see that we beat no more.
      await state.release(this.#claimed.map(({ task }) => task.path)).catch(() => undefined)
      await state.dismiss([this.#worker]).catch(() => undefined)
    }
  }

  /** What a run would do, and did not. */
  async preview(): Promise<{ pending: string[]; missing: string[]; unchanged: number; waiting: number; isPartial: boolean }> {
    const { pending, missing, unchanged, waiting, isPartial } = await this.#scan()
    return { pending: pending.map(({ path }) => path), missing: this.#parts.settings.deleteMissing ? missing.map(({ path }) => path) : [], unchanged, waiting, isPartial }
  }

  async #prepare(): Promise<void> {
    const { model } = this.#parts.recipe
    for (const destination of this.#parts.destinations) {
      if (destination.takes === 'chunks') await destination.prepare({ dimension: model.dimension, model: model.name })
      else await destination.prepare()
    }
  }

  /** Signs of life, until told to end. */
  async #beat(signal: AbortSignal): Promise<void> {
    const { context, settings } = this.#parts
    for (let beat = 2; ; beat++) {
      await context.clock.sleep(settings.workerTimeoutMs / 4, signal).catch(() => undefined)
      if (signal.aborted) return
      await this.#beatOnce(beat).catch(() => undefined)
    }
  }

  async #beatOnce(beat: number): Promise<void> {
    const { host, id: pid } = this.#parts.context.process
    await this.#parts.state.beat({ id: this.#worker, beat, host, pid, startedAt: this.#startedAt })
  }

  /** Scans and works until a scan leaves nothing. @returns the cursor to go on from next time. */
  async #workThrough(): Promise<string | undefined> {
    for (;;) {
      const { pending, missing, unchanged, waiting, isPartial, cursor } = await this.#scan()
      this.report.unchanged += unchanged
      this.report.waiting += waiting
      this.#missing = new Map(missing.filter(({ sha256 }) => sha256 !== '').map((file) => [file.sha256, file]))
      this.#tasks = pending.map((entry) => ({ path: entry.path, entry }))
      this.#total += pending.length
      await this.#workers()
      // Last, so that what was renamed finds its vectors; what a rename took care of is skipped then.
      if (this.#parts.settings.deleteMissing) this.#tasks = missing.map(({ path }) => ({ path, entry: null }))
      this.#total += this.#tasks.length
      await this.#workers()
      await this.#waitForOthers()
      if (!isPartial) return cursor
      // Counted again by the next scan.
      this.report.unchanged = 0
      this.report.waiting = 0
    }
  }

  async #scan() {
    const { source, state } = this.#parts
    const { signal } = this.#options
    const since = this.#options.isFull ? undefined : await state.cursor(this.#cursorRecipe())
    return scan(source, state, this.#recipeRun, {
      ...(since !== undefined && { since }),
      ...(signal && { signal }),
      onListed: (count) => {
        this.#listed = count
        this.#tell()
      },
    })
  }

  /** A cursor stands only while what is to become of documents stands. */
  #cursorRecipe(): string {
    return [this.#parts.source.description, this.#parts.recipe.id, ...this.#parts.destinations.map(({ name }) => name)].join('\n')
  }

  /** Works off the tasks, several at once. The first error that is about all of them ends it. */
  async #workers(): Promise<void> {
    let isStopping = false
    const work = async () => {
      try {
        while (!isStopping) {
          const next = await this.#next()
          if (!next) return
          await this.#do(next.task, next.seen)
        }
      } catch (error) {
        isStopping = true
        throw error
      }
    }
    const ends = await Promise.allSettled(Array.from({ length: this.#parts.settings.filesAtOnce }, work))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  /** The next claimed task; claims more when there is none. */
  async #next(): Promise<{ task: Task; seen: PathState } | null> {
    for (;;) {
      throwIfAborted(this.#options.signal)
      const next = this.#claimed.shift()
      if (next) return next
      if (this.#tasks.length === 0 && !this.#claiming) return null
      await (this.#claiming ??= this.#claim().finally(() => (this.#claiming = null)))
    }
  }

  /** Claims a few tasks from anywhere in the list, so that many workers meet seldom. */
  async #claim(): Promise<void> {
    const { state, settings, context } = this.#parts
    const start = Math.floor((context.random.next() * this.#tasks.length) / settings.claimFiles) * settings.claimFiles
    const wanted = this.#tasks.splice(start, settings.claimFiles)
    const looks = await state.look(wanted.map(({ path }) => path))
    if (looks.some(({ claim }) => claim !== null)) await this.#peers.look()
    const free: { task: Task; path: string; seen: PathState }[] = []
    wanted.forEach((task, i) => {
      const seen = looks[i]!
      if (this.#isDone(task, seen)) this.report.byOthers++
      else if (seen.claim && seen.claim.value.worker !== this.#worker && !this.#peers.isDead(seen.claim.value.worker)) this.#held.push(task)
      else free.push({ task, path: task.path, seen })
    })
    const won = new Set(await state.claim(this.#worker, free))
    for (const { task, path, seen } of free) {
      if (won.has(path)) this.#claimed.push({ task, seen })
      else this.#held.push(task)
    }
  }

  #isDone(task: Task, { file }: PathState): boolean {
    // Whoever noted it since may have read it before what we were told of.
    if (this.#isFollowing) return false
    if (!file) return !task.entry
    const isSince = Math.max(file.value.vectorizedAt, file.value.failure?.at ?? 0) >= this.#startedAt
    return isSince || (task.entry !== null && verdict(task.entry, file.value, this.#recipeRun) !== 'pending')
  }

  /** What others had claimed: either they do it, or they die and we do. */
  async #waitForOthers(): Promise<void> {
    const { context, settings } = this.#parts
    while (this.#held.length > 0) {
      await context.clock.sleep(Math.min(1000, settings.workerTimeoutMs / 4), this.#options.signal)
      await this.#peers.look()
      this.#tasks = this.#held
      this.#held = []
      await this.#workers()
    }
  }

  async #do(task: Task, seen: PathState): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        if (task.entry) await this.#vectorize(task.entry, seen)
        else if (seen.file) await this.#remove(seen.file.value, seen.file.version)
        break
      } catch (error) {
        if (isWindlassError(error, 'cancelled')) throw error
        const cause = error instanceof StepError ? error.cause : error
        if (isWindlassError(cause, 'cancelled')) throw cause
        if (isWindlassError(cause, 'conflict') && attempt < conflictRetriesMax) {
          seen = (await this.#parts.state.look([task.path]))[0]!
          if (!this.#isDone(task, seen)) continue
          this.report.byOthers++
          break
        }
        await this.#fail(task, seen, error)
        break
      }
    }
    this.#tell()
  }

  async #vectorize(entry: SourceEntry, seen: PathState): Promise<void> {
    const { state, context } = this.#parts
    const file = seen.file?.value ?? null
    let outcome: DocumentOutcome
    let from: Versioned<FileState> | null = null
    try {
      outcome = await vectorizeDocument(
        { entry, file, isFull: this.#recipeRun.isFull && (file?.vectorizedAt ?? 0) < this.#startedAt, renamedFrom: async (sha256) => (from = await this.#takeMissing(sha256))?.value ?? null },
        { ...this.#parts, now: () => context.clock.now(), ...(this.#options.signal && { signal: this.#options.signal }) },
      )
    } catch (error) {
      if (!(error instanceof StepError && error.step === 'loading' && error.kind === 'not-found')) throw error
      // Gone since it was listed, or listed although it is gone.
      if (file && this.#parts.settings.deleteMissing) await this.#remove(file, seen.file!.version)
      else await state.release([entry.path])
      return
    }
    this.#unreachable = 0
    this.report.bytesRead += outcome.bytesRead
    if (outcome.status === 'unchanged') {
      if (outcome.next) await this.#finish([{ path: entry.path, seen: seen.file?.version ?? null, next: outcome.next }])
      else await state.release([entry.path])
      this.report.unchanged++
      return
    }
    const { next, status } = outcome
    const done = { path: entry.path, seen: seen.file?.version ?? null, next }
    await this.#finish(from ? [done, withoutMoved(from, outcome.moved)] : [done])
    this.report.chunksEmbedded += outcome.chunksEmbedded
    this.report.chunksReused += outcome.chunksReused
    this.report[status]++
  }

  /** Claims what is not in the source any more and has these bytes, for the one new document that it became. */
  async #takeMissing(sha256: string): Promise<Versioned<FileState> | null> {
    const { state } = this.#parts
    const found = this.#missing.get(sha256)
    if (!found || !this.#parts.settings.deleteMissing) return null
    this.#missing.delete(sha256)
    const [seen] = await state.look([found.path])
    if (seen!.file?.value.sha256 !== sha256 || (seen!.claim && !this.#peers.isDead(seen!.claim.value.worker))) return null
    const [won] = await state.claim(this.#worker, [{ path: found.path, seen: seen! }])
    return won === undefined ? null : seen!.file
  }

  async #remove(file: FileState, version: string): Promise<void> {
    const options = this.#options.signal ? { signal: this.#options.signal } : {}
    for (const destination of this.#parts.destinations) {
      const reference = file.references[destination.name]
      // One that failed half-way may have left something even where the state knows of nothing.
      if (reference === undefined && !file.failure) continue
      try {
        await destination.remove(file.path, reference ?? null, options)
      } catch (error) {
        throw new StepError('storing', error)
      }
    }
    await this.#finish([{ path: file.path, seen: version, next: null }])
    this.report.removed++
  }

  /** Notes what was done. Where somebody else was faster, what only we put into a destination is taken out again. */
  async #finish(changes: readonly { path: string; seen: string | null; next: FileState | null }[]): Promise<void> {
    const { state, destinations } = this.#parts
    try {
      await state.finish(changes)
    } catch (error) {
      if (!isWindlassError(error, 'conflict')) throw error
      for (const { path, next } of changes) {
        const [now] = await state.look([path])
        for (const destination of destinations) {
          const ours = next?.references[destination.name]
          const theirs = now!.file?.value.references[destination.name]
          if (destination.takes === 'files' && ours !== undefined && JSON.stringify(ours) !== JSON.stringify(theirs)) await destination.remove(path, ours)
        }
      }
      throw error
    }
  }

  async #fail(task: Task, seen: PathState, error: unknown): Promise<void> {
    const { settings, context, state } = this.#parts
    const { step, kind, references } = error instanceof StepError ? error : new StepError('storing', error)
    const cause = error instanceof StepError ? error.cause : error
    if (step === 'embedding' || step === 'storing') {
      if (kind !== undefined && fatalKinds.has(kind)) throw cause
      if (!isWindlassError(cause)) throw cause
    }
    const now = context.clock.now()
    const before = seen.file?.value ?? blank(task.entry ?? task)
    const attempts = (before.failure?.attempts ?? 0) + 1
    const isFinal = (kind !== undefined && finalKinds.has(kind)) || attempts >= settings.attempts
    const failure: Failure = { step, kind: kind ?? 'unknown', message: messageOf(error).slice(0, 2000), attempts, at: now, ...(!isFinal && { retryAt: now + settings.retryAfterMs * 2 ** (attempts - 1) }) }
    const { revision: _, ...rest } = before
    const revision = task.entry?.revision
    const next: FileState = { ...rest, ...(revision !== undefined && { revision }), state: 'failed', recipe: this.#parts.recipe.id, references: { ...before.references, ...references }, failure }
    await state.finish([{ path: task.path, seen: seen.file?.version ?? null, next }]).catch((lost: unknown) => {
      // Somebody else did it, or failed too: theirs stands.
      if (!isWindlassError(lost, 'conflict')) throw lost
    })
    this.report.failed++
    if (this.#isFollowing || this.report.failures.length < failuresTold) this.report.failures.push({ path: task.path, step, message: failure.message, ...(failure.retryAt !== undefined && { retryAt: failure.retryAt }) })
    this.#unreachable = kind === 'unavailable' ? this.#unreachable + 1 : 0
    if (this.#unreachable >= unreachableMax) {
      throw new WindlassError('unavailable', `${unreachableMax} documents failed one after the other, so the rest is left for later: ${messageOf(error)}`, { cause })
    }
  }

  async *#noted(name: string): AsyncIterable<NotedDocument> {
    for await (const { value } of this.#parts.state.all()) yield { path: value.path, sha256: value.sha256, reference: value.references[name] ?? null }
  }

  /** Removes what killed workers left in destinations that the state knows nothing of, and forgets the workers. */
  async #finishForTheDead(): Promise<void> {
    const { state, destinations } = this.#parts
    await this.#peers.look({ isForced: true })
    const dead = this.#peers.dead().filter((id) => id !== this.#worker)
    const left = (await state.claims()).filter(({ worker }) => worker !== this.#worker && this.#peers.isDead(worker)).map(({ path }) => path)
    const files = destinations.filter(({ takes }) => takes === 'files')
    const wasAlone = this.#isAlone()
    if (dead.length > 0) await this.#reconcile(files)
    for (const [i, { file }] of (await state.look(left)).entries()) {
      if (file) continue
      // Claimed, perhaps stored, never noted, and not in the source any more: else it would have been done by now.
      for (const destination of destinations) if (destination.takes === 'chunks') await destination.remove(left[i]!, null)
    }
    await state.release(left)
    await this.#peers.look({ isForced: true })
    // Beside others it cannot be told what is half stored and what is left over: the last one to end looks again.
    if (files.length === 0 || (wasAlone && this.#isAlone())) await state.dismiss(dead)
  }

  #isAlone(): boolean {
    return this.#peers.live().every(({ id }) => id === this.#worker)
  }

  async #reconcile(destinations: readonly Destination[]): Promise<void> {
    const { state, context } = this.#parts
    for (const destination of destinations) {
      const drift = await findDrift(destination, state, { peers: this.#peers, now: context.clock.now(), worker: this.#worker, ...(this.#options.signal && { signal: this.#options.signal }) })
      this.report.repaired += await repairDrift(destination, drift, state)
    }
  }

  #tell(): void {
    const { new: added, changed, renamed, removed, failed, byOthers } = this.report
    this.#options.onProgress?.({ listed: this.#listed, done: added + changed + renamed + removed + failed + byOthers, total: this.#total, report: this.report })
  }
}


/** The old row of a renamed document: what was given the new path is not to be removed with it. */
function withoutMoved({ value, version }: Versioned<FileState>, moved: ReadonlySet<string>) {
  const references = Object.fromEntries(Object.entries(value.references).filter(([name]) => !moved.has(name)))
  return { path: value.path, seen: version, next: { ...value, references } }
}
