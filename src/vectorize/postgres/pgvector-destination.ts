import { toIsoTime } from '../../base/clock.ts'
import { WindlassError } from '../../base/errors.ts'
import { newNonce, type Random } from '../../base/random.ts'
import type { Metadata } from '../../format/record.ts'
import { hashText } from '../content.ts'
import type { ChunkMatch, ChunkQuery, DocumentVersion, DocumentWriter, HeldDocument, Reference, SearchableDestination } from '../destinations/destination.ts'
import { chunkHashLength } from '../document-rows.ts'
import type { Database, Row } from './database.ts'
import type { DocumentsTable } from './documents-table.ts'
import { tableIdent } from './identifiers.ts'
import { searchChunks } from './pgvector-search.ts'
import { prepareTables, tablesOf, type PgvectorTables } from './pgvector-tables.ts'
import { PgvectorWriter } from './pgvector-writer.ts'
import { readVector } from './vector-text.ts'

export interface PgvectorOptions {
  /** `schema.name` of the view. */
  readonly table: string
  readonly index?: 'none' | 'hnsw'
  readonly documents?: DocumentsTable
  readonly random: Random
}

const pageRows = 1000

/** A table of a Postgres with pgvector: a version of a document takes the place of another in one transaction, and so do searches see it. */
export class PgvectorDestination implements SearchableDestination {
  readonly takes = 'chunks'
  readonly name: string
  readonly #database: Database
  readonly #vectorizer: string
  readonly #tables: PgvectorTables
  readonly #options: PgvectorOptions
  #prepared: { vectorType: string; model: string } | null = null

  constructor(database: Database, vectorizer: string, options: PgvectorOptions) {
    this.#database = database
    this.#vectorizer = vectorizer
    this.#options = options
    this.#tables = tablesOf(options.table)
    this.name = `pgvector:${this.#tables.view.schema}.${this.#tables.view.name}`
  }

  async prepare({ dimension, model }: { dimension: number; model: string }): Promise<void> {
    const { index = 'none', documents } = this.#options
    const vectorType = await prepareTables(this.#database, this.#tables, { vectorizer: this.#vectorizer, dimension, model, index })
    await documents?.prepare(this.#database)
    this.#prepared = { vectorType, model }
  }

  begin(document: DocumentVersion): Promise<DocumentWriter> {
    const { documents = null, random } = this.#options
    const version = newNonce(random).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    return Promise.resolve(new PgvectorWriter({ database: this.#database, tables: this.#tables, vectorizer: this.#vectorizer, documents, ...this.#ready() }, document, version))
  }

  async vectors(path: string, _reference: Reference | null, chunks: readonly { index: number; hash: string }[]): Promise<(Float32Array | null)[]> {
    const rows = await this.#database.query<{ seq: number; chunk: string; vector: string }>(
      `select chunk_seq as seq, chunk, embedding::text as vector from ${tableIdent(this.#tables.store)} where vectorizer = $1 and path = $2 and chunk_seq = any ($3::int[])`,
      [this.#vectorizer, path, chunks.map(({ index }) => index)],
    )
    const found = new Map(rows.map((row) => [row.seq, row]))
    return chunks.map(({ index, hash }) => {
      const row = found.get(index)
      return row && hashText(row.chunk).slice(0, chunkHashLength) === hash ? readVector(row.vector) : null
    })
  }

  async remove(path: string): Promise<void> {
    const { documents } = this.#options
    await this.#database.transaction(async (sql) => {
      await sql.query(`delete from ${tableIdent(this.#tables.documents)} where vectorizer = $1 and path = $2`, [this.#vectorizer, path])
      await documents?.remove(sql, path)
    })
  }

  list(): AsyncIterable<HeldDocument> {
    return this.documents()
  }

  async *documents(): AsyncIterable<HeldDocument> {
    for (let after = ''; ; ) {
      const rows: Row[] = await this.#database.query(`${this.#select()} and path collate "C" > $2 order by path collate "C" limit ${pageRows}`, [this.#vectorizer, after])
      for (const row of rows) yield toHeld(row)
      if (rows.length < pageRows) return
      after = String(rows.at(-1)!.path)
    }
  }

  async find(path: string): Promise<HeldDocument | null> {
    const [row] = await this.#database.query(`${this.#select()} and path = $2`, [this.#vectorizer, path])
    return row ? toHeld(row) : null
  }

  search(query: ChunkQuery): Promise<ChunkMatch[]> {
    return searchChunks(this.#database, this.#tables, this.#vectorizer, query, { index: this.#options.index ?? 'none', vectorType: this.#ready().vectorType })
  }

  async close(): Promise<void> {
    await this.#database.close()
  }

  #select(): string {
    return `select path, sha256, size_bytes::text as size, format, title, model, chunk_count as chunks, metadata, (extract(epoch from indexed_at) * 1000)::float8 as indexed_at from ${tableIdent(this.#tables.documents)} where vectorizer = $1`
  }

  #ready(): { vectorType: string; model: string } {
    if (!this.#prepared) throw new WindlassError('invalid', `${this.name} was not prepared: call prepare first`)
    return this.#prepared
  }
}

function toHeld(row: Row): HeldDocument {
  const title = row.title as string | null
  return {
    path: String(row.path),
    sha256: String(row.sha256),
    reference: {},
    facts: {
      ...(title !== null && { title }),
      format: String(row.format),
      sizeBytes: Number(row.size),
      chunkCount: Number(row.chunks),
      indexedAt: toIsoTime(Number(row.indexed_at)),
      model: String(row.model),
      metadata: row.metadata as Metadata,
    },
  }
}
