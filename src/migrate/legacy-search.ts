import { WindlassError } from '../base/errors.ts'
import { ExactNearest } from './exact-nearest.ts'
import { KeyTable } from './key-table.ts'
import type { MovedRecord } from './record.ts'
import type { RecordSource } from './source.ts'

/** A search of vectors that are nowhere indexed. */
export interface LegacySearch {
  readonly matches: readonly { readonly record: MovedRecord; readonly distance: number }[]
  /** Vectors compared; those of another dimension are passed over. */
  readonly scored: number
  readonly passedOver: number
  readonly unreadable: number
}

/** Vectors that one search reads at most, unless it is told otherwise: some minutes, and a dollar of requests where each is an object. */
export const legacyRecordsMax = 1_000_000

/**
 * Searches the old layout where it lies: reads all of it, compares every vector exactly, and keeps the nearest. Memory: `k` records, what is
 * read ahead (32 MB), and 16 to 32 bytes a key. Of records with one id the first counts, as in a migration.
 * @throws {WindlassError} `too-large` beyond `recordsMax`, and `invalid` where no vector has the question's dimension.
 */
export async function searchLegacy(source: RecordSource, vector: Float32Array, { k, metric, recordsMax = legacyRecordsMax, signal }: { k: number; metric: 'cosine' | 'euclidean' | 'dot'; recordsMax?: number; signal?: AbortSignal }): Promise<LegacySearch> {
  const nearest = new ExactNearest<MovedRecord>(vector, { metric, k })
  const seen = new KeyTable()
  const counts = { scored: 0, passedOver: 0, unreadable: 0 }
  let otherDimension = 0
  for await (const item of source.read(null)) {
    signal?.throwIfAborted()
    if (!('record' in item)) {
      counts.unreadable++
      continue
    }
    const { record } = item
    if (record.vector.length !== vector.length) {
      counts.passedOver++
      otherDimension = record.vector.length
    } else if (seen.add(record.key)) {
      if (++counts.scored > recordsMax) throw new WindlassError('too-large', `${source.title} has more than ${recordsMax.toLocaleString('en')} vectors, which are too many to be read for one search: bring them over with windlass migrate`, { path: 'source' })
      nearest.offer(record.vector, () => record)
    }
  }
  if (counts.scored === 0 && counts.passedOver > 0) throw new WindlassError('invalid', `the vectors have ${otherDimension} values, and the question's has ${vector.length}: set EMBEDDING_MODEL to the model that made them`, { path: 'embedding-model' })
  return { matches: nearest.best.map(({ item, distance }) => ({ record: item, distance })), ...counts }
}
