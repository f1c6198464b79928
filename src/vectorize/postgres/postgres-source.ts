import { createHash } from 'node:crypto'
import { throwIfAborted, WindlassError } from '../../base/errors.ts'
import { extensionOf } from '../../documents/detect.ts'
import { formats } from '../../documents/formats.ts'
import type { Metadata } from '../../format/record.ts'
import type { SourceDeclaration } from '../declaration/declaration.ts'
import type { Source, SourceContent, SourceEntry, SourceListing } from '../sources/source.ts'
import { changedKeys, openChangeLog, pruneChanges } from './change-log.ts'
import type { Database, Row } from './database.ts'
import { ident, parseTableName, tableIdent, type TableName } from './identifiers.ts'
import { columnOf, decodeKey, describeTable, keyExpression, keysMatch, keysTable, keysValues, type SourceTable } from './source-table.ts'
import type { UriReader } from './uri-reader.ts'

export type PostgresDeclaration = Extract<SourceDeclaration, { type: 'postgres' }>

const pageRows = 1000

/** The columns of which a change makes a row's document another one. Any change of a row of URIs says that the document may have changed. */
export function watchedColumns({ loading, metadata = [] }: PostgresDeclaration): string[] {
  return loading.column === undefined ? [] : [loading.column, ...metadata]
}

/**
 * Rows of a table: their text, or what their URIs lead to. A document's path is its primary key (`keyExpression`). Once
 * `windlass postgres install` was run, a listing reads only what changed since the last one; without, all of the table.
 */
export class PostgresSource implements Source {
  readonly description: string
  readonly #database: Database
  readonly #declaration: PostgresDeclaration
  readonly #vectorizer: string
  readonly #uris: UriReader
  readonly #name: TableName
  #table: Promise<SourceTable> | null = null

  /** @param vectorizer Whose log of changes is read. */
  constructor(database: Database, declaration: PostgresDeclaration, { vectorizer, uris }: { vectorizer: string; uris: UriReader }) {
    this.#database = database
    this.#declaration = declaration
    this.#vectorizer = vectorizer
    this.#uris = uris
    this.#name = parseTableName(declaration.table)
    this.description = `${database.description} ${tableIdent(this.#name)}`
  }

  async list({ since, signal }: { since?: string; signal?: AbortSignal } = {}): Promise<SourceListing> {
    throwIfAborted(signal)
    const table = await this.#describe()
    const log = await openChangeLog(this.#database, this.#vectorizer, this.#name)
    if (!log || since === undefined || !(await log.knows(since))) {
      return { kind: 'everything', entries: this.#all(table, signal), cursor: () => log?.cursor }
    }
    // Whoever asks from a cursor on has kept it.
    await pruneChanges(this.#database, log, since)
    const deleted: string[] = []
    const entries = this.#changed(table, changedKeys(this.#database, log, since, pageRows), deleted, signal)
    return { kind: 'changes', entries, deleted: each(deleted), cursor: () => log.cursor }
  }

  async read({ path }: SourceEntry, { knownRevision, signal }: { knownRevision?: string; signal?: AbortSignal } = {}): Promise<SourceContent> {
    throwIfAborted(signal)
    const table = await this.#describe()
    const key = decodeKey(path, table)
    const [row] = key ? await this.#read(table, [key], this.#columnsRead(table)) : []
    if (!row) throw new WindlassError('not-found', `${path}: no such row in ${this.description}`, { path })
    const metadata = this.#metadataOf(table, row)
    const { title } = metadata
    // Destinations have a place of its own for it.
    const named = typeof title === 'string' ? { metadata, title } : { metadata }
    const { loading, contentType } = this.#declaration
    if (loading.column !== undefined) {
      const revision = String(row.revision)
      if (revision === knownRevision) return { kind: 'unchanged' }
      const content = row.content as string | Uint8Array | null
      const bytes = typeof content === 'string' ? Buffer.from(content) : (content ?? new Uint8Array())
      return { kind: 'found', revision, ...named, sizeBytes: bytes.length, bytes: () => once(bytes), ...(contentType !== undefined && { contentType }) }
    }
    if (row.content === null) throw new WindlassError('invalid', `${path}: the column ${loading.uri} is null: write a URI into it, or delete the row`, { path })
    return this.#readUri(String(row.content), named, { ...(knownRevision !== undefined && { knownRevision }), ...(signal && { signal }) })
  }

  async close(): Promise<void> {
    await this.#uris.close()
    await this.#database.close()
  }

  /** An etag is of one URI; and metadata that changed is not known to the place of the URI. */
  async #readUri(uri: string, named: { metadata: Metadata; title?: string }, { knownRevision, signal }: { knownRevision?: string; signal?: AbortSignal }): Promise<SourceContent> {
    const prefix = `${createHash('sha256').update(JSON.stringify([uri, named.metadata])).digest('hex').slice(0, 16)}:`
    const { role, aws_role_arn = role, assume_role_arn = aws_role_arn } = this.#declaration.loading
    const content = await this.#uris.read(uri, {
      ...(knownRevision?.startsWith(prefix) && { knownRevision: knownRevision.slice(prefix.length) }),
      ...(assume_role_arn !== undefined && { roleArn: assume_role_arn }),
      ...(signal && { signal }),
    })
    if (content.kind === 'unchanged') return content
    const { revision, contentType = this.#declaration.contentType ?? typeOf(uri), ...rest } = content
    return { ...rest, ...named, ...(revision !== undefined && { revision: prefix + revision }), ...(contentType !== undefined && { contentType }) }
  }

  /** The whole table in the order of its key, page by page: a row that is not touched meanwhile is in exactly one. */
  async *#all(table: SourceTable, signal: AbortSignal | undefined): AsyncIterable<SourceEntry> {
    const names = table.key.map(({ name }) => `t.${ident(name)}`).join(', ')
    const after = table.key.map(({ type }, i) => `$${i + 2}::text::${type}`).join(', ')
    for (let last: readonly string[] | null = null; ; ) {
      throwIfAborted(signal)
      const rows: Row[] = await this.#database.query(
        `select ${this.#columnsListed(table)}, ${table.key.map(({ name }, i) => `t.${ident(name)}::text as k${i}`).join(', ')} from ${tableIdent(table)} t
         ${last === null ? '' : `where (${names}) > (${after})`} order by ${names} limit $1`,
        [pageRows, ...(last ?? [])],
      )
      for (const row of rows) yield this.#entryOf(row)
      const final = rows.at(-1)
      if (!final || rows.length < pageRows) return
      last = table.key.map((_, i) => String(final[`k${i}`]))
    }
  }

  /** @param deleted Takes the keys of rows that are gone. */
  async *#changed(table: SourceTable, pages: AsyncIterable<string[]>, deleted: string[], signal: AbortSignal | undefined): AsyncIterable<SourceEntry> {
    for await (const page of pages) {
      throwIfAborted(signal)
      const keys = page.map((path) => decodeKey(path, table)).filter((key) => key !== null)
      const found = new Map((await this.#read(table, keys, this.#columnsListed(table))).map((row) => [String(row.path), row]))
      for (const path of page) {
        const row = found.get(path)
        if (row) yield this.#entryOf(row)
        else deleted.push(path)
      }
    }
  }

  #read(table: SourceTable, keys: readonly (readonly string[])[], columns: string): Promise<Row[]> {
    return this.#database.query(`select ${columns} from ${tableIdent(table)} t join ${keysTable(table)} on ${keysMatch(table, 't')}`, keysValues(keys, table))
  }

  /** Of a row of URIs only reading tells whether its document changed. */
  #entryOf({ path, revision }: Row): SourceEntry {
    return { path: String(path), ...(this.#declaration.loading.column !== undefined && { revision: String(revision) }) }
  }

  #columnsListed(table: SourceTable): string {
    // The transaction that wrote the row last: costs no reading of its texts, and says "changed" rather too often than not.
    return `${keyExpression(table, 't')} as path, t.xmin::text as revision`
  }

  #columnsRead(table: SourceTable): string {
    const { loading, metadata = [] } = this.#declaration
    const name = (loading.column ?? loading.uri)!
    const content = columnOf(table, name, 'source.loading').type === 'bytea' ? ident(name) : `${ident(name)}::text`
    return `${this.#columnsListed(table)}, t.${content} as content${metadata.map((column, i) => `, to_jsonb(t.${ident(column)})::text as m${i}`).join('')}`
  }

  #metadataOf(table: SourceTable, row: Row): Metadata {
    const entries = (this.#declaration.metadata ?? []).flatMap((name, i) => {
      const json = row[`m${i}`] as string | null
      if (json === null || json === 'null') return []
      const { type } = columnOf(table, name, 'source.metadata')
      // Numbers that JSON's readers would round.
      const value: unknown = (type === 'bigint' || type.startsWith('numeric')) && !Number.isSafeInteger(Number(json)) && /^-?\d{16,}$/.test(json) ? json : JSON.parse(json)
      return [[name, value] as const]
    })
    return Object.fromEntries(entries) as Metadata
  }

  #describe(): Promise<SourceTable> {
    const read = async () => {
      const table = await describeTable(this.#database, this.#name)
      const { loading, metadata = [] } = this.#declaration
      columnOf(table, (loading.column ?? loading.uri)!, 'source.loading')
      for (const name of metadata) columnOf(table, name, 'source.metadata')
      return table
    }
    this.#table ??= read()
    this.#table.catch(() => (this.#table = null))
    return this.#table
  }
}

/** What the extension says: a document's path is a key, which has none. */
function typeOf(uri: string): string | undefined {
  const extension = extensionOf(uri)
  return formats.find(({ extensions }) => extensions.includes(extension))?.contentTypes[0]
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield await Promise.resolve(bytes)
}

async function* each(paths: readonly string[]): AsyncIterable<string> {
  for (const path of paths) yield await Promise.resolve(path)
}
