import { describe, expect, test } from 'vitest'
import { fromUtf8 } from '../base/bytes.ts'
import { systemClock } from '../base/clock.ts'
import { isWindlassError } from '../base/errors.ts'
import { newNonce, systemRandom } from '../base/random.ts'
import { testObjectStore } from '../testing/store-conformance.ts'
import { openStore } from './open-store.ts'
import { proofKey, proveConditionalWrites } from './prove-conditional-writes.ts'
import { S3Store } from './s3-store.ts'

const {
  WINDLASS_TEST_S3_ENDPOINT: endpoint,
  WINDLASS_TEST_S3_ACCESS_KEY: accessKeyId,
  WINDLASS_TEST_S3_SECRET_KEY: secretAccessKey,
} = process.env
const serverName = process.env.WINDLASS_TEST_S3_NAME ?? 'no server: set WINDLASS_TEST_S3_ENDPOINT'
const onServer = describe.skipIf(!endpoint)

const newBucketName = () => `windlass-${newNonce(systemRandom).slice(0, 12)}`
const settingsOf = (bucket: string) => ({
  bucket,
  ...(endpoint && { endpoint }),
  ...(accessKeyId && secretAccessKey && { accessKeyId, secretAccessKey }),
})

async function openBucket(): Promise<S3Store> {
  const store = new S3Store(settingsOf(newBucketName()))
  await store.createBucket()
  return store
}

const longParts = {
  'parts of a key up to 1,000 bytes are kept apart': 'both servers keep parts as file names, of at most 255 bytes',
}

onServer(`S3Store on ${serverName}`, () => testObjectStore(test, openBucket, { skip: longParts }))

onServer(`openStore on ${serverName}, with all its wrappers`, () => {
  const openPrefix = async () => {
    const bucket = newBucketName()
    await new S3Store(settingsOf(bucket)).createBucket()
    return openStore(`s3://${bucket}/some/prefix`, settingsOf(bucket))
  }
  const skip = { ...longParts, 'a key that cannot be is refused by name': 'some are other keys below a prefix' }
  testObjectStore(test, openPrefix, { skip })

  test('conditional writes are proven, and the proof names the server', async () => {
    const store = await openPrefix()
    await proveConditionalWrites(store, { clock: systemClock, random: systemRandom })
    const proof = await store.get(proofKey)
    const text = proof.kind === 'found' ? fromUtf8(proof.bytes) : proof.kind
    expect(JSON.parse(text)).toMatchObject({ place: expect.stringMatching(/^http:.*\(\w+\)$/) })
  })
})

onServer(`what ${serverName} refuses`, () => {
  test('a missing bucket is not a missing key', async () => {
    const store = new S3Store(settingsOf(newBucketName()))
    await expect(store.get('key')).rejects.toThrow(/the bucket does not exist.*S3_BUCKET_NAME/)
    const failed = await store.put('key', new Uint8Array(1)).catch((error: unknown) => error)
    expect(isWindlassError(failed, 'not-found')).toBe(true)
  })

  test('a wrong secret is named by its variable, and shown nowhere', async () => {
    const store = new S3Store({ ...settingsOf('any'), secretAccessKey: 'wrong-secret-value' })
    const failed = await store
      .list('')
      [Symbol.asyncIterator]()
      .next()
      .catch((error: unknown) => error)
    expect(isWindlassError(failed, 'unauthenticated')).toBe(true)
    expect(String(failed)).toMatch(/AWS_SECRET_ACCESS_KEY/)
    expect(
      JSON.stringify(failed, Object.getOwnPropertyNames(failed as object)) + String((failed as Error).cause),
    ).not.toMatch(/wrong-secret-value/)
  })

  test('creating a bucket that is ours already changes nothing', async () => {
    const store = await openBucket()
    await store.put('key', Uint8Array.of(1))
    await store.createBucket()
    expect((await store.get('key')).kind).toBe('found')
    expect(store.place()).toContain(endpoint)
  })

  test('a big upload has parts, and one that fails leaves nothing', async () => {
    const store = await openBucket()
    const piece = new Uint8Array(1 << 20).map((_, i) => i & 255)
    await store.upload(
      'big',
      (async function* () {
        for (let i = 0; i < 20; i++) yield piece
      })(),
    )
    const end = await store.get('big', { range: { start: 19 * (1 << 20) + 5, end: 20 * (1 << 20) } })
    expect(end.kind === 'found' && end.size).toBe(20 << 20)
    expect(end.kind === 'found' && Buffer.compare(end.bytes, piece.subarray(5))).toBe(0)
    const failing = store.upload(
      'fails',
      (async function* () {
        for (let i = 0; i < 20; i++) yield piece
        throw new Error('the source broke')
      })(),
    )
    await expect(failing).rejects.toThrow(/the source broke/)
    expect(await store.head('fails')).toBeNull()
  })
})
