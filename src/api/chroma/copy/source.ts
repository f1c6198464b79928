import type { RecordInput } from '../records.ts'
import type { ChromaSettings } from '../settings.ts'
import type { Place } from '../names.ts'

/** A collection of an existing Chroma, without its records. */
export interface SourceCollection extends Place {
  readonly id: string
  readonly name: string
  readonly settings: ChromaSettings
}

/** An existing Chroma to read from. */
export interface ChromaSource {
  collections(): AsyncIterable<SourceCollection>
  /** Every record of a collection, in the order of their insertion as far as the source keeps it. */
  records(collection: SourceCollection): AsyncIterable<readonly RecordInput[]>
  close(): Promise<void>
}
