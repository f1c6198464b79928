import type { Sql } from '../database.ts'
import { ident, tableIdent } from '../identifiers.ts'
import { keyExpression, keysMatch, keysTable, keysValues } from '../source-table.ts'
import type { PgaiVectorizer } from './pgai-vectorizer.ts'

/** A row of the source that waits to be embedded. */
export interface QueuedRow {
  /** The primary key as one text: see `keyExpression`. */
  readonly path: string
  readonly key: readonly string[]
  /** Attempts so far that failed to load it. */
  readonly retries: number
}

/** Names of the columns for retries: pgai renamed them. */
export interface RetryColumns {
  readonly count: string
  readonly after: string
}

/** How the queue of a vectorizer names its columns for retries. */
export async function retryColumns(sql: Sql, { queue }: PgaiVectorizer): Promise<RetryColumns> {
  const rows = await sql.query<{ name: string }>(
    `select a.attname::text as name from pg_attribute a
     where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped and a.attname in ('attempts', 'loading_retries')`,
    [tableIdent(queue)],
  )
  return rows.some(({ name }) => name === 'attempts') ? { count: 'attempts', after: 'retry_after' } : { count: 'loading_retries', after: 'loading_retry_after' }
}

/**
 * Takes up to `rowsMax` rows off the queue, within a transaction that stores what becomes of them: if it fails, they are in the queue as
 * before. Workers do not wait for each other. What another one is embedding is left to it: whatever was queued meanwhile stays queued.
 */
export async function takeRows(sql: Sql, vectorizer: PgaiVectorizer, columns: RetryColumns, rowsMax: number): Promise<QueuedRow[]> {
  const queue = tableIdent(vectorizer.queue)
  const keys = vectorizer.key.map(({ name }, i) => `q.${ident(name)}::text as k${i}`).join(', ')
  const picked = await sql.query<{ path: string; retries: number; [key: string]: unknown }>(
    `select ${keyExpression(vectorizer, 'q')} as path, ${keys}, q.${ident(columns.count)} as retries from ${queue} q
     where q.${ident(columns.after)} is null or q.${ident(columns.after)} <= now()
     limit $1 for update skip locked`,
    [rowsMax],
  )
  const rows = new Map<string, QueuedRow>()
  for (const { path, retries, ...values } of picked) {
    const known = rows.get(path)
    if (!known || known.retries < retries) rows.set(path, { path, retries, key: vectorizer.key.map((_, i) => String(values[`k${i}`])) })
  }
  // In one order, so that two workers with the same keys in other orders cannot take each half.
  const paths = [...rows.keys()].sort()
  const locked = await sql.query<{ path: string; is_ours: boolean }>('select path, pg_try_advisory_xact_lock($1, hashtext(path)) as is_ours from unnest($2::text[]) as path', [vectorizer.id, paths])
  const ours = locked.flatMap(({ path, is_ours }) => (is_ours ? [rows.get(path)!] : []))
  // All entries of a row are one: whatever was queued until now is seen by what reads it next. Entries that others hold stay.
  if (ours.length > 0) {
    await sql.query(
      `delete from ${queue} d where d.ctid = any (array(
         select q.ctid from ${queue} q join ${keysTable(vectorizer)} on ${keysMatch(vectorizer, 'q')} for update of q skip locked))`,
      keysValues(ours.map(({ key }) => key), vectorizer),
    )
  }
  return ours
}

/** Puts a row back that could not be loaded: `3 minutes * attempts` later it is due again, as pgai does. */
export async function putBack(sql: Sql, vectorizer: PgaiVectorizer, columns: RetryColumns, row: QueuedRow): Promise<void> {
  const names = vectorizer.key.map(({ name }) => ident(name))
  const values = vectorizer.key.map(({ type }, i) => `$${i + 2}::text::${type}`)
  await sql.query(
    `insert into ${tableIdent(vectorizer.queue)} (${names.join(', ')}, ${ident(columns.count)}, ${ident(columns.after)})
     values (${values.join(', ')}, $1, now() + interval '3 minutes' * $1::int)`,
    [row.retries + 1, ...row.key],
  )
}

/** Notes rows that are not tried again until they change. */
export async function setAside(sql: Sql, vectorizer: PgaiVectorizer, row: QueuedRow, step: string): Promise<void> {
  if (!vectorizer.failedQueue) return
  await forgetFailures(sql, vectorizer, [row])
  const names = vectorizer.key.map(({ name }) => ident(name))
  await sql.query(`insert into ${tableIdent(vectorizer.failedQueue)} (${names.join(', ')}, failure_step) values (${vectorizer.key.map(({ type }, i) => `$${i + 2}::text::${type}`).join(', ')}, $1)`, [step, ...row.key])
}

/** Takes rows that were done off the table of failures. */
export async function forgetFailures(sql: Sql, vectorizer: PgaiVectorizer, rows: readonly QueuedRow[]): Promise<void> {
  if (!vectorizer.failedQueue || rows.length === 0) return
  await sql.query(`delete from ${tableIdent(vectorizer.failedQueue)} f using ${keysTable(vectorizer)} where ${keysMatch(vectorizer, 'f')}`, keysValues(rows.map(({ key }) => key), vectorizer))
}

/** Notes an error for `ai.vectorizer_errors`. */
export async function noteError(sql: Sql, { id }: { id: number }, message: string, details: Readonly<Record<string, unknown>>): Promise<void> {
  await sql.query('insert into ai._vectorizer_errors (id, message, details) values ($1, $2, $3::jsonb)', [id, cleanText(message), cleanText(JSON.stringify(details))])
}

/** Postgres stores no U+0000 in texts. */
export function cleanText(text: string): string {
  return text.includes('\0') || text.includes('\\u0000') ? text.replaceAll('\0', '').replaceAll('\\u0000', '') : text
}
