import { resolve, sep } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { WindlassError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { openStore, parseS3Url, type StoreSettings } from '../store/open-store.ts'
import type { Remote } from './remote.ts'
import { S3Remote } from './s3-remote.ts'
import { S3Wire, type WireSettings } from './s3-wire.ts'
import type { Credentials } from './sign.ts'
import { StoreRemote } from './store-remote.ts'

// Stores of many regions, which sign as `auto`; as the store has them.
const regionlessHosts = /(^|\.)(r2\.cloudflarestorage\.com|tigris\.dev|t3\.storage\.dev|storage\.googleapis\.com)$/
const tigrisHosts = /(^|\.)(tigris\.dev|t3\.storage\.dev)$/

export interface RemoteOptions extends StoreSettings {
  readonly requestsAtOnce: number
  readonly clock: Clock
  readonly random: Random
}

/**
 * The far end of a transfer by its URL: `s3://bucket/prefix`, or any other that can be written to. Contacts nobody yet, but for
 * credentials that are not in the settings.
 * @throws {WindlassError} `invalid` for a URL of no known kind; `unauthenticated` without credentials.
 */
export async function openRemote(url: string, options: RemoteOptions): Promise<Remote> {
  const { clock, random } = options
  if (!/^s3:/i.test(url)) {
    return new StoreRemote(await openStore(url, { clock, random }))
  }
  const { bucket, prefix } = parseS3Url(url)
  const settings = await wireSettings(bucket, options)
  return new S3Remote(new S3Wire(settings), prefix === '' ? '' : `${prefix}/`)
}

/** @throws {WindlassError} `invalid` where a bucket that is a folder, and the folder to transfer, are one in the other. */
export function refuseOverlap(url: string, folder: string): void {
  const bucket = /^file:(?:\/\/(?=\/))?([^?#]+)/.exec(url)?.[1]
  if (bucket === undefined) return
  const [one, other] = [resolve(decodeURIComponent(bucket)) + sep, resolve(folder) + sep]
  if (one.startsWith(other) || other.startsWith(one)) throw new WindlassError('invalid', `${url} and ${folder} lie one in the other: take two folders`, { path: 'folder' })
}

async function wireSettings(bucket: string, options: RemoteOptions): Promise<WireSettings> {
  const { endpoint, region, accessKeyId, secretAccessKey, sessionToken, forcePathStyle, requestsAtOnce, clock, random } = options
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) throw new WindlassError('invalid', `s3://${bucket}: one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set: set both, or neither`, { path: accessKeyId === undefined ? 'AWS_ACCESS_KEY_ID' : 'AWS_SECRET_ACCESS_KEY' })
  const host = endpoint === undefined ? '' : hostOf(endpoint)
  const given = accessKeyId !== undefined && secretAccessKey !== undefined ? { accessKeyId, secretAccessKey, sessionToken } : null
  const isNamed = region !== undefined && region !== 'auto'
  // The SDK takes a third of a second to load: only where its chain has to find something out.
  const chain = given && (isNamed || region === 'auto' || endpoint !== undefined) ? null : await openChain(bucket)
  const found = isNamed ? region : endpoint === undefined ? ((region === 'auto' ? undefined : await chain?.region()) ?? 'us-east-1') : regionlessHosts.test(host) ? 'auto' : 'us-east-1'
  const domain = found.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
  return {
    bucket,
    endpoint: endpoint ?? `https://s3.${found}.${domain}`,
    // A dot in a bucket's name is one more level than a certificate's wildcard has.
    pathStyle: forcePathStyle ?? (endpoint !== undefined || bucket.includes('.')),
    region: found,
    credentials: given ? () => Promise.resolve(given) : chain!.credentials,
    headers: tigrisHosts.test(host) ? { 'x-tigris-consistent': 'true' } : {},
    requestsAtOnce,
    clock,
    random,
  }
}

function hostOf(endpoint: string): string {
  try {
    return new URL(endpoint).hostname
  } catch {
    throw new WindlassError('invalid', `endpoint ${JSON.stringify(endpoint)} is not a URL: write https://host or http://host:port`, { path: 'endpoint' })
  }
}

/** Credentials and region from where AWS tools look for them: profiles, roles, instance metadata. */
async function openChain(bucket: string): Promise<{ credentials: () => Promise<Credentials>; region: () => Promise<string | undefined> }> {
  const { S3Client } = await import('@aws-sdk/client-s3')
  const { config } = new S3Client({})
  return {
    credentials: async () => {
      try {
        return await config.credentials()
      } catch (error) {
        throw new WindlassError('unauthenticated', `s3://${bucket}: no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a role is attached`, { cause: error })
      }
    },
    region: () => config.region().catch(() => undefined),
  }
}
