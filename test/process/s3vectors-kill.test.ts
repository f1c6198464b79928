// kill -9 under load through the S3 Vectors door, by the official client: what was acknowledged is there, whole, when the next server is up.
// WINDLASS_TEST_S3_BUCKET names a bucket of a real S3 server; without it a directory. WINDLASS_KILL_ROUNDS says how often.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as sdk from '@aws-sdk/client-s3vectors'
import { afterAll, describe, expect, test } from 'vitest'
import { exited, killAll, run, startServer, wait } from './processes.ts'

const rounds = Number(process.env.WINDLASS_KILL_ROUNDS ?? 4)
const bucketUrl = process.env.WINDLASS_TEST_S3_BUCKET
const scratch = mkdtempSync(join(tmpdir(), 'windlass-s3vectors-kill-'))
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'
afterAll(() => {
  killAll()
  rmSync(scratch, { recursive: true, force: true })
})

const place = { vectorBucketName: 'killed', indexName: 'index' }
const dimension = 32
/** What a key must hold after so many puts: every put of a key is another vector and other metadata. */
const vectorOf = (key: string, version: number) => {
  const [round, name, i] = key.split('-')
  return { key, data: { float32: Array.from({ length: dimension }, (_, d) => Math.fround(Number(round) + Number(i) / 7 + version * 100 + (name === 'x' ? d : -d))) }, metadata: { round: Number(round), version } }
}

/** One writer's keys: the last version that was acknowledged, and the one that was under way when the server died. */
class Writer {
  readonly client: sdk.S3VectorsClient
  readonly acknowledged = new Map<string, number>()
  /** Of the last call, which may have happened or not. */
  pending: { readonly keys: readonly string[]; readonly version: number | 'delete' } | null = null
  readonly #name: string

  constructor(name: string, endpoint: string) {
    this.#name = name
    this.client = new sdk.S3VectorsClient({ endpoint, region: 'us-east-1', credentials: { accessKeyId: 'any', secretAccessKey: 'any' }, maxAttempts: 1 })
  }

  /** Puts, overwrites and deletes until a call fails. */
  async run(round: number): Promise<void> {
    for (let i = 0; ; i++) {
      const fresh = Array.from({ length: 1 + (i % 60) }, (_, j) => `${round}-${this.#name}-${i * 100 + j}`)
      const again = [...this.acknowledged.keys()].filter((_, j) => j % 17 === i % 17).slice(0, 20)
      if (!(await this.#call(fresh, 0))) return
      if (i % 2 === 1 && again.length > 0 && !(await this.#call(again, i))) return
      if (i % 5 === 4 && !(await this.#call(again.slice(0, 2), 'delete'))) return
    }
  }

  async #call(keys: readonly string[], version: number | 'delete'): Promise<boolean> {
    if (keys.length === 0) return true
    this.pending = { keys, version }
    const command = version === 'delete' ? new sdk.DeleteVectorsCommand({ ...place, keys: [...keys] }) : new sdk.PutVectorsCommand({ ...place, vectors: keys.map((key) => vectorOf(key, version)) })
    try {
      await this.client.send(command as never)
    } catch {
      return false
    }
    this.pending = null
    for (const key of keys) {
      if (version === 'delete') this.acknowledged.delete(key)
      else this.acknowledged.set(key, version)
    }
    return true
  }
}

async function readAll(endpoint: string): Promise<Map<string, sdk.ListOutputVector>> {
  const client = new sdk.S3VectorsClient({ endpoint, region: 'us-east-1', credentials: { accessKeyId: 'any', secretAccessKey: 'any' } })
  const found = new Map<string, sdk.ListOutputVector>()
  for await (const page of sdk.paginateListVectors({ client }, { ...place, maxResults: 1000, returnData: true, returnMetadata: true })) {
    for (const vector of page.vectors!) {
      expect(found.has(vector.key!), `${vector.key} twice`).toBe(false)
      found.set(vector.key!, vector)
    }
  }
  client.destroy()
  return found
}

const versionOf = (vector: sdk.ListOutputVector | undefined) => (vector?.metadata as { version?: number } | undefined)?.version

/** Holds what is there against what every writer was told; what was under way is all there or not at all. */
function expectKept(found: Map<string, sdk.ListOutputVector>, expected: Map<string, number>, pending: readonly NonNullable<Writer['pending']>[]): void {
  for (const { keys, version } of pending) {
    const happened = keys.filter((key) => (version === 'delete' ? !found.has(key) : versionOf(found.get(key)) === version))
    expect([0, keys.length], 'a call is all or nothing').toContain(happened.length)
    for (const key of happened) {
      if (version === 'delete') expected.delete(key)
      else expected.set(key, version)
    }
  }
  expect([...expected.keys()].filter((key) => !found.has(key)), 'nothing acknowledged is lost').toEqual([])
  expect([...found.keys()].filter((key) => !expected.has(key)), 'nothing deleted is back').toEqual([])
  for (const [key, version] of expected) expect(found.get(key)).toEqual(vectorOf(key, version))
}

describe(`on ${bucketUrl ? (process.env.WINDLASS_TEST_S3_NAME ?? 'S3') : 'a directory'}`, () => {
  test(`killed ${rounds} times while three clients put, overwrite and delete`, { timeout: 60_000 + rounds * 30_000 }, async () => {
    const bucket = bucketUrl ? `${bucketUrl}/s3vectors-kill-${process.pid}` : `file:${join(scratch, 'bucket')}`
    const expected = new Map<string, number>()
    let pending: NonNullable<Writer['pending']>[] = []
    let acknowledgedCount = 0
    for (let round = 0; round <= rounds; round++) {
      const { child, url } = await startServer(bucket)
      const writers = ['x', 'y', 'z'].map((name) => new Writer(name, url))
      if (round === 0) {
        await writers[0]!.client.send(new sdk.CreateVectorBucketCommand(place))
        await writers[0]!.client.send(new sdk.CreateIndexCommand({ ...place, dataType: 'float32', dimension, distanceMetric: 'euclidean' }))
      }
      expectKept(await readAll(url), expected, pending)
      if (round < rounds) {
        const running = writers.map((writer) => writer.run(round))
        await wait(300 + Math.random() * 1500)
        child.kill('SIGKILL')
        await Promise.all(running)
        for (const { acknowledged } of writers) for (const [key, version] of acknowledged) expected.set(key, version)
        pending = writers.flatMap((writer) => (writer.pending ? [writer.pending] : []))
        acknowledgedCount += writers.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0)
      } else child.kill('SIGTERM')
      await exited(child)
      for (const { client } of writers) client.destroy()
    }
    expect(acknowledgedCount).toBeGreaterThan(rounds * 3)
    const { status, stdout, stderr } = run(['verify', 'killed/index', '--bucket', bucket])
    expect(stdout + stderr).toContain(' 0 problems')
    expect(status).toBe(0)
  })
})
