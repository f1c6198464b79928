import type { Sql } from '../database.ts'
import { ident, tableIdent } from '../identifiers.ts'
import { keyExpression, keysMatch, keysTable, keysValues } from '../source-table.ts'
import { readVector, vectorText } from '../vector-text.ts'
import type { PgaiVectorizer } from './pgai-vectorizer.ts'
import type { QueuedRow } from './queue.ts'

/** What is known of what is stored of a row. */
export interface StoredRow {
  readonly chunkCount: number
  /** Of what the chunks were made of, as this worker noted it; undefined where they are not all there. */
  readonly revision: string | undefined
}

/** The chunks of a row, in order, and their vectors by text; nothing for a vectorizer whose destination is a column. */
export interface StoredChunks {
  readonly texts: readonly string[]
  readonly vectors: ReadonlyMap<string, Float32Array>
}

/** What to store of a row: its texts, and a vector each. */
export interface RowChunks {
  readonly row: QueuedRow
  readonly texts: readonly string[]
  readonly vectors: readonly Float32Array[]
  readonly revision: string
}

const nothing: StoredChunks = { texts: [], vectors: new Map() }

/** Reads revisions and the number of chunks of rows: enough to see that nothing is to be done. */
export async function readStored(sql: Sql, vectorizer: PgaiVectorizer, rows: readonly QueuedRow[]): Promise<Map<string, StoredRow>> {
  const { config, id } = vectorizer
  const known = await sql.query<{ path: string; revision: string }>('select source_key as path, revision from ai._windlass_loaded where vectorizer_id = $1 and source_key = any ($2::text[])', [id, rows.map(({ path }) => path)])
  const [table, shown] = config.destination.implementation === 'table' ? [targetOf(vectorizer), '1'] : [tableIdent(vectorizer.source), ident(config.destination.embedding_column)]
  const counts = await sql.query<{ path: string; chunks: number }>(
    `select ${keyExpression(vectorizer, 't')} as path, count(${shown === '1' ? '*' : `t.${shown}`})::int as chunks
     from ${table} t join ${keysTable(vectorizer)} on ${keysMatch(vectorizer, 't')} group by 1`,
    keysValues(rows.map(({ key }) => key), vectorizer),
  )
  const countOf = new Map(counts.map(({ path, chunks }) => [path, chunks]))
  const revisionOf = new Map(known.map(({ path, revision }) => [path, splitOnce(revision)]))
  return new Map(
    rows.map(({ path }) => {
      const chunkCount = countOf.get(path) ?? 0
      const [noted, revision] = revisionOf.get(path) ?? []
      return [path, { chunkCount, revision: Number(noted) === chunkCount ? revision : undefined }]
    }),
  )
}

/** Reads the chunks of one row with their vectors, so that what is the same is not embedded again. */
export async function readChunks(sql: Sql, vectorizer: PgaiVectorizer, row: QueuedRow, { chunkCount }: StoredRow): Promise<StoredChunks> {
  if (vectorizer.config.destination.implementation !== 'table' || chunkCount === 0) return nothing
  const chunks = await sql.query<{ chunk: string; vector: string }>(
    `select t.chunk, t.embedding::text as vector from ${targetOf(vectorizer)} t join ${keysTable(vectorizer)} on ${keysMatch(vectorizer, 't')} order by t.chunk_seq`,
    keysValues([row.key], vectorizer),
  )
  return { texts: chunks.map(({ chunk }) => chunk), vectors: new Map(chunks.map(({ chunk, vector }) => [chunk, readVector(vector)])) }
}

/** Replaces what is stored of rows. A row that is gone from the source meanwhile gets nothing. */
export async function storeChunks(sql: Sql, vectorizer: PgaiVectorizer, rows: readonly RowChunks[]): Promise<void> {
  if (rows.length === 0) return
  const { destination } = vectorizer.config
  if (destination.implementation === 'table') {
    await deleteChunks(sql, vectorizer, rows.map(({ row }) => row))
    const chunks = rows.flatMap(({ row, texts, vectors }) => texts.map((text, i) => ({ key: row.key, seq: i, text, vector: vectorText(vectors[i]!) })))
    const next = vectorizer.key.length + 1
    await sql.query(
      `insert into ${targetOf(vectorizer)} (${vectorizer.key.map(({ name }) => ident(name)).join(', ')}, chunk_seq, chunk, embedding)
       select ${vectorizer.key.map((_, i) => `wanted.k${i}`).join(', ')}, c.seq, c.chunk, c.vector::${await vectorType(sql)}
       from ${keysTable(vectorizer)}
       join unnest($${next}::int[], $${next + 1}::text[], $${next + 2}::text[]) with ordinality as c(seq, chunk, vector, place) using (place)
       join ${tableIdent(vectorizer.source)} s on ${keysMatch(vectorizer, 's')}`,
      [...keysValues(chunks.map(({ key }) => key), vectorizer), chunks.map(({ seq }) => seq), chunks.map(({ text }) => text), chunks.map(({ vector }) => vector)],
    )
  } else {
    const next = vectorizer.key.length + 1
    await sql.query(
      `update ${tableIdent(vectorizer.source)} s set ${ident(destination.embedding_column)} = c.vector::${await vectorType(sql)}
       from ${keysTable(vectorizer)} join unnest($${next}::text[]) with ordinality as c(vector, place) using (place)
       where ${keysMatch(vectorizer, 's')}`,
      [...keysValues(rows.map(({ row }) => row.key), vectorizer), rows.map(({ vectors }) => (vectors[0] ? vectorText(vectors[0]) : null))],
    )
  }
  await noteLoaded(sql, vectorizer, rows)
}

/** Notes of what the stored chunks were made. */
export async function noteLoaded(sql: Sql, { id }: PgaiVectorizer, rows: readonly Pick<RowChunks, 'row' | 'texts' | 'revision'>[]): Promise<void> {
  await sql.query(
    `insert into ai._windlass_loaded (vectorizer_id, source_key, revision) select $1, path, revision from unnest($2::text[], $3::text[]) as r(path, revision)
     on conflict (vectorizer_id, source_key) do update set revision = excluded.revision, loaded_at = now()`,
    [id, rows.map(({ row }) => row.path), rows.map(({ texts, revision }) => `${texts.length} ${revision}`)],
  )
}

/** Removes what is stored of rows that are gone. */
export async function removeRows(sql: Sql, vectorizer: PgaiVectorizer, rows: readonly QueuedRow[]): Promise<void> {
  if (rows.length === 0) return
  if (vectorizer.config.destination.implementation === 'table') await deleteChunks(sql, vectorizer, rows)
  await sql.query('delete from ai._windlass_loaded where vectorizer_id = $1 and source_key = any ($2::text[])', [vectorizer.id, rows.map(({ path }) => path)])
}

async function deleteChunks(sql: Sql, vectorizer: PgaiVectorizer, rows: readonly QueuedRow[]): Promise<void> {
  await sql.query(`delete from ${targetOf(vectorizer)} t using ${keysTable(vectorizer)} where ${keysMatch(vectorizer, 't')}`, keysValues(rows.map(({ key }) => key), vectorizer))
}

function targetOf({ config }: PgaiVectorizer): string {
  const { destination } = config
  return destination.implementation === 'table' ? tableIdent({ schema: destination.target_schema, name: destination.target_table }) : ''
}

/** The type, by the schema that the extension is in. */
async function vectorType(sql: Sql): Promise<string> {
  const [row] = await sql.query<{ schema: string }>(`select n.nspname::text as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector'`)
  return `${ident(row?.schema ?? 'public')}.vector`
}

function splitOnce(text: string): [string, string] {
  const at = text.indexOf(' ')
  return [text.slice(0, at), text.slice(at + 1)]
}
