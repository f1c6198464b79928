// kill -9 of `serve` and `index` at random moments, over and over on one bucket: every acknowledged write is there, nothing twice.
// On a directory; on the S3 server that WINDLASS_TEST_S3_BUCKET names, where one is (.ci/run). WINDLASS_KILL_ROUNDS says how often.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { exited, killAll, listAll, post, run, start, startServer, wait } from './processes.ts'

const rounds = Number(process.env.WINDLASS_KILL_ROUNDS ?? 4)
const bucketUrl = process.env.WINDLASS_TEST_S3_BUCKET
const scratch = mkdtempSync(join(tmpdir(), 'windlass-kill-'))
afterAll(() => {
  killAll()
  rmSync(scratch, { recursive: true, force: true })
})

const place = bucketUrl ? (process.env.WINDLASS_TEST_S3_NAME ?? 'S3') : 'a directory'
const newBucket = () => (bucketUrl ? `${bucketUrl}/kill-${process.pid}-${Date.now()}` : `file:${join(scratch, `bucket-${Date.now()}`)}`)
const textOf = (i: number) => `# File ${i}\n\nThis is text number ${i} about topic ${i % 7}.\n\n## Part\n\nMore of ${i}.\n`

function expectVerified(bucket: string, collection: string): void {
  const { status, stdout, stderr } = run(['verify', collection, '--bucket', bucket])
  expect(stdout + stderr).toContain(' 0 problems')
  expect(status).toBe(0)
}

describe(`on ${place}`, () => {
  test(`serve, killed ${rounds} times while two clients write`, { timeout: 60_000 + rounds * 20_000 }, async () => {
    const bucket = newBucket()
    const acknowledged = new Set<string>()
    for (let round = 0; round <= rounds; round++) {
      const { child, url } = await startServer(bucket)
      if (round === 0) expect((await post(`${url}/v1/collections`, { name: 'c' })).status).toBe(201)
      const listed = (await listAll<{ key: string }>(`${url}/v1/collections/c/records`, 'records')).map(({ key }) => key)
      const present = new Set(listed)
      expect(present.size, 'nothing twice').toBe(listed.length)
      expect([...acknowledged].filter((key) => !present.has(key)), 'nothing acknowledged is lost').toEqual([])
      if (round === rounds) {
        child.kill('SIGTERM')
        await exited(child)
        expect(child.exitCode).toBe(0)
        break
      }
      let running = true
      const client = async (name: string) => {
        for (let i = 0; running; i++) {
          const records = Array.from({ length: 1 + (i % 4) }, (_, j) => ({ key: `${round}-${name}-${i}-${j}`, vector: [i, j, 1], document: `record ${i}` }))
          const ok = await post(`${url}/v1/collections/c/records`, { records }).then(
            async (response) => (await response.text(), response.ok),
            () => false,
          )
          if (ok) for (const { key } of records) acknowledged.add(key)
        }
      }
      const clients = ['x', 'y'].map(client)
      await wait(100 + Math.random() * 1200)
      child.kill('SIGKILL')
      await exited(child)
      running = false
      await Promise.all(clients)
    }
    expect(acknowledged.size).toBeGreaterThan(rounds)
    expectVerified(bucket, 'c')
  })

  test(`index, killed ${rounds} times, then run to its end`, { timeout: 60_000 + rounds * 20_000 }, async () => {
    const bucket = newBucket()
    const folder = join(scratch, `files-${Date.now()}`)
    mkdirSync(folder)
    const count = 150
    for (let i = 0; i < count; i++) writeFileSync(join(folder, `file${i}.md`), textOf(i))
    const args = ['index', folder, '--collection', 'files', '--bucket', bucket]
    for (let round = 0; round < rounds; round++) {
      // Files that change between the runs: old and new chunks must never stand together.
      for (let i = round % 5; i < count; i += 5) writeFileSync(join(folder, `file${i}.md`), `${textOf(i)}\n## Round\n\nChanged in round ${round}.\n`)
      const child = start(args)
      await wait(500 + Math.random() * 1500)
      child.kill('SIGKILL')
      await exited(child)
    }
    const last = run(args)
    expect(last.status, last.stdout + last.stderr).toBe(0)
    const { child, url } = await startServer(bucket)
    const documents = await listAll<{ source: string; chunkCount: number }>(`${url}/v1/collections/files/documents`, 'documents')
    expect(documents).toHaveLength(count)
    expect(new Set(documents.map(({ source }) => source)).size).toBe(count)
    const keys = (await listAll<{ key: string }>(`${url}/v1/collections/files/records`, 'records')).map(({ key }) => key)
    expect(new Set(keys).size).toBe(keys.length)
    expect(keys.length, 'as many records as the documents have chunks: none old, none twice').toBe(documents.reduce((sum, { chunkCount }) => sum + chunkCount, 0))
    child.kill('SIGTERM')
    await exited(child)
    expectVerified(bucket, 'files')
  })
})
