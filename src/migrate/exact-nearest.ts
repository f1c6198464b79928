/** Something near, and how near: 1 - cos, the Euclidean distance, or minus the dot product. */
export interface Near<Item> {
  readonly distance: number
  readonly item: Item
}

/** The `k` nearest of all that were offered, in memory for `k` of them: the answer an index is measured against. */
export class ExactNearest<Item> {
  readonly #query: Float32Array
  readonly #metric: 'cosine' | 'euclidean' | 'dot'
  readonly #k: number
  readonly #queryLength: number
  /** Nearest first; of equal distances, the one that came first. */
  readonly #best: Near<Item>[] = []

  constructor(query: Float32Array, { metric, k }: { metric: 'cosine' | 'euclidean' | 'dot'; k: number }) {
    this.#query = query
    this.#metric = metric
    this.#k = k
    this.#queryLength = Math.sqrt(query.reduce((sum, value) => sum + value * value, 0))
  }

  get best(): readonly Near<Item>[] {
    return this.#best
  }

  /** @param make Called only if it is among the nearest so far. */
  offer(vector: Float32Array, make: () => Item): void {
    const distance = this.#distanceTo(vector)
    const best = this.#best
    if (best.length === this.#k && distance >= best.at(-1)!.distance) return
    let place = best.length
    while (place > 0 && best[place - 1]!.distance > distance) place--
    best.splice(place, 0, { distance, item: make() })
    if (best.length > this.#k) best.pop()
  }

  #distanceTo(vector: Float32Array): number {
    const query = this.#query
    let [dot, own, difference] = [0, 0, 0]
    for (let i = 0; i < query.length; i++) {
      const [a, b] = [query[i]!, vector[i]!]
      dot += a * b
      own += b * b
      difference += (a - b) * (a - b)
    }
    if (this.#metric === 'dot') return -dot
    if (this.#metric === 'euclidean') return Math.sqrt(difference)
    const lengths = this.#queryLength * Math.sqrt(own)
    return lengths === 0 ? 1 : 1 - dot / lengths
  }
}
