import { WindlassError } from '../../base/errors.ts'
import { limits } from '../../base/limits.ts'
import type { RowCard } from '../../format/row-card.ts'
import type { Analyzer } from '../../text/analyzer.ts'
import { noTally } from '../segment-index.ts'
import type { Fusion, Match, QueryOptions, QueryResult } from '../types.ts'
import { checkDimension, checkVector } from '../validate.ts'
import type { Snapshot } from '../view.ts'
import { selectCandidates, sourceStride, type Candidates } from './candidates.ts'
import { defaultFusion, fuseConvex, fuseReciprocalRank } from './fuse.ts'
import { scoreText, type TextLeg, type TextScored } from './text-leg.ts'
import { readRows, type RowRef } from './rows.ts'
import { scoreVectors, type VectorLeg } from './vector-leg.ts'

/** How deep each leg of a hybrid query looks: the fused top k rarely comes from below (bench/retrieval). */
const hybridDepthMin = 100
/** Of a vector search that does not say. */
const defaultRecall = 0.95

interface Scored {
  readonly id: number
  readonly distance?: number
  readonly textScore?: number
  readonly card?: RowCard
}

/**
 * Answers a query on one snapshot: filter first, then each leg over the rows left, then the order.
 * Superseded rows are masked before top-k.
 * @throws {WindlassError} `invalid` for a bad vector, k, recall or probes, or a query with neither vector nor text.
 */
export async function search(snapshot: Snapshot, options: QueryOptions, analyzerFor: (id: string) => Analyzer): Promise<QueryResult> {
  const k = options.k ?? 10
  if (!Number.isInteger(k) || k < 1 || k > limits.queryResultsMax) {
    throw new WindlassError('invalid', `k is ${k}, expected 1 to ${limits.queryResultsMax}`, { path: 'k' })
  }
  const { recall = defaultRecall, probes } = options
  if (!(recall >= 0.5 && recall <= 1)) throw new WindlassError('invalid', `recall is ${recall}, expected 0.5 to 1`, { path: 'recall' })
  if (probes !== undefined && !(Number.isInteger(probes) && probes >= 1)) throw new WindlassError('invalid', `probes is ${probes}, expected an integer of 1 or more`, { path: 'probes' })
  const vector = options.vector === undefined ? null : checkVector('the query', options.vector)
  if (vector) checkDimension('the query vector', vector, snapshot.schema.dimension)
  if (!vector && options.text === undefined) throw new WindlassError('invalid', 'a query needs a vector, a text, or both', { path: 'vector' })

  const sources = await selectCandidates(snapshot, 'records', options.filter)
  const depth = vector && options.text !== undefined ? Math.max(k, hybridDepthMin) : k
  const text = options.text === undefined ? null : await scoreText(snapshot, sources, options.text, options.field ?? 'document', analyzerFor)
  const textTop = text?.top(depth) ?? []
  const tally = { ...noTally }
  const wish = { k: depth, recall, ...(probes !== undefined && { probes }), also: textTop.map(({ id }) => id) }
  const vectorLeg = vector ? await scoreVectors(snapshot, sources, { query: vector, ...wish }, tally) : null

  const ordered = order(options, k, textTop, text, vectorLeg)
  const views = await readRows(snapshot, ordered.map(({ id, card }) => rowRefOf(sources, id, card)), options.include ?? {})
  const matches = ordered.map(({ score, distance, textScore }, i): Match => ({
    ...views[i]!,
    score,
    ...(distance !== undefined && { distance }),
    ...(textScore !== undefined && { textScore }),
  }))
  // What the leg counts as rows scored.
  const { codesScanned: _, ...cost } = tally
  return {
    matches,
    stats: { rowsMatching: options.filter ? await countMatching(sources) : snapshot.recordCount, rowsScored: vectorLeg?.rowsScored ?? text?.size ?? 0, ...cost },
  }
}

function order(options: QueryOptions, k: number, textTop: readonly TextScored[], text: TextLeg | null, vectorLeg: VectorLeg | null): (Scored & { score: number })[] {
  if (!vectorLeg) return textTop.slice(0, k).map(({ id, textScore }) => ({ id, score: textScore, textScore }))
  if (!text) return vectorLeg.nearest.slice(0, k).map((found) => ({ ...found, score: -found.distance }))

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

async function countMatching(sources: readonly Candidates[]): Promise<number> {
  let count = 0
  for (const source of sources) count += (await source.rows()).count()
  return count
}

function rowRefOf(sources: readonly Candidates[], id: number, card?: RowCard): RowRef {
  const index = Math.floor(id / sourceStride)
  const source = sources[index]!
  const rowIndex = id - index * sourceStride
  return 'memory' in source ? { row: source.memory[rowIndex]! } : { segment: source.segment, rowIndex, ...(card && { card }) }
}

