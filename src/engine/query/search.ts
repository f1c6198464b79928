import { WindlassError } from '../../base/errors.ts'
import { limits } from '../../base/limits.ts'
import type { Analyzer } from '../../text/analyzer.ts'
import { searchExact } from '../../vector/exact-search.ts'
import type { Fusion, Match, QueryOptions, QueryResult } from '../types.ts'
import { checkDimension, checkVector } from '../validate.ts'
import type { Snapshot } from '../view.ts'
import { forEachInGroups, selectCandidates, sourceStride, type Candidates } from './candidates.ts'
import { defaultFusion, fuseConvex, fuseReciprocalRank } from './fuse.ts'
import { scoreText, type TextLeg, type TextScored } from './text-leg.ts'
import { readRows, type RowRef } from './rows.ts'
import { denseVectors, distancesOf, type VectorBlock } from './vectors.ts'

/** How deep each leg of a hybrid query looks: the fused top k rarely comes from below (bench/retrieval). */
const hybridDepthMin = 100

interface Scored {
  readonly id: number
  readonly distance?: number
  readonly textScore?: number
}

/**
 * Answers a query on one snapshot: filter first, then each leg over the rows left, then the order.
 * Vector search is exhaustive, so recall is 1. Superseded rows are masked before top-k.
 * @throws {WindlassError} `invalid` for a bad vector, k, or a query with neither vector nor text.
 */
export async function search(snapshot: Snapshot, options: QueryOptions, analyzerFor: (id: string) => Analyzer): Promise<QueryResult> {
  const k = options.k ?? 10
  if (!Number.isInteger(k) || k < 1 || k > limits.queryResultsMax) {
    throw new WindlassError('invalid', `k is ${k}, expected 1 to ${limits.queryResultsMax}`, { path: 'k' })
  }
  const vector = options.vector === undefined ? null : checkVector('the query', options.vector)
  if (vector) checkDimension('the query vector', vector, snapshot.schema.dimension)
  if (!vector && options.text === undefined) throw new WindlassError('invalid', 'a query needs a vector, a text, or both', { path: 'vector' })

  const sources = await selectCandidates(snapshot, 'records', options.filter)
  const depth = vector && options.text !== undefined ? Math.max(k, hybridDepthMin) : k
  const text = options.text === undefined ? null : await scoreText(snapshot, sources, options.text, options.field ?? 'document', analyzerFor)
  const textTop = text?.top(depth) ?? []
  const vectorLeg = vector ? await scoreVectors(snapshot, sources, vector, depth, textTop) : null

  const ordered = order(options, k, textTop, text, vectorLeg)
  const views = await readRows(ordered.map(({ id }) => rowRefOf(sources, id)), options.include ?? {})
  const matches = ordered.map(({ score, distance, textScore }, i): Match => ({
    ...views[i]!,
    score,
    ...(distance !== undefined && { distance }),
    ...(textScore !== undefined && { textScore }),
  }))
  return {
    matches,
    stats: { rowsScored: vectorLeg?.rowsScored ?? text?.size ?? 0, rowsMatching: sources.reduce((sum, { rows }) => sum + rows.count(), 0) },
  }
}

interface VectorLeg {
  readonly nearest: readonly { readonly id: number; readonly distance: number }[]
  /** Distances of the text leg's rows, so that both legs score every candidate. */
  readonly distances: ReadonlyMap<number, number>
  readonly rowsScored: number
}

async function scoreVectors(snapshot: Snapshot, sources: readonly Candidates[], query: Float32Array, depth: number, textTop: readonly TextScored[]): Promise<VectorLeg> {
  const { metric } = snapshot.schema
  const nearest: { id: number; distance: number }[] = []
  const distances = new Map<number, number>()
  let rowsScored = 0
  await forEachInGroups(sources, async (source, index) => {
    if (source.rows.isEmpty()) return
    const block: VectorBlock = 'memory' in source ? denseVectors(source.memory, query.length) : await source.segment.vectors()
    if (block.dimension !== query.length) return
    const rows = source.rows.clone().and(block.present)
    const base = index * sourceStride
    rowsScored += rows.count()
    for (const { row, distance } of searchExact({ query, metric, vectors: block.vectors, norms: block.norms, dimension: block.dimension, rows, k: depth })) {
      nearest.push({ id: base + row, distance })
    }
    const wanted = textTop.filter(({ id }) => Math.floor(id / sourceStride) === index).map(({ id }) => id - base)
    for (const { row, distance } of distancesOf(block, query, metric, wanted)) distances.set(base + row, distance)
  })
  nearest.sort((a, b) => a.distance - b.distance || a.id - b.id)
  return { nearest: nearest.slice(0, depth), distances, rowsScored }
}

function order(options: QueryOptions, k: number, textTop: readonly TextScored[], text: TextLeg | null, vectorLeg: VectorLeg | null): (Scored & { score: number })[] {
  if (!vectorLeg) return textTop.slice(0, k).map(({ id, textScore }) => ({ id, score: textScore, textScore }))
  if (!text) return vectorLeg.nearest.slice(0, k).map(({ id, distance }) => ({ id, distance, score: -distance }))

  const distanceOf = new Map(vectorLeg.distances)
  for (const { id, distance } of vectorLeg.nearest) distanceOf.set(id, distance)
  const details = (id: number) => {
    const textScore = text.scoreOf(id)
    return { id, ...(distanceOf.has(id) && { distance: distanceOf.get(id)! }), ...(textScore !== undefined && { textScore }) }
  }
  const fusion: Fusion = options.fusion ?? defaultFusion
  if (fusion.method === 'reciprocal-rank') {
    const lists = [vectorLeg.nearest.map(({ id }) => id), textTop.map(({ id }) => id)]
    return fuseReciprocalRank(lists, fusion.k === undefined ? {} : { k: fusion.k }).slice(0, k).map(({ id, score }) => ({ ...details(id), score }))
  }
  const ids = new Set([...vectorLeg.nearest.map(({ id }) => id), ...textTop.map(({ id }) => id)])
  const candidates = [...ids].map(details).map(({ id, distance, textScore }) => ({ id, ...(distance !== undefined && { distance }), ...(textScore !== undefined && { text: textScore }) }))
  return fuseConvex(candidates, fusion.vectorWeight === undefined ? {} : { weight: fusion.vectorWeight }).slice(0, k).map(({ id, score }) => ({ ...details(id), score }))
}

function rowRefOf(sources: readonly Candidates[], id: number): RowRef {
  const index = Math.floor(id / sourceStride)
  const source = sources[index]!
  const rowIndex = id - index * sourceStride
  return 'memory' in source ? { row: source.memory[rowIndex]! } : { segment: source.segment, rowIndex }
}

