import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { open } from '../../src/index.ts'
import { usualFields } from '../../src/migrate/fields.ts'
import { copyRecords, rollBackCopy } from '../../src/migrate/copy-records.ts'
import { LegacySource } from '../../src/migrate/legacy-source.ts'
import { PlainFolder } from '../../src/migrate/plain-folder.ts'
import type { PlacedItem, RecordSource } from '../../src/migrate/source.ts'
import { BatchSource } from '../../src/migrate/sources/batch-source.ts'
import { LancedbSource, type LanceTable } from '../../src/migrate/sources/lancedb-source.ts'
import { ParquetSource } from '../../src/migrate/sources/parquet-source.ts'
import { PgvectorSource } from '../../src/migrate/sources/pgvector-source.ts'
import { QdrantSource } from '../../src/migrate/sources/qdrant-source.ts'
import { CollectionTarget } from '../../src/migrate/targets/collection-target.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { openDatabase } from '../../src/vectorize/postgres/database.ts'
import { startQdrantDouble, type QdrantDouble } from '../doubles/qdrant/double.ts'
import { startTestDatabase, type TestDatabase } from '../postgres/test-database.ts'
import { recordsOf, vectorOf } from './parts.ts'

const folder = mkdtempSync(join(tmpdir(), 'windlass-sources-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const count = 1203
const expected = (i: number) => ({ vector: vectorOf(i), metadata: { n: i, tags: ['a', `t${i % 3}`] }, document: `text ${i}` })

let copies = 0
/** Copies all of a source, cut off on the way once, and compares every record. */
async function expectWhole(source: RecordSource, keyOf: (i: number) => string, { metric = 'cosine', problems = 0 }: { metric?: string; problems?: number } = {}): Promise<void> {
  expect((await source.describe()).metric).toBe(metric)
  const bucket = await open(`memory:sources-${++copies}`)
  const target = new CollectionTarget(bucket, 'copy')
  const parts = { source, target, notes: new MemoryStore(), clock: systemClock, random: seededRandom(1) }
  const options = { parallel: 2, verify: true, model: null }
  let left = 600
  const cut: RecordSource = { title: source.title, describe: () => source.describe(), close: () => Promise.resolve(), read: (after) => cutAfter(source.read(after), () => left-- > 0) }
  await expect(copyRecords({ ...parts, source: cut }, options)).rejects.toThrow('cut off')
  const report = await copyRecords(parts, options)
  expect(report).toMatchObject({ counts: { read: count + problems, written: count, unreadable: problems, duplicates: 0 }, verification: { sourceCount: count, equal: count, missing: 0, overlap: 1 } })
  const records = await recordsOf(bucket, 'copy')
  expect(records.size).toBe(count)
  for (let i = 0; i < count; i += 100) expect(records.get(keyOf(i))).toEqual(expected(i))
  expect(await rollBackCopy(parts)).toEqual({ removed: count, left: 0, dropped: true })
  await bucket.close()
}

async function* cutAfter(items: AsyncIterable<PlacedItem>, isOn: () => boolean): AsyncIterable<PlacedItem> {
  for await (const item of items) {
    if (!isOn()) throw new Error('cut off')
    yield item
  }
}

const rows = Array.from({ length: count }, (_, i) => ({ id: `r${i}`, embedding: vectorOf(i), metadata: { n: i, tags: ['a', `t${i % 3}`] }, document: `text ${i}` }))

test('JSON lines', async () => {
  writeFileSync(join(folder, 'rows.jsonl'), `${rows.map((row) => JSON.stringify(row)).join('\n')}\n{"id": \n`)
  await expectWhole(new LegacySource(new PlainFolder(folder), { fields: usualFields, vectorsPrefix: 'rows.jsonl', metric: 'cosine' }), (i) => `r${i}`, { problems: 1 })
})

test('Parquet, as windlass export writes it', async () => {
  const bucket = await open('memory:parquet')
  const collection = await bucket.createCollection('docs')
  for (let i = 0; i < rows.length; i += 1000) await collection.put(rows.slice(i, i + 1000).map(({ id, embedding, ...rest }) => ({ key: id, vector: embedding, ...rest })))
  const { exportRecords } = await import('../../src/cli/commands/export-records.ts')
  await exportRecords({ bucket } as never, 'docs', join(folder, 'rows.parquet'), { json: true })
  await bucket.close()
  expect(readFileSync(join(folder, 'rows.parquet')).subarray(0, 4).toString()).toBe('PAR1')
  await expectWhole(new ParquetSource(new PlainFolder(folder), { key: 'rows.parquet', metric: 'cosine' }), (i) => `r${i}`)
  writeFileSync(join(folder, 'broken.parquet'), 'PAR1 and nothing')
  await expect(new ParquetSource(new PlainFolder(folder), { key: 'broken.parquet', metric: 'cosine' }).describe()).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('cannot be read as Parquet') })
})

test('Parquet in long row groups: each is fetched once', async () => {
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  const total = 6000
  const columnData = [
    { name: 'id', data: Array.from({ length: total }, (_, i) => `r${i}`), type: 'STRING' as const },
    { name: 'embedding', data: Array.from({ length: total }, (_, i) => vectorOf(i)), type: 'JSON' as const },
  ]
  writeFileSync(join(folder, 'long.parquet'), Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: 4000 })))
  let bytes = 0
  const counting = new (class extends PlainFolder {
    override async get(...given: Parameters<PlainFolder['get']>) {
      const answer = await super.get(...given)
      if (answer.kind === 'found') bytes += answer.bytes.length
      return answer
    }
  })(folder)
  const keys: string[] = []
  for await (const item of new ParquetSource(counting, { key: 'long.parquet', metric: 'cosine' }).read(null)) if ('record' in item) keys.push(item.record.key)
  expect(keys).toEqual(columnData[0]!.data)
  // The columns once, and the footer, for which hyparquet asks for half a megabyte.
  const { size } = (await counting.head('long.parquet'))!
  expect(bytes).toBeLessThan(size + 600_000)
  expect(size).toBeGreaterThan(600_000)
})

test('records of files without ids are told apart by the file they lie in', async () => {
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  const keysOf = async (source: RecordSource) => {
    const keys: string[] = []
    for await (const item of source.read(null)) if ('record' in item) keys.push(item.record.key)
    return keys
  }
  for (const name of ['one', 'two']) {
    writeFileSync(join(folder, `${name}.jsonl`), '{"embedding": [1]}\n{"embedding": [2]}\n')
    writeFileSync(join(folder, `${name}.parquet`), Buffer.from(parquetWriteBuffer({ columnData: [{ name: 'embedding', data: [[1], [2]], type: 'JSON' }] })))
    expect(await keysOf(new LegacySource(new PlainFolder(folder), { fields: usualFields, vectorsPrefix: `${name}.jsonl`, metric: 'cosine' }))).toEqual([`${name}.jsonl#0`, `${name}.jsonl#1`])
    expect(await keysOf(new ParquetSource(new PlainFolder(folder), { key: `${name}.parquet`, metric: 'cosine' }))).toEqual([`${name}.parquet#0`, `${name}.parquet#1`])
  }
})

test('batches, as of Chroma', async () => {
  const batches = async function* () {
    for (let i = 0; i < rows.length; i += 100) yield rows.slice(i, i + 100).map(({ id, embedding, metadata, document }) => ({ id, vector: Float32Array.from(embedding), metadata, document }))
    yield [{ id: 'none', vector: undefined, metadata: undefined, document: 'words only' }]
  }
  await expectWhole(new BatchSource('chroma:x', { metric: 'dot', dimension: null, count: null }, batches, () => Promise.resolve()), (i) => `r${i}`, { metric: 'dot', problems: 1 })
})

test('batches that lost a record before the place are not gone on with', async () => {
  let ids = ['a', 'b', 'c', 'd']
  const batches = async function* () {
    yield ids.map((id) => ({ id, vector: Float32Array.of(1), metadata: undefined, document: undefined }))
  }
  const source = new BatchSource('chroma:x', { metric: 'cosine', dimension: null, count: null }, batches, () => Promise.resolve())
  const read = async (after: PlacedItem['position'] | null) => {
    const items: PlacedItem[] = []
    for await (const item of source.read(after)) items.push(item)
    return items
  }
  const [, second, , last] = await read(null)
  expect(await read(second!.position)).toMatchObject([{ record: { key: 'c' } }, { record: { key: 'd' } }])
  ids = ['b', 'c', 'd']
  await expect(read(second!.position)).rejects.toMatchObject({ kind: 'conflict' })
  await expect(read(last!.position)).rejects.toMatchObject({ kind: 'conflict' })
})

describe('Qdrant', () => {
  let qdrant: QdrantDouble
  beforeAll(async () => {
    qdrant = await startQdrantDouble({ apiKey: 'secret' })
  })
  afterAll(() => qdrant.close())
  const sourceOf = (collection: string, vectorName?: string) => new QdrantSource({ url: qdrant.url, collection, apiKey: 'secret', clock: systemClock, random: seededRandom(1), ...(vectorName && { vectorName }) })

  test('a collection', async () => {
    const points = new Map(rows.map(({ embedding, metadata, document }, i) => [i, { id: i, vector: { dense: embedding }, payload: { ...metadata, text: document } }]))
    qdrant.collections.set('docs', { vectors: { dense: { size: 8, distance: 'Euclid' } }, sparse: {}, points, indexes: new Set() })
    await expectWhole(sourceOf('docs'), (i) => String(i), { metric: 'euclidean' })
  })

  test('with several vectors a point: one is named', async () => {
    const points = new Map([[1, { id: 1, vector: { a: [1, 2], b: [3] }, payload: {} }]])
    qdrant.collections.set('two', { vectors: { a: { size: 2, distance: 'Dot' }, b: { size: 1, distance: 'Dot' } }, sparse: {}, points, indexes: new Set() })
    await expect(sourceOf('two').describe()).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('--vector-field') })
    const items = []
    for await (const item of sourceOf('two', 'b').read(null)) items.push(item)
    expect(items).toMatchObject([{ record: { key: '1', vector: Float32Array.of(3) } }])
    await expect(sourceOf('none').describe()).rejects.toMatchObject({ kind: 'not-found' })
  })
})

describe('pgvector', () => {
  let test_: TestDatabase
  beforeAll(async () => {
    test_ = await startTestDatabase()
    await test_.reset()
  }, 60_000)
  afterAll(() => test_.stop())

  test('a table', async () => {
    await test_.database.query(`create table items (id bigint primary key, embedding vector(8), content text, n int, tags text[], nothing text)`)
    for (let i = 0; i < rows.length; i += 400) {
      await test_.database.query(
        `insert into items select (r->>'n')::bigint, (r->>'v')::vector, r->>'t', (r->>'n')::int, array['a', r->>'g'] from jsonb_array_elements($1::jsonb) r`,
        [JSON.stringify(rows.slice(i, i + 400).map(({ embedding, metadata, document }) => ({ n: metadata.n, v: JSON.stringify(embedding), t: document, g: metadata.tags[1] })))],
      )
    }
    await test_.database.query(`insert into items (id) values (5000)`)
    await expectWhole(new PgvectorSource(await openDatabase({ url: test_.url, connectionsMax: 2 }), { table: 'items', metric: 'cosine' }), (i) => String(i), { problems: 1 })
  })

  test('with more columns than a function takes arguments, and keys whose parts hold slashes', async () => {
    const names = Array.from({ length: 120 }, (_, i) => `c${i}`)
    await test_.database.query(`create table wide (a text, b text, v vector, ${names.map((name) => `${name} int default 7`).join(', ')}, primary key (a, b)); insert into wide (a, b, v) values ('x/y', 'z', '[1]'), ('x', 'y/z', '[2]')`)
    const items: PlacedItem[] = []
    for await (const item of new PgvectorSource(test_.database, { table: 'wide', metric: 'cosine' }).read(null)) items.push(item)
    const read = items.map((item) => ('record' in item ? item.record : null))
    expect(new Map(read.map((record) => [record?.key, [...record!.vector]]))).toEqual(new Map([['x%2Fy/z', [1]], ['x/y%2Fz', [2]]]))
    expect(read[0]!.metadata).toMatchObject({ c0: 7, c119: 7 })
    expect(Object.keys(read[0]!.metadata)).toHaveLength(122)
  })

  test('with a key of two columns, and without a vector', async () => {
    await test_.database.query(`create table pairs (a text, b int, v vector, primary key (a, b)); insert into pairs values ('x', 2, '[1,2]'), ('x', 10, '[3,4]'), ('w/y', 1, '[5,6]'); create table plain (id int primary key)`)
    const source = new PgvectorSource(test_.database, { table: 'pairs', metric: 'cosine' })
    const items: PlacedItem[] = []
    for await (const item of source.read(null)) items.push(item)
    expect(items.map((item) => ('record' in item ? [item.record.key, [...item.record.vector], item.record.metadata] : item))).toEqual([['w%2Fy/1', [5, 6], { a: 'w/y', b: 1 }], ['x/2', [1, 2], { a: 'x', b: 2 }], ['x/10', [3, 4], { a: 'x', b: 10 }]])
    const rest: PlacedItem[] = []
    for await (const item of source.read(items[0]!.position)) rest.push(item)
    expect(rest).toEqual(items.slice(1))
    await expect(new PgvectorSource(test_.database, { table: 'plain', metric: 'cosine' }).describe()).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('no column of type vector') })
  })
})

// The package takes 230 MB; WINDLASS_TEST_LANCEDB is a folder where it is installed.
const lancedb = process.env.WINDLASS_TEST_LANCEDB
test.skipIf(!lancedb)('LanceDB, where WINDLASS_TEST_LANCEDB says that it is', async () => {
  interface Lance {
    connect(uri: string): Promise<{ createTable(name: string, data: readonly object[]): Promise<LanceTable> }>
  }
  const { connect } = (await import(pathToFileURL(createRequire(join(lancedb!, 'package.json')).resolve('@lancedb/lancedb')).href)) as Lance
  const table = await (await connect(join(folder, 'lance'))).createTable('items', rows.map(({ id, embedding, metadata, document }) => ({ id, vector: embedding, text: document, n: metadata.n, tags: metadata.tags })))
  await expectWhole(new LancedbSource(table, { folder, table: 'items', metric: 'cosine' }), (i) => `r${i}`)
})
