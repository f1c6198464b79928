import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { CountingStore } from './counting-store.ts'
import { openStore, parseS3Url } from './open-store.ts'

const scratch = mkdtempSync(join(tmpdir(), 'windlass-open-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const s3 = { endpoint: 'http://127.0.0.1:1', accessKeyId: 'id', secretAccessKey: 'hidden-secret' }

describe('openStore', () => {
  test('memory: is empty each time, memory:name is the same in one process', async () => {
    await (await openStore('memory:')).put('key', Uint8Array.of(1))
    expect((await (await openStore('memory:')).get('key')).kind).toBe('absent')
    await (await openStore('memory:shared')).put('key', Uint8Array.of(1))
    expect((await (await openStore('memory:shared')).get('key')).kind).toBe('found')
    expect((await openStore('memory:shared')).url).toBe('memory:shared')
  })

  test('file: takes absolute and relative paths, with escapes', async () => {
    const folder = join(scratch, 'a folder')
    for (const url of [`file:${folder}`, `file://${folder}`, `file://${folder.replace(' ', '%20')}`]) expect((await openStore(url)).url).toBe(`file:${folder}`)
    expect((await openStore('file:./relative')).url).toBe(`file:${join(process.cwd(), 'relative')}`)
    expect((await openStore(`file:${folder}?shared=unsafe`)).url).toBe(`file:${folder}`)
  })

  test('s3: names bucket and prefix, and never a secret', async () => {
    expect((await openStore('s3://bucket/some/prefix/', s3)).url).toBe('s3://bucket/some/prefix')
    expect((await openStore('s3://bucket', s3)).url).toBe('s3://bucket')
    const store = await openStore('s3://bucket/prefix', s3)
    const failed: unknown = await store.put('key', Uint8Array.of(1), { condition: { ifAbsent: true } }).catch((error: unknown) => error)
    expect(failed).toMatchObject({ kind: 'unavailable', message: expect.stringMatching(/^s3:\/\/bucket: put of prefix\/key: nobody listens at the endpoint: check AWS_ENDPOINT_URL/) })
    expect(String(failed) + JSON.stringify(failed)).not.toMatch(/hidden-secret/)
    await store.close?.()
  })

  test.each([
    ['bucket', /not a URL we know: use s3:/],
    ['C:\\bucket', /not a URL we know/],
    ['gs://bucket', /not a URL we know/],
    ['s3://', /not an S3 URL/],
    ['s3:///prefix', /not an S3 URL/],
    ['s3://bucket/a//b', /empty, \. or \.\. part/],
    ['s3://bucket/../b', /empty, \. or \.\. part/],
    ['s3://bucket?region=x', /not an S3 URL/],
    ['file:', /names no folder/],
    ['file://host/path', /names a host/],
    ['file:./x?shared=yes', /only \?shared=unsafe is known/],
    ['file:./100%', /write %25/],
    ['https://a:b@host/bucket', /must not hold a password/],
  ])('%s is refused', async (url, message) => {
    const failed: unknown = await openStore(url, s3).catch((error: unknown) => error)
    expect(failed).toMatchObject({ kind: 'invalid', message: expect.stringMatching(message) })
  })

  test('half a pair of keys is refused by the name of the other half', async () => {
    await expect(openStore('s3://bucket', { accessKeyId: 'id' })).rejects.toThrow(/AWS_SECRET_ACCESS_KEY is not/)
    await expect(openStore('s3://bucket', { ...s3, endpoint: 'localhost' })).rejects.toThrow(/endpoint "localhost" is not a URL/)
  })

  test('wrap sees the requests that are really sent', async () => {
    let counting: CountingStore | undefined
    const store = await openStore('memory:', { wrap: (inner) => (counting = new CountingStore(inner)) })
    await store.get('key')
    expect(counting!.counts().requests).toEqual({ get: 1 })
  })

  test('the AWS SDK is loaded for S3, and not for a directory', () => {
    const sdkFiles = (url: string) => {
      const script = `
        import module from 'node:module'
        import { openStore } from ${JSON.stringify(join(import.meta.dirname, 'open-store.ts'))}
        await openStore(${JSON.stringify(url)}, ${JSON.stringify(s3)})
        console.log(Object.keys(module._cache).filter((name) => name.includes('aws-sdk')).length)`
      const output = execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      return Number(output)
    }
    expect(sdkFiles('s3://bucket')).toBeGreaterThan(0)
    expect(sdkFiles(`file:${scratch}`)).toBe(0)
  })

  test('parseS3Url gives bucket and bare prefix', () => {
    expect(parseS3Url('s3://b')).toEqual({ bucket: 'b', prefix: '' })
    expect(parseS3Url('S3://b/p/q//')).toEqual({ bucket: 'b', prefix: 'p/q' })
  })
})
