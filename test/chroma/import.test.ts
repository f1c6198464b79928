// Moving in: from a folder that Chroma 1.5.9 left (test/fixtures/chroma, made by the calls below), and from a server.
//
//   harbour: cosine, sync_threshold 10; k0 to k23 added in three batches, embedding [i + 1, i % 5, 1], document "ship i" unless i % 3 = 0,
//   metadata {n, half, even, list} unless i % 4 = 0, uri "s3://i" if i % 6 = 0; then k3 and k20 deleted, a get, k5 updated, k6 and new
//   upserted, gone added and deleted, k3 added again. So part of it is in the index files, part in SQLite, part only in the queue, and
//   gone is in the queue for the index only, which must not bring it back. empty: nothing; old: ip by its metadata.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { copyCollections } from '../../src/api/chroma/copy/copy-collections.ts'
import { PersistedSource } from '../../src/api/chroma/copy/persisted-source.ts'
import { readPickle } from '../../src/api/chroma/copy/pickle.ts'
import { ServerSource } from '../../src/api/chroma/copy/server-source.ts'
import { open } from '../../src/index.ts'
import type { Bucket } from '../../src/library/types.ts'
import { run } from '../process/processes.ts'
import { noEmbedding, TestChroma } from './testing.ts'

const folder = join(import.meta.dirname, '../fixtures/chroma')
const scratch = mkdtempSync(join(tmpdir(), 'windlass-import-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe('a folder', () => {
  let bucket: Bucket
  beforeAll(async () => {
    bucket = await open('memory:')
    const source = await PersistedSource.open(folder)
    expect(await copyCollections(source, bucket)).toEqual([{ name: 'empty', recordCount: 0 }, { name: 'harbour', recordCount: 24 }, { name: 'old', recordCount: 1 }])
    await source.close()
  })
  afterAll(() => bucket.close())

  test('every record, as Chroma would answer it', async () => {
    const expected = new Map<string, { vector: number[]; document: string | null; metadata: Record<string, unknown> }>()
    for (let i = 0; i < 24; i++) {
      const metadata = { ...(i % 4 && { n: BigInt(i), half: i / 2, even: i % 2 === 0, list: ['x', String(i)] }), ...(i % 6 === 0 && { 'chroma:uri': `s3://${i}` }) }
      expected.set(`k${i}`, { vector: [i + 1, i % 5, 1], document: i % 3 ? `ship ${i}` : null, metadata })
    }
    expected.delete('k3')
    expected.delete('k20')
    expected.get('k5')!.metadata = { n: -5n, even: false, list: ['x', '5'] }
    Object.assign(expected.get('k6')!, { vector: [9, 9, 9], metadata: { ...expected.get('k6')!.metadata, extra: 1n } })
    expected.set('new', { vector: [8, 8, 8], document: null, metadata: { n: 100n } })
    expected.set('k3', { vector: [3, 3, 3], document: 'back again', metadata: {} })
    const { rows } = await (await bucket.collection('harbour')).list({ limit: 100, include: { vector: true, document: true, metadata: true } })
    expect(new Set(rows.map(({ key }) => key))).toEqual(new Set(expected.keys()))
    for (const { key, vector, document, metadata } of rows) {
      const wanted = expected.get(key)!
      expect({ document, metadata }, key).toEqual({ document: wanted.document, metadata: wanted.metadata })
      wanted.vector.forEach((component, i) => expect(vector![i]!, key).toBeCloseTo(component, 4))
    }
  })

  test('distance, settings and metadata of the collections', async () => {
    const { schema } = await (await bucket.collection('harbour')).stats()
    expect(schema).toMatchObject({ metric: 'cosine', dimension: 3, custom: { chroma: { hnsw: { ef_search: 50, sync_threshold: 10 }, metadata: '{"a":1,"b":1.5,"s":"x","t":true}' } } })
    expect((await (await bucket.collection('old')).stats()).schema.metric).toBe('dot')
    expect((await (await bucket.collection('empty')).stats()).schema.metric).toBe('euclidean')
  })

  test('once more changes nothing', async () => {
    const source = await PersistedSource.open(folder)
    await copyCollections(source, bucket, { only: 'harbour' })
    await source.close()
    expect(await (await bucket.collection('harbour')).count()).toBe(24)
  })

  test('what is no folder of Chroma, or damaged, is said to be', async () => {
    await expect(PersistedSource.open(scratch)).rejects.toMatchObject({ kind: 'not-found' })
    const pickle = (readdirSync(folder, { recursive: true }) as string[]).find((path) => path.endsWith('.pickle'))!
    const whole = readFileSync(join(folder, pickle))
    expect(readPickle(whole, 'p')).toBeInstanceOf(Map)
    for (let end = 0; end < whole.length; end += 7) expect(() => readPickle(whole.subarray(0, end), 'p')).toThrow(/expected a pickle of plain data/)
    // cos\nsystem, which a pickle would call.
    expect(() => readPickle(Buffer.from('cos\nsystem\n(S"true"\ntR.'), 'p')).toThrow(/opcode "c"/)
  })
})

test('a server, by its API; and the command', async () => {
  const door = await TestChroma.start()
  try {
    const collection = await door.client.createCollection({ name: 'ships', metadata: { a: 1 }, configuration: { hnsw: { space: 'ip' } }, embeddingFunction: noEmbedding })
    const ids = Array.from({ length: 1100 }, (_, i) => `k${i}`)
    await collection.add({ ids, embeddings: ids.map((_, i) => [i, 1]), documents: ids, metadatas: ids.map((_, i) => ({ n: i })) })
    await door.call('POST', '/tenants/default_tenant/databases', { name: 'other' })
    await door.as({ database: 'other' }).client.createCollection({ name: 'boats', embeddingFunction: noEmbedding })
    const bucket = await open('memory:')
    const copied = await copyCollections(new ServerSource({ url: door.server.url, tenant: 'default_tenant' }), bucket)
    expect(copied).toEqual([{ name: 'ships', recordCount: 1100 }, { name: 'other/boats', recordCount: 0 }])
    const [row] = await (await bucket.collection('ships')).get(['k1099'])
    expect(row).toMatchObject({ vector: Float32Array.of(1099, 1), document: 'k1099', metadata: { n: 1099n } })
    expect((await (await bucket.collection('ships')).stats()).schema).toMatchObject({ metric: 'dot', custom: { chroma: { metadata: '{"a":1}' } } })
    await bucket.close()
  } finally {
    await door.stop()
  }
  const args = ['--bucket', `file:${join(scratch, 'bucket')}`]
  expect(run(['import', 'chroma', folder, ...args]).stdout).toBe('empty: 0 records\nharbour: 24 records\nold: 1 record\n3 collections imported\n')
  expect(run(['import', 'chroma', folder, '--collection', 'nope', ...args])).toMatchObject({ status: 4, stderr: expect.stringContaining('has no collection "nope"') as string })
  expect(run(['import', 'pinecone', 'x', ...args])).toMatchObject({ status: 2 })
})

test('and out again: JSON lines and Parquet', async () => {
  const args = ['--bucket', `file:${join(scratch, 'out')}`]
  run(['import', 'chroma', folder, ...args])
  const lines = run(['export', 'harbour', '-', ...args]).stdout.trimEnd().split('\n')
  expect(lines).toHaveLength(24)
  expect(lines[1]).toMatch(/^\{"id":"k1","embedding":\[2[.\d]*,1[.\d]*,(1|0\.99)[.\d]*\],"document":"ship 1","metadata":\{"even":false,"half":0.5,"list":\["x","1"\],"n":1\},"uri":null\}$/)
  const [jsonl, parquet] = [join(scratch, 'harbour.jsonl'), join(scratch, 'harbour.parquet')]
  expect(run(['export', 'harbour', jsonl, ...args]).stdout).toBe(`24 records exported to ${jsonl}\n`)
  expect(readFileSync(jsonl, 'utf8').trimEnd().split('\n')).toEqual(lines)
  expect(run(['export', 'harbour', parquet, ...args]).stdout).toBe(`24 records exported to ${parquet}\n`)
  const { asyncBufferFromFile, parquetReadObjects } = await import('hyparquet')
  const rows = await parquetReadObjects({ file: await asyncBufferFromFile(parquet) })
  const expected = lines.map((line) => JSON.parse(line) as { id: string; embedding: number[]; document: string | null; metadata: object | null; uri: string | null })
  expect(rows.map(({ id, document, metadata, uri }) => ({ id, document: document ?? null, metadata: metadata ? (JSON.parse(metadata as string) as object) : null, uri: uri ?? null }))).toEqual(expected.map(({ id, document, metadata, uri }) => ({ id, document, metadata, uri })))
  rows.forEach(({ embedding }, i) => expect(Array.from(embedding as number[])).toEqual(expected[i]!.embedding))
  expect(run(['export', 'harbour', 'x.csv', ...args])).toMatchObject({ status: 2, stderr: expect.stringContaining('neither .jsonl nor .parquet') as string })
})
