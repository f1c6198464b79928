// The double is driven by OpenAI's own client: what that understands, the double says as OpenAI does.
import OpenAI, { APIConnectionError, AuthenticationError, BadRequestError, InternalServerError, NotFoundError, RateLimitError, toFile } from 'openai'
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock, type Clock } from '../../../src/base/clock.ts'
import { startOpenAiDouble, type OpenAiDouble, type OpenAiDoubleOptions } from './double.ts'

const open: OpenAiDouble[] = []
afterEach(async () => {
  for (const double of open.splice(0)) await double.close()
})

async function start(options: OpenAiDoubleOptions = {}, client: { maxRetries?: number; apiKey?: string; timeout?: number } = {}) {
  const double = await startOpenAiDouble(options)
  open.push(double)
  return { ...double, client: new OpenAI({ baseURL: double.url, apiKey: double.key, maxRetries: 0, ...client }) }
}

/** The double's time stands still until `run`: what must come before something else has all the time it needs. */
function stoppedClock(): { clock: Clock; run(): void } {
  const start = systemClock.now()
  let since: number | null = null
  const elapsed = () => (since === null ? 0 : systemClock.monotonic() - since)
  return { clock: { now: () => start + elapsed(), monotonic: elapsed, sleep: (ms, signal) => systemClock.sleep(ms, signal) }, run: () => (since = systemClock.monotonic()) }
}

const textFile = (name: string, text: string) => toFile(Buffer.from(text), name)

describe('files', () => {
  test('a file is uploaded, shown, listed by purpose and deleted', async () => {
    const { client } = await start()
    const file = await client.files.create({ file: await textFile('ünï code.md', 'hello'), purpose: 'user_data' })
    expect(file).toMatchObject({ object: 'file', bytes: 5, filename: 'ünï code.md', purpose: 'user_data' })
    expect(await (await client.files.content(file.id)).text()).toBe('hello')
    await client.files.create({ file: await textFile('b.md', 'b'), purpose: 'assistants' })
    const listed = []
    for await (const each of client.files.list({ purpose: 'user_data' })) listed.push(each.id)
    expect(listed).toEqual([file.id])
    expect(await client.files.delete(file.id)).toEqual({ id: file.id, object: 'file', deleted: true })
    await expect(client.files.retrieve(file.id)).rejects.toThrow(NotFoundError)
    await expect(client.files.create({ file: await textFile('b.md', ''), purpose: 'assistants' })).rejects.toThrow(BadRequestError)
    await expect(client.files.create({ file: await textFile('b.md', 'x'), purpose: 'other' as 'assistants' })).rejects.toThrow(BadRequestError)
  })

  test('an upload in parts is joined in the order of completion', async () => {
    const { client, state } = await start()
    const upload = await client.uploads.create({ bytes: 6, filename: 'parts.txt', mime_type: 'text/plain', purpose: 'assistants' })
    const second = await client.uploads.parts.create(upload.id, { data: await textFile('blob', 'def') })
    const first = await client.uploads.parts.create(upload.id, { data: await textFile('blob', 'abc') })
    await expect(client.uploads.complete(upload.id, { part_ids: [first.id] })).rejects.toThrow(/3 bytes/)
    await expect(client.uploads.complete(upload.id, { part_ids: [first.id, second.id], md5: '0'.repeat(32) })).rejects.toThrow(/checksum/)
    const done = await client.uploads.complete(upload.id, { part_ids: [first.id, second.id] })
    expect(done.status).toBe('completed')
    expect(Buffer.from(state.files.get(done.file!.id)!.content!).toString()).toBe('abcdef')
    await expect(client.uploads.cancel(upload.id)).rejects.toThrow(/completed/)
  })
})

describe('vector stores', () => {
  test('upload and poll: in progress for a while, then completed and found by a search', async () => {
    const { clock, run } = stoppedClock()
    const { client, state } = await start({ processingMs: 60, clock })
    const store = await client.vectorStores.create({ name: 'docs' })
    const attached = await client.vectorStores.files.upload(store.id, await textFile('a.md', 'the quick brown fox'))
    expect(attached.status).toBe('in_progress')
    expect((await client.vectorStores.search(store.id, { query: 'fox' })).data).toEqual([])
    const polled = client.vectorStores.files.uploadAndPoll(store.id, await textFile('b.md', 'the lazy dog'))
    await expect.poll(() => state.count(/^GET .*\/files\//)).toBe(1)
    run()
    const file = await polled
    expect(file).toMatchObject({ status: 'completed', last_error: null, vector_store_id: store.id })
    expect(state.count(/^GET .*\/files\//)).toBeGreaterThan(1)
    await expect.poll(async () => (await client.vectorStores.retrieve(store.id)).status).toBe('completed')
    await client.vectorStores.files.update(file.id, { vector_store_id: store.id, attributes: { kind: 'dog', age: 3 } })
    const found = await client.vectorStores.search(store.id, { query: 'lazy dog', filters: { type: 'and', filters: [{ type: 'eq', key: 'kind', value: 'dog' }, { type: 'gte', key: 'age', value: 3 }] } })
    expect(found.data).toMatchObject([{ file_id: file.id, filename: 'b.md', score: 1, attributes: { kind: 'dog', age: 3 }, content: [{ type: 'text', text: 'the lazy dog' }] }])
    expect((await client.vectorStores.search(store.id, { query: 'lazy', filters: { type: 'lt', key: 'age', value: 3 } })).data).toEqual([])
    expect((await client.vectorStores.files.content(file.id, { vector_store_id: store.id })).data).toEqual([{ type: 'text', text: 'the lazy dog' }])
    expect((await client.vectorStores.retrieve(store.id)).file_counts).toMatchObject({ completed: 2, total: 2 })
  })

  test('a type that cannot be read fails with its reason', async () => {
    const { client } = await start()
    const store = await client.vectorStores.create({})
    const file = await client.vectorStores.files.uploadAndPoll(store.id, await textFile('a.xyz', 'x'))
    expect(file).toMatchObject({ status: 'failed', last_error: { code: 'unsupported_file' } })
  })

  test('a file that is deleted stays in its store: detaching is another call', async () => {
    const { client } = await start({ processingMs: 0 })
    const store = await client.vectorStores.create({})
    const file = await client.vectorStores.files.uploadAndPoll(store.id, await textFile('a.md', 'ghost'))
    await client.files.delete(file.id)
    expect((await client.vectorStores.search(store.id, { query: 'ghost' })).data).toHaveLength(1)
    expect(await client.vectorStores.files.delete(file.id, { vector_store_id: store.id })).toMatchObject({ deleted: true })
    await expect(client.vectorStores.files.retrieve(file.id, { vector_store_id: store.id })).rejects.toThrow(NotFoundError)
    expect((await client.vectorStores.search(store.id, { query: 'ghost' })).data).toEqual([])
  })

  test('a batch is polled to its end, and a file that fails in it fails alone', async () => {
    const { client } = await start()
    const store = await client.vectorStores.create({})
    const batch = await client.vectorStores.fileBatches.uploadAndPoll(store.id, { files: [await textFile('a.md', 'a'), await textFile('b.xyz', 'b')] })
    expect(batch).toMatchObject({ status: 'completed', file_counts: { completed: 1, failed: 1, total: 2, in_progress: 0 } })
    const failed = await client.vectorStores.fileBatches.listFiles(batch.id, { vector_store_id: store.id, filter: 'failed' })
    expect(failed.data.map((file) => file.last_error?.code)).toEqual(['unsupported_file'])
    const third = await client.files.create({ file: await textFile('c.md', 'c'), purpose: 'assistants' })
    const single = await client.vectorStores.fileBatches.createAndPoll(store.id, { files: [{ file_id: third.id, attributes: { n: 1 } }] } as never)
    expect(single.file_counts.completed).toBe(1)
    expect((await client.vectorStores.files.retrieve(third.id, { vector_store_id: store.id })).attributes).toEqual({ n: 1 })
    await expect(client.vectorStores.fileBatches.create(store.id, { file_ids: Array.from({ length: 2001 }, () => third.id) })).rejects.toThrow(/2000/)
  })

  test('lists go on past a page, newest first', async () => {
    const { client } = await start({ processingMs: 0 })
    const store = await client.vectorStores.create({})
    const ids: string[] = []
    for (let i = 0; i < 45; i++) ids.push((await client.vectorStores.files.upload(store.id, await textFile(`${i}.md`, `${i}`))).id)
    const listed: string[] = []
    for await (const file of client.vectorStores.files.list(store.id)) listed.push(file.id)
    expect(listed).toEqual([...ids].reverse())
    const page = await client.vectorStores.files.list(store.id, { limit: 3, order: 'asc', after: ids[9]! })
    expect(page.data.map((file) => file.id)).toEqual(ids.slice(10, 13))
    const back = await client.vectorStores.files.list(store.id, { limit: 3, order: 'asc', before: ids[9]! })
    expect(back.data.map((file) => file.id)).toEqual(ids.slice(6, 9))
  })

  test('attributes have limits', async () => {
    const { client } = await start()
    const store = await client.vectorStores.create({})
    const { id } = await client.vectorStores.files.upload(store.id, await textFile('a.md', 'a'))
    const update = (attributes: Record<string, string>) => client.vectorStores.files.update(id, { vector_store_id: store.id, attributes })
    await update(Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`${i}`.padEnd(64, 'k'), 'v'.repeat(512)])))
    await expect(update(Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`${i}`, ''])))).rejects.toThrow(BadRequestError)
    await expect(update({ k: 'v'.repeat(513) })).rejects.toThrow(BadRequestError)
    await expect(update({ ['k'.repeat(65)]: '' })).rejects.toThrow(BadRequestError)
  })
})

describe('embeddings', () => {
  test('one text has one vector, whatever its encoding', async () => {
    const { client, state } = await start()
    const create = (encoding?: 'float') => client.embeddings.create({ model: 'text-embedding-3-small', input: ['the quick fox', 'a lazy dog', 'quick the fox'], dimensions: 64, ...(encoding && { encoding_format: encoding }) })
    const [decoded, plain] = [await create(), await create('float')]
    expect(decoded.data).toEqual(plain.data)
    expect(plain.data.map(({ embedding }) => embedding.length)).toEqual([64, 64, 64])
    expect(plain.data[0]!.embedding).toEqual(plain.data[2]!.embedding)
    expect(plain.data[0]!.embedding).not.toEqual(plain.data[1]!.embedding)
    expect(Math.hypot(...plain.data[1]!.embedding)).toBeCloseTo(1, 5)
    expect(plain.usage.total_tokens).toBe(4 + 3 + 4)
    expect(state.embeddedTokens).toBe(22)
  })

  test('limits of inputs, of tokens in one and in all, and of dimensions', async () => {
    const { client } = await start()
    const create = (input: string | string[], dimensions?: number) => client.embeddings.create({ model: 'text-embedding-3-small', input, ...(dimensions && { dimensions }) })
    await expect(create(Array.from({ length: 2049 }, () => 'x'))).rejects.toThrow(/2048/)
    await expect(create('x'.repeat(4 * 8192 + 1))).rejects.toThrow(/8192/)
    await expect(create(Array.from({ length: 40 }, () => 'x'.repeat(4 * 8000)))).rejects.toThrow(/300000/)
    await expect(create(['a', ''])).rejects.toThrow(BadRequestError)
    await expect(create('a', 1537)).rejects.toThrow(BadRequestError)
    await expect(client.embeddings.create({ model: 'nobody', input: 'x' })).rejects.toThrow(NotFoundError)
  })
})

describe('what goes wrong', () => {
  test('a wrong key is refused', async () => {
    const { client } = await start({}, { apiKey: 'sk-wrong' })
    await expect(client.files.list()).rejects.toThrow(AuthenticationError)
  })

  test('too many requests are told when to come again, and the client does', async () => {
    const { clock, run } = stoppedClock()
    const { client, url, key } = await start({ requestsPerMinute: 60, clock })
    for (let i = 0; i < 60; i++) await client.files.list()
    const refused = await client.files.list().catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(RateLimitError)
    expect((refused as RateLimitError).headers?.get('retry-after')).toBe('1')
    expect((refused as RateLimitError).headers?.get('x-ratelimit-limit-requests')).toBe('60')
    run()
    await new OpenAI({ baseURL: url, apiKey: key, maxRetries: 3 }).files.list()
  })

  test('planned faults: errors, cuts, and answers that are lost after the effect', async () => {
    const { client, faults, state } = await start()
    faults.plan(/^POST \/vector_stores$/, { kind: 'status', status: 503 })
    await expect(client.vectorStores.create({})).rejects.toThrow(InternalServerError)
    faults.plan(/^POST \/vector_stores$/, { kind: 'cut' })
    await expect(client.vectorStores.create({})).rejects.toThrow(APIConnectionError)
    expect(state.stores.size).toBe(0)
    faults.plan(/^POST \/vector_stores$/, { kind: 'lost' })
    await expect(client.vectorStores.create({})).rejects.toThrow(APIConnectionError)
    faults.plan(/^POST \/vector_stores$/, { kind: 'lost-status' })
    await expect(client.vectorStores.create({})).rejects.toThrow(InternalServerError)
    expect(state.stores.size).toBe(2)
    await client.vectorStores.create({})
    expect(state.stores.size).toBe(3)
  })
})
