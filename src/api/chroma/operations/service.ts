import { clientBatchMax } from '../batches.ts'
import type { ChromaRequest, ChromaRoute } from '../context.ts'
import { dropCollections, forgetPlaces } from '../databases.ts'
import { ChromaError } from '../errors.ts'
import { defaultDatabase, defaultTenant, placeOf } from '../names.ts'

/** What clients compare with: the version of the API, which is what the reference answers too. */
const apiVersion = '1.0.0'

const reset = async ({ context }: ChromaRequest) => {
  if (!context.allowReset) throw new ChromaError(403, 'ChromaError', 'Reset is disabled by config')
  context.access.require('admin')
  if (!context.access.isUnscoped) throw new ChromaError(403, 'AuthError', 'reset needs a key that reaches every collection')
  const names: string[] = []
  for (let after: string | undefined; ; ) {
    const { collections, next } = await context.bucket.listCollections({ limit: 1000, ...(after !== undefined && { after }) })
    for (const { name } of collections) if (placeOf(name)) names.push(name)
    if (next === undefined) break
    after = next
  }
  await dropCollections(names, context)
  await forgetPlaces(context)
  return { json: true }
}

const health = async ({ context }: ChromaRequest) => ({
  status: context.isReady ? 200 : 503,
  json: { is_executor_ready: context.isReady, is_log_client_ready: context.isReady },
})

const heartbeat = async ({ context }: ChromaRequest) => ({ json: { 'nanosecond heartbeat': BigInt(Math.floor(context.clock.now())) * 1_000_000n } })

const identity = async ({ context }: ChromaRequest) => ({
  json: { user_id: context.access.keyId === 'none' ? '' : context.access.keyId, tenant: defaultTenant, databases: [defaultDatabase] },
})

/** Calls about the server. */
export const serviceRoutes: readonly ChromaRoute[] = [
  { method: 'GET', path: '/heartbeat', isPublic: true, handle: heartbeat },
  // The asynchronous Python client asks here.
  { method: 'GET', path: '', isPublic: true, handle: heartbeat },
  { method: 'GET', path: '/healthcheck', isPublic: true, handle: health },
  { method: 'GET', path: '/version', isPublic: true, handle: async () => ({ json: apiVersion }) },
  { method: 'GET', path: '/pre-flight-checks', isPublic: true, handle: async () => ({ json: { max_batch_size: clientBatchMax, supports_base64_encoding: true } }) },
  { method: 'GET', path: '/auth/identity', handle: identity },
  { method: 'POST', path: '/reset', handle: reset },
]

