import type { MovedRecord } from './record.ts'

/** What a destination is, before anything is written. */
export interface TargetShape {
  /** Null before the first vector. */
  readonly dimension: number | null
  readonly metric: 'cosine' | 'euclidean' | 'dot'
  /** What made its vectors, where it is known. */
  readonly model: string | null
}

/** Where records go, one by one under their own ids: a collection of ours, an index of S3 Vectors, another engine. */
export interface RecordTarget {
  readonly title: string
  /** Null where it is not there yet. */
  describe(): Promise<TargetShape | null>
  /** Makes it where it is not there; called before the first write of every run. */
  create(shape: { dimension: number; metric: 'cosine' | 'euclidean' | 'dot'; model: string | null }): Promise<void>
  /** Why it cannot take a record; null where it can. */
  check(record: MovedRecord): string | null
  /** Fingerprints of what it holds, null where there is nothing. */
  fingerprints(keys: readonly string[]): Promise<(string | null)[]>
  /** The fingerprint that `record` will have there. */
  fingerprintOf(record: MovedRecord): string
  /**
   * Stores records that were absent. In a collection of ours one that somebody else put there meanwhile stays; S3 Vectors and other engines know no
   * condition, and what is put under the same id between the look and the put is replaced. @param model What made the vectors.
   */
  put(records: readonly MovedRecord[], model: string | null): Promise<void>
  /** Takes records away that still have their fingerprint. @returns how many had. */
  remove(records: readonly (readonly [key: string, fingerprint: string])[]): Promise<number>
  /** Takes the whole away, if nothing is in it. @returns whether it did. */
  dropIfEmpty(): Promise<boolean>
  /** Keys of the `k` nearest. */
  nearest(vector: Float32Array, k: number): Promise<string[]>
  close(): Promise<void>
}
