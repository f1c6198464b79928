import type { Batch } from '../../src/engine/types.ts'
import type { LogBatch } from '../../src/format/log-record.ts'
import type { Entry } from './journal.ts'
import { expect, inOrder, isExpected, printModelRow, type Model } from './model.ts'
import { hasEnded, type TrueCollection } from './observer.ts'

/**
 * Compares what clients were told with the log, replayed on the model.
 *
 * Nothing acknowledged is missing; nothing refused is there; what is unknown is there once or not at all; every outcome is the right one
 * at its place; every strong read shows the content at one place between the last that anybody had learnt of when it began and the last
 * that existed when it ended; reads of one process never go back.
 * @returns What is wrong, in words.
 */
export function checkJournal(entries: readonly Entry[], collection: TrueCollection, model: Model): string[] {
  const problems: string[] = []
  const placeOf = placeMarks(collection, problems)
  const bounds = new Bounds()
  const deleted = new Set(entries.flatMap(({ request }) => (request.kind === 'delete-snapshot' ? [request.name] : [])))
  const finished = entries.filter((entry) => entry.collectionId === collection.id && entry.endedAt !== null)
  finished.sort((a, b) => a.endedAt! - b.endedAt!)
  for (const entry of finished) {
    const low = bounds.lowest(entry)
    const checked = checkEntry(entry, (name) => deleted.has(name), low, collection, model, placeOf)
    if (typeof checked === 'string') problems.push(`${entry.process}, call ${entry.id} (${entry.request.kind}): ${checked}`)
    else bounds.add(entry, checked)
  }
  return problems
}

/** Which place in the log is known to have existed, by whom, when. */
class Bounds {
  readonly #ends: { endedAt: number; endedMs: number; process: string; position: number; highest: number }[] = []

  add({ endedAt, endedMs, process }: Entry, position: number): void {
    const highest = Math.max(position, this.#ends.at(-1)?.highest ?? 0)
    this.#ends.push({ endedAt: endedAt!, endedMs, process, position, highest })
  }

  /** The lowest place that `entry` may show. */
  lowest({ request, beganAt, beganMs, process, isSteady }: Entry): number {
    const before = this.#ends.filter(({ endedAt }) => endedAt < beganAt)
    if (request.kind !== 'list' || request.consistency === 'strong') return before.at(-1)?.highest ?? 0
    const own = before.filter((end) => end.process === process || (isSteady && end.endedMs < beganMs - 60_000))
    return own.reduce((max, { position }) => Math.max(max, position), 0)
  }
}

/** The place of every batch that carries a mark: op -> [commit, batch]. */
function placeMarks({ log }: TrueCollection, problems: string[]): Map<number, [number, number]> {
  const places = new Map<number, [number, number]>()
  log.forEach(({ batches }, n) =>
    batches.forEach((batch, i) => {
      const mark = markOfEffects(batch)
      if (mark === null) return
      if (places.has(mark)) problems.push(`batch ${mark} stands twice: in commit ${places.get(mark)![0] + 1} and in ${n + 1}`)
      else places.set(mark, [n, i])
    }),
  )
  return places
}

function markOfEffects(batch: LogBatch): number | null {
  for (const effect of batch.effects) if (effect.kind === 'put' && effect.key.startsWith('~')) return Number(effect.metadata.op)
  return null
}

function markOf(batch: Batch): number | null {
  for (const operation of batch.operations) if (operation.op === 'put' && operation.row.key.startsWith('~')) return Number(operation.row.metadata!.op)
  return null
}

/** @returns the lowest place that the outcome proves to have existed, or what is wrong. */
function checkEntry(entry: Entry, wasDeleted: (snapshot: string) => boolean, low: number, collection: TrueCollection, model: Model, placeOf: ReadonlyMap<number, [number, number]>): number | string {
  const { request, outcome, existingAtEnd } = entry
  // Who was told nothing about the content proves nothing about it.
  if (!outcome || outcome.kind === 'done') return 0
  const high = Math.max(low, existingAtEnd)
  if (outcome.kind === 'failed') return checkFailure(entry, wasDeleted, low, high, collection, model, placeOf)
  if (request.kind === 'write' && outcome.kind === 'wrote') return checkWrite(request.batch, outcome.result, low, high, model, placeOf)
  if (outcome.kind === 'pinned') return outcome.seq >= low && outcome.seq <= high ? outcome.seq : `pins commit ${outcome.seq}, and ${low} was known before, ${high} was the last`
  if (request.kind === 'read-snapshot' && outcome.kind === 'rows') {
    // The past proves nothing about now.
    return model.list(request.seq) === outcome.rows.join('\n') ? 0 : `shows ${JSON.stringify(outcome.rows)}, at commit ${request.seq} there was ${JSON.stringify(model.list(request.seq))}`
  }
  const shows = (position: number): boolean => {
    if (outcome.kind === 'counted') return model.states[position]!.size === outcome.count
    if (outcome.kind !== 'rows') return false
    if (request.kind === 'list') return model.list(position) === outcome.rows.join('\n')
    const state = model.states[position]!
    if (request.kind === 'get') return request.keys.every((key, i) => (state.has(key) ? printModelRow(state.get(key)!) : null) === outcome.rows[i])
    const rows = inOrder(state).filter(({ hasVector }) => hasVector).map(printModelRow)
    return rows.sort().join('\n') === [...outcome.rows].sort().join('\n')
  }
  for (let position = low; position <= high; position++) if (shows(position)) return position
  return `shows what never was between commits ${low} and ${high}: ${JSON.stringify(outcome)}; at ${low}: ${JSON.stringify(model.list(low))}; at ${high}: ${JSON.stringify(model.list(high))}`
}

function checkWrite(
  batch: Batch,
  result: { seq: number; putCount: number; deletedCount: number; skippedCount: number },
  low: number,
  high: number,
  model: Model,
  placeOf: ReadonlyMap<number, [number, number]>,
): number | string {
  const { seq, putCount, deletedCount, skippedCount } = result
  if (putCount + deletedCount === 0) {
    const fits = statesIn(model, low, high).some((state) => {
      const expected = expect(state, batch)
      return expected && expected.putCount + expected.deletedCount === 0 && expected.skippedCount === skippedCount
    })
    return fits ? low : `did nothing, and there is no place between ${low} and ${high} where nothing was to do`
  }
  if (seq <= low) return `was acknowledged at commit ${seq}, and ${low} was known before it began`
  const mark = markOf(batch)
  const place = mark === null ? null : placeOf.get(mark)
  if (place && place[0] !== seq - 1) return `was acknowledged at commit ${seq}, and stands in ${place[0] + 1}`
  const steps = model.between[seq - 1]
  if (!steps || (mark !== null && !place)) return `was acknowledged at commit ${seq}, and is lost`
  for (let i = place ? place[1] : 0; i <= (place ? place[1] : steps.length - 1); i++) {
    const expected = expect(steps[i]!, batch)
    const after = steps[i + 1] ?? model.states[seq]!
    const isRight = expected && isExpected(steps[i]!, after, expected)
    if (isRight && expected.putCount === putCount && expected.deletedCount === deletedCount && expected.skippedCount === skippedCount) return seq
  }
  return `did at commit ${seq} what it should not have: ${JSON.stringify(batch)} gave ${JSON.stringify(result)}`
}

function checkFailure(entry: Entry, wasDeleted: (snapshot: string) => boolean, low: number, high: number, collection: TrueCollection, model: Model, placeOf: ReadonlyMap<number, [number, number]>): number | string {
  const { request, outcome } = entry
  if (outcome?.kind !== 'failed') return 0
  const { error, message } = outcome
  if ('mustWork' in request && request.mustWork) return `failed on a quiet network: ${error}: ${message}`
  if (request.kind === 'sweep' && error === 'unsupported') return 0
  // Somebody may delete it while it is read; one that stands must be there, and whole.
  if (request.kind === 'read-snapshot' && (error === 'corrupt' || error === 'not-found' || error === 'expired')) {
    return wasDeleted(request.name) || hasEnded(collection.log) ? 0 : `a snapshot that stands cannot be read: ${error}: ${message}`
  }
  if (error === 'corrupt' || error === 'bug' || error === 'invalid' || error === 'unsupported' || error === 'cancelled') return `${error}: ${message}`
  if (request.kind !== 'write') return error === 'outcome-unknown' && ['list', 'get', 'count', 'query'].includes(request.kind) ? `outcome-unknown of a read: ${message}` : 0
  if (error === 'outcome-unknown') return 0
  const mark = markOf(request.batch)
  const place = mark === null ? undefined : placeOf.get(mark)
  if (place) return `failed with ${error}, and stands in commit ${place[0] + 1}: ${message}`
  if (error !== 'conflict') return 0
  if (!request.batch.conditions) return `conflict without a condition: ${message}`
  return statesIn(model, low, high).some((state) => expect(state, request.batch) === null)
    ? 0
    : `was refused, and its condition held at every place between ${low} and ${high}: ${message}`
}

/** Every content that was, if only between two batches of one commit. */
function statesIn(model: Model, low: number, high: number): Model['states'] {
  const states = [model.states[low]!]
  for (let position = low + 1; position <= high; position++) states.push(...model.between[position - 1]!, model.states[position]!)
  return states
}
