import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { open } from '../../src/index.ts'
import type { Bucket } from '../../src/library/types.ts'
import type { VectorizerInput } from '../../src/vectorize/declaration/declaration.ts'
import { installChangeLog, uninstallChangeLog } from '../../src/vectorize/postgres/change-log.ts'
import { parseTableName } from '../../src/vectorize/postgres/identifiers.ts'
import { serverUrl, startTestDatabase, type TestDatabase } from './test-database.ts'

let db: TestDatabase
let bucket: Bucket
let folder: string
beforeAll(async () => {
  db = await startTestDatabase()
  folder = mkdtempSync(join(tmpdir(), 'windlass-postgres-'))
})
afterAll(async () => {
  await db.stop()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(async () => {
  await bucket?.close()
  await db.reset()
  // What was written just now is too fresh for its times to tell of every change.
  bucket = await open('memory:', { clock: { ...systemClock, now: () => systemClock.now() + 10_000 } })
})

const declaration = (source: Record<string, unknown> = {}): VectorizerInput => ({
  name: 'rows',
  source: { type: 'postgres', urlVariable: 'DB', table: 'notes', loading: { column: 'body' }, metadata: ['author', 'stars'], ...source } as VectorizerInput['source'],
  destinations: [{ type: 'collection', name: 'docs' }],
})
const vectorizer = (source?: Record<string, unknown>) => bucket.vectorizer(declaration(source), { environment: { DB: db.url }, folder })
const install = (columns = ['body', 'author', 'stars'], table = 'notes') => installChangeLog(db.database, { vectorizer: 'rows', table: parseTableName(table), columns })
const makeNotes = async () => {
  await db.rows('create table notes (id int primary key, author text, stars numeric, body text, seen int)')
  await db.rows(`insert into notes (id, author, stars, body) select i, 'author ' || i % 3, i, 'note number ' || i from generate_series(1, 5) i`)
}
const found = async (text: string) => (await (await bucket.collection('docs')).search(text, { k: 1 }))[0]
const paths = async () => {
  const { rows } = await (await bucket.collection('docs')).list({ limit: 1000, include: { metadata: true } })
  return [...new Set(rows.map(({ metadata }) => String(metadata!.source)))].sort()
}

describe('rows of a table', () => {
  beforeEach(makeNotes)

  test('are documents by their key, with columns as metadata', async () => {
    expect(await vectorizer().run()).toMatchObject({ new: 5, failed: 0 })
    expect(await found('note number 3')).toMatchObject({ source: '3', text: 'note number 3', metadata: { author: 'author 0', stars: 3 } })
    expect(await vectorizer().run()).toMatchObject({ unchanged: 5, bytesRead: 0 })
  })

  test('that were touched are read, and embed nothing', async () => {
    await vectorizer().run()
    await db.rows('update notes set seen = 1 where id < 3')
    expect(await vectorizer().run()).toMatchObject({ changed: 0, unchanged: 5, chunksEmbedded: 0 })
    expect(await vectorizer().run()).toMatchObject({ unchanged: 5, bytesRead: 0 })
  })

  test('whose metadata changed are stored again, and embed nothing', async () => {
    await vectorizer().run()
    await db.rows(`update notes set author = 'somebody' where id = 3`)
    expect(await vectorizer().run()).toMatchObject({ changed: 1, chunksEmbedded: 0, chunksReused: 1 })
    expect(await found('note number 3')).toMatchObject({ source: '3', metadata: { author: 'somebody' } })
  })

  test('that are gone are removed', async () => {
    await vectorizer().run()
    await db.rows('delete from notes where id <= 2')
    expect(await vectorizer().run()).toMatchObject({ removed: 2 })
    expect(await paths()).toEqual(['3', '4', '5'])
  })

  test('a table that is not there, or a column, ends the run: nothing is removed', async () => {
    await vectorizer().run()
    await db.rows('alter table notes rename to gone')
    await expect(vectorizer().run()).rejects.toThrow(/there is no table "public"."notes"/)
    await db.rows('alter table gone rename to notes; alter table notes rename body to text')
    await expect(vectorizer().run()).rejects.toThrow(/has no column "body": it has id, author, stars, text, seen/)
    expect(await paths()).toHaveLength(5)
  })
})

test('pages go through all of a table, whatever its key', async () => {
  await db.rows('create table notes ("Part A" text, b timestamptz, body text, author text, stars int, primary key (b, "Part A"))')
  await db.rows(`insert into notes select 'a/' || i % 7, timestamptz '2024-01-01' + i / 7 * interval '1 day', 'text ' || i from generate_series(0, 2499) i`)
  expect(await vectorizer().preview()).toMatchObject({ pending: { length: 2500 } })
  const { pending } = await vectorizer().preview()
  expect(new Set(pending).size).toBe(2500)
  expect(pending[0]).toMatch(/^2024-01-01 00:00:00.*\/a%2F0$/)
  await db.rows(`delete from notes where b >= '2024-01-02'`)
  expect(await vectorizer().run()).toMatchObject({ new: 7, failed: 0 })
})

describe('with a log of changes', () => {
  beforeEach(async () => {
    await makeNotes()
    await install()
  })

  test('a run after the first reads only what changed', async () => {
    expect(await vectorizer().run()).toMatchObject({ new: 5 })
    expect(await vectorizer().run()).toMatchObject({ new: 0, unchanged: 0 })
    await db.rows(`insert into notes values (6, 'a', 1, 'a sixth'); update notes set body = 'a changed one' where id = 1; delete from notes where id = 2; update notes set id = 30 where id = 3; update notes set seen = 5`)
    expect(await vectorizer().run()).toMatchObject({ new: 1, changed: 1, renamed: 1, removed: 2, unchanged: 0 })
    expect(await paths()).toEqual(['1', '30', '4', '5', '6'])
    expect(await vectorizer().run()).toMatchObject({ new: 0, changed: 0, removed: 0, unchanged: 0 })
  })

  test('what was read is forgotten, and what was not is kept', async () => {
    const logged = async () => (await db.rows('select count(*)::int as n from windlass.changes'))[0]!.n
    await vectorizer().run()
    await db.rows(`update notes set body = 'x' where id = 1`)
    expect(await logged()).toBe(1)
    await vectorizer().run()
    await vectorizer().run()
    expect(await logged()).toBe(0)
  })

  test('a truncated table is listed whole', async () => {
    await vectorizer().run()
    await db.rows(`truncate notes; insert into notes values (9, 'a', 1, 'only this one')`)
    expect(await vectorizer().run()).toMatchObject({ new: 1, removed: 5 })
    expect(await paths()).toEqual(['9'])
  })

  test('a table whose triggers do not run, or were made anew, is listed whole', async () => {
    await vectorizer().run()
    await db.rows(`alter table notes disable trigger user; update notes set body = 'changed behind its back' where id = 1`)
    expect(await vectorizer().run()).toMatchObject({ changed: 1, unchanged: 4 })
    await db.rows('alter table notes enable trigger user')
    await vectorizer().run()
    await uninstallChangeLog(db.database, 'rows')
    await db.rows(`update notes set body = 'changed meanwhile' where id = 2`)
    await install()
    expect(await vectorizer().run()).toMatchObject({ changed: 1, unchanged: 4 })
  })

  test('a state that is older than what was forgotten lists all', async () => {
    await vectorizer().run()
    await db.rows(`update windlass.change_logs set pruned_before = (pruned_before::text::bigint + 1000000)::text::xid8; update notes set body = 'changed' where id = 1; delete from windlass.changes`)
    expect(await vectorizer().run()).toMatchObject({ changed: 1, unchanged: 4 })
  })

  test('failures are tried again although their rows did not change', async () => {
    await db.rows('drop table notes')
    await db.rows('create table notes (id int primary key, author text, stars int, body bytea)')
    await install()
    await db.rows(`insert into notes values (1, 'a', 1, '\\x89504e470d0a1a0a'), (2, 'b', 2, 'text')`)
    expect(await vectorizer().run()).toMatchObject({ new: 1, failed: 1 })
    await bucket.vectorizer(declaration(), { environment: { DB: db.url } }).retry()
    expect(await vectorizer().run()).toMatchObject({ failed: 1 })
  })

  test('uninstalling leaves nothing', async () => {
    expect(await uninstallChangeLog(db.database, 'rows')).toBe(true)
    expect(await uninstallChangeLog(db.database, 'rows')).toBe(false)
    expect(await db.rows(`select (select count(*)::int from windlass.changes) as changes, (select count(*)::int from pg_trigger where not tgisinternal) as triggers`)).toEqual([{ changes: 0, triggers: 0 }])
  })

  test.skipIf(serverUrl === undefined)('what commits late is not lost (WINDLASS_TEST_POSTGRES_URL)', async () => {
    await vectorizer().run()
    await db.database.transaction(async (late) => {
      await late.query(`update notes set body = 'committed late' where id = 1`)
      await db.rows(`update notes set body = 'committed early' where id = 2`)
      expect(await vectorizer().run()).toMatchObject({ changed: 1 })
    })
    expect(await vectorizer().run()).toMatchObject({ changed: 1 })
    expect(await found('committed late')).toMatchObject({ source: '1' })
  })

  test.skipIf(serverUrl === undefined)('a role that may only read suffices (WINDLASS_TEST_POSTGRES_URL)', async () => {
    await db.rows(`do $$ begin create role windlass_reader login; exception when duplicate_object or unique_violation then null; end $$`)
    await db.rows('grant usage on schema windlass to windlass_reader; grant select on notes, windlass.change_logs, windlass.changes to windlass_reader')
    const url = new URL(db.url)
    url.username = 'windlass_reader'
    const reader = () => bucket.vectorizer(declaration(), { environment: { DB: url.href } })
    expect(await reader().run()).toMatchObject({ new: 5 })
    await db.rows(`update notes set body = 'changed' where id = 1`)
    expect(await reader().run()).toMatchObject({ changed: 1, unchanged: 0 })
    expect(await reader().run()).toMatchObject({ changed: 0, failed: 0 })
  })
})

describe('URIs in a table', () => {
  const source = { table: 'files', loading: { uri: 'uri', roots: ['.'] }, metadata: ['title'] }
  beforeEach(async () => {
    await db.rows('create table files (id int primary key, uri text, title text, updated_at timestamptz default now())')
    writeFileSync(join(folder, 'a.md'), '# Windlass\n\nIt lifts buckets.')
    writeFileSync(join(folder, 'b.csv'), 'fruit,colour\napple,red\n')
    await db.rows(`insert into files values (1, 'a.md', 'First'), (2, $1, 'Second')`, [`file://${folder}/b.csv`])
  })

  test('are read by what they are, also where the key has no extension', async () => {
    expect(await vectorizer(source).run()).toMatchObject({ new: 2, failed: 0 })
    expect(await found('lifts buckets')).toMatchObject({ source: '1', title: 'First' })
    expect((await found('apple'))!.text).toMatch(/colour: red/)
  })

  test('with a log, only touched rows are asked for, and unchanged files not read', async () => {
    await installChangeLog(db.database, { vectorizer: 'rows', table: parseTableName('files'), columns: [] })
    await vectorizer(source).run()
    await db.rows('update files set updated_at = now() where id = 1')
    expect(await vectorizer(source).run()).toMatchObject({ changed: 0, unchanged: 1, chunksEmbedded: 0 })
    writeFileSync(join(folder, 'a.md'), '# Windlass\n\nIt draws water.')
    await db.rows(`update files set updated_at = now() where id = 1; update files set title = 'Third' where id = 2`)
    expect(await vectorizer(source).run()).toMatchObject({ changed: 2, chunksReused: 1 })
    expect(await found('apple')).toMatchObject({ title: 'Third' })
  })

  test('that lead to what was not opened fail alone', async () => {
    await db.rows(`insert into files values (3, '/etc/hostname', 'x'), (4, 'https://example.com/a', 'y'), (5, null, 'z')`)
    const { failures, new: added } = await vectorizer(source).run()
    expect(added).toBe(2)
    expect(failures.map(({ path, message }) => `${path} ${message}`).sort()).toEqual([
      expect.stringMatching(/^3 .*below none of the folders in roots/) as string,
      expect.stringMatching(/^4 .*example\.com is no host that is allowed/) as string,
      expect.stringMatching(/^5 .*the column uri is null/) as string,
    ])
  })
})

test('a pgvector table is a destination like any other', async () => {
  await makeNotes()
  const input = { ...declaration(), destinations: [{ type: 'pgvector' as const, urlVariable: 'DB', table: 'passages', documents: { table: 'document', prefix: 'pg://notes/' } }] }
  const run = () => bucket.vectorizer(input, { environment: { DB: db.url } }).run()
  expect(await run()).toMatchObject({ new: 5, failures: [] })
  await db.rows(`update notes set body = 'changed' where id = 1; delete from notes where id = 2`)
  expect(await run()).toMatchObject({ changed: 1, removed: 1, unchanged: 3 })
  expect(await db.rows('select path, chunk from passages order by path')).toMatchObject([{ path: '1', chunk: 'changed' }, { path: '3' }, { path: '4' }, { path: '5' }])
  expect(await db.rows('select uri, title from document order by uri')).toHaveLength(4)
})

test.each([
  [{ urlVariable: 'NOT_SET' }, /the environment variable NOT_SET is not set/],
  [{ table: 'a.b.c' }, /"a\.b\.c" is no name of a table/],
  [{ loading: { column: 'a', uri: 'b' } }, /column or uri, one of the two/],
])('%j is refused', async (source, message) => {
  await expect(async () => vectorizer(source).run()).rejects.toThrow(message)
})
