import type { Random } from '../../base/random.ts'
import type { ProjectionProgress } from './neighbor-graph.ts'
import { pickRows, type ProjectionRows } from './projection-rows.ts'

const sampleMax = 5000
const iterations = 40

/**
 * Projects rows on their first two principal axes: `count` pairs x, y, centred. The axes come of a sample of at most 5,000 rows by
 * orthogonal iteration (Golub & Van Loan, "Matrix Computations", section 8.2): a map only starts from them.
 */
export function* projectOnPrincipalAxes(rows: ProjectionRows, random: Random): Generator<ProjectionProgress, Float32Array> {
  const { padded, count } = rows
  const values = rows.heap.floats
  const first = rows.at >>> 2
  const sample = pickRows(count, sampleMax, random)
  const mean = new Float64Array(padded)
  for (const row of sample) for (let i = 0, at = first + row * padded; i < padded; i++) mean[i]! += values[at + i]! / sample.length
  let axes = [0, 1].map(() => Float64Array.from({ length: padded }, () => random.next() - 0.5))
  orthonormalize(axes)
  for (let iteration = 0; iteration < iterations; iteration++) {
    yield { part: 'axes', done: iteration / iterations }
    const [a, b] = axes as [Float64Array, Float64Array]
    const next = [new Float64Array(padded), new Float64Array(padded)] as const
    for (const row of sample) {
      const at = first + row * padded
      let [p, q] = [0, 0]
      for (let i = 0; i < padded; i++) {
        const value = values[at + i]! - mean[i]!
        p += value * a[i]!
        q += value * b[i]!
      }
      for (let i = 0; i < padded; i++) {
        const value = values[at + i]! - mean[i]!
        next[0][i]! += p * value
        next[1][i]! += q * value
      }
    }
    axes = [...next]
    orthonormalize(axes)
  }
  const [a, b] = axes as [Float64Array, Float64Array]
  const positions = new Float32Array(count * 2)
  for (let row = 0, at = first; row < count; row++, at += padded) {
    let [x, y] = [0, 0]
    for (let i = 0; i < padded; i++) {
      const value = values[at + i]! - mean[i]!
      x += value * a[i]!
      y += value * b[i]!
    }
    positions[row * 2] = x
    positions[row * 2 + 1] = y
  }
  return positions
}

/** Gram-Schmidt in place; an axis of which nothing is left becomes zero, as rows on a line have but one. */
function orthonormalize(axes: Float64Array[]): void {
  axes.forEach((axis, k) => {
    const before = Math.hypot(...axis)
    for (const other of axes.slice(0, k)) {
      const along = axis.reduce((sum, value, i) => sum + value * other[i]!, 0)
      for (let i = 0; i < axis.length; i++) axis[i]! -= along * other[i]!
    }
    const norm = Math.hypot(...axis)
    const scale = norm > before * 1e-9 && norm > 0 ? 1 / norm : 0
    for (let i = 0; i < axis.length; i++) axis[i]! *= scale
  })
}
