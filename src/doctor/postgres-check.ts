import { isWindlassError } from '../base/errors.ts'
import { openDatabase, type Database } from '../vectorize/postgres/database.ts'
import { ok, problem, warning, type Check, type DoctorContext, type Finding } from './check.ts'

/** Where a database's address is looked for; the last may be another program's. */
const variables = ['WINDLASS_POSTGRES_URL', 'PGAI_VECTORIZER_WORKER_DB_URL', 'DATABASE_URL'] as const
const oldest = 13

/** Whether Postgres answers, lets us in, and has pgvector. */
export const postgresCheck: Check = {
  name: 'postgres',
  timeoutMs: 25_000,
  applies: (context) => variableOf(context) !== undefined,
  async run(context) {
    const variable = variableOf(context)!
    const url = context.configuration.environment[variable]
    if (!url) return [problem(`${variable} is not set, and ${context.configuration.origin('engine')} names it`, { mend: `${variable}=postgresql://user:password@host:5432/database` })]
    const level = variable === 'DATABASE_URL' ? warning : problem
    let database: Database | undefined
    try {
      database = await openDatabase({ url, connectionsMax: 1 })
      return await lookAt(database, variable)
    } catch (error) {
      if (!isWindlassError(error)) throw error
      if (error.kind === 'missing-dependency') return [problem(error.message, { mend: error.message.slice(error.message.indexOf('npm install')) })]
      return [level(`${variable}: ${error.message}`, { mend: `psql "$${variable}" -c 'select 1'` })]
    } finally {
      await database?.close()
    }
  },
}

function variableOf({ configuration }: DoctorContext): string | undefined {
  const engine = /^pgvector:([^/]+)\//i.exec(configuration.text('engine') ?? '')?.[1]
  return engine ?? variables.find((name) => configuration.environment[name])
}

async function lookAt(database: Database, variable: string): Promise<Finding[]> {
  const [server] = await database.query<{ version: string }>(`select current_setting('server_version') as version`)
  const version = server?.version ?? ''
  const findings = [Number.parseInt(version, 10) < oldest ? warning(`${database.description} is Postgres ${version}: ${oldest} is the oldest that is tried`) : ok(`${database.description} (${variable}) answers: Postgres ${version}`)]
  const [extension] = await database.query<{ installed: string | null }>(`select installed_version as installed from pg_available_extensions where name = 'vector'`)
  if (!extension) findings.push(warning('the server does not have pgvector', { why: 'tables can be sources without it; vectors cannot be kept there', mend: 'sudo apt install postgresql-17-pgvector   # on the server; or an image that has it: pgvector/pgvector' }))
  else if (extension.installed === null) findings.push(warning('pgvector is on the server, and not in this database', { mend: `psql "$${variable}" -c 'create extension vector'` }))
  else findings.push(ok(`pgvector ${extension.installed}`))
  return findings
}
