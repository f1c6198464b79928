import { FourierGrid } from './fourier.ts'

/** Up to so many points all pairs are computed: it is exact, and no slower. */
const pairwiseMax = 1000
const sideMin = 32
const sideMax = 256
/** Fewer points than this do not need the finest grid. */
const sideMaxCount = 20_000
/** Finer than this, the kernel changes too little from cell to cell to matter. */
const cellMin = 0.35

/**
 * The repulsive forces of t-SNE between all pairs, by convolution on a grid: points are spread over the four cells around them, fields come
 * of Fourier transforms, and are read back at the points the same way. In the manner of Linderman et al., "Fast interpolation-based t-SNE"
 * (2019), and of the fields of Pezzotti et al., "GPGPU linear complexity t-SNE optimization" (2020); linear weights instead of polynomials.
 */
export class Repulsion {
  #grid = new FourierGrid(sideMin * 2)
  #cell = 0
  #density = { re: new Float32Array(0), im: new Float32Array(0) }
  #affinity = new Float32Array(0)
  #force = { re: new Float32Array(0), im: new Float32Array(0) }

  /**
   * Adds to `forces` (x, y of each point) the sums over others of (y_i - y_j) / (1 + d²)², not divided by anything.
   * @returns The sum over pairs i, j, i ≠ j, of 1 / (1 + d²).
   */
  apply(positions: Float32Array, forces: Float32Array): number {
    return positions.length / 2 <= pairwiseMax ? applyPairs(positions, forces) : this.applyGrid(positions, forces)
  }

  /** The same by the grid, however few points there are. */
  applyGrid(positions: Float32Array, forces: Float32Array): number {
    const bounds = boundsOf(positions)
    this.#fit(bounds.extent, positions.length / 2 < sideMaxCount ? sideMax / 2 : sideMax)
    const { side } = this.#grid
    const cell = this.#cell
    const { re, im } = this.#density
    re.fill(0)
    im.fill(0)
    const [offsetX, offsetY] = [bounds.left, bounds.top]
    let own = 0
    const [near, far] = [1 / (1 + cell * cell), 1 / (1 + 2 * cell * cell)]
    for (let i = 0; i < positions.length; i += 2) {
      const px = (positions[i]! - offsetX) / cell
      const py = (positions[i + 1]! - offsetY) / cell
      const [x, y] = [Math.floor(px), Math.floor(py)]
      const [fx, fy] = [px - x, py - y]
      const at = y * side + x
      re[at] = re[at]! + (1 - fx) * (1 - fy)
      re[at + 1] = re[at + 1]! + fx * (1 - fy)
      re[at + side] = re[at + side]! + (1 - fx) * fy
      re[at + side + 1] = re[at + side + 1]! + fx * fy
      // What the point, thus spread, is to itself.
      const [sx, sy] = [2 * fx * (1 - fx), 2 * fy * (1 - fy)]
      own += (1 - sx) * (1 - sy) + (sx * (1 - sy) + (1 - sx) * sy) * near + sx * sy * far
    }
    const total = this.#convolve()
    for (let i = 0; i < positions.length; i += 2) {
      const px = (positions[i]! - offsetX) / cell
      const py = (positions[i + 1]! - offsetY) / cell
      const [x, y] = [Math.floor(px), Math.floor(py)]
      const [fx, fy] = [px - x, py - y]
      const at = y * side + x
      const [a, b, c, d] = [(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy]
      forces[i] = forces[i]! + a * re[at]! + b * re[at + 1]! + c * re[at + side]! + d * re[at + side + 1]!
      forces[i + 1] = forces[i + 1]! + a * im[at]! + b * im[at + 1]! + c * im[at + side]! + d * im[at + side + 1]!
    }
    return Math.max(total - own, 1e-12)
  }

  /** Puts the force field in place of the density. @returns The sum over all pairs of cells of density, affinity, density. */
  #convolve(): number {
    const { side } = this.#grid
    const { re, im } = this.#density
    this.#grid.forward(re, im, side / 2)
    const scale = 1 / (side * side)
    let total = 0
    const force = this.#force
    for (let i = 0; i < re.length; i++) {
      const [r, m] = [re[i]!, im[i]!]
      total += (r * r + m * m) * this.#affinity[i]!
      re[i] = (r * force.re[i]! - m * force.im[i]!) * scale
      im[i] = (r * force.im[i]! + m * force.re[i]!) * scale
    }
    this.#grid.backward(re, im, side / 2)
    // Parseval's theorem: no transform back is needed for the sum.
    return total * scale
  }

  /** Chooses cell and grid for an extent, and makes their kernels where they changed. */
  #fit(extent: number, most: number): void {
    const cells = most - 2
    // In steps, so that a map that grows a little does not need new kernels.
    const wanted = Math.max(cellMin, 2 ** (Math.ceil(Math.log2(Math.max(extent, 1e-9) / cells) * 4) / 4))
    let side = sideMin
    while (side < most && extent / wanted > side - 2) side *= 2
    if (this.#grid.side === side * 2 && this.#cell === wanted) return
    if (this.#grid.side !== side * 2 || this.#density.re.length === 0) {
      this.#grid = new FourierGrid(side * 2)
      const plane = () => new Float32Array(side * side * 4)
      this.#density = { re: plane(), im: plane() }
      this.#affinity = plane()
      this.#force = { re: plane(), im: plane() }
    }
    this.#cell = wanted
    this.#makeKernels()
  }

  #makeKernels(): void {
    const { side } = this.#grid
    const zero = new Float32Array(side * side)
    const { re, im } = this.#force
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const dx = (x < side / 2 ? x : x - side) * this.#cell
        const dy = (y < side / 2 ? y : y - side) * this.#cell
        const affinity = 1 / (1 + dx * dx + dy * dy)
        // At half a period, a displacement is as much minus itself: no force is odd there.
        const isEdge = x === side / 2 || y === side / 2
        this.#affinity[y * side + x] = affinity
        re[y * side + x] = isEdge ? 0 : dx * affinity * affinity
        im[y * side + x] = isEdge ? 0 : dy * affinity * affinity
      }
    }
    this.#grid.forward(this.#affinity, zero)
    this.#grid.forward(re, im)
  }
}

function applyPairs(positions: Float32Array, forces: Float32Array): number {
  let total = 0
  for (let i = 0; i < positions.length; i += 2) {
    const x = positions[i]!
    const y = positions[i + 1]!
    let sumX = 0
    let sumY = 0
    for (let j = 0; j < i; j += 2) {
      const dx = x - positions[j]!
      const dy = y - positions[j + 1]!
      const affinity = 1 / (1 + dx * dx + dy * dy)
      const force = affinity * affinity
      total += affinity
      sumX += dx * force
      sumY += dy * force
      forces[j] = forces[j]! - dx * force
      forces[j + 1] = forces[j + 1]! - dy * force
    }
    forces[i] = forces[i]! + sumX
    forces[i + 1] = forces[i + 1]! + sumY
  }
  return 2 * total
}

function boundsOf(positions: Float32Array): { left: number; top: number; extent: number } {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity]
  for (let i = 0; i < positions.length; i += 2) {
    const [x, y] = [positions[i]!, positions[i + 1]!]
    if (x < left) left = x
    if (x > right) right = x
    if (y < top) top = y
    if (y > bottom) bottom = y
  }
  return { left, top, extent: Math.max(right - left, bottom - top) }
}
