import { WindlassError } from '../../../base/errors.ts'
import type { Random } from '../../../base/random.ts'
import { compareIndexes, isSameRecord, KeySet, Sample, type Comparison } from './compare.ts'
import { forEachPage } from './for-each-page.ts'
import { splitForPut, type CopiedRecord, type IndexPlace, type IndexShape } from './index-place.ts'

export interface CopyOptions {
  /** Lists and puts in flight at once. */
  readonly parallel: number
  /** Looks at both places, and writes nothing. */
  readonly dryRun: boolean
  /** The metadata key that stands for a document where the other side has no place for one. */
  readonly documentKey?: string
  readonly random: Random
  readonly signal?: AbortSignal
  /** @param total Null where the source does not tell. */
  onProgress?(done: number, total: number | null): void
}

export interface CopyReport {
  readonly from: string
  readonly to: string
  readonly shape: IndexShape
  /** Whether the destination was made, or in a dry run would be. */
  readonly created: boolean
  readonly read: number
  readonly written: number
  /** Records that the destination held already, equal in every part: those of a run that was interrupted. */
  readonly unchanged: number
  /** Records without a vector, which S3 Vectors has no place for. */
  readonly skipped: number
  /** Records that lost their document, as nobody said which metadata key it may become. */
  readonly documentsDropped: number
  readonly comparison: Comparison | null
}

/**
 * Brings the index at `to` to hold every record of `from`. What `to` holds besides stays.
 *
 * There is no file of its own to remember how far a run came: a run on an index that is not empty asks the destination for each batch and
 * writes what is missing or different. So the run after an interrupted one continues it, on any machine, and a run after a finished one
 * writes what changed since.
 * @throws {WindlassError} `not-found` without a source, `conflict` where the destination has another dimension or metric.
 */
export async function copyIndex(from: IndexPlace, to: IndexPlace, options: CopyOptions): Promise<CopyReport> {
  if (from.title === to.title) throw new WindlassError('invalid', `${from.title} is both source and destination: name another`, { path: 'to' })
  const shape = await from.describe()
  if (!shape) throw new WindlassError('not-found', `${from.title} is not there: check its name, and the endpoint or bucket`, { path: 'from' })
  const old = await to.describe()
  if (old) checkAlike(shape, old, from, to)
  const wanted = shapeFor(shape, from, to, options.documentKey)
  const total = await from.count()
  const counts = { read: 0, written: 0, unchanged: 0, skipped: 0, documentsDropped: 0 }
  const base = { from: from.title, to: to.title, shape: wanted, created: old === null }
  if (options.dryRun) {
    counts.read = total ?? (await countKeys(from, options))
    return { ...base, ...counts, comparison: null }
  }
  if (!old) await to.create(wanted)
  const isEmpty = !old || (await holdsNothing(to))
  const keys = new KeySet()
  const sample = new Sample(options.random)
  await forEachPage(from, 'records', options, async (page) => {
    counts.read += page.length
    const records = page.flatMap((record) => {
      const moved = translate(record, to.keepsDocuments, options.documentKey)
      if (moved.vector === null && !to.keepsDocuments) {
        counts.skipped++
        return []
      }
      if (moved.document !== undefined && !to.keepsDocuments) counts.documentsDropped++
      keys.add(moved.key)
      sample.offer(moved)
      return [moved]
    })
    for (const batch of splitForPut(records)) {
      const due = isEmpty ? batch : await missingOrDifferent(batch, to)
      if (due.length > 0) await to.put(due)
      counts.written += due.length
      counts.unchanged += batch.length - due.length
    }
    options.onProgress?.(counts.read, total)
  })
  return { ...base, ...counts, comparison: await compareIndexes(from, to, { keys, sample, parallel: options.parallel }) }
}

function checkAlike(wanted: IndexShape, found: IndexShape, from: IndexPlace, to: IndexPlace): void {
  for (const part of ['dimension', 'metric'] as const) {
    if (wanted[part] !== found[part]) throw new WindlassError('conflict', `${to.title} has ${part} ${found[part]}, ${from.title} has ${wanted[part]}: copy to another name`, { path: part })
  }
}

/** A document that becomes metadata is too long to filter by. */
function shapeFor(shape: IndexShape, from: IndexPlace, to: IndexPlace, documentKey: string | undefined): IndexShape {
  if (documentKey === undefined || from.keepsDocuments === to.keepsDocuments) return shape
  const others = shape.nonFilterableKeys.filter((key) => key !== documentKey)
  return { ...shape, nonFilterableKeys: to.keepsDocuments ? others : [...others, documentKey] }
}

function translate(record: CopiedRecord, keepsDocuments: boolean, documentKey: string | undefined): CopiedRecord {
  const { document, metadata, ...rest } = record
  if (documentKey === undefined) return record
  if (!keepsDocuments) return { ...rest, metadata: document === undefined ? metadata : { ...metadata, [documentKey]: document } }
  const { [documentKey]: text, ...others } = metadata
  return document === undefined && typeof text === 'string' ? { ...rest, metadata: others, document: text } : record
}

async function missingOrDifferent(batch: readonly CopiedRecord[], to: IndexPlace): Promise<CopiedRecord[]> {
  const found = new Map((await to.get(batch.map(({ key }) => key))).map((record) => [record.key, record]))
  return batch.filter((record) => {
    const other = found.get(record.key)
    return !other || !isSameRecord(record, other, to.keepsDocuments)
  })
}

async function holdsNothing(place: IndexPlace): Promise<boolean> {
  for await (const page of place.list({ index: 0, count: 1 }, 'keys')) if (page.length > 0) return false
  return true
}

async function countKeys(place: IndexPlace, options: CopyOptions): Promise<number> {
  let count = 0
  await forEachPage(place, 'keys', options, (page) => {
    count += page.length
    return Promise.resolve()
  })
  return count
}
