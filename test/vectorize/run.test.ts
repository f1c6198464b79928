// Runs taken apart: which failures are a document's and which end all; what the state refuses; what is taken over and what is not.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import { WindlassError, type ErrorKind } from '../../src/base/errors.ts'
import { seededRandom } from '../../src/base/random.ts'
import { loadStaticModel } from '../../src/embed/load-static-model.ts'
import type { EmbeddingModel } from '../../src/embed/embedding-model.ts'
import { Database } from '../../src/engine/database.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { analyzerIdOf, createAnalyzerById } from '../../src/text/analyzer.ts'
import { vectorizerSchema } from '../../src/vectorize/declaration/declaration.ts'
import type { ChunkDestination, EmbeddedChunk } from '../../src/vectorize/destinations/destination.ts'
import { CollectionDestination } from '../../src/vectorize/destinations/collection-destination.ts'
import type { CollectionDoor, VectorizeContext } from '../../src/vectorize/run/context.ts'
import { makeRecipe } from '../../src/vectorize/run/recipe.ts'
import { Run, type RunOptions, type RunParts } from '../../src/vectorize/run/run.ts'
import type { Source, SourceEntry } from '../../src/vectorize/sources/source.ts'
import type { FileState } from '../../src/vectorize/state/file-state.ts'
import { SyncState } from '../../src/vectorize/state/sync-state.ts'

/** A source in memory; reading a path that `failures` names throws. */
class TableSource implements Source {
  readonly description = 'table'
  readonly texts = new Map<string, string>()
  readonly failures = new Map<string, ErrorKind>()
  list() {
    const entries = [...this.texts].map(([path, text]): SourceEntry => ({ path, revision: revisionOf(text) }))
    return Promise.resolve({ kind: 'everything' as const, entries: (async function* () { yield* entries })(), cursor: () => undefined })
  }
  read({ path }: SourceEntry) {
    const failure = this.failures.get(path)
    if (failure) return Promise.reject(new WindlassError(failure, `${path} is ${failure}`))
    const text = this.texts.get(path)
    if (text === undefined) return Promise.reject(new WindlassError('not-found', `${path} is gone`))
    return Promise.resolve({ kind: 'found' as const, revision: revisionOf(text), bytes: async function* () { yield new TextEncoder().encode(text) } })
  }
}

const revisionOf = (text: string) => `${text.length} ${text.slice(0, 100)}`

/** The built-in model until it is told to fail. */
class FailingModel implements EmbeddingModel {
  readonly name = 'failing'
  readonly dimension = 384
  readonly tokensMax = undefined
  failure: ((texts: readonly string[]) => WindlassError | undefined) | undefined
  calls = 0
  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    this.calls++
    const error = this.failure?.(texts)
    if (error) throw error
    return (await loadStaticModel()).embed(texts)
  }
  countTokens(text: string): number {
    return text.length / 4
  }
}

let ahead = 0
const clock: Clock = { ...systemClock, now: () => systemClock.now() + ahead }
let database: Database
let source: TableSource
let model: FailingModel

beforeEach(() => {
  ahead = 0
  database = new Database({ store: new MemoryStore({ clock }), clock, random: seededRandom(1), analyzerFor: createAnalyzerById })
  source = new TableSource()
  model = new FailingModel()
  for (let i = 0; i < 30; i++) source.texts.set(`${String(i).padStart(2, '0')}.txt`, `Text number ${i}.`)
})
afterEach(() => database.close())

async function collection(name: string): Promise<CollectionDoor> {
  await database.create(name, { dimension: null, metric: 'cosine', embeddingModel: null, textFields: [{ field: 'document', analyzer: analyzerIdOf('english') }], nonFilterableKeys: [], custom: {} }).catch(() => undefined)
  return { name, run: (task) => database.with(name, task) }
}

async function parts(): Promise<RunParts> {
  const declaration = vectorizerSchema.parse({ name: 'v', source: { type: 'folder', path: '.' }, destinations: [{ type: 'collection', name: 'c' }] })
  const context: VectorizeContext = { clock, random: seededRandom(2), environment: {}, folder: '.', storeSettings: {}, process: { host: 'here', id: 1, isAlive: () => true }, collection, knownCollection: collection, loadStaticModel }
  const settings = { filesAtOnce: 2, claimFiles: 4, attempts: 3, retryAfterMs: 60_000, workerTimeoutMs: 2000, deleteMissing: true }
  return { name: 'v', context, source, state: new SyncState(await collection('state')), destinations: [new CollectionDestination('c', 'v', context)], recipe: makeRecipe(declaration, model), settings }
}

const run = async (options: RunOptions = {}) => new Run(await parts(), options).execute()

test('a document that cannot be embedded is tried again when it is due, later each time, and set aside in the end', async () => {
  model.failure = (texts) => (texts.some((text) => text.includes('number 7.')) ? new WindlassError('unavailable', 'overloaded') : undefined)
  expect(await run()).toMatchObject({ new: 29, failed: 1, failures: [{ path: '07.txt', step: 'embedding' }] })
  expect(await run()).toMatchObject({ unchanged: 29, waiting: 1, failed: 0 })
  ahead += 61_000
  expect(await run()).toMatchObject({ unchanged: 29, failed: 1 })
  ahead += 61_000
  expect(await run(), 'the second wait is twice as long').toMatchObject({ waiting: 1, failed: 0 })
  ahead += 61_000
  const third = await run()
  expect(third.failures).toMatchObject([{ path: '07.txt' }])
  expect(third.failures[0], 'three attempts were allowed').not.toHaveProperty('retryAt')
  ahead += 10_000_000
  expect(await run()).toMatchObject({ waiting: 1, failed: 0 })
  model.failure = undefined
  source.texts.set('07.txt', 'Another text, number 7.')
  expect(await run()).toMatchObject({ unchanged: 29, new: 1 })
})

test('an embedder that nobody reaches ends the run, and the rest is as it was', async () => {
  model.failure = () => new WindlassError('unavailable', 'nobody there')
  await expect(run()).rejects.toMatchObject({ kind: 'unavailable', message: expect.stringContaining('10 documents failed') })
  expect(model.calls).toBeLessThan(14)
  const { state } = await parts()
  expect(await state.count('failed')).toBeLessThan(14)
  expect(await state.claims()).toEqual([])
  expect(await state.workers()).toEqual([])
  model.failure = undefined
  ahead += 61_000
  expect(await run()).toMatchObject({ new: 30 })
})

test('a key that is refused ends the run at the first document', async () => {
  model.failure = () => new WindlassError('unauthenticated', 'wrong key')
  await expect(run()).rejects.toMatchObject({ kind: 'unauthenticated' })
  expect(model.calls).toBeLessThanOrEqual(2)
  expect(await (await parts()).state.count('failed')).toBe(0)
})

test('a document that may not be read is a failure of its own, with its step', async () => {
  source.failures.set('03.txt', 'denied')
  expect(await run()).toMatchObject({ new: 29, failed: 1, failures: [{ path: '03.txt', step: 'loading', retryAt: expect.any(Number) }] })
  source.failures.clear()
  ahead += 61_000
  expect(await run()).toMatchObject({ new: 1, unchanged: 29 })
})

test('a document that is listed and gone is removed, also when it was there before', async () => {
  await run()
  source.texts.set('05.txt', 'Changed.')
  source.failures.set('05.txt', 'not-found')
  expect(await run()).toMatchObject({ unchanged: 29, removed: 1, failed: 0 })
  const { rows } = await database.with('c', (c) => c.list({ limit: 100 }))
  expect(rows).toHaveLength(29)
})

test('a run that is cancelled lets go of what it had claimed', async () => {
  const stop = new AbortController()
  model.failure = () => {
    stop.abort()
    return undefined
  }
  await expect(new Run(await parts(), { signal: stop.signal }).execute()).rejects.toMatchObject({ kind: 'cancelled' })
  const { state } = await parts()
  expect(await state.claims()).toEqual([])
  expect(await state.workers()).toEqual([])
  model.failure = undefined
  await run()
  expect(await state.count('done')).toBe(30)
})

test('the parse of one document that throws what nobody foresaw is its own failure', async () => {
  const broken = await parts()
  const format = (): never => {
    throw new TypeError('a fault of ours')
  }
  const only = { ...broken, recipe: { ...broken.recipe, format: (chunk: { text: string }) => (chunk.text.includes('number 4.') ? format() : chunk.text) } }
  expect(await new Run(only).execute()).toMatchObject({ new: 29, failed: 1, failures: [{ path: '04.txt', step: 'parsing', message: 'a fault of ours' }] })
})

test('a full run does everything again, and embeds nothing whose text is as it was', async () => {
  await run()
  expect(await run({ isFull: true })).toMatchObject({ changed: 30, unchanged: 0, chunksEmbedded: 0, chunksReused: 30 })
})

test('of two new documents with the content of one that is gone, one is its new name', async () => {
  await run()
  source.texts.delete('01.txt')
  for (const path of ['x.txt', 'y.txt']) source.texts.set(path, 'Text number 1.')
  expect(await run()).toMatchObject({ renamed: 1, new: 1, removed: 1, unchanged: 29 })
})

test('vectors that another model made are not taken over', async () => {
  const first = await parts()
  const held = new Map<string, Float32Array>()
  const destination: ChunkDestination = {
    takes: 'chunks',
    name: 'table',
    prepare: () => Promise.resolve(),
    begin: ({ path }) =>
      Promise.resolve({
        write: (chunks: readonly EmbeddedChunk[]) => {
          for (const { chunk, hash, vector } of chunks) held.set(`${path} ${chunk.index} ${hash}`, vector)
          return Promise.resolve()
        },
        commit: () => Promise.resolve({}),
        abort: () => Promise.resolve(),
      }),
    vectors: (path, _reference, chunks) => Promise.resolve(chunks.map(({ index, hash }) => held.get(`${path} ${index} ${hash}`) ?? null)),
    remove: () => Promise.resolve(),
    list: async function* () {},
  }
  const withModel = (name: string) => {
    const other = Object.create(model, { name: { value: name } }) as EmbeddingModel
    return { ...first, destinations: [destination], recipe: { ...first.recipe, id: name, model: other } }
  }
  expect(await new Run(withModel('one')).execute()).toMatchObject({ chunksEmbedded: 30 })
  expect(await new Run(withModel('two')).execute()).toMatchObject({ changed: 30, chunksEmbedded: 30, chunksReused: 0 })
})

test('a long document that fails half-way leaves nothing of itself', async () => {
  source.texts.clear()
  source.texts.set('long.txt', Array.from({ length: 30_000 }, (_, i) => `Paragraph ${i} says something that no other says, namely ${i * 7}, and goes on for a while after that.`).join('\n\n'))
  let count = 0
  model.failure = (texts) => ((count += texts.length) > 2500 ? new WindlassError('unavailable', 'overloaded') : undefined)
  expect(await run()).toMatchObject({ failed: 1 })
  expect(count).toBeGreaterThan(2500)
  const rows = await database.with('c', (c) => c.count())
  expect(rows).toBe(0)
})

describe('the state', () => {
  const file = (path: string, sha256: string): FileState => ({ path, state: 'done', sha256, sizeBytes: 1, recipe: 'r', model: 'm', chunkHashes: [], chunkCount: 0, references: {}, vectorizedAt: 1 })

  test('is replaced only by whoever saw what it is', async () => {
    const { state } = await parts()
    await state.finish([{ path: 'a', seen: null, next: file('a', '1') }])
    const [seen] = await state.look(['a'])
    await state.finish([{ path: 'a', seen: seen!.file!.version, next: file('a', '2') }])
    await expect(state.finish([{ path: 'a', seen: seen!.file!.version, next: file('a', '3') }])).rejects.toMatchObject({ kind: 'conflict' })
    await expect(state.finish([{ path: 'b', seen: null, next: file('b', '1') }, { path: 'a', seen: null, next: null }])).rejects.toMatchObject({ kind: 'conflict' })
    const [a, b] = await state.look(['a', 'b'])
    expect([a!.file?.value.sha256, b!.file]).toEqual(['2', null])
  })

  test('gives a claim to one', async () => {
    const { state } = await parts()
    const [seen] = await state.look(['a'])
    const claims = await Promise.all(['x', 'y', 'z'].map((worker) => state.claim(worker, [{ path: 'a', seen: seen! }])))
    expect(claims.flat()).toEqual(['a'])
    const [now, free] = await state.look(['a', 'b'])
    expect(await state.claim('w', [{ path: 'a', seen: seen! }, { path: 'b', seen: free! }]), 'those that are free').toEqual(['b'])
    expect((await state.look(['a']))[0]!.claim).toEqual(now!.claim)
  })

  test('keeps paths of any length apart', async () => {
    const { state } = await parts()
    const long = ['x', 'y'].map((end) => `${'ä'.repeat(700)}${end}`)
    await state.finish(long.map((path) => ({ path, seen: null, next: file(path, path.at(-1)!) })))
    expect((await state.look(long)).map(({ file: found }) => [found!.value.path, found!.value.sha256])).toEqual(long.map((path) => [path, path.at(-1)]))
    const left = []
    for await (const { path } of state.without(() => false)) left.push(path)
    expect(left.sort()).toEqual(long)
  })
})
