import { WindlassError } from '../../../base/errors.ts'
import type { Collection, RowInput } from '../../../library/types.ts'
import type { Include } from '../../../engine/types.ts'
import type { Metadata } from '../../../format/record.ts'
import { parseJsonText } from '../../json.ts'
import { route, type Route } from '../route.ts'
import * as schemas from '../schemas.ts'

const path = '/v1/collections/{collection}/records'

/** Records with vectors of the caller's own. */
export const recordRoutes: Route[] = [
  route({
    method: 'post',
    path,
    operationId: 'putRecords',
    summary: 'Put records, all or none; each replaces the record of its key',
    tag: 'records',
    role: 'write',
    params: schemas.collectionParams,
    body: schemas.recordsInput,
    answers: { 200: { description: 'Durable and visible to every reader', schema: schemas.writeResult } },
    async handle({ params, body, context, raw }) {
      const collection = await context.bucket.collection(params.collection)
      const records = body.records.map(({ key, vector, metadata, document }, i): RowInput => ({
        key,
        ...(vector !== undefined && { vector: vector === null ? null : toVector(vector, `records.${i}.vector`) }),
        ...(metadata !== undefined && { metadata: metadata as Metadata }),
        ...(document !== undefined && { document }),
      }))
      return { json: await collection.put(records, { signal: raw.signal }) }
    },
  }),
  route({
    method: 'get',
    path,
    operationId: 'listRecords',
    summary: 'List records in the order they were first put',
    tag: 'records',
    role: 'read',
    params: schemas.collectionParams,
    query: schemas.recordListQuery,
    answers: { 200: { description: 'A page', schema: schemas.recordList } },
    async handle({ params, query: { limit, after, filter, include, consistency, snapshot }, context, raw }) {
      const reader = await readerOf(await context.bucket.collection(params.collection), snapshot)
      const { rows, next } = await reader.list({
        include: parseInclude(include) ?? { metadata: true, document: true },
        signal: raw.signal,
        ...(limit !== undefined && { limit }),
        ...(after !== undefined && { after }),
        ...(filter !== undefined && { filter: parseJsonText(filter, 'filter') }),
        ...(consistency && { consistency }),
      })
      return { json: { records: rows, next } }
    },
  }),
  route({
    method: 'post',
    path: `${path}/get`,
    operationId: 'getRecords',
    summary: 'Get records by key',
    tag: 'records',
    role: 'read',
    params: schemas.collectionParams,
    body: schemas.recordsGet,
    answers: { 200: { description: 'The records', schema: schemas.recordsGot } },
    async handle({ params, body: { keys, include, consistency, snapshot }, context, raw }) {
      const reader = await readerOf(await context.bucket.collection(params.collection), snapshot)
      return { json: { records: await reader.get(keys, { signal: raw.signal, ...(include && { include: toInclude(include) }), ...(consistency && { consistency }) }) } }
    },
  }),
  route({
    method: 'post',
    path: `${path}/delete`,
    operationId: 'deleteRecords',
    summary: 'Delete records by key or by filter; absent keys are no error',
    tag: 'records',
    role: 'write',
    params: schemas.collectionParams,
    body: schemas.recordsDelete,
    answers: { 200: { description: 'Deleted', schema: schemas.writeResult } },
    async handle({ params, body: { keys, filter }, context, raw }) {
      const collection = await context.bucket.collection(params.collection)
      const options = { signal: raw.signal }
      return { json: keys ? await collection.delete(keys, options) : await collection.deleteWhere(filter, options) }
    },
  }),
  route({
    method: 'get',
    path: `${path}/{key*}`,
    operationId: 'getRecord',
    summary: 'Get one record',
    tag: 'records',
    role: 'read',
    params: schemas.recordParams,
    query: schemas.recordQuery,
    answers: { 200: { description: 'The record', schema: schemas.record } },
    async handle({ params: { collection: name, key }, query: { include, consistency }, context, raw }) {
      const collection = await context.bucket.collection(name)
      const parsed = parseInclude(include)
      const [record] = await collection.get([key], { signal: raw.signal, ...(parsed && { include: parsed }), ...(consistency && { consistency }) })
      if (!record) throw new WindlassError('not-found', `collection ${JSON.stringify(name)} has no record ${JSON.stringify(key)}`, { path: 'key' })
      return { json: record }
    },
  }),
  route({
    method: 'delete',
    path: `${path}/{key*}`,
    operationId: 'deleteRecord',
    summary: 'Delete one record; an absent key is no error',
    tag: 'records',
    role: 'write',
    params: schemas.recordParams,
    answers: { 204: { description: 'Deleted' } },
    async handle({ params, context, raw }) {
      await (await context.bucket.collection(params.collection)).delete([params.key], { signal: raw.signal })
      return { status: 204 }
    },
  }),
  route({
    method: 'get',
    path: '/v1/collections/{collection}/count',
    operationId: 'countRecords',
    summary: 'Count records',
    tag: 'records',
    role: 'read',
    params: schemas.collectionParams,
    query: schemas.countQuery,
    answers: { 200: { description: 'How many', schema: schemas.countResult } },
    async handle({ params, query: { filter, consistency, snapshot }, context, raw }) {
      const reader = await readerOf(await context.bucket.collection(params.collection), snapshot)
      const parsed = filter === undefined ? {} : { filter: parseJsonText(filter, 'filter') }
      return { json: { count: await reader.count({ signal: raw.signal, ...parsed, ...(consistency && { consistency }) }) } }
    },
  }),
  route({
    method: 'post',
    path: '/v1/collections/{collection}/query',
    operationId: 'queryRecords',
    summary: 'Find records by vector, by words, or by both',
    tag: 'records',
    role: 'read',
    params: schemas.collectionParams,
    body: schemas.queryInput,
    answers: { 200: { description: 'Best first', schema: schemas.queryResult } },
    async handle({ params, body: { vector, text, k, filter, fusion, recall, probes, include, consistency, snapshot }, context, raw }) {
      const reader = await readerOf(await context.bucket.collection(params.collection), snapshot)
      const result = await reader.query({
        include: include ? toInclude(include) : { metadata: true, document: true },
        signal: raw.signal,
        ...(vector !== undefined && { vector: toVector(vector, 'vector') }),
        ...(text !== undefined && { text }),
        ...(k !== undefined && { k }),
        ...(filter !== undefined && { filter }),
        ...(fusion && { fusion: fusion as never }),
        ...(recall !== undefined && { recall }),
        ...(probes !== undefined && { probes }),
        ...(consistency && { consistency }),
      })
      return { json: result }
    },
  }),
]

/** The collection, or what it was at a snapshot, for which freshness means nothing. */
async function readerOf(collection: Collection, snapshot: string | undefined): Promise<Pick<Collection, 'get' | 'list' | 'query' | 'count'>> {
  return snapshot === undefined ? collection : collection.openSnapshot(snapshot)
}

function toVector(value: readonly number[] | string, path: string): readonly number[] | Float32Array {
  if (typeof value !== 'string') return value
  const bytes = Buffer.from(value, 'base64')
  if (bytes.length === 0 || bytes.length % 4 !== 0) throw new WindlassError('invalid', `${path} is not base64 of float32 values: it has ${bytes.length} bytes`, { path })
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4))
}

type Part = 'vector' | 'metadata' | 'document'

function toInclude(parts: readonly Part[]): Include {
  return Object.fromEntries(parts.map((part) => [part, true]))
}

function parseInclude(text: string | undefined): Include | undefined {
  if (text === undefined) return undefined
  const parts = text.split(',').filter((part) => part !== '')
  const unknown = parts.find((part) => !['vector', 'metadata', 'document'].includes(part))
  if (unknown !== undefined) throw new WindlassError('invalid', `include has ${JSON.stringify(unknown)}, expected vector, metadata, document`, { path: 'include' })
  return toInclude(parts as Part[])
}
