// `windlass migrate`, killed at requests of its own and at random moments: in the end everything is as after one undisturbed run, and a
// rollback leaves the old bucket as it was. On a directory; on the S3 server that WINDLASS_TEST_S3_BUCKET names, where one is (.ci/run):
// there 1,500 vectors and 100 files, or, with WINDLASS_MIGRATE_FULL=1, 50,000 and 2,000.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { toUtf8 } from '../../src/base/bytes.ts'
import { seededRandom } from '../../src/base/random.ts'
import { open } from '../../src/index.ts'
import { openStore } from '../../src/store/open-store.ts'
import type { MigrateReport } from '../../src/migrate/migrate.ts'
import { PlainFolder } from '../../src/migrate/plain-folder.ts'
import type { OldBucket } from '../../src/migrate/legacy-source.ts'
import { exited, killAll, runBeside, start, wait } from '../process/processes.ts'

const bucketUrl = process.env.WINDLASS_TEST_S3_BUCKET
const isFull = process.env.WINDLASS_MIGRATE_FULL === '1'
const [vectorCount, fileCount] = isFull ? [50_000, 2_000] : bucketUrl ? [1_500, 100] : [1_200, 24]
const dimension = 96
const kills = bucketUrl ? 10 : 2
const scratch = mkdtempSync(join(tmpdir(), 'windlass-migrate-'))
afterAll(() => {
  killAll()
  rmSync(scratch, { recursive: true, force: true })
})

const place = bucketUrl ? (process.env.WINDLASS_TEST_S3_NAME ?? 'S3') : 'a directory'
const newUrl = (name: string) => (bucketUrl ? `${bucketUrl}/migrate-${name}-${process.pid}` : `file:${join(scratch, name)}`)
const oldUrl = newUrl('old')

const vectorOf = (i: number) => {
  const random = seededRandom(i + 1)
  return Array.from({ length: dimension }, () => Number((random.next() - 0.5).toFixed(6)))
}

/** Every tenth hundred in one object, the rest one by one; three damaged, two ids twice. */
function* objects(): Generator<[key: string, text: string]> {
  const record = (i: number) => ({ id: `r${i}`, embedding: vectorOf(i), metadata: { n: i, file_id: `file${i % fileCount}` }, text: `Text ${i} of topic ${i % 9}.` })
  for (let i = 0; i < vectorCount; i++) {
    if (i % 1000 < 100) {
      if (i % 100 === 0) yield [`vectors/batch-${i}.json`, JSON.stringify(Array.from({ length: 100 }, (_, j) => record(i + j)))]
    } else yield [`vectors/r${i}.json`, JSON.stringify(record(i))]
  }
  yield ['vectors/damaged-1.json', '{"id": "d1", "embedding": [1, 2']
  yield ['vectors/damaged-2.json', '{"id": "d2", "embedding": [NaN]}']
  yield ['vectors/damaged-3.json', JSON.stringify({ id: 'd3', embedding: [1, 2, 3] })]
  yield ['vectors/zz-twice.json', JSON.stringify([record(150), { ...record(151), text: 'another' }])]
  for (let i = 0; i < fileCount; i++) yield [`files/folder-${i % 7}/file${i}.md`, `# File ${i}\n\nThis is about topic ${i % 9}.\n\n## More\n\nAnd ${i} more of it.\n`]
  yield ['files/damaged.pdf', 'no PDF at all']
}

async function writeOld(): Promise<void> {
  const store = bucketUrl ? await openStore(oldUrl) : null
  let pending: Promise<unknown>[] = []
  for (const [key, text] of objects()) {
    if (store) {
      pending.push(store.put(key, toUtf8(text)))
      if (pending.length >= 32) await Promise.all(pending.splice(0))
    } else {
      const path = join(scratch, 'old', key)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, text)
    }
  }
  await Promise.all(pending)
  pending = []
  await store?.close?.()
}

async function oldSum(): Promise<string> {
  const store: OldBucket = bucketUrl ? await openStore(oldUrl) : new PlainFolder(oldUrl.slice('file:'.length))
  const hash = createHash('sha256')
  for await (const { key, size, etag, lastModified } of store.list('')) hash.update(`${key} ${size} ${etag} ${lastModified}\n`)
  await store.close?.()
  return hash.digest('hex')
}

async function contentOf(url: string): Promise<{ records: number; sum: string; documents: number }> {
  const bucket = await open(url)
  try {
    const collection = await bucket.collection('docs')
    const rows: string[] = []
    for (let after: string | undefined; ; ) {
      const page = await collection.list({ limit: 1000, include: { vector: true, metadata: true, document: true }, ...(after !== undefined && { after }) })
      rows.push(...page.rows.map(({ key, vector, metadata, document }) => JSON.stringify([key, [...vector!].slice(0, 4), Object.entries(metadata!).sort(), document], (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value))))
      if (page.next === undefined) break
      after = page.next
    }
    expect((await bucket.verify('docs')).problems).toEqual([])
    const { documentCount } = await collection.stats()
    return { records: rows.length, sum: createHash('sha256').update(rows.sort().join('\n')).digest('hex'), documents: documentCount }
  } finally {
    await bucket.close()
  }
}

const migration = (url: string, ...more: string[]) => ['migrate', oldUrl, '--bucket', url, '--to', 'docs', '--yes', ...more]

/** A run that kills itself at one of its writes. */
function killedAt(writes: number, moment: 'before' | 'after', args: readonly string[]): Promise<number | null> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'killed-migration.ts'), String(writes), moment, ...args], { stdio: 'ignore' })
  return new Promise((resolve) => child.once('exit', (code) => resolve(code)))
}

async function report(url: string, ...more: string[]): Promise<MigrateReport> {
  const { stdout, stderr } = await runBeside(migration(url, '--json', ...more))
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as MigrateReport
}

describe(`migrate on ${place}`, { timeout: isFull ? 3_600_000 : 600_000 }, () => {
  let before = ''
  test('of vectors, killed again and again', async () => {
    await writeOld()
    before = await oldSum()
    const undisturbed = newUrl('undisturbed')
    const expected = await report(undisturbed)
    expect(expected).toMatchObject({ mode: 'reuse', counts: { written: vectorCount, unchanged: 0, duplicates: 2, unreadable: 3 }, verification: { sourceCount: vectorCount, equal: vectorCount, missing: 0, queries: 20 } })
    expect(expected.verification!.overlap).toBeGreaterThanOrEqual(0.9)
    const killed = newUrl('killed')
    // At requests that every run makes, and then wherever it happens to be.
    const first = ([[6, 'before'], [9, 'after'], [4, 'after'], [3, 'before']] as const).slice(0, kills)
    for (const [writes, moment] of first) expect(await killedAt(writes, moment, migration(killed)), `killed at ${writes}`).toBe(null)
    for (let i = first.length; i < kills; i++) {
      const child = start(migration(killed))
      await wait(1000 + Math.random() * (isFull ? 30_000 : 3000))
      child.kill('SIGKILL')
      await exited(child)
    }
    const last = await report(killed)
    expect(last.verification).toEqual({ ...expected.verification, overlap: expect.closeTo(expected.verification!.overlap!, 1) as number })
    const { written, unchanged, ...others } = last.counts
    // A run that came to its end before it was killed leaves nothing to write.
    expect({ ...others, all: written + unchanged }).toMatchObject({ all: vectorCount, duplicates: 2, unreadable: 3 })
    expect(await contentOf(killed)).toEqual(await contentOf(undisturbed))
    expect(await oldSum()).toBe(before)
    process.stderr.write(`migrate on ${place}: ${JSON.stringify({ vectors: vectorCount, seconds: (expected as unknown as { seconds: number }).seconds, overlap: expected.verification!.overlap, counts: last.counts })}\n`)
    // And taken back, killed on the way too: nothing of it is left, and the old bucket is as it was.
    expect(await killedAt(3, 'after', migration(killed, '--rollback'))).toBe(null)
    const { stdout } = await runBeside(migration(killed, '--rollback', '--json'))
    expect(JSON.parse(stdout)).toMatchObject({ left: expect.any(Number) as number, dropped: true })
    await expect(contentOf(killed)).rejects.toMatchObject({ kind: 'not-found' })
    expect(await oldSum()).toBe(before)
  })

  test('of files, embedded anew', async () => {
    const killed = newUrl('files')
    for (const writes of bucketUrl ? [4, 6, 9] : [9]) expect(await killedAt(writes, 'after', migration(killed, '--vectors', 'embed'))).toBe(null)
    const last = await report(killed, '--vectors', 'embed')
    expect(last).toMatchObject({ mode: 'embed', counts: { written: fileCount, unreadable: 1 }, problems: [{ where: 'files/damaged.pdf' }] })
    expect((await contentOf(killed)).documents).toBe(fileCount + 1)
    const { stdout } = await runBeside(migration(killed, '--rollback', '--json'))
    expect(JSON.parse(stdout)).toMatchObject({ removed: fileCount + 1, left: 0, dropped: true })
    expect(await oldSum()).toBe(before)
  })
})
