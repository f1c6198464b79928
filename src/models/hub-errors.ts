import { WindlassError } from '../base/errors.ts'

/** What was asked of the hub, for messages. */
export interface HubRequest {
  readonly endpoint: string
  readonly repository: string
  readonly revision: string
  readonly path?: string
  readonly hasToken: boolean
}

/** What a refusal of the hub means for the caller. Codes: the hub's `X-Error-Code`. */
export function hubError(response: Response, request: HubRequest): WindlassError {
  const { endpoint, repository, revision, path, hasToken } = request
  const { status } = response
  const code = response.headers.get('x-error-code')
  const said = response.headers.get('x-error-message')?.slice(0, 300)
  const page = `${endpoint}/${repository}`
  const error = (kind: ConstructorParameters<typeof WindlassError>[0], message: string) => new WindlassError(kind, message, { status, path: path ?? repository, ...retryAfter(response) })
  if (code === 'GatedRepo' && status === 401) return error('unauthenticated', `model ${repository} is gated: accept its terms at ${page}, and set HF_TOKEN to a token of that account`)
  if (code === 'GatedRepo') return error('denied', `model ${repository} is gated, and the account of HF_TOKEN has no access yet: ask for it at ${page}`)
  if (status === 401 && hasToken) return error('unauthenticated', `${endpoint} does not take the token in HF_TOKEN for model ${repository}: make a new one, or correct the model's name`)
  // Without a token the hub does not say whether a repository is private or absent.
  if (status === 401) return error('not-found', `model ${repository} is not on ${endpoint}, or is private: correct the name, or set HF_TOKEN`)
  if (status === 403) return error('denied', `the token in HF_TOKEN may not read model ${repository}${said ? ` (${said})` : ''}: give it read access to the repository's content`)
  if (code === 'RevisionNotFound') return new WindlassError('not-found', `model ${repository} has no revision ${revision} on ${endpoint}`, { status, path: 'revision' })
  if (status === 404 && path !== undefined) return error('not-found', `model ${repository} has no file ${path} at ${revision} on ${endpoint}`)
  if (status === 404) return error('not-found', `model ${repository} is not on ${endpoint}: correct the name`)
  if (status === 429 || status >= 500) return error('unavailable', `${endpoint} answers ${status} for model ${repository}${said ? ` (${said})` : ''}: try again later${status === 429 && !hasToken ? ', or set HF_TOKEN: its limits are higher' : ''}`)
  return error('unsupported', `${endpoint} answers ${status} for model ${repository}${said ? ` (${said})` : ''}`)
}

function retryAfter(response: Response): { retryAfterMs?: number } {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0 ? { retryAfterMs: seconds * 1000 } : {}
}
