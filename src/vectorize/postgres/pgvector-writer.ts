import { WindlassError } from '../../base/errors.ts'
import type { DocumentVersion, DocumentWriter, EmbeddedChunk, Reference } from '../destinations/destination.ts'
import { plainJson } from '../destinations/point-store.ts'
import type { Database, Sql } from './database.ts'
import type { DocumentsTable } from './documents-table.ts'
import { tableIdent } from './identifiers.ts'
import type { PgvectorTables } from './pgvector-tables.ts'
import { vectorText } from './vector-text.ts'

export interface WriterContext {
  readonly database: Database
  readonly tables: PgvectorTables
  readonly vectorizer: string
  readonly model: string
  /** The type of vectors as SQL writes it. */
  readonly vectorType: string
  readonly documents: DocumentsTable | null
}

/** Chunks kept in memory; more of a document wait in the staging table. */
const heldMax = 512

/** One version of a document: nothing of it is seen until one transaction puts it in the place of the one before. */
export class PgvectorWriter implements DocumentWriter {
  readonly #context: WriterContext
  readonly #document: DocumentVersion
  readonly #version: string
  #held: EmbeddedChunk[] = []
  #count = 0
  #hasStaged = false

  /** @param version A UUID of its own. */
  constructor(context: WriterContext, document: DocumentVersion, version: string) {
    this.#context = context
    this.#document = document
    this.#version = version
    if (document.path.includes('\0')) throw new WindlassError('invalid', `${JSON.stringify(document.path)} has a U+0000 in it, which Postgres stores in no text: rename it`, { path: document.path })
  }

  async write(chunks: readonly EmbeddedChunk[]): Promise<void> {
    this.#held.push(...chunks)
    this.#count += chunks.length
    if (this.#held.length < heldMax) return
    await this.#insert(this.#context.database, this.#context.tables.staging, 'version', [this.#version], this.#held)
    this.#hasStaged = true
    this.#held = []
  }

  async commit(): Promise<Reference> {
    const { database, tables, vectorizer, model, documents } = this.#context
    const { path, sha256, sizeBytes, format = 'unknown', title, metadata } = this.#document
    await database.transaction(async (sql) => {
      // Locks the document: of two versions at once, the one that comes last stands, whole.
      await sql.query(
        `insert into ${tableIdent(tables.documents)} (vectorizer, path, version, sha256, size_bytes, format, title, model, chunk_count, metadata, indexed_at)
         values ($1, $2, $3::uuid, $4, $5, $6, $7, $8, $9, $10::jsonb, now())
         on conflict (vectorizer, path) do update set version = excluded.version, sha256 = excluded.sha256, size_bytes = excluded.size_bytes, format = excluded.format,
           title = excluded.title, model = excluded.model, chunk_count = excluded.chunk_count, metadata = excluded.metadata, indexed_at = excluded.indexed_at`,
        [vectorizer, path, this.#version, sha256, sizeBytes, format, title === undefined ? null : clean(title), model, this.#count, cleanJson(plainJson(metadata))],
      )
      await sql.query(`delete from ${tableIdent(tables.store)} where vectorizer = $1 and path = $2`, [vectorizer, path])
      if (this.#hasStaged) {
        await sql.query(
          `with staged as (delete from ${tableIdent(tables.staging)} where version = $3::uuid returning chunk_seq, chunk, embedding, place)
           insert into ${tableIdent(tables.store)} (vectorizer, path, chunk_seq, chunk, embedding, place) select $1, $2, chunk_seq, chunk, embedding, place from staged`,
          [vectorizer, path, this.#version],
        )
      }
      await this.#insert(sql, tables.store, 'vectorizer, path', [vectorizer, path], this.#held)
      await documents?.put(sql, path)
    })
    return {}
  }

  async abort(): Promise<void> {
    this.#held = []
    if (this.#hasStaged) await this.#context.database.query(`delete from ${tableIdent(this.#context.tables.staging)} where version = $1::uuid`, [this.#version])
  }

  async #insert(sql: Sql, table: PgvectorTables['store'], columns: string, values: readonly string[], chunks: readonly EmbeddedChunk[]): Promise<void> {
    if (chunks.length === 0) return
    const of = values.map((_, i) => `$${i + 1}${columns === 'version' ? '::uuid' : ''}`).join(', ')
    const next = values.length + 1
    await sql.query(
      `insert into ${tableIdent(table)} (${columns}, chunk_seq, chunk, embedding, place)
       select ${of}, c.seq, c.chunk, c.vector::${this.#context.vectorType}, c.place::jsonb
       from unnest($${next}::int[], $${next + 1}::text[], $${next + 2}::text[], $${next + 3}::text[]) as c(seq, chunk, vector, place)`,
      [...values, chunks.map(({ chunk }) => chunk.index), chunks.map(({ text }) => clean(text)), chunks.map(({ vector }) => vectorText(vector)), chunks.map(({ chunk }) => cleanJson(placeOf(chunk)))],
    )
  }
}

function placeOf({ text: _, embeddingText: __, tokenCount: ___, ...place }: EmbeddedChunk['chunk']): Record<string, unknown> {
  return place
}

/** Postgres stores no U+0000 in texts. */
function clean(text: string): string {
  return text.replaceAll('\0', '')
}

function cleanJson(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => (typeof each === 'string' ? clean(each) : each))
}
