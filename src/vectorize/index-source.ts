import { isWindlassError, messageOf } from '../base/errors.ts'
import type { IndexResult, SourceDocument } from './document-index.ts'

/** What a run did. Every file is in one of the five. */
export interface IndexReport {
  new: number
  changed: number
  unchanged: number
  removed: number
  failed: { source: string; message: string }[]
  chunks: number
  bytes: number
}

/** The part of a collection that indexing needs. */
export interface IndexTarget {
  index(document: SourceDocument): Promise<IndexResult>
  listDocuments(options: { limit: number; after?: string }): Promise<{ readonly documents: readonly { readonly source: string }[]; readonly next?: string }>
  deleteDocument(source: string): Promise<boolean>
}

/**
 * Brings a collection in step with a source, a few files at a time. A file that cannot be read is reported, and the rest goes on;
 * a bucket that cannot be written stops the run.
 * @param prune Removes documents below `prune` that the source no longer has.
 */
export async function indexSource(
  documents: AsyncIterable<SourceDocument>,
  target: IndexTarget,
  { concurrency = 8, prune, onFile }: { concurrency?: number; prune?: readonly string[]; onFile?: (source: string, report: IndexReport) => void } = {},
): Promise<IndexReport> {
  const report: IndexReport = { new: 0, changed: 0, unchanged: 0, removed: 0, failed: [], chunks: 0, bytes: 0 }
  const seen = new Set<string>()
  const iterator = documents[Symbol.asyncIterator]()
  const worker = async () => {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
      const { value: document } = next
      if (prune) seen.add(document.source)
      await indexOne(document, target, report)
      onFile?.(document.source, report)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  if (prune) await removeMissing(target, prune, seen, report)
  return report
}

async function indexOne(document: SourceDocument, target: IndexTarget, report: IndexReport): Promise<void> {
  try {
    const { status, chunkCount, sizeBytes } = await target.index(document)
    report[status]++
    report.bytes += sizeBytes
    if (status !== 'unchanged') report.chunks += chunkCount
  } catch (error) {
    // What is wrong with the bucket is wrong for every file.
    if (isWindlassError(error, 'denied', 'unauthenticated', 'unavailable', 'storage-full', 'outcome-unknown', 'not-found', 'corrupt')) throw error
    report.failed.push({ source: document.source, message: messageOf(error) })
  }
}

async function removeMissing(target: IndexTarget, roots: readonly string[], seen: ReadonlySet<string>, report: IndexReport): Promise<void> {
  const gone: string[] = []
  for (let after: string | undefined; ; ) {
    const page = await target.listDocuments({ limit: 1000, ...(after !== undefined && { after }) })
    for (const { source } of page.documents) {
      if (!seen.has(source) && roots.some((root) => source === root || source.startsWith(`${root.replace(/\/$/, '')}/`))) gone.push(source)
    }
    if (page.next === undefined) break
    after = page.next
  }
  for (const source of gone) if (await target.deleteDocument(source)) report.removed++
}
