import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { killAll, runBeside } from '../process/processes.ts'
import { startTestDatabase, type TestDatabase } from './test-database.ts'

let db: TestDatabase
let folder: string
let config: string
beforeAll(async () => {
  db = await startTestDatabase()
  folder = mkdtempSync(join(tmpdir(), 'windlass-postgres-'))
  config = join(folder, 'windlass.yaml')
  writeFileSync(
    config,
    `version: 1
bucket: file:${folder}/bucket
vectorizers:
  - name: notes
    source: { type: postgres, urlVariable: DB, table: notes, loading: { column: body } }
    destinations: [{ type: pgvector, urlVariable: DB, table: passages }]
`,
  )
  await db.rows(`create table notes (id int primary key, body text); insert into notes values (1, 'apples are red'), (2, 'pears are green')`)
})
afterAll(async () => {
  killAll()
  await db.stop()
  rmSync(folder, { recursive: true, force: true })
})

const windlass = (...args: string[]) => runBeside(args, { DB: db.url, WINDLASS_POSTGRES_URL: '', PGAI_VECTORIZER_WORKER_DB_URL: '', DATABASE_URL: '' })

test('install, vectorize and uninstall for a declared table', async () => {
  expect(await windlass('postgres', 'install', 'notes', '--config', config)).toMatchObject({ status: 0, stdout: expect.stringMatching(/notes its changes/) as string })
  expect((await windlass('vectorize', '--config', config)).stdout).toMatch(/notes: 2 new/)
  await db.rows(`update notes set body = 'plums are blue' where id = 2`)
  expect((await windlass('vectorize', '--config', config)).stdout).toMatch(/notes: 0 new, 1 changed, 0 renamed, 0 unchanged/)
  expect(await db.rows('select chunk from passages order by path')).toEqual([{ chunk: 'apples are red' }, { chunk: 'plums are blue' }])
  expect((await windlass('postgres', 'uninstall', 'notes', '--config', config)).stdout).toMatch(/triggers and log are gone/)
})

test("install --pgai, worker and uninstall --pgai for pgai's vectorizers", async () => {
  expect((await windlass('postgres', 'install', '--pgai', '--url-variable', 'DB')).stdout).toMatch(/schema ai is installed/)
  await db.rows(`select ai.create_vectorizer('notes'::regclass, loading => ai.loading_column('body'), embedding => ai.embedding_windlass())`)
  expect(await windlass('postgres', 'worker', '--once', '--url-variable', 'DB')).toMatchObject({ status: 0, stdout: expect.stringMatching(/2 rows embedded, 0 unchanged, 0 removed, 0 failed/) as string })
  expect(await db.rows('select chunk from notes_embedding order by id')).toEqual([{ chunk: 'apples are red' }, { chunk: 'plums are blue' }])
  expect((await windlass('postgres', 'uninstall', '--pgai', '--drop-all', '--url-variable', 'DB')).stdout).toMatch(/schema ai is gone, and the tables of embeddings with it/)
  expect(await db.rows(`select to_regclass('notes_embedding_store') is null as gone`)).toEqual([{ gone: true }])
})

test.each([
  [['postgres', 'install'], 2, /name a vectorizer of windlass.yaml, or give --pgai/],
  [['postgres', 'worker', '--once'], 2, /address of Postgres is not set: put postgresql:.* into WINDLASS_POSTGRES_URL, or PGAI_VECTORIZER_WORKER_DB_URL, or DATABASE_URL/],
  [['postgres', 'worker', '--once', '--url-variable', 'DB'], 4, /has no vectorizers: run windlass postgres install --pgai first/],
])('%j says what is missing', async (args, status, message) => {
  const result = await windlass(...args)
  expect(result.status).toBe(status)
  expect(result.stderr).toMatch(message)
  expect(result.stderr).not.toMatch(/password@127/)
})
