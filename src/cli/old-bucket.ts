import { LegacySource, type OldBucket } from '../migrate/legacy-source.ts'
import { usualFields, type FieldNames } from '../migrate/fields.ts'
import { PlainFolder } from '../migrate/plain-folder.ts'
import { WindlassError } from '../base/errors.ts'
import type { Configuration } from '../config/configuration.ts'
import { storeSettings } from '../config/load.ts'
import { openStore, type StoreSettings } from '../store/open-store.ts'
import type { Flags } from './run.ts'

/** An old bucket, and how its vectors are read. */
export interface OldLayout {
  readonly old: OldBucket
  readonly source: LegacySource
  readonly vectorsPrefix: string
  readonly filesPrefix: string
  readonly metric: 'cosine' | 'euclidean' | 'dot'
}

/** Opens the home-made layout at `url`: an `s3://` bucket, or a folder with a copy of one. */
export async function openOldLayout(url: string, flags: Flags, configuration: Configuration): Promise<OldLayout> {
  const old = await openOldBucket(url, flags, configuration)
  const vectorsPrefix = folderFlag(flags.vectorsPrefix, 'vectors/')
  const metric = metricFlag(flags.metric)
  return { old, source: new LegacySource(old, { fields: fieldFlags(flags), vectorsPrefix, metric }), vectorsPrefix, filesPrefix: folderFlag(flags.filesPrefix, 'files/'), metric }
}

/** Read with the settings of the bucket, unless the `--from-…` options or the variables FROM_AWS_… say otherwise. */
export async function openOldBucket(url: string, flags: Flags, configuration: Configuration): Promise<OldBucket> {
  if (/^(s3|https?|memory):/i.test(url)) return openStore(url, fromSettings(flags, configuration))
  if (/^[a-z][a-z0-9+.-]+:/i.test(url) && !url.startsWith('file:')) throw new WindlassError('invalid', `${JSON.stringify(url)} is no bucket: use s3://bucket/prefix or a folder`, { path: 'source' })
  return new PlainFolder(url.replace(/^file:(\/\/(?=\/))?/, ''))
}

/** How the bucket that is read is reached, where it is another one than the one that is written. */
export function fromSettings(flags: Flags, configuration: Configuration): StoreSettings {
  const { environment } = configuration
  const endpoint = typeof flags.fromEndpoint === 'string' ? flags.fromEndpoint : environment.FROM_AWS_ENDPOINT_URL_S3
  const region = typeof flags.fromRegion === 'string' ? flags.fromRegion : environment.FROM_AWS_REGION
  const [accessKeyId, secretAccessKey, sessionToken] = [environment.FROM_AWS_ACCESS_KEY_ID, environment.FROM_AWS_SECRET_ACCESS_KEY, environment.FROM_AWS_SESSION_TOKEN]
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) throw new WindlassError('unauthenticated', 'of FROM_AWS_ACCESS_KEY_ID and FROM_AWS_SECRET_ACCESS_KEY only one is set: set both, or none', { path: 'source' })
  const { accessKeyId: _, secretAccessKey: __, sessionToken: ___, ...place } = storeSettings(configuration)
  const keys = accessKeyId === undefined ? storeSettings(configuration) : { ...place, accessKeyId, secretAccessKey: secretAccessKey!, ...(sessionToken && { sessionToken }) }
  return { ...keys, ...(endpoint && { endpoint }), ...(region && { region }) }
}

/** Names of members that a person gives instead of the usual ones. */
export function fieldFlags(flags: Flags): FieldNames {
  const named = (flag: Flags[string], usual: readonly string[]) => (typeof flag === 'string' ? [flag] : usual)
  return { vector: named(flags.vectorField, usualFields.vector), id: named(flags.idField, usualFields.id), text: named(flags.textField, usualFields.text), metadata: named(flags.metadataField, usualFields.metadata) }
}

/** `--metric`. @throws {WindlassError} `invalid`. */
export function metricFlag(value: Flags[string]): 'cosine' | 'euclidean' | 'dot' {
  if (value === undefined) return 'cosine'
  if (value === 'cosine' || value === 'euclidean' || value === 'dot') return value
  throw new WindlassError('invalid', `--metric is ${String(value)}, expected cosine, euclidean or dot`, { path: 'metric' })
}

/** `vectors` and `vectors/` are one; the empty text is the whole bucket. */
function folderFlag(value: Flags[string], usual: string): string {
  if (typeof value !== 'string') return usual
  const name = value.replace(/^\/+|\/+$/g, '')
  return name === '' ? '' : `${name}/`
}
