import type { Problem, SourceItem } from './record.ts'

/** Where a source has been read to; JSON, understood by the source alone. */
export type Position = Readonly<Record<string, string | number | boolean | null>>

/** A record, or what could not be read, and how to read on behind it. */
export type PlacedItem = SourceItem & { readonly position: Position; /** For people: where a record was found. */ readonly where?: string }

/** Vectors somewhere else, to be read and never written. */
export interface RecordSource {
  /** For people, without secrets. */
  readonly title: string
  /** What is known before reading. */
  describe(): Promise<SourceShape>
  /** In one order, always the same while nobody writes there, so that a killed run can be continued. */
  read(after: Position | null): AsyncIterable<PlacedItem>
  close(): Promise<void>
}

export interface SourceShape {
  readonly metric: 'cosine' | 'euclidean' | 'dot'
  readonly dimension: number | null
  /** Records, where the source tells. */
  readonly count: number | null
}

export type { Problem, SourceItem }
