import type { Collection } from '../../../library/types.ts'
import { route, type Route } from '../route.ts'
import * as schemas from '../schemas.ts'

/** Making, finding and dropping collections. */
export const collectionRoutes: Route[] = [
  route({
    method: 'post',
    path: '/v1/collections',
    operationId: 'createCollection',
    summary: 'Make a collection',
    tag: 'collections',
    role: 'admin',
    body: schemas.collectionInput,
    answers: { 201: { description: 'Made', schema: schemas.collectionInfo } },
    async handle({ body: { name, dimension, metric, language }, access, context }) {
      access.require('admin', name)
      const options = { ...(dimension !== undefined && { dimension }), ...(metric !== undefined && { metric }), ...(language !== undefined && { language }) }
      return { status: 201, json: await describeCollection(await context.bucket.createCollection(name, options)) }
    },
  }),
  route({
    method: 'get',
    path: '/v1/collections',
    operationId: 'listCollections',
    summary: 'List collections that the key reaches',
    tag: 'collections',
    role: 'read',
    query: schemas.collectionListQuery,
    answers: { 200: { description: 'A page', schema: schemas.collectionList } },
    async handle({ query: { prefix, after, limit }, access, context }) {
      const { collections, next } = await context.bucket.listCollections({
        ...(prefix !== undefined && { prefix }),
        ...(after !== undefined && { after }),
        ...(limit !== undefined && { limit }),
      })
      return { json: { collections: collections.filter(({ name }) => access.reaches(name)), next } }
    },
  }),
  route({
    method: 'get',
    path: '/v1/collections/{collection}',
    operationId: 'getCollection',
    summary: 'Counts and sizes of a collection',
    tag: 'collections',
    role: 'read',
    params: schemas.collectionParams,
    answers: { 200: { description: 'The collection', schema: schemas.collectionInfo } },
    async handle({ params, context }) {
      return { json: await describeCollection(await context.bucket.collection(params.collection)) }
    },
  }),
  route({
    method: 'delete',
    path: '/v1/collections/{collection}',
    operationId: 'dropCollection',
    summary: 'Drop a collection and everything in it',
    tag: 'collections',
    role: 'admin',
    params: schemas.collectionParams,
    answers: { 204: { description: 'Dropped' } },
    async handle({ params, context }) {
      await context.bucket.dropCollection(params.collection)
      return { status: 204 }
    },
  }),
  route({
    method: 'post',
    path: '/v1/collections/{collection}/flush',
    operationId: 'flushCollection',
    summary: 'Move the log into a segment now; never needed for safety',
    tag: 'collections',
    role: 'write',
    params: schemas.collectionParams,
    answers: { 204: { description: 'Flushed' } },
    async handle({ params, context }) {
      await (await context.bucket.collection(params.collection)).flush()
      return { status: 204 }
    },
  }),
  route({
    method: 'post',
    path: '/v1/collections/{collection}/merge',
    operationId: 'mergeCollection',
    summary: 'Join segments into as few as may be, now; it happens by itself, when it is due',
    tag: 'collections',
    role: 'write',
    params: schemas.collectionParams,
    answers: { 200: { description: 'Whether anything changed', schema: schemas.mergeResult } },
    async handle({ params, context }) {
      return { json: { merged: await (await context.bucket.collection(params.collection)).merge() } }
    },
  }),
  route({
    method: 'post',
    path: '/v1/collections/{collection}/warm',
    operationId: 'warmCollection',
    summary: 'Read vector indexes into memory ahead of the first query',
    tag: 'collections',
    role: 'read',
    params: schemas.collectionParams,
    answers: { 204: { description: 'Read, as far as the memory budget reaches' } },
    async handle({ params, context }) {
      await (await context.bucket.collection(params.collection)).warm()
      return { status: 204 }
    },
  }),
  route({
    method: 'post',
    path: '/v1/collections/{collection}/verify',
    operationId: 'verifyCollection',
    summary: 'Read every object of the collection and check every checksum',
    tag: 'collections',
    role: 'admin',
    params: schemas.collectionParams,
    answers: { 200: { description: 'What was found', schema: schemas.verification } },
    async handle({ params, context }) {
      return { json: await context.bucket.verify(params.collection) }
    },
  }),
  route({
    method: 'post',
    path: '/v1/collections/{collection}/repair',
    operationId: 'repairCollection',
    summary: 'Recover a lost manifest and damaged segments from copies, snapshots and the log; name what cannot be',
    tag: 'collections',
    role: 'admin',
    params: schemas.collectionParams,
    answers: { 200: { description: 'What was done', schema: schemas.repairResult } },
    async handle({ params, context }) {
      return { json: await context.bucket.repair(params.collection) }
    },
  }),
]

/** A collection as it is shown. */
export async function describeCollection(collection: Collection): Promise<unknown> {
  const { name, id, schema, recordCount, documentCount, segmentCount, sizeBytes, logSequence, unflushedCommits, unflushedBytes } = await collection.stats()
  const { dimension, metric, embeddingModel } = schema
  return { name, id, dimension, metric, embeddingModel, recordCount, documentCount, segmentCount, sizeBytes, logSequence, unflushedCommits, unflushedBytes }
}
