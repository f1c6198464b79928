import type { FailureStep } from '../state/file-state.ts'

/** What a run did. Every document that it saw is in exactly one of the counts from `new` to `byOthers`. */
export interface RunReport {
  new: number
  changed: number
  /** Content as before under another path: nothing is embedded. */
  renamed: number
  unchanged: number
  removed: number
  failed: number
  /** Failed in an earlier run: not due again, or set aside until the document changes or a person asks for it. */
  waiting: number
  /** Done by another worker meanwhile. */
  byOthers: number
  chunksEmbedded: number
  /** Chunks whose text was as before: their vectors were taken over. */
  chunksReused: number
  bytesRead: number
  /** Things that destinations held or lacked against the state, and that were put right. */
  repaired: number
  failures: RunFailure[]
}

export interface RunFailure {
  readonly path: string
  readonly step: FailureStep
  readonly message: string
  /** Milliseconds since 1970; absent: set aside. */
  readonly retryAt?: number
}

/** More are counted, and listed by `windlass errors`. */
export const failuresTold = 100

export function newReport(): RunReport {
  return { new: 0, changed: 0, renamed: 0, unchanged: 0, removed: 0, failed: 0, waiting: 0, byOthers: 0, chunksEmbedded: 0, chunksReused: 0, bytesRead: 0, repaired: 0, failures: [] }
}
