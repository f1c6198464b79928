import { isAbsolute, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../../base/clock.ts'
import { WindlassError } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import type { ObjectStore } from '../../store/object-store.ts'
import { openStore, type StoreSettings } from '../../store/open-store.ts'
import { BucketSource } from '../sources/bucket-source.ts'
import { FolderSource } from '../sources/folder-source.ts'
import type { SourceContent } from '../sources/source.ts'
import { UrlSource } from '../sources/url-source.ts'

/** What URIs in a table may lead to: who writes into the table chooses them, so that nothing is open unless somebody opened it. */
export interface UriReaderOptions {
  readonly clock: Clock
  readonly random: Random
  /** Hosts that http:// and https:// URIs may name, with their port where it is not the usual one. */
  readonly allowHosts?: readonly string[]
  /** Folders below which `file:` URIs and plain paths may lead. */
  readonly roots?: readonly string[]
  /** How buckets are reached. */
  readonly storeSettings?: StoreSettings
  /** How buckets are reached in a role, for URIs that come with one; absent: none can be taken. */
  readonly assumeRole?: (roleArn: string) => Promise<StoreSettings>
  /** Larger documents are an error. */
  readonly bytesMax?: number
  /** How the store of a bucket is opened. */
  readonly open?: (bucket: string, settings: StoreSettings) => Promise<ObjectStore>
}

export interface ReadUriOptions {
  /** Answered with `unchanged` where the store or server can tell. */
  readonly knownRevision?: string
  readonly roleArn?: string
  readonly signal?: AbortSignal
}

const bytesMaxDefault = 100 * 1024 * 1024

/** Reads what a URI names: `s3://bucket/key`, `https://…`, `file:///path`, or a path below the only root. */
export class UriReader {
  readonly #options: UriReaderOptions
  readonly #hosts: ReadonlySet<string>
  readonly #web: UrlSource
  readonly #buckets = new Map<string, Promise<BucketSource>>()

  constructor(options: UriReaderOptions) {
    this.#options = options
    this.#hosts = new Set((options.allowHosts ?? []).map((host) => host.toLowerCase()))
    const { clock, random, bytesMax = bytesMaxDefault } = options
    // It asks only hosts of its list, and follows redirects to these only.
    this.#web = new UrlSource({ urls: [...this.#hosts].flatMap((host) => [`https://${host}/`, `http://${host}/`]), maxBytes: bytesMax, clock, random })
  }

  /**
   * @throws {WindlassError} `denied` for a host or folder that was not opened, `invalid` for a URI that is none or of no kind that we
   * read, `not-found`, `unavailable` … as the place says.
   */
  async read(uri: string, { knownRevision, roleArn, signal }: ReadUriOptions = {}): Promise<SourceContent> {
    const options = { ...(knownRevision !== undefined && { knownRevision }), ...(signal && { signal }) }
    const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(uri)?.[1]?.toLowerCase()
    if (scheme === 's3') {
      const { bucket, key } = parseObjectUri(uri)
      return this.#limited(uri, await (await this.#bucket(bucket, roleArn)).read({ path: key }, options))
    }
    if (scheme === 'http' || scheme === 'https') return this.#web.read({ path: this.#allowed(uri) }, options)
    if (scheme === undefined || scheme === 'file') return this.#limited(uri, await this.#readFile(uri, options))
    throw new WindlassError('unsupported', `${JSON.stringify(uri)}: ${scheme}: is none of s3:, https:, http: and file:`, { path: uri })
  }

  async close(): Promise<void> {
    for (const opening of this.#buckets.values()) await (await opening.catch(() => null))?.close()
  }

  #limited(uri: string, content: SourceContent): SourceContent {
    const { bytesMax = bytesMaxDefault } = this.#options
    if (content.kind === 'found' && (content.sizeBytes ?? 0) > bytesMax) throw new WindlassError('too-large', `${uri} has ${content.sizeBytes} bytes, and ${bytesMax} are the most: raise it, or take the row out`, { path: uri })
    return content
  }

  #allowed(uri: string): string {
    const host = URL.canParse(uri) ? new URL(uri).host : null
    if (host === null) throw new WindlassError('invalid', `${JSON.stringify(uri)} is no URL`, { path: uri })
    if (!this.#hosts.has(host)) throw new WindlassError('denied', `${uri}: ${host} is no host that is allowed: add it to allowHosts (--allow-host ${host}), if it is meant`, { path: uri })
    return uri
  }

  async #bucket(bucket: string, roleArn: string | undefined): Promise<BucketSource> {
    const name = `${roleArn ?? ''} ${bucket}`
    let opening = this.#buckets.get(name)
    if (!opening) {
      opening = this.#openBucket(bucket, roleArn)
      this.#buckets.set(name, opening)
      opening.catch(() => this.#buckets.delete(name))
    }
    return opening
  }

  async #openBucket(bucket: string, roleArn: string | undefined): Promise<BucketSource> {
    const { clock, random, storeSettings = {}, assumeRole, open = (each, settings) => openStore(`s3://${each}`, { ...settings, clock, random }) } = this.#options
    if (roleArn !== undefined && !assumeRole) throw new WindlassError('unsupported', `s3://${bucket} is to be read as ${roleArn}, and roles cannot be taken here: leave aws_role_arn out, and give the worker's own credentials access`, { path: 'aws_role_arn' })
    const settings = roleArn === undefined ? storeSettings : { ...storeSettings, ...(await assumeRole!(roleArn)) }
    return new BucketSource(await open(bucket, settings), { ownsStore: true })
  }

  async #readFile(uri: string, options: { knownRevision?: string; signal?: AbortSignal }): Promise<SourceContent> {
    const { roots = [], clock } = this.#options
    if (roots.length === 0) throw new WindlassError('denied', `${uri}: files are not read: name a folder in roots (--file-root), if they are meant`, { path: uri })
    const [path, isRelative] = pathOf(uri)
    for (const root of roots) {
      const place = relative(resolve(root), isRelative ? resolve(root, path) : path)
      if (place === '' || place === '..' || place.startsWith(`..${sep}`) || isAbsolute(place)) continue
      return new FolderSource(root, { hidden: true, clock }).read({ path: place.split(sep).join('/') }, options)
    }
    throw new WindlassError('denied', `${uri} is below none of the folders in roots (--file-root): ${roots.join(', ')}`, { path: uri })
  }
}

/** Bucket and key as they stand in the URI: keys may have any character in them, and are not unescaped. */
function parseObjectUri(uri: string): { bucket: string; key: string } {
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/is.exec(uri) ?? []
  if (bucket === undefined || key === undefined) throw new WindlassError('invalid', `${JSON.stringify(uri)} is no s3://bucket/key`, { path: uri })
  return { bucket, key }
}

function pathOf(uri: string): [path: string, isRelative: boolean] {
  if (!/^file:/i.test(uri)) return [uri, !isAbsolute(uri)]
  const rest = uri.slice('file:'.length)
  if (!rest.startsWith('/')) return [rest, true]
  try {
    return [fileURLToPath(uri), false]
  } catch (cause) {
    throw new WindlassError('invalid', `${JSON.stringify(uri)} is no file: write file:///absolute/path`, { path: uri, cause })
  }
}
