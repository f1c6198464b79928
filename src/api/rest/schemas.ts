import { z } from 'zod'
import { limits } from '../../base/limits.ts'
import { errorPolicies } from '../../base/errors.ts'

/** Schemas that have a name in the OpenAPI document. */
export const namedSchemas = z.registry<{ id: string }>()

function named<Schema extends z.ZodType>(id: string, schema: Schema): Schema {
  namedSchemas.add(schema, { id })
  return schema
}

const json = z.record(z.string(), z.unknown())
const filter = json.describe('Filter on metadata: {"key": value}, $eq $ne $gt $gte $lt $lte $in $nin $exists $startsWith, $and $or $not')
const vector = z.union([z.array(z.number()), z.string()]).describe(`float32 values, or base64 of them in little-endian order; up to ${limits.dimensionMax}`)
const limit = z.coerce.number().int().min(1).max(limits.listPageMax)
const consistency = z.enum(['strong', 'eventual']).describe('strong (default): sees every write acknowledged before, by any process')
const includes = z.array(z.enum(['vector', 'metadata', 'document']))
const includeText = z.string().describe('Comma-separated: vector, metadata, document')
export const filterText = z.string().describe('Filter as JSON')
const snapshotName = z.string().min(1).describe('Reads the collection as it was at this snapshot')
const after = z.string().describe('From the page before: its `next`')

export const errorSchema = named(
  'Error',
  z.strictObject({
    error: z.strictObject({
      kind: z.enum([...Object.keys(errorPolicies), 'internal', 'not-allowed']).describe('What the caller can do about it'),
      message: z.string(),
      path: z.string().optional().describe('Which field, parameter or header is at fault'),
      docs: z.string().describe('Where this server explains the kind'),
      requestId: z.string(),
    }),
  }),
)

export const collectionParams = z.object({ collection: z.string() })
export const documentParams = z.object({ collection: z.string(), source: z.string().describe('Path or URL of the file; slashes may be escaped') })
export const recordParams = z.object({ collection: z.string(), key: z.string() })

export const collectionInput = named(
  'CollectionInput',
  z.strictObject({
    name: z.string(),
    dimension: z.number().int().min(1).max(limits.dimensionMax).optional().describe('Absent: that of the first record put'),
    metric: z.enum(['cosine', 'dot', 'euclidean']).optional(),
    language: z.string().optional().describe('Language of full-text search; default english'),
  }),
)
export const collectionSummary = named('CollectionSummary', z.strictObject({ name: z.string(), id: z.string() }))
export const collectionInfo = named(
  'Collection',
  z.strictObject({
    name: z.string(),
    id: z.string(),
    dimension: z.number().int().nullable(),
    metric: z.enum(['cosine', 'dot', 'euclidean']),
    embeddingModel: z.string().nullable(),
    recordCount: z.number().int(),
    documentCount: z.number().int(),
    segmentCount: z.number().int(),
    sizeBytes: z.number().int(),
    logSequence: z.number().int(),
    unflushedCommits: z.number().int(),
    unflushedBytes: z.number().int(),
  }),
)
export const collectionListQuery = z.strictObject({ prefix: z.string().optional(), after: after.optional(), limit: limit.optional() })
export const collectionList = named('CollectionList', z.strictObject({ collections: z.array(collectionSummary), next: z.string().optional() }))

const recordInput = named(
  'RecordInput',
  z.strictObject({ key: z.string(), vector: vector.nullish(), metadata: json.optional(), document: z.string().nullish() }),
)
export const record = named(
  'Record',
  z.strictObject({
    key: z.string(),
    version: z.string().describe('Changes with every write of the record'),
    vector: z.array(z.number()).nullish(),
    metadata: json.optional(),
    document: z.string().nullish(),
  }),
)
export const recordsInput = named('RecordsInput', z.strictObject({ records: z.array(recordInput).min(1).max(limits.batchOperationsMax) }))
export const writeResult = named(
  'WriteResult',
  z.strictObject({ seq: z.number().int(), putCount: z.number().int(), deletedCount: z.number().int(), skippedCount: z.number().int() }),
)
const keys = z.array(z.string()).min(1).max(limits.queryResultsMax)
export const recordsGet = named('RecordsGet', z.strictObject({ keys, include: includes.optional(), consistency: consistency.optional(), snapshot: snapshotName.optional() }))
export const recordsGot = named('RecordsGot', z.strictObject({ records: z.array(record.nullable()).describe('In the order asked; null where the key is absent') }))
export const recordsDelete = named('RecordsDelete', z.strictObject({ keys: keys.optional(), filter: filter.optional() }).refine((body) => (body.keys === undefined) !== (body.filter === undefined), 'expected either keys or filter'))
export const recordQuery = z.strictObject({ include: includeText.optional(), consistency: consistency.optional() })
export const recordListQuery = z.strictObject({
  limit: limit.optional(),
  after: after.optional(),
  filter: filterText.optional(),
  include: includeText.optional(),
  consistency: consistency.optional(),
  snapshot: snapshotName.optional(),
})
export const recordList = named('RecordList', z.strictObject({ records: z.array(record), next: z.string().optional() }))

const fusion = z.discriminatedUnion('method', [
  z.strictObject({ method: z.literal('convex'), vectorWeight: z.number().min(0).max(1).optional() }),
  z.strictObject({ method: z.literal('reciprocal-rank'), k: z.number().positive().optional() }),
])
const k = z.number().int().min(1).max(limits.queryResultsMax)
export const queryInput = named(
  'Query',
  z.strictObject({
    vector: vector.optional(),
    text: z.string().optional().describe('BM25; with a vector: hybrid'),
    k: k.optional(),
    filter: filter.optional(),
    fusion: fusion.optional(),
    recall: z.number().min(0.5).max(1).optional().describe('Share of the true nearest that a vector search should find; 1: exact. Default 0.95'),
    probes: z.number().int().min(1).optional().describe('Clusters to probe in each segment, for experts'),
    include: includes.optional(),
    consistency: consistency.optional(),
    snapshot: snapshotName.optional(),
  }),
)
const match = named(
  'Match',
  record.extend({ score: z.number().describe('Higher is better'), distance: z.number().optional(), textScore: z.number().optional() }),
)
const queryStats = z.strictObject({
  rowsMatching: z.number().int(),
  rowsScored: z.number().int(),
  clustersProbed: z.number().int(),
  candidates: z.number().int().describe('Rows scored again by finer codes'),
  requests: z.number().int().describe('To the bucket, for vectors'),
  bytesRead: z.number().int(),
  roundTrips: z.number().int(),
})
export const queryResult = named(
  'QueryResult',
  z.strictObject({ matches: z.array(match), stats: queryStats }),
)
export const countQuery = z.strictObject({ filter: filterText.optional(), consistency: consistency.optional(), snapshot: snapshotName.optional() })
export const countResult = named('Count', z.strictObject({ count: z.number().int() }))

export const documentInfo = named(
  'Document',
  z.strictObject({
    source: z.string(),
    title: z.string().optional(),
    format: z.string(),
    sizeBytes: z.number().int(),
    sha256: z.string(),
    chunkCount: z.number().int(),
    state: z.enum(['indexed', 'failed']),
    error: z.string().optional(),
    indexedAt: z.string(),
    metadata: json,
  }),
)
export const documentListQuery = z.strictObject({
  limit: limit.optional(),
  after: after.optional(),
  prefix: z.string().optional(),
  filter: filterText.optional(),
  consistency: consistency.optional(),
})
export const documentList = named('DocumentList', z.strictObject({ documents: z.array(documentInfo), next: z.string().optional() }))
export const uploadQuery = z.strictObject({
  source: z.string().optional().describe('Name of the document; needed for a raw body'),
  metadata: z.string().optional().describe('JSON object, stored with every passage'),
})
export const putDocumentQuery = uploadQuery.omit({ source: true })
export const uploadResult = named(
  'UploadResult',
  z.strictObject({
    documents: z.array(
      z.strictObject({
        source: z.string(),
        status: z.enum(['new', 'changed', 'unchanged', 'failed']),
        chunkCount: z.number().int(),
        sizeBytes: z.number().int(),
        error: z.string().optional(),
      }),
    ),
  }),
)

const mode = z.enum(['hybrid', 'vector', 'text']).describe('hybrid (default): by meaning and by words')
export const searchInput = named(
  'Search',
  z.strictObject({
    query: z.string().min(1),
    k: k.optional(),
    filter: filter.optional(),
    mode: mode.optional(),
    fusion: fusion.optional(),
    consistency: consistency.optional(),
  }),
)
export const searchQuery = z.strictObject({
  q: z.string().min(1),
  k: z.coerce.number().pipe(k).optional(),
  filter: filterText.optional(),
  mode: mode.optional(),
  consistency: consistency.optional(),
})
const passage = named(
  'Passage',
  z.strictObject({
    key: z.string(),
    source: z.string(),
    title: z.string().optional(),
    headingPath: z.array(z.string()),
    page: z.number().int().optional(),
    lineStart: z.number().int().optional(),
    lineEnd: z.number().int().optional(),
    byteStart: z.number().int().optional(),
    byteEnd: z.number().int().optional(),
    text: z.string(),
    highlights: z.array(z.strictObject({ start: z.number().int(), end: z.number().int() })).describe('Words of the question in `text`, in UTF-16 units'),
    score: z.number(),
    distance: z.number().optional(),
    textScore: z.number().optional(),
    metadata: json,
  }),
)
const searchStats = named(
  'SearchStats',
  z.strictObject({
    ms: z.number().describe('From the question to the passages, on the server'),
    store: z.strictObject({ requests: z.number().int(), bytesRead: z.number().int() }).describe('To the bucket by this process meanwhile: those of other requests count too'),
    query: queryStats.optional().describe('Absent where another engine than the bucket answered'),
  }),
)
export const searchResult = named('SearchResult', z.strictObject({ passages: z.array(passage), stats: searchStats }))

export const snapshotParams = z.object({ collection: z.string(), snapshot: z.string() })
export const snapshotInput = named(
  'SnapshotInput',
  z
    .strictObject({ name: z.string().min(1), seq: z.number().int().min(0).optional().describe('As of this log number'), time: z.iso.datetime().optional().describe('As of this time') })
    .refine(({ seq, time }) => seq === undefined || time === undefined, 'expected seq or time, not both'),
)
export const snapshotInfo = named('Snapshot', z.strictObject({ name: z.string(), seq: z.number().int(), createdAt: z.string() }))
export const snapshotList = named('SnapshotList', z.strictObject({ snapshots: z.array(snapshotInfo) }))
export const branchInput = named('BranchInput', z.strictObject({ name: z.string().describe('The new collection'), snapshot: z.string().optional() }))
export const restoreInput = named('RestoreInput', z.strictObject({ snapshot: z.string() }))
export const sweepResult = named('SweepResult', z.strictObject({ deletedCount: z.number().int(), plannedCount: z.number().int(), isDue: z.boolean() }))

const healthCheck = z.strictObject({ name: z.string(), collection: z.string().optional(), ok: z.boolean(), detail: z.string() })
export const health = named('Health', z.strictObject({ ok: z.boolean(), bucket: z.string(), checks: z.array(healthCheck) }))
export const ready = named('Ready', z.strictObject({ ready: z.boolean() }))
const problem = z.strictObject({ object: z.string(), message: z.string() })
export const repairResult = named('RepairResult', z.strictObject({ repaired: z.array(problem), problems: z.array(problem).describe('What could not be repaired') }))
export const mergeResult = named('MergeResult', z.strictObject({ merged: z.boolean() }))
export const verification = named(
  'Verification',
  z.strictObject({ objectCount: z.number().int(), sizeBytes: z.number().int(), problems: z.array(problem), notes: z.array(problem).describe('Oddities that damage nothing') }),
)
