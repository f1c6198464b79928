import type { Fusion } from '../types.ts'

/** An id and its place in the fused order: higher is better. */
export interface Fused {
  readonly id: number
  readonly score: number
}

/** A row that a leg found. A leg's score is absent where the row cannot have one. */
export interface FusionCandidate {
  readonly id: number
  /** By the metric; lower is nearer. */
  readonly distance?: number
  /** BM25; a row without any query term has none, which is as good as 0. */
  readonly text?: number
}

/** Weight of the vector leg in the default fusion, tuned on other queries than those that judge it (bench/retrieval). */
export const defaultVectorWeight = 0.5

/** What a hybrid query does unless told otherwise. */
export const defaultFusion: Fusion = { method: 'convex', vectorWeight: defaultVectorWeight }

/**
 * Reciprocal rank fusion (Cormack, Clarke & Büttcher 2009): the sum of 1 / (k + rank) over the lists, ranks from 1.
 * @returns Best first; equal scores keep the lower id first.
 */
export function fuseReciprocalRank(lists: readonly (readonly number[])[], { k = 60 }: { k?: number } = {}): Fused[] {
  const scores = new Map<number, number>()
  for (const list of lists) list.forEach((id, rank) => scores.set(id, (scores.get(id) ?? 0) + 1 / (k + rank + 1)))
  return sortFused([...scores].map(([id, score]) => ({ id, score })))
}

/**
 * Convex combination of normalized scores (Bruch, Gai & Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval"):
 * weight × vector + (1 - weight) × text. Both legs score every candidate, so no rank is guessed. Distances are scaled to [0, 1] between
 * the nearest and the farthest candidate; BM25, whose zero has a meaning, is divided by the best.
 * @returns Best first; equal scores keep the lower id first.
 */
export function fuseConvex(candidates: readonly FusionCandidate[], { weight = defaultVectorWeight }: { weight?: number } = {}): Fused[] {
  let nearest = Infinity
  let farthest = -Infinity
  let best = 0
  for (const { distance, text } of candidates) {
    if (distance !== undefined) {
      nearest = Math.min(nearest, distance)
      farthest = Math.max(farthest, distance)
    }
    best = Math.max(best, text ?? 0)
  }
  const span = farthest - nearest
  return sortFused(
    candidates.map(({ id, distance, text = 0 }) => {
      const near = distance === undefined ? 0 : span > 0 ? (farthest - distance) / span : 1
      return { id, score: weight * near + (1 - weight) * (best > 0 ? text / best : 0) }
    }),
  )
}

function sortFused(fused: Fused[]): Fused[] {
  return fused.sort((a, b) => b.score - a.score || a.id - b.id)
}
