import type { Metadata } from '../../../format/record.ts'
import type { JsonValue, Namespace, TextFieldOptions } from '../../../library/types.ts'
import type { TextSearch } from '../vector-index.ts'

/** A record on its way. `document` is a text of its own that only our buckets have a place for. */
export interface CopiedRecord {
  readonly key: string
  /** Null for a record of ours that has only text. */
  readonly vector: Float32Array | null
  readonly metadata: Metadata
  readonly document?: string
}

/** What must be alike for records to move. */
export interface IndexShape {
  readonly dimension: number
  readonly metric: 'cosine' | 'euclidean' | 'dot'
  readonly nonFilterableKeys: readonly string[]
  readonly textSearch: readonly TextSearch[]
  /** All that a collection of ours keeps besides: told by our buckets, taken by our buckets, and nothing to an S3 Vectors endpoint. */
  readonly kept?: KeptSettings
}

/** Settings that go along from one bucket of ours to another. */
export interface KeptSettings {
  readonly textFields: readonly TextFieldOptions[]
  /** What doors keep: mode, tags and encryption of an index, settings of a Chroma collection. */
  readonly custom: Readonly<Record<string, JsonValue>>
  /** What made the vectors; null where nobody said. */
  readonly embeddingModel: string | null
  /** Of the vector bucket that the index is in: its tags, policy and encryption. */
  readonly vectorBucket?: Namespace['value']
}

/** Where an index is, or will be: a collection in a bucket of ours, or an index behind an S3 Vectors endpoint. */
export interface IndexPlace {
  /** For people. */
  readonly title: string
  /** Whether records may have no vector, and a document besides their metadata. */
  readonly keepsDocuments: boolean
  /** How many lists of it may run side by side. */
  readonly segmentsMax: number
  /** Null where there is no such index yet. */
  describe(): Promise<IndexShape | null>
  /** Makes the index, and what it lies in where that is missing. */
  create(shape: IndexShape): Promise<void>
  /** Records in it, where that can be had without listing them. */
  count(): Promise<number | null>
  /** Pages of one segment, in no promised order; every record is in one segment once. */
  list(segment: Segment, include: 'keys' | 'records'): AsyncIterable<readonly CopiedRecord[]>
  /** Records of `keys` in any order; absent ones are left out. */
  get(keys: readonly string[]): Promise<CopiedRecord[]>
  /** Upserts. At most `putMax` records. */
  put(records: readonly CopiedRecord[]): Promise<void>
  /** Keys of the `k` nearest. */
  query(vector: Float32Array, k: number): Promise<string[]>
  close(): Promise<void>
}

/** One of `count` parallel lists. */
export interface Segment {
  readonly index: number
  readonly count: number
}

/** Records of one put: the service's limit. */
export const putMax = 500

/** Bytes of one put: below the service's 20 MiB and our commit's 16 MiB. */
const putBytesMax = 12 * 1024 * 1024

/** Cuts `records` into puts by count and by an estimate of their size as JSON. */
export function* splitForPut(records: readonly CopiedRecord[]): Iterable<CopiedRecord[]> {
  let batch: CopiedRecord[] = []
  let bytes = 0
  for (const record of records) {
    const size = sizeOf(record)
    if (batch.length === putMax || (batch.length > 0 && bytes + size > putBytesMax)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(record)
    bytes += size
  }
  if (batch.length > 0) yield batch
}

/** A float32 takes at most 15 characters of JSON: sign, point, nine digits, exponent, comma. A character takes at most three bytes. */
function sizeOf({ key, vector, metadata, document = '' }: CopiedRecord): number {
  const metadataLength = JSON.stringify(metadata, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)).length
  return 15 * (vector?.length ?? 0) + 3 * (key.length + metadataLength + document.length)
}
