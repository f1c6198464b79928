import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Database } from 'node-sqlite3-wasm'
import { messageOf, WindlassError } from '../../../base/errors.ts'
import { loadOptional } from '../../../base/optional.ts'
import { parseJson, type Json } from '../parse-json.ts'
import { isObject, member, type JsonObject } from '../read-body.ts'
import { toRecord, type RecordInput } from '../records.ts'
import { newSettings, vectorConfiguration } from '../settings.ts'
import { readHnsw } from './hnsw-file.ts'
import type { ChromaSource, SourceCollection } from './source.ts'

type Cell = string | number | bigint | Uint8Array | null
type Cells = Record<string, Cell>

const batchRecords = 500
const operations = { add: 0, update: 1, upsert: 2, delete: 3 }

/** One record while the queue is applied to it. */
interface Growing {
  metadata: JsonObject
  vector: Float32Array | undefined
}

/**
 * A folder that Chroma's PersistentClient or `chroma run` keeps (formats of 0.4 to 1.5), read only: rows and texts are in SQLite, vectors in
 * files of hnswlib, and what was written last in a queue that neither has yet. Nobody should write to it meanwhile.
 */
export class PersistedSource implements ChromaSource {
  readonly #folder: string
  readonly #database: Database

  private constructor(folder: string, database: Database) {
    this.#folder = folder
    this.#database = database
  }

  /** @throws {WindlassError} `not-found` for a folder that is none of Chroma's, `missing-dependency`. */
  static async open(folder: string): Promise<PersistedSource> {
    const { default: sqlite } = await loadOptional('node-sqlite3-wasm', () => import('node-sqlite3-wasm'))
    const path = join(folder, 'chroma.sqlite3')
    try {
      const database = new sqlite.Database(path, { fileMustExist: true, readOnly: true })
      database.all('SELECT id FROM collections LIMIT 1')
      return new PersistedSource(folder, database)
    } catch (cause) {
      throw new WindlassError('not-found', `${path} cannot be read: ${messageOf(cause)}: expected the URL of a Chroma server, or its folder`, { cause })
    }
  }

  async *collections(): AsyncGenerator<SourceCollection> {
    for (const row of this.#rows('SELECT c.*, d.name AS database_name, d.tenant_id AS tenant FROM collections c JOIN databases d ON d.id = c.database_id ORDER BY c.name')) {
      const id = String(row.id)
      const metadata = metadataOf(this.#rows('SELECT * FROM collection_metadata WHERE collection_id = ?', id), 'str_value')
      yield { tenant: String(row.tenant), database: String(row.database_name), id, name: String(row.name), settings: newSettings({ metadata: Object.keys(metadata).length > 0 ? metadata : null, configuration: configurationOf(row) }) }
    }
  }

  async *records({ id, settings }: SourceCollection): AsyncGenerator<readonly RecordInput[]> {
    const segments = this.#rows('SELECT id, scope FROM segments WHERE collection = ?', id)
    const segment = (scope: string) => String(segments.find((each) => each.scope === scope)?.id ?? '')
    const [vectorSegment, metadataSegment] = [segment('VECTOR'), segment('METADATA')]
    const vectors = await this.#vectors(vectorSegment, settings.space === 'cosine')
    const records = this.#stored(metadataSegment)
    for (const [key, record] of records) record.vector = vectors.get(key)
    this.#applyQueue(id, records, { vector: this.#reached(vectorSegment), metadata: this.#reached(metadataSegment) })
    let batch: RecordInput[] = []
    for (const [key, { metadata, vector }] of records) {
      if (batch.push(toRecord(key, vector, metadata)) < batchRecords) continue
      yield batch
      batch = []
    }
    if (batch.length > 0) yield batch
  }

  async close(): Promise<void> {
    this.#database.close()
  }

  /** Records as of the metadata segment, without their vectors. */
  #stored(segment: string): Map<string, Growing> {
    const records = new Map<string, Growing>()
    const values = groupBy(this.#rows('SELECT m.* FROM embedding_metadata m JOIN embeddings e ON e.id = m.id WHERE e.segment_id = ?', segment), 'id')
    const lists = this.#has('embedding_metadata_array') ? groupBy(this.#rows('SELECT m.* FROM embedding_metadata_array m JOIN embeddings e ON e.id = m.id WHERE e.segment_id = ? ORDER BY m.rowid', segment), 'id') : new Map<string, Cells[]>()
    for (const row of this.#rows('SELECT id, embedding_id FROM embeddings WHERE segment_id = ? ORDER BY id', segment)) {
      const metadata = metadataOf(values.get(String(row.id)) ?? [], 'string_value')
      for (const cells of lists.get(String(row.id)) ?? []) {
        const key = String(cells.key)
        const before = metadata[key]
        metadata[key] = [...(Array.isArray(before) ? before : []), valueOf(cells, 'string_value')]
      }
      records.set(String(row.embedding_id), { metadata, vector: undefined })
    }
    return records
  }

  /** What neither segment has yet, in the order it was written; each part of an operation counts where its segment has not reached it. */
  #applyQueue(collection: string, records: Map<string, Growing>, reached: { vector: bigint; metadata: bigint }): void {
    for (const row of this.#rows("SELECT * FROM embeddings_queue WHERE topic LIKE '%/' || ? ORDER BY seq_id", collection)) {
      const [sequence, key, operation] = [BigInt(row.seq_id as number), String(row.id), Number(row.operation)]
      const [changesVector, changesMetadata] = [sequence > reached.vector, sequence > reached.metadata]
      if (!changesVector && !changesMetadata) continue
      const known = records.get(key)
      if (operation === operations.delete) {
        // A record of this key that came later, and is in the metadata segment already, stays.
        if (changesMetadata) records.delete(key)
        else if (known) known.vector = undefined
        continue
      }
      if (!known && (operation === operations.update || !changesMetadata)) continue
      if (known && operation === operations.add && changesMetadata) continue
      const record = known ?? { metadata: {}, vector: undefined }
      if (!known) records.set(key, record)
      if (changesVector && row.vector instanceof Uint8Array && !(operation === operations.add && record.vector)) record.vector = vectorOf(row.vector)
      if (changesMetadata && typeof row.metadata === 'string') record.metadata = merged(record.metadata, parseJson(row.metadata))
    }
  }

  async #vectors(segment: string, isNormalized: boolean): Promise<Map<string, Float32Array>> {
    const read = (name: string) =>
      readFile(join(this.#folder, segment, name)).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ENOENT') return null
        throw cause
      })
    const [header, level0, lengths, metadata] = segment === '' ? [] : await Promise.all(['header.bin', 'data_level0.bin', 'length.bin', 'index_metadata.pickle'].map(read))
    return header && level0 ? readHnsw({ header, level0, lengths: lengths ?? new Uint8Array(0), metadata: metadata ?? null }, { name: join(this.#folder, segment), isNormalized }) : new Map()
  }

  /** The last number of the queue that a segment has. */
  #reached(segment: string): bigint {
    const [row] = this.#rows('SELECT seq_id FROM max_seq_id WHERE segment_id = ?', segment)
    // Versions before 0.4.16 kept it as eight bytes.
    if (row?.seq_id instanceof Uint8Array) return row.seq_id.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
    return row ? BigInt(row.seq_id as number) : 0n
  }

  #has(table: string): boolean {
    return this.#rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?", table).length > 0
  }

  #rows(sql: string, ...values: string[]): Cells[] {
    return this.#database.all(sql, values) as Cells[]
  }
}

function groupBy(rows: readonly Cells[], column: string): Map<string, Cells[]> {
  const groups = new Map<string, Cells[]>()
  for (const row of rows) {
    const group = groups.get(String(row[column]))
    if (group) group.push(row)
    else groups.set(String(row[column]), [row])
  }
  return groups
}

function metadataOf(rows: readonly Cells[], textColumn: string): JsonObject {
  return Object.fromEntries(rows.map((cells) => [String(cells.key), valueOf(cells, textColumn)]))
}

/** The one column that is filled says the type. */
function valueOf(cells: Cells, textColumn: string): Json {
  if (cells[textColumn] !== null && cells[textColumn] !== undefined) return String(cells[textColumn])
  if (cells.int_value !== null) return BigInt(cells.int_value as number)
  if (cells.float_value !== null) return Number(cells.float_value)
  return cells.bool_value === null || cells.bool_value === undefined ? null : Number(cells.bool_value) !== 0
}

function merged(metadata: JsonObject, changes: Json): JsonObject {
  const all = { ...metadata }
  for (const [key, value] of Object.entries(isObject(changes) ? changes : {})) {
    if (value === null) delete all[key]
    else all[key] = value
  }
  return all
}

function vectorOf(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Float32Array.from({ length: bytes.length >>> 2 }, (_, i) => view.getFloat32(i * 4, true))
}

/** The vector index that a collection was made with: in its schema, or in its configuration, or, before those, in its metadata. */
function configurationOf({ schema_str: schema, config_json_str: configuration }: Cells): Json {
  const parsed = typeof schema === 'string' && schema !== '' ? parseJson(schema) : null
  const fromSchema = isObject(parsed) ? vectorConfiguration(parsed) : undefined
  if (isObject(fromSchema)) {
    const { space, embedding_function: embeddingFunction, hnsw } = fromSchema
    return { hnsw: { ...(isObject(hnsw) ? hnsw : {}), ...(space !== undefined && { space }) }, ...(embeddingFunction !== undefined && { embedding_function: embeddingFunction }) }
  }
  const old = typeof configuration === 'string' && configuration !== '' ? parseJson(configuration) : null
  if (!isObject(old)) return null
  const hnsw = member(old, 'hnsw') ?? member(old, 'hnsw_configuration')
  const embeddingFunction = member(old, 'embedding_function')
  const known = ['space', 'ef_construction', 'ef_search', 'max_neighbors', 'resize_factor', 'sync_threshold', 'num_threads', 'batch_size']
  const kept = isObject(hnsw) ? Object.fromEntries(Object.entries(hnsw).filter(([name]) => known.includes(name))) : {}
  return { hnsw: kept, ...(embeddingFunction !== undefined && { embedding_function: embeddingFunction }) }
}
