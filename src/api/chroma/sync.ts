import { isWindlassError } from '../../base/errors.ts'
import type { Bucket } from '../../library/types.ts'
import type { ApiContext } from '../context.ts'
import type { Access } from '../access.ts'

/** What a sync did with one collection. */
export interface SyncedCollection {
  readonly collection: string
  /** Log number that this process knows now: everything acknowledged before the call is in it. */
  readonly log_sequence: number
  readonly records: number
  /** Whether something was moved from the log into a segment. */
  readonly flushed: boolean
}

const syncedAtOnce = 4

/**
 * Looks at the bucket for one collection, or all that the key reaches, and flushes where that is asked for. Nothing needs it: writes are
 * durable when they are acknowledged and strong reads are fresh. Applications that call it expect an answer that says what happened.
 * @throws {WindlassError} `not-found` for a collection that is named and is not there.
 */
export async function syncCollections(bucket: Bucket, access: Access, { collection, flushes }: { collection?: string; flushes: boolean }): Promise<SyncedCollection[]> {
  access.require(flushes ? 'write' : 'read', collection)
  if (collection !== undefined) return [await syncOne(bucket, collection, flushes)]
  const names: string[] = []
  for (let after: string | undefined; ; ) {
    const { collections, next } = await bucket.listCollections({ limit: 1000, ...(after !== undefined && { after }) })
    for (const { name } of collections) if (access.reaches(name)) names.push(name)
    if (next === undefined) break
    after = next
  }
  const synced: SyncedCollection[] = []
  for (let start = 0; start < names.length; start += syncedAtOnce) {
    const part = await Promise.all(names.slice(start, start + syncedAtOnce).map((name) => syncOne(bucket, name, flushes).catch(ignoreMissing)))
    synced.push(...part.filter((each) => each !== null))
  }
  return synced
}

async function syncOne(bucket: Bucket, name: string, flushes: boolean): Promise<SyncedCollection> {
  const collection = await bucket.identifyCollection(name)
  const flushed = flushes && (await collection.flush())
  const { logSequence, recordCount } = await collection.stats()
  return { collection: name, log_sequence: logSequence, records: recordCount, flushed }
}

function ignoreMissing(error: unknown): null {
  if (isWindlassError(error, 'not-found')) return null
  throw error
}

/** `GET` or `POST /api/s3/sync`, with `collection` in the query or in a JSON body. */
export async function answerSync(request: Request, access: Access, { bucket, bodies }: ApiContext): Promise<object> {
  const asked = new URL(request.url).searchParams.get('collection')
  const flushes = request.method === 'POST'
  const run = async (collection: string | null) => {
    const collections = await syncCollections(bucket, access, { flushes, ...(collection !== null && { collection }) })
    const flushedCount = collections.filter(({ flushed }) => flushed).length
    return { success: true, message: `${collections.length} collections refreshed, ${flushedCount} flushed`, bucket: bucket.url, collections }
  }
  if (!flushes || request.body === null) return run(asked)
  return bodies.withJson(request, (json) => {
    const { collection, collection_name: other } = (json ?? {}) as { collection?: unknown; collection_name?: unknown }
    const named = collection ?? other
    return run(typeof named === 'string' ? named : asked)
  })
}
