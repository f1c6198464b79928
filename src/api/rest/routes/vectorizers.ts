import { z } from 'zod'
import { errorPolicies, WindlassError } from '../../../base/errors.ts'
import { route, type Route } from '../route.ts'

const params = z.object({ name: z.string() })
const message = z.looseObject({}).describe('A notification of S3 or MinIO, by itself or in the envelope of SNS; or an event of EventBridge')
const answer = z.object({
  done: z.boolean(),
  new: z.number().int(),
  changed: z.number().int(),
  unchanged: z.number().int(),
  removed: z.number().int(),
  failed: z.number().int(),
  skipped: z.number().int().describe('Named nothing of the source, or was overtaken by a later event'),
})

/** What happens to the documents of vectorizers. */
export const vectorizerRoutes: Route[] = [
  route({
    method: 'post',
    path: '/v1/vectorizers/{name}/events',
    operationId: 'applyEvents',
    summary: "Take a bucket's notification: look at what it names, and answer when that is done",
    tag: 'vectorizers',
    role: 'write',
    params,
    body: message,
    answers: {
      200: { description: 'Done; counts are of all events that were looked at together', schema: answer },
      503: { description: 'Something failed that may go well later: send it again', schema: answer },
    },
    async handle({ params: { name }, body, access, context }) {
      // Whoever may call this can let us read and embed anything below the prefix, over and over.
      if (context.keys.keys().length === 0) throw new WindlassError('denied', 'events are taken with a key only: set WINDLASS_KEYS, and give one of role write to whoever sends them (MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN)')
      if (!access.isUnscoped) throw new WindlassError('denied', `key ${JSON.stringify(access.keyId)} is for some collections only, and a vectorizer writes where its declaration says: use one without collections`, { path: 'name' })
      const { isDone, report } = await context.applyEvents(name, body)
      const { new: added, changed, unchanged, removed, failed, skipped } = report
      return { status: isDone ? 200 : errorPolicies.unavailable.httpStatus, json: { done: isDone, new: added, changed, unchanged, removed, failed, skipped } }
    },
  }),
]
