import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { toUtf8 } from '../../base/bytes.ts'
import { newNonce, systemRandom } from '../../base/random.ts'
import { CountingStore } from '../../store/counting-store.ts'
import { DirectoryStore } from '../../store/directory-store.ts'
import { MemoryStore } from '../../store/memory-store.ts'
import type { ObjectStore } from '../../store/object-store.ts'
import { openStore } from '../../store/open-store.ts'
import { S3Store } from '../../store/s3-store.ts'
import { testSource, type SourceFixture } from '../../testing/source-conformance.ts'
import { BucketSource } from './bucket-source.ts'

/** Documents below `docs/`, and one beside it. */
async function fixtureIn(store: ObjectStore, close: () => Promise<void> = async () => {}): Promise<SourceFixture> {
  await store.put('docs-old/beside.md', toUtf8('beside'))
  return {
    open: async (patterns = {}) => new BucketSource(store, { prefix: 'docs', ...patterns }),
    put: async (name, bytes) => void (await store.put(`docs/${name}`, bytes)),
    remove: (name) => store.delete([`docs/${name}`]),
    removeRoot: async () => {
      const keys: string[] = []
      for await (const { key } of store.list('docs/')) keys.push(key)
      await store.delete(keys)
    },
    // Listings are XML, which has no control characters.
    canHold: (name) => !/[\t\n]/.test(name),
    close,
  }
}

describe('BucketSource in memory', () => testSource(test, () => fixtureIn(new MemoryStore())))

describe('BucketSource in a directory', () =>
  testSource(test, () => {
    const folder = mkdtempSync(join(tmpdir(), 'windlass-bucket-source-'))
    return fixtureIn(new DirectoryStore(folder), async () => rmSync(folder, { recursive: true, force: true }))
  }))

const { WINDLASS_TEST_S3_ENDPOINT: endpoint, WINDLASS_TEST_S3_ACCESS_KEY: accessKeyId, WINDLASS_TEST_S3_SECRET_KEY: secretAccessKey } = process.env
describe.skipIf(!endpoint)(`BucketSource on ${process.env.WINDLASS_TEST_S3_NAME ?? 'no server: set WINDLASS_TEST_S3_ENDPOINT'}`, () => {
  testSource(test, async () => {
    const bucket = `windlass-${newNonce(systemRandom).slice(0, 12)}`
    const settings = { endpoint: endpoint!, ...(accessKeyId && secretAccessKey && { accessKeyId, secretAccessKey }) }
    await new S3Store({ bucket, ...settings }).createBucket()
    return fixtureIn(await openStore(`s3://${bucket}`, settings))
  })
})

async function pathsOf(source: BucketSource): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of (await source.list()).entries) paths.push(path)
  return paths
}

async function storeOf(...keys: string[]): Promise<MemoryStore> {
  const store = new MemoryStore({ url: 's3://b' })
  for (const key of keys) await store.put(key, toUtf8(key))
  return store
}

describe('BucketSource', () => {
  test('what has not changed costs one request for a thousand documents, and none each', async () => {
    const store = new CountingStore(await storeOf(...Array.from({ length: 1000 }, (_, i) => `docs/${i}.md`)))
    const source = new BucketSource(store, { prefix: 'docs' })
    let known = 0
    for await (const { revision } of (await source.list()).entries) if (revision !== undefined) known++
    expect(known).toBe(1000)
    expect(Object.entries(store.counts().requests).filter(([, count]) => count > 0)).toEqual([['list', 1]])
  })

  test('the key of one object is a source of that object, whatever it is called', async () => {
    const store = await storeOf('docs/logo.png', 'docs/logo.png-old', 'docs/other.md')
    const source = new BucketSource(store, { prefix: '/docs/logo.png' })
    expect(await pathsOf(source)).toEqual(['logo.png'])
    expect(source.urlOf('logo.png')).toBe('s3://b/docs/logo.png')
    for (const each of [source, new BucketSource(store, { prefix: 'docs/logo.png' })]) {
      expect(await each.read({ path: 'logo.png' })).toMatchObject({ kind: 'found', sizeBytes: 13 })
    }
  })

  test('a document named like its folder is the one in the folder', async () => {
    const source = new BucketSource(await storeOf('docs/docs', 'other'), { prefix: 'docs' })
    expect(await source.read({ path: 'docs' })).toMatchObject({ kind: 'found', sizeBytes: 9 })
  })

  test('markers of folders are no documents, and make an empty folder', async () => {
    const store = new MemoryStore({ url: 's3://b' })
    const withMarkers = Object.assign(Object.create(store) as MemoryStore, {
      list: async function* (prefix: string) {
        for (const key of ['docs/', 'docs/empty/', 'docs/a.md']) if (key.startsWith(prefix)) yield { key, size: 0, lastModified: 0 }
      },
    })
    expect(await pathsOf(new BucketSource(withMarkers, { prefix: 'docs' }))).toEqual(['a.md'])
    expect(await pathsOf(new BucketSource(withMarkers, { prefix: 'docs/empty' }))).toEqual([])
  })

  test('a store that tells no etag has no revisions, and is read', async () => {
    const store = await storeOf('a.md')
    const without = Object.assign(Object.create(store) as MemoryStore, {
      list: async function* () {
        yield { key: 'a.md', size: 4, lastModified: 5 }
      },
    })
    for await (const entry of (await new BucketSource(without).list()).entries) expect(entry).toEqual({ path: 'a.md', sizeBytes: 4 })
  })
})
