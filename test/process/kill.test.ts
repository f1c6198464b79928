// kill -9 of `index` at random moments, over and over on one bucket; then it runs to its end: every file is there once, no chunk is
// old or double, every checksum holds.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { open } from '../../src/index.ts'

const rounds = Number(process.env.WINDLASS_KILL_ROUNDS ?? 5)
const fileCount = 150
const cli = join(import.meta.dirname, '../../src/cli/main.ts')
const scratch = mkdtempSync(join(tmpdir(), 'windlass-kill-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** Runs the command line, and kills it after `killMs` if it still runs. */
function windlass(args: string[], killMs?: number): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (output += String(part)))
  if (killMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killMs)
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })))
}

test(`index, killed ${rounds} times`, { timeout: 60_000 + rounds * 20_000 }, async () => {
  const url = `file:${join(scratch, 'bucket')}`
  const folder = join(scratch, 'files')
  mkdirSync(folder)
  for (let i = 0; i < fileCount; i++) writeFileSync(join(folder, `file${i}.md`), `# File ${i}\n\nThis is text number ${i} about topic ${i % 7}.\n\n## Part\n\nMore of ${i}.\n`)
  let killed = 0
  for (let round = 0; round < rounds; round++) {
    // Some files change between the runs, so that every round has something to do.
    for (let i = round; i < fileCount; i += 3) writeFileSync(join(folder, `file${i}.md`), `# File ${i}\n\nRound ${round} of text ${i}.\n\n## Part\n\nMore of ${i} in round ${round}.\n`)
    if ((await windlass(['index', folder, '--bucket', url], 400 + Math.random() * 900)).code === null) killed++
  }
  const last = await windlass(['index', folder, '--bucket', url])
  expect(last.code, last.output).toBe(0)
  expect(killed, 'the kills came while it ran').toBeGreaterThan(0)

  const bucket = await open(url)
  const collection = await bucket.collection('docs')
  const { documents } = await collection.listDocuments({ limit: 1000 })
  expect(new Set(documents.map(({ source }) => source)).size).toBe(fileCount)
  expect(documents).toHaveLength(fileCount)
  const { rows } = await collection.list({ limit: 1000 })
  expect(rows.length, 'as many records as the documents have chunks').toBe(documents.reduce((sum, { chunkCount }) => sum + chunkCount, 0))
  expect(new Set(rows.map(({ key }) => key)).size).toBe(rows.length)
  expect((await bucket.verify('docs')).problems).toEqual([])
  await bucket.close()
})
