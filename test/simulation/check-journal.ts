import type { Batch } from '../../src/engine/types.ts'
import type { LogBatch } from '../../src/format/log-record.ts'
import type { Entry, Outcome, Request, TakenSnapshot } from './journal.ts'
import { inOrder, isExpected, type Model, type ModelState } from './model.ts'
import { hasEnded, lastSeqOf, type TrueCollection } from './observer.ts'

/**
 * Compares what clients were told with the log, replayed on the model.
 *
 * Nothing acknowledged is missing; nothing refused is there; what is unknown is there once or not at all; every outcome is the right one
 * at its place; every strong read shows the content at one place between the last that anybody had learnt of when it began and the last
 * that existed when it ended; reads of one process never go back.
 * @returns What is wrong, in words.
 */
export function checkJournal(entries: readonly Entry[], collection: TrueCollection, truth: Truth): string[] {
  return new JournalCheck(entries, collection, truth).run()
}

/** What the omniscient observer knows, as far as one journal's check needs it. */
export interface Truth {
  modelOf(id: string): Model
  readonly collections: ReadonlyMap<string, TrueCollection>
  /** Whether the store tells its time: without, nothing can be swept. */
  readonly hasDate: boolean
}

/** Which place in the log is known to have existed, by whom, when. */
class Bounds {
  readonly #ends: { endedAt: number; endedMs: number; process: string; position: number; highest: number }[] = []

  add({ endedAt, endedMs, process }: Entry, position: number): void {
    const highest = Math.max(position, this.#ends.at(-1)?.highest ?? 0)
    this.#ends.push({ endedAt: endedAt!, endedMs, process, position, highest })
  }

  /** The lowest place that `entry` may show, as far as others tell. */
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
  for (const { seq, batches } of log) {
    batches.forEach((batch, i) => {
      const mark = markOfEffects(batch)
      if (mark === null) return
      if (places.has(mark)) problems.push(`batch ${mark} stands twice: in commit ${places.get(mark)![0]} and in ${seq}`)
      else places.set(mark, [seq, i])
    })
  }
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

const reads: readonly string[] = ['list', 'get', 'count', 'query', 'read-snapshot']

class JournalCheck {
  readonly #entries: readonly Entry[]
  readonly #collection: TrueCollection
  readonly #truth: Truth
  readonly #model: Model
  readonly #problems: string[] = []
  readonly #placeOf: ReadonlyMap<number, [number, number]>
  /** Snapshots that somebody began to delete. */
  readonly #deleted: ReadonlySet<string>

  constructor(entries: readonly Entry[], collection: TrueCollection, truth: Truth) {
    this.#entries = entries
    this.#collection = collection
    this.#truth = truth
    this.#model = truth.modelOf(collection.id)
    this.#placeOf = placeMarks(collection, this.#problems)
    this.#deleted = new Set(entries.flatMap(({ request }) => (request.kind === 'delete-snapshot' ? [request.name] : [])))
  }

  run(): string[] {
    const bounds = new Bounds()
    const finished = this.#entries.filter((entry) => entry.collectionId === this.#collection.id && entry.endedAt !== null)
    finished.sort((a, b) => a.endedAt! - b.endedAt!)
    for (const entry of finished) {
      const low = Math.max(this.#model.first, bounds.lowest(entry))
      const checked = this.#checkEntry(entry, low)
      if (typeof checked === 'string') this.#problems.push(`${entry.process}, call ${entry.id} (${entry.request.kind}): ${checked}`)
      else bounds.add(entry, checked)
    }
    return this.#problems
  }

  /** @returns the lowest place that the outcome proves to have existed, or what is wrong. */
  #checkEntry(entry: Entry, low: number): number | string {
    const { request, outcome, existingAtEnd } = entry
    const high = Math.max(low, existingAtEnd)
    if (outcome?.kind === 'failed') return this.#checkFailure(entry, low, high)
    if (request.kind === 'write' && outcome?.kind === 'wrote') return this.#checkWrite(request.batch, outcome.result, low, high)
    if (outcome?.kind === 'pinned') return outcome.seq >= low && outcome.seq <= high ? outcome.seq : `pins commit ${outcome.seq}, and ${low} was known before, ${high} was the last`
    if (request.kind === 'branch' && outcome?.kind === 'branched') return checkBranch(request.snapshot, outcome, low, high)
    if (request.kind === 'read-snapshot' && outcome?.kind === 'rows') return this.#checkSnapshot(request.snapshot, outcome.rows)
    if ((request.kind === 'drop' || request.kind === 'restore') && outcome?.kind === 'done') return this.#checkEnd(high)
    // Who was told nothing about the content proves nothing about it.
    if (!outcome || outcome.kind === 'done') return 0
    for (let position = low; position <= high; position++) if (!this.#model.hasEndedAt(position) && this.#isShown(request, outcome, position)) return position
    return `shows what never was between commits ${low} and ${high}: ${JSON.stringify(outcome)}; at ${low}: ${JSON.stringify(this.#model.list(low))}; at ${high}: ${JSON.stringify(this.#model.list(high))}`
  }

  #isShown(request: Request, outcome: Outcome, position: number): boolean {
    const state = this.#model.at(position)
    if (outcome.kind === 'counted') return state.size === outcome.count
    if (outcome.kind !== 'rows') return false
    if (request.kind === 'list') return this.#model.list(position) === outcome.rows.join('\n')
    if (request.kind === 'get') return request.keys.every((key, i) => (state.has(key) ? this.#model.print(state.get(key)!) : null) === outcome.rows[i])
    const rows = inOrder(state).filter(({ hasVector }) => hasVector).map((row) => this.#model.print(row))
    return rows.sort().join('\n') === [...outcome.rows].sort().join('\n')
  }

  /** Whoever was told that a collection is gone, or replaced, was told so after its end stood in the log. */
  #checkEnd(high: number): number | string {
    if (!hasEnded(this.#collection.log)) return 'was acknowledged, and the log goes on'
    const end = lastSeqOf(this.#collection)
    return end <= high ? end : `was acknowledged, and the log ended at ${end} only later`
  }

  /** The past proves nothing about now. */
  #checkSnapshot({ holder, seq }: TakenSnapshot, rows: readonly (string | null)[]): number | string {
    const expected = this.#truth.modelOf(holder).list(seq)
    return expected === rows.join('\n') ? 0 : `shows ${JSON.stringify(rows)}, at commit ${seq} of ${holder} there was ${JSON.stringify(expected)}`
  }

  #checkWrite(batch: Batch, { seq, putCount, deletedCount, skippedCount }: { seq: number; putCount: number; deletedCount: number; skippedCount: number }, low: number, high: number): number | string {
    if (putCount + deletedCount === 0) {
      const fits = this.#statesIn(low, high).some((state) => {
        const expected = this.#model.expect(state, batch)
        return expected && expected.putCount + expected.deletedCount === 0 && expected.skippedCount === skippedCount
      })
      return fits ? low : `did nothing, and there is no place between ${low} and ${high} where nothing was to do`
    }
    if (seq <= low) return `was acknowledged at commit ${seq}, and ${low} was known before it began`
    const mark = markOf(batch)
    const place = mark === null ? null : this.#placeOf.get(mark)
    if (place && place[0] !== seq) return `was acknowledged at commit ${seq}, and stands in ${place[0]}`
    const steps = this.#model.stepsOf(seq)
    if (!steps || (mark !== null && !place)) return `was acknowledged at commit ${seq}, and is lost`
    for (let i = place ? place[1] : 0; i <= (place ? place[1] : steps.length - 1); i++) {
      const expected = this.#model.expect(steps[i]!, batch)
      const after = steps[i + 1] ?? this.#model.at(seq)
      const isRight = expected && isExpected(steps[i]!, after, expected)
      if (isRight && expected.putCount === putCount && expected.deletedCount === deletedCount && expected.skippedCount === skippedCount) return seq
    }
    return `did at commit ${seq} what it should not have: ${JSON.stringify(batch)} gave ${JSON.stringify({ seq, putCount, deletedCount, skippedCount })}`
  }

  #checkFailure({ request, outcome }: Entry, low: number, high: number): number | string {
    if (outcome?.kind !== 'failed') return 0
    const { error, message } = outcome
    const found = `${error}: ${message}`
    // On a store without a clock nobody can tell a number that was swept from one that another flushed at once (docs/protocol.md, B1).
    const isUntold = error === 'outcome-unknown' && !this.#truth.hasDate
    if ('mustWork' in request && request.mustWork && !isUntold) return `failed on a quiet network: ${found}`
    if (error === 'bug' || error === 'invalid' || error === 'cancelled' || error === 'too-large') return found
    if (error === 'unsupported') return (request.kind === 'sweep' || request.kind === 'sweep-trash') && !this.#truth.hasDate ? 0 : found
    if (request.kind === 'read-snapshot' && (error === 'corrupt' || error === 'not-found' || error === 'expired')) {
      return this.#mustStand(request.snapshot) ? `a snapshot that stands cannot be read: ${found}` : 0
    }
    // Branches may come too late: they give up what they made.
    if (error === 'corrupt' || (error === 'expired' && request.kind !== 'branch' && request.kind !== 'restore')) return found
    if (error === 'outcome-unknown') return reads.includes(request.kind) ? `outcome-unknown of a read: ${message}` : 0
    if (request.kind !== 'write') return error === 'conflict' && request.kind !== 'create' && request.kind !== 'restore' ? found : 0
    const mark = markOf(request.batch)
    const place = mark === null ? undefined : this.#placeOf.get(mark)
    if (place) return `failed with ${error}, and stands in commit ${place[0]}: ${message}`
    if (error !== 'conflict') return 0
    if (!request.batch.conditions) return `conflict without a condition: ${message}`
    return this.#statesIn(low, high).some((state) => this.#model.expect(state, request.batch) === null)
      ? 0
      : `was refused, and its condition held at every place between ${low} and ${high}: ${message}`
  }

  /** Whether this collection must have a snapshot: it was made here, or of what this one replaces; and nobody deletes it. */
  #mustStand({ name, holder }: TakenSnapshot): boolean {
    if (this.#deleted.has(name) || hasEnded(this.#collection.log)) return false
    for (let id: string | null = this.#collection.id; id !== null; id = this.#truth.collections.get(id)!.replaces) if (id === holder) return true
    return false
  }

  /** Every content that was, if only between two batches of one commit. */
  #statesIn(low: number, high: number): ModelState[] {
    const states = [this.#model.at(low)]
    for (let position = low + 1; position <= high; position++) states.push(...(this.#model.stepsOf(position) ?? []), this.#model.at(position))
    return states
  }
}

function checkBranch(snapshot: TakenSnapshot | null, { from, seq }: { from: string; seq: number }, low: number, high: number): number | string {
  if (!snapshot) return seq >= low && seq <= high ? seq : `begins at commit ${seq}, and ${low} was known before, ${high} was the last`
  return from === snapshot.holder && seq === snapshot.seq ? 0 : `begins at commit ${seq} of ${from}, expected ${snapshot.seq} of ${snapshot.holder}`
}
