import { WindlassError } from '../../base/errors.ts'
import type { Database } from '../../vectorize/postgres/database.ts'
import { ident, parseTableName, tableIdent } from '../../vectorize/postgres/identifiers.ts'
import { describeTable, type SourceTable } from '../../vectorize/postgres/source-table.ts'
import { isObject, readRecord, usualFields, type FieldNames } from '../fields.ts'
import type { PlacedItem, Position, RecordSource, SourceShape } from '../source.ts'

export interface PgvectorSourceSettings {
  readonly table: string
  readonly metric: SourceShape['metric']
  readonly fields?: FieldNames
}

const pageRows = 500
const rowAlias = 'windlass_copied_row'
const vectorType = /^(?:\w+\.)?(?:half)?vec(?:tor)?(?:\((\d+)\))?$/

/**
 * A table with a column of pgvector, read in the order of its primary key, page by page: no transaction is held open. The other columns become
 * text and metadata.
 */
export class PgvectorSource implements RecordSource {
  readonly title: string
  readonly #database: Database
  readonly #settings: PgvectorSourceSettings
  #table: Promise<{ table: SourceTable; vectorColumn: string; dimension: number | null }> | null = null

  constructor(database: Database, settings: PgvectorSourceSettings) {
    this.title = `pgvector:${database.description}/${settings.table}`
    this.#database = database
    this.#settings = settings
  }

  async describe(): Promise<SourceShape> {
    const { table, dimension } = await this.#look()
    const [row] = await this.#database.query<{ count: string }>(`select count(*)::text as count from ${tableIdent(table)}`)
    return { metric: this.#settings.metric, dimension, count: Number(row!.count) }
  }

  async *read(after: Position | null): AsyncIterable<PlacedItem> {
    const { table, vectorColumn } = await this.#look()
    const keys = table.key.map(({ name }) => ident(name)).join(', ')
    const keyTexts = table.key.map(({ name }) => `${ident(name)}::text`).join(', ')
    const bound = table.key.map(({ type }, i) => `$${i + 1}::text::${type}`).join(', ')
    // jsonb_build_object takes a hundred arguments. The alias is no column's name, which would go before it.
    const json = `to_jsonb(${rowAlias}) - '${vectorColumn.replaceAll("'", "''")}'::text`
    let last: readonly string[] | null = after ? (JSON.parse(String(after.key)) as string[]) : null
    for (;;) {
      const rows: { key: string[]; vector: string | null; row: unknown }[] = await this.#database.query(
        `select array[${keyTexts}] as key, ${ident(vectorColumn)}::text as vector, ${json} as row from ${tableIdent(table)} as ${rowAlias}${last ? ` where (${keys}) > (${bound})` : ''} order by ${keys} limit ${pageRows}`,
        last ?? [],
      )
      for (const row of rows) yield this.#toItem(row, table)
      if (rows.length < pageRows) return
      last = rows.at(-1)!.key
    }
  }

  async close(): Promise<void> {
    await this.#database.close()
  }

  #toItem({ key, vector, row }: { key: string[]; vector: string | null; row: unknown }, table: SourceTable): PlacedItem {
    const position = { key: JSON.stringify(key) }
    const where = `row ${key.join('/')}`
    if (vector === null) return { problem: { where, reason: 'its vector is null' }, position }
    const values = vector.slice(1, -1).split(',').map(Number)
    // Two parts with a slash in one of them are not the parts of another key.
    const id = key.length === 1 ? key[0]! : key.map((part) => part.replace(/[%/]/g, encodeURIComponent)).join('/')
    // A key of one column is the id and no metadata.
    const { ...rest } = isObject(row) ? row : {}
    if (table.key.length === 1) delete rest[table.key[0]!.name]
    for (const name of Object.keys(rest)) if (rest[name] === null) delete rest[name]
    const read = readRecord({ ...rest, ' vector': values, ' id': id }, { ...(this.#settings.fields ?? usualFields), vector: [' vector'], id: [' id'] }, id)
    return 'reason' in read ? { problem: { where, reason: read.reason }, position } : { record: read.record, position, where }
  }

  #look(): Promise<{ table: SourceTable; vectorColumn: string; dimension: number | null }> {
    return (this.#table ??= this.#describeTable())
  }

  async #describeTable(): Promise<{ table: SourceTable; vectorColumn: string; dimension: number | null }> {
    const table = await describeTable(this.#database, parseTableName(this.#settings.table))
    const vectors = table.columns.filter(({ type }) => vectorType.test(type))
    const wanted = this.#settings.fields?.vector ?? usualFields.vector
    const column = vectors.find(({ name }) => wanted.includes(name)) ?? (vectors.length === 1 ? vectors[0] : undefined)
    if (!column) throw new WindlassError('invalid', `${this.title} has ${vectors.length === 0 ? 'no column of type vector' : `the vector columns ${vectors.map(({ name }) => name).join(', ')}: name one with --vector-field`}`, { path: 'vector-field' })
    const [, dimension] = vectorType.exec(column.type) ?? []
    return { table, vectorColumn: column.name, dimension: dimension === undefined ? null : Number(dimension) }
  }
}
