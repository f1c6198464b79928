// Three servers of one bucket, each written to and read by clients of Chroma at once, with overlapping ids; every second or so one is
// killed with -9 and started again. What the clients saw must fit one order of events, key by key, and every acknowledged record must be
// in every server's answer. WINDLASS_CLUSTER_SECONDS says how long; with WINDLASS_TEST_PYTHON, an interpreter that has chromadb, the
// clients are Python's, else JavaScript's.
import { execFile, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ChromaClient } from 'chromadb'
import { afterAll, describe, expect, test } from 'vitest'
import { noEmbedding } from '../chroma/testing.ts'
import { exited, killAll, run, start, wait } from './processes.ts'
import { findViolation, type Operation } from './register-history.ts'

const seconds = Number(process.env.WINDLASS_CLUSTER_SECONDS ?? 6)
const python = process.env.WINDLASS_TEST_PYTHON
const bucketUrl = process.env.WINDLASS_TEST_S3_BUCKET
const scratch = mkdtempSync(join(tmpdir(), 'windlass-chroma-'))
afterAll(() => {
  killAll()
  rmSync(scratch, { recursive: true, force: true })
})
const keys = Array.from({ length: 8 }, (_, i) => `k${i}`)

interface Seen extends Operation {
  readonly key: string
}

/** A server that comes back on its own port. */
class Server {
  readonly port: number
  readonly #bucket: string
  #child: ChildProcess | null = null

  constructor(bucket: string, port: number) {
    this.#bucket = bucket
    this.port = port
  }

  async start(): Promise<void> {
    this.#child = start(['serve', '--bucket', this.#bucket, '--port', String(this.port)], { WINDLASS_LOG_LEVEL: 'error' })
    for (let i = 0; i < 600; i++) {
      if (await fetch(`http://127.0.0.1:${this.port}/api/v2/heartbeat`).then((response) => response.ok, () => false)) return
      await wait(50)
    }
    throw new Error(`the server on ${this.port} does not answer`)
  }

  async kill(): Promise<void> {
    this.#child!.kill('SIGKILL')
    await exited(this.#child!)
    await this.start()
  }

  async end(): Promise<number | null> {
    this.#child!.kill('SIGTERM')
    await exited(this.#child!)
    return this.#child!.exitCode
  }

  client(): ChromaClient {
    return new ChromaClient({ host: '127.0.0.1', port: this.port, ssl: false, tenant: 'default_tenant', database: 'default_database' })
  }
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => listener.once('listening', resolve))
  const { port } = listener.address() as AddressInfo
  await new Promise((resolve) => listener.close(resolve))
  return port
}

async function pythonClient({ port }: Server, name: string): Promise<Seen[]> {
  const { stdout } = await promisify(execFile)(python!, ['-W', 'ignore', join(import.meta.dirname, '../python/chroma_writer.py'), String(port), String(seconds), name], { maxBuffer: 1 << 28 })
  return (JSON.parse(stdout) as (Omit<Seen, 'end'> & { end: number | null })[]).map((each) => ({ ...each, end: each.end ?? Infinity }))
}

async function scriptClient(server: Server, name: string): Promise<Seen[]> {
  const seen: Seen[] = []
  const until = performance.now() + seconds * 1000
  const collection = await server.client().getCollection({ name: 'ships', embeddingFunction: noEmbedding })
  for (let count = 0; performance.now() < until; ) {
    const key = keys[Math.floor(Math.random() * keys.length)]!
    const start = performance.now()
    if (Math.random() < 0.5) {
      const value = `${name}-${++count}`
      const record = { ids: [key, value], embeddings: [[count, 1], [1, count]], documents: [value, value] }
      const ok = await collection.upsert(record).then(() => true, () => false)
      seen.push({ kind: 'write', key, value, start, end: ok ? performance.now() : Infinity })
      if (!ok) await wait(50)
    } else {
      const found = await collection.get({ ids: [key], include: ['documents'] }).catch(() => null)
      if (found) seen.push({ kind: 'read', key, value: found.documents[0] ?? null, start, end: performance.now() })
      else await wait(50)
    }
  }
  return seen
}

describe(`on ${bucketUrl ? process.env.WINDLASS_TEST_S3_NAME : 'a directory'}`, () => {
  test(`three servers, six clients of ${python ? 'Python' : 'JavaScript'}, ${seconds} s`, { timeout: seconds * 3000 + 180_000 }, async () => {
    const bucket = bucketUrl ? `${bucketUrl}/chroma-${process.pid}-${Date.now()}` : `file:${join(scratch, `bucket-${Date.now()}`)}`
    const servers: Server[] = []
    for (let i = 0; i < 3; i++) servers.push(new Server(bucket, await freePort()))
    await Promise.all(servers.map((server) => server.start()))
    await servers[0]!.client().createCollection({ name: 'ships', embeddingFunction: noEmbedding })
    let running = true
    let kills = 0
    const trouble = async () => {
      while (running) {
        await wait(1000 + Math.random() * 1000)
        await servers[Math.floor(Math.random() * servers.length)]!.kill()
        kills++
      }
    }
    const troubled = trouble()
    const client = python ? pythonClient : scriptClient
    const seen = (await Promise.all(servers.flatMap((server, i) => [client(server, `a${i}`), client(server, `b${i}`)]))).flat()
    running = false
    await troubled

    const finished = { start: Math.max(...seen.map(({ start, end }) => (Number.isFinite(end) ? end : start))) + 1, end: Infinity }
    const acknowledged = seen.filter(({ kind, end }) => kind === 'write' && Number.isFinite(end))
    for (const server of servers) {
      const collection = await server.client().getCollection({ name: 'ships', embeddingFunction: noEmbedding })
      const { ids, documents } = await collection.get({ include: ['documents'] })
      expect(new Set(ids).size, 'nothing twice').toBe(ids.length)
      const present = new Map(ids.map((id, i) => [id, documents[i]]))
      expect(acknowledged.filter(({ value }) => present.get(value!) !== value).map(({ value }) => value), 'nothing acknowledged is lost').toEqual([])
      for (const key of keys) {
        const history = seen.filter((each) => each.key === key)
        expect(findViolation([...history, { kind: 'read', value: present.get(key) ?? null, start: finished.start, end: finished.start + 1 }]), key).toBeNull()
      }
    }
    for (const server of servers) expect(await server.end()).toBe(0)
    expect(run(['verify', 'ships', '--bucket', bucket]).stdout).toContain(' 0 problems')
    console.log(`${acknowledged.length} writes acknowledged, ${seen.filter(({ kind }) => kind === 'read').length} reads, ${kills} kills`)
    expect(Math.min(acknowledged.length, kills)).toBeGreaterThan(0)
  })
})
