import type { RowView } from '../../../engine/types.ts'
import type { Selection } from '../../../engine/where/where.ts'
import type { Metadata, MetadataValue } from '../../../format/record.ts'
import type { Moment } from '../../../library/identified-collection.ts'
import { withCollection } from '../collections.ts'
import type { ChromaRequest, ChromaRoute } from '../context.ts'
import { checkIndexes } from '../disabled-indexes.ts'
import { invalid } from '../errors.ts'
import type { Json } from '../parse-json.ts'
import { readRank, scoreOf, type Knn, type Rank, type Scores } from '../rank.ts'
import { asList, asObject, asText, isObject, member, optionalCount, optionalText, optionalTexts, type JsonObject } from '../read-body.ts'
import { toAnswer } from '../records.ts'
import { settingsOf } from '../settings.ts'
import { readMetadataWhere } from '../where.ts'
import { Float } from '../write-json.ts'
import { checkReadLevel, distanceOf } from './questions.ts'
import { isKey, wrongDimension } from './records.ts'

interface GroupBy {
  readonly keys: readonly string[]
  readonly by: readonly string[]
  readonly k: number
  /** 1: keep the smallest of each group; -1: the largest. */
  readonly direction: 1 | -1
}

interface Search {
  readonly selection: Selection
  readonly rank: Rank | null
  readonly knns: readonly Knn[]
  readonly groupBy: GroupBy | null
  readonly offset: number
  readonly limit: number
  readonly select: readonly string[]
}

interface Scored {
  readonly id: string
  readonly score: number | null
}

const searchesMax = 100
const scoreKey = '#score'

const searchRecords = (request: ChromaRequest) => {
  const searches = asList(member(request.body, 'searches'), 'searches').map((each, i) => readSearch(asObject(each, `searches[${i}]`)))
  if (searches.length > searchesMax) throw invalid(`more than ${searchesMax} searches at once`)
  checkReadLevel(optionalText(member(request.body, 'read_level'), 'read_level'))
  return withCollection(request, 'read', async (collection) => {
    const answers = await collection.inspect({ consistency: request.context.consistency }, async (moment) => {
      const all: Awaited<ReturnType<typeof runSearch>>[] = []
      for (const search of searches) all.push(await runSearch(search, moment))
      return all
    })
    return {
      json: {
        ids: answers.map(({ ids }) => ids),
        documents: answers.map(({ documents }) => documents),
        embeddings: answers.map(({ embeddings }) => embeddings),
        metadatas: answers.map(({ metadatas }) => metadatas),
        scores: answers.map(({ scores }) => scores),
        select: searches.map(({ select }) => select),
      },
    }
  })
}

function readSearch(body: JsonObject): Search {
  const filter = member(body, 'filter')
  const { keys, where } = filter === undefined ? {} : readFilter(asObject(filter, 'filter'))
  const knns: Knn[] = []
  const rank = member(body, 'rank')
  const limit = asObject(member(body, 'limit') ?? {}, 'limit')
  const select = asObject(member(body, 'select') ?? {}, 'select')
  return {
    selection: { ...(keys && { keys }), ...(where && { where }) },
    rank: rank === undefined || (isObject(rank) && Object.keys(rank).length === 0) ? null : readRank(rank, knns),
    knns,
    groupBy: readGroupBy(member(body, 'group_by')),
    offset: optionalCount(member(limit, 'offset'), 'limit.offset') ?? 0,
    limit: optionalCount(member(limit, 'limit'), 'limit.limit') ?? Infinity,
    select: optionalTexts(member(select, 'keys'), 'select.keys') ?? [],
  }
}

/** Both forms that clients send: `{query_ids, where_clause}`, or the condition itself. */
function readFilter(filter: JsonObject): Selection {
  const isPair = 'query_ids' in filter || 'where_clause' in filter
  const given = isPair ? optionalTexts(member(filter, 'query_ids'), 'filter.query_ids') : undefined
  const where = isPair ? member(filter, 'where_clause') : filter
  const { ids, rest } = where === undefined ? { ids: undefined, rest: undefined } : splitIds(where)
  const keys = given && ids ? given.filter((id) => ids.includes(id)) : (given ?? ids)
  return { ...(keys && { keys: keys.filter(isKey) }), ...(rest && { where: readMetadataWhere(rest) }) }
}

/** `#id` in a condition stands for the record's id: alone, or as part of the outermost `$and`. */
function splitIds(where: Json): { ids: string[] | undefined; rest: Json | undefined } {
  const parts = isObject(where) && Array.isArray(where.$and) && Object.keys(where).length === 1 ? where.$and : isObject(where) && Object.keys(where).length === 0 ? [] : [where]
  let ids: string[] | undefined
  const rest: Json[] = []
  for (const part of parts) {
    const named = isObject(part) ? part['#id'] : undefined
    if (named === undefined) {
      rest.push(part)
      continue
    }
    const operator = isObject(named) ? named : { $eq: named }
    const list = operator.$in ?? (operator.$eq === undefined ? undefined : [operator.$eq])
    if (Object.keys(operator).length !== 1 || list === undefined) throw invalid('Invalid where clause: #id can be compared with $eq and $in')
    const found = optionalTexts(list, '#id')!
    ids = ids ? ids.filter((id) => found.includes(id)) : found
  }
  return { ids, rest: rest.length === 0 ? undefined : rest.length === 1 ? rest[0] : { $and: rest } }
}

function readGroupBy(json: Json | undefined): GroupBy | null {
  if (json === undefined) return null
  const body = asObject(json, 'group_by')
  if (Object.keys(body).length === 0) return null
  const keys = asList(member(body, 'keys'), 'group_by.keys').map((each, i) => asText(each, `group_by.keys[${i}]`))
  const aggregate = asObject(member(body, 'aggregate'), 'group_by.aggregate')
  const [operator = '', argument] = Object.entries(aggregate)[0] ?? []
  if (operator !== '$min_k' && operator !== '$max_k') throw invalid('Invalid group_by: aggregate must be $min_k or $max_k')
  const given = asObject(argument, `group_by.aggregate.${operator}`)
  const k = optionalCount(member(given, 'k'), `group_by.aggregate.${operator}.k`) ?? 0
  if (k === 0 || keys.length === 0) throw invalid('Invalid group_by: keys must not be empty and k must be positive')
  return { keys, by: asList(member(given, 'keys'), 'group_by.aggregate.keys').map((each, i) => asText(each, `keys[${i}]`)), k, direction: operator === '$min_k' ? 1 : -1 }
}

async function runSearch(search: Search, moment: Moment): Promise<{ ids: string[]; documents: unknown; embeddings: unknown; metadatas: unknown; scores: unknown }> {
  const { offset, limit, groupBy, select } = search
  checkIndexes(search.selection.where, settingsOf(moment.schema))
  let scored = search.rank ? await rankRecords(search, search.rank, moment) : await allRecords(search, moment)
  if (groupBy) scored = await pickFromGroups(scored, groupBy, moment)
  const page = scored.slice(offset, offset + limit)
  const keys = select.filter((key) => !key.startsWith('#'))
  const withMetadata = select.includes('#metadata') || keys.length > 0
  const include = { document: select.includes('#document'), vector: select.includes('#embedding'), metadata: withMetadata }
  const rows = new Map((await moment.find({ keys: page.map(({ id }) => id) }, { include })).map((row) => [row.key, row]))
  const column = <Value>(isAsked: boolean, read: (row: RowView) => Value) => (isAsked ? page.map(({ id }) => read(rows.get(id)!)) : null)
  const pick = (metadata: Metadata) => (select.includes('#metadata') ? metadata : Object.fromEntries(Object.entries(metadata).filter(([key]) => keys.includes(key))))
  return {
    ids: page.map(({ id }) => id),
    documents: column(include.document, ({ document }) => document ?? null),
    embeddings: column(include.vector, ({ vector }) => vector ?? null),
    metadatas: column(withMetadata, ({ metadata = {} }) => toAnswer(pick(metadata))),
    scores: select.includes(scoreKey) ? page.map(({ score }) => (score === null ? null : new Float(score))) : null,
  }
}

/** Without a rank records come in the order of their insertion, without a score. */
async function allRecords({ selection, groupBy, offset, limit }: Search, moment: Moment): Promise<Scored[]> {
  const rows = await moment.find(selection, { limit: groupBy ? Infinity : offset + limit, include: {} })
  return rows.map(({ key }) => ({ id: key, score: null }))
}

async function rankRecords({ selection, knns }: Search, rank: Rank, moment: Moment): Promise<Scored[]> {
  const scores = new Map<Knn, Scores>()
  const ids = new Set<string>()
  for (const knn of knns) {
    const found = await answerKnn(knn, selection, moment)
    scores.set(knn, found)
    for (const id of found.keys()) ids.add(id)
  }
  // With a default, or without any question, every record has a score.
  if (knns.every(({ missing }) => missing !== undefined)) for (const { key } of await moment.find(selection, { include: {} })) ids.add(key)
  const scored: { id: string; score: number }[] = []
  for (const id of ids) {
    const score = scoreOf(rank, id, (knn) => scores.get(knn)!)
    if (score !== undefined && Number.isFinite(score)) scored.push({ id, score })
  }
  return scored.sort((a, b) => a.score - b.score || (a.id < b.id ? -1 : 1))
}

/** Distances, or places, of the nearest records; for text, minus BM25. */
async function answerKnn(knn: Knn, selection: Selection, moment: Moment): Promise<Scores> {
  const { query, key, limit, returnsRank } = knn
  const found = 'sparse' in query ? await nearestSparse(query.sparse, key, limit, selection, moment) : await nearestDense(knn, selection, moment)
  return new Map(found.map(({ id, score }, place) => [id, returnsRank ? place : score]))
}

async function nearestDense({ query, key, limit }: Knn, selection: Selection, moment: Moment): Promise<{ id: string; score: number }[]> {
  const { schema } = moment
  if ('vector' in query) {
    if (key !== '#embedding') throw invalid(`Invalid rank expression: ${JSON.stringify(key)} holds sparse vectors, the query is a dense one`)
    if (schema.dimension !== null && query.vector.length !== schema.dimension) throw wrongDimension(schema.dimension, query.vector.length)
    if (schema.dimension === null) return []
    const { space } = settingsOf(schema)
    const [matches = []] = await moment.rank(selection, [query], { k: limit, include: {} })
    return matches.map((match) => ({ id: match.key, score: distanceOf(match, space) }))
  }
  if (key !== '#document') throw invalid('Invalid rank expression: a text is looked for in #document; for another key send its embedding')
  if (!('text' in query)) return []
  const [matches = []] = await moment.rank(selection, [{ text: query.text }], { k: limit, include: {} })
  return matches.map((match) => ({ id: match.key, score: -match.score }))
}

/** Exhaustive over the records that have the key: 1 - dot, as the reference's cloud has it for inner products. */
async function nearestSparse(query: ReadonlyMap<bigint, number>, key: string, limit: number, selection: Selection, moment: Moment): Promise<{ id: string; score: number }[]> {
  const hasKey = { op: 'metadata', filter: { op: 'exists', key, exists: true }, rules: { negationMatchesMissing: true, looksIntoLists: false } } as const
  const where = selection.where ? ({ op: 'and', parts: [hasKey, selection.where] } as const) : hasKey
  const scored: { id: string; score: number }[] = []
  for (const { key: id, metadata = {} } of await moment.find({ ...selection, where }, { include: { metadata: true } })) {
    const { indices, values } = (metadata[key] ?? {}) as { indices?: readonly bigint[]; values?: readonly number[] }
    if (!Array.isArray(indices) || !Array.isArray(values)) continue
    let dot = 0
    let meets = false
    indices.forEach((index: bigint, i) => {
      const weight = query.get(index)
      if (weight === undefined) return
      meets = true
      dot += weight * Number(values[i])
    })
    if (meets) scored.push({ id, score: 1 - dot })
  }
  return scored.sort((a, b) => a.score - b.score || (a.id < b.id ? -1 : 1)).slice(0, limit)
}

async function pickFromGroups(scored: readonly Scored[], { keys, by, k, direction }: GroupBy, moment: Moment): Promise<Scored[]> {
  const rows = await moment.find({ keys: scored.map(({ id }) => id) }, { include: { metadata: true } })
  const metadataOf = new Map(rows.map(({ key, metadata = {} }) => [key, metadata]))
  const groups = new Map<string, Scored[]>()
  for (const each of scored) {
    const name = JSON.stringify(keys.map((key) => keyOf(metadataOf.get(each.id)![key])))
    const group = groups.get(name)
    if (group) group.push(each)
    else groups.set(name, [each])
  }
  const compare = (a: Scored, b: Scored): number => {
    for (const key of by) {
      const order = key === scoreKey ? (a.score ?? 0) - (b.score ?? 0) : compareValues(metadataOf.get(a.id)![key], metadataOf.get(b.id)![key])
      if (order !== 0) return order * direction
    }
    return 0
  }
  const kept = new Set([...groups.values()].flatMap((group) => [...group].sort(compare).slice(0, k)))
  return scored.filter((each) => kept.has(each))
}

function keyOf(value: MetadataValue | undefined): unknown {
  return typeof value === 'bigint' ? Number(value) : (value ?? null)
}

/** Numbers before texts before what cannot be compared; missing values last. */
function compareValues(a: MetadataValue | undefined, b: MetadataValue | undefined): number {
  const rank = (value: MetadataValue | undefined) => (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' ? 0 : typeof value === 'string' ? 1 : 2)
  if (rank(a) !== rank(b)) return rank(a) - rank(b)
  if (rank(a) === 0) return Number(a) - Number(b)
  return rank(a) === 1 ? (a! < b! ? -1 : a! > b! ? 1 : 0) : 0
}

const collection = '/tenants/{tenant}/databases/{database}/collections/{collection}'

/** Hybrid search. */
export const searchRoutes: readonly ChromaRoute[] = [{ method: 'POST', path: `${collection}/search`, handle: searchRecords }]
