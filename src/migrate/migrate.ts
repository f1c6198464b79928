import { toIsoTime, type Clock } from '../base/clock.ts'
import { sha256Hex, toUtf8 } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import { newNonce, type Random } from '../base/random.ts'
import type { EmbeddingModel } from '../embed/embedding-model.ts'
import type { DocumentCollection } from '../library/types.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { decideVectors, type Decision } from './decide-vectors.ts'
import { embedFiles, listFiles, undoDocuments, type FileCounts } from './embed-files.ts'
import { estimate, type Estimate } from './estimate.ts'
import { Journal, type JournalHead } from './journal.ts'
import type { LegacySource, OldBucket } from './legacy-source.ts'
import { moveRecords, type MoveCounts } from './move-records.ts'
import type { Problem } from './record.ts'
import { rollBack, type RollbackReport } from './roll-back.ts'
import { completeSample, type RecordSample } from './sample-records.ts'
import { sampleLayout, scanSource, type LayoutSample, type Scan } from './scan-source.ts'
import type { RecordTarget } from './target.ts'
import { verifyMove, type Verification } from './verify-move.ts'

/** What a migration is made of, opened by whoever starts it. */
export interface MigrateParts {
  readonly old: OldBucket
  readonly source: LegacySource
  readonly filesPrefix: string
  readonly vectorsPrefix: string
  readonly metric: 'cosine' | 'euclidean' | 'dot'
  readonly target: RecordTarget
  /** What is charged at the destination. */
  readonly destination: 'bucket' | 's3vectors' | 'other'
  /** Where files that are embedded anew go; made where it is not there. */
  documents(): Promise<DocumentCollection>
  /** Where the migration keeps its notes: the destination's bucket. */
  readonly notes: ObjectStore
  readonly configured: { readonly name: string; load(): Promise<EmbeddingModel> }
  readonly clock: Clock
  readonly random: Random
}

export interface MigrateOptions {
  readonly vectors: 'auto' | 'reuse' | 'embed'
  readonly vectorModel?: string
  readonly parallel: number
  /** Whether the end is checked against the source, which reads it once more. */
  readonly verify: boolean
  readonly signal?: AbortSignal
  onProgress?(done: number, unreadable: number): void
}

/** What would be done, and on what grounds. */
export interface MigratePlan extends Decision {
  readonly from: string
  readonly to: string
  readonly sample: LayoutSample
  readonly metric: 'cosine' | 'euclidean' | 'dot'
  /** Whether the destination is there already. */
  readonly exists: boolean
  /** Of an earlier run with the same source and destination. */
  readonly earlier: JournalHead | null
}

export interface DryRunReport {
  readonly plan: MigratePlan
  readonly objects: number
  readonly objectBytes: number
  readonly files: number
  readonly fileBytes: number
  /** Of the vectors; null where they are made anew. */
  readonly scan: Scan | null
  readonly estimate: Estimate
}

export interface MigrateReport {
  readonly from: string
  readonly to: string
  readonly mode: 'reuse' | 'embed'
  readonly reason: string
  readonly model: string | null
  readonly dimension: number
  readonly counts: MoveCounts | FileCounts
  readonly problems: readonly Problem[]
  readonly duplicateKeys: readonly string[]
  readonly keptKeys: readonly string[]
  readonly verification: Verification | null
}

/** Looks at the old layout and the destination, and decides. Writes nothing. */
export async function planMigration(parts: MigrateParts, { vectors, vectorModel }: Pick<MigrateOptions, 'vectors' | 'vectorModel'>): Promise<MigratePlan> {
  const { source, target, metric, configured } = parts
  const earlier = await (await journalOf(parts)).readHead()
  if (earlier?.state === 'rolling-back') throw new WindlassError('conflict', 'a rollback of this migration was begun: finish it with --rollback', { path: 'rollback' })
  const sample = await sampleLayout(source)
  const shape = await target.describe()
  if (shape && shape.metric !== metric) throw new WindlassError('invalid', `${target.title} has metric ${shape.metric}, expected ${metric}: name it with --metric ${shape.metric}, or another destination`, { path: 'metric' })
  const base = { from: source.title, to: target.title, sample, metric, exists: shape !== null, earlier }
  // What was decided stays decided: by now the destination holds what the first run brought.
  if (earlier && earlier.dimension !== null) {
    if (vectors !== 'auto' && vectors !== earlier.mode) throw new WindlassError('conflict', `this migration was begun with --vectors ${earlier.mode}: go on so, or take it back with --rollback first`, { path: 'vectors' })
    return { ...base, mode: earlier.mode, reason: 'as this migration was begun', model: earlier.model, dimension: earlier.dimension }
  }
  const decision = await decideVectors({ wanted: vectors, sample, target: shape, configured, ...(vectorModel !== undefined && { vectorModel }) })
  if (decision.mode === 'embed') await expectFiles(parts, decision.reason)
  return { ...base, ...decision }
}

/** Reads everything that a migration would read, and writes nothing. */
export async function dryRun(parts: MigrateParts, plan: MigratePlan, onProgress?: (read: number) => void): Promise<DryRunReport> {
  const totals = { objects: 0, objectBytes: 0, files: 0, fileBytes: 0 }
  for await (const { size } of parts.old.list(parts.vectorsPrefix)) {
    totals.objects++
    totals.objectBytes += size
  }
  for await (const { sizeBytes } of listFiles(parts.old, parts.filesPrefix)) {
    totals.files++
    totals.fileBytes += sizeBytes
  }
  const scan = plan.mode === 'embed' ? null : await scanSource(parts.source, { dimension: plan.dimension, check: (record) => parts.target.check(record), ...(onProgress && { onProgress }) })
  // Chunks of 256 tokens, about a thousand characters each, with a vector and its text.
  const records = scan?.records ?? Math.ceil(totals.fileBytes / 1000)
  const sizeBytes = scan?.sizeBytes ?? totals.fileBytes + records * plan.dimension * 4
  return { plan, ...totals, scan, estimate: estimate({ ...totals, records, sizeBytes, mode: plan.mode, destination: parts.destination }) }
}

/** Does what was planned, or goes on with it, and checks the end. */
export async function runMigration(parts: MigrateParts, plan: MigratePlan, options: MigrateOptions): Promise<MigrateReport> {
  const journal = await journalOf(parts)
  const head = await beginJournal(parts, plan, journal)
  const base = { from: plan.from, to: plan.to, mode: plan.mode, reason: plan.reason, model: plan.model, dimension: plan.dimension }
  const { parallel, signal, onProgress } = options
  const shared = { head, journal, parallel, ...(signal && { signal }), onProgress: (counts: { read: number; unreadable: number }) => onProgress?.(counts.read, counts.unreadable) }
  if (plan.mode === 'embed') {
    const { counts, problems, keptKeys } = await embedFiles(parts.old, await parts.documents(), { ...shared, filesPrefix: parts.filesPrefix })
    await journal.writeHead({ ...head, state: 'done' })
    return { ...base, counts, problems, duplicateKeys: [], keptKeys, verification: null }
  }
  await parts.target.create({ dimension: plan.dimension, metric: plan.metric, model: plan.model })
  const { sample, ...outcome } = await moveRecords(parts.source, parts.target, { ...shared, random: parts.random })
  const verification = options.verify ? await verify(parts, plan, { head, sample, signal }) : null
  await journal.writeHead({ ...head, state: 'done' })
  return { ...base, ...outcome, verification }
}

/** Takes out what a migration of this source to this destination wrote. @throws {WindlassError} `not-found` where there was none. */
export async function rollBackMigration(parts: MigrateParts, onProgress?: (removed: number) => void): Promise<RollbackReport> {
  const journal = await journalOf(parts)
  const head = await journal.readHead()
  if (!head) throw new WindlassError('not-found', `no migration of ${parts.source.title} to ${parts.target.title} is noted in ${parts.notes.url}: nothing to take back`, { path: 'rollback' })
  const undoing = head.mode === 'embed' ? undoDocuments(await parts.documents(), { bucket: parts.old, filesPrefix: parts.filesPrefix }, () => parts.target.dropIfEmpty()) : parts.target
  if (head.mode === 'reuse' && head.dimension !== null) await parts.target.create({ dimension: head.dimension, metric: parts.metric, model: head.model })
  return rollBack(undoing, journal, head, onProgress)
}

async function verify({ source, target, random }: MigrateParts, plan: MigratePlan, { head, sample, signal }: { head: JournalHead; sample: RecordSample; signal: AbortSignal | undefined }): Promise<Verification> {
  const questions = await completeSample(sample, source, { dimension: plan.dimension, random })
  return verifyMove(source, target, { sample: questions, dimension: plan.dimension, metric: plan.metric, isShared: !head.created, ...(signal && { signal }) })
}

async function journalOf({ source, target, notes }: MigrateParts): Promise<Journal> {
  return new Journal(notes, (await sha256Hex(toUtf8(JSON.stringify([source.title, target.title])))).slice(0, 16))
}

/** The head to go on with; a finished migration that is run again begins a new pass, which finds most of it there. */
async function beginJournal({ clock, random }: MigrateParts, plan: MigratePlan, journal: Journal): Promise<JournalHead> {
  const earlier = await journal.readHead()
  if (earlier?.state === 'running') return earlier
  const head: JournalHead = earlier
    ? { ...earlier, state: 'running', pass: earlier.pass + 1 }
    : { version: 1, from: plan.from, to: plan.to, mode: plan.mode, dimension: plan.dimension, metric: plan.metric, model: plan.model, created: !plan.exists, state: 'running', pass: 1, startedAt: toIsoTime(clock.now()), nonce: newNonce(random) }
  await journal.writeHead(head)
  return head
}

async function expectFiles({ old, filesPrefix }: MigrateParts, reason: string): Promise<void> {
  for await (const _ of listFiles(old, filesPrefix)) return
  throw new WindlassError('not-found', `vectors would be made anew (${reason}), and there is no file below ${old.url}/${filesPrefix}: name the folder with --files-prefix`, { path: 'source' })
}
