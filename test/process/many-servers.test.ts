// Several servers write and read one collection while some are killed and some are stopped for a while; what every client saw must fit
// one order of events (linearizability, key by key), and at the end the bucket must hold exactly what was acknowledged.
// WINDLASS_CLUSTER_SECONDS says how long (soak: 120).
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ChildProcess } from 'node:child_process'
import { afterAll, describe, expect, test } from 'vitest'
import { exited, killAll, listAll, post, run, startServer, wait } from './processes.ts'
import { findViolation, type Operation } from './register-history.ts'

const seconds = Number(process.env.WINDLASS_CLUSTER_SECONDS ?? 6)
const bucketUrl = process.env.WINDLASS_TEST_S3_BUCKET
const scratch = mkdtempSync(join(tmpdir(), 'windlass-cluster-'))
afterAll(() => {
  killAll()
  rmSync(scratch, { recursive: true, force: true })
})
const newBucket = () => (bucketUrl ? `${bucketUrl}/cluster-${process.pid}-${Date.now()}` : `file:${join(scratch, `bucket-${Date.now()}`)}`)
const keys = Array.from({ length: 12 }, (_, i) => `k${i}`)

/** A server that is replaced when it dies. */
class Server {
  url = ''
  #child: ChildProcess | null = null
  readonly #bucket: string

  constructor(bucket: string) {
    this.#bucket = bucket
  }

  async start(): Promise<void> {
    const { child, url } = await startServer(this.#bucket)
    this.#child = child
    this.url = url
  }

  async kill(): Promise<void> {
    this.#child!.kill('SIGKILL')
    await exited(this.#child!)
    await this.start()
  }

  /** As a laptop that is closed, or a container that is throttled. */
  async freeze(ms: number): Promise<void> {
    this.#child!.kill('SIGSTOP')
    await wait(ms)
    this.#child!.kill('SIGCONT')
  }

  async end(): Promise<number | null> {
    this.#child!.kill('SIGTERM')
    await exited(this.#child!)
    return this.#child!.exitCode
  }
}

describe(`on ${bucketUrl ? process.env.WINDLASS_TEST_S3_NAME : 'a directory'}`, () => {
  test(`four that write and two that read, ${seconds} s`, { timeout: seconds * 3000 + 120_000 }, async () => {
    const bucket = newBucket()
    const servers = Array.from({ length: 6 }, () => new Server(bucket))
    await servers[0]!.start()
    expect((await post(`${servers[0]!.url}/v1/collections`, { name: 'c' })).status).toBe(201)
    await Promise.all(servers.slice(1).map((server) => server.start()))
    const history = new Map<string, Operation[]>(keys.map((key) => [key, []]))
    let running = true
    let count = 0
    const counts = { acknowledged: 0, unknown: 0, reads: 0, kills: 0, freezes: 0 }

    const writer = async (server: Server) => {
      while (running) {
        const key = keys[Math.floor(Math.random() * keys.length)]!
        const value = `v${++count}`
        const start = performance.now()
        const ok = await post(`${server.url}/v1/collections/c/records`, { records: [{ key, document: value, vector: [count, 1] }] }).then(
          async (response) => (await response.text(), response.ok),
          () => false,
        )
        // Without an answer, or with an error: it may have happened, now or later.
        history.get(key)!.push({ kind: 'write', value, start, end: ok ? performance.now() : Infinity })
        counts[ok ? 'acknowledged' : 'unknown']++
        if (!ok) await wait(50)
      }
    }
    const reader = async (server: Server) => {
      while (running) {
        const key = keys[Math.floor(Math.random() * keys.length)]!
        const start = performance.now()
        const found = await post(`${server.url}/v1/collections/c/records/get`, { keys: [key], include: ['document'] }).then(
          async (response) => (response.ok ? ((await response.json()) as { records: ({ document: string } | null)[] }) : null),
          () => null,
        )
        if (found) {
          history.get(key)!.push({ kind: 'read', value: found.records[0]?.document ?? null, start, end: performance.now() })
          counts.reads++
        } else await wait(50)
      }
    }
    const trouble = async () => {
      while (running) {
        await wait(300 + Math.random() * 700)
        const server = servers[Math.floor(Math.random() * servers.length)]!
        if (Math.random() < 0.5) {
          await server.kill()
          counts.kills++
        } else {
          await server.freeze(200 + Math.random() * 1500)
          counts.freezes++
        }
      }
    }
    // Clients of one server and readers at a writer's server, too: what one process knows must not differ from what the bucket says.
    const clients = [...servers.slice(0, 4).map(writer), ...servers.slice(4).map(reader), ...servers.slice(0, 2).map(reader), trouble()]
    await wait(seconds * 1000)
    running = false
    await Promise.all(clients)

    for (const [key, operations] of history) expect(findViolation(operations), key).toBeNull()
    const records = await listAll<{ key: string; document: string }>(`${servers[5]!.url}/v1/collections/c/records`, 'records')
    expect(new Set(records.map(({ key }) => key)).size).toBe(records.length)
    const now = performance.now()
    for (const key of keys) {
      const value = records.find((record) => record.key === key)?.document ?? null
      expect(findViolation([...history.get(key)!, { kind: 'read', value, start: now, end: now + 1 }]), key).toBeNull()
    }
    for (const server of servers) expect(await server.end()).toBe(0)
    expect(run(['verify', 'c', '--bucket', bucket]).stdout).toContain(' 0 problems')
    console.log(`${counts.acknowledged} writes acknowledged, ${counts.unknown} without an answer, ${counts.reads} reads, ${counts.kills} kills, ${counts.freezes} freezes`)
    expect(Math.min(counts.acknowledged, counts.reads, counts.kills + counts.freezes)).toBeGreaterThan(0)
  })
})
