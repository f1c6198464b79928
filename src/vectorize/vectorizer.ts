import { WindlassError } from '../base/errors.ts'
import type { EmbeddingModel } from '../embed/embedding-model.ts'
import { parseDuration } from './declaration/duration.ts'
import { vectorizerSchema, type VectorizerDeclaration, type VectorizerInput } from './declaration/declaration.ts'
import { openDestination } from './destinations/open-destination.ts'
import type { Destination } from './destinations/destination.ts'
import { EventIntake } from './events/event-intake.ts'
import { followQueue, type FollowQueueOptions } from './events/follow-queue.ts'
import { openQueue } from './events/open-queue.ts'
import { openEmbedding, type Embedding } from './run/open-embedding.ts'
import type { VectorizeContext } from './run/context.ts'
import { Peers } from './run/peers.ts'
import { makeRecipe } from './run/recipe.ts'
import { findDrift } from './run/reconcile.ts'
import type { RunReport } from './run/report.ts'
import { Run, type RunOptions, type RunParts } from './run/run.ts'
import { openSource } from './sources/open-source.ts'
import type { Source } from './sources/source.ts'
import type { FileState } from './state/file-state.ts'
import { SyncState, type RunRecord } from './state/sync-state.ts'

/** What a vectorizer has done and has still to do, as its state says. */
export interface VectorizerStatus {
  readonly name: string
  readonly documents: number
  /** Of them, those that failed: due again at a time, or set aside. */
  readonly failed: number
  readonly inProgress: number
  readonly workers: readonly { readonly id: string; readonly host: string; readonly pid: number; readonly startedAt: number }[]
  /** Newest first, 20 at most. */
  readonly runs: readonly (Omit<RunRecord, 'report'> & { readonly report: RunReport })[]
}

/** A document that could not be vectorized. Times are milliseconds since 1970. */
export interface VectorizerError {
  readonly path: string
  readonly step: string
  readonly message: string
  readonly attempts: number
  readonly at: number
  /** Absent: set aside until the document changes, or `retry`. */
  readonly retryAt?: number
}

/** A vectorizer that is at work and waits to be told where to look. */
export interface Following {
  /** One call after the other, however they are made. Every failure is in the report. */
  apply(paths: readonly string[]): Promise<RunReport>
  /** The path of an object, or null where it is none of the source's. */
  locate(object: { readonly bucket: string; readonly key: string }): Promise<string | null>
}

export interface DriftReport {
  readonly destination: string
  readonly extra: readonly string[]
  readonly missing: readonly string[]
}

/** How the names of state collections start; listings leave them out. */
export const statePrefix = '.vectorizer.'

/** Keeps destinations in step with a source. All that it remembers is in the bucket: any number of processes may run it, one after the other or at once. */
export class Vectorizer {
  readonly declaration: VectorizerDeclaration
  readonly #context: VectorizeContext
  #state: SyncState | null = null

  /** What it was given. */
  get context(): VectorizeContext {
    return this.#context
  }

  /** @throws {WindlassError} `invalid`, naming what is wrong in the declaration. */
  constructor(input: VectorizerInput, context: VectorizeContext) {
    const parsed = vectorizerSchema.safeParse(input)
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      throw new WindlassError('invalid', `vectorizer ${JSON.stringify((input as { name?: unknown }).name ?? '')}: ${issue!.path.join('.')}: ${issue!.message}`, { path: issue!.path.join('.') })
    }
    this.declaration = parsed.data
    this.#context = context
  }

  get name(): string {
    return this.declaration.name
  }

  /**
   * Brings all destinations in step: what is new or changed is vectorized, what is gone is removed, what failed and is due is tried
   * again. A document that fails is reported, and the rest goes on.
   * @throws {WindlassError} what stops all of it: a source that cannot be listed, a destination or embedder that refuses everything.
   */
  run(options: RunOptions = {}): Promise<RunReport & { readonly embedding: ReturnType<Embedding['usage']> }> {
    return this.#with(async (parts, embedding) => ({ ...(await new Run(parts, options).execute()), embedding: embedding.usage() }))
  }

  /**
   * Looks at these paths only: what the source has there by now is vectorized, what it has not is removed. For who was told that
   * something happened there; whether it did, or in what order, does not matter.
   */
  applyPaths(paths: readonly string[], options: { signal?: AbortSignal } = {}): Promise<RunReport> {
    return this.follow(({ apply }) => apply(paths), options)
  }

  /** As `applyPaths`, again and again with everything kept open. @throws {WindlassError} as `run`. */
  follow<Value>(task: (following: Following) => Promise<Value>, options: { signal?: AbortSignal } = {}): Promise<Value> {
    return this.#with((parts) =>
      new Run(parts, options).follow((apply) => task({ apply, locate: async (object) => (await parts.source.locate?.(object)) ?? null })),
    )
  }

  /**
   * Follows the queue that the source declares, until `signal` aborts. What was there before is for `run`.
   * @throws {WindlassError} `invalid` where no queue is declared; what a queue refuses; as `run`.
   */
  async followEvents(options: Omit<FollowQueueOptions, 'clock'>): Promise<void> {
    const queue = openQueue(this.declaration, this.#context)
    await this.follow((following) => followQueue(queue, new EventIntake(following), { clock: this.#context.clock, ...options }))
  }

  /** What a run would do now. Reads listings and state; writes nothing but the state's own collection if there is none yet. */
  preview(options: Pick<RunOptions, 'isFull' | 'signal'> = {}): Promise<Awaited<ReturnType<Run['preview']>>> {
    return this.#with((parts) => new Run(parts, options).preview())
  }

  /** How destinations differ from the state; `run({ isCheck: true })` puts it right. */
  check({ signal }: { signal?: AbortSignal } = {}): Promise<DriftReport[]> {
    return this.#with(async ({ destinations, state, settings, recipe }) => {
      const { clock, process } = this.#context
      const peers = new Peers(state, { clock, process, timeoutMs: settings.workerTimeoutMs })
      const reports: DriftReport[] = []
      for (const destination of destinations) {
        await prepare(destination, recipe.model)
        const { extra, missing } = await findDrift(destination, state, { peers, now: clock.now(), ...(signal && { signal }) })
        reports.push({ destination: destination.name, extra: extra.map(({ path }) => path), missing })
      }
      return reports
    })
  }

  /** What is known of it; nothing is written, and one that never ran has done nothing. */
  async status(): Promise<VectorizerStatus> {
    const state = await this.#knownState()
    if (!state) return { name: this.name, documents: 0, failed: 0, inProgress: 0, workers: [], runs: [] }
    const [done, failed, inProgress, workers, runs] = await Promise.all([state.count('done'), state.count('failed'), state.countClaims(), state.workers(), state.runs()])
    return {
      name: this.name,
      documents: done + failed,
      failed,
      inProgress,
      workers: workers.map(({ id, host, pid, startedAt }) => ({ id, host, pid, startedAt })),
      runs: runs.map((run) => ({ ...run, report: run.report as RunReport })),
    }
  }

  /** Documents that failed, in the order they were first seen. */
  async *errors(): AsyncIterable<VectorizerError> {
    const state = await this.#knownState()
    if (!state) return
    for await (const { value } of state.all('failed')) {
      const { path, failure } = value
      if (failure) yield { path, step: failure.step, message: failure.message, attempts: failure.attempts, at: failure.at, ...(failure.retryAt !== undefined && { retryAt: failure.retryAt }) }
    }
  }

  /** Makes failed documents due now. @param paths All, where absent. @returns How many. */
  async retry(paths?: readonly string[]): Promise<number> {
    const state = await this.#knownState()
    const due: string[] = []
    if (paths) {
      const looks = await state?.look(paths)
      paths.forEach((path, i) => {
        if (!looks?.[i]!.file?.value.failure) throw new WindlassError('not-found', `${path} has not failed in vectorizer ${JSON.stringify(this.name)}: windlass errors lists what has`, { path })
        due.push(path)
      })
    } else if (state) for await (const { value } of state.all('failed')) due.push(value.path)
    for (const path of due) await state!.update(path, dueNow)
    return due.length
  }

  async #with<Value>(task: (parts: RunParts, embedding: Embedding) => Promise<Value>): Promise<Value> {
    const { declaration } = this
    const opened: { close?(): Promise<void> }[] = []
    const keep = <Part extends { close?(): Promise<void> }>(part: Part): Part => {
      opened.push(part)
      return part
    }
    try {
      const embedding = await openEmbedding(declaration.embedding, await this.#openState(), this.#context)
      const source: Source = keep(await openSource(declaration.source, { ...this.#context, vectorizer: declaration.name }))
      const destinations: Destination[] = []
      for (const each of declaration.destinations) destinations.push(keep(await openDestination(each, declaration.name, this.#context)))
      const twice = destinations.find(({ name }, i) => destinations.findIndex((other) => other.name === name) !== i)
      if (twice) throw new WindlassError('invalid', `vectorizer ${JSON.stringify(declaration.name)} names destination ${twice.name} twice`, { path: 'destinations' })
      const { processing } = declaration
      const filesAtOnce = processing.filesAtOnce ?? (declaration.embedding.provider === 'static' ? 8 : 32)
      const settings = { ...processing, filesAtOnce, retryAfterMs: parseDuration(processing.retryAfter), workerTimeoutMs: parseDuration(processing.workerTimeout) }
      return await task({ name: declaration.name, context: this.#context, source, state: await this.#openState(), destinations, recipe: makeRecipe(declaration, embedding.model), settings }, embedding)
    } finally {
      for (const part of opened) await part.close?.()
    }
  }

  async #knownState(): Promise<SyncState | null> {
    if (this.#state) return this.#state
    const door = await this.#context.knownCollection(statePrefix + this.name)
    return door && (this.#state = new SyncState(door))
  }

  async #openState(): Promise<SyncState> {
    return (this.#state ??= new SyncState(await this.#context.collection(statePrefix + this.name)))
  }
}

function prepare(destination: Destination, { dimension, name }: EmbeddingModel): Promise<void> {
  return destination.takes === 'chunks' ? destination.prepare({ dimension, model: name }) : destination.prepare()
}

function dueNow(file: FileState): FileState {
  return file.failure ? { ...file, failure: { ...file.failure, attempts: 0, retryAt: 0 } } : file
}
