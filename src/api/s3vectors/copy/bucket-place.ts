import type { Clock } from '../../../base/clock.ts'
import { isWindlassError, WindlassError } from '../../../base/errors.ts'
import type { Bucket, Collection, CollectionReader, CollectionSchema, JsonValue, RowView } from '../../../library/types.ts'
import { indexOf } from '../names.ts'
import { settingsOf, textFieldsOf, type IndexSettings } from '../vector-index.ts'
import type { CopiedRecord, IndexPlace, IndexShape, KeptSettings, Segment } from './index-place.ts'

const pageRows = 500

/** A collection of a bucket of ours. As a source it is read as it was when it was first described, whatever is written meanwhile. */
export class BucketPlace implements IndexPlace {
  readonly title: string
  readonly keepsDocuments = true
  /** One list reads as fast as several: pages come from the same segments. */
  readonly segmentsMax = 1
  readonly #bucket: Bucket
  readonly #name: string
  readonly #clock: Clock
  readonly #isSource: boolean
  #reader: Promise<CollectionReader> | null = null
  /** Of a collection that was made here: what made the vectors that come. */
  #embeddingModel: string | null = null

  constructor(bucket: Bucket, name: string, { clock, isSource }: { clock: Clock; isSource: boolean }) {
    this.#bucket = bucket
    this.#name = name
    this.#clock = clock
    this.#isSource = isSource
    this.title = `${bucket.url}#${name}`
  }

  async describe(): Promise<IndexShape | null> {
    try {
      const collection = await this.#collection()
      const { schema } = await collection.stats()
      const { dimension, metric, nonFilterableKeys } = schema
      if (dimension === null) throw new WindlassError('invalid', `${this.title} holds no vectors yet: put some first, or remove it with windlass rm ${this.#name}`, { path: 'collection' })
      return { dimension, metric, nonFilterableKeys, textSearch: settingsOf(collection, schema).textSearch, kept: await this.#kept(schema) }
    } catch (error) {
      if (isWindlassError(error, 'not-found')) return null
      throw error
    }
  }

  async create({ dimension, metric, nonFilterableKeys, textSearch, kept }: IndexShape): Promise<void> {
    const index = indexOf(this.#name)
    if (index) {
      await this.#bucket.namespaces.create(`s3vectors/${index.bucket}`, kept?.vectorBucket ?? {}).catch((error: unknown) => {
        if (!isWindlassError(error, 'conflict')) throw error
      })
    }
    const settings: IndexSettings = { createdAt: this.#clock.now(), encryption: { sseType: 'AES256' }, mode: 'ENHANCED', tags: {}, textSearch }
    const custom = { ...(index && { s3vectors: settings as unknown as JsonValue }), ...kept?.custom }
    await this.#bucket.createCollection(this.#name, { dimension, metric, nonFilterableKeys, textFields: kept?.textFields ?? textFieldsOf(textSearch), custom })
    this.#embeddingModel = kept?.embeddingModel ?? null
  }

  async count(): Promise<number> {
    return (await this.#read()).count()
  }

  async *list(_: Segment, include: 'keys' | 'records'): AsyncIterable<readonly CopiedRecord[]> {
    const reader = await this.#read()
    const whole = include === 'records'
    for (let after: string | undefined; ; ) {
      const { rows, next } = await reader.list({ limit: pageRows, include: { vector: whole, metadata: whole, document: whole }, ...(after !== undefined && { after }) })
      yield rows.map(toRecord)
      if (next === undefined) return
      after = next
    }
  }

  async get(keys: readonly string[]): Promise<CopiedRecord[]> {
    const rows = await (await this.#read()).get(keys)
    return rows.flatMap((row) => (row ? [toRecord(row)] : []))
  }

  async put(records: readonly CopiedRecord[]): Promise<void> {
    if (this.#embeddingModel === null) await (await this.#collection()).put(records)
    else await (await this.#bucket.identifyCollection(this.#name)).write({ operations: records.map((row) => ({ op: 'put', row })), embeddingModel: this.#embeddingModel })
  }

  async query(vector: Float32Array, k: number): Promise<string[]> {
    const { matches } = await (await this.#read()).query({ vector, k })
    return matches.map(({ key }) => key)
  }

  async close(): Promise<void> {
    await this.#bucket.close()
  }

  async #kept({ textFields, custom, embeddingModel }: CollectionSchema): Promise<KeptSettings> {
    const index = indexOf(this.#name)
    const namespace = index && (await this.#bucket.namespaces.find(`s3vectors/${index.bucket}`))
    // An analyzer is a language and a version of ours.
    const fields = textFields.map(({ field, analyzer }) => ({ field, language: analyzer.slice(0, analyzer.lastIndexOf('-')) }))
    return { textFields: fields, custom, embeddingModel, ...(namespace && { vectorBucket: namespace.value }) }
  }

  #collection(): Promise<Collection> {
    return this.#bucket.collection(this.#name)
  }

  /** A destination is read as it is now, a source as it was at one place in its log. */
  async #read(): Promise<CollectionReader> {
    if (!this.#isSource) return this.#collection()
    const open = async () => {
      const collection = await this.#collection()
      return collection.openPast({ seq: (await collection.stats()).logSequence })
    }
    return (this.#reader ??= open())
  }
}

function toRecord({ key, vector = null, metadata = {}, document }: RowView): CopiedRecord {
  return { key, vector, metadata, ...(typeof document === 'string' && { document }) }
}
