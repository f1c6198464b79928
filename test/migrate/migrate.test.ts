import { afterAll, describe, expect, test } from 'vitest'
import { WindlassError } from '../../src/base/errors.ts'
import type { EmbeddingModel } from '../../src/embed/embedding-model.ts'
import { WrappingStore } from '../../src/store/wrapping-store.ts'
import type { ObjectStore, PutOptions, PutResult } from '../../src/store/object-store.ts'
import { dryRun, planMigration, rollBackMigration, runMigration } from '../../src/migrate/migrate.ts'
import type { RecordTarget } from '../../src/migrate/target.ts'
import { oldBucket, options, partsIn, put, recordsOf, sumOf, vectorOf } from './parts.ts'

let bucketCount = 0
const newBucket = () => `memory:migrate-${++bucketCount}`
const closing: { close(): Promise<void> }[] = []
afterAll(async () => {
  for (const each of closing) await each.close()
})

async function begin(old: ObjectStore, bucketUrl = newBucket(), more: Parameters<typeof partsIn>[2] = {}) {
  const opened = await partsIn(old, bucketUrl, more)
  closing.push(opened.bucket)
  return { ...opened, bucketUrl }
}

async function migrate(parts: Parameters<typeof planMigration>[0], wanted: Partial<typeof options> = {}) {
  return runMigration(parts, await planMigration(parts, { ...options, ...wanted }), { ...options, ...wanted })
}

const damaged = {
  'vectors/bad.json': '{"id": "bad", "embedding": [1,',
  'vectors/nan.json': '{"id": "nan", "embedding": [NaN]}',
  'vectors/short.json': { id: 'short', embedding: [1, 2] },
  'vectors/zz-again.json': [
    { id: 'r3', embedding: vectorOf(3), metadata: { n: 'second' } },
    { id: 'r5000', embedding: vectorOf(1000) },
    { id: 'r5000', embedding: vectorOf(1001) },
  ],
}

describe('a migration', () => {
  test('brings every record over, as it was, and says what it could not take', async () => {
    const { parts, bucket } = await begin(await oldBucket(1200, damaged))
    const report = await migrate(parts)
    expect(report.counts).toEqual({ read: 1206, written: 1201, unchanged: 0, kept: 0, duplicates: 2, unreadable: 3 })
    expect(report.problems.map(({ where }) => where)).toEqual(['vectors/bad.json', 'vectors/nan.json', 'vectors/short.json ("short")'])
    expect(report.duplicateKeys).toEqual(['r3', 'r5000'])
    const records = await recordsOf(bucket)
    expect(records.size).toBe(1201)
    for (const i of [0, 3, 500, 1199]) expect(records.get(`r${i}`)).toEqual({ vector: vectorOf(i), metadata: { n: i }, document: `text ${i}` })
    expect(records.get('r5000')!.vector).toEqual(vectorOf(1000))
    expect(report.verification).toMatchObject({ sourceCount: 1201, equal: 1201, different: 0, missing: 0, queries: 20, overlap: 1 })
  })

  test('that is run again writes nothing twice, and brings what is new', async () => {
    const old = await oldBucket(20)
    const { parts, bucket } = await begin(old)
    await migrate(parts)
    expect((await migrate(parts)).counts).toMatchObject({ written: 0, unchanged: 20 })
    await put(old, 'vectors/000new.json', { id: 'new', embedding: vectorOf(99) })
    expect((await migrate(parts)).counts).toMatchObject({ written: 1, unchanged: 20 })
    expect((await recordsOf(bucket)).size).toBe(21)
  })

  test('leaves what is there under the same id, and counts it', async () => {
    const { parts, bucket } = await begin(await oldBucket(5))
    await (await bucket.createCollection('docs', { dimension: 8 })).put([{ key: 'r2', vector: vectorOf(77), document: 'mine' }])
    const report = await migrate(parts)
    expect(report).toMatchObject({ counts: { written: 4, kept: 1 }, keptKeys: ['r2'], verification: { equal: 4, different: 1, missing: 0 } })
    expect((await recordsOf(bucket)).get('r2')).toMatchObject({ document: 'mine' })
  })

  test('never writes to the old bucket: dry run, run and rollback leave every byte', async () => {
    const old = await oldBucket(30, damaged)
    const before = await sumOf(old)
    const { parts } = await begin(old)
    await dryRun(parts, await planMigration(parts, options))
    await migrate(parts)
    await rollBackMigration(parts)
    expect(await sumOf(old)).toBe(before)
  })

  test('that finds a search worse than before says so', async () => {
    const wrap = (target: RecordTarget): RecordTarget => new Proxy(target, { get: (of, name) => (name === 'nearest' ? () => Promise.resolve(['r0', 'r1']) : bound(of, name)) })
    const { parts } = await begin(await oldBucket(100), newBucket(), { wrap })
    expect((await migrate(parts)).verification!.overlap).toBeLessThan(0.3)
  })

  test('that finds records missing at the end names them', async () => {
    const lossy = (target: RecordTarget): RecordTarget => ({ ...bind(target), put: (records, model) => target.put(records.filter(({ key }) => key !== 'r3'), model) })
    const { parts } = await begin(await oldBucket(10), newBucket(), { wrap: lossy })
    expect((await migrate(parts)).verification).toMatchObject({ sourceCount: 10, equal: 9, missing: 1, missingKeys: ['r3'] })
  })
})

describe('a dry run', () => {
  test('tells counts, sizes, dimensions, requests, cost and what cannot be read, and writes nothing', async () => {
    const { parts, bucket } = await begin(await oldBucket(600, { ...damaged, 'files/a.txt': 'A file.' }))
    const report = await dryRun(parts, await planMigration(parts, options))
    expect(report).toMatchObject({ objects: 604, files: 1, fileBytes: 7, scan: { records: 601, duplicates: 2, unreadable: 3, dimensions: [{ dimension: 8 }, { dimension: 2, records: 1 }] } })
    expect(report.scan!.problems).toHaveLength(3)
    expect(report.estimate).toMatchObject({ sourceGets: 1208, prices: { date: '2026-11' } })
    expect(report.estimate.dollars).toBeGreaterThan(0)
    expect((await bucket.listCollections()).collections).toEqual([])
    const keys: string[] = []
    for await (const { key } of parts.notes.list('migrations/')) keys.push(key)
    expect(keys).toEqual([])
  })
})

describe('a rollback', () => {
  test('takes out what the migration wrote and nothing else', async () => {
    const { parts, bucket } = await begin(await oldBucket(50))
    const collection = await bucket.createCollection('docs', { dimension: 8 })
    await collection.put([{ key: 'mine', vector: vectorOf(1000) }, { key: 'r7', vector: vectorOf(7), metadata: { n: 7 }, document: 'text 7' }, { key: 'r8', vector: vectorOf(1008) }])
    expect((await migrate(parts)).counts).toMatchObject({ written: 48, unchanged: 1, kept: 1 })
    await collection.put([{ key: 'r9', vector: vectorOf(9), document: 'changed since' }])
    await collection.delete(['r10'])
    expect(await rollBackMigration(parts)).toEqual({ removed: 46, left: 2, dropped: false })
    expect([...(await recordsOf(bucket)).keys()].sort()).toEqual(['mine', 'r7', 'r8', 'r9'])
    await expect(rollBackMigration(parts)).rejects.toMatchObject({ kind: 'not-found' })
  })

  test('takes the collection away that the migration made, if nothing else is in it', async () => {
    const { parts, bucket } = await begin(await oldBucket(5))
    await migrate(parts)
    expect(await rollBackMigration(parts)).toEqual({ removed: 5, left: 0, dropped: true })
    expect((await bucket.listCollections()).collections).toEqual([])
    // And afterwards it can be done again.
    expect((await migrate(parts)).counts).toMatchObject({ written: 5 })
  })

  test('leaves a collection that was there before, also where it was empty', async () => {
    const { parts, bucket } = await begin(await oldBucket(5))
    await bucket.createCollection('docs', { dimension: 8 })
    await migrate(parts)
    expect(await rollBackMigration(parts)).toEqual({ removed: 5, left: 0, dropped: false })
    expect((await recordsOf(bucket)).size).toBe(0)
  })

  test('leaves the collection where somebody has put something since', async () => {
    const { parts, bucket } = await begin(await oldBucket(5))
    await migrate(parts)
    await (await bucket.collection('docs')).put([{ key: 'mine', vector: vectorOf(1) }])
    expect(await rollBackMigration(parts)).toEqual({ removed: 5, left: 0, dropped: false })
    expect([...(await recordsOf(bucket)).keys()]).toEqual(['mine'])
  })

  test('makes a run that is still at work stop', async () => {
    const old = await oldBucket(3000)
    const { parts, bucket, bucketUrl } = await begin(old)
    const { parts: others } = await begin(old, bucketUrl)
    await (await bucket.createCollection('docs', { dimension: 8 })).put([{ key: 'mine', vector: vectorOf(1) }])
    let undone: Promise<unknown> | undefined
    const wrap = (target: RecordTarget): RecordTarget => ({ ...bind(target), put: (...given) => target.put(...given).then(async () => void (await (undone ??= rollBackMigration(others)))) })
    await expect(migrate({ ...parts, target: wrap(parts.target) }, { parallel: 1 })).rejects.toMatchObject({ kind: 'conflict' })
    expect(undone).toBeDefined()
    // At the next step, not at the end: of 3,000 records no more than the step that was under way.
    expect((await recordsOf(bucket)).size).toBeLessThanOrEqual(501)
  })
})

test('a run that outlives a rollback leaves no note that the next would take for its own', async () => {
  const old = await oldBucket(1500)
  const { parts, bucket, bucketUrl } = await begin(old)
  const { parts: others } = await begin(old, bucketUrl)
  await bucket.createCollection('docs', { dimension: 8 })
  let undone: Promise<unknown> | undefined
  const wrap = (target: RecordTarget): RecordTarget => ({ ...bind(target), put: (...given) => target.put(...given).then(async () => void (await (undone ??= rollBackMigration(others)))) })
  await expect(migrate({ ...parts, target: wrap(parts.target) })).rejects.toMatchObject({ kind: 'conflict' })
  const notes: string[] = []
  for await (const { key } of parts.notes.list('migrations/')) notes.push(key)
  expect(notes).toEqual([])
  const { counts } = await migrate(others, { verify: false })
  expect(counts).toMatchObject({ read: 1500 })
  expect((await recordsOf(bucket)).size).toBe(1500)
})

test('notes of a run that was rolled back are in another folder than those of the next', async () => {
  const { parts } = await begin(await oldBucket(3))
  const folders = async () => {
    const found = new Set<string>()
    for await (const { key } of parts.notes.list('migrations/')) if (key.includes('/pages/')) found.add(key.split('/')[3]!)
    return [...found]
  }
  await migrate(parts)
  const [first] = await folders()
  await rollBackMigration(parts)
  await migrate(parts)
  expect(await folders()).toHaveLength(1)
  expect(await folders()).not.toEqual([first])
})

describe('a step that was noted and not written', () => {
  const failing = (target: RecordTarget): RecordTarget => ({ ...bind(target), put: () => Promise.reject(new Error('killed')) })

  test('takes the record that was noted, and not one with its id that cannot be taken', async () => {
    const { parts, bucket } = await begin(await oldBucket(10, { 'vectors/00000.a.json': { id: 'r5', embedding: [1, 2] } }))
    await expect(migrate({ ...parts, target: failing(parts.target) })).rejects.toThrow('killed')
    expect((await migrate(parts)).counts).toMatchObject({ written: 10, unreadable: 1 })
    expect((await recordsOf(bucket)).get('r5')!.vector).toEqual(vectorOf(5))
  })

  test('that has another content by now is noted so, and taken back', async () => {
    const old = await oldBucket(3)
    const { parts } = await begin(old)
    await expect(migrate({ ...parts, target: failing(parts.target) })).rejects.toThrow('killed')
    await put(old, 'vectors/00001.json', { id: 'r1', embedding: vectorOf(77) })
    // Killed once more, when it is written and not yet marked.
    let isWritten = false
    const writing = (target: RecordTarget): RecordTarget => ({ ...bind(target), put: (...given) => target.put(...given).then(() => void (isWritten = true)) })
    const unmarked = new (class extends WrappingStore {
      override put(key: string, bytes: Uint8Array, given?: PutOptions): Promise<PutResult> {
        return isWritten ? Promise.reject(new Error('killed again')) : this.inner.put(key, bytes, given)
      }
    })(parts.notes)
    await expect(migrate({ ...parts, target: writing(parts.target), notes: unmarked })).rejects.toThrow('killed again')
    expect(await rollBackMigration(parts)).toEqual({ removed: 3, left: 0, dropped: true })
  })
})

describe('a run that is cut off is continued by the next', () => {
  // Wherever it is cut: before a step is noted, noted and not written, written and not marked, between steps, at the end.
  test.each(['before', 'after'] as const)('at any write, %s it', async (moment) => {
    const old = await oldBucket(1300, damaged)
    const { parts: whole } = await begin(old)
    const expected = await migrate(whole)
    let rounds = 0
    for (let writes = 0; ; writes++) {
      const bucketUrl = newBucket()
      const cut = new Cut(writes, moment)
      const { parts } = await begin(old, bucketUrl, { wrap: (target) => cut.target(target) })
      const first = await migrate({ ...parts, notes: cut.store(parts.notes) }, { verify: false }).catch((error: unknown) => error)
      const { parts: next, bucket } = await begin(old, bucketUrl)
      const { counts, problems } = await migrate(next, { verify: false })
      expect((await recordsOf(bucket)).size).toBe(1301)
      if (!(first instanceof Error)) break
      // After the last write all is done, and the next run finds all of it there.
      expect({ counts: { ...counts, written: counts.written + ('unchanged' in counts ? counts.unchanged : 0), unchanged: 0 }, problems }, `cut at write ${writes}`).toEqual({ counts: expected.counts, problems: expected.problems })
      expect(await rollBackMigration(next)).toEqual({ removed: 1301, left: 0, dropped: true })
      rounds++
    }
    expect(rounds).toBeGreaterThan(8)
  })

  test('in the middle of an object', async () => {
    const lines = Array.from({ length: 1700 }, (_, i) => JSON.stringify({ id: `l${i}`, embedding: vectorOf(i) })).join('\n')
    const old = await oldBucket(3, { 'vectors/a.jsonl': lines, 'vectors/b.json': Array.from({ length: 900 }, (_, i) => ({ id: `b${i}`, embedding: vectorOf(i + 5000) })) })
    for (const writes of [1, 3, 5, 7, 9]) {
      const bucketUrl = newBucket()
      const cut = new Cut(writes, 'after')
      const { parts } = await begin(old, bucketUrl, { wrap: (target) => cut.target(target) })
      await migrate({ ...parts, notes: cut.store(parts.notes) }).catch(() => undefined)
      const { parts: next, bucket } = await begin(old, bucketUrl)
      expect((await migrate(next)).counts).toMatchObject({ read: 2603, written: 2603, duplicates: 0 })
      expect((await recordsOf(bucket)).size).toBe(2603)
    }
  })

  test('two at once: one of them gives way, and nothing is written twice', async () => {
    const old = await oldBucket(2600)
    const { parts, bucketUrl, bucket } = await begin(old)
    const { parts: others } = await begin(old, bucketUrl)
    const outcomes = await Promise.allSettled([migrate(parts), migrate(others)])
    for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ kind: 'conflict' })
    const report = await migrate(parts)
    expect(report.verification).toMatchObject({ sourceCount: 2600, equal: 2600 })
    expect((await recordsOf(bucket)).size).toBe(2600)
  })
})

describe('old vectors are taken over or made anew', () => {
  const model: EmbeddingModel = {
    name: 'letters',
    dimension: 26,
    tokensMax: undefined,
    countTokens: (text) => text.length,
    embed: (texts) => Promise.resolve(texts.map((text) => Float32Array.from({ length: 26 }, (_, i) => [...text.toLowerCase()].filter((each) => each.charCodeAt(0) - 97 === i).length / 10))),
  }
  const withTexts = async (made: (text: string) => Promise<number[]>, more: Record<string, unknown> = {}) => {
    const old = await oldBucket(0, { 'files/a.txt': 'Apples and pears.', 'files/deep/b.md': '# Bees\n\nThey hum.', 'files/broken.pdf': 'no PDF', ...more })
    for (const word of ['apple', 'pear', 'bee']) await put(old, `vectors/${word}.json`, { id: word, embedding: await made(word), text: `all about ${word}` })
    return old
  }
  const same = async (word: string) => [...(await model.embed([`all about ${word}`]))[0]!]

  test('by embedding some texts again', async () => {
    const { parts, bucket } = await begin(await withTexts(same), newBucket(), { model })
    expect(await migrate(parts)).toMatchObject({ mode: 'reuse', model: 'letters', counts: { written: 3 } })
    const [best] = await (await bucket.collection('docs')).search('all about bee', { mode: 'vector', k: 1 })
    expect(best).toMatchObject({ key: 'bee', distance: 0 })
  })

  test('anew, where the collection holds vectors of another model; and rolled back', async () => {
    const old = await withTexts(() => Promise.resolve(vectorOf(5, 26)))
    const { parts, bucket } = await begin(old, newBucket(), { model })
    await (await bucket.createCollection('docs')).index({ source: 'mine.txt', open: bytesOf('Mine own.') })
    const report = await migrate(parts)
    expect(report).toMatchObject({ mode: 'embed', model: 'letters', counts: { read: 3, written: 2, unreadable: 1 } })
    expect(report.problems).toMatchObject([{ where: 'files/broken.pdf' }])
    const collection = await bucket.collection('docs')
    const sources = async () => (await collection.listDocuments()).documents.filter(({ state }) => state === 'indexed').map(({ source }) => source).sort()
    expect(await sources()).toEqual(['a.txt', 'deep/b.md', 'mine.txt'])
    expect((await migrate(parts)).counts).toMatchObject({ written: 0, kept: 2 })
    expect((await rollBackMigration(parts)).dropped).toBe(false)
    expect((await collection.listDocuments()).documents.map(({ source }) => source)).toEqual(['mine.txt'])
  })

  test('anew: a rollback leaves a document that somebody mended, and takes what says that a file failed', async () => {
    const { parts, bucket } = await begin(await oldBucket(0, { 'files/a.txt': 'Apples.', 'files/b.json': '{"b": ', 'files/c.json': '{"c": ' }), newBucket(), { model })
    expect((await migrate(parts, { vectors: 'embed' })).counts).toMatchObject({ read: 3, written: 1, unreadable: 2 })
    const collection = await bucket.collection('docs')
    await collection.index({ source: 'b.json', open: bytesOf('{"b": "mended by hand"}') })
    expect(await rollBackMigration(parts)).toEqual({ removed: 2, left: 1, dropped: false })
    expect((await collection.listDocuments()).documents).toMatchObject([{ source: 'b.json', state: 'indexed' }])
  })

  test('anew: a rollback of a killed run takes what it wrote and did not mark, and leaves what is not of the old file', async () => {
    const { parts, bucket } = await begin(await oldBucket(0, { 'files/a.txt': 'Apples.', 'files/b.txt': 'Bees.' }), newBucket(), { model })
    const unmarked = new (class extends WrappingStore {
      override put(key: string, bytes: Uint8Array, given?: PutOptions): Promise<PutResult> {
        return given?.condition && 'ifMatch' in given.condition ? Promise.reject(new Error('killed')) : this.inner.put(key, bytes, given)
      }
    })(parts.notes)
    await expect(migrate({ ...parts, notes: unmarked }, { vectors: 'embed' })).rejects.toThrow('killed')
    const collection = await bucket.collection('docs')
    await collection.index({ source: 'b.txt', open: bytesOf('Something else.') })
    expect(await rollBackMigration(parts)).toEqual({ removed: 1, left: 1, dropped: false })
    expect((await collection.listDocuments()).documents).toMatchObject([{ source: 'b.txt' }])
  })

  test('refused where that cannot be right', async () => {
    const { parts, bucket } = await begin(await withTexts(same), newBucket(), { model })
    await bucket.createCollection('docs', { dimension: 5 })
    await expect(planMigration(parts, { vectors: 'reuse' })).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('they have 26 values') })
    const { parts: empty } = await begin(await oldBucket(3), newBucket(), { model })
    await expect(planMigration(empty, { vectors: 'embed' })).rejects.toMatchObject({ kind: 'not-found', message: expect.stringContaining('files/') })
    await expect(planMigration((await begin(await oldBucket(0))).parts, { vectors: 'auto' })).rejects.toMatchObject({ kind: 'not-found' })
  })

  test('by name, as records or the person say', async () => {
    const named = async (told: Record<string, unknown>, vectorModel?: string) => {
      const old = await oldBucket(0, { 'vectors/x.json': { id: 'x', embedding: vectorOf(1, 26), ...told } })
      return planMigration((await begin(old, newBucket(), { model })).parts, { vectors: 'auto', ...(vectorModel && { vectorModel }) })
    }
    expect(await named({ model: 'openai/Letters' })).toMatchObject({ mode: 'reuse', model: 'letters' })
    expect(await named({ metadata: { embedding_model: 'other' } })).toMatchObject({ mode: 'reuse', model: 'other' })
    expect(await named({}, 'mine')).toMatchObject({ mode: 'reuse', model: 'mine' })
    expect(await named({})).toMatchObject({ mode: 'reuse', model: null })
  })
})

/** Counts writes of a migration, notes and records alike, and fails for good at one of them. */
class Cut {
  #left: number
  readonly #moment: 'before' | 'after'

  constructor(writes: number, moment: 'before' | 'after') {
    this.#left = writes
    this.#moment = moment
  }

  store(inner: ObjectStore): ObjectStore {
    const pass = <Value>(task: () => Promise<Value>) => this.#pass(task)
    return new (class extends WrappingStore {
      override put(key: string, bytes: Uint8Array, given?: PutOptions): Promise<PutResult> {
        return pass(() => this.inner.put(key, bytes, given))
      }
    })(inner)
  }

  target(inner: RecordTarget): RecordTarget {
    return { ...bind(inner), put: (records, model) => this.#pass(() => inner.put(records, model)) }
  }

  async #pass<Value>(task: () => Promise<Value>): Promise<Value> {
    if (this.#left-- > 0) return task()
    if (this.#left === -1 && this.#moment === 'after') await task()
    throw new WindlassError('unavailable', 'cut off')
  }
}

function bind(target: RecordTarget): RecordTarget {
  return new Proxy(target, { get: bound, ownKeys: () => methods, getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }) })
}

const methods = ['title', 'describe', 'create', 'check', 'fingerprints', 'fingerprintOf', 'put', 'remove', 'dropIfEmpty', 'nearest', 'close']

function bound(target: RecordTarget, name: string | symbol): unknown {
  const value = target[name as keyof RecordTarget] as unknown
  return typeof value === 'function' ? (value.bind(target) as unknown) : value
}

function bytesOf(text: string) {
  return async function* () {
    yield new TextEncoder().encode(text)
  }
}
