import { isWindlassError, messageOf, throwIfAborted, WindlassError } from '../../../base/errors.ts'
import type { EmbeddingModel } from '../../../embed/embedding-model.ts'
import { OpenAiModel } from '../../../embed/openai-model.ts'
import type { Database, Sql } from '../database.ts'
import type { Column } from '../source-table.ts'
import type { UriReader } from '../uri-reader.ts'
import { loadRow, readRows, RowFailure } from './load-row.ts'
import type { PgaiVectorizer } from './pgai-vectorizer.ts'
import { forgetFailures, noteError, putBack, setAside, takeRows, type QueuedRow, type RetryColumns } from './queue.ts'
import { noteLoaded, readChunks, readStored, removeRows, storeChunks, type RowChunks } from './stored-chunks.ts'

export interface BatchParts {
  readonly database: Database
  readonly vectorizer: PgaiVectorizer
  readonly model: EmbeddingModel
  readonly uris: UriReader
  /** All columns of the source. */
  readonly columns: readonly Column[]
  readonly retryColumns: RetryColumns
  readonly rowsMax: number
  readonly signal?: AbortSignal
}

/** What a batch did. */
export interface BatchReport {
  /** Taken off the queue; 0 when there was nothing to do, or others are at all of it. */
  taken: number
  embeddedRows: number
  unchangedRows: number
  removedRows: number
  failedRows: number
  chunksEmbedded: number
  chunksReused: number
}

/** A row's new texts, and vectors of those that were stored before. */
interface Draft {
  readonly row: QueuedRow
  readonly texts: readonly string[]
  readonly known: ReadonlyMap<string, Float32Array>
  readonly revision: string
}

/**
 * Takes rows off the queue, brings their chunks up to date, and commits both together: killed in the middle, it leaves the queue as it
 * was. A row that fails is put back or set aside, and the others go on.
 * @throws {WindlassError} what is about no single row: a model or database that cannot be reached.
 */
export async function processBatch(parts: BatchParts): Promise<BatchReport> {
  const report: BatchReport = { taken: 0, embeddedRows: 0, unchangedRows: 0, removedRows: 0, failedRows: 0, chunksEmbedded: 0, chunksReused: 0 }
  await parts.database.transaction(async (sql) => {
    const rows = await takeRows(sql, parts.vectorizer, parts.retryColumns, parts.rowsMax)
    report.taken = rows.length
    if (rows.length > 0) await processRows(sql, rows, parts, report)
  })
  return report
}

async function processRows(sql: Sql, rows: readonly QueuedRow[], parts: BatchParts, report: BatchReport): Promise<void> {
  const { vectorizer, uris, columns, signal } = parts
  const found = new Map((await readRows(sql, vectorizer, rows, columns)).map((row) => [row.path, row]))
  const gone = rows.filter(({ path }) => !found.has(path))
  await removeRows(sql, vectorizer, gone)
  report.removedRows += gone.length
  const stored = await readStored(sql, vectorizer, rows)
  const drafts: Draft[] = []
  const same: QueuedRow[] = [...gone]
  for (const row of rows) {
    const source = found.get(row.path)
    if (!source) continue
    throwIfAborted(signal)
    try {
      const before = stored.get(row.path)!
      const loaded = await loadRow(source, vectorizer.config, { uris, knownRevision: before.revision, ...(signal && { signal }) })
      if (loaded.kind === 'unchanged') {
        same.push(row)
        report.unchangedRows++
        continue
      }
      const { texts, vectors } = await readChunks(sql, vectorizer, row, before)
      if (vectorizer.config.destination.implementation === 'table' && sameTexts(texts, loaded.texts)) {
        // Embedded by pgai, or loaded from another place, or touched: the chunks are what they would become.
        await noteLoaded(sql, vectorizer, [{ row, texts, revision: loaded.revision }])
        same.push(row)
        report.unchangedRows++
      } else drafts.push({ row, texts: loaded.texts, known: vectors, revision: loaded.revision })
    } catch (error) {
      if (!(error instanceof RowFailure)) throw error
      await failRow(sql, row, error, parts, report)
    }
  }
  const ready = await embedDrafts(sql, drafts, parts, report)
  const done = await storeRows(sql, ready, parts, report)
  report.embeddedRows += done.length
  await forgetFailures(sql, vectorizer, [...same, ...done.map(({ row }) => row)])
}

/** Embeds the texts of all drafts at once; a text that the model refuses fails its row. */
async function embedDrafts(sql: Sql, drafts: readonly Draft[], parts: BatchParts, report: BatchReport): Promise<RowChunks[]> {
  const { model, signal } = parts
  const fresh = [...new Set(drafts.flatMap(({ texts, known }) => texts.filter((text) => !known.has(text))))]
  const options = { kind: 'document' as const, ...(signal && { signal }) }
  const embed = () => (model instanceof OpenAiModel ? model.embedEach(fresh, options) : model.embed(fresh, options))
  const outcomes = await embed().catch(async (error: unknown) => {
    if (!isWindlassError(error, 'invalid')) throw error
    // Refused for a reason that we do not know. If the model takes this word, then it is about one of the texts, and is told with that.
    await model.embed(['windlass'], options)
    return embed()
  })
  const made = new Map(fresh.map((text, i) => [text, outcomes[i]!]))
  const ready: RowChunks[] = []
  for (const { row, texts, known, revision } of drafts) {
    const vectors = texts.map((text) => known.get(text) ?? made.get(text)!)
    const failure = vectors.find((vector) => vector instanceof WindlassError)
    if (failure) await failRow(sql, row, new RowFailure('embedding', failure), parts, report)
    else ready.push({ row, texts, revision, vectors: vectors as Float32Array[] })
    report.chunksReused += texts.filter((text) => known.has(text)).length
  }
  report.chunksEmbedded += fresh.length
  return ready
}

/** Stores all at once; where that fails one by one, so that a row that the target refuses does not hold up the others. */
async function storeRows(sql: Sql, ready: readonly RowChunks[], parts: BatchParts, report: BatchReport): Promise<readonly RowChunks[]> {
  if (ready.length === 0) return []
  const failure = await attempt(sql, () => storeChunks(sql, parts.vectorizer, ready))
  if (!failure) return ready
  const done: RowChunks[] = []
  for (const each of ready) {
    const own = ready.length === 1 ? failure : await attempt(sql, () => storeChunks(sql, parts.vectorizer, [each]))
    if (own) await failRow(sql, each.row, new RowFailure('storing', own), parts, report)
    else done.push(each)
  }
  return done
}

/** Runs `task`, and takes back what it did where the database refused it. @returns why, or null. */
async function attempt(sql: Sql, task: () => Promise<void>): Promise<WindlassError | null> {
  await sql.query('savepoint storing')
  try {
    await task()
    await sql.query('release savepoint storing')
    return null
  } catch (error) {
    // Not about the rows: the whole batch goes back into the queue.
    if (!isWindlassError(error) || isWindlassError(error, 'unavailable', 'denied', 'unauthenticated', 'storage-full', 'not-found', 'cancelled')) throw error
    await sql.query('rollback to savepoint storing')
    return error
  }
}

async function failRow(sql: Sql, row: QueuedRow, failure: RowFailure, { vectorizer, retryColumns }: BatchParts, report: BatchReport): Promise<void> {
  const { loading, parsing, embedding } = vectorizer.config
  const isRetried = failure.isRetryable && row.retries < loading.retries
  const provider = { loading: { loader: loading.implementation }, parsing: { parser: parsing.implementation }, embedding: { provider: embedding.implementation } } as Record<string, Record<string, string>>
  const key = Object.fromEntries(vectorizer.key.map(({ name }, i) => [name, row.key[i]]))
  const kind = isWindlassError(failure.cause) ? failure.cause.kind : 'unknown'
  await noteError(sql, vectorizer, `${failure.step} failed`, { ...provider[failure.step], key, kind, error_reason: messageOf(failure), is_retryable: isRetried, ...(failure.step === 'loading' && { attempts: row.retries + 1 }) })
  if (isRetried) await putBack(sql, vectorizer, retryColumns, row)
  else await setAside(sql, vectorizer, row, failure.step)
  report.failedRows++
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i])
}
