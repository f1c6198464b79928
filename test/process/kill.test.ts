// kill -9 of `serve` and `index` at random moments, over and over on one bucket: every acknowledged write is there, nothing twice.
// On a directory here; on S3 servers when WINDLASS_TEST_S3_BUCKET names a bucket URL (see .ci/run).
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

const rounds = Number(process.env.WINDLASS_KILL_ROUNDS ?? 5)
const cli = join(import.meta.dirname, '../../src/cli/main.ts')
const scratch = mkdtempSync(join(tmpdir(), 'windlass-kill-'))
const children = new Set<ChildProcess>()
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(scratch, { recursive: true, force: true })
})

function start(args: string[]): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function untilReady(base: string, child: ChildProcess): Promise<void> {
  let errors = ''
  child.stderr?.on('data', (part) => (errors += String(part)))
  for (let i = 0; i < 600; i++) {
    if (child.exitCode !== null) throw new Error(`serve ended with ${child.exitCode}: ${errors}`)
    const ready = await fetch(`${base}/ready`).then((response) => response.ok, () => false)
    if (ready) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`serve is not ready after 30 s: ${errors}`)
}

const exited = (child: ChildProcess) => new Promise<void>((resolve) => (child.exitCode !== null || child.signalCode !== null ? resolve() : child.once('exit', () => resolve())))
const post = (url: string, body: unknown) => fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

async function listAll(base: string, collection: string): Promise<string[]> {
  const keys: string[] = []
  for (let after: string | undefined; ; ) {
    const query = new URLSearchParams({ limit: '1000', ...(after && { after }) })
    const page = (await (await fetch(`${base}/v1/collections/${collection}/records?${query}`)).json()) as { records: { key: string }[]; next?: string }
    keys.push(...page.records.map(({ key }) => key))
    if (!page.next) return keys
    after = page.next
  }
}

const buckets: [string, () => string][] = [['a directory', () => `file:${join(scratch, 'bucket')}`]]
if (process.env.WINDLASS_TEST_S3_BUCKET) buckets.push(['S3', () => `${process.env.WINDLASS_TEST_S3_BUCKET}/kill-${Date.now()}`])

describe.each(buckets)('on %s', (_, urlOf) => {
  test(`serve, killed ${rounds} times while two clients write`, { timeout: rounds * 60_000 }, async () => {
    const url = urlOf()
    const acknowledged = new Set<string>()
    for (let round = 0; round <= rounds; round++) {
      const port = await freePort()
      const base = `http://127.0.0.1:${port}`
      const server = start(['serve', '--bucket', url, '--port', String(port)])
      await untilReady(base, server)
      if (round === 0) expect((await post(`${base}/v1/collections`, { name: 'c' })).status).toBe(201)
      const listed = await listAll(base, 'c')
      expect(new Set(listed).size, 'nothing twice').toBe(listed.length)
      const present = new Set(listed)
      expect([...acknowledged].filter((key) => !present.has(key)), 'nothing acknowledged is lost').toEqual([])
      if (round === rounds) {
        server.kill('SIGTERM')
        await exited(server)
        expect(server.exitCode).toBe(0)
        break
      }
      let running = true
      const client = async (name: string) => {
        for (let i = 0; running; i++) {
          const records = Array.from({ length: 1 + (i % 4) }, (_unused, j) => ({ key: `${round}-${name}-${i}-${j}`, vector: [i, j, 1], document: `record ${i}` }))
          const ok = await post(`${base}/v1/collections/c/records`, { records }).then(async (response) => (await response.text(), response.ok), () => false)
          if (ok) for (const { key } of records) acknowledged.add(key)
        }
      }
      const clients = ['x', 'y'].map(client)
      await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 1500))
      server.kill('SIGKILL')
      await exited(server)
      running = false
      await Promise.all(clients)
    }
    expect(acknowledged.size).toBeGreaterThan(rounds)
  })

  test(`index, killed ${rounds} times, then run to its end`, { timeout: rounds * 60_000 }, async () => {
    const url = urlOf()
    const folder = join(scratch, `files-${Math.random().toString(36).slice(2)}`)
    mkdirSync(folder)
    for (let i = 0; i < 150; i++) writeFileSync(join(folder, `file${i}.md`), `# File ${i}\n\nThis is text number ${i} about topic ${i % 7}.\n\n## Part\n\nMore of ${i}.\n`)
    const args = ['index', folder, '--collection', 'files', '--bucket', url]
    for (let round = 0; round < rounds; round++) {
      const child = start(args)
      await new Promise((resolve) => setTimeout(resolve, 600 + Math.random() * 1500))
      child.kill('SIGKILL')
      await exited(child)
    }
    const last = start(args)
    let output = ''
    last.stdout?.on('data', (part) => (output += String(part)))
    last.stderr?.on('data', (part) => (output += String(part)))
    await exited(last)
    expect(last.exitCode, output).toBe(0)
    const port = await freePort()
    const base = `http://127.0.0.1:${port}`
    const server = start(['serve', '--bucket', url, '--port', String(port)])
    await untilReady(base, server)
    const sources: string[] = []
    for (let after: string | undefined; ; ) {
      const query = new URLSearchParams({ limit: '100', ...(after && { after }) })
      const page = (await (await fetch(`${base}/v1/collections/files/documents?${query}`)).json()) as { documents: { source: string; chunkCount: number }[]; next?: string }
      sources.push(...page.documents.map(({ source }) => source))
      if (!page.next) break
      after = page.next
    }
    expect(sources).toHaveLength(150)
    expect(new Set(sources).size).toBe(150)
    const keys = await listAll(base, 'files')
    expect(new Set(keys).size).toBe(keys.length)
    const { documents } = (await (await fetch(`${base}/v1/collections/files/documents?limit=1000`)).json()) as { documents: { chunkCount: number }[] }
    expect(keys.length, 'as many records as the documents have chunks: none old, none twice').toBe(documents.reduce((sum, { chunkCount }) => sum + chunkCount, 0))
    server.kill('SIGTERM')
    await exited(server)
    expect(existsSync(folder)).toBe(true)
  })
})
