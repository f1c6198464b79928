/** Half-open byte range `[start, end)`, or the last `suffix` bytes. A range past the end is cut to the object. */
export type ByteRange = { readonly start: number; readonly end: number } | { readonly suffix: number }

/** A precondition that the store checks atomically with the write. */
export type PutCondition = { readonly ifAbsent: true } | { readonly ifMatch: string }

/** An object, or the range of it that was asked for. */
export interface StoredObject {
  readonly kind: 'found'
  readonly bytes: Uint8Array
  /** Opaque version token; changes whenever the bytes change. */
  readonly etag: string
  /** Size of the whole object in bytes, even for a range read. */
  readonly size: number
  /** When the store last wrote it, by the store's own clock: milliseconds since 1970. */
  readonly lastModified: number | undefined
  /** The store's own clock when it answered (`Date` header), or undefined where it has none. */
  readonly date: number | undefined
}

/** What a read answers. Absence and "unchanged" are answers, not errors. */
export type GetResult =
  | StoredObject
  | { readonly kind: 'absent'; readonly date: number | undefined }
  | { readonly kind: 'unchanged'; readonly date: number | undefined }

export interface GetOptions {
  readonly range?: ByteRange
  /** Answers `unchanged` when the object still has this etag. */
  readonly ifNoneMatch?: string
  readonly signal?: AbortSignal
  /** Past every cache and coalescer: set for the manifest and the log, whose freshness is the promise. */
  readonly fresh?: boolean
}

export interface PutResult {
  readonly etag: string
  readonly date: number | undefined
}

export interface ListedObject {
  readonly key: string
  readonly size: number
  /** The etag that a read of it would answer; absent where a listing does not tell. */
  readonly etag?: string
  readonly lastModified: number | undefined
}

export interface PutOptions {
  readonly condition?: PutCondition
  readonly contentType?: string
  readonly signal?: AbortSignal
}

export interface ListOptions {
  /** Only keys that come after this one; it need not exist. */
  readonly startAfter?: string
  readonly signal?: AbortSignal
}

/**
 * Bytes under string keys: all that the engine asks of the world.
 *
 * Keys are 1 to 1,024 UTF-8 bytes, `/`-separated, without empty, `.` or `..` parts and without
 * control characters; no key is a folder of another.
 * Every method throws `WindlassError`s that name bucket, key and operation: `denied`, `not-found` (the bucket),
 * `unavailable` (throttled, timed out, network), `storage-full`, `invalid`, `cancelled`.
 * Each implementation passes `testing/store-conformance.ts`; a new promise starts there, then comes here.
 */
export interface ObjectStore {
  /** How errors and people name the place: `s3://bucket/prefix`, `file:/path`, `memory:`. Never holds a secret. */
  readonly url: string

  /** Reads an object, or `range` of it. */
  get(key: string, options?: GetOptions): Promise<GetResult>

  /** Size, etag and time of an object without its bytes; `null` when absent. */
  head(key: string, options?: { signal?: AbortSignal }): Promise<Omit<StoredObject, 'bytes' | 'kind'> | null>

  /**
   * Writes the whole object at once: readers see the old bytes or the new, never a mix. Durable when it resolves.
   *
   * One attempt only when `condition` is given: a repeated conditional put could meet its own success.
   * @throws {WindlassError} `conflict` when `condition` does not hold. The put may still have been ours (an answer
   *   lost on the way): a caller that must know reads the object and looks for its own nonce.
   * @throws {WindlassError} `outcome-unknown` when no answer came: it may be written or not.
   */
  put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<PutResult>

  /** Yields objects whose keys start with `prefix`, in UTF-8 byte order of the keys, after `startAfter`. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject>

  /** Removes `keys`. An absent key is not an error. */
  delete(keys: readonly string[], options?: { signal?: AbortSignal }): Promise<void>

  /**
   * Writes an object of any size from a stream with bounded memory (multipart on S3), unconditionally.
   * Absent until complete. Not every store has it.
   */
  upload?(key: string, chunks: AsyncIterable<Uint8Array>, options?: { contentType?: string; signal?: AbortSignal }): Promise<PutResult>

  /** A URL that allows one `GET` or `PUT` of `key` until it expires. Not every store has it. */
  presign?(key: string, options: { method: 'GET' | 'PUT'; expiresInSeconds: number; contentType?: string }): Promise<string>

  /**
   * Where the bytes really are, once the store has answered something: endpoint, bucket and what the server calls itself, so that a
   * copy of a bucket can be told from the bucket. The URL where a store has nothing better.
   */
  place?(): string

  /** Releases sockets and handles. The store is not used afterwards. */
  close?(): Promise<void>
}
