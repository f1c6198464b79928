import type { Batch } from '../../src/engine/types.ts'
import type { LogBatch, LogRecord } from '../../src/format/log-record.ts'
import type { Metadata } from '../../src/format/record.ts'
import { printMetadata } from './client.ts'

/** A row of the plain model. */
export interface ModelRow {
  readonly key: string
  /** Where it was last written, and first inserted: `seq.ordinal`. */
  readonly changed: string
  readonly born: string
  readonly bornOrder: readonly [number, number]
  readonly metadata: Metadata
  readonly hasVector: boolean
}

export type ModelState = ReadonlyMap<string, ModelRow>

/** What a batch must have done to a state. */
export interface Expected {
  /** key -> contents afterwards, without stamps; keys that it did not touch are absent, deleted ones null. */
  readonly changes: ReadonlyMap<string, { readonly contents: string; readonly born: string | null } | null>
  readonly putCount: number
  readonly deletedCount: number
  readonly skippedCount: number
}

/** The content after each commit, and before each batch of it, computed on plain maps. */
export class Model {
  readonly #id: string
  /** The number that the log begins after: 0, or where a branch began. */
  readonly first: number
  readonly #states: ModelState[]
  readonly #between: ModelState[][] = []
  readonly #printed = new Map<number, string>()
  readonly #endsAt: number

  /** @param id The collection's. @param start The content of another collection that this one began as. */
  constructor(id: string, log: readonly LogRecord[], first = 0, start: ModelState = new Map()) {
    this.#id = id
    this.first = first
    this.#states = [start]
    const end = log.at(-1)?.event?.kind
    this.#endsAt = end === 'dropped' || end === 'moved' ? first + log.length : Infinity
    for (const record of log) {
      const steps: ModelState[] = []
      let state = this.#states.at(-1)!
      let ordinal = 0
      for (const batch of record.batches) {
        steps.push(state)
        state = applyEffects(state, batch, record.seq, ordinal)
        ordinal += batch.effects.length
      }
      this.#between.push(steps)
      this.#states.push(state)
    }
  }

  /** After commit `position`. */
  at(position: number): ModelState {
    return this.#states[position - this.first]!
  }

  /** Before each batch of commit `seq`; undefined where there is no such commit. */
  stepsOf(seq: number): readonly ModelState[] | undefined {
    return this.#between[seq - this.first - 1]
  }

  /** Whether nobody may read anything there: the log has ended. */
  hasEndedAt(position: number): boolean {
    return position >= this.#endsAt
  }

  /** All rows after commit `position`, in the order they were inserted, as a list of them prints. */
  list(position: number): string {
    let printed = this.#printed.get(position)
    if (printed === undefined) this.#printed.set(position, (printed = inOrder(this.at(position)).map((row) => this.print(row)).join('\n')))
    return printed
  }

  /** A row as clients see it. */
  print({ key, changed, metadata }: ModelRow): string {
    return `${key}@${this.#versionOf(changed)}=${printMetadata(metadata)}`
  }

  /** What `batch` must do in `state`; null when a condition does not hold. */
  expect(state: ModelState, batch: Batch): Expected | null {
    const isAt = (row: ModelRow | undefined, version: string | null) => (row ? this.#versionOf(row.changed) : null) === version
    return (batch.conditions ?? []).every(({ key, version }) => isAt(state.get(key), version)) ? expect(state, batch) : null
  }

  // Two logs have commits of one number: what a version is must not depend on that.
  #versionOf(changed: string): string {
    return `${this.#id.slice(-8)}.${changed}`
  }
}

export function inOrder(state: ModelState): ModelRow[] {
  return [...state.values()].sort((a, b) => a.bornOrder[0] - b.bornOrder[0] || a.bornOrder[1] - b.bornOrder[1])
}

function applyEffects(state: ModelState, batch: LogBatch, seq: number, firstOrdinal: number): ModelState {
  const next = new Map(state)
  batch.effects.forEach((effect, i) => {
    const { key } = effect
    if (effect.kind === 'delete') next.delete(key)
    else {
      const { born, metadata, vector } = effect
      next.set(key, { key, changed: `${seq}.${firstOrdinal + i}`, born: `${born.seq}.${born.ordinal}`, bornOrder: [born.seq, born.ordinal], metadata, hasVector: vector !== null })
    }
  })
  return next
}

// Written anew, on purpose: it shares nothing with the engine's resolver.
function expect(state: ModelState, batch: Batch): Expected {
  const rows = new Map<string, { metadata: Metadata; born: string | null }>()
  for (const { key, metadata, born } of state.values()) rows.set(key, { metadata, born })
  const touched = new Set<string>()
  const counts = { putCount: 0, deletedCount: 0, skippedCount: 0 }
  const put = (key: string, metadata: Metadata) => {
    rows.set(key, { metadata, born: rows.get(key)?.born ?? null })
    touched.add(key)
    counts.putCount++
  }
  const remove = (key: string) => {
    if (!rows.delete(key)) return
    touched.add(key)
    counts.deletedCount++
  }
  for (const operation of batch.operations) {
    if (operation.op === 'put') {
      if (operation.ifAbsent && rows.has(operation.row.key)) counts.skippedCount++
      else put(operation.row.key, operation.row.metadata ?? {})
    } else if (operation.op === 'patch') {
      const row = rows.get(operation.key)
      if (row) put(operation.key, { ...row.metadata, ...operation.metadata })
      else counts.skippedCount++
    } else if (operation.op === 'delete') remove(operation.key)
    else if (operation.filter.op === 'eq') {
      const { key: field, value } = operation.filter
      for (const [key, { metadata }] of [...rows]) if (metadata[field] === value) remove(key)
    }
  }
  const changes = new Map([...touched].map((key) => {
    const row = rows.get(key)
    return [key, row ? { contents: printMetadata(row.metadata), born: row.born } : null]
  }))
  return { changes, ...counts }
}

/** Whether going from `before` to `after` is what `expected` says, and nothing else. */
export function isExpected(before: ModelState, after: ModelState, { changes }: Expected): boolean {
  for (const key of new Set([...before.keys(), ...after.keys(), ...changes.keys()])) {
    const row = after.get(key)
    if (!changes.has(key)) {
      if (row !== before.get(key)) return false
      continue
    }
    const change = changes.get(key)!
    if ((change === null) !== (row === undefined)) return false
    if (change && row && (printMetadata(row.metadata) !== change.contents || row.born !== (change.born ?? row.changed))) return false
  }
  return true
}
