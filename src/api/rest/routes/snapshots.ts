import { toIsoTime } from '../../../base/clock.ts'
import type { SnapshotInfo } from '../../../library/types.ts'
import { describeCollection } from './collections.ts'
import { route, type Route } from '../route.ts'
import * as schemas from '../schemas.ts'

const path = '/v1/collections/{collection}'

/** Copies that cost nothing: snapshots, branches, restoring. */
export const snapshotRoutes: Route[] = [
  route({
    method: 'post',
    path: `${path}/snapshots`,
    operationId: 'createSnapshot',
    summary: 'Keep the collection as it is, or was, under a name',
    tag: 'snapshots',
    role: 'admin',
    params: schemas.collectionParams,
    body: schemas.snapshotInput,
    answers: { 201: { description: 'Kept', schema: schemas.snapshotInfo } },
    async handle({ params, body: { name, seq, time }, context }) {
      const past = seq !== undefined ? { seq } : time !== undefined ? { time: Date.parse(time) } : undefined
      return { status: 201, json: describe(await (await context.bucket.collection(params.collection)).createSnapshot(name, past)) }
    },
  }),
  route({
    method: 'get',
    path: `${path}/snapshots`,
    operationId: 'listSnapshots',
    summary: 'List snapshots, oldest first',
    tag: 'snapshots',
    role: 'read',
    params: schemas.collectionParams,
    answers: { 200: { description: 'All of them', schema: schemas.snapshotList } },
    async handle({ params, context }) {
      return { json: { snapshots: (await (await context.bucket.collection(params.collection)).listSnapshots()).map(describe) } }
    },
  }),
  route({
    method: 'delete',
    path: `${path}/snapshots/{snapshot*}`,
    operationId: 'deleteSnapshot',
    summary: 'Let a snapshot go',
    tag: 'snapshots',
    role: 'admin',
    params: schemas.snapshotParams,
    answers: { 204: { description: 'Gone' } },
    async handle({ params, context }) {
      await (await context.bucket.collection(params.collection)).deleteSnapshot(params.snapshot)
      return { status: 204 }
    },
  }),
  route({
    method: 'post',
    path: `${path}/branch`,
    operationId: 'branchCollection',
    summary: 'Make another collection as this one is, or was at a snapshot, in constant time',
    tag: 'snapshots',
    role: 'admin',
    params: schemas.collectionParams,
    body: schemas.branchInput,
    answers: { 201: { description: 'Made', schema: schemas.collectionInfo } },
    async handle({ params, body: { name, snapshot }, access, context }) {
      access.require('admin', name)
      const branch = await context.bucket.branchCollection(params.collection, name, snapshot === undefined ? {} : { snapshot })
      return { status: 201, json: await describeCollection(branch) }
    },
  }),
  route({
    method: 'post',
    path: `${path}/restore`,
    operationId: 'restoreCollection',
    summary: 'Make the collection what it was at a snapshot; its snapshots stay',
    tag: 'snapshots',
    role: 'admin',
    params: schemas.collectionParams,
    body: schemas.restoreInput,
    answers: { 200: { description: 'Restored', schema: schemas.collectionInfo } },
    async handle({ params, body, context }) {
      return { json: await describeCollection(await context.bucket.restoreCollection(params.collection, body.snapshot)) }
    },
  }),
  route({
    method: 'post',
    path: `${path}/sweep`,
    operationId: 'sweepCollection',
    summary: 'Delete what nothing has named for a grace period; it happens by itself after writes',
    tag: 'snapshots',
    role: 'admin',
    params: schemas.collectionParams,
    answers: { 200: { description: 'What was done', schema: schemas.sweepResult } },
    async handle({ params, context }) {
      const result = await (await context.bucket.collection(params.collection)).sweep()
      return { json: result ? { ...result, isDue: true } : { deletedCount: 0, plannedCount: 0, isDue: false } }
    },
  }),
]

function describe({ name, seq, createdAt }: SnapshotInfo): unknown {
  return { name, seq, createdAt: toIsoTime(createdAt) }
}
