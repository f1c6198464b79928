import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { installPgai } from '../../src/vectorize/postgres/pgai/install-pgai.ts'
import { serverUrl, startTestDatabase, type TestDatabase } from './test-database.ts'

/** A command that kills the server with SIGKILL and starts it again. */
const restart = process.env.WINDLASS_TEST_POSTGRES_RESTART
const rounds = Number(process.env.WINDLASS_KILL_ROUNDS ?? 5)
const main = join(import.meta.dirname, '../../src/cli/main.ts')
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe.skipIf(serverUrl === undefined || restart === undefined)('kill -9 (WINDLASS_TEST_POSTGRES_URL, WINDLASS_TEST_POSTGRES_RESTART)', () => {
  let db: TestDatabase
  const workers: ChildProcess[] = []
  beforeAll(async () => {
    db = await startTestDatabase()
    await installPgai(db.database)
  })
  afterAll(async () => {
    for (const worker of workers) worker.kill('SIGKILL')
    await db.stop()
  })

  const environment = () => ({ ...process.env, WINDLASS_POSTGRES_URL: db.url })
  const start = () => {
    const worker = spawn(process.execPath, ['--import', 'tsx', main, 'postgres', 'worker', '--poll-interval', '100ms', '-c', '2'], { env: environment(), stdio: 'ignore' })
    workers.push(worker)
    return worker
  }
  /** As a user's program: what fails because the server is gone is tried again, or not. */
  const change = (text: string, values: readonly unknown[] = []) => db.rows(text, values).catch(() => undefined)

  test(`workers and Postgres, ${rounds} times: the end is right, nothing is lost, nothing is stuck`, { timeout: 120_000 + rounds * 20_000 }, async () => {
    const random = seededRandom(rounds)
    const below = (limit: number) => Math.floor(random.next() * limit)
    await db.rows('create table blog (id int, part text, contents text, primary key (part, id))')
    await db.rows(`insert into blog select i, 'p' || i % 3, 'text ' || i || E'\\n\\nsecond part of ' || i from generate_series(1, 500) i`)
    await db.rows(`select ai.create_vectorizer('blog'::regclass, name => 'blog', loading => ai.loading_column('contents'), embedding => ai.embedding_windlass(), chunking => ai.chunking_character_text_splitter(20, 0), processing => ai.processing_default(batch_size => 10))`)
    for (let round = 0; round < rounds; round++) {
      const alive = [start(), start()]
      await pause(1500)
      const until = performance.now() + 1500
      while (performance.now() < until) {
        const id = 1 + below(700)
        const key = [`p${id % 3}`, id]
        if (below(5) === 0) await change('delete from blog where part = $1 and id = $2', key)
        else await change(`insert into blog (part, id, contents) values ($1, $2, $3) on conflict (part, id) do update set contents = excluded.contents`, [...key, `round ${round} of ${id} ${below(1000)}\n\nand more ${below(10)}`])
        await pause(below(10))
      }
      alive[0]!.kill('SIGKILL')
      if (round % 2 === 0) await promisify(execFile)(restart!)
      await pause(below(1000))
      alive[1]!.kill('SIGKILL')
    }
    // Workers came so far that they were killed in the middle of something.
    const [progress] = await db.rows('select success_count::int as rows from ai.vectorizer_worker_progress')
    expect(progress!.rows).toBeGreaterThan(100)
    for (let attempt = 0; attempt < 5; attempt++) {
      await promisify(execFile)(process.execPath, ['--import', 'tsx', main, 'postgres', 'worker', '--once'], { env: environment() })
      if ((await db.rows('select from ai._vectorizer_q_1 limit 1')).length === 0) break
      // A server that was killed notices late which of its clients are dead, and holds on to what they had locked.
      await pause(1000)
    }
    const expected = await db.rows(`select id, part, regexp_split_to_array(contents, E'\\n\\n') as texts from blog order by part, id`)
    const found = await db.rows('select id, part, array_agg(chunk order by chunk_seq) as texts from blog_embedding_store group by part, id order by part, id')
    expect(found).toEqual(expected)
    expect(expected.length).toBeGreaterThan(300)
    expect(await db.rows('select (select count(*)::int from ai._vectorizer_q_1) as queued, (select count(*)::int from ai._vectorizer_q_failed_1) as failed')).toEqual([{ queued: 0, failed: 0 }])
  })
})
