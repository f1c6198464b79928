import { limits } from '../../../base/limits.ts'
import type { Include, Match, RowView } from '../../../engine/types.ts'
import type { Selection } from '../../../engine/where/where.ts'
import { withCollection } from '../collections.ts'
import type { ChromaRequest, ChromaRoute } from '../context.ts'
import { checkIndexes } from '../disabled-indexes.ts'
import { invalid, wrongShape } from '../errors.ts'
import { asList, asVector, member, optionalCount, optionalTexts, typeName, type JsonObject } from '../read-body.ts'
import { toAnswer, uriOf } from '../records.ts'
import { settingsOf, type Space } from '../settings.ts'
import { readWhere } from '../where.ts'
import { Float } from '../write-json.ts'
import { isKey, wrongDimension } from './records.ts'

const columns = ['distances', 'documents', 'embeddings', 'metadatas', 'uris'] as const
type Column = (typeof columns)[number]

function readInclude(body: JsonObject, fallback: readonly Column[]): readonly Column[] {
  const given = member(body, 'include')
  if (given === undefined) return fallback
  return asList(given, 'include').map((each, i) => {
    const column = columns.find((name) => name === each)
    if (!column) throw wrongShape(`include[${i}]`, `unknown variant ${typeof each === 'string' ? `\`${each}\`` : typeName(each)}, expected one of ${columns.map((name) => `\`${name}\``).join(', ')}`)
    return column
  })
}

function partsOf(include: readonly Column[]): Include {
  return { vector: include.includes('embeddings'), document: include.includes('documents'), metadata: include.includes('metadatas') || include.includes('uris') }
}

export function readSelection(body: JsonObject): Selection {
  const ids = optionalTexts(member(body, 'ids'), 'ids')
  const where = readWhere(body)
  return { ...(ids && { keys: ids.filter(isKey) }), ...(where && { where }) }
}

const get = (request: ChromaRequest) => {
  const { body } = request
  const include = readInclude(body, ['documents', 'metadatas'])
  const selection = readSelection(body)
  const limit = optionalCount(member(body, 'limit'), 'limit') ?? Infinity
  const offset = optionalCount(member(body, 'offset'), 'offset') ?? 0
  return withCollection(request, 'read', async (collection) => {
    const rows = await collection.inspect({ consistency: request.context.consistency }, (moment) => {
      checkIndexes(selection.where, settingsOf(moment.schema))
      return moment.find(selection, { offset, limit, include: partsOf(include) })
    })
    return { json: { ids: rows.map(({ key }) => key), ...columnsOf(rows, include), include } }
  })
}

const resultsDefault = 10

const query = (request: ChromaRequest) => {
  const { body } = request
  const include = readInclude(body, ['documents', 'metadatas', 'distances'])
  const vectors = asList(member(body, 'query_embeddings'), 'query_embeddings').map((each, i) => asVector(each, `query_embeddings[${i}]`))
  const k = optionalCount(member(body, 'n_results'), 'n_results') ?? resultsDefault
  const selection = readSelection(body)
  return withCollection(request, 'read', async (collection) => {
    const { answers, space } = await collection.inspect({ consistency: request.context.consistency }, async (moment) => {
      const { dimension } = moment.schema
      const settings = settingsOf(moment.schema)
      checkIndexes(selection.where, settings)
      const length = vectors[0]?.length
      if (vectors.some((vector) => vector.length !== length)) throw invalid('Inconsistent dimensions in provided embeddings')
      if (dimension !== null && length !== undefined && length !== dimension) throw wrongDimension(dimension, length)
      const legs = vectors.filter(({ length }) => length > 0).map((vector) => ({ vector }))
      const answers = k === 0 || dimension === null ? vectors.map(() => []) : await moment.rank(selection, legs, { k, include: partsOf(include) })
      return { answers, space: settings.space }
    })
    if (k > limits.queryResultsMax && answers.some(({ length }) => length === limits.queryResultsMax)) throw invalid(`n_results is ${k}, at most ${limits.queryResultsMax} are answered at once`)
    const nested = answers.map((matches) => columnsOf(matches, include))
    const column = (name: Column) => (include.includes(name) && name !== 'distances' ? nested.map((each) => each[name]) : null)
    const distances = include.includes('distances') ? answers.map((matches) => matches.map((match) => new Float(distanceOf(match, space)))) : null
    return {
      json: {
        ids: answers.map((matches) => matches.map(({ key }) => key)),
        embeddings: column('embeddings'),
        documents: column('documents'),
        uris: column('uris'),
        metadatas: column('metadatas'),
        distances,
        include,
      },
    }
  })
}

/** The distance as Chroma has it: l2 is squared, ip is 1 - dot. */
export function distanceOf({ distance = 0 }: Match, space: Space): number {
  if (space === 'l2') return distance * distance
  return space === 'ip' ? 1 + distance : distance
}

function columnsOf(rows: readonly RowView[], include: readonly Column[]): { embeddings: unknown; documents: unknown; uris: unknown; metadatas: unknown; distances?: never } {
  return {
    embeddings: include.includes('embeddings') ? rows.map(({ vector }) => vector ?? null) : null,
    documents: include.includes('documents') ? rows.map(({ document }) => document ?? null) : null,
    uris: include.includes('uris') ? rows.map(({ metadata = {} }) => uriOf(metadata)) : null,
    metadatas: include.includes('metadatas') ? rows.map(({ metadata = {} }) => toAnswer(metadata)) : null,
  }
}

const readLevels = ['index_and_wal', 'index_only', 'index_and_bounded_wal']

/** Every level sees every acknowledged write: there is no index apart from the log. */
export function checkReadLevel(level: string | null | undefined): void {
  if (level != null && !readLevels.includes(level)) {
    throw invalid(`Failed to deserialize query string: read_level: unknown variant \`${level}\`, expected one of ${readLevels.map((each) => `\`${each}\``).join(', ')}`)
  }
}

const count = (request: ChromaRequest) => {
  checkReadLevel(request.query.get('read_level'))
  return withCollection(request, 'read', async (collection) => ({ json: await collection.count({ consistency: request.context.consistency }) }))
}

const collection = '/tenants/{tenant}/databases/{database}/collections/{collection}'

/** Calls that read records. */
export const questionRoutes: readonly ChromaRoute[] = [
  { method: 'POST', path: `${collection}/get`, handle: get },
  { method: 'POST', path: `${collection}/query`, handle: query },
  { method: 'GET', path: `${collection}/count`, handle: count },
]
