import type { NeighborGraph } from './neighbor-graph.ts'

/** Who attracts whom, both ways: the neighbours of row i are `ends[starts[i]]` to `ends[starts[i + 1] - 1]`. All weights sum to 1. */
export interface Edges {
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  readonly weights: Float32Array
}

/** Joins the lists of nearest neighbours of both ends; a pair that is in both has twice the weight. */
export function symmetricEdges({ k, neighbors }: NeighborGraph, count: number): Edges {
  const known = (i: number, j: number) => {
    for (let e = i * k; e < (i + 1) * k; e++) if (neighbors[e] === j) return true
    return false
  }
  const starts = new Uint32Array(count + 1)
  const each = (visit: (i: number, j: number, isMutual: boolean) => void) => {
    for (let i = 0; i < count; i++) for (let e = i * k; e < (i + 1) * k; e++) if (neighbors[e]! >= 0) visit(i, neighbors[e]!, known(neighbors[e]!, i))
  }
  let directed = 0
  each((i, j, isMutual) => {
    directed++
    starts[i + 1]!++
    if (!isMutual) starts[j + 1]!++
  })
  for (let i = 0; i < count; i++) starts[i + 1]! += starts[i]!
  const next = starts.slice()
  const ends = new Uint32Array(starts[count]!)
  const weights = new Float32Array(starts[count]!)
  const weight = 1 / Math.max(1, 2 * directed)
  each((i, j, isMutual) => {
    const own = next[i]!++
    ends[own] = j
    weights[own] = isMutual ? 2 * weight : weight
    if (isMutual) return
    const other = next[j]!++
    ends[other] = i
    weights[other] = weight
  })
  return { starts, ends, weights }
}
