// What a running server says while its bucket is in trouble, and that it goes on by itself once the trouble is over.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateBucketCommand, DeleteBucketCommand, DeleteObjectsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { afterAll, describe, expect, test } from 'vitest'
import { exited, killAll, listAll, post, run, startServer } from './processes.ts'
import { startProxy, type Mood } from './unreliable-proxy.ts'

const scratch = mkdtempSync(join(tmpdir(), 'windlass-trouble-'))
afterAll(() => {
  killAll()
  rmSync(scratch, { recursive: true, force: true })
})

interface ErrorBody {
  error: { kind: string; message: string }
}

/** Writes one record. @returns the status and the error, if any. */
async function put(url: string, key: string): Promise<{ status: number; error: ErrorBody['error'] | null; retryAfter: string | null }> {
  const response = await post(`${url}/v1/collections/c/records`, { records: [{ key, document: `record ${key}`, vector: [1, 2] }] })
  const body = (await response.json()) as Partial<ErrorBody>
  return { status: response.status, error: body.error ?? null, retryAfter: response.headers.get('retry-after') }
}

const keysOf = async (url: string) => (await listAll<{ key: string }>(`${url}/v1/collections/c/records`, 'records')).map(({ key }) => key).sort()

const endpoint = process.env.WINDLASS_TEST_S3_ENDPOINT
describe.skipIf(!endpoint)('on S3', () => {
  test.each<[Mood, number[], RegExp]>([
    ['gone', [500, 503], /AWS_ENDPOINT_URL|connection|read before you repeat|unknown/i],
    ['denied', [403], /denied|may not|not allowed/i],
    ['slow-down', [503, 500], /slow|throttl|busy|unknown|retry/i],
  ])('an endpoint that is %s: typed errors, nothing acknowledged lost, and on again without a restart', { timeout: 240_000 }, async (mood, statuses, message) => {
    const proxy = await startProxy(endpoint!)
    const bucket = `${process.env.WINDLASS_TEST_S3_BUCKET}/trouble-${mood}-${process.pid}`
    const { child, url } = await startServer(bucket, { AWS_ENDPOINT_URL: proxy.url })
    try {
      expect((await post(`${url}/v1/collections`, { name: 'c' })).status).toBe(201)
      expect((await put(url, 'before')).status).toBe(200)
      proxy.mood = mood
      const during = await put(url, 'during')
      expect(statuses).toContain(during.status)
      expect(during.error!.message).toMatch(message)
      if (during.status === 503) expect(Number(during.retryAfter)).toBeGreaterThan(0)
      const read = await fetch(`${url}/v1/collections/c/records`)
      expect(read.status, 'a strong read that cannot be one is an error').toBeGreaterThanOrEqual(400)
      const health = await fetch(`${url}/health`)
      expect([health.status, (await fetch(`${url}/ready`)).status]).toEqual([503, 200])
      const old = await fetch(`${url}/v1/collections/c/records?consistency=eventual`)
      expect(old.status, 'an eventual read is younger than its bound, and goes on').toBe(200)
      proxy.mood = 'well'
      expect((await put(url, 'after')).status).toBe(200)
      const keys = await keysOf(url)
      expect(keys.filter((key) => key !== 'during')).toEqual(['after', 'before'])
      // What was refused for certain is not there; what is unknown may be.
      if (during.error!.kind !== 'outcome-unknown') expect(keys).not.toContain('during')
      expect((await fetch(`${url}/health`)).status).toBe(200)
      child.kill('SIGTERM')
      await exited(child)
      expect(child.exitCode).toBe(0)
      expect(run(['verify', 'c', '--bucket', bucket]).stdout).toContain(' 0 problems')
    } finally {
      child.kill('SIGKILL')
      await proxy.close()
    }
  })

  test('a bucket that is deleted under a server, and made again: errors that say so, then a fresh start without a restart', { timeout: 120_000 }, async () => {
    const name = `windlass-gone-${process.pid}`
    const client = new S3Client({ forcePathStyle: true })
    await client.send(new CreateBucketCommand({ Bucket: name }))
    const { child, url } = await startServer(`s3://${name}`)
    try {
      expect((await post(`${url}/v1/collections`, { name: 'c' })).status).toBe(201)
      expect((await put(url, 'before')).status).toBe(200)
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: name }))
      await client.send(new DeleteObjectsCommand({ Bucket: name, Delete: { Objects: Contents.map(({ Key }) => ({ Key })) } }))
      await client.send(new DeleteBucketCommand({ Bucket: name }))
      const during = await put(url, 'during')
      expect(during.status).toBeGreaterThanOrEqual(400)
      expect(during.error!.message).toMatch(/bucket does not exist|is missing|dropped/)
      expect((await fetch(`${url}/health`)).status).toBe(503)
      await client.send(new CreateBucketCommand({ Bucket: name }))
      expect((await post(`${url}/v1/collections`, { name: 'd' })).status).toBe(201)
      expect((await (await fetch(`${url}/v1/collections`)).json()) as unknown).toMatchObject({ collections: [{ name: 'd' }] })
      const gone = await put(url, 'after')
      expect([gone.status >= 400, gone.error!.kind]).toEqual([true, expect.stringMatching(/corrupt|not-found/)])
    } finally {
      child.kill('SIGKILL')
      client.destroy()
    }
  })
})

test.skipIf(Boolean(endpoint))('a disk that fills up under a server: 507, reads go on, and writes too once there is space', { timeout: 120_000 }, async ({ skip }) => {
  const disk = join(scratch, 'disk')
  mkdirSync(disk)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]).status !== 0) skip('mounting a small disk is not allowed here')
  try {
    const bucket = `file:${join(disk, 'bucket')}`
    const { child, url } = await startServer(bucket)
    expect((await post(`${url}/v1/collections`, { name: 'c' })).status).toBe(201)
    expect((await put(url, 'before')).status).toBe(200)
    const { bavail, bsize } = statfsSync(disk)
    writeFileSync(join(disk, 'ballast'), Buffer.alloc(bavail * bsize))
    const full = await put(url, 'during')
    expect([full.status, full.error?.kind]).toEqual([507, 'storage-full'])
    expect(await keysOf(url)).toEqual(['before'])
    rmSync(join(disk, 'ballast'))
    expect((await put(url, 'after')).status).toBe(200)
    expect(await keysOf(url)).toEqual(['after', 'before'])
    child.kill('SIGTERM')
    await exited(child)
    expect(run(['verify', 'c', '--bucket', bucket]).stdout).toContain(' 0 problems')
  } finally {
    spawnSync('umount', ['-l', disk])
  }
})
