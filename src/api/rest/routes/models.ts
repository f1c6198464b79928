import { z } from 'zod'
import { toIsoTime } from '../../../base/clock.ts'
import { isWindlassError, WindlassError } from '../../../base/errors.ts'
import { listModels } from '../../../models/manage-models.ts'
import type { Access } from '../../access.ts'
import { route, type Route } from '../route.ts'

const bytes = z.number().int()
const model = z.strictObject({
  repository: z.string(),
  commit: z.string(),
  revisions: z.array(z.string()).describe('Branches and tags that mean this commit'),
  origin: z.string(),
  filesTotal: z.number().int(),
  filesInBucket: z.number().int(),
  bytesTotal: bytes,
  bytesInBucket: bytes,
  bytesOnDisk: bytes.describe('Of this server'),
  usedAt: z.string().optional().describe('Absent where none of it is on this disk'),
})
const disk = z.strictObject({
  isWritable: z.boolean(),
  usedBytes: bytes,
  pinnedBytes: bytes.describe('Of models in use'),
  budgetBytes: bytes,
  freeBytes: bytes.nullable(),
})
const answer = z.strictObject({ models: z.array(model), disk, warnings: z.array(z.string()) })

/** Models that are kept in the bucket. */
export const modelRoutes: Route[] = [
  route({
    method: 'get',
    path: '/v1/models',
    operationId: 'listModels',
    summary: 'Models in the bucket, how much of each is here, and the state of the local disk',
    tag: 'service',
    role: 'read',
    answers: { 200: { description: 'All of them', schema: answer } },
    async handle({ access, context }) {
      requireUnscoped(access)
      const store = await context.models()
      const [state, listed] = await Promise.all([
        store.state(),
        // A store without a bucket has none to list, which is no fault of the question.
        listModels(store).catch((error: unknown) => {
          if (isWindlassError(error, 'invalid')) return []
          throw error
        }),
      ])
      const { isWritable, usedBytes, pinnedBytes, budgetBytes, freeBytes, warnings } = state
      const models = listed.map(({ usedAtMs, ...rest }) => ({ ...rest, ...(usedAtMs !== null && { usedAt: toIsoTime(usedAtMs) }) }))
      return { json: { models, disk: { isWritable, usedBytes, pinnedBytes, budgetBytes, freeBytes }, warnings } }
    },
  }),
]

// What models a server has, and how full its disk is, tells of every collection.
function requireUnscoped(access: Access): void {
  if (!access.isUnscoped) throw new WindlassError('denied', `key ${JSON.stringify(access.keyId)} is for some collections only, and models are the whole server's: use one without collections`)
}
