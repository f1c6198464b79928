import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { concatBytes } from '../../base/bytes.ts'
import { startTimer, systemClock, type Clock } from '../../base/clock.ts'
import { messageOf, throwIfAborted, WindlassError } from '../../base/errors.ts'
import { systemRandom, type Random } from '../../base/random.ts'
import { pathFilter, type PathFilter, type PathPatterns } from './path-filter.ts'
import { parseSitemap, sitemapBytesMax } from './sitemap.ts'
import type { Source, SourceContent, SourceEntry, SourceListing } from './source.ts'
import { WebClient, webLimits, type WebAnswer, type WebLimits } from './web-client.ts'

export interface UrlSourceOptions extends PathPatterns {
  readonly urls?: readonly string[] | undefined
  /** A URL, or the path of a file. */
  readonly sitemap?: string | undefined
  readonly maxBytes?: number | undefined
  readonly clock?: Clock
  readonly random?: Random
  readonly limits?: WebLimits
}

const maxBytesDefault = 100 * 1024 * 1024
// Read before `read` answers: nearly every page, so that its connection is not held while it is embedded.
const heldBytesMax = 4 * 1024 * 1024
// The protocol has one level of indexes; more than one in one is forgiven.
const sitemapDepthMax = 3

/**
 * Documents by URL: a list, a sitemap, or both. Only hosts that the declaration names are asked, also after redirects. A revision is
 * the server's etag, or its `Last-Modified` where that is strong (RFC 9110, section 8.8.2.2); a server that gives neither is read each
 * time, and the content compared by its caller.
 */
export class UrlSource implements Source {
  readonly description: string
  readonly #options: UrlSourceOptions
  readonly #filter: PathFilter
  readonly #maxBytes: number
  readonly #hosts: Set<string>
  readonly #client: WebClient
  readonly #sitemap: string | null

  /** @throws {WindlassError} `invalid` for a URL that is none. */
  constructor(options: UrlSourceOptions) {
    const { urls = [], sitemap, maxBytes = maxBytesDefault, clock = systemClock, random = systemRandom, limits } = options
    this.#options = options
    this.#maxBytes = maxBytes
    this.#filter = pathFilter(options, { partsOf: formsOf })
    this.#sitemap = sitemap === undefined ? null : isWeb(sitemap) ? normalized(sitemap) : resolve(sitemap)
    this.#hosts = new Set([...urls, ...(sitemap !== undefined && isWeb(sitemap) ? [sitemap] : [])].map((url) => new URL(normalized(url)).host))
    this.#client = new WebClient({ clock, random, allows: (host) => this.#hosts.has(host), ...(limits && { limits }) })
    this.description = sitemap === undefined ? `${urls.length} URLs` : `sitemap ${sitemap}${urls.length > 0 ? ` and ${urls.length} URLs` : ''}`
  }

  /** @throws {WindlassError} `not-found` when the sitemap is gone, `invalid` when it is none. */
  async list({ signal }: { since?: string; signal?: AbortSignal } = {}): Promise<SourceListing> {
    throwIfAborted(signal)
    // Read whole before the first is told: half a listing would delete the other half.
    const listed = new Map<string, boolean>()
    for (const url of this.#options.urls ?? []) listed.set(normalized(url), true)
    if (this.#sitemap !== null) for (const url of await this.#urlsOf(this.#sitemap, new Set(), signal)) if (!listed.has(url)) listed.set(url, false)
    const { include } = this.#options
    const excluded = pathFilter({ exclude: this.#options.exclude }, { partsOf: formsOf })
    // A URL that is written in the declaration is taken whatever it is called; patterns are heeded.
    const takes = (url: string, isNamed: boolean) => (isNamed && !include ? !excluded.skipsFolder(url) : this.#filter.takes(url))
    const entries = async function* () {
      for (const [path, isNamed] of listed) {
        throwIfAborted(signal)
        if (takes(path, isNamed)) yield { path }
      }
    }
    return { kind: 'everything', entries: entries(), cursor: () => undefined }
  }

  async read({ path }: SourceEntry, { knownRevision, signal }: { knownRevision?: string; signal?: AbortSignal } = {}): Promise<SourceContent> {
    throwIfAborted(signal)
    const url = normalized(path)
    const answer = await this.#client.get(url, conditionsOf(knownRevision), signal)
    if (answer.status === 304) {
      answer.release()
      return { kind: 'unchanged' }
    }
    const length = Number(answer.headers.get('content-length') ?? Number.NaN)
    if (length > this.#maxBytes) {
      answer.release()
      throw this.#tooLarge(path, length)
    }
    const revision = revisionOf(answer.headers)
    const contentType = answer.headers.get('content-type')
    const facts = { ...(revision !== undefined && { revision }), ...(contentType !== null && { contentType }) }
    const body = this.#limited(answer.body(), path)[Symbol.asyncIterator]()
    const { held, isDone } = await hold(body)
    if (isDone) return { kind: 'found', ...facts, sizeBytes: held.length, bytes: () => one(held) }
    return { kind: 'found', ...facts, bytes: this.#passes(url, { answer, held, body, revision }, signal) }
  }

  /** A large document: the first pass is the answer that came, later ones are asked for, and must be the same. */
  #passes(url: string, first: { answer: WebAnswer; held: Uint8Array; body: AsyncIterator<Uint8Array>; revision: string | undefined }, signal: AbortSignal | undefined): () => AsyncIterable<Uint8Array> {
    let body: AsyncIterator<Uint8Array> | null = first.body
    let sha256: string | null = null
    const unread = startTimer((this.#options.limits ?? webLimits).unreadMs, () => {
      body = null
      first.answer.release()
    })
    const conflict = () => new WindlassError('conflict', `${url} was changed while it was read: read it again`, { path: url })
    const again = async () => {
      const answer = await this.#client.get(url, {}, signal)
      if (revisionOf(answer.headers) === first.revision) return this.#limited(answer.body(), url)[Symbol.asyncIterator]()
      answer.release()
      throw conflict()
    }
    return async function* () {
      unread.stop()
      const hash = createHash('sha256')
      const current = body
      body = null
      const rest = current ?? (await again())
      try {
        if (current) {
          hash.update(first.held)
          yield first.held
        }
        for (let next = await rest.next(); !next.done; next = await rest.next()) {
          hash.update(next.value)
          yield next.value
        }
      } finally {
        await rest.return?.()
      }
      const digest = hash.digest('hex')
      if ((sha256 ??= digest) !== digest) throw conflict()
    }
  }

  async *#limited(body: AsyncIterable<Uint8Array>, path: string): AsyncIterable<Uint8Array> {
    let size = 0
    for await (const piece of body) {
      size += piece.length
      if (size > this.#maxBytes) throw this.#tooLarge(path, size)
      yield piece
    }
  }

  #tooLarge(path: string, size: number): WindlassError {
    return new WindlassError('too-large', `${path} has ${size} bytes or more, and maxBytes is ${this.#maxBytes}: raise it, or exclude the document`, { path })
  }

  /** The pages of a sitemap, and of those that it names. */
  async #urlsOf(place: string, seen: Set<string>, signal: AbortSignal | undefined, depth = 0): Promise<string[]> {
    if (seen.has(place)) return []
    seen.add(place)
    if (depth > sitemapDepthMax) throw new WindlassError('invalid', `${place}: sitemaps within sitemaps, more than ${sitemapDepthMax} deep`, { path: place })
    const { kind, urls } = parseSitemap(await this.#sitemapBytes(place, signal), place)
    const pages = urls.filter((url) => URL.canParse(url)).map(normalized)
    // What stands in a file of the user is as good as declared; what stands in a document of the web is not.
    if (!isWeb(place)) for (const page of pages) this.#hosts.add(new URL(page).host)
    if (kind === 'urlset') return pages
    const all: string[] = []
    for (const each of pages) for (const url of await this.#urlsOf(each, seen, signal, depth + 1)) all.push(url)
    return all
  }

  async #sitemapBytes(place: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
    if (!isWeb(place)) {
      return readFile(place).catch((error: unknown) => {
        throw new WindlassError('not-found', `sitemap ${place} cannot be read: ${messageOf(error)}`, { path: place, cause: error })
      })
    }
    const parts: Uint8Array[] = []
    let size = 0
    for await (const part of (await this.#client.get(place, {}, signal)).body()) {
      parts.push(part)
      size += part.length
      if (size > sitemapBytesMax) throw new WindlassError('too-large', `${place} has more than ${sitemapBytesMax} bytes: split it, as the protocol asks`, { path: place })
    }
    return concatBytes(parts)
  }
}

/** Reads the first megabytes of a body. */
async function hold(body: AsyncIterator<Uint8Array>): Promise<{ held: Uint8Array; isDone: boolean }> {
  const parts: Uint8Array[] = []
  let size = 0
  while (size < heldBytesMax) {
    const next = await body.next()
    if (next.done) return { held: concatBytes(parts), isDone: true }
    parts.push(next.value)
    size += next.value.length
  }
  return { held: concatBytes(parts), isDone: false }
}

async function* one(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}

/** What patterns are compared with: the URL, and its path without the first slash. */
function formsOf(url: string): string[] {
  if (!URL.canParse(url)) return [url]
  const { origin, pathname } = new URL(url)
  const path = decoded(pathname).slice(1)
  return [`${origin}/${path}`, path]
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

function isWeb(place: string): boolean {
  return /^https?:\/\//i.test(place)
}

/** A URL as browsers would ask for it, without the part after `#`. @throws {WindlassError} `invalid`. */
function normalized(url: string): string {
  if (!URL.canParse(url)) throw new WindlassError('invalid', `${JSON.stringify(url)} is not a URL: write https://host/path`, { path: 'urls' })
  const parsed = new URL(url)
  parsed.hash = ''
  return parsed.href
}

function revisionOf(headers: Headers): string | undefined {
  const etag = headers.get('etag')
  if (etag) return `etag:${etag}`
  const modified = headers.get('last-modified')
  const [time, now] = [Date.parse(modified ?? ''), Date.parse(headers.get('date') ?? '')]
  // In the same second, it may have been changed again.
  return time < now - 1000 ? `modified:${modified}` : undefined
}

function conditionsOf(revision: string | undefined): Record<string, string> {
  const [, kind, value] = /^(etag|modified):([\x20-\x7e]+)$/.exec(revision ?? '') ?? []
  if (kind === 'etag') return { 'if-none-match': value! }
  return kind === 'modified' ? { 'if-modified-since': value! } : {}
}
