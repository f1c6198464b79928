// Events handed in over HTTP, as MinIO's webhook does: POST /v1/vectorizers/{name}/events.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Configuration } from '../../src/config/configuration.ts'
import { open } from '../../src/index.ts'
import { serve, type RunningServer } from '../../src/server/serve.ts'
import { externalId, readerArn } from '../doubles/sts/world.ts'
import { followBucket, type FollowedBucket } from '../events/followed-bucket.ts'

const secret = 'secret-of-sixteen-letters'
let followed: FollowedBucket
let folder: string
let server: RunningServer

async function start(keys: readonly object[] = [{ id: 'minio', secret, role: 'write' }, { id: 'reader', secret: `${secret}-2`, role: 'read' }, { id: 'some', secret: `${secret}-3`, role: 'write', collections: ['x'] }]): Promise<void> {
  const commandLine = { bucket: `file:${folder}`, port: '0', host: '127.0.0.1', 'log-level': 'error', keys: keys.length === 0 ? undefined : JSON.stringify(keys) }
  server = await serve(Configuration.read({ commandLine, environment: {} }), {
    version: 'test',
    vectorizers: (bucket) => [
      bucket.vectorizer({ name: 'docs', source: { type: 's3', url: 's3://theirs/docs', role: readerArn, externalId, endpoint: followed.world.s3.url }, destinations: [{ type: 'collection', name: 'docs' }] }, { environment: followed.world.environment }),
    ],
  })
}

beforeEach(async () => {
  followed = await followBucket()
  folder = mkdtempSync(join(tmpdir(), 'windlass-events-'))
})
afterEach(async () => {
  await server.stop()
  await followed.close()
  rmSync(folder, { recursive: true, force: true })
})

async function send(body: unknown, { name = 'docs', key = secret }: { name?: string; key?: string | null } = {}): Promise<{ status: number; json: Record<string, unknown> }> {
  const response = await fetch(`${server.url}/v1/vectorizers/${name}/events`, { method: 'POST', headers: { 'content-type': 'application/json', ...(key !== null && { authorization: `Bearer ${key}` }) }, body: JSON.stringify(body) })
  return { status: response.status, json: (await response.json()) as Record<string, unknown> }
}
const minio = (...records: object[]) => ({ EventName: 's3:ObjectCreated:Put', Key: 'theirs/docs/a.md', Records: records })

describe('events over HTTP', () => {
  test('are answered when they are done', async () => {
    await start()
    expect(await send(minio(await followed.put('a b.md', 'Apples.')))).toEqual({ status: 200, json: { done: true, new: 1, changed: 0, unchanged: 0, removed: 0, failed: 0, skipped: 0 } })
    expect(await send(minio(await followed.put('a b.md', 'Pears.')))).toMatchObject({ status: 200, json: { changed: 1 } })
    expect(await send(minio(await followed.remove('a b.md')))).toMatchObject({ status: 200, json: { removed: 1 } })
    expect(await send({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'theirs' })).toMatchObject({ status: 200, json: { done: true } })
  })

  test('that come together are looked at together', async () => {
    await start()
    const records = await Promise.all(Array.from({ length: 40 }, (_, i) => followed.put(`${i}.md`, `Text ${i}.`)))
    const answers = await Promise.all(records.map((record) => send(minio(record))))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    const batches = new Set(answers.map(({ json }) => json.new))
    // Some of them were in one batch with others.
    expect(Math.max(...[...batches].map(Number))).toBeGreaterThan(1)
    expect(await send(minio(records[0]!))).toMatchObject({ json: { done: true, skipped: 1 } })
  })

  test('that fail for now are to be sent again', async () => {
    await start()
    expect(await send(minio(await followed.put('secret/a.md', 'Apples.')))).toMatchObject({ status: 503, json: { done: false, failed: 1 } })
  })

  test('are taken of keys that may write everywhere, for vectorizers that are declared, and of what is an event', async () => {
    await start()
    const record = await followed.put('a.md', 'Apples.')
    expect(await send(minio(record), { key: null })).toMatchObject({ status: 401 })
    expect(await send(minio(record), { key: `${secret}-2` })).toMatchObject({ status: 403 })
    expect(await send(minio(record), { key: `${secret}-3` })).toMatchObject({ status: 403, json: { error: { message: expect.stringContaining('for some collections only') } } })
    expect(await send(minio(record), { name: 'other' })).toMatchObject({ status: 404, json: { error: { message: expect.stringContaining('"other" is declared here: docs') } } })
    expect(await send({ some: 'thing' })).toMatchObject({ status: 400 })
    expect(followed.world.s3.requests).toEqual([])
  })

  test('are not taken without keys, though the server listens to this machine only', async () => {
    await start([])
    expect(await send(minio(await followed.put('a.md', 'Apples.')), { key: null })).toMatchObject({ status: 403, json: { error: { message: expect.stringContaining('WINDLASS_KEYS') } } })
    expect(followed.world.s3.requests).toEqual([])
  })

  test('what is being done when the server ends is done', async () => {
    await start()
    const answer = send(minio(await followed.put('a.md', 'Apples.')))
    while (followed.world.s3.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    await server.stop()
    expect(await answer).toMatchObject({ status: 200, json: { new: 1 } })
    // Nobody is left behind in the state.
    const index = await open(`file:${folder}`)
    expect(await index.vectorizer({ name: 'docs', source: { type: 'folder', path: folder }, destinations: [{ type: 'collection', name: 'docs' }] }).status()).toMatchObject({ documents: 1, inProgress: 0, workers: [] })
    await index.close()
  })
})
