import type { HistoryResult } from './history.ts'

/** Faults and races that enough histories must all have had: what never happens is not tested. */
export const expectedEvents: readonly string[] = [
  'crash',
  'freeze',
  'freeze past the grace period',
  'clock jump',
  'refused',
  'lostRequest',
  'lostAnswer',
  'late',
  'late effect',
  'late request refused',
  'repeated',
  'conflict409',
  'throttled',
  'slow',
  'effect after crash',
  'request lost in crash',
  'condition lost on a log number',
  'condition lost on a manifest',
  'condition lost on a name',
  'condition lost against itself',
  'commit below the floor',
  'object swept under a reader',
  'swept',
  'flush',
  'merge',
  'pin',
  'unpin',
  'branch',
  'branch given up',
  'drop of a branch',
  'purge of a branch',
  'pin of a branch',
  'unpin of a branch',
  "merge of a parent's segments",
  'restore',
  'maker stalled',
]

/** Sums up what happened in many histories. */
export class Tally {
  historyCount = 0
  faultyHistories = 0
  bucketOperations = 0
  readonly #counts = new Map<string, number>()

  add({ counts, bucketOperations }: Pick<HistoryResult, 'counts' | 'bucketOperations'>): void {
    this.historyCount++
    this.bucketOperations += bucketOperations
    if (['crash', 'freeze', 'refused', 'lostRequest', 'lostAnswer', 'late', 'repeated', 'conflict409'].some((name) => counts.has(name))) this.faultyHistories++
    for (const [name, count] of counts) this.#counts.set(name, this.countOf(name) + count)
  }

  merge(other: Tally): void {
    this.historyCount += other.historyCount
    this.faultyHistories += other.faultyHistories
    this.bucketOperations += other.bucketOperations
    for (const [name, count] of other.#counts) this.#counts.set(name, this.countOf(name) + count)
  }

  countOf(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  /** One line a fault or race, most frequent first; those that never occurred last, with 0. */
  print(): string {
    const names = new Set([...expectedEvents, ...this.#counts.keys()])
    const lines = [...names].sort((a, b) => this.countOf(b) - this.countOf(a)).map((name) => `${String(this.countOf(name)).padStart(12)}  ${name}`)
    return [`${this.historyCount} histories, ${this.faultyHistories} of them with faults, ${this.bucketOperations} bucket operations`, ...lines].join('\n')
  }

  toJSON(): object {
    return { historyCount: this.historyCount, faultyHistories: this.faultyHistories, bucketOperations: this.bucketOperations, counts: [...this.#counts] }
  }

  static fromJSON(value: { historyCount: number; faultyHistories: number; bucketOperations: number; counts: [string, number][] }): Tally {
    const tally = new Tally()
    Object.assign(tally, { historyCount: value.historyCount, faultyHistories: value.faultyHistories, bucketOperations: value.bucketOperations })
    for (const [name, count] of value.counts) tally.#counts.set(name, count)
    return tally
  }
}
