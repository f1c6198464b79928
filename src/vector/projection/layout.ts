import type { Random } from '../../base/random.ts'
import { symmetricEdges, type Edges } from './edges.ts'
import type { NeighborGraph, ProjectionProgress } from './neighbor-graph.ts'
import { Repulsion } from './repulsion.ts'

export interface LayoutOptions {
  readonly iterations: number
  /** The first iterations, in which neighbours attract each other `exaggeration` times as much, so that they find together. */
  readonly earlyIterations: number
  readonly exaggeration: number
}

/**
 * Lays neighbours out beside each other in the plane: t-SNE (van der Maaten & Hinton, "Visualizing data using t-SNE", 2008) with equal
 * affinities to the nearest neighbours instead of Gaussian ones (Böhm, Berens & Kobak, "Attraction-repulsion spectrum in neighbor embeddings",
 * 2022, find them as good), from a start on principal axes and with a step of count / exaggeration (Kobak & Berens, "The art of using t-SNE for
 * single-cell transcriptomics", 2019; Belkina et al., 2019).
 * @param start x, y of each point; they are moved.
 */
export function* layOut(graph: NeighborGraph, start: Float32Array, options: LayoutOptions, random: Random): Generator<ProjectionProgress, Float32Array> {
  const count = start.length / 2
  const positions = start
  spread(positions, random)
  const edges = symmetricEdges(graph, count)
  const repulsion = new Repulsion()
  const attraction = new Float32Array(positions.length)
  const repelling = new Float32Array(positions.length)
  const velocity = new Float32Array(positions.length)
  const gains = new Float32Array(positions.length).fill(1)
  const step = Math.max(count / options.exaggeration, 50)
  for (let iteration = 0; iteration < options.iterations; iteration++) {
    yield { part: 'layout', done: iteration / options.iterations }
    const isEarly = iteration < options.earlyIterations
    const pull = isEarly ? options.exaggeration : 1
    const momentum = isEarly ? 0.5 : 0.8
    attraction.fill(0)
    attract(edges, positions, attraction)
    repelling.fill(0)
    const push = 1 / repulsion.apply(positions, repelling)
    for (let i = 0; i < positions.length; i++) {
      const gradient = 4 * (pull * attraction[i]! - push * repelling[i]!)
      // Gains: Jacobs, "Increased rates of convergence through learning rate adaptation", 1988.
      const gain = Math.max(0.01, gradient > 0 === velocity[i]! > 0 ? gains[i]! * 0.8 : gains[i]! + 0.2)
      gains[i] = gain
      const moved = momentum * velocity[i]! - step * gain * gradient
      velocity[i] = moved
      positions[i] = positions[i]! + moved
    }
  }
  return positions
}

/** Adds the sums over neighbours of p (y_i - y_j) / (1 + d²). */
function attract({ starts, ends, weights }: Edges, positions: Float32Array, forces: Float32Array): void {
  for (let i = 0; i < starts.length - 1; i++) {
    const [x, y] = [positions[i * 2]!, positions[i * 2 + 1]!]
    let [sumX, sumY] = [0, 0]
    for (let e = starts[i]!; e < starts[i + 1]!; e++) {
      const j = ends[e]! * 2
      const dx = x - positions[j]!
      const dy = y - positions[j + 1]!
      const force = weights[e]! / (1 + dx * dx + dy * dy)
      sumX += force * dx
      sumY += force * dy
    }
    forces[i * 2] = sumX
    forces[i * 2 + 1] = sumY
  }
}

/** Scales a start to a deviation of 1e-4, and parts what lies on one place. */
function spread(positions: Float32Array, random: Random): void {
  const count = positions.length / 2
  let [x, y, square] = [0, 0, 0]
  for (let i = 0; i < positions.length; i += 2) {
    x += positions[i]! / count
    y += positions[i + 1]! / count
  }
  for (let i = 0; i < positions.length; i += 2) square += ((positions[i]! - x) ** 2 + (positions[i + 1]! - y) ** 2) / (2 * count)
  const scale = square > 0 ? 1e-4 / Math.sqrt(square) : 0
  for (let i = 0; i < positions.length; i += 2) {
    positions[i] = (positions[i]! - x) * scale + (random.next() - 0.5) * 1e-6
    positions[i + 1] = (positions[i + 1]! - y) * scale + (random.next() - 0.5) * 1e-6
  }
}
