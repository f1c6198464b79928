import { isWindlassError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import type { Journal, JournalHead, JournalPage, NotedPage } from './journal.ts'
import { KeyTable } from './key-table.ts'
import { sizeOf, type MovedRecord, type Problem } from './record.ts'
import { RecordSample } from './sample-records.ts'
import type { PlacedItem, Position, RecordSource } from './source.ts'
import type { RecordTarget } from './target.ts'

/** What became of the records, over all runs of a pass. */
export interface MoveCounts {
  /** Items of the source that were looked at: all those below together. */
  read: number
  written: number
  unchanged: number
  kept: number
  duplicates: number
  unreadable: number
}

export interface MoveOutcome {
  readonly counts: MoveCounts
  /** The first ones; all of them are counted. */
  readonly problems: readonly Problem[]
  readonly duplicateKeys: readonly string[]
  readonly keptKeys: readonly string[]
  /** Of what this run read. */
  readonly sample: RecordSample
}

export interface MoveOptions {
  readonly head: JournalHead
  readonly journal: Journal
  readonly random: Random
  /** Steps in flight. */
  readonly parallel: number
  readonly signal?: AbortSignal
  onProgress?(counts: MoveCounts): void
}

/** Examples of each kind that a report names. */
const toldMax = 100
const pageRecords = 500
const pageBytes = 8 * 1024 * 1024
/** Problems and duplicates are cheap, but a step is to be noted now and then. */
const pageItems = 2000

export function newCounts(): MoveCounts {
  return { read: 0, written: 0, unchanged: 0, kept: 0, duplicates: 0, unreadable: 0 }
}

/** A step that is being filled. */
class OpenPage {
  readonly from: Position | null
  to: Position | null = null
  readonly records: MovedRecord[] = []
  readonly problems: Problem[] = []
  readonly duplicates: string[] = []
  #bytes = 0

  constructor(from: Position | null) {
    this.from = from
  }

  add(record: MovedRecord): void {
    this.records.push(record)
    this.#bytes += sizeOf(record)
  }

  get isFull(): boolean {
    const { records, problems, duplicates } = this
    return records.length >= pageRecords || this.#bytes >= pageBytes || records.length + problems.length + duplicates.length >= pageItems
  }
}

/**
 * Brings every record of `source` to `target`, and goes on where an earlier run ended. A step of at most 500 records is first noted with what
 * of it the target lacks, then written, then marked as done: what a killed run had under way is looked at again, and only what is
 * missing is written. Memory: the steps in flight, and 16 to 32 bytes a key, to tell that an id comes twice.
 */
export async function moveRecords(source: RecordSource, target: RecordTarget, options: MoveOptions): Promise<MoveOutcome> {
  return new Move(source, target, options).run()
}

class Move {
  readonly #source: RecordSource
  readonly #target: RecordTarget
  readonly #options: MoveOptions
  readonly #counts = newCounts()
  readonly #problems: Problem[] = []
  readonly #duplicateKeys: string[] = []
  readonly #keptKeys: string[] = []
  readonly #seen = new KeyTable()
  readonly #sample: RecordSample
  readonly #flights = new Set<Promise<void>>()
  #failure: { error: unknown } | null = null
  #next = 0

  constructor(source: RecordSource, target: RecordTarget, options: MoveOptions) {
    this.#source = source
    this.#target = target
    this.#options = options
    this.#sample = new RecordSample(options.random)
  }

  async run(): Promise<MoveOutcome> {
    const { journal, head, signal } = this.#options
    let reached: Position | null = null
    for await (const { number, page, etag } of journal.pages(head)) {
      for (const key of keysOf(page)) this.#seen.add(key)
      this.#next = number + 1
      reached = page.to
      this.#note(page.isDone ? page : await this.#repeat({ number, page, etag }))
    }
    try {
      let open = new OpenPage(reached)
      for await (const item of this.#source.read(reached)) {
        signal?.throwIfAborted()
        if (this.#failure) break
        this.#place(item, open)
        open.to = item.position
        if (!open.isFull) continue
        await this.#send(open)
        open = new OpenPage(open.to)
      }
      if (open.to !== null && !this.#failure) await this.#send(open)
    } finally {
      await Promise.allSettled(this.#flights)
    }
    if (this.#failure) throw this.#failure.error
    return { counts: this.#counts, problems: this.#problems, duplicateKeys: this.#duplicateKeys, keptKeys: this.#keptKeys, sample: this.#sample }
  }

  #place(item: PlacedItem, open: OpenPage): void {
    if ('problem' in item) {
      open.problems.push(item.problem)
      return
    }
    const { record } = item
    const wrong = this.#wrongWith(record)
    if (wrong !== null) open.problems.push({ where: placeOf(item.where, record.key), reason: wrong })
    else if (this.#seen.add(record.key)) {
      open.add(record)
      this.#sample.offer(record)
    } else open.duplicates.push(record.key)
  }

  /** Why a record cannot be taken; null where it can. */
  #wrongWith(record: MovedRecord): string | null {
    const { dimension } = this.#options.head
    return dimension !== null && record.vector.length !== dimension ? `the vector has ${record.vector.length} values, expected ${dimension}` : this.#target.check(record)
  }

  /** Notes a step, and takes it beside the others. Notes come in order, so that none can be missing before another. */
  async #send(open: OpenPage): Promise<void> {
    const { journal, head, parallel } = this.#options
    const found = await this.#target.fingerprints(open.records.map(({ key }) => key))
    const ours = open.records.map((record) => [record.key, this.#target.fingerprintOf(record)] as const)
    const due = open.records.filter((_, i) => found[i] === null)
    const page: JournalPage = {
      from: open.from,
      to: open.to!,
      isDone: due.length === 0,
      written: ours.filter((_, i) => found[i] === null),
      unchanged: ours.flatMap(([key, fingerprint], i) => (found[i] === fingerprint ? [key] : [])),
      kept: ours.flatMap(([key, fingerprint], i) => (found[i] !== null && found[i] !== fingerprint ? [key] : [])),
      duplicates: open.duplicates,
      problems: open.problems,
    }
    const number = this.#next++
    await journal.expectHead()
    const etag = await journal.addPage(head, number, page)
    while (this.#flights.size >= parallel) await Promise.race(this.#flights)
    const flight: Promise<void> = this.#take({ number, page, etag }, due)
      .then((done) => this.#note(done))
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => this.#flights.delete(flight))
    this.#flights.add(flight)
  }

  /** Writes what a step noted as absent, and marks it. */
  async #take({ number, page, etag }: NotedPage, due: readonly MovedRecord[]): Promise<JournalPage> {
    const { journal, head } = this.#options
    if (due.length === 0 && page.isDone) return page
    const refused = due.length > 0 ? await this.#put(due) : []
    const names = new Set(refused.map(({ key }) => key))
    const done: JournalPage = {
      ...page,
      isDone: true,
      written: page.written.filter(([key]) => !names.has(key)),
      problems: [...page.problems, ...refused.map(({ key, reason }) => ({ where: JSON.stringify(key), reason }))],
    }
    await journal.replacePage(head, number, done, etag)
    return done
  }

  /** One record that is refused must not hold up the others: the batch is halved until it is alone. */
  async #put(records: readonly MovedRecord[]): Promise<{ key: string; reason: string }[]> {
    try {
      await this.#target.put(records, this.#options.head.model)
      return []
    } catch (error) {
      if (!isWindlassError(error, 'invalid', 'too-large')) throw error
      if (records.length === 1) return [{ key: records[0]!.key, reason: error.message }]
      const middle = records.length >> 1
      return [...(await this.#put(records.slice(0, middle))), ...(await this.#put(records.slice(middle)))]
    }
  }

  /** A step that was noted and perhaps not taken, or in part: what is still absent is read again and written. */
  async #repeat({ number, page, etag }: NotedPage): Promise<JournalPage> {
    const keys = page.written.map(([key]) => key)
    const found = await this.#target.fingerprints(keys)
    const missing = new Set(keys.filter((_, i) => found[i] === null))
    const due: MovedRecord[] = []
    if (missing.size > 0) {
      for await (const item of this.#source.read(page.from)) {
        // As when it was noted: what could not be taken then, and has the same id, is another record.
        if ('record' in item && missing.has(item.record.key) && this.#wrongWith(item.record) === null) {
          missing.delete(item.record.key)
          due.push(item.record)
        }
        if (missing.size === 0 || isSamePosition(item.position, page.to)) break
      }
    }
    const gone = [...missing].map((key) => ({ where: JSON.stringify(key), reason: 'it was in the source when an earlier run noted it, and is gone' }))
    // One that was changed at the source since is noted as what is written now: a rollback looks for that.
    const current = new Map(due.map((record) => [record.key, this.#target.fingerprintOf(record)]))
    const written = page.written.filter(([key]) => !missing.has(key)).map(([key, fingerprint]) => [key, current.get(key) ?? fingerprint] as const)
    const again: JournalPage = { ...page, isDone: false, written, problems: [...page.problems, ...gone] }
    const isChanged = page.written.some(([key, fingerprint]) => (current.get(key) ?? fingerprint) !== fingerprint)
    if (isChanged) etag = await this.#options.journal.replacePage(this.#options.head, number, again, etag)
    return this.#take({ number, page: again, etag }, due)
  }

  #note(page: JournalPage): void {
    const counts = this.#counts
    counts.written += page.written.length
    counts.unchanged += page.unchanged.length
    counts.kept += page.kept.length
    counts.duplicates += page.duplicates.length
    counts.unreadable += page.problems.length
    counts.read = counts.written + counts.unchanged + counts.kept + counts.duplicates + counts.unreadable
    for (const [from, to] of [
      [page.problems, this.#problems],
      [page.duplicates, this.#duplicateKeys],
      [page.kept, this.#keptKeys],
    ] as [readonly unknown[], unknown[]][]) {
      to.push(...from.slice(0, Math.max(0, toldMax - to.length)))
    }
    this.#options.onProgress?.(counts)
  }
}

/** Keys that a step settled: a later record of the same id is a duplicate. */
export function keysOf(page: JournalPage): string[] {
  return [...page.written.map(([key]) => key), ...page.unchanged, ...page.kept]
}

/** For people: where a record is, and what it is called. */
export function placeOf(where: string | undefined, key: string): string {
  return where === undefined ? JSON.stringify(key) : `${where} (${JSON.stringify(key)})`
}

function isSamePosition(a: Position, b: Position): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
