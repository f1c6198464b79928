import { WindlassError } from '../../base/errors.ts'
import type { Sql } from './database.ts'
import { ident, tableIdent, type TableName } from './identifiers.ts'

export interface Column {
  readonly name: string
  /** As `format_type` writes it: `bigint`, `character varying(20)`. */
  readonly type: string
}

/** What is known of a table that documents come from. */
export interface SourceTable extends TableName {
  readonly columns: readonly Column[]
  /** The primary key, in its order. */
  readonly key: readonly Column[]
}

/** Reads a table's columns and primary key. @throws {WindlassError} `not-found`, or `invalid` for a table without a primary key. */
export async function describeTable(sql: Sql, table: TableName): Promise<SourceTable> {
  const rows = await sql.query<{ name: string; type: string; place: number | null }>(
    `select a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type, array_position(k.conkey, a.attnum) as place
     from pg_attribute a
     join pg_class c on c.oid = a.attrelid
     join pg_namespace n on n.oid = c.relnamespace
     left join pg_constraint k on k.conrelid = c.oid and k.contype = 'p'
     where n.nspname = $1 and c.relname = $2 and a.attnum > 0 and not a.attisdropped
     order by a.attnum`,
    [table.schema, table.name],
  )
  if (rows.length === 0) throw new WindlassError('not-found', `there is no table ${tableIdent(table)}, or the role may not see it`, { path: 'table' })
  const key = rows.filter(({ place }) => place !== null).sort((a, b) => a.place! - b.place!)
  if (key.length === 0) throw new WindlassError('invalid', `table ${tableIdent(table)} has no primary key, by which its rows are told apart: add one`, { path: 'table' })
  const column = ({ name, type }: Column): Column => ({ name, type })
  return { ...table, columns: rows.map(column), key: key.map(column) }
}

/** The column of a name. @throws {WindlassError} `invalid`, naming those that are there. */
export function columnOf(table: SourceTable, name: string, path: string): Column {
  const found = table.columns.find((column) => column.name === name)
  if (!found) throw new WindlassError('invalid', `table ${tableIdent(table)} has no column ${JSON.stringify(name)}: it has ${table.columns.map((column) => column.name).join(', ')}`, { path })
  return found
}

/**
 * SQL that writes a row's primary key as one text: the value itself, or of several the values with `/` between, in which `%` and `/`
 * are escaped as in URLs. `decodeKey` is its inverse.
 */
export function keyExpression({ key }: Pick<SourceTable, 'key'>, row: string): string {
  const [only, ...more] = key.map(({ name }) => `${row}.${ident(name)}::text`)
  if (more.length === 0) return only!
  return [only!, ...more].map((value) => `replace(replace(${value}, '%', '%25'), '/', '%2F')`).join(` || '/' || `)
}

/** The values of a primary key; null when `path` is none of this table's. */
export function decodeKey(path: string, { key }: Pick<SourceTable, 'key'>): string[] | null {
  if (key.length === 1) return [path]
  const values = path.split('/').map((part) => part.replaceAll('%2F', '/').replaceAll('%25', '%'))
  return values.length === key.length ? values : null
}

/** SQL of a list of rows by their primary keys, whose values are parameters from `$first` on: one array of text a column. */
export function keysTable({ key }: Pick<SourceTable, 'key'>, first = 1): string {
  const arrays = key.map((_, i) => `$${first + i}::text[]`).join(', ')
  const names = key.map((_, i) => `k${i}`).join(', ')
  return `(select ${key.map(({ type }, i) => `k${i}::${type} as k${i}`).join(', ')}, place from unnest(${arrays}) with ordinality as u(${names}, place)) as wanted`
}

/** SQL that joins a row to `keysTable`. */
export function keysMatch({ key }: Pick<SourceTable, 'key'>, row: string): string {
  return key.map(({ name }, i) => `${row}.${ident(name)} = wanted.k${i}`).join(' and ')
}

/** The parameters of `keysTable`. */
export function keysValues(keys: readonly (readonly string[])[], { key }: Pick<SourceTable, 'key'>): string[][] {
  return key.map((_, i) => keys.map((values) => values[i]!))
}
