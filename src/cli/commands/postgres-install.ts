import { WindlassError } from '../../base/errors.ts'
import { readDeclarationFile } from '../../vectorize/declaration/read-declaration.ts'
import type { SourceDeclaration } from '../../vectorize/declaration/declaration.ts'
import { variableOf } from '../../vectorize/declaration/variables.ts'
import { installChangeLog, uninstallChangeLog } from '../../vectorize/postgres/change-log.ts'
import { openDatabase } from '../../vectorize/postgres/database.ts'
import { parseTableName } from '../../vectorize/postgres/identifiers.ts'
import { watchedColumns } from '../../vectorize/postgres/postgres-source.ts'
import { configure, print, type Flags } from '../run.ts'
import { installForPgai, uninstallForPgai } from './postgres.ts'

/** `windlass postgres install`: triggers and a log of changes for a declared vectorizer, or pgai's schema. */
export async function install(name: string | undefined, flags: Flags): Promise<void> {
  if (isForPgai(name, flags)) return installForPgai(flags)
  await withSource(name!, flags, async (source, database) => {
    const table = await installChangeLog(database, { vectorizer: name!, table: parseTableName(source.table), columns: watchedColumns(source) })
    print(`${name}: ${table} notes its changes from now on; windlass vectorize reads only these once it has seen the whole table`)
  })
}

/** `windlass postgres uninstall`. */
export async function uninstall(name: string | undefined, flags: Flags): Promise<void> {
  if (isForPgai(name, flags)) return uninstallForPgai(flags)
  await withSource(name!, flags, async (_, database) => {
    const isGone = await uninstallChangeLog(database, name!)
    print(isGone ? `${name}: triggers and log are gone; windlass vectorize reads the whole table` : `${name}: nothing was installed`)
  })
}

function isForPgai(name: string | undefined, flags: Flags): boolean {
  if ((name === undefined) !== (flags.pgai === true)) throw new WindlassError('invalid', 'name a vectorizer of windlass.yaml, or give --pgai: one of the two', { path: 'vectorizer' })
  return flags.pgai === true
}

async function withSource(name: string, flags: Flags, task: (source: Extract<SourceDeclaration, { type: 'postgres' }>, database: Awaited<ReturnType<typeof openDatabase>>) => Promise<void>): Promise<void> {
  const { declaration, path } = await readDeclarationFile(typeof flags.config === 'string' ? flags.config : undefined)
  const found = declaration.vectorizers.find((vectorizer) => vectorizer.name === name)
  if (!found) throw new WindlassError('not-found', `${path} declares no vectorizer ${JSON.stringify(name)}: it has ${declaration.vectorizers.map((vectorizer) => vectorizer.name).join(', ')}`, { path: 'vectorizer' })
  const { source } = found
  if (source.type !== 'postgres') throw new WindlassError('invalid', `vectorizer ${JSON.stringify(name)} reads from ${source.type}: only a source of type postgres has anything to install`, { path: 'vectorizer' })
  const variable = typeof flags.urlVariable === 'string' ? flags.urlVariable : source.urlVariable
  const database = await openDatabase({ url: variableOf(variable, configure(flags).environment, `vectorizer ${name}: urlVariable`) })
  try {
    await task(source, database)
  } finally {
    await database.close()
  }
}
