import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import type { Consistency } from '../../engine/types.ts'
import type { Bucket } from '../../library/types.ts'
import type { Access } from '../access.ts'
import type { JsonObject } from './read-body.ts'

/** What the door has of its own. */
export interface ChromaDoorSettings {
  /** Whether `POST /reset` may empty the bucket. */
  readonly allowReset: boolean
  /** How fresh get, query, search and count are: clients of Chroma have no way to ask. */
  readonly consistency: Consistency
  /** Tells the log what the caller is not told. */
  onFault(error: unknown, requestId: string): void
}

/** What every operation is given. */
export interface OperationContext {
  readonly bucket: Bucket
  readonly access: Access
  readonly clock: Clock
  readonly random: Random
  readonly allowReset: boolean
  readonly consistency: Consistency
  readonly isReady: boolean
  readonly signal: AbortSignal
}

/** A request of one route: parts of the path by name, the query, and the body where the route has one. */
export interface ChromaRequest {
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly body: JsonObject
  readonly context: OperationContext
}

export interface ChromaAnswer {
  readonly status?: number
  readonly json: unknown
}

/** One call. */
export interface ChromaRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Below `/api/v2`, with `{name}` for parts. */
  readonly path: string
  /** Answers also without a key. */
  readonly isPublic?: boolean
  handle(request: ChromaRequest): Promise<ChromaAnswer>
}
