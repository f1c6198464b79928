import { messageOf, WindlassError } from '../../base/errors.ts'
import { loadOptional } from '../../base/optional.ts'
import { isObject, readRecord, readVector, usualFields, type FieldNames } from '../fields.ts'
import type { OldBucket } from '../legacy-source.ts'
import type { PlacedItem, Position, RecordSource, SourceShape } from '../source.ts'

export interface ParquetSourceSettings {
  readonly key: string
  readonly metric: SourceShape['metric']
  readonly fields?: FieldNames
}

/** A range of a file, as hyparquet asks for it. */
interface AsyncBuffer {
  readonly byteLength: number
  slice(start: number, end?: number): Promise<ArrayBuffer>
}

const rowsAtOnce = 1000

/** Row groups up to this are held while their rows are read; of longer ones only the pages that are needed are fetched, if the file has an index of them. */
const heldBytesMax = 512 * 1024 * 1024

/** A Parquet file of a folder or a bucket, read a thousand rows at a time, each row group once: a column with lists of numbers, and others that become id, text and metadata. */
export class ParquetSource implements RecordSource {
  readonly title: string
  readonly #bucket: OldBucket
  readonly #settings: ParquetSourceSettings

  constructor(bucket: OldBucket, settings: ParquetSourceSettings) {
    this.title = `${bucket.url}/${settings.key}`
    this.#bucket = bucket
    this.#settings = settings
  }

  async describe(): Promise<SourceShape> {
    const { parquetMetadataAsync } = await hyparquet()
    const { num_rows: rows } = await this.#reading(async (file) => parquetMetadataAsync(file))
    return { metric: this.#settings.metric, dimension: null, count: Number(rows) }
  }

  async *read(after: Position | null): AsyncIterable<PlacedItem> {
    const { parquetMetadataAsync, parquetReadObjects } = await hyparquet()
    const file = await this.#open()
    const metadata = await this.#reading(async () => parquetMetadataAsync(file))
    const groups = metadata.row_groups.map(rangeOf)
    const held = holdGroups(file, groups)
    const total = Number(metadata.num_rows)
    for (let start = after ? Number(after.row) + 1 : 0; start < total; start += rowsAtOnce) {
      const rows = await this.#reading(async () => parquetReadObjects({ file: held, metadata, useOffsetIndex: groups.some(({ start, end }) => end - start > heldBytesMax), rowStart: start, rowEnd: Math.min(start + rowsAtOnce, total) }))
      for (const [i, row] of rows.entries()) yield this.#toItem(row, start + i)
    }
  }

  async close(): Promise<void> {
    await this.#bucket.close?.()
  }

  #toItem(row: Record<string, unknown>, number: number): PlacedItem {
    const position = { row: number }
    const where = `${this.#settings.key}, row ${number + 1}`
    const plain = toJson(row) as Record<string, unknown>
    const fields = this.#settings.fields ?? usualFields
    // Metadata is written as JSON by `windlass export`, as Parquet has no type for it.
    for (const name of fields.metadata) {
      const value = plain[name]
      if (typeof value === 'string') plain[name] = parsed(value)
    }
    for (const name of Object.keys(plain)) if (plain[name] === null || plain[name] === undefined) delete plain[name]
    const names = fields.vector.some((name) => readVector(plain[name]) instanceof Float32Array) ? fields : { ...fields, vector: Object.keys(plain).filter((name) => readVector(plain[name]) instanceof Float32Array && Array.isArray(plain[name])) }
    const read = readRecord(plain, names, `${this.#settings.key}#${number}`)
    return 'reason' in read ? { problem: { where, reason: read.reason }, position } : { record: read.record, position, where }
  }

  async #open(): Promise<AsyncBuffer> {
    const { key } = this.#settings
    const head = await this.#bucket.head(key)
    if (!head) throw new WindlassError('not-found', `${this.title} is not there`, { path: 'from' })
    return {
      byteLength: head.size,
      slice: async (start, end = head.size) => {
        const answer = await this.#bucket.get(key, { range: { start, end: Math.min(end, head.size) } })
        if (answer.kind !== 'found') throw new WindlassError('not-found', `${this.title} went away while it was read`, { path: 'from' })
        const { buffer, byteOffset, byteLength } = answer.bytes
        return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer
      },
    }
  }

  async #reading<Value>(task: (file: AsyncBuffer) => Promise<Value>): Promise<Value> {
    try {
      return await task(await this.#open())
    } catch (cause) {
      if (cause instanceof WindlassError) throw cause
      throw new WindlassError('invalid', `${this.title} cannot be read as Parquet: ${messageOf(cause)}`, { path: 'from', cause })
    }
  }
}

interface Range {
  readonly start: number
  readonly end: number
}

/** Where the columns of a row group lie. */
function rangeOf({ columns }: { columns: readonly { meta_data?: { dictionary_page_offset?: bigint; data_page_offset: bigint; total_compressed_size: bigint } }[] }): Range {
  const chunks = columns.flatMap(({ meta_data: chunk }) => (chunk ? [chunk] : [])).map((chunk) => ({ start: Number(chunk.dictionary_page_offset || chunk.data_page_offset), size: Number(chunk.total_compressed_size) }))
  return { start: Math.min(...chunks.map(({ start }) => start)), end: Math.max(...chunks.map(({ start, size }) => start + size)) }
}

/** The file, with the row group that was asked for last in memory: hyparquet wants all of it for any of its rows. */
function holdGroups(file: AsyncBuffer, groups: readonly Range[]): AsyncBuffer {
  let held: { readonly group: Range; readonly bytes: Promise<ArrayBuffer> } | null = null
  return {
    byteLength: file.byteLength,
    async slice(start, end = file.byteLength) {
      const group = groups.find((each) => each.start <= start && end <= each.end && each.end - each.start <= heldBytesMax)
      if (!group) return file.slice(start, end)
      if (held?.group !== group) held = { group, bytes: file.slice(group.start, group.end) }
      return (await held.bytes).slice(start - group.start, end - group.start)
    },
  }
}

function hyparquet(): Promise<typeof import('hyparquet')> {
  return loadOptional('hyparquet', () => import('hyparquet'))
}

/** Parquet has long integers, dates and bytes, JSON has not. */
function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (value instanceof Date) return value.toISOString()
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<number>)
  if (Array.isArray(value)) return value.map(toJson)
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toJson(each)])) : value
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
