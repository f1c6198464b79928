import { isWindlassError, messageOf, throwIfAborted, WindlassError } from '../../../base/errors.ts'
import { newNonce } from '../../../base/random.ts'
import type { EmbeddingModel } from '../../../embed/embedding-model.ts'
import type { Database } from '../database.ts'
import { describeTable } from '../source-table.ts'
import type { UriReader } from '../uri-reader.ts'
import { openModel, type ModelContext } from './open-model.ts'
import { readVectorizers, type PgaiVectorizer } from './pgai-vectorizer.ts'
import { processBatch, type BatchReport } from './process-batch.ts'
import { noteError, retryColumns } from './queue.ts'
import { makeVectorIndex } from './vector-index.ts'

export interface PgaiWorkerOptions extends ModelContext {
  readonly database: Database
  readonly uris: UriReader
  readonly version: string
  /** Only these; all, where empty. */
  readonly ids?: readonly number[]
  /** Batches at once of each vectorizer; default: what it asks for itself, or 1. */
  readonly concurrency?: number
  readonly pollIntervalMs?: number
  readonly onReport?: (vectorizer: PgaiVectorizer, report: WorkReport) => void
  readonly onError?: (name: string, error: unknown) => void
}

/** What was done of one vectorizer. */
export type WorkReport = BatchReport

/** A batch of rows is one transaction; pgai's own numbers. */
const batchRowsDefault = { column: 50, uri: 1 }
const pollIntervalDefaultMs = 300_000
const pauseMaxMs = 30_000

/** Does what the vectorizers of a database's schema `ai` ask for. Any number of workers may do so at once. */
export class PgaiWorker {
  readonly #options: PgaiWorkerOptions
  readonly #models = new Map<string, Promise<EmbeddingModel>>()
  readonly #id: string

  constructor(options: PgaiWorkerOptions) {
    this.#options = options
    const nonce = newNonce(options.random)
    this.#id = nonce.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-8$4-$5')
  }

  /**
   * Empties every queue once.
   * @returns the sum, and the first error of a vectorizer that could not go on; the others went on.
   * @throws {WindlassError} `not-found` where there is no schema `ai`, `unavailable` when the database cannot be reached.
   */
  async runOnce(signal?: AbortSignal): Promise<{ report: WorkReport; error: unknown }> {
    const { database, ids = [] } = this.#options
    await this.#beat()
    const vectorizers = await readVectorizers(database, ids).catch((error: unknown) => {
      throw isWindlassError(error, 'not-found') ? new WindlassError('not-found', `${database.description} has no vectorizers: run windlass postgres install --pgai first`, { cause: error }) : error
    })
    const total = emptyReport()
    let first: unknown
    for (const vectorizer of vectorizers) {
      throwIfAborted(signal)
      try {
        if ('error' in vectorizer) throw vectorizer.error
        add(total, await this.#workOff(vectorizer, signal))
      } catch (error) {
        if (isWindlassError(error, 'cancelled')) throw error
        first ??= error
        await this.#tellError(vectorizer, error)
      }
    }
    return { report: total, error: first }
  }

  /** Empties the queues again and again until the signal says to stop; what cannot be reached is waited for. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, pollIntervalMs = pollIntervalDefaultMs, onError } = this.#options
    let failures = 0
    while (!signal.aborted) {
      let pauseMs = pollIntervalMs
      try {
        const { error } = await this.runOnce(signal)
        failures = error === undefined ? 0 : failures + 1
        if (isWindlassError(error, 'unavailable')) pauseMs = Math.min(pauseMs, pauseFor(failures, random.next()))
      } catch (error) {
        if (isWindlassError(error, 'cancelled')) return
        if (!isWindlassError(error, 'unavailable', 'conflict')) throw error
        failures++
        onError?.('worker', error)
        pauseMs = Math.min(pauseMs, pauseFor(failures, random.next()))
      }
      await clock.sleep(pauseMs, signal).catch(() => undefined)
    }
  }

  async #workOff(vectorizer: PgaiVectorizer, signal: AbortSignal | undefined): Promise<WorkReport> {
    const { database, uris, concurrency, onReport } = this.#options
    const { loading, processing, embedding } = vectorizer.config
    const total = emptyReport()
    const model = await this.#model(vectorizer)
    if (model.dimension !== embedding.dimensions) throw new WindlassError('invalid', `vectorizer ${vectorizer.name} wants ${embedding.dimensions} dimensions, and ${model.name} makes ${model.dimension}`, { path: 'embedding.dimensions' })
    const parts = {
      database,
      vectorizer,
      model,
      uris,
      columns: (await describeTable(database, vectorizer.source)).columns,
      retryColumns: await retryColumns(database, vectorizer),
      rowsMax: Math.min(2048, Math.max(1, processing.batch_size ?? batchRowsDefault[loading.implementation])),
      ...(signal && { signal }),
    }
    let isStopping = false
    const work = async () => {
      try {
        while (!isStopping) {
          throwIfAborted(signal)
          const report = await processBatch(parts)
          if (report.taken === 0) return
          add(total, report)
          await this.#noteProgress(vectorizer, report)
        }
      } catch (error) {
        isStopping = true
        throw error
      }
    }
    const ends = await Promise.allSettled(Array.from({ length: concurrency ?? processing.concurrency ?? 1 }, work))
    if (total.taken > 0) onReport?.(vectorizer, total)
    for (const end of ends) if (end.status === 'rejected') throw end.reason
    await makeVectorIndex(database, vectorizer)
    return total
  }

  #model({ config }: PgaiVectorizer): Promise<EmbeddingModel> {
    const name = JSON.stringify(config.embedding)
    let opening = this.#models.get(name)
    if (!opening) {
      opening = openModel(config.embedding, this.#options)
      this.#models.set(name, opening)
      opening.catch(() => this.#models.delete(name))
    }
    return opening
  }

  /** Told to whoever started us, and to whoever asks `ai.vectorizer_errors`. */
  async #tellError(vectorizer: { id: number; name?: string }, error: unknown): Promise<void> {
    const { database, onError } = this.#options
    onError?.(vectorizer.name ?? String(vectorizer.id), error)
    const message = messageOf(error)
    await noteError(database, vectorizer, 'vectorizer could not go on', { error_reason: message, kind: isWindlassError(error) ? error.kind : 'unknown' }).catch(() => undefined)
    await database
      .query(
        `insert into ai.vectorizer_worker_progress (vectorizer_id, error_count, last_error_at, last_error_message, last_error_process_id) values ($1, 1, now(), $2, $3)
         on conflict (vectorizer_id) do update set error_count = vectorizer_worker_progress.error_count + 1, last_error_at = now(), last_error_message = $2, last_error_process_id = $3`,
        [vectorizer.id, message, this.#id],
      )
      .catch(() => undefined)
  }

  // What workers tell of themselves is for people: an older schema has no place for it, and a role may lack the right.

  async #beat(): Promise<void> {
    const { database, version, pollIntervalMs = pollIntervalDefaultMs } = this.#options
    await database
      .query(
        `insert into ai.vectorizer_worker_process (id, version, expected_heartbeat_interval) values ($1, $2, make_interval(secs => $3))
         on conflict (id) do update set last_heartbeat = now(), heartbeat_count = vectorizer_worker_process.heartbeat_count + 1`,
        [this.#id, `windlass ${version}`, pollIntervalMs / 1000],
      )
      .catch(() => undefined)
  }

  async #noteProgress({ id }: PgaiVectorizer, { embeddedRows, unchangedRows, removedRows, failedRows }: WorkReport): Promise<void> {
    await this.#options.database
      .query(
        `insert into ai.vectorizer_worker_progress (vectorizer_id, success_count, error_count, last_success_at, last_success_process_id) values ($1, $2, $3, now(), $4)
         on conflict (vectorizer_id) do update set success_count = vectorizer_worker_progress.success_count + $2,
           error_count = vectorizer_worker_progress.error_count + $3, last_success_at = now(), last_success_process_id = $4`,
        [id, embeddedRows + unchangedRows + removedRows, failedRows, this.#id],
      )
      .catch(() => undefined)
  }
}

/** From a quarter of a second to half a minute, half of it by chance. */
function pauseFor(failures: number, chance: number): number {
  return Math.min(pauseMaxMs, 250 * 2 ** failures) * (0.5 + chance / 2)
}

function emptyReport(): WorkReport {
  return { taken: 0, embeddedRows: 0, unchangedRows: 0, removedRows: 0, failedRows: 0, chunksEmbedded: 0, chunksReused: 0 }
}

function add(total: WorkReport, more: WorkReport): void {
  for (const name of Object.keys(more) as (keyof WorkReport)[]) total[name] += more[name]
}
