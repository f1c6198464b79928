import { resolve } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import type { StoreSettings } from '../../store/open-store.ts'
import { variableOf, type Environment } from '../declaration/variables.ts'
import { roleTaker } from './assume-role.ts'
import { openDatabase } from './database.ts'
import { PostgresSource, type PostgresDeclaration } from './postgres-source.ts'
import { UriReader } from './uri-reader.ts'

export interface OpenPostgresContext {
  readonly environment: Environment
  readonly storeSettings: StoreSettings
  readonly folder: string
  readonly clock: Clock
  readonly random: Random
  readonly vectorizer?: string | undefined
  readonly where: string
}

/** The source that a declaration names. Connects when it is first listed. @throws {WindlassError} `invalid` for a variable that is not set. */
export async function openPostgresSource(declaration: PostgresDeclaration, { environment, storeSettings, folder, clock, random, vectorizer = '', where }: OpenPostgresContext): Promise<PostgresSource> {
  const { roots, allowHosts, maxBytes } = declaration.loading
  const database = await openDatabase({ url: variableOf(declaration.urlVariable, environment, `${where}.urlVariable`), connectionsMax: 4 })
  const uris = new UriReader({
    clock,
    random,
    storeSettings,
    assumeRole: roleTaker(environment, { clock, random }),
    ...(roots && { roots: roots.map((root) => resolve(folder, root)) }),
    ...(allowHosts && { allowHosts }),
    ...(maxBytes !== undefined && { bytesMax: maxBytes }),
  })
  return new PostgresSource(database, declaration, { vectorizer, uris })
}
