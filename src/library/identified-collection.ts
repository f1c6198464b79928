import { chunksOf } from '../base/groups.ts'
import { limits } from '../base/limits.ts'
import type { CollectionSchema } from '../format/manifest.ts'
import type { EngineCollection } from '../engine/collection.ts'
import { readRows } from '../engine/query/rows.ts'
import { search } from '../engine/query/search.ts'
import { createAnalyzerById } from '../text/analyzer.ts'
import type { Batch, CollectionStats, Include, Match, ReadOptions, RowView, WriteResult } from '../engine/types.ts'
import type { Snapshot } from '../engine/view.ts'
import { narrow } from '../engine/where/narrow.ts'
import { selectInOrder } from '../engine/where/select.ts'
import type { Selection } from '../engine/where/where.ts'

/** One leg of a question on one snapshot: nearest vectors, or best words of the text field `field`. */
export type Leg = { readonly vector: Float32Array } | { readonly text: string; readonly field?: string }

/** What one moment of a collection answers. Every answer of one `inspect` is of the same moment. */
export interface Moment {
  readonly schema: CollectionSchema
  /** Selected records in the order they were first inserted. */
  find(selection: Selection, options: { offset?: number; limit?: number; include: Include }): Promise<RowView[]>
  /** The best `k` of the selected records for each leg. */
  rank(selection: Selection, legs: readonly Leg[], options: { k: number; include: Include }): Promise<Match[][]>
}

const rowsReadAtOnce = 1000

/**
 * A collection by its id: it is that one, or gone, whatever its name stands for by now. For doors whose clients hold ids.
 * Every method throws `not-found` once it was dropped.
 */
export class IdentifiedCollection {
  readonly id: string
  readonly #engine: EngineCollection

  constructor(engine: EngineCollection) {
    this.id = engine.id
    this.#engine = engine
  }

  /** Its name as of the last look at the log. */
  async name(): Promise<string> {
    return (await this.#engine.core.open()).name
  }

  /** Its schema as of the last look at the log. */
  schema(): Promise<CollectionSchema> {
    return this.#engine.schema()
  }

  /** Counts, sizes and the schema as of now. */
  async stats(): Promise<CollectionStats> {
    return this.#engine.stats()
  }

  /** Writes one batch, all or nothing; durable and visible to every process when it resolves. */
  write(batch: Batch, options: { signal?: AbortSignal } = {}): Promise<WriteResult> {
    return this.#engine.write(batch, options)
  }

  /** How many live records there are. */
  count(options: ReadOptions = {}): Promise<number> {
    return this.#engine.count(options)
  }

  async flush(): Promise<boolean> {
    return this.#engine.flush()
  }

  /** Reads what a first question would have to wait for, as far as memory goes. */
  async preload(): Promise<void> {
    await this.inspect({}, async (moment) => {
      const { dimension } = moment.schema
      await moment.find({}, { limit: 1, include: { vector: true, metadata: true, document: true } })
      if (dimension !== null) await moment.rank({}, [{ vector: new Float32Array(dimension).fill(1) }], { k: 1, include: {} })
    })
  }

  /** Asks several things of one moment. `task` may run twice, when the moment is too old to be read. */
  inspect<Value>(options: ReadOptions, task: (moment: Moment) => Promise<Value>): Promise<Value> {
    return this.#engine.inspect(options, (snapshot) => task(new SnapshotMoment(snapshot, this.#engine)))
  }
}

class SnapshotMoment implements Moment {
  readonly #snapshot: Snapshot
  readonly #engine: EngineCollection

  constructor(snapshot: Snapshot, engine: EngineCollection) {
    this.#snapshot = snapshot
    this.#engine = engine
  }

  get schema(): CollectionSchema {
    return this.#snapshot.schema
  }

  async find(selection: Selection, { include, ...page }: { offset?: number; limit?: number; include: Include }): Promise<RowView[]> {
    const refs = await selectInOrder(await this.#narrowed(selection), page)
    const rows: RowView[] = []
    for (const part of chunksOf(refs, rowsReadAtOnce)) rows.push(...(await readRows(this.#snapshot, part, include)))
    return rows
  }

  async rank(selection: Selection, legs: readonly Leg[], { k, include }: { k: number; include: Include }): Promise<Match[][]> {
    const narrowed = await this.#narrowed(selection)
    const answers: Match[][] = []
    for (const leg of legs) answers.push([...(await search(narrowed, { ...leg, k: Math.min(k, limits.queryResultsMax), include }, createAnalyzerById)).matches])
    return answers
  }

  #narrowed(selection: Selection): Promise<Snapshot> {
    return narrow(this.#snapshot, selection, this.#engine.core.context)
  }
}
