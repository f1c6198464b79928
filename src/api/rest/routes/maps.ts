import { z } from 'zod'
import { toIsoTime } from '../../../base/clock.ts'
import { WindlassError } from '../../../base/errors.ts'
import type { MapState } from '../../../library/types.ts'
import { route, type Route } from '../route.ts'
import * as schemas from '../schemas.ts'

const path = '/v1/collections/{collection}/map'
const keysMax = 10_000

const field = z.strictObject({
  name: z.string(),
  kind: z.enum(['text', 'number']),
  values: z.array(z.strictObject({ value: z.string(), count: z.number().int() })).optional().describe('Of a text field: the most frequent; code c stands for the value at c - 1, 255 for any other'),
  least: z.number().optional(),
  most: z.number().optional().describe('Of a number field: codes 1 to 255 go from `least` to `most`'),
})
const run = z.strictObject({
  state: z.enum(['waiting', 'running']),
  part: z.enum(['waiting', 'listing', 'reading', 'neighbors', 'axes', 'layout', 'saving']),
  done: z.number().describe('Of this part, 0 to 1'),
})
const mapState = z.strictObject({
  map: z
    .strictObject({
      version: z.string().describe('Another map has another; `points` and `keys` of one version belong together'),
      pointCount: z.number().int(),
      recordCount: z.number().int().describe('Records of the collection when it was made; of more than 100,000 the map shows a sample'),
      madeAt: z.string(),
      isCurrent: z.boolean().describe('Whether nothing was written to the collection since'),
      method: z.string(),
      fields: z.array(field).describe('What points can be coloured by'),
    })
    .nullable()
    .describe('null: none was made yet'),
  run: run.nullable().describe('What this server is making'),
  error: z.string().nullable().describe('Why the last run of this server failed'),
})
const points = z.strictObject({
  version: z.string(),
  pointCount: z.number().int(),
  positions: z.string().describe('Base64 of x, y of each point: uint16, little-endian, one scale for both'),
  fields: z.array(z.strictObject({ name: z.string(), codes: z.string().describe('Base64 of one byte for each point; 0: it has no such value') })),
})
const keys = z.strictObject({ version: z.string(), keys: z.array(z.string()).describe('Of the points from `start` on, in their order'), next: z.number().int().optional() })

/** Maps of collections: for people to look at. */
export const mapRoutes: Route[] = [
  route({
    method: 'post',
    path,
    operationId: 'makeMap',
    summary: 'Begin to make a map of the collection; the answer does not wait for it',
    tag: 'maps',
    role: 'write',
    params: schemas.collectionParams,
    body: z.strictObject({ force: z.boolean().optional().describe('Also where less than a tenth of the records has changed since the last one') }),
    answers: { 202: { description: 'It is being made, or was just looked at', schema: mapState } },
    async handle({ params, body: { force }, context }) {
      const collection = await context.bucket.collection(params.collection)
      void context.bucket.maps.start(collection, force === undefined ? {} : { force })
      return { status: 202, json: describe(await context.bucket.maps.state(collection)) }
    },
  }),
  route({
    method: 'get',
    path,
    operationId: 'getMap',
    summary: 'Whether there is a map of the collection, what it can be coloured by, and how far a new one is',
    tag: 'maps',
    role: 'read',
    params: schemas.collectionParams,
    answers: { 200: { description: 'The state', schema: mapState } },
    async handle({ params, context }) {
      return { json: describe(await context.bucket.maps.state(await context.bucket.collection(params.collection))) }
    },
  }),
  route({
    method: 'delete',
    path,
    operationId: 'deleteMap',
    summary: 'Give up what is being made, and forget the map',
    tag: 'maps',
    role: 'write',
    params: schemas.collectionParams,
    answers: { 204: { description: 'Gone' } },
    async handle({ params, context }) {
      await context.bucket.maps.remove((await context.bucket.collection(params.collection)).id)
      return { status: 204 }
    },
  }),
  route({
    method: 'get',
    path: `${path}/points`,
    operationId: 'getMapPoints',
    summary: 'Where the points of the map are, and codes of their colours',
    tag: 'maps',
    role: 'read',
    params: schemas.collectionParams,
    answers: { 200: { description: 'All points', schema: points } },
    async handle({ params, context }) {
      const { collectionId, madeAt, positions, fields, keys } = await mapOf(context.bucket, params.collection)
      const base64 = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
      // Typed arrays are little-endian on every machine that Node runs on.
      const places = new Uint8Array(positions.buffer, positions.byteOffset, positions.byteLength)
      return { json: { version: versionOf(collectionId, madeAt), pointCount: keys.length, positions: base64(places), fields: fields.map(({ name, codes }) => ({ name, codes: base64(codes) })) } }
    },
  }),
  route({
    method: 'get',
    path: `${path}/keys`,
    operationId: 'getMapKeys',
    summary: 'Which records the points are',
    tag: 'maps',
    role: 'read',
    params: schemas.collectionParams,
    query: z.strictObject({ start: z.coerce.number().int().min(0).optional(), limit: z.coerce.number().int().min(1).max(keysMax).optional() }),
    answers: { 200: { description: 'A page', schema: keys } },
    async handle({ params, query: { start = 0, limit = keysMax }, context }) {
      const map = await mapOf(context.bucket, params.collection)
      const end = start + limit
      return { json: { version: versionOf(map.collectionId, map.madeAt), keys: map.keys.slice(start, end), ...(end < map.keys.length && { next: end }) } }
    },
  }),
]

type Bucket = Parameters<Route['handle']>[0]['context']['bucket']

async function mapOf(bucket: Bucket, name: string): Promise<NonNullable<MapState['map']>> {
  const { map } = await bucket.maps.state(await bucket.collection(name))
  if (!map) throw new WindlassError('not-found', `collection ${JSON.stringify(name)} has no map yet: POST /v1/collections/${name}/map makes one`, { path: 'collection' })
  return map
}

function versionOf(collectionId: string, madeAt: number): string {
  return `${collectionId.slice(-8)}.${madeAt}`
}

function describe({ map, isCurrent, run: going, error }: MapState): unknown {
  return {
    map: map && {
      version: versionOf(map.collectionId, map.madeAt),
      pointCount: map.keys.length,
      recordCount: map.recordCount,
      madeAt: toIsoTime(map.madeAt),
      isCurrent,
      method: map.method,
      fields: map.fields.map(({ codes: _, ...shown }) => shown),
    },
    run: going,
    error,
  }
}
