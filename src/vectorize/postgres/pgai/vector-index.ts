import type { Database } from '../database.ts'
import { ident, literal, tableIdent } from '../identifiers.ts'
import type { PgaiVectorizer } from './pgai-vectorizer.ts'

/** Settings of each kind of index, which are written as they are named. */
const settingsOf: Readonly<Record<string, readonly string[]>> = {
  hnsw: ['m', 'ef_construction'],
  diskann: ['storage_layout', 'num_neighbors', 'search_list_size', 'max_alpha', 'num_dimensions', 'num_bits_per_dimension'],
}

/**
 * Makes the index that a vectorizer asks for, once there are rows enough and, unless it says otherwise, nothing waits to be embedded.
 * @returns whether it made one.
 */
export async function makeVectorIndex(database: Database, vectorizer: PgaiVectorizer): Promise<boolean> {
  const { indexing, destination } = vectorizer.config
  const settings = settingsOf[indexing.implementation]
  if (!settings) return false
  const [table, column] =
    destination.implementation === 'table' ? [{ schema: destination.target_schema, name: destination.target_table }, 'embedding'] : [vectorizer.source, destination.embedding_column]
  return database.transaction(async (sql) => {
    const [state] = await sql.query<{ is_free: boolean; is_there: boolean; is_busy: boolean; has_rows: boolean }>(
      `select
         pg_try_advisory_xact_lock($1, 0) as is_free,
         exists (
           select from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
           join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
           where i.indrelid = to_regclass($2) and m.amname = $3 and a.attname = $4) as is_there,
         $5::boolean and exists (select from ${tableIdent(vectorizer.queue)}) as is_busy,
         (select count(*) from (select from ${tableIdent(table)} where ${ident(column)} is not null limit $6::bigint) as counted) >= $6::bigint as has_rows`,
      [vectorizer.id, tableIdent(table), indexing.implementation, column, indexing.create_when_queue_empty, indexing.min_rows],
    )
    if (!state || !state.is_free || state.is_there || state.is_busy || !state.has_rows) return false
    const written = settings.flatMap((name) => {
      const value = indexing[name]
      return value === undefined || value === null ? [] : [`${name} = ${typeof value === 'number' ? String(value) : literal(String(value))}`]
    })
    const opclass = indexing.implementation === 'hnsw' ? ` ${ident(String(indexing.opclass ?? 'vector_cosine_ops'))}` : ''
    await sql.query(`create index on ${tableIdent(table)} using ${indexing.implementation} (${ident(column)}${opclass})${written.length > 0 ? ` with (${written.join(', ')})` : ''}`)
    return true
  })
}
