import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ServicePlace } from '../../src/api/s3vectors/copy/service-place.ts'
import type { MigrateParts } from '../../src/migrate/migrate.ts'
import { planMigration, rollBackMigration, runMigration } from '../../src/migrate/migrate.ts'
import type { RecordTarget } from '../../src/migrate/target.ts'
import { EngineTarget } from '../../src/migrate/targets/engine-target.ts'
import { IndexTarget, type VectorIndex } from '../../src/migrate/targets/index-target.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { startQdrantDouble, type QdrantDouble } from '../doubles/qdrant/double.ts'
import { sdk, TestS3Vectors } from '../s3vectors/testing.ts'
import { openSearchable } from '../vectorize/point-destinations.ts'
import { oldBucket, options, partsIn, sumOf, vectorOf } from './parts.ts'

const strange = {
  'vectors/odd.json': { id: 'odd', embedding: vectorOf(900), metadata: { nested: { a: 1 }, none: null, list: ['a', 'b'], empty: [] }, text: 'odd text' },
  'vectors/zero.json': { id: 'zero', embedding: Array(8).fill(0) },
  'vectors/twice.json': { id: 'r1', embedding: vectorOf(901) },
}

/** Brings an old bucket to `target`, again, and takes it back. */
async function throughAll(target: RecordTarget, destination: MigrateParts['destination'], { written, unreadable }: { written: number; unreadable: number }): Promise<void> {
  const old = await oldBucket(60, strange)
  const before = await sumOf(old)
  const notes = new MemoryStore()
  const { parts: shared, bucket } = await partsIn(old, `memory:targets-${destination}`, { notes })
  const parts = { ...shared, target, destination }
  const run = async () => runMigration(parts, await planMigration(parts, options), options)
  const first = await run()
  expect(first.counts).toEqual({ read: 63, written, unchanged: 0, kept: 0, duplicates: 1, unreadable })
  expect(first.verification).toMatchObject({ sourceCount: written, equal: written, missing: 0, different: 0, queries: 20 })
  expect(first.verification!.overlap).toBeGreaterThanOrEqual(0.99)
  expect((await run()).counts).toMatchObject({ written: 0, unchanged: written })
  expect(await target.nearest(Float32Array.from(vectorOf(7)), 1)).toEqual(['r7'])
  expect(await rollBackMigration(parts)).toMatchObject({ removed: written, left: 0 })
  expect(await target.fingerprints(['r1', 'r7', 'odd'])).toEqual([null, null, null])
  expect(await sumOf(old)).toBe(before)
  await bucket.close()
}

describe('S3 Vectors', () => {
  let service: TestS3Vectors
  beforeAll(async () => {
    service = await TestS3Vectors.start()
  })
  afterAll(() => service.stop())
  const open = async (index: string) => new IndexTarget((await ServicePlace.open({ bucket: 'moved', index }, { endpoint: service.server.url, region: 'us-east-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' } })) as unknown as VectorIndex)

  test('takes records under their ids, with the text as metadata that no filter reads', async () => {
    const target = await open('docs')
    // All zeros has no direction, and is refused there.
    await throughAll(target, 's3vectors', { written: 61, unreadable: 1 })
    const { index } = await service.client.send(new sdk.GetIndexCommand({ vectorBucketName: 'moved', indexName: 'docs' }))
    expect(index).toMatchObject({ dimension: 8, distanceMetric: 'cosine', metadataConfiguration: { nonFilterableMetadataKeys: ['text'] } })
    await target.put([{ key: 'odd', vector: Float32Array.from(vectorOf(900)), metadata: { nested: { a: 1 }, none: null, list: ['a', 'b'], n: 5n }, document: 'odd text' }])
    const { vectors } = await service.client.send(new sdk.GetVectorsCommand({ vectorBucketName: 'moved', indexName: 'docs', keys: ['odd'], returnMetadata: true }))
    expect(vectors![0]!.metadata).toEqual({ nested: '{"a":1}', list: ['a', 'b'], n: 5, text: 'odd text' })
    await target.close()
  })

  test('says what it cannot take before it is sent', async () => {
    const target = await open('limits')
    const record = { key: 'x', vector: Float32Array.of(1), metadata: {} }
    expect(target.check(record)).toBe(null)
    expect(target.check({ ...record, metadata: { big: 'x'.repeat(2100) } })).toMatch(/filterable metadata has \d+ bytes/)
    expect(target.check({ ...record, document: 'x'.repeat(41_000) })).toMatch(/metadata and text have/)
    expect(target.check({ ...record, metadata: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, i])) })).toMatch(/51 keys/)
    await target.close()
  })
})

describe('Qdrant, as any engine that vectorizers fill', () => {
  let qdrant: QdrantDouble
  beforeAll(async () => {
    qdrant = await startQdrantDouble()
  })
  afterAll(() => qdrant.close())

  test('takes a record as a document of one chunk', async () => {
    const destination = await openSearchable({ type: 'qdrant', url: qdrant.url, collection: 'docs' }, 'docs')
    await throughAll(new EngineTarget(destination), 'other', { written: 62, unreadable: 0 })
    await destination.close?.()
  })
})
