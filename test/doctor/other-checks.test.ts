// What can be wrong beside the bucket: broken for real, or at a double, and looked for in what the doctor says.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import type { LookupFunction } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as sdk from '@aws-sdk/client-s3vectors'
import { WindlassError } from '../../src/base/errors.ts'
import type { DeclaredQueue } from '../../src/doctor/check.ts'
import { openQueue } from '../../src/vectorize/events/open-queue.ts'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { openStore } from '../../src/store/open-store.ts'
import { startJsonServer, type JsonServer } from '../doubles/json-server.ts'
import { startOpenAiDouble, type OpenAiDouble } from '../doubles/openai/double.ts'
import { startTestServer, type TestServer } from '../http/testing.ts'
import { ModelWorld, testBytes } from '../models/testing.ts'
import { startTestDatabase, serverUrl, type TestDatabase } from '../postgres/test-database.ts'
import { examine, textOf } from './testing.ts'

const scratch = mkdtempSync(join(tmpdir(), 'windlass-doctor-test-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const check = async (name: string, environment: Record<string, string> = {}, more: Parameters<typeof examine>[1] = {}) => textOf(await examine(name, { environment: { WINDLASS_BUCKET: `file:${join(scratch, 'bucket')}`, ...environment }, ...more }))

test.each([
  ['18.20.4', /^problem \| Node 18.20.4 is too old: 20.19/],
  ['20.18.0', /^problem/],
  ['20.19.0', /^ok/],
  ['23.1.0', /^warning/],
  ['24.0.1', /^ok/],
])('node %s', async (nodeVersion, expected) => {
  expect(await check('node', {}, { context: { nodeVersion } })).toMatch(expected)
})

test('settings: two variables that differ, a bucket that is switched off, a variable that nobody reads in .env', async () => {
  expect(await check('settings', { S3_BUCKET_NAME: 'one', S3_BUCKET: 'two' })).toMatch(/^warning \| S3_BUCKET_NAME and S3_BUCKET differ: S3_BUCKET_NAME is used.*unset the one that is not meant: S3_BUCKET_NAME or S3_BUCKET$/)
  expect(await check('settings', { S3_BUCKET_NAME: 'one', S3_ENABLED: 'False' })).toMatch(/^warning \|.*S3_ENABLED is false: a directory is used/)
  expect(textOf(await examine('settings', { envFile: { AWS_PROFILE: 'work' } }))).toMatch(/^warning \| AWS_PROFILE stands in .env only.*export AWS_PROFILE=work$/)
  expect(await check('settings')).toMatch(/^ok/)
})

describe('disk', () => {
  test('a folder that is not there, and one that may not be written', async () => {
    expect(await check('disk', { WINDLASS_SCRATCH: join(scratch, 'none') })).toMatch(/^problem \| scratch folder .* cannot be written: ENOENT.*WINDLASS_SCRATCH=/)
    if (userInfo().uid === 0) return
    const locked = join(scratch, 'locked')
    mkdirSync(locked)
    chmodSync(locked, 0o500)
    expect(await check('disk', { WINDLASS_SCRATCH: locked })).toMatch(/^problem \|.*EACCES/)
  })

  test('limits that are larger than what is free: a smaller one is proposed that fits', async () => {
    const text = await check('disk', { WINDLASS_SCRATCH: scratch, WINDLASS_SCRATCH_BUDGET: '900TiB' })
    expect(text).toMatch(/^warning \|.* are free in .*, and up to 900.0 TiB may be used/)
    const [, proposed] = /WINDLASS_SCRATCH_BUDGET=(\d+MiB)/.exec(text)!
    expect(await check('disk', { WINDLASS_SCRATCH: scratch, WINDLASS_SCRATCH_BUDGET: `${Math.floor(Number.parseInt(proposed!, 10) / 2)}MiB`, WINDLASS_MODEL_CACHE: join(scratch, 'no-models') })).toMatch(/^ok/)
  })

  test('a full disk', async ({ skip }) => {
    const disk = join(scratch, 'disk')
    mkdirSync(disk)
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]).status !== 0) skip('mounting a small disk is not allowed here')
    try {
      const { bavail, bsize } = statfsSync(disk)
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(bavail * bsize))
      expect(await check('disk', { WINDLASS_SCRATCH: disk })).toMatch(/^problem \| scratch folder .* it is full \(ENOSPC\)/)
    } finally {
      spawnSync('umount', ['-l', disk])
    }
  })
})

describe('models', () => {
  let world: ModelWorld
  beforeAll(async () => void (world = await ModelWorld.start()))
  afterAll(() => world.end())
  const bucket = () => `file:${join(world.folder, 'bucket')}`
  const models = (environment: Record<string, string>) => check('models', { WINDLASS_BUCKET: bucket(), EMBEDDING_MODEL: 'o/m', WINDLASS_HF_ENDPOINT: world.hub.url, WINDLASS_MODEL_CACHE: join(world.folder, 'disk'), ...environment })

  test('not in the bucket: to be had, gated, misspelled, offline; and once it is there', async () => {
    world.hub.publish('o/m', { files: { 'config.json': Buffer.from('{}'), 'onnx/model.onnx': testBytes(2000) }, gated: true })
    expect(await models({})).toMatch(/^problem \| o\/m \(EMBEDDING_MODEL\) is neither in the bucket nor to be had: .*gated.*HF_TOKEN=hf_/s)
    expect(await models({ EMBEDDING_MODEL: 'o/misspelled' })).toMatch(/^problem \|.*o\/misspelled is not on/s)
    expect(await models({ HF_HUB_OFFLINE: '1' })).toMatch(/^problem \|.*the hub is not asked \(HF_HUB_OFFLINE\)/)
    expect(await models({ HF_TOKEN: world.hub.token })).toMatch(/^warning \| o\/m \(EMBEDDING_MODEL\) is not in the bucket yet: 2 files.*windlass models pull o\/m$/)
    const store = await world.open('disk', { bucket: bucket(), store: {}, hub: { endpoint: world.hub.url, token: world.hub.token } })
    await (await store.use('o/m')).release()
    await store.close()
    expect(await models({})).toMatch(/^ok \| o\/m: 2 of 2 files .* are in the bucket, .* on this disk/)
  })

  test('the built-in model needs none', async () => {
    expect(await check('models')).toMatch(/^ok \| no models are kept/)
  })
})

describe('embedder and openai', () => {
  let openAi: OpenAiDouble
  beforeAll(async () => void (openAi = await startOpenAiDouble()))
  afterAll(() => openAi.close())
  const settings = (more: Record<string, string> = {}) => ({ EMBEDDING_MODEL: 'openai:text-embedding-3-small', OPENAI_BASE_URL: openAi.url, OPENAI_API_KEY: openAi.key, ...more })

  test('the built-in model, and a dimension that it does not have', async () => {
    expect(await check('embedder')).toMatch(/^ok \| .* gives 384 values/)
    expect(await check('embedder', { VECTOR_DIMENSION: '768' })).toMatch(/^problem \| VECTOR_DIMENSION is 768, model static-384 has 384/)
  })

  test('over HTTP: it answers, a wrong key, a server that gives another dimension', async () => {
    expect(await check('embedder', settings())).toMatch(/^ok \| .* gives 1536 values/)
    expect(await check('embedder', settings({ OPENAI_API_KEY: 'sk-wrong-0123456789' }))).toMatch(/^problem \|.*OPENAI_API_KEY=sk-…/)
    expect(await check('embedder', settings({ OPENAI_API_KEY: '' , OPENAI_BASE_URL: '' }))).toMatch(/^problem \|.*needs a key.*OPENAI_API_KEY/)
  })

  test('the key by itself: taken, not taken and not repeated, at a server that is none', async () => {
    const api = await startJsonServer(({ headers, path }) => {
      if (path !== '/v1/models') return { status: 404, json: {} }
      if (headers.authorization === 'Bearer narrow') return { status: 403, json: { error: { message: 'Missing scopes: api.model.read' } } }
      if (headers.authorization !== 'Bearer good') return { status: 401, json: { error: { message: `Incorrect API key provided: ${headers.authorization?.slice(7)} (${headers.authorization?.slice(7, 13)}*****0123)` } } }
      return { json: { data: [{ id: 'nomic-embed-text:latest' }, { id: 'text-embedding-3-small' }] } }
    }, () => ({}))
    try {
      const openai = (more: Record<string, string>) => check('openai', { OPENAI_BASE_URL: `${api.url}/v1`, OPENAI_API_KEY: 'good', ...more })
      expect(await openai({})).toMatch(/^ok \|.*takes the key \(OPENAI_API_KEY\)/)
      const wrong = await openai({ OPENAI_API_KEY: 'sk-somebody-elses-0123' })
      expect(wrong).toMatch(/^problem \|.*does not take the key \(OPENAI_API_KEY\): 401/)
      expect(wrong).not.toMatch(/somebody|sk-som|0123/)
      expect(await openai({ OPENAI_BASE_URL: api.url })).toMatch(/^problem \|.*is not there \(404\).*OPENAI_BASE_URL=http:\/\/127.0.0.1:\d+\/v1$/)
      expect(await openai({ OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' })).toMatch(/^problem \| no answer from http:\/\/127.0.0.1:1\/v1/)
      expect(await openai({ OPENAI_BASE_URL: `${api.url}/other/v1` })).toMatch(/^warning \|.*does not list its models/)
      expect(await openai({ OPENAI_API_KEY: 'narrow' })).toMatch(/^warning \|.*may not list models: 403: Missing scopes/)
      expect(await openai({ EMBEDDING_MODEL: 'openai:nomic-embed-text' })).toMatch(/^ok \|.*has nomic-embed-text/)
      expect(await openai({ EMBEDDING_MODEL: 'openai:mxbai-embed-large' })).toMatch(/^problem \|.*has no model mxbai-embed-large.*ollama pull/)
    } finally {
      await api.close()
    }
  })
})

describe('audio', () => {
  const program = (name: string, script: string) => {
    writeFileSync(join(scratch, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    return join(scratch, name)
  }
  /** While nothing is on the path. */
  const without = async (environment: Record<string, string> = {}) => {
    const path = process.env.PATH
    process.env.PATH = join(scratch, 'no-programs')
    try {
      return await check('audio', environment)
    } finally {
      process.env.PATH = path
    }
  }

  test('a program that is ffmpeg, one that is not, one that fails, none', async () => {
    expect(await check('audio', { WINDLASS_FFMPEG: program('good', 'echo "ffmpeg version 7.1 Copyright (c) 2000-2024 the FFmpeg developers"') })).toMatch(/^ok \| recordings are decoded by .*good: ffmpeg version 7.1 \|/)
    expect(await check('audio', { WINDLASS_FFMPEG: program('other', 'echo hello') })).toMatch(/^problem \| WINDLASS_FFMPEG is .*other, which is something else than ffmpeg/)
    expect(await check('audio', { WINDLASS_FFMPEG: program('failing', 'exit 3') })).toMatch(/^problem \|.*ends with status 3/)
    expect(await check('audio', { WINDLASS_FFMPEG: join(scratch, 'none') })).toMatch(/^problem \| WINDLASS_FFMPEG is .*none, which is not there.*apt-get install ffmpeg/)
  })

  test('none on the path: told; a warning where a setting or a recording speaks of it; settings that are none', async () => {
    expect(await without()).toMatch(/^ok \| ffmpeg is not there: nothing needs it but recordings/)
    expect(await without({ WINDLASS_AUDIO_SNIPPET: '20' })).toMatch(/^warning \| ffmpeg is not there, and WINDLASS_AUDIO_SNIPPET is set.*apt-get install ffmpeg/)
    const bucket = join(scratch, 'recordings')
    const store = await openStore(`file:${bucket}`)
    await store.put('audio/recordings/one/recording.json', new Uint8Array(2))
    await store.close?.()
    expect(await without({ WINDLASS_BUCKET: `file:${bucket}` })).toMatch(/^warning \| ffmpeg is not there, and there are recordings in the bucket/)
    expect(await check('audio', { WINDLASS_AUDIO_TRANSCRIBER: 'loud' })).toMatch(/^problem \| WINDLASS_AUDIO_TRANSCRIBER is "loud"/)
  })
})

describe('vector bucket and index', () => {
  const keys = [
    { id: 'READER', secret: 'reader-secret-0123456789', role: 'read' },
    { id: 'ADMIN', secret: 'admin-secret-0123456789', role: 'admin' },
    { id: 'TENANT', secret: 'tenant-secret-0123456789', role: 'admin', collections: ['tenant/*'] },
  ]
  let server: TestServer
  let admin: sdk.S3VectorsClient
  beforeAll(async () => {
    server = await startTestServer({ keys: JSON.stringify(keys) })
    admin = new sdk.S3VectorsClient({ endpoint: server.url, region: 'us-east-1', credentials: { accessKeyId: 'ADMIN', secretAccessKey: 'admin-secret-0123456789' } })
    await admin.send(new sdk.CreateVectorBucketCommand({ vectorBucketName: 'docs' }))
    await admin.send(new sdk.CreateIndexCommand({ vectorBucketName: 'docs', indexName: 'main', dataType: 'float32', dimension: 384, distanceMetric: 'cosine' }))
  })
  afterAll(async () => {
    admin.destroy()
    await server.stop()
  })
  const as = (id: string, more: Record<string, string> = {}) => ({ S3_VECTOR_BUCKET_NAME: 'docs', S3_VECTOR_INDEX_NAME: 'main', AWS_ENDPOINT_URL_S3VECTORS: server.url, AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: keys.find((key) => key.id === id)!.secret, AWS_REGION: 'us-east-1', ...more })

  test('names: where each comes from, one missing, one that cannot be', async () => {
    const named = await check('vector-names', { S3_VECTOR_BUCKET_NAME: 'docs' }, { envFile: { S3_VECTOR_INDEX_NAME: 'main' } })
    expect(named).toMatch(/^ok \| vector bucket docs \(S3_VECTOR_BUCKET_NAME\), index main \(S3_VECTOR_INDEX_NAME in .env\)/)
    expect(await check('vector-names', { S3_VECTOR_BUCKET_NAME: 'docs' })).toMatch(/^warning \| S3_VECTOR_BUCKET_NAME is set, and S3_VECTOR_INDEX_NAME is not/)
    expect(await check('vector-names', { S3_VECTOR_BUCKET_NAME: 'My_Docs', S3_VECTOR_INDEX_NAME: 'main' })).toMatch(/^problem \| S3_VECTOR_BUCKET_NAME is "My_Docs".*S3_VECTOR_BUCKET_NAME=my-docs$/)
  })

  test('the service: all there, no bucket, no index, another dimension', async () => {
    expect(await check('s3vectors', as('ADMIN'))).toMatch(/^ok \|.*has docs\/main \(S3_VECTOR_BUCKET_NAME\): 384 values, cosine/)
    expect(await check('s3vectors', as('ADMIN', { S3_VECTOR_BUCKET_NAME: 'other' }))).toMatch(/^problem \| there is no vector bucket other in .*S3_VECTOR_BUCKET_NAME.*aws s3vectors create-vector-bucket --vector-bucket-name other --endpoint-url /)
    expect(await check('s3vectors', as('ADMIN', { S3_VECTOR_INDEX_NAME: 'other' }))).toMatch(/^problem \| there is no vector index docs\/other .*aws s3vectors create-index --vector-bucket-name docs --index-name other --data-type float32 --dimension 384 --distance-metric cosine/)
    expect(await check('s3vectors', as('ADMIN', { VECTOR_DIMENSION: '768' }))).toMatch(/^problem \| index docs\/main takes 384 values, and VECTOR_DIMENSION is 768/)
  })

  test('the service refuses: the missing action is named; a wrong key is a wrong key', async () => {
    expect(await check('s3vectors', as('TENANT'))).toMatch(/^problem \| s3vectors:GetIndex is refused.*windlass init s3vectors docs main/)
    const statement = { Effect: 'Deny', Principal: '*', Action: 's3vectors:GetVectors', Resource: '*' }
    await admin.send(new sdk.PutVectorBucketPolicyCommand({ vectorBucketName: 'docs', policy: JSON.stringify({ Version: '2012-10-17', Statement: [statement] }) }))
    expect(await check('s3vectors', as('READER'))).toMatch(/^problem \| s3vectors:GetVectors is refused.*needs GetVectors beside QueryVectors/)
    await admin.send(new sdk.DeleteVectorBucketPolicyCommand({ vectorBucketName: 'docs' }))
    expect(await check('s3vectors', as('READER', { AWS_SECRET_ACCESS_KEY: 'wrong' }))).toMatch(/^problem \|.*does not take the keys: InvalidSignatureException/)
  })

  test('a region without the service: which were tried, and where it is', async () => {
    const environment = { WINDLASS_ENGINE: 's3vectors:docs/main', AWS_ACCESS_KEY_ID: 'A', AWS_SECRET_ACCESS_KEY: 'B', AWS_REGION: 'xx-nowhere-9' }
    const hasAddress = (host: string) => Promise.resolve(host === 's3vectors.eu-central-1.api.aws')
    expect(await check('s3vectors', environment, { context: { hasAddress } })).toMatch(/^problem \| S3 Vectors is not in region xx-nowhere-9; tried: us-east-1, .*; it is in eu-central-1 .*AWS_REGION=eu-central-1$/)
    const looked: string[] = []
    const lookup: LookupFunction = (host, _, done) => (looked.push(host), done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' }), ''))
    expect(await check('s3vectors', environment, { context: { lookup } })).toMatch(/^problem \| S3 Vectors has no address in xx-nowhere-9, nor in any other region; tried: us-east-1/)
    expect(new Set(looked), 'the machine itself is asked for no name').toEqual(new Set(['s3vectors.xx-nowhere-9.api.aws']))
  })

  test('nobody at the endpoint', async () => {
    expect(await check('s3vectors', as('ADMIN', { AWS_ENDPOINT_URL_S3VECTORS: 'http://127.0.0.1:1' }))).toMatch(/^problem \| no answer from http:\/\/127.0.0.1:1.*windlass serve/)
  })
})

describe.skipIf(serverUrl !== undefined)('postgres', () => {
  let db: TestDatabase
  beforeAll(async () => void (db = await startTestDatabase()))
  afterAll(() => db.stop())

  test('it answers, without and with the extension; nobody there; no variable', async () => {
    expect(await check('postgres', { WINDLASS_POSTGRES_URL: db.url })).toMatch(/^ok \| postgresql:\/\/.*\(WINDLASS_POSTGRES_URL\) answers: Postgres .*\nok \| pgvector/)
    await db.database.query('drop extension vector')
    expect(await check('postgres', { WINDLASS_POSTGRES_URL: db.url })).toMatch(/\nwarning \| pgvector is on the server, and not in this database.*psql "\$WINDLASS_POSTGRES_URL" -c 'create extension vector'/)
    expect(await check('postgres', { WINDLASS_POSTGRES_URL: 'postgresql://me:secret@127.0.0.1:1/db' })).toMatch(/^problem \| WINDLASS_POSTGRES_URL: postgresql:\/\/me@127.0.0.1:1\/db: .*psql/)
    expect(await check('postgres', { DATABASE_URL: 'postgresql://me:secret@127.0.0.1:1/db' }), "another program's, perhaps").toMatch(/^warning/)
    expect(await check('postgres', { WINDLASS_ENGINE: 'pgvector:MY_DB/chunks' })).toMatch(/^problem \| MY_DB is not set, and WINDLASS_ENGINE names it/)
  })
})

describe('queue', () => {
  let sqs: JsonServer
  let denied: string | null = null
  let isThere = true
  let waiting = 0
  beforeAll(async () => {
    sqs = await startJsonServer(({ headers }) => {
      const operation = String(headers['x-amz-target']).split('.')[1]!
      if (!isThere) return { status: 400, json: { __type: 'com.amazonaws.sqs#QueueDoesNotExist', message: 'The specified queue does not exist.' } }
      if (denied === operation) return { status: 403, json: { __type: 'com.amazon.coral.service#AccessDeniedException', message: `not authorized to perform: sqs:${operation}` } }
      if (operation === 'ReceiveMessage') return { json: { Messages: Array.from({ length: waiting }, (_, i) => ({ MessageId: `m${i}`, ReceiptHandle: `h${i}`, Body: '{}' })) } }
      return { json: { Successful: [], Failed: [{ Id: '0', Code: 'ReceiptHandleIsInvalid', SenderFault: true }] } }
    }, () => ({}))
  })
  afterAll(() => sqs.close())
  const queueOf = (): DeclaredQueue => ({
    vectorizer: 'docs',
    open: () => openQueue({ name: 'docs', source: { type: 's3', url: 's3://docs', events: { queueUrl: `${sqs.url}/123456789012/events` } } as never }, { environment: { AWS_REGION: 'us-east-1' }, clock: systemClock, random: systemRandom, storeSettings: { accessKeyId: 'A', secretAccessKey: 'B' } }),
  })
  const queue = () => check('queue', {}, { context: { queues: [queueOf()] } })

  test('it can be read, it is empty, it is missing, each action refused', async () => {
    waiting = 3
    expect(await queue()).toMatch(/^ok \|.*\(vectorizer docs\) can be read: messages waiting: 3/)
    waiting = 0
    expect(await queue()).toMatch(/^ok \|.*nothing waits/)
    for (const operation of ['ReceiveMessage', 'DeleteMessageBatch']) {
      denied = operation
      expect(await queue(), operation).toMatch(/^problem \| queue of vectorizer docs:.*windlass iam docs/)
    }
    denied = null
    isThere = false
    expect(await queue()).toMatch(/^problem \|.*QueueDoesNotExist.*aws sqs get-queue-url/)
    isThere = true
  })

  test('none is declared: nothing is asked', async () => {
    expect(await check('queue')).toBe('not run')
  })
})

describe('server', () => {
  const keys = JSON.stringify([{ id: 'main', secret: 'secret-0123456789abcdef', role: 'read' }])

  test.each([
    ['::1', '[::1]'],
    ['::', '[::1]'],
    ['::ffff:127.0.0.1', '[::ffff:127.0.0.1]'],
    ['0.0.0.0', '127.0.0.1'],
    ['localhost', 'localhost'],
  ])('a server that listens on %s is asked at %s', async (host, address) => {
    expect(await check('server', { WINDLASS_HOST: host, WINDLASS_PORT: '1', WINDLASS_KEYS: keys })).toContain(`nothing answers at http://${address}:1;`)
  })

  test('open to the network without keys, nothing there, something else there', async () => {
    expect(await check('server', { WINDLASS_HOST: '0.0.0.0' })).toMatch(/^problem \| WINDLASS_HOST is 0.0.0.0, and there are no keys.*WINDLASS_KEYS=/)
    expect(await check('server', { WINDLASS_PORT: '1' })).toMatch(/^ok \| nothing answers at http:\/\/127.0.0.1:1/)
    const shown: (string | undefined)[] = []
    const other = await startJsonServer(({ headers }) => (shown.push(headers.authorization), { json: { hello: 'world' } }), () => ({}))
    expect(await check('server', { WINDLASS_PORT: new URL(other.url).port, WINDLASS_KEYS: keys })).toMatch(/^warning \| something else/)
    expect(shown, 'it was shown no key').toEqual([undefined])
    await other.close()
  })

  test('a server that answers: its own health, and what fails in it', async () => {
    const server = await startTestServer({ keys })
    try {
      const port = String(server.server.port)
      expect(await check('server', { WINDLASS_PORT: port, WINDLASS_KEYS: keys })).toMatch(/^ok \| the server at/)
      expect(await check('server', { WINDLASS_PORT: port })).toMatch(/^ok \| a server answers at .* and wants a key/)
    } finally {
      await server.stop()
    }
    const failing = await startJsonServer(({ path }) => path === '/ready' ? { json: { ready: true } } : ({ status: 503, json: { ok: false, checks: [{ name: 'models', ok: false, detail: 'o/m was not stored in the bucket: denied' }] } }), () => ({}))
    expect(await check('server', { WINDLASS_PORT: new URL(failing.url).port })).toMatch(/^problem \| the server at .*models: o\/m was not stored/)
    await failing.close()
  })
})

test('a check that throws something unforeseen has a problem, and the next one runs', async () => {
  const text = await check('queue', {}, { context: { queues: [{ vectorizer: 'docs', open: () => { throw new WindlassError('invalid', 'no queue') } }] } })
  expect(text).toMatch(/^problem \| queue of vectorizer docs: no queue/)
})
