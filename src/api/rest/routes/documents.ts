import { isWindlassError, WindlassError } from '../../../base/errors.ts'
import type { QueryStats } from '../../../engine/types.ts'
import type { Bucket, DocumentCollection, IndexedDocument, SearchOptions } from '../../../library/types.ts'
import type { Metadata } from '../../../format/record.ts'
import type { ApiContext } from '../../context.ts'
import { parseJsonText } from '../../json.ts'
import { readMultipart, type KeptBytes } from '../../upload.ts'
import { route, type Route } from '../route.ts'
import * as schemas from '../schemas.ts'

const path = '/v1/collections/{collection}/documents'
const uploaded = { 200: { description: 'What became of each file', schema: schemas.uploadResult } }

interface Incoming {
  readonly source: string
  readonly contentType: string | undefined
  readonly metadata: Metadata
  readonly bytes: KeptBytes
}

/** Files: uploaded, listed, removed, searched. */
export const documentRoutes: Route[] = [
  route({
    method: 'post',
    path,
    operationId: 'uploadDocuments',
    summary: 'Upload files as multipart, or one file as it is; each replaces the document of its name in one commit',
    tag: 'documents',
    role: 'write',
    params: schemas.collectionParams,
    query: schemas.uploadQuery,
    rawBody: { 'multipart/form-data': 'Files in any field; field `metadata`: a JSON object for all of them', 'application/octet-stream': 'One file, named by `source`' },
    answers: uploaded,
    async handle({ params, query, raw, context }) {
      const collection = await context.bucket.documents(params.collection)
      if (!/^multipart\//i.test(raw.headers.get('content-type') ?? '')) {
        if (!query.source) throw new WindlassError('invalid', 'a raw upload needs ?source=<name of the document>', { path: 'source' })
        return { json: await uploadRaw(raw, collection, query.source, query.metadata, context) }
      }
      const { files, fields, release } = await readMultipart(raw, context.scratch, context.uploadBytesMax)
      try {
        const metadata = parseMetadata(fields.get('metadata') ?? query.metadata)
        if (files.length === 0) throw new WindlassError('invalid', 'the multipart body has no file: give a part a filename', { path: 'body' })
        if (query.source && files.length > 1) throw new WindlassError('invalid', `?source= names one document, the body has ${files.length} files`, { path: 'source' })
        const documents = []
        for (const { name, contentType, bytes } of files) {
          const source = query.source ?? name
          if (source === '') throw new WindlassError('invalid', 'a file of the multipart body has no name', { path: 'body' })
          documents.push(await indexOrReport(collection, { source, contentType, metadata, bytes }, context, raw.signal))
        }
        return { json: { documents } }
      } finally {
        await release()
      }
    },
  }),
  route({
    method: 'get',
    path,
    operationId: 'listDocuments',
    summary: 'List documents in the order they were first indexed',
    tag: 'documents',
    role: 'read',
    params: schemas.collectionParams,
    query: schemas.documentListQuery,
    answers: { 200: { description: 'A page', schema: schemas.documentList } },
    async handle({ params, query: { limit, after, prefix, filter, consistency }, context, raw }) {
      const collection = await context.bucket.documents(params.collection)
      const page = await collection.listDocuments({
        signal: raw.signal,
        ...(limit !== undefined && { limit }),
        ...(after !== undefined && { after }),
        ...(prefix !== undefined && { prefix }),
        ...(filter !== undefined && { filter: parseJsonText(filter, 'filter') }),
        ...(consistency && { consistency }),
      })
      return { json: page }
    },
  }),
  route({
    method: 'put',
    path: `${path}/{source*}`,
    operationId: 'putDocument',
    summary: 'Upload one file as it is',
    tag: 'documents',
    role: 'write',
    params: schemas.documentParams,
    query: schemas.putDocumentQuery,
    rawBody: { '*/*': 'The file' },
    answers: uploaded,
    async handle({ params, query, raw, context }) {
      const collection = await context.bucket.documents(params.collection)
      return { json: await uploadRaw(raw, collection, params.source, query.metadata, context) }
    },
  }),
  route({
    method: 'get',
    path: `${path}/{source*}`,
    operationId: 'getDocument',
    summary: 'What is known of a document',
    tag: 'documents',
    role: 'read',
    params: schemas.documentParams,
    answers: { 200: { description: 'The document', schema: schemas.documentInfo } },
    async handle({ params, context, raw }) {
      const found = await (await context.bucket.documents(params.collection)).getDocument(params.source, { signal: raw.signal })
      if (!found) throw noDocument(params)
      return { json: found }
    },
  }),
  route({
    method: 'delete',
    path: `${path}/{source*}`,
    operationId: 'deleteDocument',
    summary: 'Delete a document and all its passages, in one commit',
    tag: 'documents',
    role: 'write',
    params: schemas.documentParams,
    answers: { 204: { description: 'Deleted' } },
    async handle({ params, context }) {
      if (!(await (await context.bucket.documents(params.collection)).deleteDocument(params.source))) throw noDocument(params)
      return { status: 204 }
    },
  }),
  route({
    method: 'get',
    path: '/v1/collections/{collection}/search',
    operationId: 'searchByQuery',
    summary: 'Find passages that answer a question',
    tag: 'documents',
    role: 'read',
    params: schemas.collectionParams,
    query: schemas.searchQuery,
    answers: { 200: { description: 'Best first', schema: schemas.searchResult } },
    async handle({ params, query: { q, k, filter, mode, consistency }, context, raw }) {
      const collection = await context.bucket.documents(params.collection)
      const options = {
        signal: raw.signal,
        ...(k !== undefined && { k }),
        ...(filter !== undefined && { filter: parseJsonText(filter, 'filter') }),
        ...(mode && { mode }),
        ...(consistency && { consistency }),
      }
      return { json: await measuredSearch(collection, q, options, context) }
    },
  }),
  route({
    method: 'post',
    path: '/v1/collections/{collection}/search',
    operationId: 'search',
    summary: 'Find passages that answer a question',
    tag: 'documents',
    role: 'read',
    params: schemas.collectionParams,
    body: schemas.searchInput,
    answers: { 200: { description: 'Best first', schema: schemas.searchResult } },
    async handle({ params, body: { query, k, filter, mode, fusion, consistency }, context, raw }) {
      const collection = await context.bucket.documents(params.collection)
      const options = {
        signal: raw.signal,
        ...(k !== undefined && { k }),
        ...(filter !== undefined && { filter }),
        ...(mode && { mode }),
        ...(fusion && { fusion: fusion as never }),
        ...(consistency && { consistency }),
      }
      return { json: await measuredSearch(collection, query, options, context) }
    },
  }),
]

/** The passages, and what finding them took. */
async function measuredSearch(collection: DocumentCollection, question: string, options: SearchOptions, { bucket, clock }: ApiContext): Promise<unknown> {
  const started = clock.monotonic()
  const before = storeCounts(bucket)
  let query: QueryStats | undefined
  const passages = await collection.search(question, { ...options, onStats: (stats) => (query = stats) })
  const after = storeCounts(bucket)
  const store = { requests: after.requests - before.requests, bytesRead: after.bytesRead - before.bytesRead }
  return { passages, stats: { ms: Math.round((clock.monotonic() - started) * 10) / 10, store, ...(query && { query }) } }
}

function storeCounts(bucket: Bucket): { requests: number; bytesRead: number } {
  const { requests, bytesRead } = bucket.requestCounts()
  return { requests: Object.values(requests).reduce((total, count) => total + count, 0), bytesRead }
}

async function uploadRaw(raw: Request, collection: DocumentCollection, source: string, metadataText: string | undefined, context: ApiContext): Promise<unknown> {
  if (!raw.body) throw new WindlassError('invalid', 'the request has no body: send the file', { path: 'body' })
  const metadata = parseMetadata(metadataText)
  const bytes = await context.scratch.keep(raw.body, source, context.uploadBytesMax)
  try {
    const contentType = raw.headers.get('content-type') ?? undefined
    return { documents: [await indexOne(collection, { source, contentType, metadata, bytes }, context, raw.signal)] }
  } finally {
    await bytes.release()
  }
}

function indexOne(collection: DocumentCollection, { source, contentType, metadata, bytes }: Incoming, context: ApiContext, signal: AbortSignal): Promise<IndexedDocument> {
  // What curl and browsers say when they do not know.
  const type = contentType && !/^application\/(octet-stream|x-www-form-urlencoded)/i.test(contentType) ? { contentType } : {}
  const document = { source, metadata, size: bytes.sizeBytes, ...type, open: () => bytes.open() }
  return context.indexing(() => collection.index(document, { signal }))
}

/** One of several files: one that cannot be read is reported beside the others; a bucket that cannot be written fails the request. */
async function indexOrReport(collection: DocumentCollection, incoming: Incoming, context: ApiContext, signal: AbortSignal): Promise<unknown> {
  try {
    return await indexOne(collection, incoming, context, signal)
  } catch (error) {
    if (!isWindlassError(error, 'invalid', 'too-large', 'unsupported', 'missing-dependency')) throw error
    return { source: incoming.source, status: 'failed', chunkCount: 0, sizeBytes: incoming.bytes.sizeBytes, error: error.message }
  }
}

function parseMetadata(text: string | undefined): Metadata {
  if (text === undefined || text === '') return {}
  const metadata = parseJsonText(text, 'metadata')
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) throw new WindlassError('invalid', 'metadata is not a JSON object', { path: 'metadata' })
  return metadata as Metadata
}

function noDocument({ collection, source }: { collection: string; source: string }): WindlassError {
  return new WindlassError('not-found', `collection ${JSON.stringify(collection)} has no document ${JSON.stringify(source)}`, { path: 'source' })
}
