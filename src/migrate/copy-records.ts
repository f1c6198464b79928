import { sha256Hex, toUtf8 } from '../base/bytes.ts'
import { toIsoTime, type Clock } from '../base/clock.ts'
import { WindlassError } from '../base/errors.ts'
import { newNonce, type Random } from '../base/random.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { Journal, type JournalHead } from './journal.ts'
import { moveRecords, type MoveCounts } from './move-records.ts'
import type { Problem } from './record.ts'
import { rollBack, type RollbackReport } from './roll-back.ts'
import { completeSample } from './sample-records.ts'
import { scanSource, type Scan } from './scan-source.ts'
import type { RecordSource, SourceShape } from './source.ts'
import type { RecordTarget } from './target.ts'
import { verifyMove, type Verification } from './verify-move.ts'

/** A copy from one engine to another, opened by whoever starts it. */
export interface CopyParts {
  readonly source: RecordSource
  readonly target: RecordTarget
  /** Where the copy keeps its notes. */
  readonly notes: ObjectStore
  readonly clock: Clock
  readonly random: Random
}

export interface CopyRecordsOptions {
  readonly parallel: number
  readonly verify: boolean
  /** What made the vectors, if somebody knows. */
  readonly model: string | null
  readonly signal?: AbortSignal
  onProgress?(done: number, total: number | null): void
}

export interface CopyRecordsReport {
  readonly from: string
  readonly to: string
  readonly dimension: number
  readonly metric: SourceShape['metric']
  readonly created: boolean
  readonly counts: MoveCounts
  readonly problems: readonly Problem[]
  readonly duplicateKeys: readonly string[]
  readonly keptKeys: readonly string[]
  readonly verification: Verification | null
}

/**
 * Brings every record of another engine or file to `target`, in steps that are noted, so that a killed run is continued by the next; then
 * reads the source once more, to compare. Records that are there stay.
 * @throws {WindlassError} `conflict` where the destination has another dimension or metric, `not-found` for an empty source.
 */
export async function copyRecords(parts: CopyParts, options: CopyRecordsOptions): Promise<CopyRecordsReport> {
  const { source, target, clock, random } = parts
  const journal = await journalOf(parts)
  const shape = await source.describe()
  const dimension = await dimensionOf(source, shape)
  const existing = await target.describe()
  checkAlike(existing, { dimension, metric: shape.metric }, source, target)
  const earlier = await journal.readHead()
  if (earlier?.state === 'rolling-back') throw new WindlassError('conflict', 'a rollback of this copy was begun: finish it with --rollback', { path: 'rollback' })
  const head: JournalHead =
    earlier?.state === 'running'
      ? earlier
      : earlier
        ? { ...earlier, state: 'running', pass: earlier.pass + 1 }
        : { version: 1, from: source.title, to: target.title, mode: 'reuse', dimension, metric: shape.metric, model: options.model, created: existing === null, state: 'running', pass: 1, startedAt: toIsoTime(clock.now()), nonce: newNonce(random) }
  if (head !== earlier) await journal.writeHead(head)
  await target.create({ dimension, metric: shape.metric, model: head.model })
  const { parallel, signal, onProgress } = options
  const { sample, ...outcome } = await moveRecords(source, target, { head, journal, random, parallel, ...(signal && { signal }), onProgress: ({ read }) => onProgress?.(read, shape.count) })
  const verification = options.verify ? await verifyMove(source, target, { sample: await completeSample(sample, source, { dimension, random }), dimension, metric: shape.metric, isShared: !head.created, ...(signal && { signal }) }) : null
  await journal.writeHead({ ...head, state: 'done' })
  return { from: source.title, to: target.title, dimension, metric: shape.metric, created: head.created, ...outcome, verification }
}

/** What a copy would bring. Writes nothing. */
export async function scanCopy({ source, target }: Pick<CopyParts, 'source' | 'target'>): Promise<Scan & { from: string; to: string; dimension: number; metric: SourceShape['metric'] }> {
  const shape = await source.describe()
  const dimension = await dimensionOf(source, shape)
  checkAlike(await target.describe(), { dimension, metric: shape.metric }, source, target)
  return { from: source.title, to: target.title, dimension, metric: shape.metric, ...(await scanSource(source, { dimension, check: (record) => target.check(record) })) }
}

/** Takes out what a copy of this source to this destination wrote. @throws {WindlassError} `not-found` where there was none. */
export async function rollBackCopy(parts: CopyParts): Promise<RollbackReport> {
  const journal = await journalOf(parts)
  const head = await journal.readHead()
  if (!head) throw new WindlassError('not-found', `no copy of ${parts.source.title} to ${parts.target.title} is noted in ${parts.notes.url}: nothing to take back`, { path: 'rollback' })
  await parts.target.create({ dimension: head.dimension!, metric: head.metric as SourceShape['metric'], model: head.model })
  return rollBack(parts.target, journal, head)
}

async function journalOf({ source, target, notes }: CopyParts): Promise<Journal> {
  return new Journal(notes, (await sha256Hex(toUtf8(JSON.stringify([source.title, target.title])))).slice(0, 16))
}

async function dimensionOf(source: RecordSource, { dimension }: SourceShape): Promise<number> {
  if (dimension !== null) return dimension
  for await (const item of source.read(null)) if ('record' in item) return item.record.vector.length
  throw new WindlassError('not-found', `${source.title} has no record with a vector: name the field with --vector-field`, { path: 'from' })
}

function checkAlike(found: { dimension: number | null; metric: string } | null, wanted: { dimension: number; metric: string }, source: RecordSource, target: RecordTarget): void {
  if (!found) return
  for (const part of ['dimension', 'metric'] as const) {
    if (found[part] !== null && found[part] !== wanted[part]) throw new WindlassError('conflict', `${target.title} has ${part} ${found[part]}, ${source.title} has ${wanted[part]}: copy to another name${part === 'metric' ? ', or name the metric of a file with --metric' : ''}`, { path: part })
  }
}
