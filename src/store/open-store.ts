import { systemClock, type Clock } from '../base/clock.ts'
import { WindlassError } from '../base/errors.ts'
import { systemRandom, type Random } from '../base/random.ts'
import { checkObjectKey } from './object-key.ts'
import type { CredentialSource } from './s3-connection.ts'
import type { DiskCacheSettings } from './disk-cache-store.ts'
import type { ObjectStore } from './object-store.ts'

/** Keys and places of S3 stores; what is absent comes from the AWS default chain. */
export interface StoreSettings {
  readonly endpoint?: string
  readonly region?: string
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  readonly sessionToken?: string
  /** Instead of keys: asked before each request. */
  readonly credentials?: CredentialSource
  readonly forcePathStyle?: boolean
  readonly requestTimeoutMs?: number
}

export interface OpenStoreOptions extends StoreSettings {
  readonly clock?: Clock
  readonly random?: Random
  /** Put directly around the store that sends the requests, below retries, hedges and coalescing: where real requests are counted. */
  readonly wrap?: (store: ObjectStore) => ObjectStore
  /** Keeps ranges of what never changes on the local disk. Only for stores behind a network. */
  readonly diskCache?: DiskCacheSettings
}

// Named ones live as long as the process: a second opening finds what the first wrote.
const memoryStores = new Map<string, ObjectStore>()

/**
 * The store of a URL: `s3://bucket/prefix`, `file:./folder`, `memory:` or `memory:name` (shared within the process),
 * `https://…` (read-only). Contacts nobody yet.
 * @throws {WindlassError} `invalid` for a URL of no known kind.
 */
export async function openStore(url: string, options: OpenStoreOptions = {}): Promise<ObjectStore> {
  const { clock = systemClock, random = systemRandom, wrap = (store) => store, diskCache, ...settings } = options
  switch (/^([a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase()) {
    case 'memory':
      return wrap(await openMemory(url.slice('memory:'.length), clock))
    case 'file': {
      const { folder, allowShared } = parseFileUrl(url)
      const { DirectoryStore } = await import('./directory-store.ts')
      return wrap(new DirectoryStore(folder, { clock, random, allowShared }))
    }
    case 's3': {
      const { bucket, prefix } = parseS3Url(url)
      // Loaded on demand: the SDK takes a third of a second, which a directory bucket need not wait for.
      const [{ S3Store }, { PrefixStore }] = await Promise.all([import('./s3-store.ts'), import('./prefix-store.ts')])
      const store = await overNetwork(wrap(new S3Store({ bucket, ...settings })), { clock, random, diskCache })
      return prefix === '' ? store : new PrefixStore(store, `${prefix}/`)
    }
    case 'http':
    case 'https': {
      const { HttpStore } = await import('./http-store.ts')
      return overNetwork(wrap(new HttpStore(url, settings)), { clock, random, diskCache })
    }
    default:
      throw new WindlassError('invalid', `bucket ${JSON.stringify(url)} is not a URL we know: use s3://bucket/prefix, file:./folder, memory: or https://…`, { path: 'bucket' })
  }
}

/** What every store behind a network is wrapped in; from the inside: hedges, retries, absence by listing, coalescing, the disk. */
async function overNetwork(store: ObjectStore, { clock, random, diskCache }: { clock: Clock; random: Random; diskCache: DiskCacheSettings | undefined }): Promise<ObjectStore> {
  const [{ HedgingStore }, { RetryingStore }, { ListingAbsenceStore }, { CoalescingStore }] = await Promise.all([
    import('./hedging-store.ts'),
    import('./retrying-store.ts'),
    import('./listing-absence-store.ts'),
    import('./coalescing-store.ts'),
  ])
  const retrying = new RetryingStore(new HedgingStore(store, { clock }), { clock, random })
  const coalescing = new CoalescingStore(new ListingAbsenceStore(retrying, { random }))
  if (!diskCache) return coalescing
  const { DiskCacheStore } = await import('./disk-cache-store.ts')
  return new DiskCacheStore(coalescing, diskCache, random)
}

/** Bucket and prefix of an `s3://` URL; the prefix without slashes around it. @throws {WindlassError} `invalid`. */
export function parseS3Url(url: string): { bucket: string; prefix: string } {
  const match = /^s3:\/\/([^/?#]+)(?:\/([^?#]*))?$/i.exec(url)
  if (!match) throw new WindlassError('invalid', `bucket ${JSON.stringify(url)} is not an S3 URL: use s3://bucket/prefix`, { path: 'bucket' })
  const prefix = (match[2] ?? '').replace(/^\/+|\/+$/g, '')
  if (prefix !== '') checkObjectKey(prefix)
  return { bucket: match[1]!, prefix }
}

function parseFileUrl(url: string): { folder: string; allowShared: boolean } {
  const [path = '', query = ''] = url.slice('file:'.length).split('?')
  const parameters = new URLSearchParams(query)
  for (const [name, value] of parameters) {
    if (name !== 'shared' || value !== 'unsafe') throw new WindlassError('invalid', `bucket ${JSON.stringify(url)} has ?${name}=${value}: only ?shared=unsafe is known`, { path: 'bucket' })
  }
  if (path === '') throw new WindlassError('invalid', 'bucket "file:" names no folder: use file:./folder', { path: 'bucket' })
  // `file:///absolute`, `file:/absolute` and `file:./relative` are all in use; `file://host/` would be another machine's.
  if (/^\/\/[^/]/.test(path)) throw new WindlassError('invalid', `bucket ${JSON.stringify(url)} names a host: use file:///absolute/path or file:./relative`, { path: 'bucket' })
  const plain = path.replace(/^\/\/(?=\/)/, '').replace(/^\/(?=[A-Za-z]:)/, '')
  return { folder: decodePath(plain, url), allowShared: parameters.has('shared') }
}

function decodePath(path: string, url: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw new WindlassError('invalid', `bucket ${JSON.stringify(url)} has a % that is no escape: write %25`, { path: 'bucket' })
  }
}

async function openMemory(name: string, clock: Clock): Promise<ObjectStore> {
  const { MemoryStore } = await import('./memory-store.ts')
  if (name === '') return new MemoryStore({ clock })
  let store = memoryStores.get(name)
  if (!store) memoryStores.set(name, (store = new MemoryStore({ url: `memory:${name}`, clock })))
  return store
}
