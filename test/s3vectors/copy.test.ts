// `windlass copy` as its users run it: a process of its own, the official client, a server in another process.
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CopyReport } from '../../src/api/s3vectors/copy/copy-index.ts'
import { open } from '../../src/index.ts'
import type { CollectionOptions, RowInput } from '../../src/library/types.ts'
import { exited, killAll, run, start, startServer } from '../process/processes.ts'
import { sdk } from './testing.ts'

const folder = mkdtempSync(join(tmpdir(), 'windlass-copy-'))
const keys = { AWS_ACCESS_KEY_ID: 'anyone', AWS_SECRET_ACCESS_KEY: 'anything', AWS_REGION: 'us-east-1' }
let url: string
let server: ChildProcess
let client: sdk.S3VectorsClient
beforeAll(async () => {
  ;({ child: server, url } = await startServer('memory:'))
  client = new sdk.S3VectorsClient({ endpoint: url, region: 'us-east-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' } })
})
afterAll(async () => {
  client.destroy()
  server.kill('SIGTERM')
  await exited(server)
  killAll()
  rmSync(folder, { recursive: true, force: true })
})

/** Runs `copy` and gives its report; the flags name the server on the sides that need it. */
function copy(from: string, to: string, ...flags: string[]): CopyReport {
  const { status, stdout, stderr } = run(['copy', from, to, ...endpoints(from, to), '--json', ...flags], keys)
  expect(stderr).toBe('')
  expect(status, stdout).toBe(0)
  return JSON.parse(stdout) as CopyReport
}

const endpoints = (from: string, to: string) => [...(from.startsWith('s3vectors:') ? ['--from-endpoint', url] : []), ...(to.startsWith('s3vectors:') ? ['--to-endpoint', url] : [])]

async function fill(place: string, rows: readonly RowInput[], options: CollectionOptions = {}): Promise<void> {
  const [path, name] = place.split('#') as [string, string]
  const bucket = await open(`file:${path}`)
  const collection = await bucket.getOrCreateCollection(name, options)
  for (let i = 0; i < rows.length; i += 1000) await collection.put(rows.slice(i, i + 1000))
  await bucket.close()
}

async function read(place: string): Promise<Map<string, object>> {
  const [path, name] = place.split('#') as [string, string]
  const bucket = await open(`file:${path}`)
  const { rows } = await (await bucket.collection(name)).list({ limit: 1000, include: { vector: true, metadata: true, document: true } })
  await bucket.close()
  return new Map(rows.map(({ key, vector, metadata, document }) => [key, { vector, metadata, document }]))
}

/** Values with all 24 bits of a float32 in use, and metadata of every kind. */
function rowsOf(count: number, dimension: number): RowInput[] {
  let state = 1
  const next = () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32) * 2 - 1
  return Array.from({ length: count }, (_, i) => ({
    key: `k"${i}ü`,
    vector: Float32Array.from({ length: dimension }, next),
    metadata: i % 3 === 0 ? {} : { n: i, share: i / 7, title: `number ${i}`, tags: ['a', `t${i % 5}`], even: i % 2 === 0 },
  }))
}

describe('there and back', () => {
  test('vectors, metadata, metric, non-filterable keys; documents by way of a metadata key', async () => {
    const [here, back] = [join(folder, 'one#shelf/books'), join(folder, 'two#shelf/books')]
    const rows = rowsOf(730, 5).map((row, i) => ({ ...row, ...(i % 2 === 0 && { document: `text ${i}` }) }))
    await fill(here, rows, { dimension: 5, metric: 'euclidean', nonFilterableKeys: ['title'] })
    const there = copy(here, 's3vectors://shelf/books', '--document-key', 'text')
    expect(there).toMatchObject({ created: true, read: 730, written: 730, unchanged: 0, skipped: 0, documentsDropped: 0 })
    expect(there.comparison).toEqual({ sourceCount: 730, destinationCount: 730, missing: 0, extra: 0, sampled: 100, different: [], queries: 20, overlap: 1 })
    const index = { vectorBucketName: 'shelf', indexName: 'books' }
    expect((await client.send(new sdk.GetIndexCommand(index))).index).toMatchObject({ dimension: 5, distanceMetric: 'euclidean', metadataConfiguration: { nonFilterableMetadataKeys: ['title', 'text'] } })
    const { vectors } = await client.send(new sdk.GetVectorsCommand({ ...index, keys: [rows[4]!.key], returnData: true, returnMetadata: true }))
    expect(vectors).toEqual([{ key: rows[4]!.key, data: { float32: Array.from(rows[4]!.vector as Float32Array) }, metadata: { ...rows[4]!.metadata, text: 'text 4' } }])

    expect(copy('s3vectors://shelf/books', back, '--document-key', 'text', '--parallel', '3')).toMatchObject({ created: true, written: 730, comparison: { missing: 0, extra: 0, different: [], overlap: 1 } })
    expect(await read(back)).toEqual(await read(here))
  })

  test('between two endpoints', async () => {
    await client.send(new sdk.CreateVectorBucketCommand({ vectorBucketName: 'left' }))
    const index = { vectorBucketName: 'left', indexName: 'index' }
    await client.send(new sdk.CreateIndexCommand({ ...index, dataType: 'float32', dimension: 2, distanceMetric: 'cosine' }))
    await client.send(new sdk.PutVectorsCommand({ ...index, vectors: [{ key: 'a', data: { float32: [1, 2] }, metadata: { x: 1 } }] }))
    expect(copy('s3vectors://left/index', 's3vectors://right/index')).toMatchObject({ written: 1, comparison: { destinationCount: 1, overlap: 1 } })
    const found = await client.send(new sdk.GetVectorsCommand({ vectorBucketName: 'right', indexName: 'index', keys: ['a'], returnData: true, returnMetadata: true }))
    expect(found.vectors).toEqual([{ key: 'a', data: { float32: [1, 2] }, metadata: { x: 1 } }])
  })

  test('a dry run counts and writes nothing', async () => {
    const here = join(folder, 'dry#things')
    await fill(here, rowsOf(10, 3))
    expect(copy(here, 's3vectors://dry/things', '--dry-run')).toMatchObject({ created: true, read: 10, written: 0, comparison: null })
    expect((await client.send(new sdk.ListVectorBucketsCommand({ prefix: 'dry' }))).vectorBuckets).toEqual([])
  })

  test('what S3 Vectors has no place for is counted, and left out', async () => {
    const here = join(folder, 'mixed#things')
    await fill(here, [{ key: 'a', vector: [1, 2], document: 'text' }, { key: 'b', document: 'only text' }, { key: 'c', vector: [2, 1] }])
    expect(copy(here, 's3vectors://mixed/things')).toMatchObject({ read: 3, written: 2, skipped: 1, documentsDropped: 1, comparison: { missing: 0, extra: 0, different: [] } })
  })
})

describe('again', () => {
  const here = join(folder, 'again#shelf/again')
  const index = { vectorBucketName: 'shelf', indexName: 'again' }

  test('only what is missing or different is written', async () => {
    await fill(here, rowsOf(300, 4), { metric: 'euclidean' })
    copy(here, 's3vectors://shelf/again')
    expect(copy(here, 's3vectors://shelf/again')).toMatchObject({ created: false, written: 0, unchanged: 300 })
    const [first, second, third] = rowsOf(3, 4)
    await fill(here, [{ ...first!, metadata: { changed: true } }, { ...second!, vector: Float32Array.of(1, 2, 3, 4) }, { ...third!, key: 'new' }])
    expect(copy(here, 's3vectors://shelf/again')).toMatchObject({ written: 3, unchanged: 298, comparison: { destinationCount: 301, missing: 0, extra: 0, different: [] } })
    await client.send(new sdk.DeleteVectorsCommand({ ...index, keys: ['new'] }))
    await client.send(new sdk.PutVectorsCommand({ ...index, vectors: [{ key: 'other', data: { float32: [1, 1, 1, 1] } }] }))
    expect(copy(here, 's3vectors://shelf/again')).toMatchObject({ written: 1, unchanged: 300, comparison: { destinationCount: 302, missing: 0, extra: 1 } })
  })

  test('killed midway, the next run goes on', { timeout: 120_000 }, async () => {
    const count = 12_000
    const place = join(folder, 'large#shelf/large')
    await fill(place, rowsOf(count, 96))
    const target = { vectorBucketName: 'shelf', indexName: 'large' }
    const child = start(['copy', place, 's3vectors://shelf/large', '--to-endpoint', url, '--parallel', '1'], keys)
    for (;;) {
      const page = await client.send(new sdk.ListVectorsCommand({ ...target, maxResults: 600 })).catch(() => null)
      if ((page?.vectors?.length ?? 0) > 500) break
      expect(child.exitCode, 'still at it').toBeNull()
    }
    child.kill('SIGKILL')
    await exited(child)
    const { written, unchanged, comparison } = copy(place, 's3vectors://shelf/large')
    expect(unchanged, 'a start was made').toBeGreaterThan(500)
    expect(written, 'and an end left').toBeGreaterThan(0)
    expect(written + unchanged).toBe(count)
    expect(comparison).toMatchObject({ sourceCount: count, destinationCount: count, missing: 0, extra: 0, different: [] })
    // So many are searched through an index, which is built of other batches on either side: what is near, not what is nearest.
    expect(comparison!.overlap).toBeGreaterThan(0.8)
  })
})

describe('refused, with a remedy', () => {
  const refused = (from: string, to: string, flags: string[] = [], env: NodeJS.ProcessEnv = {}) => run(['copy', from, to, ...flags], { ...keys, ...env })

  test.each<[string, string, string, string[], number, RegExp]>([
    ['no source', 's3vectors://none/index', 's3vectors://some/index', [], 4, /s3vectors:\/\/none\/index at .* is not there/],
    ['onto itself', 's3vectors://left/index', 's3vectors://left/index', [], 2, /both source and destination/],
    ['a place of no kind', 's3vectors://left', './x#y', [], 2, /use s3vectors:\/\/bucket\/index/],
    ['nobody there', 's3vectors://left/index', './x#y', ['--from-endpoint', 'http://127.0.0.1:1'], 6, /ECONNREFUSED/],
    ['an endpoint for a bucket', './x#y', './z#y', ['--from-endpoint', 'http://127.0.0.1:1'], 2, /--from-endpoint goes with s3vectors/],
    ['many at once', 's3vectors://left/index', './x#y', ['--parallel', '17'], 2, /--parallel is 17, expected a whole number from 1 to 16/],
  ])('%s', { timeout: 60_000 }, (_, from, to, flags, status, message) => {
    const given = flags.length > 0 ? flags : endpoints(from, to)
    const result = refused(from, to, given, { AWS_MAX_ATTEMPTS: '1' })
    expect(result.stderr).toMatch(message)
    expect(result.status).toBe(status)
  })

  test('an index of another dimension stays as it is', async () => {
    const here = join(folder, 'other#things')
    await fill(here, rowsOf(3, 7))
    await client.send(new sdk.CreateVectorBucketCommand({ vectorBucketName: 'other' }))
    const index = { vectorBucketName: 'other', indexName: 'things' }
    await client.send(new sdk.CreateIndexCommand({ ...index, dataType: 'float32', dimension: 3, distanceMetric: 'cosine' }))
    const { status, stderr } = refused(here, 's3vectors://other/things', ['--to-endpoint', url])
    expect([status, stderr]).toEqual([5, expect.stringContaining('has dimension 3')])
    expect((await client.send(new sdk.ListVectorsCommand(index))).vectors).toEqual([])
  })
})
