import { startTimer } from '../base/clock.ts'
import { messageOf, WindlassError, isWindlassError } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import type { CollectionSchema } from '../format/manifest.ts'
import type { Space } from '../format/record.ts'
import { Writer } from './commit/writer.ts'
import type { CollectionCore } from './core.ts'
import { flush } from './maintain/flush.ts'
import { Maintenance } from './maintain/maintenance.ts'
import { merge } from './maintain/merge.ts'
import { sweep, type SweepReport } from './maintain/sweep.ts'
import { verifyCollection, type Verification } from './maintain/verify.ts'
import type { Filter } from './query/filter.ts'
import { countRows, listRows } from './query/list.ts'
import { findRows, readRows } from './query/rows.ts'
import { search } from './query/search.ts'
import type { Batch, CollectionStats, Include, ListOptions, ListPage, QueryOptions, QueryResult, ReadOptions, RowView, WriteResult } from './types.ts'
import { checkKey } from './validate.ts'
import type { Snapshot } from './view.ts'

/** A flush that failed is tried again by the next write; sooner it would only fail again. */
const retryAfterMs = 2000

/** A named set of records, read and written by any number of processes at once. */
export class EngineCollection {
  readonly name: string
  readonly core: CollectionCore
  readonly #writer: Writer
  readonly #maintenance: Maintenance
  #flushing: Promise<boolean> | null = null
  #timer: { stop(): void } | null = null

  constructor(name: string, core: CollectionCore) {
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

  /** In the order asked; null where a key is absent. */
  async get(keys: readonly string[], options: ReadOptions & { include?: Include; space?: Space } = {}): Promise<(RowView | null)[]> {
    if (keys.length > limits.queryResultsMax) {
      throw new WindlassError('too-large', `get asks for ${keys.length} keys, at most ${limits.queryResultsMax}`, { path: 'keys' })
    }
    for (const key of keys) checkKey(key)
    return this.#read(options, async (snapshot) => {
      const refs = await findRows(snapshot, options.space ?? 'records', keys)
      const present = refs.filter((ref) => ref !== null)
      const rows = await readRows(present, options.include ?? {})
      let next = 0
      return refs.map((ref) => (ref === null ? null : rows[next++]!))
    })
  }

  /** Rows in the order they were first inserted. */
  async list(options: ListOptions = {}): Promise<ListPage> {
    return this.#read(options, (snapshot) => listRows(snapshot, options))
  }

  /** Nearest rows, best BM25 rows, or both fused. */
  async query(options: QueryOptions): Promise<QueryResult> {
    return this.#read(options, (snapshot) => search(snapshot, options, this.core.context.analyzerFor))
  }

  /** How many live rows there are; without a filter it reads no segment. */
  async count(options: ReadOptions & { filter?: Filter; space?: Space } = {}): Promise<number> {
    const space = options.space ?? 'records'
    return this.#read(options, async (snapshot) => {
      if (options.filter) return countRows(snapshot, space, options.filter)
      return (await this.core.open()).count(space)
    })
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
    return this.#flushOnce()
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

  /** Reads every object that the collection names and checks every checksum. */
  async verify(): Promise<Verification> {
    await this.core.read()
    return verifyCollection(this.core, await this.core.open())
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
    const view = await this.core.open()
    const { flushBytes, flushCommits } = this.core.context.settings
    if (!view.ended && (view.unflushedBytes > flushBytes / 2 || view.tail.length > flushCommits / 2)) await this.#flushOnce()
    await this.#maintenance.settle({ isLast: true })
  }

  /** Reads on a fresh view; a view whose objects were swept meanwhile is replaced, once (docs/protocol.md, A5). */
  async #read<Value>(options: ReadOptions, task: (snapshot: Snapshot) => Promise<Value>): Promise<Value> {
    options.signal?.throwIfAborted()
    try {
      return await task(await this.core.read(options))
    } catch (error) {
      if (!isWindlassError(error, 'expired')) throw error
      await this.core.reload()
      return task(await this.core.read(options)).catch((again: unknown) => {
        if (!isWindlassError(again, 'expired') || again.details.key !== error.details.key) throw again
        // The view is new now, and names it still.
        throw new WindlassError('corrupt', `${messageOf(again)}, and the newest manifest names it: restore it from a copy of the bucket`, { ...again.details, cause: again })
      })
    }
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
    if (view.unflushedBytes > settings.flushBytes || view.tail.length > settings.flushCommits) {
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
