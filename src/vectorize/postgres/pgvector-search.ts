import { matchesFilter } from '../../engine/query/filter.ts'
import { fuseConvex, fuseReciprocalRank } from '../../engine/query/fuse.ts'
import type { Metadata } from '../../format/record.ts'
import type { ChunkMatch, ChunkPlace, ChunkQuery } from '../destinations/destination.ts'
import { filterableOf } from '../destinations/filter-condition.ts'
import type { Point } from '../destinations/point-store.ts'
import type { Database } from './database.ts'
import { tableIdent } from './identifiers.ts'
import { filterSql } from './pgvector-filter.ts'
import type { PgvectorTables } from './pgvector-tables.ts'
import { vectorText } from './vector-text.ts'

/** What each leg finds beyond `k`, so that both know of what the other found, and the filter here leaves enough. */
const depthMin = 50
const depthMax = 3200

interface FoundRow {
  readonly key: string
  readonly path: string
  readonly title: string | null
  readonly text: string
  readonly place: ChunkPlace
  readonly metadata: Metadata
  /** Null where the query has no vector, or the chunk's has no direction. */
  readonly distance: number | null
  readonly rank: number | null
  /** Place in its leg, from 1. */
  readonly near: string | null
  readonly worded: string | null
  readonly [name: string]: unknown
}

/**
 * The best chunks of a vectorizer's documents, by one statement, and so of one moment: `<=>` of pgvector for vectors, `ts_rank_cd` of
 * Postgres for words, which are not stemmed; any of them suffices.
 */
export async function searchChunks(database: Database, tables: PgvectorTables, vectorizer: string, query: ChunkQuery, { vectorType, index }: { vectorType: string; index: 'none' | 'hnsw' }): Promise<ChunkMatch[]> {
  const { k, filter, fusion } = query
  for (let depth = Math.min(depthMax, Math.max(depthMin, k * 2)); ; depth = Math.min(depthMax, depth * 4)) {
    const found = await findRows(database, tables, vectorizer, query, { vectorType, index, depth })
    const rows = found.filter(({ path, title, place, metadata }) => filter === undefined || matchesFilter(filter, filterableOf({ path, place, metadata, ...(title !== null && { title }) } as Point)))
    const isAll = found.length < depth
    if (rows.length < k && !isAll && depth < depthMax) continue
    return rankRows(rows, query.vector !== undefined, query.text !== undefined, fusion).slice(0, k).map(({ row, score }) => toMatch(row, score))
  }
}

async function findRows(database: Database, { store, documents }: PgvectorTables, vectorizer: string, { vector, text, filter }: ChunkQuery, { vectorType, index, depth }: { vectorType: string; index: 'none' | 'hnsw'; depth: number }): Promise<FoundRow[]> {
  const values: unknown[] = []
  const parameter = (value: unknown) => `$${values.push(value)}`
  const own = `d.vectorizer = ${parameter(vectorizer)}`
  const theirs = filterSql(filter)
  const where = theirs === null ? own : `${own} and ${theirs}`
  const from = `${tableIdent(store)} s join ${tableIdent(documents)} d using (vectorizer, path)`
  // What has no direction is near to nothing.
  const distance = vector?.some((value) => value !== 0) ? `(s.embedding operator(${vectorType.replace(/\.vector$/, '')}.<=>) ${parameter(vectorText(vector))}::${vectorType})` : null
  const question = text === undefined ? null : `replace(plainto_tsquery('simple', ${parameter(text.replaceAll('\0', ''))})::text, '&', '|')::tsquery`
  const rank = question === null ? null : `ts_rank_cd(to_tsvector('simple', s.chunk), ${question}, 1)`
  const leg = (order: string, condition: string, name: string) => `select s.embedding_uuid, row_number() over (order by ${order}) as ${name} from ${from} where ${where} and ${condition} order by ${order} limit ${depth}`
  const near = distance === null ? `select null::uuid as embedding_uuid, null::bigint as near where false` : leg(distance, 'true', 'near')
  const worded = rank === null ? `select null::uuid as embedding_uuid, null::bigint as worded where false` : leg(`${rank} desc, s.embedding_uuid`, `to_tsvector('simple', s.chunk) @@ ${question}`, 'worded')
  const statement = `
    with near as (${near}), worded as (${worded})
    select s.embedding_uuid::text as key, s.path, d.title, s.chunk as text, s.place, d.metadata, ${distance ?? 'null'}::float8 as distance,
      ${rank === null ? 'null' : `nullif(${rank}, 0)`}::float8 as rank, near.near, worded.worded
    from near full join worded using (embedding_uuid) join ${from.replace(' s join', ' s using (embedding_uuid) join')}
    order by near.near nulls last, worded.worded`
  if (index === 'none') return database.query<FoundRow>(statement, values)
  return database.transaction(async (sql) => {
    // Goes on in the index until the filter has left enough (pgvector 0.8).
    await sql.query(`select set_config('hnsw.iterative_scan', 'strict_order', true), set_config('hnsw.ef_search', $1, true)`, [String(Math.min(1000, Math.max(100, depth)))])
    return sql.query<FoundRow>(statement, values)
  })
}

function rankRows(rows: readonly FoundRow[], hasVector: boolean, hasText: boolean, fusion: ChunkQuery['fusion']): { row: FoundRow; score: number }[] {
  const near = rows.filter(({ distance }) => isNumber(distance))
  if (!hasText) return near.map((row) => ({ row, score: -row.distance! }))
  const worded = rows.filter(({ rank }) => rank !== null).sort((a, b) => b.rank! - a.rank! || (a.key < b.key ? -1 : 1))
  if (!hasVector) return worded.map((row) => ({ row, score: row.rank! }))
  const places = new Map(rows.map(({ key }, id) => [key, id]))
  const order = (leg: readonly FoundRow[], name: 'near' | 'worded') => leg.filter((row) => row[name] !== null).map(({ key }) => places.get(key)!)
  const candidates = rows.map(({ distance, rank }, id) => ({ id, ...(isNumber(distance) && { distance }), ...(rank !== null && { text: rank }) }))
  const fused =
    fusion?.method === 'reciprocal-rank'
      ? fuseReciprocalRank([order([...near].sort((a, b) => a.distance! - b.distance!), 'near'), order(worded, 'worded')], fusion)
      : fuseConvex(candidates, fusion?.method === 'convex' && fusion.vectorWeight !== undefined ? { weight: fusion.vectorWeight } : {})
  return fused.map(({ id, score }) => ({ row: rows[id]!, score }))
}

/** A vector of zeros has no distance: pgvector says NaN. */
function isNumber(value: number | null): value is number {
  return value !== null && !Number.isNaN(value)
}

function toMatch({ key, path, title, text, place, metadata, distance, rank }: FoundRow, score: number): ChunkMatch {
  return { key, path, ...(title !== null && { title }), text, score, ...(isNumber(distance) && { distance }), ...(rank !== null && { textScore: rank }), place, metadata }
}
