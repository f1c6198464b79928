import { createHash } from 'node:crypto'
import { isWindlassError, messageOf } from '../base/errors.ts'
import { chunksOf } from '../base/groups.ts'
import type { DocumentCollection } from '../library/types.ts'
import type { Journal, JournalHead, JournalPage, NotedPage } from './journal.ts'
import type { OldBucket } from './legacy-source.ts'
import type { Problem } from './record.ts'
import type { Undoing } from './roll-back.ts'

/** A file of the old layout. */
export interface OldFile {
  /** Its key in the old bucket. */
  readonly key: string
  /** Below the prefix: what it is called from now on. */
  readonly path: string
  readonly sizeBytes: number
}

/** What became of the files, over all runs of a pass. */
export interface FileCounts {
  read: number
  written: number
  unchanged: number
  kept: number
  unreadable: number
  chunks: number
}

export interface EmbedOptions {
  readonly head: JournalHead
  readonly journal: Journal
  readonly filesPrefix: string
  /** Files at once. */
  readonly parallel: number
  readonly signal?: AbortSignal
  onProgress?(counts: FileCounts): void
}

const stepFiles = 32
const toldMax = 100
const pieceBytes = 8 * 1024 * 1024

/** Files below a prefix, in the order of their keys. */
export async function* listFiles(bucket: OldBucket, prefix: string, startAfter?: string): AsyncGenerator<OldFile> {
  for await (const { key, size } of bucket.list(prefix, startAfter === undefined ? {} : { startAfter })) {
    if (!key.endsWith('/') && key.length > prefix.length) yield { key, path: key.slice(prefix.length), sizeBytes: size }
  }
}

/**
 * Parses, chunks and embeds every file of the old bucket anew, in steps that are noted as those of `moveRecords` are. A document that was
 * there before stays as it is. A file that cannot be read is reported, and the rest goes on.
 */
export async function embedFiles(bucket: OldBucket, documents: DocumentCollection, { head, journal, filesPrefix, parallel, signal, onProgress }: EmbedOptions): Promise<{ counts: FileCounts; problems: readonly Problem[]; keptKeys: readonly string[] }> {
  const counts: FileCounts = { read: 0, written: 0, unchanged: 0, kept: 0, unreadable: 0, chunks: 0 }
  const problems: Problem[] = []
  const keptKeys: string[] = []
  const note = (page: JournalPage) => {
    counts.written += page.written.length - (page.failed ? 0 : page.problems.length)
    counts.unchanged += page.unchanged.length
    counts.kept += page.kept.length
    counts.unreadable += page.problems.length
    counts.read += page.written.length + (page.failed?.length ?? 0) + page.unchanged.length + page.kept.length
    problems.push(...page.problems.slice(0, Math.max(0, toldMax - problems.length)))
    keptKeys.push(...page.kept.slice(0, Math.max(0, toldMax - keptKeys.length)))
    onProgress?.(counts)
  }
  const take = async ({ number, page, etag }: NotedPage): Promise<void> => {
    const found: Problem[] = []
    const written: [string, string][] = []
    const failed: string[] = []
    for (const part of chunksOf(page.written, parallel)) {
      const results = await Promise.all(part.map(([path]) => indexFile(bucket, documents, { key: filesPrefix + path, path, ...(signal && { signal }) })))
      results.forEach((result, i) => {
        const path = part[i]![0]
        if ('reason' in result) {
          failed.push(path)
          found.push({ where: filesPrefix + path, reason: result.reason })
        } else {
          written.push([path, result.sha256])
          counts.chunks += result.chunkCount
        }
      })
    }
    const done = { ...page, isDone: true, written, failed, problems: found }
    await journal.replacePage(head, number, done, etag)
    note(done)
  }
  let [next, after] = [0, undefined as string | undefined]
  for await (const { number, page, etag } of journal.pages(head)) {
    next = number + 1
    after = String(page.to.object)
    if (page.isDone) note(page)
    else await take({ number, page, etag })
  }
  let step: OldFile[] = []
  const send = async () => {
    const found = await Promise.all(step.map(({ path }) => documents.getDocument(path)))
    const isThere = (i: number) => found[i]?.state === 'indexed'
    const page: JournalPage = {
      from: after === undefined ? null : { object: after },
      to: { object: step.at(-1)!.key },
      isDone: false,
      written: step.flatMap(({ path }, i) => (isThere(i) ? [] : [[path, ''] as const])),
      unchanged: [],
      kept: step.flatMap(({ path }, i) => (isThere(i) ? [path] : [])),
      duplicates: [],
      problems: [],
    }
    const number = next++
    await journal.expectHead()
    const etag = await journal.addPage(head, number, page)
    after = step.at(-1)!.key
    step = []
    await take({ number, page, etag })
  }
  for await (const file of listFiles(bucket, filesPrefix, after)) {
    signal?.throwIfAborted()
    if (step.push(file) === stepFiles) await send()
  }
  if (step.length > 0) await send()
  return { counts, problems, keptKeys }
}

/** The documents of a collection, to be taken out again. @param source The files that they were made of. */
export function undoDocuments(documents: DocumentCollection, source: { readonly bucket: OldBucket; readonly filesPrefix: string }, dropIfEmpty: () => Promise<boolean>): Undoing {
  const removeIfFailed = async (path: string) => (await documents.getDocument(path))?.state === 'failed' && (await documents.deleteDocument(path))
  return {
    dropIfEmpty,
    async remove(records) {
      let removed = 0
      for (const [path, noted] of records) {
        // Noted as absent, and never marked: ours is what has the content of the old file.
        const sha256 = noted === '' ? await sumOf(source.bucket, source.filesPrefix + path) : noted
        const found = await documents.getDocument(path)
        if (found?.state === 'failed' ? noted === '' && (await removeIfFailed(path)) : found?.sha256 === sha256 && (await documents.deleteDocument(path))) removed++
      }
      return removed
    },
    async removeFailed(paths) {
      let removed = 0
      for (const path of paths) if (await removeIfFailed(path)) removed++
      return removed
    },
  }
}

async function sumOf(bucket: OldBucket, key: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const bytes of read(bucket, key)) hash.update(bytes)
  return hash.digest('hex')
}

async function indexFile(bucket: OldBucket, documents: DocumentCollection, { key, path, signal }: { key: string; path: string; signal?: AbortSignal }): Promise<{ sha256: string; chunkCount: number } | { reason: string }> {
  try {
    const { chunkCount } = await documents.index({ source: path, open: () => read(bucket, key) }, signal ? { signal } : {})
    return { sha256: (await documents.getDocument(path))?.sha256 ?? '', chunkCount }
  } catch (error) {
    if (!isWindlassError(error) || isWindlassError(error, 'unavailable', 'denied', 'unauthenticated', 'cancelled', 'storage-full', 'outcome-unknown')) throw error
    return { reason: messageOf(error) }
  }
}

async function* read(bucket: OldBucket, key: string): AsyncGenerator<Uint8Array> {
  for (let start = 0; ; start += pieceBytes) {
    const answer = await bucket.get(key, { range: { start, end: start + pieceBytes } })
    if (answer.kind !== 'found') return
    if (answer.bytes.length > 0) yield answer.bytes
    if (start + pieceBytes >= answer.size) return
  }
}
