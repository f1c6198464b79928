import { limits } from '../../base/limits.ts'
import type { Operation } from '../../engine/types.ts'
import type { IdentifiedCollection } from '../../library/identified-collection.ts'

/** Records that clients send at once: as many as the reference tells them. */
export const clientBatchMax = 5461
// Half of what a commit may hold: sizes here are estimates.
const commitBytesMax = limits.commitBytesMax / 2

/** What one record takes, and its size in the log. */
export interface SizedOperations {
  readonly operations: readonly Operation[]
  readonly sizeBytes: number
}

/**
 * Writes records in as few commits as their size allows. Each commit is all or nothing; a request that needs several is not, and when one
 * fails those before it stand.
 */
export async function writeInBatches(collection: IdentifiedCollection, records: Iterable<SizedOperations>, options: { signal?: AbortSignal } = {}): Promise<void> {
  let operations: Operation[] = []
  let sizeBytes = 0
  for (const record of records) {
    const isFull = sizeBytes + record.sizeBytes > commitBytesMax || operations.length + record.operations.length > limits.batchOperationsMax
    if (isFull && operations.length > 0) {
      await collection.write({ operations }, options)
      operations = []
      sizeBytes = 0
    }
    operations.push(...record.operations)
    sizeBytes += record.sizeBytes
  }
  if (operations.length > 0) await collection.write({ operations }, options)
}
