import { messageOf, WindlassError } from '../../base/errors.ts'
import { loadOptional } from '../../base/optional.ts'
import { isObject, readRecord, readVector, usualFields, type FieldNames } from '../fields.ts'
import type { PlacedItem, Position, RecordSource, SourceShape } from '../source.ts'

/** What is used of LanceDB's client. */
export interface LanceTable {
  countRows(): Promise<number>
  query(): { limit(count: number): { offset(count: number): { toArray(): Promise<readonly unknown[]> } } }
  close(): void
}

export interface LancedbSourceSettings {
  readonly folder: string
  readonly table: string
  readonly metric: SourceShape['metric']
  readonly fields?: FieldNames
}

const pageRows = 1000

/** A table of LanceDB in a folder or on `s3://`, read in the order of its rows. Nobody should write to it meanwhile. */
export class LancedbSource implements RecordSource {
  readonly title: string
  readonly #table: LanceTable
  readonly #settings: LancedbSourceSettings

  constructor(table: LanceTable, settings: LancedbSourceSettings) {
    this.title = `lancedb:${settings.folder}/${settings.table}`
    this.#table = table
    this.#settings = settings
  }

  /** @throws {WindlassError} `missing-dependency`, `not-found`. */
  static async open(settings: LancedbSourceSettings): Promise<LancedbSource> {
    const { connect } = await loadOptional('@lancedb/lancedb', () => import('@lancedb/lancedb' as string) as Promise<{ connect(uri: string): Promise<{ openTable(name: string): Promise<LanceTable> }> }>)
    try {
      return new LancedbSource(await (await connect(settings.folder)).openTable(settings.table), settings)
    } catch (cause) {
      throw new WindlassError('not-found', `lancedb:${settings.folder}/${settings.table} cannot be opened: ${messageOf(cause)}`, { path: 'from', cause })
    }
  }

  async describe(): Promise<SourceShape> {
    return { metric: this.#settings.metric, dimension: null, count: await this.#table.countRows() }
  }

  async *read(after: Position | null): AsyncIterable<PlacedItem> {
    for (let start = after ? Number(after.row) + 1 : 0; ; start += pageRows) {
      const rows = await this.#table.query().limit(pageRows).offset(start).toArray()
      for (const [i, row] of rows.entries()) yield this.#toItem(row, start + i)
      if (rows.length < pageRows) return
    }
  }

  close(): Promise<void> {
    this.#table.close()
    return Promise.resolve()
  }

  #toItem(row: unknown, number: number): PlacedItem {
    const [position, where] = [{ row: number }, `row ${number + 1}`]
    const plain = toJson(row)
    if (!isObject(plain)) return { problem: { where, reason: 'it is no row' }, position }
    for (const name of Object.keys(plain)) if (plain[name] === null || plain[name] === undefined) delete plain[name]
    const fields = this.#settings.fields ?? usualFields
    const isNamed = fields.vector.some((name) => readVector(plain[name]) instanceof Float32Array)
    const read = readRecord(plain, isNamed ? fields : { ...fields, vector: Object.keys(plain).filter((name) => Array.isArray(plain[name])) }, `${this.#settings.table}#${number}`)
    return 'reason' in read ? { problem: { where, reason: read.reason }, position } : { record: read.record, position, where }
  }
}

/** Rows of Arrow are proxies of columns; `toJSON` gives what is in them. */
function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(toJson)
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<number>)
  if (typeof value !== 'object' || value === null) return value
  const { toJSON } = value as { toJSON?: () => unknown }
  if (typeof toJSON === 'function') return toJson(toJSON.call(value))
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toJson(each)]))
}
