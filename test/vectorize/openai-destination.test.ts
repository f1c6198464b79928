import { createHash } from 'node:crypto'
import OpenAI from 'openai'
import { afterEach, describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { OpenAiDestination, type OpenAiDestinationSettings } from '../../src/vectorize/destinations/openai/openai-destination.ts'
import type { DocumentVersion, HeldDocument } from '../../src/vectorize/destinations/destination.ts'
import { startOpenAiDouble, type OpenAiDouble, type OpenAiDoubleOptions } from '../doubles/openai/double.ts'
import { fastClock } from '../doubles/openai/fast-clock.ts'

const open: OpenAiDouble[] = []
afterEach(async () => {
  for (const double of open.splice(0)) await double.close()
})

let opened = 0

async function start(options: OpenAiDoubleOptions = {}) {
  const clock = fastClock(100)
  const double = await startOpenAiDouble({ clock, processingMs: 500, ...options })
  open.push(double)
  const connect = (settings: Partial<OpenAiDestinationSettings> = {}) =>
    new OpenAiDestination({ vectorizer: 'docs', vectorStore: 'docs', apiKey: double.key, baseUrl: double.url, clock, random: seededRandom(++opened), ...settings })
  return { ...double, clock, connect, destination: connect() }
}

function versionOf(path: string, text: string | Uint8Array): [DocumentVersion, () => AsyncIterable<Uint8Array>] {
  const bytes = Buffer.from(text)
  return [{ path, sha256: createHash('sha256').update(bytes).digest('hex'), sizeBytes: bytes.length, metadata: {} }, () => streamOf(bytes)]
}

async function* streamOf(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield await Promise.resolve(bytes.subarray(at, at + 65_536))
}

async function all(listing: AsyncIterable<HeldDocument>): Promise<HeldDocument[]> {
  const held: HeldDocument[] = []
  for await (const each of listing) held.push(each)
  return held
}

/** Nobody else writes. */
const alone = { isAlone: async () => Promise.resolve(true) }

const entriesOf = ({ state }: OpenAiDouble) => [...state.stores.values()].flatMap((store) => [...store.entries.values()])

describe('the vector store', () => {
  test('is made under its name when it is not there, and found by it and by its id', async () => {
    const { destination, connect, state } = await start()
    await destination.prepare()
    const id = await connect().vectorStoreId()
    expect([...state.stores.values()]).toMatchObject([{ id, name: 'docs' }])
    expect(await connect({ vectorStore: id }).vectorStoreId()).toBe(id)
    await expect(connect({ vectorStore: 'vs_absent' }).prepare()).rejects.toMatchObject({ kind: 'not-found' })
  })

  test.each([[1], [2], [3]])('six that make it at once end with one (%i)', async (seed) => {
    const { connect, state } = await start({ seed })
    const ids = await Promise.all(Array.from({ length: 6 }, () => connect().vectorStoreId()))
    expect(state.count(/^POST \/vector_stores$/)).toBeGreaterThan(1)
    expect(new Set(ids)).toEqual(new Set(state.stores.keys()))
    expect(state.stores.size).toBe(1)
  })

  test('is made once although the answer was lost', async () => {
    const { destination, faults, state } = await start()
    faults.plan(/^POST \/vector_stores$/, { kind: 'lost' })
    faults.plan(/^POST \/vector_stores$/, { kind: 'lost-status' })
    await destination.prepare()
    expect(state.stores.size).toBe(1)
  })

  test('one that has expired is refused by id, and made again by name', async () => {
    const double = await start()
    const { connect, state, clock } = double
    const client = new OpenAI({ baseURL: double.url, apiKey: double.key })
    const old = await client.vectorStores.create({ name: 'docs', expires_after: { anchor: 'last_active_at', days: 1 } })
    state.stores.get(old.id)!.lastActiveAt = Math.floor(clock.now() / 1000) - 2 * 86_400
    await expect(connect({ vectorStore: old.id }).prepare()).rejects.toMatchObject({ kind: 'expired' })
    expect(await connect().vectorStoreId()).not.toBe(old.id)
  })
})

describe('storing', () => {
  test('a document is a File and an entry with attributes, processed, found by a search, chunked as declared', async () => {
    const double = await start()
    const [document, bytes] = versionOf('guide/install.md', 'the quick brown fox')
    const reference = await double.connect({ chunking: { maxTokens: 200, overlapTokens: 50 } }).replace({ ...document, title: 'Install', metadata: { lang: 'en', n: 3 } }, bytes, null)
    const client = new OpenAI({ baseURL: double.url, apiKey: double.key })
    const { data } = await client.vectorStores.search(reference.vectorStoreId as string, { query: 'fox', filters: { type: 'eq', key: 'lang', value: 'en' } })
    expect(data).toMatchObject([{ file_id: reference.fileId, attributes: { windlass: 'docs', path: 'guide/install.md', sha256: document.sha256, lang: 'en', n: 3, title: 'Install' } }])
    expect(data[0]!.filename).toMatch(/^install\.windlass-[0-9a-f]{16}\.md$/)
    expect(reference.uploadedAt).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    expect((await client.vectorStores.files.retrieve(reference.fileId as string, { vector_store_id: reference.vectorStoreId as string })).chunking_strategy).toMatchObject({ static: { max_chunk_size_tokens: 200, chunk_overlap_tokens: 50 } })
  })

  test('1,000 small files take one request each to upload, and few to attach', async () => {
    const { connect, state } = await start()
    const destination = connect({ batchDelayMs: 1e9 })
    await destination.prepare()
    const paths = Array.from({ length: 1000 }, (_, i) => `${i}.md`)
    const waiting = paths.values()
    const work = async () => {
      for (const path of waiting) await destination.replace(...versionOf(path, `text ${path}`), null)
    }
    await Promise.all(Array.from({ length: 100 }, work))
    expect(state.files.size).toBe(1000)
    expect(state.count(/^POST \/files$/)).toBe(1000)
    expect(state.count(/file_batches|\/vector_stores\/[^/]+\/files/)).toBeLessThan(300)
    expect(state.count(/^POST \/vector_stores\/[^/]+\/file/)).toBeLessThan(100)
    expect(destination.usage).toMatchObject({ uploadedFiles: 1000, retries: 0, requests: state.journal.length })
    const before = state.journal.length
    expect((await all(destination.list(alone))).length).toBe(1000)
    expect(state.journal.length - before, 'one page of Files, ten of entries').toBe(11)
  })

  test('a file is attached once, also when the wait for others ends after all', async () => {
    const { connect, state, clock } = await start()
    await connect({ batchDelayMs: 1000 }).replace(...versionOf('a.md', 'text'), null)
    await clock.sleep(5000)
    expect(state.count(/^POST \/vector_stores\/[^/]+\/file/)).toBe(1)
  })

  test('polls come when the server asks for them', async () => {
    const { connect, clock, state } = await start({ processingMs: 100_000 })
    const slept: number[] = []
    const destination = connect({
      clock: { ...clock, sleep: (ms, signal) => (slept.push(ms), clock.sleep(ms, signal)) },
      fetch: async (...request) => {
        const answer = await fetch(...request)
        const headers = new Headers(answer.headers)
        if (headers.has('openai-poll-after-ms')) headers.set('openai-poll-after-ms', '12345')
        return new Response(await answer.text(), { status: answer.status, headers })
      },
    })
    await destination.replace(...versionOf('a.md', 'text'), null)
    expect(slept.filter((ms) => ms === 12_345).length).toBe(state.count(/^GET \/vector_stores\/[^/]+\/files\/./) - 1)
    expect(slept).toContain(12_345)
  })

  test('a large file goes in parts, which are joined in order', async () => {
    const { connect, state } = await start()
    const text = Array.from({ length: 50_000 }, (_, i) => `line ${i}\n`).join('')
    const destination = connect({ partBytes: 100_000 })
    await destination.replace(...versionOf('large.txt', text), null)
    expect(state.count(/^POST \/uploads\/[^/]+\/parts$/)).toBe(Math.ceil(text.length / 100_000))
    expect(state.count(/^POST \/files$/)).toBe(0)
    const [file] = state.files.values()
    expect(Buffer.from(file!.content!).toString()).toBe(text)
    expect(destination.usage.sentBytes).toBeLessThan(text.length + 10_000)
  })

  test('what cannot be taken is refused before anything is sent', async () => {
    const { destination, state } = await start()
    await destination.prepare()
    const requests = state.journal.length
    const never = async function* () {
      yield await Promise.reject<Uint8Array>(new Error('read for nothing'))
    }
    const [document] = versionOf('a.md', 'text')
    await expect(destination.replace({ ...document, sizeBytes: 512 * 1024 * 1024 + 1 }, never, null)).rejects.toMatchObject({ kind: 'too-large' })
    await expect(destination.replace({ ...document, sizeBytes: 0 }, never, null)).rejects.toMatchObject({ kind: 'invalid' })
    await expect(destination.replace(...versionOf('a.png', Uint8Array.of(137, 80, 78, 71, 0)), null)).rejects.toMatchObject({ kind: 'invalid' })
    await expect(destination.replace({ ...document, path: 'x'.repeat(2049) }, never, null)).rejects.toMatchObject({ kind: 'invalid' })
    expect(state.journal.length).toBe(requests)
  })

  test.each([['one request', {}], ['parts', { partBytes: 5 }]])('a document that changes while it is read is not kept (%s)', async (_, settings) => {
    const { connect, state } = await start()
    const destination = connect(settings)
    const [document] = versionOf('a.md', 'what was hashed')
    for (const text of ['what was HASHED', 'shorter', 'what was hashed, and more']) {
      await expect(destination.replace(document, versionOf('a.md', text)[1], null)).rejects.toMatchObject({ kind: 'conflict' })
    }
    expect(state.files.size).toBe(0)
    expect([...state.uploads.values()].filter(({ status }) => status === 'pending')).toEqual([])
  })

  test.each([['alone', 1], ['in a batch', 500]])('a file that OpenAI cannot read fails %s with its reason, and is removed', async (_, batchFilesMax) => {
    const double = await start()
    const { connect, state } = double
    state.judge = (file) => (file.filename.startsWith('bad') ? { code: 'invalid_file', message: 'The file could not be parsed.' } : file.filename.startsWith('busy') ? { code: 'server_error', message: 'An internal error occurred.' } : undefined)
    const destination = connect({ batchFilesMax, batchDelayMs: 1e9 })
    const outcomes = await Promise.allSettled(['a.md', 'bad.md', 'b.md', 'busy.md'].map((path) => destination.replace(...versionOf(path, path), null)))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected'])
    expect(outcomes.map((outcome) => (outcome.status === 'rejected' ? (outcome.reason as { kind: string; message: string }) : null))).toMatchObject([null, { kind: 'invalid', message: 'openai: bad.md: cannot be processed: invalid_file: The file could not be parsed.' }, null, { kind: 'unavailable' }])
    expect([...state.files.values()].map(({ filename }) => filename[0]).sort()).toEqual(['a', 'b'])
    expect(entriesOf(double).length).toBe(2)
    if (batchFilesMax > 1) expect(state.count(/^POST .*\/file_batches$/)).toBe(1)
  })

  test('a File that somebody removes before it is attached fails alone, and is tried again later', async () => {
    const double = await start()
    const { connect, state } = double
    const destination = connect({
      batchDelayMs: 1e9,
      fetch: (...request) => {
        if (String(request[0]).endsWith('/file_batches')) for (const { id, filename } of state.files.values()) if (filename.startsWith('b')) state.files.delete(id)
        return fetch(...request)
      },
    })
    const outcomes = await Promise.allSettled(['a.md', 'b.md', 'c.md'].map((path) => destination.replace(...versionOf(path, path), null)))
    expect(outcomes).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected', reason: { kind: 'unavailable', message: expect.stringContaining('removed by somebody else') as string } }, { status: 'fulfilled' }])
    expect(entriesOf(double).length).toBe(2)
  })

  test('a failed replacement leaves the old version as it was', async () => {
    const double = await start()
    const { destination, state } = double
    const reference = await destination.replace(...versionOf('a.md', 'old'), null)
    state.judge = () => ({ code: 'invalid_file', message: 'no' })
    await expect(destination.replace(...versionOf('a.md', 'new'), reference)).rejects.toMatchObject({ kind: 'invalid' })
    expect(entriesOf(double).map(({ id }) => id)).toEqual([reference.fileId])
    expect([...state.files.keys()]).toEqual([reference.fileId])
  })

  test('when the old version cannot be taken away, the new one is', async () => {
    const double = await start()
    const { connect, faults } = double
    const destination = connect({ attemptsMax: 2 })
    const reference = await destination.replace(...versionOf('a.md', 'old'), null)
    faults.plan(/^DELETE .*\/vector_stores/, { kind: 'status', status: 503 }, 2)
    await expect(destination.replace(...versionOf('a.md', 'new'), reference)).rejects.toMatchObject({ kind: 'unavailable' })
    expect(await all(destination.list(alone))).toMatchObject([{ path: 'a.md', reference }])
  })

  test('a File whose upload was answered by nothing is found, not uploaded twice', async () => {
    const { destination, faults, state } = await start()
    await destination.prepare()
    for (const kind of ['lost', 'lost-status', 'cut', 'status'] as const) {
      const before = state.count(/^POST \/files$/)
      faults.plan(/^POST \/files$/, { kind })
      await destination.replace(...versionOf(`${kind}.md`, kind), null)
      expect(state.count(/^POST \/files$/) - before, kind).toBe(kind.startsWith('lost') ? 1 : 2)
    }
    expect(state.files.size).toBe(4)
  })

  test('cancelled while it is processed: what was stored is taken back', async () => {
    const double = await start({ processingMs: 1e9 })
    const { destination, state } = double
    const stop = new AbortController()
    const replaced = destination.replace(...versionOf('a.md', 'text'), null, { signal: stop.signal })
    await expect.poll(() => entriesOf(double).length).toBe(1)
    stop.abort()
    await expect(replaced).rejects.toMatchObject({ kind: 'cancelled' })
    expect(state.files.size).toBe(0)
    expect(entriesOf(double).length).toBe(0)
  })

  test('processing that does not end is given up', async () => {
    const double = await start({ processingMs: 1e9 })
    await expect(double.connect({ processingMaxMs: 20_000 }).replace(...versionOf('a.md', 'text'), null)).rejects.toMatchObject({ kind: 'unavailable' })
    expect(double.state.files.size).toBe(0)
  })
})

describe('what has drifted', () => {
  test('an entry whose File is gone is listed as damaged, and repaired by what a run does with a stranger', async () => {
    const double = await start()
    const { destination, state } = double
    const reference = await destination.replace(...versionOf('a.md', 'text'), null)
    state.files.delete(reference.fileId as string)
    const [ghost, ...others] = await all(destination.list())
    expect(others).toEqual([])
    expect(ghost).toMatchObject({ path: 'a.md', reference: { fileId: reference.fileId, damage: 'its File is gone' } })
    expect(ghost!.sha256).toBeUndefined()
    await destination.remove('a.md', ghost!.reference)
    expect(entriesOf(double)).toEqual([])
  })

  test('a File that a killed run left without an entry is listed, once it is old enough or nobody else writes', async () => {
    const double = await start()
    const { destination, connect, state, clock, faults } = double
    await destination.replace(...versionOf('b.md', 'text'), null)
    // Killed after the upload: it attaches nothing, and cannot clean up.
    faults.plan(/^POST .*\/vector_stores\/.*\/files$/, { kind: 'stall' }, 1000)
    void connect().replace(...versionOf('a.md', 'text'), null).catch(() => {})
    await expect.poll(() => state.files.size).toBe(2)
    expect((await all(destination.list())).map(({ path }) => path)).toEqual(['b.md'])
    const left = (await all(destination.list(alone))).filter(({ path }) => path !== 'b.md')
    expect(left).toMatchObject([{ path: expect.stringMatching(/^openai-file:file-[0-9a-f]+\/a\.windlass-/) as string }])
    await clock.sleep(11 * 60_000)
    expect((await all(destination.list())).length).toBe(2)
    await destination.remove(left[0]!.path, left[0]!.reference)
    expect(state.files.size).toBe(1)
  })

  test('Files and entries of others are left alone', async () => {
    const double = await start()
    const { destination, state } = double
    const client = new OpenAI({ baseURL: double.url, apiKey: double.key })
    const id = await destination.vectorStoreId()
    const theirs = await client.vectorStores.files.upload(id, new File(['theirs'], 'theirs.md'))
    await client.files.create({ file: new File(['loose'], 'loose.windlass.md'), purpose: 'assistants' })
    await destination.replace(...versionOf('a.md', 'text'), null)
    expect((await all(destination.list(alone))).map(({ path }) => path)).toEqual(['a.md'])
    await destination.remove('theirs.md', null)
    expect(state.files.has(theirs.id)).toBe(true)
  })

  test('a file that a workflow uploaded is taken over without an upload, and then replaced and removed like our own', async () => {
    const double = await start({ processingMs: 0 })
    const { destination, state } = double
    const client = new OpenAI({ baseURL: double.url, apiKey: double.key })
    const theirs = await client.vectorStores.files.uploadAndPoll(await destination.vectorStoreId(), new File(['text'], 'a.md'))
    const loose = await client.files.create({ file: new File(['loose'], 'b.md'), purpose: 'assistants' })
    const [document, bytes] = versionOf('guide/a.md', 'text')
    const reference = await destination.adopt(document, theirs.id)
    expect(await all(destination.list(alone))).toEqual([{ path: 'guide/a.md', sha256: document.sha256, reference }])
    expect(state.count(/^POST \/files$/)).toBe(2)
    expect(await destination.adopt(document, loose.id)).toBeNull()
    expect(await destination.adopt(document, 'file-absent')).toBeNull()
    await destination.replace(document, bytes, reference)
    expect(state.files.has(theirs.id)).toBe(false)
  })

  test('a reference that names nothing is told, not followed', async () => {
    const { destination } = await start()
    await expect(destination.remove('a.md', { fileId: 3 })).rejects.toMatchObject({ kind: 'corrupt' })
  })
})
