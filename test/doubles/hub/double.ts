// A double of Hugging Face's hub for models: the part of its HTTP API that clients use to list and to download, as it answers them:
// revisions, git and LFS files, redirects to a CDN of another origin, gated and private repositories, throttling, cut connections.
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface HubDoubleRepository {
  /** Path to bytes. */
  readonly files: Readonly<Record<string, Uint8Array>>
  /** Paths that are LFS files, and so redirected to the CDN; default: those over 1,000 bytes. */
  readonly lfs?: readonly string[]
  readonly gated?: boolean
  readonly private?: boolean
}

export interface HubFault {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Sends so many bytes of the body, then cuts the connection. */
  readonly cutAfter?: number
  /** Sends other bytes than the file has. */
  readonly corrupt?: boolean
}

export interface HubRequestRecord {
  readonly method: string
  /** `hub`, or `cdn` where LFS files are. */
  readonly host: 'hub' | 'cdn'
  readonly path: string
  readonly authorization: string | undefined
  readonly range: string | undefined
  readonly status: number
}

const goodToken = 'hf_double_with_access'
const strangerToken = 'hf_double_without_access'

/** A hub on 127.0.0.1, and its CDN on another port. */
export class HubDouble {
  readonly journal: HubRequestRecord[] = []
  /** May read gated and private repositories; `strangerToken` is known, and may not. */
  readonly token = goodToken
  readonly strangerToken = strangerToken
  readonly #repositories = new Map<string, Map<string, { commit: string; repository: HubDoubleRepository }>>()
  readonly #faults: { pattern: RegExp; fault: HubFault; left: number }[] = []
  held: Promise<void> = Promise.resolve()
  #hold: { pattern: RegExp; afterBytes: number; tell: () => void; released: Promise<void> } | null = null
  readonly #hub: Server
  readonly #cdn: Server

  private constructor() {
    this.#hub = createServer((request, response) => this.#answer('hub', request, response))
    this.#cdn = createServer((request, response) => this.#answer('cdn', request, response))
  }

  static async start(): Promise<HubDouble> {
    const double = new HubDouble()
    for (const server of [double.#hub, double.#cdn]) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return double
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#hub.address() as AddressInfo).port}`
  }

  get cdnUrl(): string {
    return `http://127.0.0.1:${(this.#cdn.address() as AddressInfo).port}`
  }

  /** Publishes a commit under a branch or tag. @returns The commit. */
  publish(name: string, repository: HubDoubleRepository, revision = 'main'): string {
    const sum = createHash('sha1').update(name)
    for (const [path, bytes] of Object.entries(repository.files)) sum.update(path).update(bytes)
    const commit = sum.digest('hex')
    const revisions = this.#repositories.get(name) ?? new Map<string, { commit: string; repository: HubDoubleRepository }>()
    this.#repositories.set(name, revisions.set(revision, { commit, repository }).set(commit, { commit, repository }))
    return commit
  }

  /** The next `times` requests whose `METHOD host path` matches go wrong so. */
  plan(pattern: RegExp, fault: HubFault, times = 1): void {
    this.#faults.push({ pattern, fault, left: times })
  }

  /** From now on a matching body stops after so many bytes, until the returned function is called. `held` resolves when one does. */
  hold(pattern: RegExp, afterBytes: number): () => void {
    let release!: () => void
    let tell!: () => void
    this.held = new Promise((resolve) => (tell = resolve))
    this.#hold = { pattern, afterBytes, tell, released: new Promise((resolve) => (release = resolve)) }
    return () => {
      this.#hold = null
      release()
    }
  }

  /** How often the bytes of a file were asked for, each whole or part, and answered. */
  downloads(path: string): number {
    return this.journal.filter((entry) => entry.method === 'GET' && entry.status < 300 && !entry.path.startsWith('/api/') && entry.path.endsWith(`/${path}`)).length
  }

  async close(): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    }
  }

  #answer(host: 'hub' | 'cdn', request: IncomingMessage, response: ServerResponse): void {
    const method = request.method ?? 'GET'
    const url = new URL(request.url ?? '/', 'http://double')
    const path = decodeURIComponent(url.pathname)
    const { authorization, range } = request.headers
    const planned = this.#faults.find((fault) => fault.left > 0 && fault.pattern.test(`${method} ${host} ${path}`))
    if (planned) planned.left--
    const record = (status: number) => void this.journal.push({ method, host, path, authorization, range, status })
    const refuse = (status: number, code: string | null, message: string, headers: Readonly<Record<string, string>> = {}) => {
      record(status)
      response.writeHead(status, { 'content-type': 'application/json', ...(code !== null && { 'x-error-code': code }), 'x-error-message': message, ...headers })
      response.end(method === 'HEAD' ? undefined : JSON.stringify({ error: message }))
    }
    if (planned?.fault.status !== undefined) return refuse(planned.fault.status, null, 'planned', planned.fault.headers)
    const match = /^\/api\/models\/(.+?)(?:\/revision\/(.+))?$/.exec(path) ?? /^\/(.+?)\/resolve\/([^/]+|refs\/.+?)\/(.+)$/.exec(path)
    if (!match) return refuse(404, null, 'no such page')
    const [, name = '', revision = 'main', file] = match
    const revisions = this.#repositories.get(name)
    const sample = revisions && [...revisions.values()][0]!.repository
    const isLetIn = host === 'cdn' || authorization === `Bearer ${goodToken}`
    // As the hub has it: without a token, what is private and what is absent look alike.
    if (!sample || (sample.private && !isLetIn)) return refuse(authorization === undefined ? 401 : 404, 'RepoNotFound', 'Repository not found')
    // The list of a gated repository is open, its files are not.
    if (sample.gated && !isLetIn && file !== undefined) return refuse(authorization === undefined ? 401 : 403, 'GatedRepo', 'Access to this model is restricted')
    const found = revisions.get(revision)
    if (!found) return refuse(404, 'RevisionNotFound', 'Invalid rev id')
    const { commit, repository } = found
    if (file === undefined) {
      const siblings = Object.entries(repository.files).map(([rfilename, bytes]) => ({ rfilename, ...(url.searchParams.has('blobs') && { size: bytes.length, blobId: gitSha1(bytes), ...(isLfs(repository, rfilename) && { lfs: { sha256: sha256(bytes), size: bytes.length, pointerSize: 135 } }) }) }))
      record(200)
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ id: name, modelId: name, sha: commit, gated: repository.gated ? 'manual' : false, private: repository.private === true, siblings }))
      return
    }
    const bytes = repository.files[file]
    if (!bytes) return refuse(404, 'EntryNotFound', 'Entry not found', { 'x-repo-commit': commit })
    if (host === 'hub' && isLfs(repository, file)) {
      const etag = `"${sha256(bytes)}"`
      record(302)
      response.writeHead(302, { location: `${this.cdnUrl}/${name}/resolve/${commit}/${file}?signature=x`, 'x-repo-commit': commit, 'x-linked-etag': etag, 'x-linked-size': String(bytes.length), etag }).end()
      return
    }
    const start = range === undefined ? 0 : Number(/^bytes=(\d+)-/.exec(range)?.[1])
    const status = range === undefined ? 200 : 206
    record(status)
    const body = planned?.fault.corrupt ? bytes.map((byte) => byte ^ 1) : bytes
    response.writeHead(status, { etag: `"${gitSha1(bytes)}"`, 'x-repo-commit': commit, 'accept-ranges': 'bytes', 'content-length': bytes.length - start, ...(status === 206 && { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }) })
    const hold = this.#hold?.pattern.test(`${method} ${host} ${path}`) ? this.#hold : null
    if (method === 'HEAD') response.end()
    else if (hold && start < hold.afterBytes) {
      response.write(body.subarray(start, hold.afterBytes), hold.tell)
      void hold.released.then(() => response.end(body.subarray(hold.afterBytes)))
    }
    else if (planned?.fault.cutAfter === undefined) response.end(body.subarray(start))
    else response.write(body.subarray(start, start + planned.fault.cutAfter), () => setTimeout(() => request.socket.destroy(), 20))
  }
}

function isLfs(repository: HubDoubleRepository, path: string): boolean {
  return repository.lfs?.includes(path) ?? (repository.files[path]?.length ?? 0) > 1000
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function gitSha1(bytes: Uint8Array): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
}
