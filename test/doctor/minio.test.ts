// The doctor at a real MinIO: a wrong key, another region, no bucket, each permission withdrawn from a user's policy. Runs where
// WINDLASS_TEST_MINIO is the path of a minio program, which is started here: its region is a setting of its process.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { storePolicy } from '../../src/aws/store-policies.ts'
import type { PolicyDocument } from '../../src/aws/iam-documents.ts'
import { toUtf8 } from '../../src/base/bytes.ts'
import { open } from '../../src/index.ts'
import { S3Store } from '../../src/store/s3-store.ts'
import { wait } from '../process/processes.ts'
import { grantOnMinio } from './minio-admin.ts'
import { examine, s3Variables, textOf } from './testing.ts'

const program = process.env.WINDLASS_TEST_MINIO ?? ''
const region = 'eu-west-3'
const root = { accessKeyId: 'windlass-test', secretAccessKey: 'windlass-test-secret' }
const user = { accessKeyId: 'AKIADOCTORTEST12', secretAccessKey: 'a-secret-that-is-never-shown' }

describe.skipIf(program === '')('doctor at MinIO (a minio program at WINDLASS_TEST_MINIO)', () => {
  let folder: string
  let minio: ChildProcess
  let endpoint: string
  let store: S3Store

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'windlass-doctor-minio-'))
    const port = await freePort()
    endpoint = `http://127.0.0.1:${port}`
    minio = spawn(program, ['server', join(folder, 'data'), '--address', `127.0.0.1:${port}`], { env: { ...process.env, MINIO_ROOT_USER: root.accessKeyId, MINIO_ROOT_PASSWORD: root.secretAccessKey, MINIO_BROWSER: 'off', MINIO_SITE_REGION: region }, stdio: 'ignore' })
    store = new S3Store({ bucket: 'docs', endpoint, region, ...root })
    for (let i = 0; ; i++) {
      try {
        await store.createBucket()
        break
      } catch (error) {
        if (i > 600) throw error
        await wait(100)
      }
    }
  }, 90_000)
  afterAll(async () => {
    minio.kill()
    await store.close()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  const least = storePolicy({ partition: 'aws', bucket: 'docs', prefix: 'prod' })
  const grant = (policy: PolicyDocument) => grantOnMinio({ endpoint, region, ...root }, user, policy)
  const variables = (more: Record<string, string> = {}) => s3Variables(endpoint, { AWS_REGION: region, S3_PREFIX: 'prod', ...more })
  const check = async (name: string, more: Record<string, string> = {}) => textOf(await examine(name, { environment: variables(more) }))

  test('the least policy is enough: all checks are content, and so is the engine', async () => {
    await grant(least)
    for (const name of ['credentials', 'endpoint', 'clock', 'bucket', 'permissions', 'conditional-writes', 'models']) expect(await check(name), name).toMatch(/^(ok[^\n]*\n?)+$/)
    expect(await check('endpoint')).toContain('MinIO')
    const bucket = await open('s3://docs/prod', { store: { endpoint, region, ...user } })
    try {
      const docs = await bucket.getOrCreateCollection('docs')
      await docs.index({ source: 'a.md', open: async function* () { yield toUtf8('The windlass hauls the anchor.') } })
      expect((await docs.search('lifting anchors'))[0]?.source).toBe('a.md')
      await docs.flush()
      await docs.sweep()
      await bucket.dropCollection('docs')
    } finally {
      await bucket.close()
    }
  })

  test.each(['s3:PutObject', 's3:GetObject', 's3:ListBucket', 's3:DeleteObject'])('%s withdrawn from the policy: it alone is named', async (action) => {
    await grant({ ...least, Statement: [...least.Statement, { Effect: 'Deny', Action: action, Resource: 'arn:aws:s3:::docs*' }] })
    const lines = (await check('permissions')).split('\n')
    const problems = lines.filter((line) => line.startsWith('problem'))
    expect(lines).toHaveLength(4)
    expect(problems, lines.join('\n')).toHaveLength(1)
    expect(problems[0]).toContain(`(${action}) is refused`)
    expect(problems[0]).toContain(`"Action":"${action}"`)
    await grant(least)
  })

  test('a wrong id, a wrong secret, another region, no bucket', async () => {
    expect(await check('credentials', { AWS_ACCESS_KEY_ID: 'AKIANOBODYKNOWS1' })).toMatch(/^problem \| key AKIA…OWS1 of .* is not taken: .*not known/)
    expect(await check('credentials', { AWS_SECRET_ACCESS_KEY: 'another-secret' })).toMatch(/^problem \|.*signature does not match/)
    expect(await check('bucket', { AWS_REGION: 'us-east-1' })).toMatch(/^problem \| bucket docs lies in region eu-west-3, and AWS_REGION is us-east-1.*AWS_REGION=eu-west-3$/)
    await grantOnMinio({ endpoint, region, ...root }, user, { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: 'arn:aws:s3:::*' }] })
    expect(await check('bucket', { S3_BUCKET_NAME: 'nobodys' })).toMatch(/^problem \| there is no bucket nobodys at http.*aws s3 mb s3:\/\/nobodys --region eu-west-3 --endpoint-url/)
  })
})

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
