/** The `k` nearest found so far, of each of `count` rows; sorted by distance, then by row, as it goes. */
export class NearestLists {
  readonly k: number
  /** `count` times `k`; -1: none yet. */
  readonly rows: Int32Array
  readonly distances: Float32Array
  /** Found since the last `takeNew`. */
  readonly isNew: Uint8Array
  /** Of each row the distance that a new neighbour must be below. */
  readonly worst: Float32Array

  constructor(count: number, k: number) {
    this.k = k
    this.rows = new Int32Array(count * k).fill(-1)
    this.distances = new Float32Array(count * k).fill(Infinity)
    this.isNew = new Uint8Array(count * k)
    this.worst = new Float32Array(count).fill(k > 0 ? Infinity : -Infinity)
  }

  /** Enters `other`, which is nearer than `worst[row]`. @returns 1, or 0 where it was there. */
  offer(row: number, other: number, distance: number): number {
    const { k, rows, distances, isNew } = this
    const start = row * k
    let place = start + k - 1
    for (let i = start; i <= place; i++) if (rows[i] === other) return 0
    // Insertion: lists are short.
    for (; place > start && distances[place - 1]! > distance; place--) {
      distances[place] = distances[place - 1]!
      rows[place] = rows[place - 1]!
      isNew[place] = isNew[place - 1]!
    }
    distances[place] = distance
    rows[place] = other
    isNew[place] = 1
    this.worst[row] = distances[start + k - 1]!
    return 1
  }

  /** Up to `most` rows that have each row newly as a neighbour (-1 beyond them). */
  reversed(most: number): Int32Array {
    const { k, rows, isNew } = this
    const count = this.worst.length
    const reverse = new Int32Array(count * most).fill(-1)
    const sizes = new Uint16Array(count)
    for (let i = 0; i < rows.length; i++) {
      const near = rows[i]!
      if (near < 0 || !isNew[i] || sizes[near]! >= most) continue
      reverse[near * most + sizes[near]!++] = Math.floor(i / k)
    }
    return reverse
  }

  /** Which places hold a row found since the last call. */
  takeNew(): Uint8Array {
    const taken = this.isNew.slice()
    this.isNew.fill(0)
    return taken
  }
}
