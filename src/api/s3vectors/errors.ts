import { isWindlassError, type ErrorKind } from '../../base/errors.ts'

/** What a field of a request did wrong. */
export interface FieldProblem {
  readonly path: string
  readonly message: string
}

/** Errors of the service model, and those of signature checks, with their HTTP status. */
const statuses = {
  ValidationException: 400,
  ServiceQuotaExceededException: 402,
  AccessDeniedException: 403,
  InvalidSignatureException: 403,
  UnrecognizedClientException: 403,
  MissingAuthenticationTokenException: 403,
  NotFoundException: 404,
  RequestTimeoutException: 408,
  ConflictException: 409,
  TooManyRequestsException: 429,
  InternalServerException: 500,
  ServiceUnavailableException: 503,
} as const

export type S3VectorsErrorCode = keyof typeof statuses

/** An error as AWS names it. */
export class S3VectorsError extends Error {
  override readonly name = 'S3VectorsError'
  readonly code: S3VectorsErrorCode
  readonly fields: readonly FieldProblem[]

  constructor(code: S3VectorsErrorCode, message: string, fields: readonly FieldProblem[] = []) {
    super(message)
    this.code = code
    this.fields = fields
  }

  get status(): number {
    return statuses[this.code]
  }
}

const codes: Partial<Record<ErrorKind, S3VectorsErrorCode>> = {
  invalid: 'ValidationException',
  'too-large': 'ValidationException',
  unauthenticated: 'MissingAuthenticationTokenException',
  denied: 'AccessDeniedException',
  'not-found': 'NotFoundException',
  conflict: 'ConflictException',
  expired: 'ValidationException',
  unavailable: 'ServiceUnavailableException',
  'storage-full': 'ServiceUnavailableException',
  cancelled: 'RequestTimeoutException',
}

/** What a failed request is answered; what we did not foresee keeps its text for the log. */
export function toS3VectorsError(error: unknown): S3VectorsError {
  if (error instanceof S3VectorsError) return error
  if (isWindlassError(error)) return new S3VectorsError(codes[error.kind] ?? 'InternalServerException', error.message)
  return new S3VectorsError('InternalServerException', 'Internal error')
}
