import type { Match } from './types.ts'

/** What sampled queries found, added up. */
export interface RecallCounts {
  readonly queries: number
  /** Nearest rows that an exact search finds … */
  readonly expected: number
  /** … and how many of them the sampled queries found. */
  readonly found: number
}

/** Runs a sample of a process's vector queries again, exactly, on the same rows: what recall is, instead of what it was planned to be. */
export class LiveRecall {
  readonly #every: number
  #seen = 0
  #running: Promise<void> | null = null
  #counts: RecallCounts = { queries: 0, expected: 0, found: 0 }

  /** @param every Samples each query of so many; 0: none. */
  constructor(every: number) {
    this.#every = every
  }

  counts(): RecallCounts {
    return this.#counts
  }

  /** Resolves when nothing is being measured. */
  async settle(): Promise<void> {
    await this.#running
  }

  /** Takes part in a query, if it is its turn and no other is being measured; the exact search runs after it. A failure of that is none of the query's. */
  offer(matches: readonly Match[], searchExactly: () => Promise<readonly Match[]>): void {
    if (this.#every === 0 || ++this.#seen % this.#every !== 0 || this.#running) return
    this.#running = this.#measure(matches, searchExactly)
      .catch(() => undefined)
      .finally(() => (this.#running = null))
  }

  async #measure(matches: readonly Match[], searchExactly: () => Promise<readonly Match[]>): Promise<void> {
    const exact = await searchExactly()
    const keys = new Set(matches.map(({ key }) => key))
    // Rows as far as the farthest may take each other's place.
    const farthest = matches.at(-1)?.distance ?? -Infinity
    const found = exact.filter(({ key, distance }) => keys.has(key) || distance === farthest).length
    const { queries, expected, found: before } = this.#counts
    this.#counts = { queries: queries + 1, expected: expected + exact.length, found: before + found }
  }
}
