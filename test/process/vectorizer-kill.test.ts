// kill -9 of `windlass vectorize` at random moments, two runs at once among them: in the end everything is as after one undisturbed run.
// On a directory; on the S3 server that WINDLASS_TEST_S3_BUCKET names, where one is (.ci/run). WINDLASS_KILL_ROUNDS says how often.
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { open } from '../../src/index.ts'
import { startOpenAiDouble } from '../doubles/openai/double.ts'
import { exited, killAll, runBeside, start, wait } from './processes.ts'

const rounds = Number(process.env.WINDLASS_KILL_ROUNDS ?? 4)
const bucketUrl = process.env.WINDLASS_TEST_S3_BUCKET
const scratch = mkdtempSync(join(tmpdir(), 'windlass-vectorizer-kill-'))
afterAll(() => {
  killAll()
  rmSync(scratch, { recursive: true, force: true })
})

const place = bucketUrl ? (process.env.WINDLASS_TEST_S3_NAME ?? 'S3') : 'a directory'
const newBucket = (name: string) => (bucketUrl ? `${bucketUrl}/vectorizer-${name}-${process.pid}` : `file:${join(scratch, `bucket-${name}`)}`)
const textOf = (i: number) => `# File ${i}\n\nThis is text number ${i} about topic ${i % 7}.\n\n## Part\n\nMore of ${i}.\n\n## End\n\nThe end of ${i}.\n`

interface Declared {
  readonly file: string
  readonly bucket: string
}

function declare(name: string, folder: string, destinations: readonly object[]): Declared {
  const bucket = newBucket(name)
  const file = join(scratch, `${name}.json`)
  writeFileSync(file, JSON.stringify({ version: 1, bucket, vectorizers: [{ name: 'v', source: { type: 'folder', path: folder }, destinations, processing: { workerTimeout: '2s', claimFiles: 8, filesAtOnce: 4, retryAfter: '1ms' } }] }))
  return { file, bucket }
}

/** What searches see, and what the state says, without times. */
async function endState({ bucket }: Declared) {
  const opened = await open(bucket)
  try {
    const collection = await opened.collection('c')
    const records = new Map<string, unknown>()
    for (let after: string | undefined; ; ) {
      const page = await collection.list({ limit: 1000, include: { vector: true, metadata: true, document: true }, ...(after !== undefined && { after }) })
      for (const { key, vector, metadata, document } of page.rows) {
        expect(records.has(key), `${key} twice`).toBe(false)
        records.set(key, { vector: [...vector!].slice(0, 4), metadata, document })
      }
      if (page.next === undefined) break
      after = page.next
    }
    const { documents } = await collection.listDocuments({ limit: 1000 })
    expect((await opened.verify('c')).problems).toEqual([])
    return {
      records: [...records].sort(([a], [b]) => (a < b ? -1 : 1)),
      documents: documents.map(({ indexedAt: _, ...rest }) => rest).sort((a, b) => (a.source < b.source ? -1 : 1)),
    }
  } finally {
    await opened.close()
  }
}

function changeSome(folder: string, round: number): void {
  const files = readdirSync(folder).sort()
  files.forEach((file, i) => {
    if (i % 10 === round % 10) writeFileSync(join(folder, file), `${textOf(i)}\n## Round\n\nChanged in round ${round}.\n`)
    else if (i % 37 === round % 37) rmSync(join(folder, file))
    else if (i % 41 === round % 41) renameSync(join(folder, file), join(folder, `renamed-${round}-${file}`))
  })
  writeFileSync(join(folder, `new-${round}.md`), textOf(1000 + round))
}

describe(`vectorize on ${place}`, () => {
  test(`killed ${rounds} times, with and without another run beside it`, { timeout: 120_000 + rounds * 30_000 }, async () => {
    const folder = join(scratch, 'files')
    mkdirSync(folder)
    for (let i = 0; i < 200; i++) writeFileSync(join(folder, `file${String(i).padStart(3, '0')}.md`), textOf(i))
    const openai = await startOpenAiDouble({})
    const store = { type: 'openai', vectorStore: 'killed', baseUrl: openai.url }
    const killed = declare('killed', folder, [{ type: 'collection', name: 'c' }, store])
    const env = { OPENAI_API_KEY: openai.key }
    try {
      for (let round = 0; round < rounds; round++) {
        changeSome(folder, round)
        const children = Array.from({ length: 1 + (round % 2) }, () => start(['vectorize', '--config', killed.file], env))
        await wait(700 + Math.random() * 2500)
        for (const child of children) child.kill('SIGKILL')
        await Promise.all(children.map(exited))
      }
      const last = await Promise.all([0, 1].map(() => runBeside(['vectorize', '--config', killed.file], env)))
      // A slow machine is told how far it has come.
      const told = last.map(({ status, stderr }) => ({ status, stderr: stderr.replace(/^\d+ of \d+\+? documents.*\n/gm, '') }))
      expect(told).toEqual([0, 0].map((status) => ({ status, stderr: '' })))
      const undisturbed = declare('undisturbed', folder, [{ type: 'collection', name: 'c' }])
      expect((await runBeside(['vectorize', '--config', undisturbed.file])).status).toBe(0)
      const [found, expected] = [await endState(killed), await endState(undisturbed)]
      expect(found.records.length).toBeGreaterThan(300)
      expect(found).toEqual(expected)
      const again = await runBeside(['vectorize', '--config', killed.file, '--json'], env)
      expect(JSON.parse(again.stdout)).toMatchObject([{ new: 0, changed: 0, removed: 0, failed: 0, unchanged: expected.documents.length, chunksEmbedded: 0 }])
      const drift = await runBeside(['drift', '--config', killed.file, '--json'], env)
      expect(drift.stdout.trim().split('\n').map((line) => JSON.parse(line) as unknown)).toMatchObject([
        { destination: 'collection:c', extra: [], missing: [] },
        { extra: [], missing: [] },
      ])
      expect([...openai.state.files.values()]).toHaveLength(expected.documents.length)
      const status = JSON.parse((await runBeside(['status', '--config', killed.file, '--json'])).stdout) as unknown
      expect(status).toMatchObject([{ documents: expected.documents.length, failed: 0, inProgress: 0, workers: [] }])
    } finally {
      await openai.close()
    }
  })
})
