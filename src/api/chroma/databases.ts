import { isWindlassError } from '../../base/errors.ts'
import type { Namespace } from '../../library/types.ts'
import type { OperationContext } from './context.ts'
import { alreadyExists, notFound } from './errors.ts'
import { uuidOfBytes } from './ids.ts'
import { defaultDatabase, defaultTenant, prefixOf, type Place } from './names.ts'

export interface DatabaseInfo {
  readonly id: string
  readonly name: string
  readonly tenant: string
}

const nilUuid = '00000000-0000-0000-0000-000000000000'
const pageMax = 1000

/** Tenants and databases lie among the namespaces; names of tenants may hold anything, so they are escaped. */
const tenantPrefix = 'chroma/tenant/'
const databasePrefix = (tenant: string) => `chroma/database/${encodeURIComponent(tenant)}/`

/** A tenant; the default one need not be made. */
export async function findTenant(name: string, { bucket }: OperationContext): Promise<{ resourceName: string | null } | null> {
  const found = await bucket.namespaces.find(tenantPrefix + encodeURIComponent(name))
  if (found?.state === 'live') return { resourceName: typeof found.value.resourceName === 'string' ? found.value.resourceName : null }
  return name === defaultTenant ? { resourceName: null } : null
}

export async function createTenant(name: string, context: OperationContext): Promise<void> {
  const taken = alreadyExists(`Tenant [${name}] already exists`)
  if (name === defaultTenant) throw taken
  await underConflict(taken, () => context.bucket.namespaces.create(tenantPrefix + encodeURIComponent(name), {}))
}

export async function renameTenantResource(name: string, resourceName: string, context: OperationContext): Promise<void> {
  if (!(await findTenant(name, context))) throw notFound(`Tenant [${name}] not found`)
  const key = tenantPrefix + encodeURIComponent(name)
  if (!(await context.bucket.namespaces.find(key))) await underConflict(null, () => context.bucket.namespaces.create(key, {}))
  await context.bucket.namespaces.update(key, (namespace) => ({ ...namespace, value: { ...namespace.value, resourceName } }))
}

/** A database; the default one need not be made, and one that has collections of another door neither. */
export async function findDatabase(place: Place, { bucket }: OperationContext): Promise<DatabaseInfo | null> {
  const { tenant, database } = place
  const found = await bucket.namespaces.find(databasePrefix(tenant) + database)
  if (found) return found.state === 'live' ? infoOf(tenant, database, found) : null
  if (tenant !== defaultTenant) return null
  if (database === defaultDatabase) return { id: nilUuid, name: database, tenant }
  const { collections } = await bucket.listCollections({ prefix: prefixOf(place), limit: 1 })
  return collections.length > 0 ? { id: nilUuid, name: database, tenant } : null
}

/** @throws {ChromaError} 404 with the reference's words. */
export async function getDatabase(place: Place, context: OperationContext): Promise<DatabaseInfo> {
  const found = await findDatabase(place, context)
  if (!found) throw notFound(`Database [${place.database}] not found. Are you sure it exists?`)
  return found
}

export async function createDatabase({ tenant, database }: Place, context: OperationContext): Promise<void> {
  const taken = alreadyExists(`Database [${database}] already exists`)
  if (tenant === defaultTenant && database === defaultDatabase) throw taken
  await underConflict(taken, () => context.bucket.namespaces.create(databasePrefix(tenant) + database, { id: uuidOfBytes(context.random.bytes(16)) }))
}

/** Removes a database and the collections in it; one that is being made meanwhile is withdrawn by its maker. */
export async function removeDatabase(place: Place, context: OperationContext): Promise<void> {
  const { bucket } = context
  const missing = notFound(`Database [${place.database}] not found`)
  const isImplied = place.tenant === defaultTenant && place.database === defaultDatabase
  if (isImplied) return dropAll(place, context)
  try {
    await bucket.namespaces.remove(databasePrefix(place.tenant) + place.database, async () => {
      await dropAll(place, context)
      return true
    })
  } catch (error) {
    if (isWindlassError(error, 'not-found')) throw missing
    throw error
  }
}

/** Names in order, the default one first. */
export async function listDatabases(tenant: string, { limit, offset }: { limit: number; offset: number }, { bucket }: OperationContext): Promise<DatabaseInfo[]> {
  const start = databasePrefix(tenant)
  const infos: DatabaseInfo[] = tenant === defaultTenant ? [{ id: nilUuid, name: defaultDatabase, tenant }] : []
  for (let after: string | undefined; infos.length < offset + limit; ) {
    const { names, next } = await bucket.namespaces.list({ start, limit: pageMax, ...(after !== undefined && { after }) })
    const found = await Promise.all(names.map((name) => bucket.namespaces.find(name)))
    names.forEach((name, i) => found[i]?.state === 'live' && infos.push(infoOf(tenant, name.slice(start.length), found[i]!)))
    if (next === undefined) break
    after = next
  }
  return infos.slice(offset, offset + limit)
}

/** Every name below a place, in order. The default database has what lies in no other. */
export async function* collectionNames(place: Place, { bucket }: OperationContext): AsyncGenerator<string> {
  const prefix = prefixOf(place)
  for (let after: string | undefined; ; ) {
    const { collections, next } = await bucket.listCollections({ prefix, limit: pageMax, ...(after !== undefined && { after }) })
    for (const { name } of collections) if (!name.slice(prefix.length).includes('/')) yield name
    if (next === undefined) return
    after = next
  }
}

async function dropAll(place: Place, context: OperationContext): Promise<void> {
  const names: string[] = []
  for await (const name of collectionNames(place, context)) names.push(name)
  await dropCollections(names, context)
}

const dropsAtOnce = 8

export async function dropCollections(names: readonly string[], { bucket }: OperationContext): Promise<void> {
  for (let start = 0; start < names.length; start += dropsAtOnce) {
    await Promise.all(
      names.slice(start, start + dropsAtOnce).map((name) =>
        bucket.dropCollection(name).catch((error: unknown) => {
          if (!isWindlassError(error, 'not-found')) throw error
        }),
      ),
    )
  }
}

/** Removes every tenant and database that was made. */
export async function forgetPlaces({ bucket }: OperationContext): Promise<void> {
  for (;;) {
    const { names } = await bucket.namespaces.list({ start: 'chroma/', limit: pageMax })
    if (names.length === 0) return
    await Promise.all(names.map((name) => bucket.namespaces.remove(name, async () => true).catch(ignoreMissing)))
  }
}

function ignoreMissing(error: unknown): void {
  if (!isWindlassError(error, 'not-found')) throw error
}

function infoOf(tenant: string, name: string, { value }: Namespace): DatabaseInfo {
  return { id: typeof value.id === 'string' ? value.id : nilUuid, name, tenant }
}

async function underConflict(error: Error | null, task: () => Promise<unknown>): Promise<void> {
  try {
    await task()
  } catch (thrown) {
    if (!isWindlassError(thrown, 'conflict')) throw thrown
    if (error) throw error
  }
}
