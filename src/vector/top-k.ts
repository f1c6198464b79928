/** A row and how far it is. */
export interface Neighbor {
  readonly row: number
  readonly distance: number
}

/** Keeps the `k` nearest of what it is offered, in a binary heap with the farthest on top. Equal distances keep the lower row. */
export class TopK {
  readonly #k: number
  readonly #rows: number[] = []
  readonly #distances: number[] = []

  constructor(k: number) {
    this.#k = k
  }

  /** Nothing at this distance or beyond can still get in, once `k` are kept. */
  get threshold(): number {
    return this.#rows.length < this.#k ? Infinity : this.#distances[0]!
  }

  offer(row: number, distance: number): void {
    const size = this.#rows.length
    if (size < this.#k) {
      this.#rows.push(row)
      this.#distances.push(distance)
      this.#rise(size)
    } else if (this.#k > 0 && isNearer(distance, row, this.#distances[0]!, this.#rows[0]!)) {
      this.#rows[0] = row
      this.#distances[0] = distance
      this.#sink()
    }
  }

  /** What was kept, nearest first. */
  sorted(): Neighbor[] {
    return this.#rows
      .map((row, i) => ({ row, distance: this.#distances[i]! }))
      .sort((a, b) => a.distance - b.distance || a.row - b.row)
  }

  #rise(from: number): void {
    for (let i = from; i > 0; ) {
      const parent = (i - 1) >>> 1
      if (!this.#isFarther(i, parent)) return
      this.#swap(i, parent)
      i = parent
    }
  }

  #sink(): void {
    for (let i = 0; ; ) {
      let farthest = i
      for (const child of [2 * i + 1, 2 * i + 2]) if (child < this.#rows.length && this.#isFarther(child, farthest)) farthest = child
      if (farthest === i) return
      this.#swap(i, farthest)
      i = farthest
    }
  }

  #isFarther(a: number, b: number): boolean {
    return isNearer(this.#distances[b]!, this.#rows[b]!, this.#distances[a]!, this.#rows[a]!)
  }

  #swap(a: number, b: number): void {
    ;[this.#rows[a], this.#rows[b]] = [this.#rows[b]!, this.#rows[a]!]
    ;[this.#distances[a], this.#distances[b]] = [this.#distances[b]!, this.#distances[a]!]
  }
}

function isNearer(distance: number, row: number, otherDistance: number, otherRow: number): boolean {
  return distance < otherDistance || (distance === otherDistance && row < otherRow)
}
