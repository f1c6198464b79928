import { WindlassError } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import type { Space } from '../format/record.ts'
import type { AnalyzerFor } from './memtable.ts'
import type { Filter } from './query/filter.ts'
import { countRows, listRows } from './query/list.ts'
import { findRows, readRows } from './query/rows.ts'
import { search } from './query/search.ts'
import { noTally } from './segment-index.ts'
import type { Include, ListOptions, ListPage, Match, QueryOptions, QueryResult, ReadOptions, RowView } from './types.ts'
import { checkKey } from './validate.ts'
import type { Snapshot } from './view.ts'

/** What can be asked of a collection as it is, or as it was. */
export abstract class RowReader {
  readonly #analyzerFor: AnalyzerFor

  constructor(analyzerFor: AnalyzerFor) {
    this.#analyzerFor = analyzerFor
  }

  /** Runs `task` on rows as fresh as asked. */
  protected abstract read<Value>(options: ReadOptions, task: (snapshot: Snapshot) => Promise<Value>): Promise<Value>

  /** Begins to read what a vector search will need, where that is known without a request. */
  protected prefetch(): void {}

  /** Hears of each approximate vector search. @param searchExactly The same on the same rows, scoring each. */
  protected answered(result: QueryResult, searchExactly: () => Promise<readonly Match[]>): void {
    void [result, searchExactly]
  }

  /** How many live rows a space has, without reading a segment. */
  protected abstract countAll(space: Space): Promise<number>

  /** In the order asked; null where a key is absent. */
  async get(keys: readonly string[], options: ReadOptions & { include?: Include; space?: Space } = {}): Promise<(RowView | null)[]> {
    if (keys.length > limits.queryResultsMax) {
      throw new WindlassError('too-large', `get asks for ${keys.length} keys, at most ${limits.queryResultsMax}`, { path: 'keys' })
    }
    for (const key of keys) checkKey(key)
    return this.read(options, async (snapshot) => {
      const refs = await findRows(snapshot, options.space ?? 'records', keys)
      const present = refs.filter((ref) => ref !== null)
      const rows = await readRows(snapshot, present, options.include ?? {})
      let next = 0
      return refs.map((ref) => (ref === null ? null : rows[next++]!))
    })
  }

  /** Rows in the order they were first inserted. */
  async list(options: ListOptions = {}): Promise<ListPage> {
    return this.read(options, (snapshot) => listRows(snapshot, options))
  }

  /** Nearest rows, best BM25 rows, or both fused. */
  async query(options: QueryOptions): Promise<QueryResult> {
    // Beside the look at the log, not after it.
    if (options.vector !== undefined) this.prefetch()
    return this.read(options, async (snapshot) => {
      const result = await search(snapshot, options, this.#analyzerFor)
      if (options.vector !== undefined && options.text === undefined && options.recall !== 1) {
        this.answered(result, async () => (await search(snapshot, { ...options, recall: 1, include: {} }, this.#analyzerFor)).matches)
      }
      return result
    })
  }

  /** Reads vector indexes, and vectors that have none, into memory ahead of the first query, as far as the budget reaches. */
  async warm(options: ReadOptions = {}): Promise<void> {
    await this.read(options, async ({ segments }) => {
      for (const { segment } of segments) await (segment.index ? segment.index.warm({ ...noTally }) : segment.vectors())
    })
  }

  /** Runs `task` on one snapshot, as fresh as asked: for questions that have no method here. It may run twice. */
  async inspect<Value>(options: ReadOptions, task: (snapshot: Snapshot) => Promise<Value>): Promise<Value> {
    return this.read(options, task)
  }

  /** How many live rows there are; without a filter it reads no segment. */
  async count(options: ReadOptions & { filter?: Filter; space?: Space } = {}): Promise<number> {
    const space = options.space ?? 'records'
    return this.read(options, async (snapshot) => (options.filter ? countRows(snapshot, space, options.filter) : this.countAll(space)))
  }
}
