import { createHash } from 'node:crypto'
import type { Match } from '../../../library/types.ts'
import { toJsonText } from '../../json.ts'
import type { Operation, OperationContext } from '../context.ts'
import { S3VectorsError } from '../errors.ts'
import { checkFilter } from '../filter.ts'
import { indexOfInput } from '../names.ts'
import { decodeToken, encodeToken } from '../tokens.ts'
import type { IndexMode } from '../vector-bucket.ts'
import { getIndex, sinceIndex, underNotFound, type VectorIndex } from '../vector-index.ts'
import { toVector, type VectorData } from './vectors.ts'

interface QueryInput {
  readonly vectorBucketName?: string
  readonly indexName?: string
  readonly indexArn?: string
  readonly topK: number
  readonly queryVector?: VectorData
  readonly queryTexts?: readonly { readonly text: string; readonly metadataKey: string }[]
  readonly filter?: unknown
  readonly queryMode?: IndexMode
  readonly returnMetadata?: boolean
  readonly returnDistance?: boolean
  readonly returnScores?: boolean
  readonly nextToken?: string
}

interface Found {
  readonly key: string
  distance?: number
  fused?: number
  readonly texts: { metadataKey: string; score: number }[]
  metadata?: Match['metadata']
}

/** Answers of one request; the rest of topK comes with the next token. */
const pageMax = 1000
/** Cormack, Clarke & Büttcher 2009, "Reciprocal Rank Fusion": the constant they found best. */
const fusionConstant = 60
/** How deep each leg of a hybrid query looks at least. */
const depthMin = 100

const queryVectors = async (input: QueryInput, context: OperationContext) => {
  const { topK, queryVector, queryTexts, returnMetadata, nextToken } = input
  if (!queryVector && !queryTexts) throw new S3VectorsError('ValidationException', 'Must specify queryVector, queryTexts or both')
  if (topK > context.quotas.topK) throw new S3VectorsError('ValidationException', `1 validation error detected. Value at '/topK' failed to satisfy constraint: Member must be between 1 and ${context.quotas.topK}, inclusive`)
  const name = indexOfInput(input, context.account)
  const index = await getIndex(name, context)
  checkMode(input, index)
  // Before the hash, which would recurse as deep as a filter may nest.
  if (input.filter !== undefined) checkFilter(input.filter, input.queryMode ?? index.settings.mode, new Set(index.schema.nonFilterableKeys))
  // Hashed only where there is another page: it costs more than the rest of the door.
  const question = () => ({ of: 'query', hash: hashOf(input), topK })
  const offset = nextToken === undefined ? 0 : Number(decodeToken(nextToken, question()).offset)
  if (!Number.isInteger(offset) || offset < 0) throw new S3VectorsError('ValidationException', 'Invalid nextToken')
  const found = await underNotFound(() => findVectors(input, index, context))
  const page = found.slice(offset, offset + pageMax)
  const end = offset + page.length
  return {
    vectors: page.map((each) => toOutput(each, input, returnMetadata === true)),
    distanceMetric: index.schema.metric === 'euclidean' ? 'euclidean' : 'cosine',
    ...(end < found.length && { nextToken: encodeToken({ ...question(), offset: end }) }),
  }
}

function checkMode({ queryMode, queryTexts, returnScores }: QueryInput, { settings }: VectorIndex): void {
  const { mode, textSearch } = settings
  if (queryMode === 'CLASSIC' && mode === 'ENHANCED') throw new S3VectorsError('ValidationException', 'An index in ENHANCED mode cannot be queried in CLASSIC mode')
  const effective = queryMode ?? mode
  if ((queryTexts || returnScores) && effective === 'CLASSIC') throw new S3VectorsError('ValidationException', 'Text search and scores need ENHANCED mode')
  for (const { metadataKey } of queryTexts ?? []) {
    if (!textSearch.some((each) => each.metadataKey === metadataKey)) throw new S3VectorsError('ValidationException', `Text search is not configured for metadata key '${metadataKey}'`)
  }
}

async function findVectors(input: QueryInput, index: VectorIndex, { signal }: OperationContext): Promise<Found[]> {
  const { topK, queryVector, queryTexts = [], filter, returnMetadata } = input
  const { collection, schema } = index
  const shared = {
    include: { metadata: returnMetadata === true },
    consistency: sinceIndex,
    signal,
    ...(filter !== undefined && { filter }),
  }
  const vector = queryVector && toVector(queryVector, schema.dimension, schema.metric === 'cosine', 'Invalid query vector: vector')
  const legCount = queryTexts.length + (vector ? 1 : 0)
  const k = legCount === 1 ? topK : Math.min(10_000, Math.max(topK, depthMin))
  const found = new Map<string, Found>()
  const legs: string[][] = []
  const note = (matches: readonly Match[], take: (entry: Found, match: Match) => void) => {
    legs.push(matches.map(({ key }) => key))
    for (const match of matches) {
      let entry = found.get(match.key)
      if (!entry) found.set(match.key, (entry = { key: match.key, texts: [], ...(match.metadata && { metadata: match.metadata }) }))
      take(entry, match)
    }
  }
  if (vector) note((await collection.query({ ...shared, vector, k })).matches, (entry, { distance }) => (entry.distance = distance!))
  for (const { text, metadataKey } of queryTexts) {
    note((await collection.query({ ...shared, text, field: metadataKey, k })).matches, (entry, { textScore }) => entry.texts.push({ metadataKey, score: textScore! }))
  }
  if (legs.length === 1 && vector) return [...found.values()]
  for (const leg of legs) leg.forEach((key, rank) => (found.get(key)!.fused = (found.get(key)!.fused ?? 0) + 1 / (fusionConstant + rank + 1)))
  return [...found.values()].sort((a, b) => b.fused! - a.fused! || (a.key < b.key ? -1 : 1)).slice(0, topK)
}

function toOutput({ key, distance, fused, texts, metadata }: Found, { returnDistance, returnScores, queryTexts }: QueryInput, withMetadata: boolean): Record<string, unknown> {
  const scores = {
    ...(queryTexts && fused !== undefined && { fused }),
    ...(texts.length > 0 && { bm25Scores: texts }),
    ...(distance !== undefined && { vectorDistance: distance }),
  }
  return { key, ...(returnDistance && distance !== undefined && { distance }), ...(returnScores && { scores }), ...(withMetadata && { metadata: metadata ?? {} }) }
}

/** What a token belongs to: everything that decides the order. */
function hashOf({ vectorBucketName, indexName, indexArn, queryVector, queryTexts, filter, queryMode }: QueryInput): string {
  return createHash('sha256').update(toJsonText([vectorBucketName, indexName, indexArn, queryVector, queryTexts, filter, queryMode])).digest('base64url')
}

/** The query. */
export const queryOperations = { QueryVectors: queryVectors } satisfies Record<string, Operation>
