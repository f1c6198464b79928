import type { Database, Sql } from '../database.ts'
import { additionsSql, catalogSql, managementSql } from './schema-catalog.ts'
import { creationSql } from './schema-creation.ts'
import { stagesSql } from './schema-stages.ts'

/** Whose functions the schema `ai` holds. */
export type Installed = 'windlass' | 'pgai'

const mark = 'windlass: what pgai offers in SQL, for the worker of windlass postgres worker'

/** Taken while it installs, so that two installations at once wait for each other. */
const lockOfInstalling = 7_346_215_901

/**
 * Makes the schema `ai` with pgai's functions, tables and views, or brings ours up to date. Where pgai itself installed them they are left
 * as they are, and only our own additions come to them: its vectorizers go on with our worker.
 * @throws {WindlassError} `denied` for a role that may not create; nothing is left of a failed installation.
 */
export async function installPgai(database: Database): Promise<Installed> {
  return database.transaction(async (sql) => {
    await sql.query('select pg_advisory_xact_lock($1::bigint)', [lockOfInstalling])
    const found = await whoInstalled(sql)
    if (found === 'pgai') {
      await sql.query(additionsSql)
      return 'pgai'
    }
    for (const part of [catalogSql, additionsSql, stagesSql, creationSql, managementSql]) await sql.query(part)
    await sql.query(`comment on schema ai is '${mark}'`)
    return 'windlass'
  })
}

/** Who made the vectorizers of a database; null where there are none. */
export async function whoInstalled(sql: Sql): Promise<Installed | null> {
  const [row] = await sql.query<{ comment: string | null; is_there: boolean }>(
    `select obj_description(to_regnamespace('ai'), 'pg_namespace') as comment, to_regclass('ai.vectorizer') is not null as is_there`,
  )
  if (!row?.is_there) return null
  return row.comment === mark ? 'windlass' : 'pgai'
}

/** Drops all vectorizers, with their target tables where `dropAll`, and what `installPgai` made. */
export async function uninstallPgai(database: Database, { dropAll = false }: { dropAll?: boolean } = {}): Promise<void> {
  await database.transaction(async (sql) => {
    if ((await whoInstalled(sql)) !== 'windlass') {
      await sql.query('drop table if exists ai._windlass_loaded')
      await sql.query('drop function if exists ai.embedding_windlass()')
      return
    }
    await sql.query('select ai.drop_vectorizer(id, $1) from ai.vectorizer', [dropAll])
    await sql.query('drop schema ai cascade')
  })
}
