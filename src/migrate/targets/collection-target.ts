import { isWindlassError } from '../../base/errors.ts'
import type { IdentifiedCollection } from '../../library/identified-collection.ts'
import type { Bucket, Collection, RowView } from '../../library/types.ts'
import { checkRecord, fingerprint, type MovedRecord } from '../record.ts'
import type { RecordTarget, TargetShape } from '../target.ts'

/** A collection of ours: ids, vectors, metadata and texts as they were; texts are found by their words too. */
export class CollectionTarget implements RecordTarget {
  readonly title: string
  readonly #bucket: Bucket
  readonly #name: string
  readonly #nonFilterableKeys: readonly string[]

  constructor(bucket: Bucket, name: string, { nonFilterableKeys = [] }: { nonFilterableKeys?: readonly string[] } = {}) {
    this.#bucket = bucket
    this.#name = name
    this.#nonFilterableKeys = nonFilterableKeys
    this.title = `${bucket.url}#${name}`
  }

  async describe(): Promise<TargetShape | null> {
    try {
      const { schema } = await (await this.#collection()).stats()
      return { dimension: schema.dimension, metric: schema.metric, model: schema.embeddingModel }
    } catch (error) {
      if (isWindlassError(error, 'not-found')) return null
      throw error
    }
  }

  async create({ dimension, metric }: { dimension: number; metric: 'cosine' | 'euclidean' | 'dot' }): Promise<void> {
    await this.#bucket.getOrCreateCollection(this.#name, { dimension, metric, nonFilterableKeys: this.#nonFilterableKeys })
  }

  check(record: MovedRecord): string | null {
    return checkRecord(record)
  }

  fingerprintOf(record: MovedRecord): string {
    return fingerprint(record)
  }

  async fingerprints(keys: readonly string[]): Promise<(string | null)[]> {
    return (await (await this.#collection()).get(keys)).map((row) => row && fingerprintOfRow(row))
  }

  async put(records: readonly MovedRecord[], model: string | null): Promise<void> {
    const operations = records.map(({ key, vector, metadata, document = null }) => ({ op: 'put' as const, row: { key, vector, metadata, document }, ifAbsent: true }))
    await (await this.#identified()).write({ operations, ...(model !== null && { embeddingModel: model }) })
  }

  async remove(records: readonly (readonly [key: string, fingerprint: string])[]): Promise<number> {
    for (;;) {
      const rows = await (await this.#collection()).get(records.map(([key]) => key))
      const ours = rows.flatMap((row, i) => (row && fingerprintOfRow(row) === records[i]![1] ? [row] : []))
      if (ours.length === 0) return 0
      try {
        const operations = ours.map(({ key }) => ({ op: 'delete' as const, key }))
        // What somebody changes in this moment is theirs.
        await (await this.#identified()).write({ operations, conditions: ours.map(({ key, version }) => ({ key, version })) })
        return ours.length
      } catch (error) {
        if (!isWindlassError(error, 'conflict')) throw error
      }
    }
  }

  async dropIfEmpty(): Promise<boolean> {
    if ((await this.describe()) === null) return false
    const { recordCount, documentCount } = await (await this.#collection()).stats()
    if (recordCount > 0 || documentCount > 0) return false
    await this.#bucket.dropCollection(this.#name)
    return true
  }

  async nearest(vector: Float32Array, k: number): Promise<string[]> {
    const { matches } = await (await this.#collection()).query({ vector, k })
    return matches.map(({ key }) => key)
  }

  async close(): Promise<void> {}

  #collection(): Promise<Collection> {
    return this.#bucket.collection(this.#name)
  }

  #identified(): Promise<IdentifiedCollection> {
    return this.#bucket.identifyCollection(this.#name)
  }
}

function fingerprintOfRow({ vector, metadata = {}, document }: RowView): string {
  return fingerprint({ vector: vector ?? new Float32Array(0), metadata, ...(typeof document === 'string' && { document }) })
}
