import { posix } from 'node:path'
import { metricOf } from '../api/chroma/settings.ts'
import { systemClock } from '../base/clock.ts'
import { WindlassError } from '../base/errors.ts'
import { systemRandom } from '../base/random.ts'
import type { Configuration } from '../config/configuration.ts'
import { LegacySource } from '../migrate/legacy-source.ts'
import type { RecordSource } from '../migrate/source.ts'
import { BatchSource } from '../migrate/sources/batch-source.ts'
import { LancedbSource } from '../migrate/sources/lancedb-source.ts'
import { ParquetSource } from '../migrate/sources/parquet-source.ts'
import { PgvectorSource } from '../migrate/sources/pgvector-source.ts'
import { QdrantSource } from '../migrate/sources/qdrant-source.ts'
import { openDatabase } from '../vectorize/postgres/database.ts'
import { fieldFlags, metricFlag, openOldBucket } from './old-bucket.ts'
import type { Flags } from './run.ts'

const schemes = /^(qdrant|pgvector|chroma|lancedb):(.+)$/i
const filePattern = /\.(jsonl|ndjson|json|parquet)$/i

/** Whether `text` names another engine or a file, rather than an index or a collection of ours. */
export function isForeignSource(text: string): boolean {
  return schemes.test(text) || (filePattern.test(text) && !text.includes('#'))
}

/**
 * Opens what a copy reads: `qdrant:http://host:6333/collection`, `pgvector:VARIABLE/table`, `chroma:<url or folder>/collection`,
 * `lancedb:<folder or s3://…>/table`, or a file of JSON lines, JSON or Parquet, in a folder or on `s3://`.
 */
export async function openSource(text: string, flags: Flags, configuration: Configuration): Promise<RecordSource> {
  const [, scheme = '', rest = ''] = schemes.exec(text) ?? []
  const metric = metricFlag(flags.metric)
  const fields = fieldFlags(flags)
  if (scheme === '') return openFile(text, flags, configuration)
  const [, where = '', name = ''] = /^(.+)\/([^/]+)$/.exec(rest) ?? []
  if (where === '') throw new WindlassError('invalid', `${JSON.stringify(text)} names no ${scheme === 'pgvector' || scheme === 'lancedb' ? 'table' : 'collection'} behind the last slash`, { path: 'from' })
  const { environment } = configuration
  switch (scheme.toLowerCase()) {
    case 'qdrant': {
      const apiKey = environment.QDRANT_API_KEY
      return new QdrantSource({ url: where, collection: name, fields, clock: systemClock, random: systemRandom, ...(apiKey && { apiKey }), ...(typeof flags.vectorField === 'string' && { vectorName: flags.vectorField }) })
    }
    case 'pgvector': {
      const url = environment[where]
      if (!url) throw new WindlassError('invalid', `${JSON.stringify(where)} is no environment variable that is set: name the one with postgresql://user:password@host/database, as in pgvector:DATABASE_URL/items`, { path: 'from' })
      return new PgvectorSource(await openDatabase({ url, connectionsMax: 2 }), { table: name, metric, fields })
    }
    case 'chroma':
      return openChroma(where, name, flags)
    default:
      return LancedbSource.open({ folder: where, table: name, metric, fields })
  }
}

async function openChroma(where: string, name: string, flags: Flags): Promise<RecordSource> {
  const [{ ServerSource }, { PersistedSource }] = await Promise.all([import('../api/chroma/copy/server-source.ts'), import('../api/chroma/copy/persisted-source.ts')])
  const token = typeof flags.token === 'string' ? flags.token : undefined
  const chroma = /^https?:/i.test(where) ? new ServerSource({ url: where, tenant: 'default_tenant', database: 'default_database', ...(token !== undefined && { token }) }) : await PersistedSource.open(where)
  for await (const collection of chroma.collections()) {
    if (collection.name !== name) continue
    return new BatchSource(`chroma:${where}/${name}`, { metric: metricOf[collection.settings.space], dimension: null, count: null }, () => chroma.records(collection), () => chroma.close())
  }
  await chroma.close()
  throw new WindlassError('not-found', `${where} has no collection ${JSON.stringify(name)}`, { path: 'from' })
}

async function openFile(text: string, flags: Flags, configuration: Configuration): Promise<RecordSource> {
  const [folder, key] = [posix.dirname(text), posix.basename(text)]
  const bucket = await openOldBucket(folder, flags, configuration)
  if ((await bucket.head(key)) === null) throw new WindlassError('not-found', `${text} is not there`, { path: 'from' })
  const settings = { metric: metricFlag(flags.metric), fields: fieldFlags(flags) }
  if (/\.parquet$/i.test(key)) return new ParquetSource(bucket, { key, ...settings })
  // One object of what lies in the folder.
  const only = { url: bucket.url, get: bucket.get.bind(bucket), head: bucket.head.bind(bucket), close: async () => bucket.close?.(), list: async function* (prefix: string, options?: { startAfter?: string }) {
    for await (const object of bucket.list(prefix, options)) if (object.key === key) yield object
  } }
  return new LegacySource(only, { ...settings, vectorsPrefix: key })
}
