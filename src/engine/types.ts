import type { CollectionSchema } from '../format/manifest.ts'
import type { Metadata, Space, Stamp } from '../format/record.ts'
import type { Filter } from './query/filter.ts'

/** How fresh a read must be. `strong`: sees every write acknowledged, by any process, before it began. */
export type Consistency = 'strong' | 'eventual'

/** What a reader gets of a row; parts that were not asked for are absent. */
export interface RowView {
  readonly key: string
  /** Changes with every write of the row, and when another collection takes the place of this one: what a condition compares. Opaque. */
  readonly version: string
  readonly vector?: Float32Array | null
  readonly metadata?: Metadata
  readonly document?: string | null
}

/** Which parts of a row a read returns besides its key and version. */
export interface Include {
  readonly vector?: boolean
  readonly metadata?: boolean
  readonly document?: boolean
}

/** One row to write. A put replaces the whole row. */
export interface RowInput {
  readonly key: string
  readonly vector?: Float32Array | readonly number[] | null
  readonly metadata?: Metadata
  readonly document?: string | null
}

export type Operation =
  | { readonly op: 'put'; readonly row: RowInput; readonly space?: Space; readonly ifAbsent?: boolean }
  /** Merges `metadata` into the row's (null removes a key); leaves out what is undefined; an absent row is skipped. */
  | { readonly op: 'patch'; readonly key: string; readonly space?: Space; readonly metadata?: Metadata; readonly vector?: Float32Array; readonly document?: string | null }
  | { readonly op: 'delete'; readonly key: string; readonly space?: Space }
  | { readonly op: 'delete-where'; readonly filter: Filter; readonly space?: Space }

/** Holds when the row is at `version`, or absent where `version` is null. It may name a row the batch does not write. */
export interface Condition {
  readonly key: string
  readonly space?: Space
  readonly version: string | null
}

/** All or nothing: one place in the log. */
export interface Batch {
  readonly operations: readonly Operation[]
  readonly conditions?: readonly Condition[]
  /** What made the vectors. The first such batch names it for the collection; another name is refused. */
  readonly embeddingModel?: string
  /** What changes of the schema, given what it is at the batch's place in the log. */
  readonly schema?: (schema: CollectionSchema) => Partial<Pick<CollectionSchema, 'custom' | 'textFields' | 'nonFilterableKeys'>>
}

export interface WriteResult {
  /** Log sequence number of the commit. */
  readonly seq: number
  readonly putCount: number
  readonly deletedCount: number
  /** Puts with `ifAbsent` whose key was there, patches of absent rows. */
  readonly skippedCount: number
}

export interface ReadOptions {
  readonly consistency?: Consistency
  readonly signal?: AbortSignal
}

export interface ListOptions extends ReadOptions {
  readonly limit?: number
  /** From the last page's `next`. */
  readonly after?: string
  readonly filter?: Filter
  readonly space?: Space
  readonly include?: Include
}

/** Rows in the order they were first inserted. `next` is absent on the last page. */
export interface ListPage {
  readonly rows: readonly RowView[]
  readonly next?: string
}

/** How the vector and the text leg become one order. */
export type Fusion =
  | { readonly method: 'convex'; readonly vectorWeight?: number }
  | { readonly method: 'reciprocal-rank'; readonly k?: number }

export interface QueryOptions extends ReadOptions {
  /** Nearest rows by the collection's metric. */
  readonly vector?: Float32Array | readonly number[]
  /** BM25 over `field` (default `document`). With `vector`: hybrid. */
  readonly text?: string
  readonly field?: string
  /** Results wanted; default 10. */
  readonly k?: number
  readonly filter?: Filter
  readonly fusion?: Fusion
  readonly include?: Include
  /** Share of the true nearest rows that a vector search should find, 0.5 to 1; 1: every vector is scored. Default 0.95. Collections of a few thousand rows are always searched exactly. */
  readonly recall?: number
  /** Clusters to probe in each segment, for experts; overrides what `recall` comes to. */
  readonly probes?: number
}

export interface Match extends RowView {
  /** Higher is better: BM25 alone, the fused score, or minus the distance. */
  readonly score: number
  /** By the metric: cosine 1 - cos; dot -dot; euclidean not squared. Absent when the query had no vector. */
  readonly distance?: number
  /** BM25, where the query had text and the row matches it. */
  readonly textScore?: number
}

export interface QueryResult {
  readonly matches: readonly Match[]
  readonly stats: QueryStats
}

/** What a query did. Requests, bytes and round trips are those for vectors; a query that finds all in memory makes none. */
export interface QueryStats {
  /** Rows that the answer was chosen from: those the filter keeps. */
  readonly rowsMatching: number
  /** Rows scored: by their 1-bit codes in indexed segments, else exactly. */
  readonly rowsScored: number
  readonly clustersProbed: number
  /** Rows scored again by 8-bit codes. */
  readonly candidates: number
  readonly requests: number
  readonly bytesRead: number
  readonly roundTrips: number
}

export interface CollectionStats {
  readonly name: string
  readonly id: string
  readonly schema: CollectionSchema
  readonly recordCount: number
  readonly documentCount: number
  readonly segmentCount: number
  readonly sizeBytes: number
  readonly manifestVersion: number
  readonly logSequence: number
  /** Commits, and their bytes, that no segment holds yet. */
  readonly unflushedCommits: number
  readonly unflushedBytes: number
}

/** Of the 80 random bits of a collection id that we make, 40 tell it from any other that ever had its name. */
const incarnationLength = 8

/**
 * The version of a row that was last written at `changed` of the log of `collectionId`. It names the log: another that took its place, by a
 * restore or after a drop, has commits of the same numbers (docs/protocol.md, B6).
 */
export function versionOf(collectionId: string, changed: Stamp): string {
  return `${collectionId.slice(-incarnationLength)}.${changed.seq}.${changed.ordinal}`
}
