import { errorPolicies, WindlassError, isWindlassError, type ErrorKind } from '../base/errors.ts'

/** What a failed request is answered with, whichever door. */
export interface ErrorAnswer {
  readonly status: number
  readonly kind: ErrorKind | 'internal' | 'not-allowed'
  readonly message: string
  readonly path?: string
  readonly retryAfterSeconds?: number
}

/** The answer to an error; what we did not foresee is told to the log, not to the caller. */
export function answerOf(error: unknown): ErrorAnswer {
  if (!isWindlassError(error)) {
    return { status: 500, kind: 'internal', message: 'internal error: the log of the server has it under this request id' }
  }
  const { httpStatus, retry } = errorPolicies[error.kind]
  const { path, retryAfterMs } = error.details
  return {
    status: httpStatus,
    kind: error.kind,
    message: error.message,
    ...(path !== undefined && { path }),
    ...((retry || retryAfterMs !== undefined) && { retryAfterSeconds: Math.max(1, Math.ceil((retryAfterMs ?? 1000) / 1000)) }),
  }
}

/** Where the documentation that the server gives out explains a kind of error. */
export function helpUrl(kind: ErrorAnswer['kind']): string {
  return `/docs/errors.html#${kind}`
}

/** The bucket failed, not the request: what a caller did may be worth trying again elsewhere. */
export function isServerFault({ status }: ErrorAnswer): boolean {
  return status >= 500
}

/** An error for a path that no door has. */
export function noSuchRoute(method: string, path: string): WindlassError {
  return new WindlassError('not-found', `${method} ${path.slice(0, 200)} is not a route of this server: see /openapi.json`)
}
