import { loadOptional } from '../../base/optional.ts'
import { isWindlassError, messageOf, WindlassError, type ErrorKind } from '../../base/errors.ts'

/** A row as `pg` gives it. What we read is cast in SQL, so that it does not depend on settings of the client. */
export type Row = Readonly<Record<string, unknown>>

/** Where statements go: a pool, or the one connection of a transaction. */
export interface Sql {
  /** Values are `$1`, `$2` … in the text. @throws {WindlassError} with a kind by SQLSTATE. */
  query<Found extends Row = Row>(text: string, values?: readonly unknown[]): Promise<Found[]>
}

/** A Postgres database. */
export interface Database extends Sql {
  /** User, host, port and database, without a password: for messages, and to tell one database from another. */
  readonly description: string
  /** Commits what `task` did, or nothing of it when it throws. Inside, only the `Sql` that it is given may be used. */
  transaction<Value>(task: (sql: Sql) => Promise<Value>): Promise<Value>
  close(): Promise<void>
}

interface PgClient {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] } | { rows: unknown[] }[]>
  release(error?: unknown): void
}

export interface DatabaseOptions {
  readonly url: string
  /** Connections held at once. */
  readonly connectionsMax?: number
  /** Shown by `pg_stat_activity`. */
  readonly applicationName?: string
}

const connectTimeoutMs = 15_000

/**
 * Opens a pool on a database; connects when the first statement comes.
 * @throws {WindlassError} `missing-dependency` where `pg` is not installed, `invalid` when the URL is none; it is never shown.
 */
export async function openDatabase({ url, connectionsMax = 8, applicationName = 'windlass' }: DatabaseOptions): Promise<Database> {
  const description = describe(url)
  const { default: pg } = await loadOptional('pg', () => import('pg'))
  const pool = new pg.Pool({ connectionString: url, max: connectionsMax, application_name: applicationName, connectionTimeoutMillis: connectTimeoutMs, allowExitOnIdle: true, keepAlive: true })
  // A connection that breaks while nobody uses it is replaced by the next one; without a listener it would end the process.
  pool.on('error', () => undefined)
  const run = async <Found extends Row>(client: Pick<PgClient, 'query'>, text: string, values: readonly unknown[]): Promise<Found[]> => {
    try {
      const result = values.length === 0 ? await client.query(text) : await client.query(text, [...values])
      const last = Array.isArray(result) ? result.at(-1) : result
      return (last?.rows ?? []) as Found[]
    } catch (error) {
      throw ofPostgres(error, description)
    }
  }
  const connect = async (): Promise<PgClient> => {
    try {
      const client = await pool.connect()
      // Between two statements of a transaction nobody else listens.
      client.removeAllListeners('error')
      client.on('error', () => undefined)
      return client
    } catch (error) {
      throw ofPostgres(error, description)
    }
  }
  const transaction = async <Value>(task: (sql: Sql) => Promise<Value>): Promise<Value> => {
    const client = await connect()
    let broken: unknown
    try {
      await run(client, 'begin', [])
      const value = await task({ query: (text, values = []) => run(client, text, values) })
      await run(client, 'commit', [])
      return value
    } catch (error) {
      await run(client, 'rollback', []).catch((failure: unknown) => (broken = failure))
      throw error
    } finally {
      client.release(broken !== undefined)
    }
  }
  return { description, query: (text, values = []) => run(pool, text, values), transaction, close: () => pool.end() }
}

function describe(url: string): string {
  const parsed = /^postgres(ql)?:\/\//i.test(url) && URL.canParse(url) ? new URL(url) : null
  if (!parsed) throw new WindlassError('invalid', 'the address of Postgres is no postgresql://user@host:5432/database: set the variable that names it', { path: 'urlVariable' })
  return `postgresql://${parsed.username === '' ? '' : `${parsed.username}@`}${parsed.host}${parsed.pathname}`
}

/** Codes of the appendix "PostgreSQL Error Codes", whole or by class. */
const kinds: readonly (readonly [code: string, kind: ErrorKind, remedy?: string])[] = [
  ['28', 'unauthenticated', 'check user and password'],
  ['42501', 'denied', 'grant it to the role that connects'],
  ['3D000', 'not-found'],
  ['3F000', 'not-found'],
  ['42P01', 'not-found'],
  ['42883', 'not-found'],
  ['42704', 'not-found'],
  ['53100', 'storage-full'],
  ['54', 'too-large'],
  ['23505', 'conflict'],
  ['40', 'unavailable'],
  ['53', 'unavailable'],
  ['55P03', 'unavailable'],
  ['57', 'unavailable'],
  ['58', 'unavailable'],
  ['08', 'unavailable'],
  ['XX', 'unavailable'],
  ['0A', 'unsupported'],
]

/** An error of the client as ours: by its SQLSTATE, and as `unavailable` where there is none, since then the connection failed. */
export function ofPostgres(error: unknown, description: string): WindlassError {
  if (isWindlassError(error)) return error
  const { code, detail } = error as { code?: unknown; detail?: unknown }
  const state = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
  if (state === undefined) return new WindlassError('unavailable', `${description}: ${messageOf(error) || String(code)}`, { cause: error })
  const [, kind, remedy] = kinds.find(([prefix]) => state.startsWith(prefix)) ?? ['', 'invalid' as const]
  const message = messageOf(error)
  return new WindlassError(kind, `${description}: ${message}${typeof detail === 'string' && detail !== '' && kind === 'invalid' ? ` (${detail})` : ''}${remedy === undefined ? '' : `: ${remedy}`}`, { cause: error })
}
