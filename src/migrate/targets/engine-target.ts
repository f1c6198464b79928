import { toUtf8 } from '../../base/bytes.ts'
import { chunksOf } from '../../base/groups.ts'
import type { SearchableDestination } from '../../vectorize/destinations/destination.ts'
import { checkRecord, fingerprint, type MovedRecord } from '../record.ts'
import type { RecordTarget, TargetShape } from '../target.ts'

const atOnce = 16
/** Of vectors of which nobody says what made them. */
const unknownModel = 'unknown'

/** Qdrant, OpenSearch, pgvector, as vectorizers fill them: a record is a document of one chunk, and its id the document's path. */
export class EngineTarget implements RecordTarget {
  readonly title: string
  readonly #destination: SearchableDestination

  /** @param title Tells it from all others: the name of a destination has no host in it. */
  constructor(destination: SearchableDestination, title: string = destination.name) {
    this.#destination = destination
    this.title = title
  }

  /** Engines tell dimension and model when they are prepared. */
  describe(): Promise<TargetShape | null> {
    return Promise.resolve(null)
  }

  async create({ dimension, model }: { dimension: number; model: string | null }): Promise<void> {
    await this.#destination.prepare({ dimension, model: model ?? unknownModel })
  }

  check(record: MovedRecord): string | null {
    return checkRecord(record)
  }

  fingerprintOf(record: MovedRecord): string {
    return fingerprint(record)
  }

  async fingerprints(keys: readonly string[]): Promise<(string | null)[]> {
    return this.#eachOf(keys, async (key) => (await this.#destination.find(key))?.sha256 ?? null)
  }

  async put(records: readonly MovedRecord[]): Promise<void> {
    await this.#eachOf(records, async (record) => {
      const { key, vector, metadata, document = '' } = record
      const sha256 = fingerprint(record)
      const writer = await this.#destination.begin({ path: key, sha256, sizeBytes: toUtf8(document).length, format: 'record', metadata }, null)
      try {
        await writer.write([{ chunk: { index: 0, headingPath: [], text: document, embeddingText: document, tokenCount: 0 }, text: document, hash: sha256, vector }])
        await writer.commit()
      } catch (error) {
        await writer.abort().catch(() => undefined)
        throw error
      }
    })
  }

  async remove(records: readonly (readonly [key: string, fingerprint: string])[]): Promise<number> {
    const removed = await this.#eachOf(records, async ([key, expected]) => {
      const held = await this.#destination.find(key)
      if (held?.sha256 !== expected) return false
      await this.#destination.remove(key, held.reference)
      return true
    })
    return removed.filter((each) => each).length
  }

  /** Tables and collections of other engines are left to their owners. */
  dropIfEmpty(): Promise<boolean> {
    return Promise.resolve(false)
  }

  async nearest(vector: Float32Array, k: number): Promise<string[]> {
    return (await this.#destination.search({ vector, k })).map(({ path }) => path)
  }

  async close(): Promise<void> {
    await this.#destination.close?.()
  }

  async #eachOf<Item, Value>(items: readonly Item[], task: (item: Item) => Promise<Value>): Promise<Value[]> {
    const values: Value[] = []
    for (const part of chunksOf(items, atOnce)) values.push(...(await Promise.all(part.map(task))))
    return values
  }
}
