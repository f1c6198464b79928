import type { Clock } from '../base/clock.ts'
import { isWindlassError, messageOf, throwIfAborted, WindlassError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { hubError, type HubRequest } from './hub-errors.ts'
import type { ModelFile, ModelManifest } from './model-manifest.ts'
import { checkFilePath, isCommit } from './repository.ts'

export interface HubSettings {
  /** `https://huggingface.co`, or a mirror that speaks its API. */
  readonly endpoint: string
  readonly token?: string
}

const attemptsMax = 5
const pauseMs = 500
const pauseMaxMs = 60_000
const redirectsMax = 5
const stallMs = 60_000

/**
 * Reads models from Hugging Face's hub, or a mirror of it. The token goes to the hub alone: large files lie with a CDN, to which the hub
 * redirects, and which signs for itself.
 */
export class HubClient {
  /** Without a slash at the end. */
  readonly endpoint: string
  readonly #token: string | undefined
  readonly #clock: Clock
  readonly #random: Random

  /** @throws {WindlassError} `invalid` for an endpoint that is not HTTP. */
  constructor({ endpoint, token }: HubSettings, { clock, random }: { clock: Clock; random: Random }) {
    if (!/^https?:\/\/[^/]/i.test(endpoint) || !URL.canParse(endpoint)) throw new WindlassError('invalid', `hub ${JSON.stringify(endpoint)} is not a URL: expected https://huggingface.co, or a mirror`, { path: 'hf-endpoint' })
    this.endpoint = endpoint.replace(/\/+$/, '')
    this.#token = token
    this.#clock = clock
    this.#random = random
  }

  /** Which commit `revision` is, and what that holds. @throws {WindlassError} as `hubError`. */
  async list(repository: string, revision: string, signal?: AbortSignal): Promise<ModelManifest> {
    const url = `${this.endpoint}/api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`
    const request = this.#request(repository, revision)
    const answer = await this.#repeat(signal, async () => {
      const response = await this.#send(url, request, { accept: 'application/json' }, signal)
      return response.json() as Promise<HubAnswer>
    })
    if (typeof answer.sha !== 'string' || !isCommit(answer.sha)) throw new WindlassError('unsupported', `${this.endpoint} names no commit for model ${repository}: it does not speak the hub's API`, { path: 'hf-endpoint' })
    return { formatVersion: 1, repository, commit: answer.sha, origin: this.endpoint, files: (answer.siblings ?? []).map((sibling) => toFile(sibling, repository, this.endpoint)) }
  }

  /**
   * The bytes of a file from `start` on. A connection that is cut is taken up where it was; throttling is waited for.
   * @throws {WindlassError} as `hubError`; `unavailable` when nothing more comes.
   */
  async *read(repository: string, commit: string, file: ModelFile, start: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const request = this.#request(repository, commit, file.path)
    const url = `${this.endpoint}/${repository}/resolve/${commit}/${file.path.split('/').map(encodeURIComponent).join('/')}`
    let at = start
    for (let attempt = 1; at < file.sizeBytes; attempt++) {
      try {
        for await (const chunk of this.#readFrom(url, request, at, file.sizeBytes, signal)) {
          at += chunk.length
          attempt = 1
          yield chunk
        }
      } catch (error) {
        await this.#pause(error, attempt, signal)
      }
    }
  }

  async *#readFrom(url: string, request: HubRequest, start: number, sizeBytes: number, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    const response = await this.#send(url, request, start > 0 ? { range: `bytes=${start}-` } : {}, signal)
    const isPart = response.status === 206
    if (isPart && !response.headers.get('content-range')?.startsWith(`bytes ${start}-`)) throw this.#cut(request, `it answers another range than from byte ${start}`)
    let at = isPart ? start : 0
    const reader = response.body!.getReader()
    try {
      for (;;) {
        const { done, value } = await this.#beforeStall(reader.read(), request)
        if (done) break
        // A server that knows no ranges sends it all again.
        const fresh = value.subarray(Math.max(0, start - at))
        at += value.length
        if (at > sizeBytes) throw new WindlassError('corrupt', `${request.path} of ${request.repository} is larger at ${this.endpoint} than the ${sizeBytes} bytes it lists`, { path: request.path! })
        if (fresh.length > 0) yield fresh
      }
    } finally {
      await reader.cancel().catch(() => undefined)
    }
    if (at < sizeBytes) throw this.#cut(request, `the connection ended after ${at} of ${sizeBytes} bytes`)
  }

  /** One request with its redirects. @throws {WindlassError} unless it is answered with 200 or 206. */
  async #send(url: string, request: HubRequest, headers: Record<string, string>, signal: AbortSignal | undefined): Promise<Response> {
    const home = new URL(this.endpoint).origin
    let target = new URL(url)
    for (let hops = 0; hops <= redirectsMax; hops++) {
      const authorization = this.#token !== undefined && target.origin === home ? { authorization: `Bearer ${this.#token}` } : {}
      const response = await this.#fetch(target, { ...headers, ...authorization, 'accept-encoding': 'identity', 'user-agent': 'windlass' }, request, signal)
      const location = response.headers.get('location')
      if (response.status < 300 || response.status >= 400 || location === null) {
        if (response.status === 200 || response.status === 206) return response
        await response.body?.cancel().catch(() => undefined)
        throw hubError(response, request)
      }
      await response.body?.cancel().catch(() => undefined)
      const next = new URL(location, target)
      if (target.protocol === 'https:' && next.protocol !== 'https:') throw new WindlassError('denied', `${this.endpoint} redirects ${request.repository} to ${next.origin}, which is not encrypted`, { path: 'hf-endpoint' })
      target = next
    }
    throw new WindlassError('unsupported', `${this.endpoint} redirects more than ${redirectsMax} times for model ${request.repository}`, { path: 'hf-endpoint' })
  }

  async #fetch(target: URL, headers: Record<string, string>, request: HubRequest, signal: AbortSignal | undefined): Promise<Response> {
    const stalled = new AbortController()
    try {
      return await this.#beforeStall(fetch(target, { headers, redirect: 'manual', signal: signal ? AbortSignal.any([signal, stalled.signal]) : stalled.signal }), request)
    } catch (error) {
      stalled.abort()
      throwIfAborted(signal)
      if (isWindlassError(error)) throw error
      const cause = (error as Error).cause ?? error
      throw new WindlassError('unavailable', `${target.origin} cannot be reached for model ${request.repository}: ${messageOf(cause)}`, { path: 'hf-endpoint', cause: error })
    }
  }

  async #beforeStall<Value>(answer: Promise<Value>, request: HubRequest): Promise<Value> {
    const timer = new AbortController()
    const late = this.#clock.sleep(stallMs, timer.signal).then(
      () => Promise.reject(this.#cut(request, `nothing came for ${stallMs / 1000} s`)),
      () => new Promise<never>(() => undefined),
    )
    try {
      return await Promise.race([answer, late])
    } finally {
      timer.abort()
      answer.catch(() => undefined)
    }
  }

  async #repeat<Value>(signal: AbortSignal | undefined, task: () => Promise<Value>): Promise<Value> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await task()
      } catch (error) {
        await this.#pause(error, attempt, signal)
      }
    }
  }

  /** Waits before the next attempt. @throws `error` where another attempt would not help. */
  async #pause(error: unknown, attempt: number, signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal)
    const isNetwork = !isWindlassError(error)
    if (!isNetwork && error.kind !== 'unavailable') throw error
    const asked = isNetwork ? undefined : error.details.retryAfterMs
    if (attempt >= attemptsMax || (asked ?? 0) > pauseMaxMs) throw isNetwork ? new WindlassError('unavailable', `${this.endpoint}: ${messageOf(error)}`, { path: 'hf-endpoint', cause: error }) : error
    // Full jitter on top of what the hub asks for: many cold starters are told the same.
    await this.#clock.sleep((asked ?? 0) + this.#random.next() * pauseMs * 2 ** (attempt - 1), signal)
  }

  #cut(request: HubRequest, what: string): WindlassError {
    return new WindlassError('unavailable', `${this.endpoint}: ${request.path ?? 'the list of files'} of ${request.repository}: ${what}`, { path: 'hf-endpoint' })
  }

  #request(repository: string, revision: string, path?: string): HubRequest {
    return { endpoint: this.endpoint, repository, revision, hasToken: this.#token !== undefined, ...(path !== undefined && { path }) }
  }
}

interface HubAnswer {
  readonly sha?: unknown
  readonly siblings?: readonly HubSibling[]
}

interface HubSibling {
  readonly rfilename: string
  readonly size?: number
  readonly blobId?: string
  readonly lfs?: { readonly sha256?: string; readonly size?: number } | null
}

function toFile({ rfilename: path, size, blobId, lfs }: HubSibling, repository: string, endpoint: string): ModelFile {
  checkFilePath(path)
  const sizeBytes = lfs?.size ?? size
  const oid = lfs?.sha256 !== undefined ? `sha256:${lfs.sha256}` : `git:${blobId}`
  if (!Number.isSafeInteger(sizeBytes) || !/^(sha256:[0-9a-f]{64}|git:[0-9a-f]{40})$/.test(oid)) {
    throw new WindlassError('unsupported', `${endpoint} tells neither size nor hash of ${path} of ${repository}: it does not speak the hub's API (blobs=true)`, { path: 'hf-endpoint' })
  }
  return { path, sizeBytes: sizeBytes!, oid, sha256: lfs?.sha256 ?? null, parts: null, isStored: false }
}
