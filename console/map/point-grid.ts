const side = 256
const cell = 65_536 / side

/** Finds points by place: 256 by 256 cells, each with the points that lie in it. */
export class PointGrid {
  readonly #positions: Uint16Array
  readonly #starts: Uint32Array
  readonly #points: Uint32Array

  /** @param positions x, y of each point, 0 to 65,535. */
  constructor(positions: Uint16Array) {
    const count = positions.length / 2
    const cellOf = (i: number) => Math.floor(positions[i * 2 + 1]! / cell) * side + Math.floor(positions[i * 2]! / cell)
    this.#positions = positions
    this.#starts = new Uint32Array(side * side + 1)
    for (let i = 0; i < count; i++) this.#starts[cellOf(i) + 1]!++
    for (let c = 0; c < side * side; c++) this.#starts[c + 1]! += this.#starts[c]!
    const next = this.#starts.slice()
    this.#points = new Uint32Array(count)
    for (let i = 0; i < count; i++) this.#points[next[cellOf(i)]!++] = i
  }

  /** The point nearest to a place (0 to 1) and at most `radius` away; -1 where there is none. */
  nearest(x: number, y: number, radius: number): number {
    const [px, py, reach] = [x * 65_535, y * 65_535, radius * 65_535]
    const clamp = (value: number) => Math.min(side - 1, Math.max(0, Math.floor(value / cell)))
    let best = -1
    let least = reach * reach
    for (let row = clamp(py - reach); row <= clamp(py + reach); row++) {
      for (let at = this.#starts[row * side + clamp(px - reach)]!, end = this.#starts[row * side + clamp(px + reach) + 1]!; at < end; at++) {
        const point = this.#points[at]!
        const distance = (this.#positions[point * 2]! - px) ** 2 + (this.#positions[point * 2 + 1]! - py) ** 2
        if (distance > least || (distance === least && best >= 0)) continue
        least = distance
        best = point
      }
    }
    return best
  }
}
