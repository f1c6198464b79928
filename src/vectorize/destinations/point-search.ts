import { matchesFilter } from '../../engine/query/filter.ts'
import { fuseConvex, fuseReciprocalRank } from '../../engine/query/fuse.ts'
import type { Fusion } from '../../engine/types.ts'
import { filterableOf, plainFilter } from './filter-condition.ts'
import { pointId, type FoundPoint, type Point, type PointStore } from './point-store.ts'
import type { ChunkMatch, ChunkQuery } from './destination.ts'

/** What is found beyond `k`, so that both legs know of what the other found, and old versions leave enough. */
const depthMin = 50
const depthMax = 3200
const roundsMax = 8

/** What each leg found, in its order. */
type Found = Partial<Record<'vector' | 'words', FoundPoint[]>>

/**
 * Searches for the best chunks of the versions that count.
 *
 * A search may fall between the writes of a replacement: it then sees chunks that no head names (any more, or yet). Heads are read
 * after it. Where all that was found is of the versions that they name, it is the answer. Where not, the search is repeated: when the
 * heads name the same versions before and after it, these were there all the time, whole.
 */
export async function searchPoints(store: PointStore, vectorizer: string, given: ChunkQuery, { signal }: { signal?: AbortSignal } = {}): Promise<ChunkMatch[]> {
  const query = given.filter ? { ...given, filter: plainFilter(given.filter) } : given
  const { k, filter } = query
  let before = new Map<string, string | undefined>()
  let depth = Math.min(depthMax, Math.max(depthMin, k * 2))
  for (let round = 1; ; round++) {
    const found = await findAll(store, vectorizer, query, depth, signal)
    const points = Object.values(found).flatMap((leg) => leg.map(({ point }) => point))
    const documents = [...new Set(points.map(({ document }) => document))]
    const heads = await store.heads(documents, { signal })
    const versions = new Map(documents.map((document, i) => [document, heads[i]?.version]))
    const isCurrent = ({ document, version }: Point) => versions.get(document) === version
    const passes = (point: Point) => isCurrent(point) && point.text !== '' && (filter === undefined || matchesFilter(filter, filterableOf(point)))
    const inDoubt = points.filter((point) => !isCurrent(point) && before.get(point.document) !== versions.get(point.document))
    const kept = Object.fromEntries(Object.entries(found).map(([leg, each]) => [leg, unique(each.filter(({ point }) => passes(point)))])) as Found
    const isAll = Object.values(found).every((leg) => leg.length < depth)
    const isEnough = isAll || depth === depthMax || Object.values(kept).some((leg) => leg.length >= k)
    if (round === roundsMax || (isEnough && inDoubt.length === 0)) return rank(store, kept, query, signal)
    before = versions
    if (!isEnough) depth = Math.min(depthMax, depth * 4)
  }
}

async function findAll(store: PointStore, vectorizer: string, { vector, text, filter }: ChunkQuery, depth: number, signal: AbortSignal | undefined): Promise<Found> {
  const [byVector, byWords] = await Promise.all([
    // What has no words that the model knows has no direction: nothing is near it.
    vector && (vector.every((value) => value === 0) ? [] : store.findByVector(vectorizer, vector, depth, filter, { signal })),
    text !== undefined && store.knowsWords ? store.findByWords(vectorizer, text, depth, filter, { signal }) : undefined,
  ])
  return { ...(byVector && { vector: byVector }), ...(byWords && { words: byWords }) }
}

/** Engines that give points ids of their own may hold one twice. */
function unique(found: readonly FoundPoint[]): FoundPoint[] {
  return [...new Map([...found].reverse().map((each) => [pointId(each.point), each])).values()].reverse()
}

async function rank(store: PointStore, { vector: near, words }: Found, { k, vector, fusion }: ChunkQuery, signal: AbortSignal | undefined): Promise<ChunkMatch[]> {
  if (!near || !words) {
    const [only = []] = [near ?? words]
    return only.slice(0, k).map((each) => toMatch(each, each.textScore ?? -each.distance!))
  }
  const byId = new Map<string, FoundPoint>()
  for (const each of [...near, ...words]) byId.set(pointId(each.point), { ...byId.get(pointId(each.point)), ...each })
  const all = [...byId.values()]
  const places = new Map([...byId.keys()].map((id, place) => [id, place]))
  const order = (leg: readonly FoundPoint[]) => leg.map(({ point }) => places.get(pointId(point))!)
  const fused = fusion?.method === 'reciprocal-rank' ? fuseReciprocalRank([order(near), order(words)], fusion) : fuseConvex(await candidates(store, all, vector!, signal), weightOf(fusion))
  return fused.slice(0, k).map(({ id, score }) => toMatch(all[id]!, score))
}

/** Both legs must score every candidate: what only the words found is compared with the question here. */
async function candidates(store: PointStore, all: FoundPoint[], question: Float32Array, signal: AbortSignal | undefined): Promise<{ id: number; distance?: number; text?: number }[]> {
  const unscored = all.flatMap(({ distance }, i) => (distance === undefined ? [i] : []))
  const points = unscored.length === 0 ? [] : await store.get(unscored.map((i) => all[i]!.point), { withVectors: true, signal })
  unscored.forEach((i, at) => {
    const vector = points[at]?.vector
    if (vector) all[i] = { ...all[i]!, distance: cosineDistance(question, vector) }
  })
  return all.map(({ distance, textScore }, id) => ({ id, ...(distance !== undefined && { distance }), ...(textScore !== undefined && { text: textScore }) }))
}

function weightOf(fusion: Fusion | undefined): { weight?: number } {
  return fusion?.method === 'convex' && fusion.vectorWeight !== undefined ? { weight: fusion.vectorWeight } : {}
}

function cosineDistance(a: Float32Array, b: Float32Array): number {
  let dot = 0
  let squaresA = 0
  let squaresB = 0
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!
    squaresA += a[i]! ** 2
    squaresB += b[i]! ** 2
  }
  const norms = Math.sqrt(squaresA * squaresB)
  return norms === 0 ? 1 : 1 - dot / norms
}

function toMatch({ point, distance, textScore }: FoundPoint, score: number): ChunkMatch {
  const { path, title, text, place, metadata } = point
  return { key: pointId(point), path, ...(title !== undefined && { title }), text, score, ...(distance !== undefined && { distance }), ...(textScore !== undefined && { textScore }), place, metadata }
}
