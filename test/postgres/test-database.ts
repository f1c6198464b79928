import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { openDatabase, type Database } from '../../src/vectorize/postgres/database.ts'
import { servePglite } from './pglite-server.ts'

/** Where a real server with pgvector is; without it, PGlite behind a socket stands in: the same SQL through the same client. */
export const serverUrl = process.env.WINDLASS_TEST_POSTGRES_URL

/** A database for one test file. */
export interface TestDatabase {
  readonly url: string
  readonly database: Database
  /** Makes it empty, but for the extension. */
  reset(): Promise<void>
  /** As `reset`, but leaves what `install --pgai` made, which takes longer than a test. */
  clear(): Promise<void>
  /** A document's rows, column by column, in the query's order. */
  rows(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>
  stop(): Promise<void>
}

/** Starts PGlite, or makes a database on the server that the environment names. */
export async function startTestDatabase(): Promise<TestDatabase> {
  const { url, stop } = serverUrl === undefined ? await startPglite() : await createDatabase(serverUrl)
  const database = await openDatabase({ url, connectionsMax: 8 })
  await database.query('create extension if not exists vector')
  const dropTables = async () => {
    // Not the whole schema: the extension is in it.
    const tables = await database.query<{ name: string }>(`select format('%I', tablename) as name from pg_tables where schemaname = 'public'`)
    if (tables.length > 0) await database.query(`drop table ${tables.map(({ name }) => name).join(', ')} cascade`)
  }
  return {
    url,
    database,
    rows: (text, values) => database.query(text, values),
    async reset() {
      await database.query('drop schema if exists ai cascade; drop schema if exists windlass cascade; drop schema if exists website cascade')
      await dropTables()
    },
    async clear() {
      await database.query('select ai.drop_vectorizer(id, true) from ai.vectorizer')
      await database.query('truncate ai.vectorizer, ai.vectorizer_worker_process restart identity cascade')
      await dropTables()
    },
    async stop() {
      await database.close()
      await stop()
    },
  }
}

async function startPglite(): Promise<{ url: string; stop(): Promise<void> }> {
  const db = await PGlite.create({ extensions: { vector } })
  const { url, stop } = await servePglite(db)
  return {
    url,
    async stop() {
      await stop()
      await db.close()
    },
  }
}

let count = 0

async function createDatabase(server: string): Promise<{ url: string; stop(): Promise<void> }> {
  const name = `windlass_test_${process.pid}_${count++}`
  const admin = await openDatabase({ url: server, connectionsMax: 1 })
  await admin.query(`drop database if exists ${name} with (force)`)
  await admin.query(`create database ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return {
    url: url.href,
    async stop() {
      await admin.query(`drop database if exists ${name} with (force)`)
      await admin.close()
    },
  }
}
