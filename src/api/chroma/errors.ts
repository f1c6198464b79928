import { errorPolicies, isWindlassError, type ErrorKind } from '../../base/errors.ts'
import { answerOf } from '../error-response.ts'

/** An error as Chroma names it: clients in Python go by `error`, those in JavaScript by the status. */
export class ChromaError extends Error {
  override readonly name = 'ChromaError'
  readonly status: number
  readonly error: string
  readonly retryAfterSeconds: number | undefined

  constructor(status: number, error: string, message: string, retryAfterSeconds?: number) {
    super(message)
    this.status = status
    this.error = error
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** What is asked cannot be. */
export function invalid(message: string): ChromaError {
  return new ChromaError(400, 'InvalidArgumentError', message)
}

/** JSON of another shape than the call has. */
export function wrongShape(path: string, message: string): ChromaError {
  return new ChromaError(422, 'ChromaError', `Failed to deserialize the JSON body into the target type: ${path === '' ? '' : `${path}: `}${message}`)
}

export function notFound(message: string): ChromaError {
  return new ChromaError(404, 'NotFoundError', message)
}

export function alreadyExists(message: string): ChromaError {
  return new ChromaError(409, 'ChromaError', message)
}

const names: Partial<Record<ErrorKind, { status: number; error: string }>> = {
  invalid: { status: 400, error: 'InvalidArgumentError' },
  'too-large': { status: 400, error: 'InvalidArgumentError' },
  expired: { status: 400, error: 'InvalidArgumentError' },
  // The names that the Python client has classes for.
  unauthenticated: { status: 401, error: 'AuthorizationError' },
  denied: { status: 403, error: 'AuthError' },
  'not-found': { status: 404, error: 'NotFoundError' },
  conflict: { status: 409, error: 'ChromaError' },
}

/** What a failed request is answered; what we did not foresee keeps its text for the log. */
export function toChromaError(error: unknown): ChromaError {
  if (error instanceof ChromaError) return error
  const { status, message, path, retryAfterSeconds } = answerOf(error)
  if (status === errorPolicies['too-large'].httpStatus && path === 'body') return new ChromaError(status, 'BatchSizeExceededError', message)
  const known = isWindlassError(error) ? names[error.kind] : undefined
  return new ChromaError(known?.status ?? status, known?.error ?? 'InternalError', message, retryAfterSeconds)
}
