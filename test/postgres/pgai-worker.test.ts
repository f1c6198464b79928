import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { loadStaticModel } from '../../src/embed/load-static-model.ts'
import { installPgai } from '../../src/vectorize/postgres/pgai/install-pgai.ts'
import { PgaiWorker, type PgaiWorkerOptions } from '../../src/vectorize/postgres/pgai/pgai-worker.ts'
import { UriReader, type UriReaderOptions } from '../../src/vectorize/postgres/uri-reader.ts'
import { startOpenAiDouble, type OpenAiDouble } from '../doubles/openai/double.ts'
import { serverUrl, startTestDatabase, type TestDatabase } from './test-database.ts'

let db: TestDatabase
let openAi: OpenAiDouble
let folder: string
beforeAll(async () => {
  db = await startTestDatabase()
  await installPgai(db.database)
  openAi = await startOpenAiDouble()
  folder = mkdtempSync(join(tmpdir(), 'windlass-pgai-'))
})
afterAll(async () => {
  await db.stop()
  await openAi.close()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(async () => {
  await db.clear()
  await db.rows('create table blog (id int primary key, title text, contents text, published timestamptz, seen int)')
  openAi.state.journal.length = 0
})

function worker(options: Partial<PgaiWorkerOptions> = {}, uris: Partial<UriReaderOptions> = {}): PgaiWorker {
  const context = { clock: systemClock, random: systemRandom }
  return new PgaiWorker({
    ...context,
    database: db.database,
    uris: new UriReader({ ...context, roots: [folder], ...uris }),
    version: 'test',
    environment: { OPENAI_BASE_URL: openAi.url, OPENAI_API_KEY: openAi.key },
    loadStaticModel,
    ...options,
  })
}

async function work(options: Partial<PgaiWorkerOptions> = {}, uris: Partial<UriReaderOptions> = {}) {
  const { report, error } = await worker(options, uris).runOnce()
  if (error instanceof Error) throw error
  return report
}

const create = (more = '') => db.rows(`select ai.create_vectorizer('blog'::regclass, name => 'blog', loading => ai.loading_column('contents'), embedding => ai.embedding_windlass()${more})`)
const stored = () => db.rows('select id, chunk_seq, chunk from blog_embedding_store order by id, chunk_seq')
const pending = async () => (await db.rows(`select ai.vectorizer_queue_pending('blog', true)::int as n`))[0]!.n
const embeddingRequests = () => openAi.state.journal.filter(({ path }) => path === '/embeddings').length

describe('a worker', () => {
  test('embeds what waits, and then what changed', async () => {
    await db.rows(`insert into blog (id, title, contents) values (1, 'One', 'apples are red'), (2, 'Two', 'pears are green'), (3, 'None', null)`)
    await create()
    expect(await work()).toMatchObject({ taken: 3, embeddedRows: 2, unchangedRows: 1, failedRows: 0, chunksEmbedded: 2 })
    expect(await stored()).toEqual([{ id: 1, chunk_seq: 0, chunk: 'apples are red' }, { id: 2, chunk_seq: 0, chunk: 'pears are green' }])
    const [vector] = await (await loadStaticModel()).embed(['red fruit'])
    const [nearest] = await db.rows('select title from blog_embedding order by embedding <=> $1::vector limit 1', [`[${vector!.join(',')}]`])
    expect(nearest).toEqual({ title: 'One' })
    expect(await work()).toMatchObject({ taken: 0 })
    await db.rows(`update blog set contents = 'plums are blue' where id = 2; delete from blog where id = 1`)
    expect(await work()).toMatchObject({ embeddedRows: 1, removedRows: 1 })
    expect(await stored()).toEqual([{ id: 2, chunk_seq: 0, chunk: 'plums are blue' }])
    expect(await pending()).toBe(0)
  })

  test('embeds nothing of a row that was touched and says what it said', async () => {
    await db.rows(`insert into blog (id, title, contents) values (1, 'One', 'apples are red')`)
    await create(`, formatting => ai.formatting_python_template('$title: $chunk')`)
    await work()
    const [before] = await db.rows('select embedding_uuid, chunk from blog_embedding_store')
    expect(before).toMatchObject({ chunk: 'One: apples are red' })
    await db.rows('update blog set seen = 1')
    expect(await work()).toMatchObject({ taken: 1, unchangedRows: 1, embeddedRows: 0, chunksEmbedded: 0 })
    expect(await db.rows('select embedding_uuid, chunk from blog_embedding_store')).toEqual([before])
    await db.rows(`update blog set title = 'Uno'`)
    expect(await work()).toMatchObject({ embeddedRows: 1 })
    expect(await stored()).toMatchObject([{ chunk: 'Uno: apples are red' }])
  })

  test('embeds only the chunks of a changed text that are new', async () => {
    await db.rows(`insert into blog (id, contents) values (1, $1)`, ['first part\n\nsecond part\n\nthird part'])
    await create(`, chunking => ai.chunking_character_text_splitter(12, 0)`)
    await work()
    await db.rows('update blog set contents = $1', ['first part\n\nsecond part, and more of it\n\nthird part'])
    expect(await work()).toMatchObject({ chunksEmbedded: 1, chunksReused: 2 })
    expect((await stored()).map(({ chunk }) => chunk)).toEqual(['first part', 'second part, and more of it', 'third part'])
  })

  test('goes on with what pgai itself embedded, without embedding it again', async () => {
    await db.rows(`insert into blog (id, contents) values (1, 'apples are red')`)
    await create()
    await db.rows(`delete from ai._vectorizer_q_1; insert into blog_embedding_store (id, chunk_seq, chunk, embedding) values (1, 0, 'apples are red', ('[' || repeat('0,', 383) || '1]')::vector)`)
    await db.rows('update blog set seen = 1')
    expect(await work()).toMatchObject({ unchangedRows: 1, chunksEmbedded: 0 })
    await db.rows(`truncate blog_embedding_store; insert into ai._vectorizer_q_1 (id) values (1)`)
    expect(await work()).toMatchObject({ embeddedRows: 1, chunksEmbedded: 1 })
  })

  test('takes the entries of one row as one', async () => {
    await create()
    await db.rows(`insert into blog (id, contents) values (1, 'a'); update blog set contents = 'b'; update blog set contents = 'c'`)
    expect(await pending()).toBe(3)
    expect(await work()).toMatchObject({ taken: 1, chunksEmbedded: 1 })
    expect([await stored(), await pending()]).toEqual([[{ id: 1, chunk_seq: 0, chunk: 'c' }], 0])
  })

  test('works with composite keys, and names that want quoting', async () => {
    await db.rows('create table "My ""Table""" ("Key/1" text, k2 bigint, "Body" text, primary key (k2, "Key/1"))')
    await db.rows(`select ai.create_vectorizer('"My ""Table"""'::regclass, name => 'mine', loading => ai.loading_column('Body'), embedding => ai.embedding_windlass(), destination => ai.destination_table('mine'))`)
    await db.rows(`insert into "My ""Table""" values ('a/b%', 1, 'one'), ('a', 9007199254740993, 'two'), ('', 3, 'three')`)
    expect(await work()).toMatchObject({ embeddedRows: 3 })
    expect(await db.rows('select "Key/1", k2::text, "Body", chunk from mine order by k2')).toEqual([
      { 'Key/1': 'a/b%', k2: '1', Body: 'one', chunk: 'one' },
      { 'Key/1': '', k2: '3', Body: 'three', chunk: 'three' },
      { 'Key/1': 'a', k2: '9007199254740993', Body: 'two', chunk: 'two' },
    ])
  })

  test('writes into a column of the table itself, once', async () => {
    await db.rows(`insert into blog (id, contents) values (1, 'apples'), (2, null)`)
    await create(`, chunking => ai.chunking_none(), destination => ai.destination_column('meaning')`)
    expect(await work()).toMatchObject({ taken: 2, embeddedRows: 2 })
    expect(await pending()).toBe(0)
    expect(await db.rows('select id, vector_dims(meaning) as dims from blog order by id')).toEqual([{ id: 1, dims: 384 }, { id: 2, dims: null }])
    await db.rows('update blog set seen = 1')
    expect(await work()).toMatchObject({ unchangedRows: 2, chunksEmbedded: 0 })
    await db.rows('update blog set contents = null')
    await work()
    expect(await db.rows('select distinct meaning from blog')).toEqual([{ meaning: null }])
  })

  test('leaves disabled vectorizers alone, and takes only those that it is told', async () => {
    await db.rows(`insert into blog (id, contents) values (1, 'a')`)
    await create()
    await db.rows('select ai.disable_vectorizer_schedule(1)')
    expect(await work()).toMatchObject({ taken: 0 })
    await db.rows(`select ai.enable_vectorizer_schedule('blog')`)
    expect(await work({ ids: [7] })).toMatchObject({ taken: 0 })
    expect(await work({ ids: [1] })).toMatchObject({ taken: 1 })
  })

  test('makes the index that was asked for once there are rows enough', async () => {
    const indexes = () => db.rows(`select indexdef from pg_indexes where tablename = 'blog_embedding_store' and indexdef like '%hnsw%'`)
    await db.rows(`insert into blog (id, contents) select i, 'text ' || i from generate_series(1, 3) i`)
    await create(`, indexing => ai.indexing_hnsw(min_rows => 4, m => 8)`)
    await work()
    expect(await indexes()).toEqual([])
    await db.rows(`insert into blog (id, contents) values (4, 'text')`)
    await work()
    expect(await indexes()).toEqual([{ indexdef: expect.stringMatching(/USING hnsw \(embedding (public\.)?vector_cosine_ops\) WITH \(m='8'\)/) as string }])
    await work()
    expect(await indexes()).toHaveLength(1)
  })
})

describe('models', () => {
  test('OpenAI, in one request for a batch, with the dimension that was asked for', async () => {
    await db.rows(`insert into blog (id, contents) select i, 'text ' || i from generate_series(1, 20) i`)
    await db.rows(`select ai.create_vectorizer('blog'::regclass, name => 'blog', loading => ai.loading_column('contents'), embedding => ai.embedding_openai('text-embedding-3-small', 768))`)
    expect(await work()).toMatchObject({ embeddedRows: 20 })
    expect(await db.rows('select distinct vector_dims(embedding) as dims from blog_embedding_store')).toEqual([{ dims: 768 }])
    // Two of them find out what the server's model makes.
    expect(embeddingRequests()).toBeLessThanOrEqual(3)
  })

  test('a text that the model refuses is set aside, and the others go on', async () => {
    await db.rows(`insert into blog (id, contents) values (1, 'short'), (2, $1), (3, 'too')`, ['word '.repeat(9000)])
    await db.rows(`select ai.create_vectorizer('blog'::regclass, name => 'blog', loading => ai.loading_column('contents'), embedding => ai.embedding_openai('text-embedding-3-small', 768), chunking => ai.chunking_none())`)
    expect(await work()).toMatchObject({ embeddedRows: 2, failedRows: 1 })
    expect((await stored()).map(({ id }) => id)).toEqual([1, 3])
    expect(await db.rows('select id, failure_step from ai._vectorizer_q_failed_1')).toEqual([{ id: 2, failure_step: 'embedding' }])
    expect(await db.rows(`select name, message, details->'key'->>'id' as key, details->>'kind' as kind from ai.vectorizer_errors`)).toEqual([{ name: 'blog', message: 'embedding failed', key: '2', kind: 'too-large' }])
    await db.rows(`update blog set contents = 'short now' where id = 2`)
    await work()
    expect(await db.rows('select id from ai._vectorizer_q_failed_1')).toEqual([])
  })

  test('a refusal for a reason that nobody knows is put on the text that it is about, even if it is the first', async () => {
    await db.rows(`insert into blog (id, contents) values (1, 'refuse me'), (2, 'fine')`)
    await db.rows(`select ai.create_vectorizer('blog'::regclass, name => 'blog', loading => ai.loading_column('contents'), embedding => ai.embedding_openai('text-embedding-3-small', 768))`)
    const answers: typeof fetch = async (input, init) => {
      const { input: texts } = JSON.parse(String(init?.body)) as { input: string[] }
      return texts.includes('refuse me') ? Response.json({ error: { message: 'no' } }, { status: 400 }) : fetch(input, init)
    }
    const proxy = createServer((request, response) => {
      void (async () => {
        const body = Buffer.concat(await request.toArray()).toString()
        const answer = await answers(openAi.url + request.url!, { method: 'POST', body, headers: { authorization: request.headers.authorization!, 'content-type': 'application/json' } })
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(Buffer.from(await answer.arrayBuffer()))
      })()
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = proxy.address() as AddressInfo
      expect(await work({ environment: { OPENAI_BASE_URL: `http://127.0.0.1:${port}`, OPENAI_API_KEY: openAi.key } })).toMatchObject({ embeddedRows: 1, failedRows: 1 })
      expect(await db.rows('select id, failure_step from ai._vectorizer_q_failed_1')).toEqual([{ id: 1, failure_step: 'embedding' }])
    } finally {
      proxy.close()
    }
  })

  test('a missing key stops its vectorizer only, leaves the queue, and is told', async () => {
    await db.rows(`insert into blog (id, contents) values (1, 'a')`)
    await db.rows(`select ai.create_vectorizer('blog'::regclass, name => 'keyless', loading => ai.loading_column('contents'), embedding => ai.embedding_openai('text-embedding-3-small', 768), destination => ai.destination_table('keyless'))`)
    await db.rows(`select ai.create_vectorizer('blog'::regclass, name => 'other', loading => ai.loading_column('contents'), embedding => ai.embedding_windlass(), destination => ai.destination_table('other'))`)
    const { report, error } = await worker({ environment: {} }).runOnce()
    expect(report).toMatchObject({ embeddedRows: 1 })
    expect(String(error)).toMatch(/needs a key: set OPENAI_API_KEY/)
    expect(await db.rows(`select ai.vectorizer_queue_pending('keyless', true)::int as n`)).toEqual([{ n: 1 }])
    expect(await db.rows(`select name, details->>'kind' as kind from ai.vectorizer_errors`)).toEqual([{ name: 'keyless', kind: 'unauthenticated' }])
  })

  test.each([
    [`ai.embedding_voyageai('voyage-3-lite', 512)`, /voyage\/voyage-3-lite is reached through a LiteLLM proxy/],
    [`ai.embedding_openai('text-embedding-3-small', 5000)`, /dimension|5000/],
  ])('%s says what it takes', async (embedding, message) => {
    await db.rows(`select ai.create_vectorizer('blog'::regclass, name => 'blog', loading => ai.loading_column('contents'), embedding => ${embedding})`)
    const { error } = await worker().runOnce()
    expect(String(error)).toMatch(message)
  })
})

describe('documents by URI', () => {
  beforeEach(async () => {
    await db.rows('create table document (uri text primary key, updated_at timestamptz default now())')
    await db.rows(`select ai.create_vectorizer('document'::regclass, name => 'documents', loading => ai.loading_uri('uri', retries => 2), embedding => ai.embedding_windlass(), destination => ai.destination_table('document_embeddings'))`)
  })
  const chunks = async () => (await db.rows('select uri, chunk from document_embeddings order by uri, chunk_seq')).map(({ uri, chunk }) => `${String(uri).replace(folder, '')} ${String(chunk)}`)

  test('are read, and read again when their row is touched, but embedded only when they changed', async () => {
    writeFileSync(join(folder, 'a.md'), '# Title\n\nwindlass')
    writeFileSync(join(folder, 'b.html'), '<h1>Head</h1><p>Some <b>text</b></p>')
    await db.rows('insert into document (uri) values ($1), ($2)', [`file://${folder}/a.md`, join(folder, 'b.html')])
    expect(await work()).toMatchObject({ embeddedRows: 2 })
    expect(await chunks()).toEqual(['/b.html # Head\n\nSome text', 'file:///a.md # Title\n\nwindlass'])
    await db.rows('update document set updated_at = now()')
    expect(await work()).toMatchObject({ unchangedRows: 2, chunksEmbedded: 0 })
    writeFileSync(join(folder, 'a.md'), '# Title\n\nbucket')
    await db.rows('update document set updated_at = now()')
    expect(await work()).toMatchObject({ unchangedRows: 1, embeddedRows: 1 })
    expect(await chunks()).toContain('file:///a.md # Title\n\nbucket')
  })

  test('that cannot be loaded are tried again later, and then set aside', async () => {
    await db.rows('insert into document (uri) values ($1)', [`file://${folder}/missing.md`])
    for (const attempt of [1, 2]) {
      expect(await work()).toMatchObject({ failedRows: 1 })
      const [queued] = await db.rows(`select loading_retries, extract(epoch from loading_retry_after - now())::int as seconds from ai._vectorizer_q_1`)
      expect(queued).toMatchObject({ loading_retries: attempt })
      expect(Math.abs((queued!.seconds as number) - 180 * attempt)).toBeLessThan(60)
      expect(await work()).toMatchObject({ taken: 0 })
      await db.rows('update ai._vectorizer_q_1 set loading_retry_after = now()')
    }
    expect(await work()).toMatchObject({ failedRows: 1 })
    expect(await db.rows('select failure_step from ai._vectorizer_q_failed_1')).toEqual([{ failure_step: 'loading' }])
    expect(await db.rows('select count(*)::int as n from ai._vectorizer_q_1')).toEqual([{ n: 0 }])
    expect(await db.rows(`select message, details->>'loader' as loader, (details->>'is_retryable')::boolean as is_retryable from ai.vectorizer_errors order by recorded`)).toEqual([
      { message: 'loading failed', loader: 'uri', is_retryable: true },
      { message: 'loading failed', loader: 'uri', is_retryable: true },
      { message: 'loading failed', loader: 'uri', is_retryable: false },
    ])
    writeFileSync(join(folder, 'missing.md'), 'here now')
    await db.rows('update document set updated_at = now()')
    expect(await work()).toMatchObject({ embeddedRows: 1 })
  })

  test.each([
    ['/etc/hostname', /below none of the folders/],
    ['file:///etc/hostname', /below none of the folders/],
    ['../outside.md', /below none of the folders/],
    ['https://169.254.169.254/latest/meta-data', /169\.254\.169\.254 is no host that is allowed: add it to allowHosts/],
    ['gs://bucket/key', /gs: is none of/],
    ['s3://bucket', /no s3:\/\/bucket\/key/],
  ])('%s is not read', async (uri, message) => {
    await db.rows('insert into document (uri) values ($1)', [uri])
    expect(await work()).toMatchObject({ failedRows: 1, embeddedRows: 0 })
    const [error] = await db.rows(`select details->>'error_reason' as reason from ai.vectorizer_errors`)
    expect(error!.reason).toMatch(message)
  })

  test('in a role are read as that role', async () => {
    const { MemoryStore } = await import('../../src/store/memory-store.ts')
    const store = new MemoryStore()
    await store.put('docs/ä b.md', new TextEncoder().encode('from the bucket'))
    await db.rows(`update ai.vectorizer set config = jsonb_set(config, '{loading,aws_role_arn}', '"arn:aws:iam::1:role/reader"')`)
    await db.rows(`insert into document (uri) values ('s3://acme/docs/ä b.md')`)
    const opened: unknown[] = []
    const uris: Partial<UriReaderOptions> = {
      storeSettings: { region: 'eu-west-1' },
      assumeRole: (role) => Promise.resolve({ accessKeyId: `key of ${role}` }),
      open: (bucket, settings) => {
        opened.push([bucket, settings])
        return Promise.resolve(store)
      },
    }
    expect(await work({}, uris)).toMatchObject({ embeddedRows: 1 })
    expect(opened).toEqual([['acme', { region: 'eu-west-1', accessKeyId: 'key of arn:aws:iam::1:role/reader' }]])
    expect(await chunks()).toEqual(['s3://acme/docs/ä b.md from the bucket'])
  })
})

describe('what goes wrong with one row', () => {
  test('a row that the target refuses is set aside, and the others are stored', async () => {
    await db.rows(`insert into blog (id, contents) values (1, 'good'), (2, 'bad'), (3, 'good')`)
    await create()
    await db.rows(`alter table blog_embedding_store add check (chunk <> 'bad')`)
    expect(await work()).toMatchObject({ embeddedRows: 2, failedRows: 1 })
    expect((await stored()).map(({ id }) => id)).toEqual([1, 3])
    expect(await db.rows('select id, failure_step from ai._vectorizer_q_failed_1')).toEqual([{ id: 2, failure_step: 'storing' }])
    expect(await pending()).toBe(0)
  })

  test('a template that asks for what is not there fails every row, and stops nothing else', async () => {
    await db.rows(`insert into blog (id, contents) values (1, 'a')`)
    await create(`, formatting => ai.formatting_python_template('$author $chunk')`)
    expect(await work()).toMatchObject({ failedRows: 1 })
    expect(await db.rows(`select message, details->>'error_reason' as reason from ai.vectorizer_errors`)).toEqual([{ message: 'formatting failed', reason: 'the template asks for $author, which is no column of the table' }])
  })

  test('a vectorizer with settings that nobody knows is told, and the others go on', async () => {
    await db.rows(`insert into blog (id, contents) values (1, 'a')`)
    await create()
    await db.rows(`select ai.create_vectorizer('blog'::regclass, name => 'second', loading => ai.loading_column('contents'), embedding => ai.embedding_windlass(), destination => ai.destination_table('second'))`)
    await db.rows(`update ai.vectorizer set config = jsonb_set(config, '{chunking,implementation}', '"semantic"') where id = 1`)
    const { report, error } = await worker().runOnce()
    expect(report).toMatchObject({ embeddedRows: 1 })
    expect(String(error)).toMatch(/vectorizer 1: chunking.implementation/)
  })
})

test('queues of newer versions of pgai, whose columns have other names, are worked off too', async () => {
  await db.rows('create table document (uri text primary key)')
  await db.rows(`select ai.create_vectorizer('document'::regclass, loading => ai.loading_uri('uri'), embedding => ai.embedding_windlass())`)
  await db.rows('alter table ai._vectorizer_q_1 rename column loading_retries to attempts; alter table ai._vectorizer_q_1 rename column loading_retry_after to retry_after')
  await db.rows('insert into document (uri) values ($1)', [join(folder, 'not there')])
  expect(await work()).toMatchObject({ failedRows: 1 })
  expect(await db.rows('select attempts, retry_after > now() as is_later from ai._vectorizer_q_1')).toEqual([{ attempts: 1, is_later: true }])
})

describe.skipIf(serverUrl === undefined)('several workers (WINDLASS_TEST_POSTGRES_URL)', () => {
  test('share a queue, and embed each row once', async () => {
    await db.rows(`insert into blog (id, contents) select i, 'text ' || i from generate_series(1, 400) i`)
    await create(`, processing => ai.processing_default(batch_size => 10, concurrency => 3)`)
    const reports = await Promise.all([work(), work(), work()])
    expect(reports.reduce((sum, { embeddedRows }) => sum + embeddedRows, 0)).toBe(400)
    expect(reports.filter(({ embeddedRows }) => embeddedRows > 0).length).toBeGreaterThan(1)
    expect(await stored()).toHaveLength(400)
  })

  /** The built-in model, before whose first answer something happens. */
  const interrupted = async (task: () => Promise<unknown>) => {
    const model = await loadStaticModel()
    let isDone = false
    const slow = {
      ...{ name: model.name, dimension: model.dimension, tokensMax: model.tokensMax },
      countTokens: (text: string) => model.countTokens(text),
      embed: async (texts: readonly string[]) => {
        if (!isDone) await task()
        isDone = true
        return model.embed(texts)
      },
    }
    return { loadStaticModel: () => Promise.resolve(slow) }
  }

  test('a row that is deleted while it is embedded leaves nothing behind', async () => {
    await create()
    await db.rows(`insert into blog (id, contents) values (1, 'a')`)
    await work(await interrupted(() => db.rows('delete from blog')))
    await work()
    expect([await stored(), await pending()]).toEqual([[], 0])
  })

  test('also where the triggers are those of pgai, which queue no deletion', async () => {
    await create()
    await db.rows(`insert into blog (id, contents) values (1, 'a')`)
    await db.rows('alter table blog disable trigger user')
    await work(await interrupted(() => db.rows('delete from blog')))
    expect([await stored(), await pending()]).toEqual([[], 0])
  })

  test('a row that changes while it is embedded is left to who has it, and done again after that', async () => {
    await create()
    await db.rows(`insert into blog (id, contents) values (1, 'first')`)
    const other: unknown[] = []
    const first = await work(await interrupted(async () => {
      await db.rows(`update blog set contents = 'second'`)
      other.push((await work()).taken)
    }))
    expect(other).toEqual([0])
    expect(first).toMatchObject({ taken: 2, embeddedRows: 2, failedRows: 0 })
    expect([await stored(), await pending()]).toEqual([[{ id: 1, chunk_seq: 0, chunk: 'second' }], 0])
  })
})

test('without the schema, it says what to run', async () => {
  await db.rows('drop schema ai cascade')
  await expect(worker().runOnce()).rejects.toThrow(/run windlass postgres install --pgai first/)
})
