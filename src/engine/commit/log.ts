import { WindlassError } from '../../base/errors.ts'
import { dataPrefix } from '../../format/catalog-entry.ts'
import { decodeLogRecord, logKey, type LogRecord } from '../../format/log-record.ts'
import type { ObjectStore } from '../../store/object-store.ts'

const windowMax = 64

/** A commit as it was read: the record and its size in the bucket. */
export interface ReadCommit {
  readonly record: LogRecord
  readonly sizeBytes: number
}

/**
 * Reads the commits after `seq`, in order, up to the first number that is absent.
 *
 * Probes windows that grow fourfold, so the round trips are 1 + log4 of what others wrote, and never lists:
 * a listing is no atomic snapshot and pages (docs/protocol.md, A3). Everything acknowledged before the call began
 * lies below the first absence; what is found beyond it is dropped.
 * @param window How many numbers the first round trip asks for.
 */
export async function readLogAfter(
  store: ObjectStore,
  prefix: string,
  seq: number,
  window: number,
  signal?: AbortSignal,
): Promise<ReadCommit[]> {
  const found: ReadCommit[] = []
  for (let next = seq + 1, size = window; ; next += size, size = Math.min(size * 4, windowMax)) {
    const numbers = Array.from({ length: size }, (_, i) => next + i)
    const answers = await Promise.all(numbers.map((number) => readCommit(store, prefix, number, signal)))
    for (const answer of answers) {
      if (!answer) return found
      found.push(answer)
    }
  }
}

/** One commit, or null where the number is absent. @throws {WindlassError} `corrupt` when it does not fit its place. */
export async function readCommit(store: ObjectStore, prefix: string, seq: number, signal?: AbortSignal): Promise<ReadCommit | null> {
  const key = prefix + logKey(seq)
  const answer = await store.get(key, { fresh: true, ...(signal && { signal }) })
  if (answer.kind !== 'found') return null
  const record = decodeLogRecord(answer.bytes, key, seq)
  if (prefix !== dataPrefix(record.collectionId)) {
    throw new WindlassError('corrupt', `${store.url}: ${key} belongs to collection ${record.collectionId}: it was copied here; restore the right object`, { key })
  }
  return { record, sizeBytes: answer.size }
}
