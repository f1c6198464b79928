// MinIO's webhook, handed in at a running server. Runs where WINDLASS_TEST_MINIO is the path of a minio program, which is started here: the
// webhook is a setting of its process.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Configuration } from '../../src/config/configuration.ts'
import type { Bucket } from '../../src/library/types.ts'
import { serve, type RunningServer } from '../../src/server/serve.ts'
import { S3Store } from '../../src/store/s3-store.ts'
import { BucketNotifications } from '../../src/vectorize/events/bucket-notifications.ts'
import { ruleOf } from '../../src/vectorize/events/notification-rules.ts'
import { until } from './followed-bucket.ts'

const program = process.env.WINDLASS_TEST_MINIO ?? ''
const secret = 'secret-of-sixteen-letters'
const keys = { accessKeyId: 'windlass-test', secretAccessKey: 'windlass-test-secret' }
const paths = ['a.md', 'with space.md', 'plus+and%2B.md', 'für/✓.md', 'deep/..hidden.md', "it's (1)!.md"]

describe.skipIf(program === '')("MinIO's webhook (a minio program at WINDLASS_TEST_MINIO)", () => {
  let folder: string
  let minio: ChildProcess
  let server: RunningServer
  let index: Bucket
  let store: S3Store
  let endpoint: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'windlass-minio-'))
    const port = await freePort()
    endpoint = `http://127.0.0.1:${port}`
    const environment = { AWS_ACCESS_KEY_ID: keys.accessKeyId, AWS_SECRET_ACCESS_KEY: keys.secretAccessKey }
    const commandLine = { bucket: 'memory:', port: '0', 'log-level': 'error', keys: JSON.stringify([{ id: 'minio', secret, role: 'write' }]) }
    server = await serve(Configuration.read({ commandLine, environment: {} }), {
      version: 'test',
      vectorizers: (bucket) => {
        index = bucket
        return [bucket.vectorizer({ name: 'docs', source: { type: 's3', url: 's3://documents/docs', endpoint }, destinations: [{ type: 'collection', name: 'docs' }] }, { environment })]
      },
    })
    minio = spawn(program, ['server', join(folder, 'data'), '--address', `127.0.0.1:${port}`], {
      env: {
        ...process.env,
        MINIO_ROOT_USER: keys.accessKeyId,
        MINIO_ROOT_PASSWORD: keys.secretAccessKey,
        MINIO_BROWSER: 'off',
        MINIO_NOTIFY_WEBHOOK_ENABLE_t1: 'on',
        MINIO_NOTIFY_WEBHOOK_ENDPOINT_t1: `${server.url}/v1/vectorizers/docs/events`,
        MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_t1: secret,
        // Kept on disk until they are taken.
        MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_t1: join(folder, 'queue'),
      },
      stdio: 'ignore',
    })
    store = new S3Store({ bucket: 'documents', endpoint, ...keys })
    await until(() => store.createBucket().then(() => true, () => false))
  }, 60_000)
  afterAll(async () => {
    minio.kill()
    await store.close()
    await server.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  const write = (path: string, text: string) => store.put(`docs/${path}`, new TextEncoder().encode(text))
  const sources = async () => {
    const { rows } = await (await index.getOrCreateCollection('docs', { dimension: 384 })).list({ limit: 1000, include: { metadata: true } })
    return [...new Set(rows.map(({ metadata }) => String(metadata!.source)))].sort()
  }

  test('brings the index in step: puts, deletes, and keys of all kinds', async () => {
    const notifications = new BucketNotifications({ bucket: 'documents', endpoint, ...keys })
    const rules = await notifications.install(ruleOf('docs', { to: 'arn:minio:sqs::t1:webhook', prefix: 'docs' }))
    expect(rules).toMatchObject([{ id: 'windlass-docs', prefix: 'docs/' }])
    await Promise.all(paths.map((path) => write(path, `Text of ${path}.`)))
    await until(async () => (await sources()).length === paths.length)
    expect(await sources()).toEqual([...paths].sort())
    await store.delete([`docs/${paths[1]}`, `docs/${paths[3]}`])
    await write('a.md', 'Another text.')
    await until(async () => (await sources()).length === paths.length - 2)
    await until(async () => ((await (await index.collection('docs')).search('another', { k: 1, mode: 'text' }))[0]?.text ?? '').includes('Another'))
    expect(await notifications.uninstall('windlass-docs')).toEqual([])
    notifications.close()
  })

  test('some hundred of them, of which none is lost', async () => {
    const notifications = new BucketNotifications({ bucket: 'documents', endpoint, ...keys })
    await notifications.install(ruleOf('docs', { to: 'arn:minio:sqs::t1:webhook', prefix: 'docs' }))
    const before = (await sources()).length
    for (let i = 0; i < 300; i += 20) await Promise.all(Array.from({ length: 20 }, (_, j) => write(`many/${i + j}.md`, `Text ${i + j}.`)))
    await until(async () => (await sources()).length === before + 300)
    notifications.close()
  })
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}
