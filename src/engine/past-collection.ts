import { isWindlassError, messageOf, WindlassError } from '../base/errors.ts'
import type { CollectionSchema } from '../format/manifest.ts'
import type { Space } from '../format/record.ts'
import type { Snapshot as StoredSnapshot } from '../format/snapshot.ts'
import { readCommit } from './commit/log.ts'
import type { CollectionCore } from './core.ts'
import { RowReader } from './row-reader.ts'
import type { ReadOptions } from './types.ts'
import { View, type Snapshot } from './view.ts'

const readsAtOnce = 64

/** A collection as it was at one log number: reads only, and never changes. */
export class PastCollection extends RowReader {
  readonly view: View

  private constructor(core: CollectionCore, view: View) {
    super(core.context.analyzerFor)
    this.view = view
  }

  /** @throws {WindlassError} `expired` when part of it has been swept. */
  static async open(core: CollectionCore, { manifest, seq }: StoredSnapshot): Promise<PastCollection> {
    const { store } = core.context
    const view = await View.open({ manifest, bytes: new Uint8Array(0), etag: '', date: undefined }, core.viewContext)
    while (view.seq < seq) {
      const numbers = Array.from({ length: Math.min(readsAtOnce, seq - view.seq) }, (_, i) => view.seq + 1 + i)
      for (const [i, commit] of (await Promise.all(numbers.map((number) => readCommit(store, core.prefix, number)))).entries()) {
        if (!commit) throw new WindlassError('expired', `log ${numbers[i]} of ${core.id} is gone: history does not reach back to ${seq}`, { key: core.prefix })
        await view.apply(commit)
      }
    }
    return new PastCollection(core, view)
  }

  /** Log number of the last commit it holds. */
  get seq(): number {
    return this.view.seq
  }

  get schema(): CollectionSchema {
    return this.view.schema
  }

  protected async read<Value>({ signal }: ReadOptions, task: (snapshot: Snapshot) => Promise<Value>): Promise<Value> {
    signal?.throwIfAborted()
    try {
      return await task(this.view.snapshot())
    } catch (error) {
      if (!isWindlassError(error, 'expired')) throw error
      throw new WindlassError('expired', `${messageOf(error)}: the snapshot was deleted, or history does not reach back to log ${this.seq}`, { ...error.details, cause: error })
    }
  }

  protected async countAll(space: Space): Promise<number> {
    return this.view.count(space)
  }
}
