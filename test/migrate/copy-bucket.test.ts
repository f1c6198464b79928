import { afterAll, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { open } from '../../src/index.ts'
import type { Bucket } from '../../src/library/types.ts'
import { copyBucket, expectApart } from '../../src/migrate/copy-bucket.ts'
import type { ListedObject, ListOptions, ObjectStore } from '../../src/store/object-store.ts'
import { openStore } from '../../src/store/open-store.ts'
import { WrappingStore } from '../../src/store/wrapping-store.ts'
import { put, recordsOf, vectorOf } from './parts.ts'

const options = { clock: systemClock, random: systemRandom, parallel: 4, dryRun: false }
const opened: Bucket[] = []
afterAll(async () => {
  for (const bucket of opened) await bucket.close()
})

let count = 0
async function openBoth(): Promise<{ from: ObjectStore; to: ObjectStore; bucket: Bucket; openCopy: () => Promise<Bucket> }> {
  const [fromUrl, toUrl] = [`memory:from-${++count}`, `memory:to-${count}`]
  const bucket = await open(fromUrl)
  opened.push(bucket)
  const openCopy = async () => {
    const copy = await open(toUrl)
    opened.push(copy)
    return copy
  }
  return { from: await openStore(fromUrl), to: await openStore(toUrl), bucket, openCopy }
}

/** Fails for good after some puts, as a process does that is killed. */
function cutAfter(store: ObjectStore, puts: number): ObjectStore {
  return new (class extends WrappingStore {
    override put(...given: Parameters<ObjectStore['put']>) {
      if (puts-- <= 0) throw new Error('cut off')
      return this.inner.put(...given)
    }
  })(store)
}

async function* text(words: string) {
  yield new TextEncoder().encode(words)
}

test('a copy of a bucket has its collections with settings, documents, snapshots and branches, and what lies beside them', async () => {
  const { from, to, bucket, openCopy } = await openBoth()
  const settings = { metric: 'euclidean' as const, dimension: 4, language: 'german', textFields: [{ field: 'title', language: 'french' }], nonFilterableKeys: ['long'], custom: { s3vectors: { tags: { a: 'b' }, mode: 'STANDARD' } } }
  const notes = await bucket.createCollection('notes', settings)
  await notes.put([{ key: 'a', vector: vectorOf(1, 4), metadata: { n: 1n }, document: 'Häuser' }])
  await notes.flush()
  await notes.createSnapshot('before')
  await notes.put([{ key: 'b', vector: vectorOf(2, 4) }])
  await bucket.branchCollection('notes', 'branch', { snapshot: 'before' })
  await (await bucket.createCollection('docs')).index({ source: 'a.txt', open: () => text('Bees hum.') })
  await bucket.createCollection('gone')
  await bucket.dropCollection('gone')
  await put(from, 'files/photo.jpg', 'plain')
  await put(from, 'vector_db/old.json', '{}')

  expect((await copyBucket(from, to, { ...options, dryRun: true })).copied).toBeGreaterThan(5)
  for await (const { key } of to.list('')) throw new Error(`${key} was written by a dry run`)
  const report = await copyBucket(from, to, options)
  const copy = await openCopy()
  expect((await copy.listCollections()).collections.map(({ name }) => name)).toEqual(['branch', 'docs', 'notes'])
  for (const name of ['notes', 'branch', 'docs']) {
    expect(await recordsOf(copy, name)).toEqual(await recordsOf(bucket, name))
    expect((await (await copy.collection(name)).stats()).schema).toEqual((await (await bucket.collection(name)).stats()).schema)
    expect((await copy.verify(name)).problems).toEqual([])
  }
  const copied = await copy.collection('notes')
  expect((await copied.listSnapshots()).map(({ name }) => name)).toEqual(['before'])
  expect(await (await copied.openSnapshot('before')).count()).toBe(1)
  expect((await (await copy.collection('docs')).listDocuments()).documents).toMatchObject([{ source: 'a.txt', state: 'indexed' }])
  expect(await to.get('files/photo.jpg')).toMatchObject({ kind: 'found', size: 5 })
  expect(report).toMatchObject({ copied: report.objects, unchanged: 0 })
  // The copy lives on by itself.
  await copied.put([{ key: 'c', vector: vectorOf(3, 4) }])
  expect((await recordsOf(copy, 'notes')).size).toBe(3)
  expect((await recordsOf(bucket, 'notes')).size).toBe(2)
  await expect(copyBucket(from, to, options)).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('holds collections already') })
})

test('a copy that is cut off is continued, and brings what was written since', async () => {
  const { from, to, bucket, openCopy } = await openBoth()
  const docs = await bucket.createCollection('docs', { dimension: 8 })
  for (let i = 0; i < 12; i++) await docs.put([{ key: `r${i}`, vector: vectorOf(i) }])
  await expect(copyBucket(from, cutAfter(to, 7), options)).rejects.toThrow('cut off')
  await docs.put([{ key: 'later', vector: vectorOf(50) }])
  await expect(copyBucket(await openStore('memory:another'), to, options)).rejects.toMatchObject({ kind: 'conflict' })
  const report = await copyBucket(from, to, options)
  expect(report.unchanged).toBeGreaterThan(3)
  expect((await recordsOf(await openCopy())).size).toBe(13)
})

test('a log entry behind one that the list does not show stays behind', async () => {
  const { from, to, bucket, openCopy } = await openBoth()
  const docs = await bucket.createCollection('docs', { dimension: 8 })
  for (let i = 0; i < 6; i++) await docs.put([{ key: `r${i}`, vector: vectorOf(i) }])
  // As a list does that passes a place just before it is written.
  const blind = new (class extends WrappingStore {
    override async *list(prefix: string, given?: ListOptions): AsyncIterable<ListedObject> {
      for await (const object of this.inner.list(prefix, given)) if (!object.key.endsWith('/log/00000000000000000004')) yield object
    }
  })(from)
  await copyBucket(blind, to, options)
  const copy = await openCopy()
  expect([...(await recordsOf(copy)).keys()].sort()).toEqual(['r0', 'r1', 'r2'])
  // What lay behind the gap would come back with the entry that closes it.
  await (await copy.collection('docs')).put([{ key: 'new', vector: vectorOf(9) }])
  expect([...(await recordsOf(await openCopy())).keys()].sort()).toEqual(['new', 'r0', 'r1', 'r2'])
  expect((await copy.verify('docs')).problems).toEqual([])
})

test('while others write and make collections, each collection of the copy is whole as of one moment', async () => {
  const { from, to, bucket, openCopy } = await openBoth()
  const docs = await bucket.createCollection('docs', { dimension: 8 })
  await docs.put([{ key: 'r0', vector: vectorOf(0) }])
  let written = 1
  let made = 0
  // Between any two requests of the copy something happens at the source.
  const busy = new (class extends WrappingStore {
    async #meddle(): Promise<void> {
      if (written > 30) return
      await docs.put([{ key: `r${written}`, vector: vectorOf(written) }])
      written++
      if (written % 5 === 0) await docs.flush()
      if (written % 7 === 0) await (await bucket.createCollection(`new-${made++}`, { dimension: 8 })).put([{ key: 'a', vector: vectorOf(1) }])
    }
    override async get(...given: Parameters<ObjectStore['get']>) {
      await this.#meddle()
      return this.inner.get(...given)
    }
    override async *list(prefix: string, given?: ListOptions): AsyncIterable<ListedObject> {
      await this.#meddle()
      let count = 0
      for await (const object of this.inner.list(prefix, given)) {
        if (count++ < 10) await this.#meddle()
        yield object
      }
    }
  })(from)
  const report = await copyBucket(busy, to, options)
  const copy = await openCopy()
  const { collections } = await copy.listCollections()
  expect(collections).toHaveLength(report.collections)
  expect(report.collections).toBeGreaterThan(1)
  for (const { name } of collections) {
    expect((await copy.verify(name)).problems).toEqual([])
    const keys = [...(await recordsOf(copy, name)).keys()]
    if (name === 'docs') {
      expect(keys.length).toBeGreaterThan(1)
      expect(new Set(keys)).toEqual(new Set(Array.from(keys, (_, i) => `r${i}`)))
    }
  }
})

test('a copy that is started again leaves a collection that somebody made at the destination meanwhile', async () => {
  const { from, to, bucket, openCopy } = await openBoth()
  await (await bucket.createCollection('docs', { dimension: 8 })).put([{ key: 'a', vector: vectorOf(1) }])
  await expect(copyBucket(from, cutAfter(to, 2), options)).rejects.toThrow('cut off')
  await expect((await openCopy()).getOrCreateCollection('docs', { dimension: 8 })).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('under way') })
  // Whoever had looked before the copy began, or has an older version.
  const mark = await to.get('copy-under-way')
  await to.delete(['copy-under-way'])
  await (await (await openCopy()).createCollection('docs', { dimension: 8 })).put([{ key: 'mine', vector: vectorOf(2) }])
  if (mark.kind === 'found') await to.put('copy-under-way', mark.bytes)
  await expect(copyBucket(from, to, options)).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('another collection "docs"') })
  expect([...(await recordsOf(await openCopy())).keys()]).toEqual(['mine'])
})

test.each(['log', 'manifest'] as const)('a copy that is started again leaves what somebody wrote into it meanwhile: %s', async (what) => {
  const { from, to, bucket, openCopy } = await openBoth()
  // The names are the last two puts: one is there, and its collection whole.
  for (const name of ['a', 'b']) await (await bucket.createCollection(name, { dimension: 8 })).put([{ key: 'r', vector: vectorOf(1) }])
  let puts = 0
  const counting = new (class extends WrappingStore {
    override put(...given: Parameters<ObjectStore['put']>) {
      puts++
      return this.inner.put(...given)
    }
  })(await openStore(`memory:counted-${count}`))
  await copyBucket(from, counting, options)
  await expect(copyBucket(from, cutAfter(to, puts - 1), options)).rejects.toThrow('cut off')
  const theirs = await (await openCopy()).collection('a')
  if (what === 'manifest') await theirs.flush()
  else {
    await theirs.put([{ key: 'mine', vector: vectorOf(2) }])
    // As long as theirs, and under the same number.
    await (await bucket.collection('a')).put([{ key: 'ours', vector: vectorOf(3) }])
  }
  await expect(copyBucket(from, to, options)).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('somebody wrote to') })
  expect([...(await recordsOf(await openCopy(), 'a')).keys()].sort()).toEqual(what === 'manifest' ? ['r'] : ['mine', 'r'])
})

test('a copy stops when a later one took over, also while that one has written nothing yet', async () => {
  const { from, to, bucket } = await openBoth()
  await (await bucket.createCollection('docs', { dimension: 8 })).put([{ key: 'a', vector: vectorOf(1) }])
  let later: Promise<unknown> | null = null
  const slow = new (class extends WrappingStore {
    override async get(...given: Parameters<ObjectStore['get']>) {
      const answer = await this.inner.get(...given)
      if (given[0].endsWith('/manifest')) await (later ??= copyBucket(from, cutAfter(to, 1), options).catch(() => undefined))
      return answer
    }
  })(from)
  await expect(copyBucket(slow, to, options)).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('this one stops') })
  const keys: string[] = []
  for await (const { key } of to.list('')) keys.push(key)
  expect(keys).toEqual(['copy-under-way'])
})

test('of two copies at once the later takes over, and the earlier writes nothing any more', async () => {
  const { from, to, bucket, openCopy } = await openBoth()
  const docs = await bucket.createCollection('docs', { dimension: 8 })
  await docs.put([{ key: 'a', vector: vectorOf(1) }])
  await docs.flush()
  let later: Promise<void> | null = null
  const slow = new (class extends WrappingStore {
    override async get(...given: Parameters<ObjectStore['get']>) {
      const answer = await this.inner.get(...given)
      if (given[0].endsWith('/manifest')) {
        await (later ??= (async () => {
          await copyBucket(from, to, options)
          const copy = await (await openCopy()).collection('docs')
          await copy.put([{ key: 'mine', vector: vectorOf(2) }])
          await copy.flush()
        })())
      }
      return answer
    }
  })(from)
  await expect(copyBucket(slow, to, options)).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('this one stops') })
  expect(later).not.toBeNull()
  const copy = await openCopy()
  expect([...(await recordsOf(copy)).keys()].sort()).toEqual(['a', 'mine'])
  expect((await copy.verify('docs')).problems).toEqual([])
})

test.each(['branch', 'restore', 'branch of a branch'] as const)('a %s that is made while the others were copied is whole', async (what) => {
  const { from, to, bucket, openCopy } = await openBoth()
  const docs = await bucket.createCollection('docs', { dimension: 8 })
  await docs.put([{ key: 'a', vector: vectorOf(1) }])
  let isDone = false
  const busy = new (class extends WrappingStore {
    override async *list(prefix: string, given?: ListOptions): AsyncIterable<ListedObject> {
      // Between the collections and the rest.
      if (prefix === '' && !isDone) {
        isDone = true
        await docs.put([{ key: 'b', vector: vectorOf(2) }])
        await docs.flush()
        if (what === 'restore') {
          await docs.createSnapshot('before')
          await docs.put([{ key: 'c', vector: vectorOf(3) }])
          await bucket.restoreCollection('docs', 'before')
        } else {
          await bucket.branchCollection('docs', what === 'branch' ? 'branch' : 'middle', {})
          if (what === 'branch of a branch') {
            const middle = await bucket.collection('middle')
            await middle.put([{ key: 'c', vector: vectorOf(3) }])
            await middle.flush()
            await bucket.branchCollection('middle', 'branch', {})
          }
        }
      }
      yield* this.inner.list(prefix, given)
    }
  })(from)
  await copyBucket(busy, to, options)
  const copy = await openCopy()
  for (const { name } of (await bucket.listCollections()).collections) {
    expect((await copy.verify(name)).problems).toEqual([])
    expect(await recordsOf(copy, name)).toEqual(await recordsOf(bucket, name))
  }
})

test('a collection that was dropped at the destination is no hindrance', async () => {
  const { from, to, bucket, openCopy } = await openBoth()
  await bucket.createCollection('docs')
  const copy = await openCopy()
  for (const name of ['docs', 'old']) {
    await copy.createCollection(name)
    await copy.dropCollection(name)
  }
  expect((await copyBucket(from, to, options)).collections).toBe(1)
  expect((await (await openCopy()).listCollections()).collections).toMatchObject([{ name: 'docs' }])
})

test('a place inside the other is refused', () => {
  expect(() => expectApart('s3://b', 's3://b/')).toThrow('both source and destination')
  expect(() => expectApart('file:/data', 'file:/data/backup')).toThrow('inside the other')
  expect(() => expectApart('s3://b/x', 's3://b')).toThrow('inside the other')
  expect(() => expectApart('s3://b/x', 's3://b/xy')).not.toThrow()
})
