import type { ErrorKind } from '../../src/base/errors.ts'
import type { Batch, Consistency, WriteResult } from '../../src/engine/types.ts'
import type { World } from './world.ts'

/** A row as a client saw it, in one line: `key@version=metadata`. */
export type SeenRow = string

/** What a client asked for. */
export type Request =
  | { readonly kind: 'write'; readonly batch: Batch; readonly mustWork: boolean }
  | { readonly kind: 'list'; readonly consistency: Consistency; readonly mustWork: boolean }
  | { readonly kind: 'get'; readonly keys: readonly string[] }
  | { readonly kind: 'count' }
  | { readonly kind: 'query' }
  | { readonly kind: 'flush' | 'merge' | 'sweep' | 'sweep-trash' }
  | { readonly kind: 'snapshot' | 'delete-snapshot'; readonly name: string }
  | { readonly kind: 'read-snapshot'; readonly snapshot: TakenSnapshot }
  | { readonly kind: 'branch'; readonly snapshot: TakenSnapshot | null }
  | { readonly kind: 'restore'; readonly snapshot: TakenSnapshot }
  | { readonly kind: 'create' }
  | { readonly kind: 'drop' }

/** A snapshot that was acknowledged: of commit `seq` of collection `holder`, which had the name `at` then. */
export interface TakenSnapshot {
  readonly name: string
  readonly seq: number
  readonly holder: string
  readonly at: string
}

/** What it was told. */
export type Outcome =
  | { readonly kind: 'wrote'; readonly result: WriteResult }
  | { readonly kind: 'rows'; readonly rows: readonly (SeenRow | null)[] }
  | { readonly kind: 'counted'; readonly count: number }
  | { readonly kind: 'pinned'; readonly seq: number }
  | { readonly kind: 'branched'; readonly from: string; readonly seq: number }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: ErrorKind | 'bug'; readonly message: string }

/** One call of one client. Without an outcome it never ended: its process died. */
export interface Entry {
  readonly id: number
  readonly process: string
  readonly request: Request
  /** Which collection; null until known, or for one that never was found. */
  collectionId: string | null
  /** Places in the order of all beginnings and ends. */
  readonly beganAt: number
  endedAt: number | null
  /** Number of the last commit in the log when it ended. */
  existingAtEnd: number
  readonly beganMs: number
  endedMs: number
  /** Whether its process's clocks told the truth until then. */
  readonly isSteady: boolean
  outcome: Outcome | null
}

/** Everything that clients asked and were told, in one order. */
export class Journal {
  readonly entries: Entry[] = []
  #place = 0
  readonly #world: World
  readonly #lastSeq: (collectionId: string) => number

  constructor(world: World, lastSeq: (collectionId: string) => number) {
    this.#world = world
    this.#lastSeq = lastSeq
  }

  begin({ name, isSteady }: { name: string; isSteady: boolean }, request: Request): Entry {
    const entry: Entry = {
      id: this.entries.length,
      process: name,
      request,
      collectionId: null,
      beganAt: this.#place++,
      endedAt: null,
      existingAtEnd: 0,
      beganMs: this.#world.now,
      endedMs: Infinity,
      isSteady,
      outcome: null,
    }
    this.entries.push(entry)
    return entry
  }

  end(entry: Entry, outcome: Outcome): void {
    entry.outcome = outcome
    entry.endedAt = this.#place++
    entry.endedMs = this.#world.now
    if (entry.collectionId !== null) entry.existingAtEnd = this.#lastSeq(entry.collectionId)
    this.#world.trace(`${entry.process} ${entry.id} ${entry.request.kind}: ${JSON.stringify(outcome)}`)
  }
}
