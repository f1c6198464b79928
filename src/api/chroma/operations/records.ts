import { isWindlassError } from '../../../base/errors.ts'
import type { Operation } from '../../../engine/types.ts'
import type { IdentifiedCollection } from '../../../library/identified-collection.ts'
import type { CollectionSchema } from '../../../library/types.ts'
import { writeInBatches } from '../batches.ts'
import { withCollection } from '../collections.ts'
import type { ChromaRequest, ChromaRoute } from '../context.ts'
import { checkIndexes } from '../disabled-indexes.ts'
import { ChromaError, invalid } from '../errors.ts'
import { member, optionalCount, optionalTexts } from '../read-body.ts'
import { addOperation, readRecords, sizeOf, updateOperation, type RecordInput } from '../records.ts'
import { settingsOf } from '../settings.ts'
import { readWhere } from '../where.ts'

type ToOperations = (record: RecordInput) => Operation[]

const add = (request: ChromaRequest) => write(request, readRecords(request.body, { needsEmbeddings: true, isNew: true }), (record) => [addOperation(record)], 201)

/** A record that is there is changed, one that is not is added: exactly one of the two operations has an effect. */
const upsert = (request: ChromaRequest) => write(request, readRecords(request.body, { needsEmbeddings: true }), (record) => [updateOperation(record), addOperation(record)])

const update = (request: ChromaRequest) => write(request, readRecords(request.body, { needsEmbeddings: false }), (record) => [updateOperation(record)])

async function write(request: ChromaRequest, records: readonly RecordInput[], toOperations: ToOperations, status = 200): Promise<{ status: number; json: unknown }> {
  const { signal } = request.context
  await withCollection(request, 'write', async (collection) => {
    checkDimensions(records, await collection.schema())
    const sized = function* () {
      for (const record of records) {
        const operations = toOperations(record)
        yield { operations, sizeBytes: sizeOf(record) * operations.length }
      }
    }
    try {
      await writeInBatches(collection, sized(), { signal })
    } catch (error) {
      // Others may have fixed the dimension since we looked.
      if (isWindlassError(error, 'invalid')) checkDimensions(records, (await collection.stats()).schema)
      throw error
    }
  })
  return { status, json: {} }
}

/** @throws {ChromaError} 400 with the reference's words. */
function checkDimensions(records: readonly RecordInput[], { dimension }: CollectionSchema): void {
  const found = records.find(({ vector }) => vector)?.vector?.length
  if (found === undefined) return
  if (records.some(({ vector }) => vector && vector.length !== found)) throw invalid('Inconsistent dimensions in provided embeddings')
  if (found !== (dimension ?? found)) throw wrongDimension(dimension!, found)
}

export function wrongDimension(expected: number, found: number): ChromaError {
  return invalid(`Collection expecting embedding with dimension of ${expected}, got ${found}`)
}

const triesMax = 8
/** Rows deleted in one commit, each on the condition that it is as it was when it matched. */
const deletedAtOnce = 1000

const deleteRecords = async (request: ChromaRequest) => {
  const { body } = request
  const ids = optionalTexts(member(body, 'ids'), 'ids')
  const limit = optionalCount(member(body, 'limit'), 'limit')
  const where = readWhere(body)
  if (limit !== undefined && !where) throw invalid('Validation error: limit, where: limit can only be specified when a where clause is provided')
  if (ids?.length === 0 && !where) throw invalid('Validation error: ids, where: Either ids or where must be specified')
  return withCollection(request, 'write', async (collection) => {
    if (!where) {
      await writeInBatches(collection, (ids ?? []).filter(isKey).map((key) => ({ operations: [{ op: 'delete', key }], sizeBytes: 64 + key.length * 3 })))
      return { json: { deleted: ids?.length ?? 0 } }
    }
    checkIndexes(where, settingsOf(await collection.schema()))
    return { json: { deleted: await deleteMatching(collection, { where, ...(ids && { keys: ids.filter(isKey) }) }, limit ?? Infinity) } }
  })
}

/**
 * Deletes what matches now. A row that changed between the look and the delete is looked at again, so nothing goes that does not match.
 * @throws {ChromaError} 503 when others change the same rows all the time.
 */
async function deleteMatching(collection: IdentifiedCollection, selection: Parameters<Parameters<Parameters<IdentifiedCollection['inspect']>[1]>[0]['find']>[0], limit: number): Promise<number> {
  let deleted = 0
  for (let tries = 0; tries < triesMax; ) {
    const rows = await collection.inspect({}, (moment) => moment.find(selection, { limit: Math.min(deletedAtOnce, limit - deleted), include: {} }))
    if (rows.length === 0) return deleted
    try {
      await collection.write({ operations: rows.map(({ key }) => ({ op: 'delete', key })), conditions: rows.map(({ key, version }) => ({ key, version })) })
      deleted += rows.length
      tries = 0
    } catch (error) {
      if (!isWindlassError(error, 'conflict')) throw error
      tries++
    }
  }
  throw new ChromaError(503, 'InternalError', 'the records to delete change all the time: try again', 1)
}

/** No record can have another key; to ask for one is no error. */
export function isKey(id: string): boolean {
  return id !== '' && Buffer.byteLength(id) <= 1024
}

const collection = '/tenants/{tenant}/databases/{database}/collections/{collection}'

/** Calls that write records. */
export const recordRoutes: readonly ChromaRoute[] = [
  { method: 'POST', path: `${collection}/add`, handle: add },
  { method: 'POST', path: `${collection}/upsert`, handle: upsert },
  { method: 'POST', path: `${collection}/update`, handle: update },
  { method: 'POST', path: `${collection}/delete`, handle: deleteRecords },
]
