import type { DestinationDeclaration } from '../declaration/declaration.ts'
import type { Sql } from './database.ts'
import { ident, parseTableName, tableIdent } from './identifiers.ts'

export type DocumentsDeclaration = NonNullable<Extract<DestinationDeclaration, { type: 'pgvector' }>['documents']>

/** A table of the user's with a row for each document: title, URI, time. Other columns of it are left alone. */
export class DocumentsTable {
  readonly #table: string
  readonly #declaration: DocumentsDeclaration

  constructor(declaration: DocumentsDeclaration) {
    this.#declaration = declaration
    this.#table = tableIdent(parseTableName(declaration.table))
  }

  /** Makes the table where it is not there. */
  async prepare(sql: Sql): Promise<void> {
    const { uri, title, updatedAt } = this.#declaration
    await sql.query(`create table if not exists ${this.#table} (id bigint generated always as identity primary key, ${ident(title)} text, ${ident(uri)} text not null unique, ${ident(updatedAt)} timestamptz)`)
  }

  /** A document was stored: its row is made, or its time set. The title is the last part of the path. */
  async put(sql: Sql, path: string): Promise<void> {
    const { uri, title, updatedAt } = this.#declaration
    await sql.query(
      `insert into ${this.#table} (${ident(title)}, ${ident(uri)}, ${ident(updatedAt)}) values ($1, $2, now())
       on conflict (${ident(uri)}) do update set ${ident(updatedAt)} = excluded.${ident(updatedAt)}`,
      [path.slice(path.lastIndexOf('/') + 1), this.#uriOf(path)],
    )
  }

  async remove(sql: Sql, path: string): Promise<void> {
    await sql.query(`delete from ${this.#table} where ${ident(this.#declaration.uri)} = $1`, [this.#uriOf(path)])
  }

  #uriOf(path: string): string {
    return (this.#declaration.prefix ?? '') + path
  }
}
