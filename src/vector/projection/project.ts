import { seededRandom } from '../../base/random.ts'
import { buildNeighborGraph, type GraphOptions, type ProjectionProgress } from './neighbor-graph.ts'
import { layOut, type LayoutOptions } from './layout.ts'
import { projectOnPrincipalAxes } from './principal-axes.ts'
import type { ProjectionRows } from './projection-rows.ts'

/** A map has at most so many points; of larger collections it shows a sample. */
export const mapPointsMax = 100_000

export interface ProjectionOptions extends GraphOptions, LayoutOptions {
  /** Seeds all chance: the same rows in the same order give the same map. */
  readonly seed: number
}

/** What the measurements of bench/map chose. */
export const projectionDefaults: ProjectionOptions = { k: 15, blocksCompared: 8, rounds: 2, iterations: 500, earlyIterations: 100, exaggeration: 12, seed: 1 }

/**
 * Projects rows to the plane such that near ones stay near, in steps of some milliseconds. Moves the rows.
 * @returns x, y of each row, in the order they were added; finite, and different for different rows.
 */
export function* projectInSteps(rows: ProjectionRows, options: ProjectionOptions = projectionDefaults): Generator<ProjectionProgress, Float32Array> {
  const { count } = rows
  if (count <= 1) return new Float32Array(count * 2)
  const random = seededRandom(options.seed)
  const { graph, order } = yield* buildNeighborGraph(rows, options, random)
  const start = yield* projectOnPrincipalAxes(rows, random)
  const placed = yield* layOut(graph, start, options, random)
  const positions = new Float32Array(count * 2)
  order.forEach((row, place) => {
    positions[row * 2] = placed[place * 2]!
    positions[row * 2 + 1] = placed[place * 2 + 1]!
  })
  return positions
}
