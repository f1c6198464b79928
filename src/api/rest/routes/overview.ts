import { z } from 'zod'
import { roles } from '../../access.ts'
import { parseJsonText } from '../../json.ts'
import { FieldTally } from '../fields.ts'
import { route, type Route } from '../route.ts'
import { collectionParams, filterText } from '../schemas.ts'

const sampleDefault = 1_000
const sampleMax = 10_000
// A record may have 40 KiB of metadata: so many are in memory at once.
const fieldsPage = 100

const fieldsQuery = z.strictObject({
  filter: filterText.optional(),
  sample: z.coerce.number().int().min(1).max(sampleMax).optional().describe(`Records to look at, in the order they were first put; default ${sampleDefault}`),
})
const scalar = z.union([z.string(), z.number(), z.boolean()])
const fieldSummary = z.strictObject({
  field: z.string(),
  types: z.array(z.enum(['string', 'number', 'boolean', 'list', 'object'])),
  count: z.number().int().describe('Records that have it'),
  values: z.array(z.strictObject({ value: scalar, count: z.number().int() })).describe('Most frequent first'),
  isComplete: z.boolean().describe('Whether these are all values'),
  min: z.number().optional(),
  max: z.number().optional(),
})
const fieldsAnswer = z.strictObject({ fields: z.array(fieldSummary), hasAllFields: z.boolean().describe('Whether these are all fields of the sample: 1,000 are told at most'), sampledCount: z.number().int(), isComplete: z.boolean().describe('Whether every record was looked at') })
const storageAnswer = z.strictObject({
  kinds: z.record(z.string(), z.strictObject({ objectCount: z.number().int(), sizeBytes: z.number().int() })).describe('By kind of object: log, segments, manifests …'),
  objectCount: z.number().int(),
  sizeBytes: z.number().int(),
  isComplete: z.boolean(),
})
const role = z.enum(roles)
const keyInfo = z.strictObject({ id: z.string(), role, collections: z.array(z.string()).optional().describe('Absent: every collection') })
const keysAnswer = z.strictObject({
  isOpen: z.boolean().describe('No keys are configured: this machine alone is answered, and may do everything'),
  caller: z.strictObject({ id: z.string(), role, isUnscoped: z.boolean() }),
  keys: z.array(keyInfo).optional().describe('Without their secrets; for admins of every collection'),
})

/** What there is, for people who look at it. */
export const overviewRoutes: Route[] = [
  route({
    method: 'get',
    path: '/v1/collections/{collection}/fields',
    operationId: 'listFields',
    summary: 'What metadata a sample of the records has: fields, types, most frequent values',
    tag: 'collections',
    role: 'read',
    params: collectionParams,
    query: fieldsQuery,
    answers: { 200: { description: 'Fields by name', schema: fieldsAnswer } },
    async handle({ params, query, context, raw }) {
      const collection = await context.bucket.collection(params.collection)
      const wanted = query.sample ?? sampleDefault
      const filter = query.filter === undefined ? {} : { filter: parseJsonText(query.filter, 'filter') }
      const tally = new FieldTally()
      let sampledCount = 0
      let after: string | undefined
      do {
        const limit = Math.min(fieldsPage, wanted - sampledCount)
        const page = await collection.list({ limit, include: { metadata: true }, signal: raw.signal, ...filter, ...(after !== undefined && { after }) })
        for (const { metadata } of page.rows) tally.add(metadata ?? {})
        sampledCount += page.rows.length
        after = page.next
      } while (after !== undefined && sampledCount < wanted)
      return { json: { fields: tally.fields(), hasAllFields: tally.hasAllFields, sampledCount, isComplete: after === undefined } }
    },
  }),
  route({
    method: 'get',
    path: '/v1/collections/{collection}/storage',
    operationId: 'getStorage',
    summary: 'Objects and bytes under the prefix of a collection, by kind; lists them, a request for a thousand',
    tag: 'collections',
    role: 'read',
    params: collectionParams,
    answers: { 200: { description: 'What is stored', schema: storageAnswer } },
    async handle({ params, context, raw }) {
      return { json: await context.bucket.storage(params.collection, { signal: raw.signal }) }
    },
  }),
  route({
    method: 'get',
    path: '/v1/keys',
    operationId: 'listKeys',
    summary: 'Who the caller is, and, for admins, which keys there are; never a secret',
    tag: 'service',
    role: 'read',
    answers: { 200: { description: 'Keys', schema: keysAnswer } },
    async handle({ access, context }) {
      const keys = context.keys.keys()
      const shown = access.role === 'admin' && access.isUnscoped ? { keys: keys.map(({ id, role, collections }) => ({ id, role, ...(collections && { collections }) })) } : {}
      return { json: { isOpen: keys.length === 0, caller: { id: access.keyId, role: access.role, isUnscoped: access.isUnscoped }, ...shown } }
    },
  }),
]
