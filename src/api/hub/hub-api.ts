import { Hono, type Context } from 'hono'
import type { Clock } from '../../base/clock.ts'
import { isWindlassError, WindlassError } from '../../base/errors.ts'
import type { ModelFile, ModelManifest } from '../../models/model-manifest.ts'
import type { ModelStore } from '../../models/model-store.ts'
import type { ModelName } from '../../models/repository.ts'
import { authenticate, type AccessKey } from '../access.ts'
import { answerOf } from '../error-response.ts'
import { readHubPath, readRange } from './hub-request.ts'

/** What the door needs. */
export interface HubDoor {
  /** Opened when it is first asked for something. */
  models(): Promise<ModelStore>
  /** Without keys everybody who reaches it may read and fetch. */
  keys(): readonly AccessKey[]
  readonly clock: Clock
  readonly onFault: (error: unknown) => void
}

interface HubEnvironment {
  Variables: { requestId: string; route: string }
}

// huggingface_hub gives up on headers after 10 s; an error that comes later can only cut the answer short.
const headersWithinMs = 5000

/**
 * As much of Hugging Face's HTTP API as its clients use to download models: with `HF_ENDPOINT=http://host:port/hf`, `huggingface_hub`,
 * transformers and transformers.js take models from the store. Only repositories of the one configured hub can be asked for. A key with
 * role `read` gets what the bucket has; one with `write` also what the hub has to be asked for.
 * @param prefix `/hf`.
 */
export function createHubApi(door: HubDoor, prefix: string): Hono<HubEnvironment> {
  const api = new Hono<HubEnvironment>()
  api.all(`${prefix}/*`, async (c) => {
    c.set('route', `${prefix}/*`)
    try {
      return await answer(door, c, new URL(c.req.url).pathname.slice(prefix.length))
    } catch (error) {
      if (answerOf(error).status >= 500) door.onFault(error)
      return refusal(error)
    }
  })
  return api
}

async function answer(door: HubDoor, c: Context<HubEnvironment>, pathname: string): Promise<Response> {
  const access = authenticate(door.keys(), c.req.raw.headers.get('authorization'))
  access.require('read')
  // Models belong to no collection: a key for some of these has no say in them.
  if (!access.isUnscoped) throw new WindlassError('denied', `key ${JSON.stringify(access.keyId)} is for certain collections: models need one without that limit`)
  const question = readHubPath(pathname)
  if (!question) return json({ error: 'not a page of this hub' }, 404)
  if (!['GET', 'HEAD'].includes(c.req.method) && !(question.kind === 'paths' && c.req.method === 'POST')) return json({ error: 'method not allowed' }, 405, { allow: question.kind === 'paths' ? 'POST' : 'GET, HEAD' })
  const models = await door.models()
  const mayFetch = access.role !== 'read'
  const manifest = await resolve(models, question.name, mayFetch)
  const commit = { 'x-repo-commit': manifest.commit }
  switch (question.kind) {
    case 'info':
      return json(infoOf(manifest), 200, commit)
    case 'tree': {
      const entries = treeOf(manifest, question.folder, c.req.query('recursive')?.toLowerCase() === 'true')
      return entries.length === 0 && question.folder !== '' ? noEntry(manifest, question.folder) : json(entries, 200, commit)
    }
    case 'paths': {
      const paths = await askedPaths(c)
      return json(treeOf(manifest, '', true, true).filter(({ path }) => paths.includes(path)), 200, commit)
    }
    case 'file': {
      const file = manifest.files.find(({ path }) => path === question.path)
      if (!file) return noEntry(manifest, question.path)
      if (!mayFetch && !file.isStored) throw new WindlassError('denied', `${file.path} of model ${manifest.repository} is not in the bucket yet: fetching it needs a key with role write`)
      return sendFile(door, models, manifest, file, c.req.raw)
    }
  }
}

async function resolve(models: ModelStore, name: ModelName, mayFetch: boolean): Promise<ModelManifest> {
  return models.resolve(name, { isStoredOnly: !mayFetch })
}

async function sendFile(door: HubDoor, models: ModelStore, manifest: ModelManifest, file: ModelFile, request: Request): Promise<Response> {
  const hash = file.oid.slice(file.oid.indexOf(':') + 1)
  const isLarge = file.oid.startsWith('sha256:')
  const name = file.path.slice(file.path.lastIndexOf('/') + 1)
  const headers = new Headers({
    etag: `"${hash}"`,
    'x-repo-commit': manifest.commit,
    'accept-ranges': 'bytes',
    'content-type': name.endsWith('.json') ? 'application/json' : 'application/octet-stream',
    'content-disposition': `inline; filename*=UTF-8''${encodeURIComponent(name)}`,
    ...(isLarge && { 'x-linked-etag': `"${hash}"`, 'x-linked-size': String(file.sizeBytes) }),
  })
  if (request.headers.get('if-none-match')?.includes(`"${hash}"`)) return new Response(null, { status: 304, headers })
  const range = readRange(request.headers.get('range'), file.sizeBytes)
  if (range === 'unsatisfiable') {
    headers.set('content-range', `bytes */${file.sizeBytes}`)
    return new Response(null, { status: 416, headers })
  }
  const { start, end } = range ?? { start: 0, end: file.sizeBytes }
  if (range) headers.set('content-range', `bytes ${start}-${end - 1}/${file.sizeBytes}`)
  headers.set('content-length', String(end - start))
  const status = range ? 206 : 200
  if (request.method === 'HEAD' || end === start) return new Response(null, { status, headers })
  const chunks = models.read(manifest, file.path, { start, end, signal: request.signal })
  const first = chunks.next()
  const timer = new AbortController()
  // What is refused at once is told with its status.
  await Promise.race([first, door.clock.sleep(headersWithinMs, timer.signal).catch(() => undefined)])
  timer.abort()
  return new Response(streamOf(first, chunks, door.onFault), { status, headers })
}

function streamOf(first: Promise<IteratorResult<Uint8Array>>, rest: AsyncGenerator<Uint8Array>, onFault: (error: unknown) => void): ReadableStream<Uint8Array> {
  let next: Promise<IteratorResult<Uint8Array>> | null = first
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await (next ?? rest.next())
        next = null
        if (done) controller.close()
        else controller.enqueue(value)
      } catch (error) {
        if (!isWindlassError(error, 'cancelled')) onFault(error)
        controller.error(error)
      }
    },
    async cancel() {
      await rest.return(undefined)
    },
  })
}

function infoOf(manifest: ModelManifest): unknown {
  const siblings = manifest.files.map(({ path, sizeBytes, oid }) => ({ rfilename: path, size: sizeBytes, ...hashesOf(oid, sizeBytes, 'sha256') }))
  return { id: manifest.repository, modelId: manifest.repository, sha: manifest.commit, private: false, gated: false, disabled: false, tags: [], downloads: 0, likes: 0, siblings }
}

interface TreeEntry {
  readonly type: 'file' | 'directory'
  readonly path: string
}

function treeOf(manifest: ModelManifest, folder: string, isRecursive: boolean, isFilesOnly = false): TreeEntry[] {
  const prefix = folder === '' ? '' : `${folder}/`
  const entries = new Map<string, TreeEntry>()
  for (const { path, sizeBytes, oid } of manifest.files) {
    if (!path.startsWith(prefix)) continue
    const parts = path.slice(prefix.length).split('/')
    for (let depth = 1; depth < (isRecursive ? parts.length : Math.min(2, parts.length)) && !isFilesOnly; depth++) {
      const parent = prefix + parts.slice(0, depth).join('/')
      entries.set(parent, { type: 'directory', path: parent, ...{ oid: manifest.commit, size: 0 } })
    }
    const { blobId, lfs } = hashesOf(oid, sizeBytes, 'oid')
    if (isRecursive || parts.length === 1) entries.set(path, { type: 'file', path, ...{ oid: blobId, size: sizeBytes, ...(lfs && { lfs }) } })
  }
  return [...entries.values()]
}

/** A file's hashes as the hub shows them. The id of an LFS pointer in git is not known here; its content's stands for it. */
function hashesOf(oid: string, sizeBytes: number, hashName: 'sha256' | 'oid'): { blobId: string; lfs?: Record<string, string | number> } {
  const hash = oid.slice(oid.indexOf(':') + 1)
  return oid.startsWith('git:') ? { blobId: hash } : { blobId: hash.slice(0, 40), lfs: { [hashName]: hash, size: sizeBytes, pointerSize: 134 } }
}

const pathsBytesMax = 1024 * 1024

async function askedPaths(c: Context): Promise<string[]> {
  if (Number(c.req.raw.headers.get('content-length') ?? pathsBytesMax + 1) > pathsBytesMax) throw new WindlassError('too-large', `a list of paths may take ${pathsBytesMax} bytes`, { path: 'body' })
  const text = await c.req.text()
  if (!c.req.raw.headers.get('content-type')?.includes('json')) return new URLSearchParams(text).getAll('paths')
  try {
    const { paths } = JSON.parse(text) as { paths?: unknown }
    return Array.isArray(paths) ? paths.filter((path) => typeof path === 'string') : []
  } catch {
    throw new WindlassError('invalid', 'the body is not JSON', { path: 'body' })
  }
}

function noEntry(manifest: ModelManifest, path: string): Response {
  const error = `Entry not found: ${path}`
  return json({ error }, 404, { 'x-repo-commit': manifest.commit, 'x-error-code': 'EntryNotFound', 'x-error-message': headerText(error) })
}

/** A failure in the words of the hub, by which its clients tell what to do. */
function refusal(error: unknown): Response {
  const { status, kind, message, retryAfterSeconds, path } = answerOf(error)
  // The hub refused this server: that is not the caller's key.
  const isUpstream = isWindlassError(error) && error.details.status !== undefined && (kind === 'unauthenticated' || kind === 'denied')
  const code = isUpstream ? 'GatedRepo' : kind !== 'not-found' ? null : path === 'revision' ? 'RevisionNotFound' : 'RepoNotFound'
  return json({ error: message }, isUpstream ? 403 : status, {
    'x-error-message': headerText(message),
    ...(code !== null && { 'x-error-code': code }),
    ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
    ...(kind === 'unauthenticated' && !isUpstream && { 'www-authenticate': 'Bearer' }),
  })
}

function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 500)
}

function json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(value), { status, headers: { 'content-type': 'application/json', ...headers } })
}
