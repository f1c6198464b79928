import { isWindlassError } from '../../../base/errors.ts'
import type { JsonValue } from '../../../library/types.ts'
import { collectionById, collectionByName, describeCollection, placeOfRequest, underMissing, withCollection } from '../collections.ts'
import type { ChromaRequest, ChromaRoute } from '../context.ts'
import { collectionNames, findDatabase } from '../databases.ts'
import { alreadyExists, ChromaError, invalid, notFound } from '../errors.ts'
import { idOfUuid } from '../ids.ts'
import { checkName, collectionOf } from '../names.ts'
import { pageOf } from '../page.ts'
import { asText, member, optionalBoolean, optionalText } from '../read-body.ts'
import { changedSettings, metricOf, newSettings, settingsOf, type ChromaSettings } from '../settings.ts'

const lookedUpAtOnce = 16

const getCollections = async (request: ChromaRequest) => {
  const { context, query } = request
  const { limit, offset } = pageOf(query)
  const names: string[] = []
  for await (const name of collectionNames(placeOfRequest(request), context)) {
    if (context.access.reaches(name)) names.push(name)
    if (names.length >= offset + limit) break
  }
  const described: unknown[] = []
  const wanted = names.slice(offset)
  for (let start = 0; start < wanted.length; start += lookedUpAtOnce) {
    const part = await Promise.all(wanted.slice(start, start + lookedUpAtOnce).map((name) => describeIfThere(name, request)))
    described.push(...part.flat())
  }
  return { json: described }
}

/** A collection dropped or renamed between the listing and the look is simply not there any more. */
async function describeIfThere(name: string, { context }: ChromaRequest): Promise<unknown[]> {
  try {
    const collection = await context.bucket.identifyCollection(name)
    const { schema, name: ownName } = await collection.stats()
    return ownName === name ? [describeCollection(collection.id, name, schema)] : []
  } catch (error) {
    if (isWindlassError(error, 'not-found')) return []
    throw error
  }
}

const countCollections = async (request: ChromaRequest) => {
  let count = 0
  for await (const name of collectionNames(placeOfRequest(request), request.context)) if (request.context.access.reaches(name)) count++
  return { json: count }
}

const postCollection = async (request: ChromaRequest) => {
  const { body, context } = request
  const name = asText(member(body, 'name'), 'name')
  const mayExist = optionalBoolean(member(body, 'get_or_create'), 'get_or_create') ?? false
  checkName(name)
  const settings = newSettings(body)
  const place = placeOfRequest(request)
  const full = collectionOf(place, name)
  if (mayExist) {
    context.access.require('read', full)
    const existing = await collectionByName(place, name, context).catch(ignoreMissing)
    if (existing) return { json: describeCollection(existing.collection.id, full, existing.stats.schema) }
  }
  context.access.require('admin', full)
  if (!(await findDatabase(place, context))) throw invalid(`Database [${place.database}] does not exist`)
  try {
    await context.bucket.createCollection(full, { metric: metricOf[settings.space], custom: { chroma: settings as unknown as JsonValue } })
  } catch (error) {
    if (!isWindlassError(error, 'conflict')) throw error
    if (!mayExist) throw alreadyExists(`Collection [${name}] already exists`)
  }
  // The database may have begun to close between the look and the making (docs/protocol.md, H4).
  if (!(await findDatabase(place, context))) {
    await context.bucket.dropCollection(full).catch(() => undefined)
    throw invalid(`Database [${place.database}] does not exist`)
  }
  const { collection, stats } = await collectionByName(place, name, context)
  return { json: describeCollection(collection.id, full, stats.schema) }
}

function ignoreMissing(error: unknown): null {
  if (error instanceof ChromaError && error.status === 404) return null
  throw error
}

const getCollection = async (request: ChromaRequest) => {
  const { params, context } = request
  const place = placeOfRequest(request)
  context.access.require('read', collectionOf(place, params.collection!))
  const { collection, name, stats } = await collectionByName(place, params.collection!, context)
  // Who renamed it may have died before the old name was let go.
  if (stats.name !== name) throw notFound(`Collection [${params.collection}] does not exist`)
  return { json: describeCollection(collection.id, name, stats.schema) }
}

const getCollectionById = async (request: ChromaRequest) => {
  if (idOfUuid(request.params.collection!) === null) throw invalid('Validation error: collection_id: Invalid collection ID format, expected UUID')
  const missing = (uuid: string) => `Collection [${uuid}] does not exist`
  const { collection } = await collectionById(request, 'read', missing)
  const { schema, name } = await underMissing(missing(request.params.collection!), () => collection.stats())
  return { json: describeCollection(collection.id, name, schema) }
}

/** By resource name: tenant, database and collection, with colons between. */
const getCollectionByResourceName = async ({ params, context }: ChromaRequest) => {
  const [tenant = '', database = '', name = '', ...rest] = params.crn!.split(':')
  if (rest.length > 0 || name === '') throw invalid(`Invalid resource name ${JSON.stringify(params.crn!.slice(0, 600))}: expected tenant:database:collection`)
  const place = { tenant, database }
  context.access.require('read', collectionOf(place, name))
  const { collection, name: full, stats } = await collectionByName(place, name, context)
  return { json: describeCollection(collection.id, full, stats.schema) }
}

const putCollection = async (request: ChromaRequest) => {
  const { body, context } = request
  const newName = optionalText(member(body, 'new_name'), 'new_name')
  if (newName !== undefined) checkName(newName, 'Validation error: new_name: ')
  const place = placeOfRequest(request)
  const { collection, name } = await collectionById(request, 'admin')
  // Before anything is changed, so that what cannot be done changes nothing.
  const change = (old: ChromaSettings) => changedSettings(old, body)
  change(settingsOf(await collection.schema()))
  return underMissing(`Collection [${request.params.collection}] does not exist.`, async () => {
    if (newName !== undefined && collectionOf(place, newName) !== name) {
      context.access.require('admin', collectionOf(place, newName))
      await context.bucket.renameCollection(name, collectionOf(place, newName)).catch((error: unknown) => {
        throw isWindlassError(error, 'conflict') ? alreadyExists(`Collection [${newName}] already exists`) : error
      })
    }
    await collection.write({ operations: [], schema: (schema) => ({ custom: { ...schema.custom, chroma: change(settingsOf(schema)) as unknown as JsonValue } }) })
    return { json: {} }
  })
}

const deleteCollection = async (request: ChromaRequest) => {
  const { params, context } = request
  const full = collectionOf(placeOfRequest(request), params.collection!)
  context.access.require('admin', full)
  await underMissing(`Collection [${params.collection}] does not exist`, () => context.bucket.dropCollection(full))
  return { json: {} }
}

const forkCollection = async (request: ChromaRequest) => {
  const { body, context } = request
  const newName = asText(member(body, 'new_name'), 'new_name')
  checkName(newName, 'Validation error: new_name: ')
  const place = placeOfRequest(request)
  const { collection: source, name } = await collectionById(request, 'admin')
  const full = collectionOf(place, newName)
  context.access.require('admin', full)
  await underMissing(`Collection [${request.params.collection}] does not exist.`, async () => {
    await context.bucket.branchCollection(name, full).catch((error: unknown) => {
      throw isWindlassError(error, 'conflict') ? alreadyExists(`Collection [${newName}] already exists`) : error
    })
  })
  const { collection } = await collectionByName(place, newName, context)
  const count = (forkCount: (old: number) => number) => (schema: Parameters<typeof settingsOf>[0]) => {
    const settings = settingsOf(schema)
    return { custom: { ...schema.custom, chroma: { ...settings, forkCount: forkCount(settings.forkCount) } as unknown as JsonValue } }
  }
  await collection.write({ operations: [], schema: count(() => 0) })
  await source.write({ operations: [], schema: count((old) => old + 1) })
  return { json: describeCollection(collection.id, full, await collection.schema()) }
}

const countForks = (request: ChromaRequest) =>
  withCollection(request, 'read', async (collection) => {
    const { schema } = await collection.stats()
    return { json: { count: settingsOf(schema).forkCount } }
  })

/** Every write can be found from the moment it is acknowledged; what this tells is how much of the log lies in segments. */
const getIndexingStatus = (request: ChromaRequest) =>
  withCollection(request, 'read', async (collection) => {
    const { logSequence, unflushedCommits } = await collection.stats()
    const indexed = logSequence - unflushedCommits
    return { json: { op_indexing_progress: logSequence === 0 ? 1 : indexed / logSequence, num_unindexed_ops: unflushedCommits, num_indexed_ops: indexed, total_ops: logSequence } }
  })

const base = '/tenants/{tenant}/databases/{database}'

/** Calls about collections. Where a path has a name and where a UUID is as the reference has it. */
export const collectionRoutes: readonly ChromaRoute[] = [
  { method: 'GET', path: '/collections/{crn}', handle: getCollectionByResourceName },
  { method: 'GET', path: `${base}/collections`, handle: getCollections },
  { method: 'GET', path: `${base}/collections_count`, handle: countCollections },
  { method: 'POST', path: `${base}/collections`, handle: postCollection },
  { method: 'GET', path: `${base}/collections/by-id/{collection}`, handle: getCollectionById },
  { method: 'GET', path: `${base}/collections/{collection}`, handle: getCollection },
  { method: 'PUT', path: `${base}/collections/{collection}`, handle: putCollection },
  { method: 'DELETE', path: `${base}/collections/{collection}`, handle: deleteCollection },
  { method: 'POST', path: `${base}/collections/{collection}/fork`, handle: forkCollection },
  { method: 'GET', path: `${base}/collections/{collection}/fork_count`, handle: countForks },
  { method: 'GET', path: `${base}/collections/{collection}/indexing_status`, handle: getIndexingStatus },
]
