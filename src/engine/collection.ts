import { startTimer } from '../base/clock.ts'
import { isWindlassError, messageOf, WindlassError } from '../base/errors.ts'
import type { CollectionSchema } from '../format/manifest.ts'
import type { Space } from '../format/record.ts'
import { Writer } from './commit/writer.ts'
import type { CollectionCore, EngineSettings } from './core.ts'
import { flush } from './maintain/flush.ts'
import { Maintenance } from './maintain/maintenance.ts'
import { merge } from './maintain/merge.ts'
import { sweep, type SweepReport } from './maintain/sweep.ts'
import { findPast, type Past } from './maintain/past.ts'
import { createSnapshot, deleteSnapshot, listSnapshots, loadSnapshot, type SnapshotInfo } from './maintain/snapshots.ts'
import { verifyCollection, type Verification } from './maintain/verify.ts'
import { PastCollection } from './past-collection.ts'
import { RowReader } from './row-reader.ts'
import type { Batch, CollectionStats, Match, QueryResult, ReadOptions, WriteResult } from './types.ts'
import type { Snapshot } from './view.ts'

/** A flush that failed is tried again by the next write; sooner it would only fail again. */
const retryAfterMs = 2000
/** How often one read may meet a sweep: each time it has slept for a grace period. */
const readsMax = 4

/** A named set of records, read and written by any number of processes at once. */
export class EngineCollection extends RowReader {
  readonly name: string
  readonly core: CollectionCore
  readonly #writer: Writer
  readonly #maintenance: Maintenance
  #flushing: Promise<boolean> | null = null
  #timer: { stop(): void } | null = null

  constructor(name: string, core: CollectionCore) {
    super(core.context.analyzerFor)
    this.name = name
    this.core = core
    this.#writer = new Writer(core, () => this.#relieve())
    this.#maintenance = new Maintenance(core)
  }

  get id(): string {
    return this.core.id
  }

  /** Whether this process knows that the collection was dropped. */
  async isEnded(): Promise<boolean> {
    return (await this.core.open()).ended !== null
  }

  /** Fields, metric and dimension as of the last look at the log. */
  async schema(): Promise<CollectionSchema> {
    return (await this.core.open()).schema
  }

  /** Writes one batch, all or nothing: durable and visible to every strong read when it resolves. */
  async write(batch: Batch, { signal }: { signal?: AbortSignal } = {}): Promise<WriteResult> {
    signal?.throwIfAborted()
    const result = await this.#writer.write(batch)
    await this.#flushWhenDue()
    return result
  }

  async stats(): Promise<CollectionStats> {
    await this.core.read()
    const view = await this.core.open()
    const { manifest } = view
    return {
      name: view.name,
      id: this.id,
      schema: view.schema,
      recordCount: view.count('records'),
      documentCount: view.count('documents'),
      segmentCount: manifest.segments.length,
      sizeBytes: manifest.segments.reduce((sum, { size }) => sum + size, 0) + view.unflushedBytes,
      manifestVersion: manifest.version,
      logSequence: view.seq,
      unflushedCommits: view.tail.length,
      unflushedBytes: view.unflushedBytes,
    }
  }

  /** Moves the unflushed log into a segment now. @returns whether there was anything to move. */
  async flush(): Promise<boolean> {
    await this.#writer.drain()
    const { seq } = await this.core.open()
    // A flush that was running already may have begun before the last of it was written.
    let hasFlushed = false
    for (let attempt = 1; attempt <= 2; attempt++) {
      hasFlushed = (await this.#flushOnce()) || hasFlushed
      if ((await this.core.open()).manifest.floor >= seq) break
    }
    return hasFlushed
  }

  /**
   * Merges segments now, if that is due. It happens by itself after flushes.
   * @param options.isForced Merges what fits one segment, due or not.
   * @returns whether segments were replaced.
   */
  async merge(options: { isForced?: boolean } = {}): Promise<boolean> {
    return merge(this.core, options)
  }

  /**
   * One visit of a sweep now: deletes what has been unnamed long enough, and notes what is unnamed now. It happens by itself.
   * @returns null when the last visit is less than a grace period ago.
   */
  async sweep(): Promise<SweepReport | null> {
    return sweep(this.core)
  }

  /** Resolves when the merging and sweeping that flushes started has ended. */
  async settle(): Promise<void> {
    await this.#flushing?.catch(() => undefined)
    await this.#maintenance.settle()
  }

  /**
   * Keeps the collection as it is now under a name: two small objects, whatever its size.
   * @param past Keeps it as it was then, as far back as history reaches.
   * @throws {WindlassError} `conflict` when there is one of this name.
   */
  async createSnapshot(name: string, past?: Past): Promise<SnapshotInfo> {
    return createSnapshot(this.core, name, past)
  }

  /** Oldest first. */
  async listSnapshots(): Promise<SnapshotInfo[]> {
    await this.core.read()
    return listSnapshots(this.core)
  }

  /** Lets a snapshot go; what only it needed goes with a later sweep. @throws {WindlassError} `not-found`. */
  async deleteSnapshot(name: string): Promise<void> {
    await this.core.read()
    await deleteSnapshot(this.core, name)
  }

  /** The collection as it was when the snapshot was made, to read. @throws {WindlassError} `not-found`. */
  async openSnapshot(name: string): Promise<PastCollection> {
    await this.core.read()
    const { holder, snapshot } = await loadSnapshot(this.core, name)
    return PastCollection.open(holder, snapshot)
  }

  /** The collection as it was at a log number or a time, to read. @throws {WindlassError} `expired` beyond what history keeps. */
  async openPast(past: Past): Promise<PastCollection> {
    await this.core.read()
    return PastCollection.open(this.core, await findPast(this.core, past))
  }

  /** Reads every object that the collection names and checks every checksum. */
  async verify(): Promise<Verification> {
    await this.core.read()
    return verifyCollection(this.core, await this.core.open())
  }

  /** Ends the log with `moved`: another collection takes this one's place. @param prepare Called with the number that the end is put at. */
  async moveTo(to: string, prepare: (seq: number) => Promise<void>): Promise<void> {
    await this.#writer.end({ kind: 'moved', to }, prepare)
  }

  /** Puts its new name into the log. @throws {WindlassError} `not-found` when it was dropped. */
  async rename(name: string): Promise<void> {
    await this.#writer.end({ kind: 'renamed', name })
    this.core.assertLive(await this.core.open())
  }

  /** Ends the log with `dropped`. */
  async drop(): Promise<void> {
    await this.#writer.end({ kind: 'dropped' })
  }

  /** Waits for writes and a running flush; flushes what has grown past half of a flush's size. */
  async close(): Promise<void> {
    this.#timer?.stop()
    await this.#writer.drain()
    await this.#flushing?.catch(() => undefined)
    // What was never looked at, nothing was written to.
    const { view } = this.core
    const { flushBytes, flushCommits } = this.core.context.settings
    try {
      if (view && !view.ended && (view.unflushedBytes > flushBytes / 2 || view.tail.length > flushCommits / 2)) await this.#flushOnce()
    } catch (error) {
      // Dropped and removed by others since the view was read: there is nothing left to flush.
      if (!isWindlassError(error, 'not-found')) throw error
    } finally {
      await this.#maintenance.settle({ isLast: true })
    }
  }

  /** Reads on a fresh view; a view whose objects were swept meanwhile is replaced (docs/protocol.md, A5). */
  protected async read<Value>(options: ReadOptions, task: (snapshot: Snapshot) => Promise<Value>): Promise<Value> {
    options.signal?.throwIfAborted()
    for (let attempt = 1; ; attempt++) {
      try {
        return await task(await this.core.read(options))
      } catch (error) {
        if (attempt === readsMax) throw error
        await this.core.renewAfter(error)
      }
    }
  }

  protected override prefetch(): void {
    for (const { segment } of this.core.view?.segments ?? []) segment.index?.prefetch()
  }

  protected override answered({ matches }: QueryResult, searchExactly: () => Promise<readonly Match[]>): void {
    this.core.context.liveRecall.offer(matches, searchExactly)
  }

  protected async countAll(space: Space): Promise<number> {
    return (await this.core.open()).count(space)
  }

  #flushOnce(): Promise<boolean> {
    this.#flushing ??= flush(this.core)
      .then((flushed) => {
        this.core.maintenanceError = null
        if (flushed) this.#maintenance.start()
        return flushed
      })
      .catch((error: unknown) => {
        this.core.maintenanceError = messageOf(error)
        throw error
      })
      .finally(() => (this.#flushing = null))
    return this.#flushing
  }

  /**
   * The writer that meets the bound flushes, so that a bucket with short-lived writers only still gets flushed (docs/protocol.md, B8).
   * @throws {WindlassError} `unavailable` when that failed; nothing was written.
   */
  async #relieve(): Promise<void> {
    let cause: unknown
    // The first may have joined a flush that began before the backlog had grown.
    for (let attempt = 1; attempt <= 2; attempt++) {
      if (!(await this.#isOverBound())) return
      try {
        await this.#flushOnce()
      } catch (error) {
        cause = error
      }
    }
    if (!(await this.#isOverBound())) return
    const { name, unflushedBytes, tail } = await this.core.open()
    const { unflushedBytesMax, unflushedCommitsMax } = this.core.context.settings
    const why = cause === undefined ? 'others replace the manifest all the time' : messageOf(cause)
    throw new WindlassError(
      'unavailable',
      `collection ${JSON.stringify(name)} has ${tail.length} commits of ${unflushedBytes} bytes to flush, at most ${unflushedCommitsMax} of ${unflushedBytesMax}, and flushing failed (${why}): retry later`,
      { key: this.core.prefix, retryAfterMs, cause },
    )
  }

  async #isOverBound(): Promise<boolean> {
    const view = await this.core.open()
    const { unflushedBytesMax, unflushedCommitsMax } = this.core.context.settings
    return !view.ended && (view.unflushedBytes >= unflushedBytesMax || view.tail.length >= unflushedCommitsMax)
  }

  async #flushWhenDue(): Promise<void> {
    const view = await this.core.open()
    const { settings } = this.core.context
    if (isFlushDue(view, settings)) {
      void this.#flushOnce().catch(() => undefined)
      return
    }
    // At most one timer follows the last write; an idle collection has nothing due (C4).
    this.#timer ??= startTimer(settings.flushAgeMs, () => {
      this.#timer = null
      void this.#flushOnce().catch(() => undefined)
    })
  }
}

/** How far beyond its size a flush may be late before others than the writer who made it due begin it too. */
const lateness = 1.5

/**
 * Whether this process should flush: its last commit made the backlog due, or whose did has not done it. All who write see the same
 * backlog; if each of them flushed it, all but one would have worked for nothing.
 */
function isFlushDue({ unflushedBytes, tail }: { unflushedBytes: number; tail: readonly { readonly sizeBytes: number }[] }, { flushBytes, flushCommits }: EngineSettings): boolean {
  const sizeBefore = unflushedBytes - (tail.at(-1)?.sizeBytes ?? 0)
  const hasCrossed = (unflushedBytes > flushBytes && sizeBefore <= flushBytes) || tail.length === flushCommits + 1
  return hasCrossed || unflushedBytes > flushBytes * lateness || tail.length > flushCommits * lateness
}
