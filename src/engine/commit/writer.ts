import { isWindlassError, messageOf, WindlassError } from '../../base/errors.ts'
import { limits } from '../../base/limits.ts'
import { newNonce } from '../../base/random.ts'
import { decodeLogRecord, encodeLogRecord, logKey, type LogEvent, type LogRecord } from '../../format/log-record.ts'
import { isExpired, type CollectionCore } from '../core.ts'
import { Lane } from '../lane.ts'
import type { Batch, WriteResult } from '../types.ts'
import { checkBatch } from '../validate.ts'
import { loadManifest } from './manifest-object.ts'
import { ageMs, type Moment } from './moment.ts'
import { takeBack } from './next-manifest.ts'
import { Resolver, type ResolvedBatch } from './resolve.ts'

interface QueuedBatch {
  readonly batch: Batch
  readonly sizeBytes: number
  resolve(result: WriteResult): void
  reject(error: unknown): void
}

/** A commit as it is put, and put again: the same bytes to the same number. */
interface Attempt {
  readonly record: LogRecord
  readonly bytes: Uint8Array
  /** When the view that it was resolved on was verified: a later look at the store does not make it younger. */
  readonly basis: Moment | null
}

interface Commit extends Attempt {
  readonly done: readonly { queued: QueuedBatch; result: ResolvedBatch }[]
  readonly failed: readonly { queued: QueuedBatch; error: unknown }[]
}

const ambiguousRetriesMax = 6

/**
 * Makes batches durable: one put of the next log number holds all batches that wait (group commit).
 *
 * One put is in flight a process and collection; number n + 1 is never tried before n is known to exist (B3).
 * Who loses a number reads what won, resolves again and takes the next: no lock, no leader, no listing.
 */
export class Writer {
  readonly #core: CollectionCore
  /** Called before a commit when the unflushed log has outgrown its bound. */
  readonly #relieve: () => Promise<void>
  /** Who puts, puts alone (B3). */
  readonly #turns = new Lane()
  #queue: QueuedBatch[] = []
  #running: Promise<void> | null = null
  /** A commit whose outcome is unknown: nothing else is put until its number is seen taken (B2). */
  #unsettled: Attempt | null = null

  constructor(core: CollectionCore, relieve: () => Promise<void>) {
    this.#core = core
    this.#relieve = relieve
  }

  /** Resolves when the batch is durable. @throws {WindlassError} when nothing of it was written, or `outcome-unknown`. */
  async write(batch: Batch): Promise<WriteResult> {
    const sizeBytes = checkBatch(batch)
    return new Promise<WriteResult>((resolve, reject) => {
      this.#queue.push({ batch, sizeBytes, resolve, reject })
      this.#start()
    })
  }

  /** Resolves when nothing waits. */
  async drain(): Promise<void> {
    while (this.#running) await this.#running
  }

  /** Ends the log: nothing is ever put after `event`. @param prepare Called before each try, with the number it goes to. */
  async end(event: LogEvent, prepare: (seq: number) => Promise<void> = async () => undefined): Promise<void> {
    await this.drain()
    await this.#turns.run(async () => {
      for (;;) {
        await this.#settle()
        await this.#core.refresh()
        await this.#takeBack()
        const view = await this.#core.open()
        if (view.ended) return
        // The view goes on while `prepare` works, perhaps past another's end: the number is the one that was looked at and prepared.
        const seq = view.seq + 1
        const basis = this.#core.verified
        await prepare(seq)
        if (!basis || ageMs(basis, this.#core.context.clock) > this.#core.context.settings.graceMs / 4) continue
        const record = this.#newRecord(seq, [], event)
        if (await this.#put({ record, bytes: encodeLogRecord(record), basis })) return
      }
    })
  }

  #start(): void {
    if (this.#running) return
    this.#running = this.#run().finally(() => {
      this.#running = null
      if (this.#queue.length > 0) this.#start()
    })
  }

  async #run(): Promise<void> {
    // Let everything that was written in this turn of the event loop share the first commit.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const group = this.#takeGroup()
      try {
        await this.#turns.run(() => this.#commitGroup(group))
      } catch (error) {
        for (const queued of group) queued.reject(error)
      }
    }
  }

  async #takeBack(): Promise<void> {
    const core = this.#core
    if (!core.view?.manifest.abandoned) return
    await core.manifestLane.run(() => takeBack(core.context, core.id))
    await core.reload()
  }

  #takeGroup(): QueuedBatch[] {
    let size = 0
    let count = 0
    for (const { sizeBytes } of this.#queue) {
      if (count > 0 && size + sizeBytes > limits.commitBytesMax / 2) break
      size += sizeBytes
      count++
    }
    return this.#queue.splice(0, count)
  }

  async #commitGroup(group: QueuedBatch[]): Promise<void> {
    const core = this.#core
    const { settings } = core.context
    await core.open()
    await this.#settle()
    await this.#takeBack()
    await this.#relieve()
    let fresh = false
    for (;;) {
      // A writer whose view is old could create a number that was swept: it looks again before it puts (B1).
      if (core.isSuspect || core.viewAgeMs() > settings.graceMs / 4) {
        await core.refresh()
        fresh = true
      }
      const commit = await this.#resolveGroup(group).catch((error: unknown) => core.renewAfter(error))
      if (!commit) continue
      if (commit.basis === null) {
        await core.refresh()
        continue
      }
      if (commit.record.batches.length === 0 && commit.record.event === null) {
        // No put proves the view, so the outcome is only as true as the last look.
        if (fresh) return settleAll(commit, commit.record.seq - 1)
        await core.refresh()
        fresh = true
        continue
      }
      if (await this.#put(commit)) return settleAll(commit, commit.record.seq)
      await core.refresh()
      fresh = true
    }
  }

  /** Resolves every batch at the next number. Batches that fail, or change nothing, are not in the record. */
  async #resolveGroup(group: QueuedBatch[]): Promise<Commit> {
    const core = this.#core
    return core.lane.run(async () => {
      const view = await this.#currentView()
      const basis = core.verified
      const seq = view.seq + 1
      const resolver = new Resolver(view.snapshot(), seq)
      const done: Commit['done'][number][] = []
      const failed: Commit['failed'][number][] = []
      for (const queued of group) {
        try {
          done.push({ queued, result: await resolver.resolve(queued.batch) })
        } catch (error) {
          // Not the batch is wrong: the view is old.
          if (isExpired(error)) throw error
          failed.push({ queued, error })
        }
      }
      const batches = done.filter(({ result }) => result.effects.length > 0).map(({ result }) => ({ effects: result.effects }))
      const event = resolver.schema === view.schema ? null : ({ kind: 'schema', schema: resolver.schema } as const)
      const record = this.#newRecord(seq, batches, event)
      return { record, bytes: encodeLogRecord(record), basis, done, failed }
    })
  }

  async #currentView() {
    const view = await this.#core.openInLane()
    this.#core.assertLive(view)
    return view
  }

  #newRecord(seq: number, batches: LogRecord['batches'], event: LogEvent | null): LogRecord {
    const { clock, random } = this.#core.context
    return { seq, collectionId: this.#core.id, nonce: newNonce(random), writtenAt: clock.now(), batches, event }
  }

  /**
   * Puts one commit. @returns whether it stands; false when another commit has the number.
   * @throws {WindlassError} `outcome-unknown` when neither could be learnt.
   */
  async #put(attempt: Attempt): Promise<boolean> {
    const { store, clock, settings, random } = this.#core.context
    const { record, bytes } = attempt
    const key = this.#core.prefix + logKey(record.seq)
    this.#unsettled = attempt
    for (let tries = 1; ; tries++) {
      try {
        const { date } = await store.put(key, bytes, { condition: { ifAbsent: true } })
        await this.#acknowledge(attempt, date)
        return true
      } catch (error) {
        // What was wrong may have been the end of the bucket: before the next put somebody looks again.
        if (!isWindlassError(error, 'conflict')) this.#core.distrust()
        if (isWindlassError(error, 'conflict')) {
          const isOurs = await this.#lookWhoWon(attempt, key)
          if (isOurs !== null) return isOurs
        } else if (this.#unsettled === null) throw error
        else if (!isWindlassError(error, 'unavailable', 'outcome-unknown')) {
          this.#unsettled = null
          throw error
        }
        if (tries >= ambiguousRetriesMax || this.#ageOf(attempt) > settings.graceMs / 4) throw unknownOutcome(store.url, key, error)
        // Only the same bytes may go to this number again; if the first try arrived, this one answers `conflict`.
        const hintMs = isWindlassError(error) ? (error.details.retryAfterMs ?? 0) : 0
        await clock.sleep(Math.max(hintMs, random.next() * Math.min(5000, 50 * 2 ** tries)))
      }
    }
  }

  /**
   * A lost condition may be our own success whose answer went astray, also on the first try: the nonce tells (B2).
   * @returns null when nobody has the number: an earlier try of ours may still arrive, so nothing else may go there.
   */
  async #lookWhoWon(attempt: Attempt, key: string): Promise<boolean | null> {
    const { store, settings } = this.#core.context
    const { record } = attempt
    const look = () =>
      store.get(key, { fresh: true }).catch((error: unknown) => {
        throw unknownOutcome(store.url, key, error)
      })
    let answer = await look()
    if (answer.kind !== 'found') {
      if ((await this.#floor(key)) < record.seq) return null
      // An earlier try of ours may have arrived, and been flushed, between the two answers.
      answer = await look()
    }
    if (answer.kind === 'found') {
      const winner = decodeLogRecord(answer.bytes, key, record.seq)
      if (winner.nonce === record.nonce) {
        await this.#acknowledge(attempt, answer.date)
        return true
      }
      this.#unsettled = null
      // Or it was ours, was flushed and swept while this process slept, and who sleeps longer still put another there.
      if (this.#ageOf(attempt, answer.date) > settings.graceMs / 2 && (await this.#floor(key)) >= record.seq) throw afterLongPause(record, key)
      return false
    }
    // Taken, and swept since. What was sent less than half a grace period ago cannot be what was swept.
    this.#unsettled = null
    if (this.#ageOf(attempt, answer.date) > settings.graceMs / 2) throw afterLongPause(record, key)
    return false
  }

  /** The floor as it is now, for who has to know whether `key` still counts. @throws {WindlassError} `outcome-unknown`. */
  async #floor(key: string): Promise<number> {
    const { store } = this.#core.context
    const { manifest } = await loadManifest(store, this.#core.prefix).catch((error: unknown) => {
      throw unknownOutcome(store.url, key, error)
    })
    return manifest.floor
  }

  /** The object stands. Is its place still above the floor, or did it fall on a swept number? */
  async #acknowledge(attempt: Attempt, storeDate: number | undefined): Promise<void> {
    const core = this.#core
    const { settings } = core.context
    const { record, bytes } = attempt
    const key = core.prefix + logKey(record.seq)
    // A store that does not tell its time gets the check after every put (docs/protocol.md, "Fences").
    if (storeDate === undefined || this.#ageOf(attempt, storeDate) > settings.graceMs / 2) {
      if ((await this.#floor(key)) >= record.seq) {
        this.#unsettled = null
        throw afterLongPause(record, key)
      }
    }
    this.#unsettled = null
    // Decoded, not taken from the caller: what is in memory is what is in the bucket, and nobody else holds it.
    const written = decodeLogRecord(bytes, key, record.seq)
    await core.lane.run(() => core.applyOwn({ record: written, sizeBytes: bytes.length }))
  }

  /** Age of the view that a commit was resolved on, by every clock there is. */
  #ageOf({ basis }: Attempt, storeDate?: number): number {
    return basis ? ageMs(basis, this.#core.context.clock, storeDate) : Infinity
  }

  /** Learns the outcome of the commit that was left open, by putting the same bytes to the same number again. */
  async #settle(): Promise<void> {
    const open = this.#unsettled
    if (!open) return
    try {
      await this.#put(open)
    } catch (error) {
      // Its own client was told long ago. What counts here is that its number is taken now, or was swept.
      if (this.#unsettled) throw error
    }
    await this.#core.refresh()
  }
}

function settleAll(commit: Commit, seq: number): void {
  for (const { queued, result } of commit.done) {
    const { putCount, deletedCount, skippedCount } = result
    queued.resolve({ seq, putCount, deletedCount, skippedCount })
  }
  for (const { queued, error } of commit.failed) queued.reject(error)
}

function afterLongPause({ seq, collectionId }: LogRecord, key: string): WindlassError {
  return new WindlassError('outcome-unknown', `log ${seq} of ${collectionId} was written after a long pause, and may lie below what was swept: read before you repeat the write`, { key })
}

function unknownOutcome(url: string, key: string, cause: unknown): WindlassError {
  return new WindlassError('outcome-unknown', `${url}: ${key} may or may not have been written: ${messageOf(cause)}; read before you repeat the write`, { key, cause })
}
