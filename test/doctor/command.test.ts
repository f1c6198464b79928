// `windlass doctor` as it is run: exit status, JSON, `--only`, and where the AWS default chain finds keys.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startJsonServer } from '../doubles/json-server.ts'
import { startS3Double, type S3Double } from '../doubles/s3/double.ts'

// Each of these starts programs, one after another.
vi.setConfig({ testTimeout: 180_000 })
const root = join(import.meta.dirname, '../..')
const home = mkdtempSync(join(tmpdir(), 'windlass-doctor-command-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))
let s3: S3Double
beforeEach(async () => void (s3 = await startS3Double()))
afterEach(() => s3.close())

async function doctor(words: string[], environment: Record<string, string> = {}): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const tsx = pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href
  const child = spawn(process.execPath, ['--import', tsx, join(root, 'src/cli/main.ts'), 'doctor', ...words], { cwd: home, env: { PATH: process.env.PATH, HOME: home, AWS_EC2_METADATA_DISABLED: 'true', WINDLASS_PORT: '1', WINDLASS_SCRATCH_BUDGET: '1MiB', WINDLASS_DISK_CACHE: '1MiB', WINDLASS_MODEL_CACHE: join(home, 'models'), ...environment } })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (part) => (stdout += String(part)))
  child.stderr.on('data', (part) => (stderr += String(part)))
  await new Promise((resolve) => child.once('close', resolve))
  return { status: child.exitCode, stdout, stderr }
}
const onS3 = () => ({ S3_BUCKET_NAME: 'docs', AWS_ENDPOINT_URL: s3.url, AWS_REGION: 'us-east-1' })
const keys = { AWS_ACCESS_KEY_ID: 'AKIACOMMANDTEST1', AWS_SECRET_ACCESS_KEY: 'a-secret-that-is-never-shown' }

test('a healthy place: status 0, a line for each finding, nothing left behind', async () => {
  const { status, stdout, stderr } = await doctor([], { ...onS3(), ...keys })
  expect([status, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/^ok {7}node: Node/)
  expect(stdout).toContain('All is well.')
  expect([...s3.objects.keys()]).toEqual([])
})

test('a problem: status 1; as JSON each with what, why and what mends it; what waits for it is skipped', async () => {
  const { status, stdout } = await doctor(['--json', '--only', 'permissions', '--only', 'node'], { ...onS3(), ...keys, S3_BUCKET_NAME: 'nobodys' })
  expect(status).toBe(1)
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: { check: string; skipped?: string; findings: { level: string; mend?: string }[] }[] }
  expect(ok).toBe(false)
  expect(checks.map(({ check, skipped }) => [check, skipped])).toEqual([['node', undefined], ['credentials', undefined], ['bucket', undefined], ['permissions', 'bucket']])
  expect(checks[2]!.findings[0]).toMatchObject({ level: 'problem', mend: expect.stringContaining('aws s3 mb s3://nobodys') as string })
})

test('settings that are none, a declaration that is none, a check that is none', async () => {
  expect(await doctor([], { VECTOR_DIMENSION: 'many' })).toMatchObject({ status: 1, stdout: expect.stringMatching(/^problem  settings: VECTOR_DIMENSION/) as string })
  const declaration = join(home, 'broken.yaml')
  writeFileSync(declaration, 'version: 9\n')
  expect(await doctor(['--config', declaration])).toMatchObject({ status: 1, stdout: expect.stringContaining('broken.yaml') as string })
  expect(await doctor(['--only', 'permission'])).toMatchObject({ status: 2, stderr: expect.stringContaining('doctor has no check "permission"') as string })
})

test('queues of the declaration are asked', async () => {
  const declaration = join(home, 'queue.yaml')
  writeFileSync(declaration, `version: 1\nvectorizers:\n  - name: docs\n    source: { type: s3, url: 's3://docs', events: { queueUrl: 'http://127.0.0.1:1/123456789012/events' } }\n    destinations: [{ type: collection, name: docs }]\n`)
  const { status, stdout } = await doctor(['--only', 'queue', '--config', declaration, '--bucket', 'memory:'], keys)
  expect([status, stdout]).toEqual([1, expect.stringMatching(/problem {2}queue: queue of vectorizer docs/)])
})

test('the default chain: nothing, a profile, the role of a container; each by its name', async () => {
  const nothing = await doctor(['--only', 'credentials'], onS3())
  expect(nothing.stdout).toMatch(/^problem {2}credentials: no credentials were found/)
  expect(nothing.stdout).toContain('profile default of ~/.aws')
  mkdirSync(join(home, '.aws'), { recursive: true })
  writeFileSync(join(home, '.aws/credentials'), `[work]\naws_access_key_id = ${keys.AWS_ACCESS_KEY_ID}\naws_secret_access_key = ${keys.AWS_SECRET_ACCESS_KEY}\n`)
  expect((await doctor(['--only', 'credentials'], { ...onS3(), AWS_PROFILE: 'work' })).stdout).toContain('key AKIA…EST1 of profile work of the shared AWS files')
  const container = await startJsonServer(() => ({ json: { AccessKeyId: 'ASIACONTAINER123', SecretAccessKey: 'secret', Token: 'token', Expiration: '2099-01-01T00:00:00Z' } }), () => ({}))
  try {
    const { stdout } = await doctor(['--only', 'credentials'], { ...onS3(), AWS_CONTAINER_CREDENTIALS_FULL_URI: `${container.url}/role` })
    expect(stdout).toContain('key ASIA…R123 of the role of this container (AWS_CONTAINER_CREDENTIALS_…), with a session token')
  } finally {
    await container.close()
  }
})
