import { isWindlassError, messageOf, WindlassError } from '../../base/errors.ts'
import { systemClock } from '../../base/clock.ts'
import { systemRandom } from '../../base/random.ts'
import { storeSettings } from '../../config/load.ts'
import { parseDuration } from '../../vectorize/declaration/duration.ts'
import { roleTaker } from '../../vectorize/postgres/assume-role.ts'
import { openDatabase, type Database } from '../../vectorize/postgres/database.ts'
import { installPgai, uninstallPgai } from '../../vectorize/postgres/pgai/install-pgai.ts'
import { PgaiWorker } from '../../vectorize/postgres/pgai/pgai-worker.ts'
import { loadWorkerModel } from '../../vectorize/postgres/pgai/worker-model.ts'
import { UriReader } from '../../vectorize/postgres/uri-reader.ts'
import { configure, print, type Flags } from '../run.ts'
import { countText } from '../text.ts'

/** Options of `windlass postgres` that may be given more than once. */
export interface PostgresFlags {
  readonly id?: readonly string[]
  readonly allowHost?: readonly string[]
  readonly fileRoot?: readonly string[]
}

/** Where the address of the database is looked for where no variable is named. */
const urlVariables = ['WINDLASS_POSTGRES_URL', 'PGAI_VECTORIZER_WORKER_DB_URL', 'DATABASE_URL']

/** `windlass postgres install --pgai`: pgai's SQL, for our worker. */
export async function installForPgai(flags: Flags): Promise<void> {
  await withDatabase(flags, async (database) => {
    const whose = await installPgai(database)
    if (whose === 'pgai') print(`${database.description}: pgai's own schema ai is left as it is; its vectorizers are worked on by: windlass postgres worker`)
    else print(`${database.description}: schema ai is installed; next: SELECT ai.create_vectorizer(…), then windlass postgres worker`)
  })
}

/** `windlass postgres uninstall --pgai`. */
export async function uninstallForPgai(flags: Flags): Promise<void> {
  await withDatabase(flags, async (database) => {
    await uninstallPgai(database, { dropAll: flags.dropAll === true })
    print(`${database.description}: schema ai is gone${flags.dropAll ? ', and the tables of embeddings with it' : '; tables of embeddings are left'}`)
  })
}

/** `windlass postgres worker`: works on the vectorizers of a database, once or until it is told to stop. */
export async function workForPgai(flags: Flags & PostgresFlags, version: string): Promise<void> {
  const stopping = new AbortController()
  const stop = () => stopping.abort()
  process.once('SIGINT', stop).once('SIGTERM', stop)
  const context = { clock: systemClock, random: systemRandom }
  const configuration = configure(withoutLists(flags))
  const { environment } = configuration
  const uris = new UriReader({ ...context, storeSettings: storeSettings(configuration), assumeRole: roleTaker(environment, context), ...(flags.allowHost && { allowHosts: flags.allowHost }), ...(flags.fileRoot && { roots: flags.fileRoot }) })
  try {
    await withDatabase(flags, async (database) => {
      const worker = new PgaiWorker({
        ...context,
        database,
        uris,
        version,
        environment,
        loadStaticModel: loadWorkerModel,
        ids: (flags.id ?? []).map((id) => wholeNumber(id, 'id')),
        pollIntervalMs: pollInterval(flags.pollInterval),
        ...(typeof flags.concurrency === 'string' && { concurrency: wholeNumber(flags.concurrency, 'concurrency') }),
        onReport: ({ name }, { embeddedRows, unchangedRows, removedRows, failedRows, chunksEmbedded, chunksReused }) =>
          print(`${name}: ${countText(embeddedRows, 'row')} embedded, ${unchangedRows} unchanged, ${removedRows} removed, ${failedRows} failed; ${countText(chunksEmbedded, 'chunk')} embedded, ${chunksReused} taken over`),
        onError: (name, error) => process.stderr.write(`${name}: ${messageOf(error)}\n`),
      })
      if (flags.once) {
        const { error } = await worker.runOnce(stopping.signal)
        if (error !== undefined) throw error instanceof Error ? error : new Error(String(error))
      } else await worker.run(stopping.signal)
    })
  } catch (error) {
    // Asked to stop: what was under way went back into the queue.
    if (!isWindlassError(error, 'cancelled')) throw error
  } finally {
    await uris.close()
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

async function withDatabase(flags: Flags & PostgresFlags, task: (database: Database) => Promise<void>): Promise<void> {
  const { environment } = configure(withoutLists(flags))
  const names = typeof flags.urlVariable === 'string' ? [flags.urlVariable] : urlVariables
  const url = names.map((name) => environment[name]).find((value) => value)
  if (!url) throw new WindlassError('invalid', `the address of Postgres is not set: put postgresql://user:password@host:5432/database into ${names.join(', or ')}`, { path: 'urlVariable' })
  const database = await openDatabase({ url, applicationName: 'windlass-worker' })
  try {
    await task(database)
  } finally {
    await database.close()
  }
}

/** As settings of the process, in which there are no lists. */
function withoutLists(flags: Flags & PostgresFlags): Flags {
  const { id: _, allowHost: __, fileRoot: ___, ...rest } = flags
  return rest
}

/** A number of seconds, or a time with its unit. */
function pollInterval(given: string | boolean | readonly string[] | undefined): number {
  if (typeof given !== 'string') return 300_000
  const ms = /^\d+$/.test(given) ? Number(given) * 1000 : /^\d+(\.\d+)?(ms|s|m|h|d)$/.test(given) ? parseDuration(given) : Number.NaN
  if (Number.isNaN(ms)) throw new WindlassError('invalid', `--poll-interval ${given} is no time such as 5s, 10m or 1h`, { path: 'poll-interval' })
  return ms
}

function wholeNumber(text: string, name: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new WindlassError('invalid', `--${name} ${text} is no whole number from 1`, { path: name })
  return Number(text)
}
