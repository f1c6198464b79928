import type { Bucket, JsonValue } from '../../../library/types.ts'
import { writeInBatches } from '../batches.ts'
import { collectionOf } from '../names.ts'
import { addOperation, sizeOf } from '../records.ts'
import { metricOf } from '../settings.ts'
import type { ChromaSource, SourceCollection } from './source.ts'

/** What came of one collection. */
export interface CopiedCollection {
  /** Its name in the bucket. */
  readonly name: string
  readonly recordCount: number
}

/**
 * Brings every collection of an existing Chroma into the bucket: ids, embeddings, documents, metadata, URIs, distance, settings. Records
 * that are there stay, so a copy that was interrupted goes on when it is started again.
 * @param options.only Name of the one collection wanted.
 */
export async function copyCollections(source: ChromaSource, bucket: Bucket, options: { only?: string; onProgress?: (collection: string, recordCount: number) => void } = {}): Promise<CopiedCollection[]> {
  const copied: CopiedCollection[] = []
  for await (const collection of source.collections()) {
    if (options.only !== undefined && collection.name !== options.only) continue
    copied.push(await copyOne(source, collection, bucket, options.onProgress))
  }
  return copied
}

async function copyOne(source: ChromaSource, from: SourceCollection, bucket: Bucket, onProgress?: (collection: string, recordCount: number) => void): Promise<CopiedCollection> {
  const name = collectionOf(from, from.name)
  const { id } = await bucket.getOrCreateCollection(name, { metric: metricOf[from.settings.space], custom: { chroma: from.settings as unknown as JsonValue } })
  const to = await bucket.collectionById(id)
  let recordCount = 0
  for await (const records of source.records(from)) {
    await writeInBatches(to, records.map((record) => ({ operations: [addOperation(record)], sizeBytes: sizeOf(record) })))
    recordCount += records.length
    onProgress?.(name, recordCount)
  }
  return { name, recordCount }
}
