import { isWindlassError } from '../../base/errors.ts'
import type { IdentifiedCollection } from '../../library/identified-collection.ts'
import type { CollectionSchema, CollectionStats } from '../../library/types.ts'
import type { ChromaRequest, OperationContext } from './context.ts'
import { invalid, notFound } from './errors.ts'
import { idOfUuid, uuidOfId } from './ids.ts'
import { collectionOf, placeOf, type Place } from './names.ts'
import { describeSettings, revive, settingsOf } from './settings.ts'

/** A collection as it is now, and under which name it lies in the bucket. */
export interface FoundCollection {
  readonly collection: IdentifiedCollection
  readonly name: string
}

export function placeOfRequest({ params }: ChromaRequest): Place {
  return { tenant: params.tenant!, database: params.database! }
}

/**
 * The collection of a request by its UUID, which must lie in the tenant and database of the path.
 * @throws {ChromaError} 400 for what is no UUID, 404.
 */
export async function collectionById(request: ChromaRequest, role: 'read' | 'write' | 'admin', missing = (uuid: string) => `Collection [${uuid}] does not exist.`): Promise<FoundCollection> {
  const { params, context } = request
  const uuid = params.collection!
  const id = idOfUuid(uuid)
  if (id === null) throw invalid('Collection ID is not a valid UUIDv4')
  const collection = await underMissing(missing(uuid), () => context.bucket.collectionById(id))
  const name = await collection.name()
  const place = placeOf(name)
  if (place?.tenant !== params.tenant || place?.database !== params.database) throw notFound(missing(uuid))
  context.access.require(role, name)
  return { collection, name }
}

/** The collection of a name, at this moment. @throws {ChromaError} 404. */
export async function collectionByName(place: Place, name: string, context: OperationContext): Promise<FoundCollection & { stats: CollectionStats }> {
  const full = collectionOf(place, name)
  return underMissing(`Collection [${name}] does not exist`, async () => {
    const collection = await context.bucket.identifyCollection(full)
    const stats = await collection.stats()
    return { collection, name: full, stats }
  })
}

/** A collection that goes while it is used is missing, not an internal matter. */
export async function underMissing<Value>(message: string, task: () => Promise<Value>): Promise<Value> {
  try {
    return await task()
  } catch (error) {
    if (isWindlassError(error, 'not-found')) throw notFound(message)
    throw error
  }
}

/** Runs `task` on the collection of a request; one that was dropped meanwhile is missing. */
export async function withCollection<Value>(request: ChromaRequest, role: 'read' | 'write' | 'admin', task: (collection: IdentifiedCollection) => Promise<Value>): Promise<Value> {
  const { collection } = await collectionById(request, role)
  return underMissing(`Collection [${request.params.collection}] does not exist.`, () => task(collection))
}

/** A collection as clients see it. */
export function describeCollection(id: string, fullName: string, schema: CollectionSchema): Record<string, unknown> {
  const { tenant, database, name } = placeOf(fullName) ?? { tenant: null, database: null, name: fullName }
  const settings = settingsOf(schema)
  const { configuration, schema: described } = describeSettings(settings)
  return {
    id: uuidOfId(id),
    name,
    configuration_json: configuration,
    schema: described,
    metadata: settings.metadata === null ? null : revive(settings.metadata),
    dimension: schema.dimension,
    tenant,
    database,
    log_position: 0,
    version: 0,
  }
}
