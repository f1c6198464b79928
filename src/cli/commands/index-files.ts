import { systemClock } from '../../base/clock.ts'
import { WindlassError } from '../../base/errors.ts'
import { storeSettings } from '../../config/load.ts'
import type { Configuration } from '../../config/configuration.ts'
import type { Bucket, DocumentCollection } from '../../library/types.ts'
import { openStore, parseS3Url } from '../../store/open-store.ts'
import type { SourceDocument } from '../../vectorize/document-index.ts'
import { indexSource } from '../../vectorize/index-source.ts'
import { bucketDocuments, folderDocuments } from '../../vectorize/sources/source-documents.ts'
import { ensureDefaultCollection } from '../../server/default-collection.ts'
import { startProgress } from '../progress.ts'
import { print, type Flags, type Session } from '../run.ts'
import { countText, sizeText } from '../text.ts'

/** `windlass index`: brings a collection in step with files, folders and S3 prefixes. */
export async function indexFiles({ bucket, configuration }: Session, paths: readonly string[], flags: Flags): Promise<void> {
  const started = systemClock.monotonic()
  const sources = paths.map((path) => sourceOf(path, configuration))
  const collection = await collectionOf(bucket, configuration)
  const before = bucket.requestCounts()
  const progress = startProgress({ isTerminal: process.stderr.isTTY })
  let total = 0
  let isCounted = false
  let told = 0
  // The number of files is found beside the work, so that the first file need not wait for it.
  const counting = countAll(sources, (count) => (total = count)).then(() => (isCounted = true), () => undefined)
  const report = await indexSource(all(sources), collection, {
    ...(flags.prune && { prune: sources.map(({ root }) => root) }),
    onFile: (_, { new: added, changed, unchanged, failed, bytes }) => {
      const done = added + changed + unchanged + failed.length
      // On a terminal the bar is in the way: there they are told at the end.
      while (!process.stderr.isTTY && told < failed.length) tellFailure(failed[told++]!)
      progress.update(done, Math.max(total, done), bytes, isCounted)
    },
  }).finally(() => progress.stop())
  await counting
  for (const failure of report.failed.slice(told)) tellFailure(failure)
  const seconds = (systemClock.monotonic() - started) / 1000
  const { requests, bytesWritten } = bucket.requestCounts()
  const sent = Object.entries(requests).flatMap(([operation, total]) => {
    const count = total - (before.requests[operation] ?? 0)
    return count === 0 ? [] : [`${count} ${operation}`]
  })
  if (flags.json) print(JSON.stringify({ ...report, seconds, requests }, null, 2))
  else {
    print(`${report.new} new, ${report.changed} changed, ${report.unchanged} unchanged, ${report.removed} removed, ${report.failed.length} failed`)
    print(`${countText(report.chunks, 'chunk')} of ${sizeText(report.bytes)} in ${seconds.toFixed(1)} s; ${sizeText(bytesWritten - before.bytesWritten)} written, requests: ${sent.join(', ') || 'none'}`)
  }
  if (report.failed.length > 0) process.exitCode = 1
}

/** Where documents go; an engine of its own makes what is missing itself. */
async function collectionOf(bucket: Bucket, configuration: Configuration): Promise<DocumentCollection> {
  if (configuration.text('engine') !== undefined) return bucket.documents(configuration.collection())
  await ensureDefaultCollection(bucket, configuration)
  return bucket.getOrCreateCollection(configuration.collection())
}

function tellFailure({ source, message }: { source: string; message: string }): void {
  // Most messages name the file themselves.
  process.stderr.write(`failed: ${message.startsWith(source) ? '' : `${source}: `}${message}\n`)
}

interface Source {
  /** What the sources of all its documents start with. */
  readonly root: string
  open(): AsyncIterable<SourceDocument>
}

function sourceOf(path: string, configuration: Configuration): Source {
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(path)) return { root: path.replace(/^\.\//, '').replace(/\/$/, ''), open: () => folderDocuments(path) }
  if (!/^s3:/i.test(path)) throw new WindlassError('unsupported', `${path}: only files, folders and s3:// URLs can be indexed`, { path })
  const { bucket, prefix } = parseS3Url(path)
  const url = `s3://${bucket}`
  return {
    root: prefix === '' ? url : `${url}/${prefix}`,
    open: async function* () {
      const store = await openStore(url, storeSettings(configuration))
      try {
        yield* bucketDocuments(store, prefix)
      } finally {
        await store.close?.()
      }
    },
  }
}

async function* all(sources: readonly Source[]): AsyncIterable<SourceDocument> {
  for (const source of sources) yield* source.open()
}

async function countAll(sources: readonly Source[], onCount: (count: number) => void): Promise<void> {
  let count = 0
  for await (const _ of all(sources)) onCount(++count)
}
