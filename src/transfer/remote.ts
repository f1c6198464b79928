/** An object below the prefix that is transferred. */
export interface RemoteFile {
  /** Below the prefix, with `/` between. */
  readonly path: string
  readonly size: number
  /** MD5 of the content on most stores, see `etag.ts`; empty where a listing does not tell. */
  readonly etag: string
}

/** A file that is sent; read anew when a part is sent again. */
export interface Content {
  readonly size: number
  /**
   * Bytes [start, end).
   * @param into Where to put them, if it is large enough; what is returned is then a part of it.
   * @throws {WindlassError} `conflict` when it has become shorter.
   */
  read(start: number, end: number, into?: Buffer): Promise<Uint8Array>
}

export interface GetPiece {
  readonly range?: { readonly start: number; readonly end: number }
  readonly into?: Buffer
  readonly signal?: AbortSignal | undefined
}

/** Bytes of an object, and what it is now. */
export interface Piece {
  readonly bytes: Uint8Array
  readonly etag: string
  /** Of the whole object. */
  readonly size: number
}

/** The far end of a transfer: objects below one prefix. Calls are repeated inside as often as is safe and useful. */
export interface Remote {
  /** `s3://bucket/prefix`. */
  readonly url: string
  /** Whether content can be read to compare it without anybody paying for that. */
  readonly isLocal: boolean
  list(signal?: AbortSignal): AsyncIterable<RemoteFile>
  /** Writes an object, which is absent or as it was until all of it is there. Holds at most `partsAtOnce` parts in memory. */
  put(path: string, content: Content, contentType: string, signal?: AbortSignal): Promise<void>
  /**
   * Reads [start, end) of an object, all of it where there is no range.
   * @param options.into Where to put them, if it is large enough; the bytes may then be a part of it.
   * @returns null when there is none.
   */
  get(path: string, options?: GetPiece): Promise<Piece | null>
  delete(paths: readonly string[], signal?: AbortSignal): Promise<void>
  /** Requests sent so far, repeated ones included. */
  requests(): number
  close(): Promise<void>
}

/** Parts of one file on their way at once. */
export const partsAtOnce = 8

/** Part `number` begins at `(number - 1) * partBytesOf(size)`. As `aws s3` cuts: etags of both are the same. */
export function partBytesOf(size: number): number {
  // S3 takes 10,000 parts of at least 5 MiB.
  let partBytes = 8 * 1024 * 1024
  while (size / partBytes > 10_000) partBytes *= 2
  return partBytes
}
