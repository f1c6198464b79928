import type { Batch } from '../../src/engine/types.ts'
import type { Entry } from './journal.ts'

/** What a key holds, as clients can tell: who put it and who patched it last; null = nothing. */
type Value = string | null

/** One call, seen from one key: when it may have happened, and what it does to the key there; undefined = not possible. */
interface Call {
  readonly id: number
  readonly from: number
  /** Infinity where it may happen at any time, or never. */
  readonly to: number
  readonly isOptional: boolean
  apply(value: Value): Value | undefined
}

const callsMax = 400

/**
 * Whether what clients asked and were told, key by key, could have been one order of calls that each take place at one moment between
 * their beginning and end. It knows nothing of logs or numbers. Keys are checked apart: linearizability is local (Herlihy and Wing 1990).
 *
 * The search is Wing and Gong's ("Testing and verifying concurrent objects", 1993) with Lowe's memory of the states that it has tried
 * ("Testing for linearizability", 2017).
 * @param initial What keys held at first.
 * @returns The keys whose history is impossible.
 */
export function checkLinearizability(entries: readonly Entry[], collectionId: string, initial: ReadonlyMap<string, string> = new Map()): string[] {
  const calls = new Map<string, Call[]>()
  const versions = readVersions(entries)
  const keys = keysOf(entries)
  for (const entry of entries) {
    if (entry.collectionId !== collectionId) continue
    for (const key of keys) {
      const apply = effectOn(key, entry, versions)
      if (!apply) continue
      const isOptional = entry.outcome === null || (entry.outcome.kind === 'failed' && entry.outcome.error === 'outcome-unknown')
      const call = { id: entry.id, from: entry.beganAt, to: isOptional ? Infinity : entry.endedAt!, isOptional, apply }
      const known = calls.get(key)
      if (known) known.push(call)
      else calls.set(key, [call])
    }
  }
  const impossible = [...calls].filter(([key, list]) => list.length <= callsMax && !isLinearizable(list, initial.get(key) ?? null))
  return impossible.map(([key, list]) => `key ${key} of ${collectionId}: no order of its ${list.length} calls explains what was told`)
}

/** Depth first: every call that nobody who is not done yet precedes may be next. */
function isLinearizable(list: readonly Call[], initial: Value): boolean {
  const calls = [...list].sort((a, b) => a.from - b.from)
  const done = new Uint8Array(calls.length)
  const tried = new Set<string>()
  let required = calls.filter(({ isOptional }) => !isOptional).length
  const search = (value: Value, first: number): boolean => {
    if (required === 0) return true
    while (done[first]) first++
    const state = `${value}|${first}|${done.subarray(first).join('')}`
    if (tried.has(state)) return false
    tried.add(state)
    let deadline = Infinity
    for (let i = first; i < calls.length && calls[i]!.from < deadline; i++) if (!done[i]) deadline = Math.min(deadline, calls[i]!.to)
    for (let i = first; i < calls.length && calls[i]!.from < deadline; i++) {
      if (done[i]) continue
      const call = calls[i]!
      const next = call.apply(value)
      if (next === undefined) continue
      done[i] = 1
      if (!call.isOptional) required--
      if (search(next, first)) return true
      done[i] = 0
      if (!call.isOptional) required++
    }
    return false
  }
  return search(initial, 0)
}

function keysOf(entries: readonly Entry[]): Set<string> {
  const keys = new Set<string>()
  for (const { request } of entries) {
    if (request.kind !== 'write') continue
    for (const operation of request.batch.operations) if (operation.op === 'put') keys.add(operation.row.key)
  }
  return keys
}

/** Which value a version stands for: clients learn both together. */
function readVersions(entries: readonly Entry[]): Map<string, string> {
  const values = new Map<string, string>()
  for (const { collectionId, request, outcome } of entries) {
    // A snapshot may be that of a collection whose place this one took.
    if (outcome?.kind !== 'rows' || request.kind === 'read-snapshot') continue
    for (const row of outcome.rows) {
      const parsed = row && parseRow(row)
      if (parsed) values.set(`${collectionId}/${parsed.version}`, parsed.value)
    }
  }
  return values
}

function parseRow(row: string): { key: string; version: string; value: string } {
  const [, key, version, value] = /^(.*)@([^=]*)=(.*)$/.exec(row)!
  return { key: key!, version: version!, value: value! }
}

/** What a call does to one key, or demands of it; null when it tells nothing of the key. */
function effectOn(key: string, { request, outcome, collectionId }: Entry, versions: ReadonlyMap<string, string>): Call['apply'] | null {
  if (request.kind === 'write') {
    const touches = request.batch.operations.some((operation) => operation.op === 'delete-where' || (operation.op === 'put' ? operation.row.key : operation.key) === key)
    const conditions = (request.batch.conditions ?? []).filter((condition) => condition.key === key)
    if (outcome?.kind === 'failed' && outcome.error !== 'outcome-unknown') {
      // Refused: with one condition it is known which one did not hold.
      if (outcome.error !== 'conflict' || conditions.length === 0 || request.batch.conditions!.length > 1) return null
      // A version of a collection that had the name before: whatever this one holds, it is another.
      if (conditions[0]!.version !== null && !versions.has(`${collectionId}/${conditions[0]!.version}`)) return null
      return (value) => (holds(conditions, value) ? undefined : value)
    }
    if (!touches && conditions.length === 0) return null
    return (value) => (holds(conditions, value) ? write(key, request.batch, value) : undefined)
  }
  if (outcome?.kind !== 'rows' || request.kind === 'query' || request.kind === 'read-snapshot') return null
  if (request.kind === 'get' && !request.keys.includes(key)) return null
  if (request.kind === 'list' && request.consistency === 'eventual') return null
  const seen = outcome.rows.map((row) => row && parseRow(row)).find((row) => row && row.key === key)
  const expected = seen ? seen.value : null
  return (value) => (value === expected ? value : undefined)

  function holds(conditions: readonly { version: string | null }[], value: Value): boolean {
    return conditions.every(({ version }) => {
      if (version === null) return value === null
      // One that was read elsewhere, before a restore say, is none of this collection's.
      return value !== null && versions.get(`${collectionId}/${version}`) === value
    })
  }
}

/** A batch, on one key. Values print as `op/patch/group`, as in client.ts. */
function write(key: string, { operations }: Batch, value: Value): Value {
  for (const operation of operations) {
    if (operation.op === 'delete-where') {
      if (value !== null && operation.filter.op === 'eq' && value.split('/')[2] === operation.filter.value) value = null
      continue
    }
    if ((operation.op === 'put' ? operation.row.key : operation.key) !== key) continue
    if (operation.op === 'delete') value = null
    else if (operation.op === 'patch') {
      if (value === null) continue
      const [op, , group] = value.split('/')
      value = `${op}/${operation.metadata?.p}/${group}`
    } else if (!operation.ifAbsent || value === null) value = `${operation.row.metadata?.op}//${operation.row.metadata?.group}`
  }
  return value
}
