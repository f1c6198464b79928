import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { WindlassError } from '../../base/errors.ts'
import { loadOptional } from '../../base/optional.ts'
import { toAnswer, uriOf } from '../../api/chroma/records.ts'
import { writeJson } from '../../api/chroma/write-json.ts'
import type { Collection, RowView } from '../../library/types.ts'
import { print, type Flags, type Session } from '../run.ts'
import { countText } from '../text.ts'

const pageRecords = 1000

/** One record as it is exported. */
interface Exported {
  readonly id: string
  readonly embedding: Float32Array | null
  readonly document: string | null
  readonly metadata: unknown
  readonly uri: string | null
}

/**
 * `windlass export`: every record of a collection, in the order of their insertion, as JSON lines (`.jsonl`, or `-` for standard output) or
 * Parquet. A record that is there throughout is exported exactly once, whatever is written meanwhile.
 */
export async function exportRecords({ bucket }: Session, name: string, path: string, flags: Flags): Promise<void> {
  const isParquet = path.endsWith('.parquet')
  if (!isParquet && path !== '-' && !/\.(jsonl|ndjson)$/.test(path)) throw new WindlassError('invalid', `${path} is neither .jsonl nor .parquet: name the file so, or - for JSON lines on standard output`, { path: 'file' })
  const records = pages(await bucket.collection(name))
  const count = await (isParquet ? writeParquet(records, path) : writeLines(records, path))
  if (path !== '-') print(flags.json === true ? JSON.stringify({ collection: name, file: path, recordCount: count }) : `${countText(count, 'record')} exported to ${path}`)
}

async function* pages(collection: Collection): AsyncGenerator<Exported[]> {
  for (let after: string | undefined; ; ) {
    const { rows, next } = await collection.list({ limit: pageRecords, include: { vector: true, metadata: true, document: true }, ...(after !== undefined && { after }) })
    yield rows.map(toExported)
    if (next === undefined) return
    after = next
  }
}

function toExported({ key, vector, metadata = {}, document }: RowView): Exported {
  return { id: key, embedding: vector ?? null, document: document ?? null, metadata: toAnswer(metadata), uri: uriOf(metadata) }
}

async function writeLines(records: AsyncIterable<Exported[]>, path: string): Promise<number> {
  const stream = path === '-' ? process.stdout : createWriteStream(path)
  // Of a file: an error to open or write it, before anything waits for it.
  const failed = path === '-' ? null : once(stream, 'error').then(([error]) => Promise.reject(error as Error))
  failed?.catch(() => undefined)
  let count = 0
  for await (const page of records) {
    const text = page.map((record) => `${[...writeJson(record)].join('')}\n`).join('')
    if (!stream.write(text)) await Promise.race([once(stream, 'drain'), ...(failed ? [failed] : [])])
    count += page.length
  }
  if (path !== '-') {
    stream.end()
    await Promise.race([once(stream, 'finish'), failed])
  }
  return count
}

async function writeParquet(records: AsyncIterable<Exported[]>, path: string): Promise<number> {
  const { fileWriter, ParquetWriter } = await loadOptional('hyparquet-writer', () => import('hyparquet-writer'))
  const text = (name: string, isRequired = false) => ({ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: isRequired ? 'REQUIRED' : 'OPTIONAL' }) as const
  const writer = new ParquetWriter({
    writer: fileWriter(path),
    schema: [
      { name: 'root', num_children: 5 },
      text('id', true),
      { name: 'embedding', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
      text('document'),
      text('metadata'),
      text('uri'),
    ],
  })
  let count = 0
  for await (const page of records) {
    if (page.length === 0) continue
    await writer.write({
      columnData: [
        { name: 'id', data: page.map(({ id }) => id) },
        { name: 'embedding', data: page.map(({ embedding }) => embedding && Array.from(embedding)) },
        { name: 'document', data: page.map(({ document }) => document) },
        // JSON as text: integers beyond 2^53 keep their digits, and 1.0 its point.
        { name: 'metadata', data: page.map(({ metadata }) => (metadata === null ? null : [...writeJson(metadata)].join(''))) },
        { name: 'uri', data: page.map(({ uri }) => uri) },
      ],
    })
    count += page.length
  }
  await writer.finish()
  return count
}
