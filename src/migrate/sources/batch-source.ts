import { WindlassError } from '../../base/errors.ts'
import type { MovedRecord } from '../record.ts'
import type { PlacedItem, Position, RecordSource, SourceShape } from '../source.ts'

/** A record of a source that need not have a vector. */
export interface BatchRecord {
  readonly id: string
  readonly vector: Float32Array | undefined
  readonly metadata: MovedRecord['metadata'] | undefined
  readonly document: string | undefined
}

/** A source that gives batches in one order and knows no better place than a number: to go on, what came before is read again and passed over. */
export class BatchSource implements RecordSource {
  readonly title: string
  readonly #shape: SourceShape
  readonly #batches: () => AsyncIterable<readonly BatchRecord[]>
  readonly #close: () => Promise<void>

  constructor(title: string, shape: SourceShape, batches: () => AsyncIterable<readonly BatchRecord[]>, close: () => Promise<void>) {
    this.title = title
    this.#shape = shape
    this.#batches = batches
    this.#close = close
  }

  describe(): Promise<SourceShape> {
    return Promise.resolve(this.#shape)
  }

  async *read(after: Position | null): AsyncIterable<PlacedItem> {
    let number = 0
    const first = after ? Number(after.number) + 1 : 0
    for await (const batch of this.#batches()) {
      for (const { id, vector, metadata = {}, document } of batch) {
        const position = { number: number++, id }
        if (position.number === first - 1 && id !== after!.id) throw this.#changed()
        if (position.number < first) continue
        const where = `record ${JSON.stringify(id)}`
        if (vector) yield { record: { key: id, vector, metadata, ...(document !== undefined && { document }) }, position, where }
        else yield { problem: { where, reason: 'it has no vector' }, position }
      }
    }
    if (number < first) throw this.#changed()
  }

  close(): Promise<void> {
    return this.#close()
  }

  /** A number stands for a place only while nothing before it goes away. */
  #changed(): WindlassError {
    return new WindlassError('conflict', `${this.title} was changed since the copy was interrupted: take it back with --rollback, and begin again`, { path: 'from' })
  }
}
