import { expect, test } from 'vitest'
import { BucketPlace } from '../../src/api/s3vectors/copy/bucket-place.ts'
import { copyIndex } from '../../src/api/s3vectors/copy/copy-index.ts'
import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { open } from '../../src/index.ts'
import { vectorOf } from './parts.ts'

test('a collection that is copied to another bucket of ours keeps mode, tags, encryption, languages, model and the policy of its vector bucket', async () => {
  const [from, to] = [await open('memory:settings-from'), await open('memory:settings-to')]
  const s3vectors = { createdAt: 1, encryption: { sseType: 'aws:kms', kmsKeyArn: 'arn:aws:kms:eu-west-1:111122223333:key/k' }, mode: 'STANDARD', tags: { team: 'search' }, textSearch: [] }
  await from.namespaces.create('s3vectors/media', { tags: { owner: 'me' }, policy: '{}' })
  const source = await from.createCollection('media/images', { metric: 'dot', dimension: 8, language: 'german', textFields: [{ field: 'title', language: 'french' }], nonFilterableKeys: ['long'], custom: { s3vectors, chroma: { space: 'ip' } } })
  const rows = Array.from({ length: 20 }, (_, i) => ({ key: `r${i}`, vector: Float32Array.from(vectorOf(i)), document: `Häuser ${i}`, metadata: { title: 'maisons' } }))
  await (await from.identifyCollection('media/images')).write({ operations: rows.map((row) => ({ op: 'put', row })), embeddingModel: 'some-model' })
  const report = await copyIndex(new BucketPlace(from, 'media/images', { clock: systemClock, isSource: true }), new BucketPlace(to, 'media/copy', { clock: systemClock, isSource: false }), { parallel: 2, dryRun: false, random: seededRandom(1) })
  expect(report).toMatchObject({ written: 20, comparison: { missing: 0, different: [] } })
  const copy = await to.collection('media/copy')
  expect((await copy.stats()).schema).toEqual((await source.stats()).schema)
  expect((await to.namespaces.find('s3vectors/media'))!.value).toEqual({ tags: { owner: 'me' }, policy: '{}' })
  await Promise.all([from.close(), to.close()])
})
