/** What the caller can do about a failure. Add a kind only when callers would act differently. */
export type ErrorKind =
  | 'invalid' // fix the argument, the file or the configuration
  | 'too-large' // over a stated limit: send less
  | 'unauthenticated' // send a valid key
  | 'denied' // the credentials are known but may not do this
  | 'not-found' // create it first, or treat it as absent
  | 'conflict' // a condition did not hold, or the name is taken; reload and try again
  | 'expired' // the view, token or handle is too old; start again
  | 'unavailable' // retry later; the operation had no effect, or is safe to repeat
  | 'storage-full' // free space, then retry
  | 'outcome-unknown' // it may or may not have happened; read before repeating
  | 'corrupt' // stored bytes fail a checksum or a format rule; restore them
  | 'unsupported' // this store, format version or platform cannot do it
  | 'missing-dependency' // install `details.package`
  | 'cancelled' // the caller's signal asked for it

/** Facts a program may read. The message is for people and may change in any release. */
export interface ErrorDetails {
  readonly bucket?: string
  readonly key?: string
  readonly operation?: string
  readonly package?: string
  /** Which argument, field or setting is at fault, as a dotted path. */
  readonly path?: string
  readonly retryAfterMs?: number
  /** HTTP status that the store answered, where there was one. */
  readonly status?: number
}

interface ErrorPolicy {
  readonly httpStatus: number
  readonly exitCode: number
  /** Repeating the same call later can succeed, and is safe. */
  readonly retry: boolean
}

/** The one table from kind to HTTP status, process exit code and whether to retry. */
export const errorPolicies: Readonly<Record<ErrorKind, ErrorPolicy>> = {
  invalid: { httpStatus: 400, exitCode: 2, retry: false },
  'too-large': { httpStatus: 413, exitCode: 2, retry: false },
  unauthenticated: { httpStatus: 401, exitCode: 3, retry: false },
  denied: { httpStatus: 403, exitCode: 3, retry: false },
  'not-found': { httpStatus: 404, exitCode: 4, retry: false },
  conflict: { httpStatus: 409, exitCode: 5, retry: false },
  expired: { httpStatus: 410, exitCode: 5, retry: false },
  unavailable: { httpStatus: 503, exitCode: 6, retry: true },
  'storage-full': { httpStatus: 507, exitCode: 6, retry: true },
  'outcome-unknown': { httpStatus: 500, exitCode: 7, retry: false },
  corrupt: { httpStatus: 500, exitCode: 8, retry: false },
  unsupported: { httpStatus: 501, exitCode: 9, retry: false },
  'missing-dependency': { httpStatus: 501, exitCode: 9, retry: false },
  cancelled: { httpStatus: 499, exitCode: 130, retry: false },
}

// Registered, so that two installed copies of the package recognize each other's errors.
const marker = Symbol.for('windlass.error')

/** Every failure this package throws on purpose. */
export class WindlassError extends Error {
  override readonly name = 'WindlassError'
  readonly [marker] = true
  readonly kind: ErrorKind
  readonly details: ErrorDetails

  constructor(kind: ErrorKind, message: string, options: ErrorDetails & { cause?: unknown } = {}) {
    const { cause, ...details } = options
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
    this.details = details
  }
}

/** Narrows to our errors, and to one of `kinds` if given. Works across two installed copies. */
export function isWindlassError(error: unknown, ...kinds: ErrorKind[]): error is WindlassError {
  if (!(error instanceof Error) || !(marker in error)) return false
  return kinds.length === 0 || kinds.includes((error as WindlassError).kind)
}

/** The message of anything thrown, for a report line. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** @throws {WindlassError} `cancelled` when `signal` has been aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new WindlassError('cancelled', 'cancelled by the caller', { cause: signal.reason })
}
