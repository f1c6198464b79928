import { parsePlace } from '../api/s3vectors/copy/parse-place.ts'
import { WindlassError } from '../base/errors.ts'
import type { Configuration } from '../config/configuration.ts'
import { storeSettings } from '../config/load.ts'
import type { Bucket, DocumentCollection } from '../library/types.ts'
import type { RecordTarget } from '../migrate/target.ts'
import { CollectionTarget } from '../migrate/targets/collection-target.ts'
import { EngineTarget } from '../migrate/targets/engine-target.ts'
import { IndexTarget, type VectorIndex } from '../migrate/targets/index-target.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { openStore } from '../store/open-store.ts'
import { isSearchable } from '../vectorize/destinations/destination.ts'
import { openDestination } from '../vectorize/destinations/open-destination.ts'
import { parseEngine } from '../vectorize/destinations/parse-engine.ts'
import { openBucket, type Flags } from './run.ts'

/** A destination of records, and where the notes of the move are kept. */
export interface OpenTarget {
  readonly target: RecordTarget
  readonly destination: 'bucket' | 's3vectors' | 'other'
  readonly notes: ObjectStore
  /** Where files go that are embedded anew. */
  documents(): Promise<DocumentCollection>
  close(): Promise<void>
}

const enginePattern = /^(qdrant|opensearch|pgvector|s3vectors):(?!\/\/)/i

/** Whether `text` names another engine: `qdrant:http://127.0.0.1:6333/collection`. */
export function isEngineLine(text: string): boolean {
  return enginePattern.test(text)
}

/**
 * Opens what `--to` names: a collection, `<bucket>#<collection>`, `s3vectors://bucket/index`, or the line of another engine. Notes are kept in
 * the bucket that the collection is in, else in the configured one.
 */
export async function openTarget(to: string, flags: Flags, configuration: Configuration): Promise<OpenTarget> {
  const opened: { close?(): Promise<void> }[] = []
  const keep = <Part extends { close?(): Promise<void> }>(part: Part): Part => {
    opened.push(part)
    return part
  }
  const close = async () => {
    for (const part of opened.reverse()) await part.close?.()
  }
  const notesAt = async (url: string) => keep(await openStore(url, storeSettings(configuration)))
  if (isEngineLine(to)) {
    const bucket = keep(await openBucket(configuration))
    const { line, name } = { line: to, name: configuration.collection() }
    const destination = await openDestination(parseEngine(line, configuration.environment), name, contextOf(bucket))
    if (!isSearchable(destination)) throw new WindlassError('unsupported', `${destination.name} takes whole files, no vectors`, { path: 'to' })
    const target = keep(new EngineTarget(destination, line))
    return { target, destination: line.toLowerCase().startsWith('s3vectors:') ? 's3vectors' : 'other', notes: await notesAt(bucket.url), close, documents: async () => keep(await openBucketWithEngine(configuration, bucket.url, line)).documents(name) }
  }
  const place = parsePlace(to)
  if (place.kind === 'service') {
    const { openIndex } = await import('./commands/copy.ts')
    const target = keep(new IndexTarget((await openIndex(place, 'to', flags, configuration)) as unknown as VectorIndex))
    const { url } = configuration.bucket()
    const line = `s3vectors:${typeof flags.toEndpoint === 'string' ? `${flags.toEndpoint}/` : ''}${place.index.bucket}/${place.index.index}`
    return { target, destination: 's3vectors', notes: await notesAt(url), close, documents: async () => keep(await openBucketWithEngine(configuration, url, line)).documents(configuration.collection()) }
  }
  const url = place.url ?? configuration.bucket().url
  const bucket = keep(await openBucket(configuration, url))
  const { collection } = place
  return {
    target: keep(new CollectionTarget(bucket, collection)),
    destination: 'bucket',
    notes: await notesAt(url),
    close,
    documents: async () => {
      await bucket.getOrCreateCollection(collection)
      return bucket.collection(collection)
    },
  }
}

/** What destinations are opened with; a vectorizer has it, and nothing of this one is used. */
function contextOf(bucket: Bucket) {
  return bucket.vectorizer({ name: 'migration', source: { type: 'folder', path: '.' }, destinations: [{ type: 'collection', name: 'none' }] }).context
}

async function openBucketWithEngine(configuration: Configuration, url: string, line: string): Promise<Bucket> {
  return openBucket(configuration, url, { documentEngine: { line, environment: configuration.environment } })
}

