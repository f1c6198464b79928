import { WindlassError } from '../../base/errors.ts'
import type { Database, Sql } from './database.ts'
import { ident, parseTableName, tableIdent, type TableName } from './identifiers.ts'

/** What a destination keeps: as pgai, chunks in `NAME_store` and a view `NAME` that joins them to what they are of. */
export interface PgvectorTables {
  readonly view: TableName
  readonly store: TableName
  readonly documents: TableName
  /** Chunks of versions that are being written. */
  readonly staging: TableName
}

export function tablesOf(table: string): PgvectorTables {
  const view = parseTableName(table)
  const beside = (ending: string) => ({ schema: view.schema, name: `${view.name}_${ending}` })
  return { view, store: beside('store'), documents: beside('documents'), staging: beside('staging') }
}

const stagingKept = '1 day'
/** Taken while tables are made. */
const lockOfMaking = 7_346_215_902

const neededColumns = {
  store: ['embedding_uuid', 'vectorizer', 'path', 'chunk_seq', 'chunk', 'embedding', 'place'],
  documents: ['vectorizer', 'path', 'version', 'sha256', 'size_bytes', 'format', 'title', 'model', 'chunk_count', 'metadata', 'indexed_at'],
} as const

/**
 * Makes tables and view where they are not there, and checks those that are.
 * @returns The type of vectors as SQL writes it.
 * @throws {WindlassError} `invalid` for vectors of another dimension or model, and for tables of another shape; `denied`.
 */
export async function prepareTables(database: Database, tables: PgvectorTables, { vectorizer, dimension, model, index }: { vectorizer: string; dimension: number; model: string; index: 'none' | 'hnsw' }): Promise<string> {
  return database.transaction(async (sql) => {
    await sql.query('select pg_advisory_xact_lock($1::bigint)', [lockOfMaking])
    const vector = await vectorType(sql)
    const found = await columnsOf(sql, tables.store)
    if (found.size === 0) await makeTables(sql, tables, `${vector}(${dimension})`)
    else await checkTables(sql, tables, found, dimension)
    const [other] = await sql.query<{ model: string }>(`select model from ${tableIdent(tables.documents)} where vectorizer = $1 and model <> $2 and chunk_count > 0 limit 1`, [vectorizer, model])
    if (other) throw new WindlassError('invalid', `${tableIdent(tables.store)} holds vectors of ${other.model}, which those of ${model} cannot be compared with: name another table`, { path: 'destinations' })
    if (index === 'hnsw') await sql.query(`create index if not exists ${ident(`${tables.store.name}_hnsw`)} on ${tableIdent(tables.store)} using hnsw (embedding ${vector.replace(/vector$/, 'vector_cosine_ops')})`)
    // Left by writers that were killed.
    await sql.query(`delete from ${tableIdent(tables.staging)} where staged_at < now() - interval '${stagingKept}'`)
    return vector
  })
}

/** `schema.vector`, wherever the extension is. */
async function vectorType(sql: Sql): Promise<string> {
  const read = async () => (await sql.query<{ schema: string }>(`select n.nspname::text as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector'`))[0]
  let found = await read()
  if (!found) {
    await sql.query('create extension if not exists vector')
    found = await read()
  }
  return `${ident(found!.schema)}.vector`
}

async function makeTables(sql: Sql, { view, store, documents, staging }: PgvectorTables, vector: string): Promise<void> {
  await sql.query(`
    create schema if not exists ${ident(view.schema)};
    create table ${tableIdent(documents)} (
      vectorizer text not null,
      path text not null,
      version uuid not null,
      sha256 text not null,
      size_bytes bigint not null,
      format text not null,
      title text,
      model text not null,
      chunk_count int not null,
      metadata jsonb not null,
      indexed_at timestamptz not null,
      primary key (vectorizer, path)
    );
    create table ${tableIdent(store)} (
      embedding_uuid uuid not null primary key default gen_random_uuid(),
      vectorizer text not null,
      path text not null,
      chunk_seq int not null,
      chunk text not null,
      embedding ${vector} not null,
      place jsonb not null,
      unique (vectorizer, path, chunk_seq),
      foreign key (vectorizer, path) references ${tableIdent(documents)} on delete cascade
    );
    alter table ${tableIdent(store)} alter column embedding set storage main;
    create index on ${tableIdent(store)} using gin (to_tsvector('simple', chunk));
    create table ${tableIdent(staging)} (
      version uuid not null,
      chunk_seq int not null,
      chunk text not null,
      embedding ${vector} not null,
      place jsonb not null,
      staged_at timestamptz not null default now(),
      primary key (version, chunk_seq)
    );
    create view ${tableIdent(view)} as
      select s.embedding_uuid, s.chunk_seq, s.chunk, s.embedding, s.path, d.title, d.metadata, d.indexed_at, s.vectorizer
      from ${tableIdent(store)} s left join ${tableIdent(documents)} d using (vectorizer, path);`)
}

async function checkTables(sql: Sql, { store, documents }: PgvectorTables, found: ReadonlyMap<string, number>, dimension: number): Promise<void> {
  for (const [table, needed, has] of [[store, neededColumns.store, found], [documents, neededColumns.documents, await columnsOf(sql, documents)]] as const) {
    const missing = needed.filter((name) => !has.has(name))
    if (missing.length > 0) throw new WindlassError('invalid', `table ${tableIdent(table)} lacks ${missing.join(', ')}, so it is none of ours: name another table`, { path: 'destinations' })
  }
  const known = found.get('embedding')!
  if (known !== dimension) throw new WindlassError('invalid', `${tableIdent(store)} holds vectors of ${known} values, and ${dimension} are to be stored: name another table`, { path: 'destinations' })
}

/** Columns with the number in their type: of a vector its dimension. */
async function columnsOf(sql: Sql, table: TableName): Promise<Map<string, number>> {
  const rows = await sql.query<{ name: string; size: number }>('select a.attname::text as name, a.atttypmod as size from pg_attribute a where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped', [tableIdent(table)])
  return new Map(rows.map(({ name, size }) => [name, size]))
}
