import { z } from 'zod'
import { toIsoTime } from '../../../base/clock.ts'
import { errorPolicies, WindlassError } from '../../../base/errors.ts'
import { limits } from '../../../base/limits.ts'
import type { Vectorizer } from '../../../library/types.ts'
import type { Access } from '../../access.ts'
import type { ApiContext } from '../../context.ts'
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

const place = z.strictObject({ type: z.string(), place: z.string().describe('Where that is, without secrets') })
const counts = { new: z.number().int(), changed: z.number().int(), renamed: z.number().int(), unchanged: z.number().int(), removed: z.number().int(), failed: z.number().int(), chunksEmbedded: z.number().int(), chunksReused: z.number().int(), bytesRead: z.number().int() }
const vectorizerInfo = z.strictObject({
  name: z.string(),
  source: place,
  destinations: z.array(place),
  embedding: z.string(),
  every: z.string().describe('Time between runs with --watch: 30s, 5m, 1h'),
  documents: z.number().int(),
  failed: z.number().int(),
  inProgress: z.number().int(),
  workers: z.array(z.strictObject({ id: z.string(), host: z.string(), pid: z.number().int(), startedAt: z.string() })),
  runs: z.array(z.strictObject({ id: z.string(), startedAt: z.string(), endedAt: z.string(), ...counts })).describe('Newest first, 20 at most'),
})
const listing = z.strictObject({ vectorizers: z.array(vectorizerInfo) })
const failure = z.strictObject({ path: z.string(), step: z.string(), message: z.string(), attempts: z.number().int(), at: z.string(), retryAt: z.string().optional().describe('Absent: set aside until the document changes, or `retry`') })
const errorsQuery = z.strictObject({ limit: z.coerce.number().int().min(1).max(limits.listPageMax).optional() })
const errorList = z.strictObject({ errors: z.array(failure), isComplete: z.boolean() })
const retryInput = z.strictObject({ paths: z.array(z.string()).min(1).max(limits.listPageMax).optional().describe('Absent: all that failed') })
const retryAnswer = z.strictObject({ count: z.number().int() })

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
      requireUnscoped(access)
      const { isDone, report } = await context.applyEvents(name, body)
      const { new: added, changed, unchanged, removed, failed, skipped } = report
      return { status: isDone ? 200 : errorPolicies.unavailable.httpStatus, json: { done: isDone, new: added, changed, unchanged, removed, failed, skipped } }
    },
  }),
  route({
    method: 'get',
    path: '/v1/vectorizers',
    operationId: 'listVectorizers',
    summary: 'The vectorizers that this server was started with: what they keep in step, their last runs, who is at work',
    tag: 'vectorizers',
    role: 'read',
    answers: { 200: { description: 'In the order of their declaration', schema: listing } },
    async handle({ access, context }) {
      requireUnscoped(access)
      return { json: { vectorizers: await Promise.all(context.vectorizers.map(describe)) } }
    },
  }),
  route({
    method: 'get',
    path: '/v1/vectorizers/{name}/errors',
    operationId: 'listVectorizerErrors',
    summary: 'Documents that failed, and when each is tried again',
    tag: 'vectorizers',
    role: 'read',
    params,
    query: errorsQuery,
    answers: { 200: { description: 'In the order they were first seen', schema: errorList } },
    async handle({ params: { name }, query: { limit = 100 }, access, context }) {
      requireUnscoped(access)
      const errors = []
      for await (const { at, retryAt, ...rest } of find(context, name).errors()) {
        if (errors.length === limit) return { json: { errors, isComplete: false } }
        errors.push({ ...rest, at: toIsoTime(at), ...(retryAt !== undefined && { retryAt: toIsoTime(retryAt) }) })
      }
      return { json: { errors, isComplete: true } }
    },
  }),
  route({
    method: 'post',
    path: '/v1/vectorizers/{name}/retry',
    operationId: 'retryVectorizer',
    summary: 'Make failed documents due: the next run tries them again',
    tag: 'vectorizers',
    role: 'write',
    params,
    body: retryInput,
    answers: { 200: { description: 'How many', schema: retryAnswer } },
    async handle({ params: { name }, body: { paths }, access, context }) {
      requireUnscoped(access)
      return { json: { count: await find(context, name).retry(paths) } }
    },
  }),
]

function requireUnscoped(access: Access): void {
  if (!access.isUnscoped) throw new WindlassError('denied', `key ${JSON.stringify(access.keyId)} is for some collections only, and a vectorizer writes where its declaration says: use one without collections`, { path: 'name' })
}

function find({ vectorizers }: ApiContext, name: string): Vectorizer {
  const found = vectorizers.find((each) => each.name === name)
  if (!found) throw new WindlassError('not-found', `no vectorizer ${JSON.stringify(name)} is declared here: ${vectorizers.map((each) => each.name).join(', ') || 'start the server with --config windlass.yaml'}`, { path: 'name' })
  return found
}

async function describe(vectorizer: Vectorizer): Promise<z.output<typeof vectorizerInfo>> {
  const { name, source, destinations, embedding, schedule } = vectorizer.declaration
  const { documents, failed, inProgress, workers, runs } = await vectorizer.status()
  return {
    name,
    source: { type: source.type, place: placeOf(source) },
    destinations: destinations.map((each) => ({ type: each.type, place: placeOf(each) })),
    embedding: embedding.provider === 'static' ? 'static' : `${embedding.provider}/${embedding.model}`,
    every: schedule.every,
    documents,
    failed,
    inProgress,
    workers: workers.map(({ id, host, pid, startedAt }) => ({ id, host, pid, startedAt: toIsoTime(startedAt) })),
    runs: runs.map(({ id, startedAt, endedAt, report }) => {
      const { new: added, changed, renamed, unchanged, removed, failed: failures, chunksEmbedded, chunksReused, bytesRead } = report
      return { id, startedAt: toIsoTime(startedAt), endedAt: toIsoTime(endedAt), new: added, changed, renamed, unchanged, removed, failed: failures, chunksEmbedded, chunksReused, bytesRead }
    }),
  }
}

const placeFields = ['url', 'path', 'sitemap', 'table', 'collection', 'name', 'vectorStore', 'bucket', 'index'] as const

/** Where that is, as far as it is no secret: an address without the user in it. */
function placeOf(part: object): string {
  const fields = part as Partial<Record<(typeof placeFields)[number], string>> & { urls?: readonly string[] }
  const places = [...placeFields.flatMap((field) => fields[field] ?? []), ...(fields.urls?.slice(0, 1) ?? [])]
  return places.map((place) => place.replace(/^([a-z0-9+.-]+:\/\/)[^/@]*@/i, '$1').replace(/\?.*$/s, '')).join(' ')
}
