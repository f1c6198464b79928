import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { installPgai, uninstallPgai } from '../../src/vectorize/postgres/pgai/install-pgai.ts'
import { documentedArguments, documentedManagement, documentedTables, documentedVectorizers } from './pgai-documentation.ts'
import { startTestDatabase, type TestDatabase } from './test-database.ts'

let db: TestDatabase
beforeAll(async () => {
  db = await startTestDatabase()
  // Roles belong to the server, which other test files may share.
  for (const role of ['alice', 'bob']) await db.rows(`do $$ begin create role ${role}; exception when duplicate_object or unique_violation then null; end $$`)
})
afterAll(() => db.stop())

async function start(): Promise<void> {
  await db.reset()
  await installPgai(db.database)
  for (const statement of documentedTables) await db.rows(statement)
}

/** What `task` does is taken back: cheaper than a new database. */
async function trying<Value>(task: (rows: TestDatabase['rows']) => Promise<Value>): Promise<Value> {
  let outcome: { value: Value } | undefined
  const done = new Error('take it back')
  await db.database
    .transaction(async (sql) => {
      outcome = { value: await task((text, values) => sql.query(text, values)) }
      throw done
    })
    .catch((error: unknown) => {
      if (error !== done) throw error
    })
  return outcome!.value
}

describe('the SQL of the documentation runs as it is', () => {
  beforeAll(start)

  test.each(documentedVectorizers)('%s', (statement) =>
    trying(async (rows) => {
      expect(await rows(statement)).toEqual([{ create_vectorizer: expect.any(Number) }])
      expect(await rows('select disabled from ai.vectorizer_status')).toEqual([{ disabled: false }])
    }),
  )

  test.each(documentedArguments)('%s', (argument) => trying(async (rows) => {
    const needed = [`loading => ai.loading_column('contents')`, `embedding => ai.embedding_openai('text-embedding-3-small', 768)`].filter((each) => !argument.startsWith(each.split(' ')[0]!))
    const stage = argument.split(' ')[0]!
    await rows(`SELECT ai.create_vectorizer('my_table'::regclass, ${[argument, ...needed].join(', ')})`)
    const [row] = await rows(`select config->$1->>'config_type' as type from ai.vectorizer`, [stage])
    expect(row).toEqual({ type: stage === 'grant_to' ? null : stage })
  }))

  test('and what manages a vectorizer', async () => {
    await start()
    await db.rows(documentedVectorizers[1]!)
    for (const statement of documentedManagement) await db.rows(statement)
    expect(await db.rows('select id from ai.vectorizer')).toEqual([])
    expect(await db.rows(`select to_regclass('blog_contents_embeddings_store') is not null as store, to_regclass('ai._vectorizer_q_1') is null as queue`)).toEqual([{ store: true, queue: true }])
    await db.rows(`insert into blog (title) values ('no trigger is left')`)
  })
})

describe('create_vectorizer', () => {
  beforeEach(start)
  const create = (more: string) =>
    db.rows(`select ai.create_vectorizer('blog'::regclass, ${more}, loading => ai.loading_column('contents'), embedding => ai.embedding_windlass())`)

  test('writes what pgai writes', async () => {
    await db.rows(`select ai.create_vectorizer('blog'::regclass, loading => ai.loading_uri('contents', aws_role_arn => 'arn:aws:iam::1:role/r'), embedding => ai.embedding_openai('m', 3, chat_user => 'u'))`)
    const [row] = await db.rows('select * from ai.vectorizer')
    expect(row).toMatchObject({
      id: 1,
      source_schema: 'public',
      source_table: 'blog',
      source_pk: [{ attnum: 1, pknum: 1, attname: 'id', typname: 'integer' }],
      trigger_name: '_vectorizer_src_trg_1',
      queue_schema: 'ai',
      queue_table: '_vectorizer_q_1',
      queue_failed_table: '_vectorizer_q_failed_1',
      name: 'public_blog_embedding_store',
    })
    const { config } = row as { config: Record<string, unknown> }
    expect(config.loading).toEqual({ implementation: 'uri', config_type: 'loading', column_name: 'contents', retries: 6, aws_role_arn: 'arn:aws:iam::1:role/r' })
    expect(config.embedding).toEqual({ implementation: 'openai', config_type: 'embedding', model: 'm', dimensions: 3, user: 'u', api_key_name: 'OPENAI_API_KEY' })
    expect(config.destination).toEqual({ implementation: 'table', config_type: 'destination', target_schema: 'public', target_table: 'blog_embedding_store', view_schema: 'public', view_name: 'blog_embedding' })
    expect(config.chunking).toEqual({ implementation: 'recursive_character_text_splitter', config_type: 'chunking', chunk_size: 800, chunk_overlap: 400, separators: ['\n\n', '\n', '.', '?', '!', ' ', ''], is_separator_regex: false })
    expect([config.indexing, config.scheduling, config.parsing]).toMatchObject([{ implementation: 'none' }, { implementation: 'none' }, { implementation: 'auto' }])
    const columns = await db.rows(`select table_name, column_name, data_type from information_schema.columns where table_name in ('blog_embedding_store', '_vectorizer_q_1', '_vectorizer_q_failed_1') order by table_name, ordinal_position`)
    expect(columns.map(({ table_name, column_name, data_type }) => `${String(table_name)}.${String(column_name)} ${String(data_type)}`)).toEqual([
      '_vectorizer_q_1.id integer',
      '_vectorizer_q_1.queued_at timestamp with time zone',
      '_vectorizer_q_1.loading_retries integer',
      '_vectorizer_q_1.loading_retry_after timestamp with time zone',
      '_vectorizer_q_failed_1.id integer',
      '_vectorizer_q_failed_1.created_at timestamp with time zone',
      '_vectorizer_q_failed_1.failure_step text',
      'blog_embedding_store.embedding_uuid uuid',
      'blog_embedding_store.id integer',
      'blog_embedding_store.chunk_seq integer',
      'blog_embedding_store.chunk text',
      'blog_embedding_store.embedding USER-DEFINED',
    ])
    const view = await db.rows(`select column_name from information_schema.columns where table_name = 'blog_embedding' order by ordinal_position`)
    expect(view.map(({ column_name }) => column_name)).toEqual(['embedding_uuid', 'chunk_seq', 'chunk', 'embedding', 'id', 'title', 'authors', 'contents', 'metadata'])
  })

  test('queues what is there, unless it is told not to', async () => {
    await create(`name => 'first'`)
    await create(`name => 'second', destination => ai.destination_table('other'), enqueue_existing => false`)
    expect(await db.rows(`select ai.vectorizer_queue_pending('first') as first, ai.vectorizer_queue_pending('second') as second`)).toEqual([{ first: '2', second: '0' }])
  })

  test('a name that is taken is an error, or the vectorizer that has it', async () => {
    await create(`name => 'a'`)
    await expect(create(`name => 'a'`)).rejects.toThrow('a vectorizer named a already exists.')
    expect(await create(`name => 'a', if_not_exists => true`)).toEqual([{ create_vectorizer: 1 }])
    await expect(create(`name => 'b'`)).rejects.toThrow('an object named public.blog_embedding already exists. specify an alternate destination or view_name explicitly')
    await expect(create(`name => 'Not good', destination => ai.destination_table('x')`)).rejects.toThrow(/check constraint/)
  })

  test('roles are granted what they need, and those that are not there are told', async () => {
    await create(`grant_to => ai.grant_to('alice', 'nobody_of_that_name')`)
    const can = await db.rows(
      `select has_table_privilege('alice', 'blog', 'select') as source, has_table_privilege('alice', 'blog_embedding_store', 'insert') as store,
         has_table_privilege('alice', 'blog_embedding', 'select') as view, has_table_privilege('alice', 'ai._vectorizer_q_1', 'delete') as queue,
         has_table_privilege('alice', 'ai.vectorizer', 'select') as catalogue, has_table_privilege('bob', 'blog_embedding_store', 'select') as other`,
    )
    expect(can).toEqual([{ source: true, store: true, view: true, queue: true, catalogue: true, other: false }])
  })

})

describe('create_vectorizer refuses', () => {
  beforeAll(start)

  test.each([
    [`loading => ai.loading_column('contents')`, 'embedding configuration is required'],
    [`embedding => ai.embedding_openai('m', 3)`, 'loading configuration is required'],
    [`loading => ai.loading_column('contents'), embedding => '{"config_type":"embedding","implementation":"openai"}'`, 'dimensions argument is required'],
    [`loading => ai.loading_column('nothing'), embedding => ai.embedding_windlass()`, 'column_name in config does not exist in the table: nothing'],
    [`loading => ai.loading_column('metadata'), embedding => ai.embedding_windlass()`, 'column_name metadata in config is of invalid type jsonb. Supported types are: text, varchar, char, bpchar, bytea'],
    [`loading => ai.loading_uri('contents', retries => -1), embedding => ai.embedding_windlass()`, 'invalid loading config, retries must be a non-negative integer'],
    [`loading => ai.loading_uri('contents', aws_role_arn => 'role'), embedding => ai.embedding_windlass()`, 'invalid loading config, aws_role_arn must match arn:aws:iam::*:role/*'],
    [`loading => ai.loading_column('contents'), embedding => ai.embedding_windlass(), parsing => ai.parsing_docling()`, 'parsing_docling must be used with a bytea column'],
    [`loading => ai.loading_column('contents'), embedding => ai.embedding_windlass(), formatting => ai.formatting_python_template('no place')`, 'template must contain $chunk placeholder'],
    [`loading => ai.loading_column('contents'), embedding => ai.embedding_windlass(), destination => ai.destination_column('v')`, 'chunking must be none for column destination'],
    [`loading => ai.loading_column('contents'), embedding => ai.embedding_windlass(), processing => ai.processing_default(batch_size => 5000)`, 'batch_size must be less than or equal to 2048'],
    [`loading => ai.loading_column('contents'), embedding => ai.embedding_windlass(), processing => ai.processing_default(concurrency => 0)`, 'concurrency must be greater than 0'],
    [`loading => ai.loading_column('contents'), embedding => ai.embedding_windlass(), indexing => ai.indexing_hnsw(opclass => 'x')`, 'invalid opclass'],
    [`loading => ai.loading_column('contents'), embedding => ai.embedding_windlass(), chunking => ai.parsing_none()`, 'invalid config_type for chunking config'],
    [`loading => ai.loading_column('contents'), embedding => '{"config_type":"embedding","implementation":"mine","dimensions":3}'`, 'invalid embedding implementation: "mine"'],
  ])('%s', async (stages, message) => {
    await expect(db.rows(`select ai.create_vectorizer('blog'::regclass, ${stages})`)).rejects.toThrow(message)
    expect(await db.rows('select id from ai.vectorizer')).toEqual([])
  })

  test('a table without a primary key', async () => {
    await db.rows('create table loose (contents text)')
    await expect(db.rows(`select ai.create_vectorizer('loose'::regclass, loading => ai.loading_column('contents'), embedding => ai.embedding_windlass())`)).rejects.toThrow('source table must have a primary key constraint')
  })
})

describe('triggers', () => {
  const pending = async () => (await db.rows('select ai.vectorizer_queue_pending(1, true)::int as n'))[0]!.n

  beforeEach(async () => {
    await start()
    await db.rows('create table "Odd ""Names""" ("Part A" text, b int, body text, seen int, primary key (b, "Part A"))')
    await db.rows(`select ai.create_vectorizer('"Odd ""Names"""'::regclass, name => 'odd', loading => ai.loading_column('body'), embedding => ai.embedding_windlass(), destination => ai.destination_table('odd'))`)
  })

  test('queue what is inserted and changed, by all columns of its key', async () => {
    await db.rows(`insert into "Odd ""Names""" values ('x', 1, 'text'), ('y', 1, 'text')`)
    expect(await db.rows('select "Part A", b from ai._vectorizer_q_1 order by 1')).toEqual([{ 'Part A': 'x', b: 1 }, { 'Part A': 'y', b: 1 }])
    await db.rows(`update "Odd ""Names""" set body = body`)
    expect(await pending()).toBe(2)
    await db.rows(`update "Odd ""Names""" set seen = 1 where "Part A" = 'x'`)
    expect(await pending()).toBe(3)
  })

  test('take chunks away with their row, also when its key changes or all are', async () => {
    const vector = `('[' || repeat('0,', 383) || '1]')::vector`
    const stored = () => db.rows('select "Part A", b from odd_store order by 1, 2')
    const store = (a: string, b: number) => db.rows(`insert into odd_store ("Part A", b, chunk_seq, chunk, embedding) values ('${a}', ${b}, 0, 'text', ${vector})`)
    await db.rows(`insert into "Odd ""Names""" values ('x', 1, 'text'), ('y', 1, 'text'), ('z', 1, 'text')`)
    for (const part of ['x', 'y', 'z']) await store(part, 1)
    await db.rows(`delete from "Odd ""Names""" where "Part A" = 'x'`)
    expect(await stored()).toEqual([{ 'Part A': 'y', b: 1 }, { 'Part A': 'z', b: 1 }])
    await db.rows(`update "Odd ""Names""" set b = 2 where "Part A" = 'y'`)
    expect(await stored()).toEqual([{ 'Part A': 'z', b: 1 }])
    expect(await db.rows(`select "Part A", b from ai._vectorizer_q_1 where "Part A" = 'y' and b = 2`)).toHaveLength(1)
    await db.rows('truncate "Odd ""Names"""')
    expect([await stored(), await pending()]).toEqual([[], 0])
  })
})

test('installing again changes nothing, and uninstalling leaves the tables of the user', async () => {
  await start()
  await db.rows(documentedVectorizers[1]!)
  expect(await installPgai(db.database)).toBe('windlass')
  expect(await db.rows('select count(*)::int as n from ai.vectorizer')).toEqual([{ n: 1 }])
  await uninstallPgai(db.database)
  expect(await db.rows(`select to_regnamespace('ai') is null as gone, to_regclass('blog_contents_embeddings_store') is not null as kept, (select count(*)::int from blog) as rows`)).toEqual([{ gone: true, kept: true, rows: 2 }])
  await db.rows(`insert into blog (title) values ('no trigger is left')`)
})
