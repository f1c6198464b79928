import type { Metadata, MetadataValue } from '../../format/record.ts'
import { checkRecord, fingerprint, type MovedRecord } from '../record.ts'
import type { RecordTarget, TargetShape } from '../target.ts'

/** An index behind an S3 Vectors endpoint, all that is asked of one. */
export interface VectorIndex {
  readonly title: string
  describe(): Promise<{ readonly dimension: number; readonly metric: 'cosine' | 'euclidean' | 'dot' } | null>
  create(shape: { dimension: number; metric: 'cosine' | 'euclidean' | 'dot'; nonFilterableKeys: readonly string[]; textSearch: readonly [] }): Promise<void>
  get(keys: readonly string[]): Promise<{ readonly key: string; readonly vector: Float32Array | null; readonly metadata: Metadata }[]>
  put(records: readonly { key: string; vector: Float32Array; metadata: Metadata }[]): Promise<void>
  delete(keys: readonly string[]): Promise<void>
  list(segment: { index: number; count: number }, include: 'keys'): AsyncIterable<readonly unknown[]>
  query(vector: Float32Array, k: number): Promise<string[]>
  close(): Promise<void>
}

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-vectors-limitations.html, as of November 2026.
const metadataBytesMax = 40 * 1024
const filterableBytesMax = 2048
const metadataKeysMax = 50

/** An index of S3 Vectors, ours or AWS's. A text becomes metadata under `textKey`, which is made non-filterable. */
export class IndexTarget implements RecordTarget {
  readonly title: string
  readonly #index: VectorIndex
  readonly #textKey: string

  constructor(index: VectorIndex, { textKey = 'text' }: { textKey?: string } = {}) {
    this.#index = index
    this.#textKey = textKey
    this.title = index.title
  }

  async describe(): Promise<TargetShape | null> {
    const shape = await this.#index.describe()
    return shape && { dimension: shape.dimension, metric: shape.metric, model: null }
  }

  async create({ dimension, metric }: { dimension: number; metric: 'cosine' | 'euclidean' | 'dot' }): Promise<void> {
    if (!(await this.#index.describe())) await this.#index.create({ dimension, metric, nonFilterableKeys: [this.#textKey], textSearch: [] })
  }

  check(record: MovedRecord): string | null {
    const metadata = this.#metadataOf(record)
    const bytes = jsonBytes(metadata)
    const { [this.#textKey]: _, ...filterable } = metadata
    const keys = Object.keys(metadata).length
    if (bytes > metadataBytesMax) return `metadata and text have ${bytes} bytes, S3 Vectors takes ${metadataBytesMax}`
    if (jsonBytes(filterable) > filterableBytesMax) return `filterable metadata has ${jsonBytes(filterable)} bytes, S3 Vectors takes ${filterableBytesMax}`
    if (keys > metadataKeysMax) return `metadata has ${keys} keys, S3 Vectors takes ${metadataKeysMax}`
    if (record.vector.every((value) => value === 0)) return 'the vector is all zeros, which S3 Vectors refuses'
    return checkRecord(record)
  }

  fingerprintOf(record: MovedRecord): string {
    return fingerprint({ vector: record.vector, metadata: this.#metadataOf(record) })
  }

  async fingerprints(keys: readonly string[]): Promise<(string | null)[]> {
    const found = new Map((await this.#index.get(keys)).map((each) => [each.key, fingerprint({ vector: each.vector ?? new Float32Array(0), metadata: each.metadata })]))
    return keys.map((key) => found.get(key) ?? null)
  }

  async put(records: readonly MovedRecord[]): Promise<void> {
    await this.#index.put(records.map((record) => ({ key: record.key, vector: record.vector, metadata: this.#metadataOf(record) })))
  }

  async remove(records: readonly (readonly [key: string, fingerprint: string])[]): Promise<number> {
    const found = await this.fingerprints(records.map(([key]) => key))
    const ours = records.filter(([, expected], i) => found[i] === expected).map(([key]) => key)
    if (ours.length > 0) await this.#index.delete(ours)
    return ours.length
  }

  /** An index costs nothing while it is empty, and may have been declared elsewhere: it stays. */
  dropIfEmpty(): Promise<boolean> {
    return Promise.resolve(false)
  }

  nearest(vector: Float32Array, k: number): Promise<string[]> {
    return this.#index.query(vector, k)
  }

  close(): Promise<void> {
    return this.#index.close()
  }

  /** S3 Vectors keeps texts, numbers, booleans and lists of them; nothing and objects it does not: those become JSON. */
  #metadataOf({ metadata, document }: MovedRecord): Metadata {
    const entries = Object.entries(metadata).flatMap(([key, value]) => {
      const plain = toPlain(value)
      return plain === null ? [] : [[key, plain] as const]
    })
    return { ...Object.fromEntries(entries), ...(document !== undefined && { [this.#textKey]: document }) }
  }
}

function toPlain(value: MetadataValue): MetadataValue | null {
  if (value === null || (Array.isArray(value) && value.length === 0)) return null
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'object') return value
  const isPlainList = Array.isArray(value) && value.every((each) => ['string', 'number', 'boolean'].includes(typeof each))
  return isPlainList ? value : JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? Number(each) : each))
}

function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length
}
