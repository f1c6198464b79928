import type { Metadata } from '../../format/record.ts'

/** A document as its source lists it, before it is read. */
export interface SourceEntry {
  /** Its identity in the source: the key or path below the root, with `/` between; or a URL. Unique in a listing. */
  readonly path: string
  readonly sizeBytes?: number
  /** Differs whenever the content does (ETag, blob id, size and time); absent where only reading tells. */
  readonly revision?: string
  readonly contentType?: string
  /** Becomes metadata of every chunk. */
  readonly metadata?: Metadata
}

/** What a source holds, in no promised order; or what changed since a cursor. */
export type SourceListing =
  | { readonly kind: 'everything'; readonly entries: AsyncIterable<SourceEntry>; cursor(): string | undefined }
  /** `deleted` may be read only after `entries` is done. */
  | { readonly kind: 'changes'; readonly entries: AsyncIterable<SourceEntry>; readonly deleted: AsyncIterable<string>; cursor(): string }

/** A document's content as of one moment. */
export type SourceContent =
  | { readonly kind: 'unchanged' }
  | {
      readonly kind: 'found'
      /** Of these very bytes. */
      readonly revision?: string
      readonly sizeBytes?: number
      readonly contentType?: string
      /** Where only reading tells it; goes before the entry's. A change of it alone is a change of the document. */
      readonly metadata?: Metadata
      /** Goes before the one that the content has. */
      readonly title?: string
      /** From the start each time it is called. @throws {WindlassError} `conflict` when it is replaced while it is read. */
      bytes(): AsyncIterable<Uint8Array>
    }

/** Where documents come from. Reads only: credentials that may not write suffice. */
export interface Source {
  /** For people and error messages: `s3://bucket/prefix`, `folder ./docs`. */
  readonly description: string
  /**
   * @param options.since A cursor of an earlier listing, kept by the caller once everything of it is done. A source that cannot tell
   * what changed since lists everything.
   * @throws {WindlassError} `not-found` when the root is not there: never an empty listing, which would delete everything.
   */
  list(options?: { since?: string; signal?: AbortSignal }): Promise<SourceListing>
  /**
   * @param options.knownRevision Answered with `unchanged` where the source can tell without sending the content.
   * @throws {WindlassError} `not-found` when it is gone, `denied`, `unavailable` …: about this document only.
   */
  read(entry: SourceEntry, options?: { knownRevision?: string; signal?: AbortSignal }): Promise<SourceContent>
  /**
   * The path under which a listing would have an object that somebody else names; null where none would. Absent: the source is no bucket.
   */
  locate?(object: { readonly bucket: string; readonly key: string }): Promise<string | null>
  close?(): Promise<void>
}
