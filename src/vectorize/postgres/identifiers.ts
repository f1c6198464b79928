import { WindlassError } from '../../base/errors.ts'

/** A table by schema and name, both as they are stored. */
export interface TableName {
  readonly schema: string
  readonly name: string
}

/** `name` as SQL writes it, whatever is in it. */
export function ident(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** `text` as a constant of SQL. */
export function literal(text: string): string {
  return text.includes('\\') ? ` E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'` : `'${text.replaceAll("'", "''")}'`
}

export function tableIdent({ schema, name }: TableName): string {
  return `${ident(schema)}.${ident(name)}`
}

/**
 * A table as people write it: `documents`, `app.documents`, `"App"."Docs"`. Unquoted names are folded to lower case, as SQL does.
 * @throws {WindlassError} `invalid`.
 */
export function parseTableName(text: string, schemaDefault = 'public'): TableName {
  const part = '(?:"((?:[^"]|"")+)"|([A-Za-z_][\\w$]*))'
  const match = new RegExp(`^${part}(?:\\.${part})?$`).exec(text.trim())
  if (!match) throw new WindlassError('invalid', `${JSON.stringify(text)} is no name of a table: write schema.table, and names with other letters in double quotes`, { path: 'table' })
  const name = (quoted?: string, bare?: string) => (quoted !== undefined ? quoted.replaceAll('""', '"') : bare?.toLowerCase())
  const [first, second] = [name(match[1], match[2]), name(match[3], match[4])]
  return second === undefined ? { schema: schemaDefault, name: first! } : { schema: first!, name: second }
}
