// Asks: what does a query cost when all there is is a bucket 25 ms away? Cold, warm, with an unflushed log, and beside downloading everything;
// and how many records a second are durable. Requests and bytes are counted by a proxy, so retries and SDK chatter are in them.
//
// AWS_ENDPOINT_URL=http://127.0.0.1:9000 AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… npx tsx bench/storage/main.ts s3://bucket/prefix [rows] [delay ms]
// WINDLASS_SHARED: the shared data's folder (default ../shared). More rows than the real set has are made from it (bench/vector/million.ts).
import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { open, type Bucket } from '../../src/index.ts'
import { readNormalized } from '../vector/dataset.ts'

const [url = 's3://windlass-bench', rowsText = '116658', delayText = '25'] = process.argv.slice(2)
const endpoint = process.env.AWS_ENDPOINT_URL
if (!endpoint) throw new Error('AWS_ENDPOINT_URL is not set: start an S3 server, and say where it is')
const dimension = 384
const base = readNormalized('base.f16', dimension)
const held = readNormalized('queries.f16', dimension)
const real = base.length / dimension
const rowCount = Number(rowsText)
const queryAt = (i: number) => held.slice(i * dimension, (i + 1) * dimension)
// Rows beyond the real ones lie between two of them, a little off: near-copies would be too easy.
function vectorAt(row: number): Float32Array {
  const first = row % real
  if (row < real) return base.slice(first * dimension, (first + 1) * dimension)
  const second = (row * 7919) % real
  const share = 0.15 + 0.3 * ((row * 104_729) % 1000 / 1000)
  const vector = new Float32Array(dimension)
  for (let i = 0; i < dimension; i++) vector[i] = base[first * dimension + i]! * (1 - share) + base[second * dimension + i]! * share
  return vector
}

interface Counts {
  readonly requests: number
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly waves: number
}

const ask = <T>(child: ChildProcess, message?: string) => new Promise<T>((resolve) => {
  child.once('message', (answer) => resolve(answer as T))
  if (message) child.send(message)
})
const proxy = fork(join(import.meta.dirname, 'proxy.ts'), [endpoint, delayText], { execArgv: ['--import', 'tsx'] })
const { url: proxied } = await ask<{ url: string }>(proxy)

const engine = { memoryBudgetBytes: 2 ** 31 }
const far = () => open(url, { store: { endpoint: proxied }, engine, diskCache: { budgetBytes: 2 ** 31 } })
const loader = await open(url, { store: { endpoint }, engine })
const name = `rows-${rowCount}`
const collection = await loader.getOrCreateCollection(name, { dimension, metric: 'cosine' })
const have = await collection.count()
if (have < rowCount) {
  const started = performance.now()
  let next = have
  const writer = async () => {
    for (let start = next; start < rowCount; start = next) {
      next = Math.min(rowCount, start + 1000)
      await collection.put(Array.from({ length: next - start }, (_, i) => ({ key: `k${start + i}`, vector: vectorAt(start + i), metadata: { n: start + i } })))
    }
  }
  await Promise.all(Array.from({ length: 4 }, writer))
  console.log(`put: ${((performance.now() - started) / 1000).toFixed(0)} s`)
  await collection.flush()
  const merging = performance.now()
  await collection.merge()
  console.log(`merge: ${((performance.now() - merging) / 1000).toFixed(0)} s, peak ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`)
}
const stats = await collection.stats()
console.log(`${stats.recordCount} records, ${stats.segmentCount} segments, ${(stats.sizeBytes / 1e6).toFixed(0)} MB`)
await loader.close()

const rows: string[][] = []
async function measure<T>(what: string, task: () => Promise<T>): Promise<T> {
  await ask<Counts>(proxy, 'counts')
  const started = performance.now()
  const result = await task()
  const ms = performance.now() - started
  const { requests, bytesRead, bytesWritten, waves } = await ask<Counts>(proxy, 'counts')
  rows.push([what, ms.toFixed(0), String(requests), String(waves), (bytesRead / 1e6).toFixed(2), (bytesWritten / 1e6).toFixed(2)])
  return result
}

async function cold(what: string, i: number): Promise<void> {
  const bucket = await far()
  const opened = await measure(`open the collection (${what})`, async () => {
    const each = await bucket.collection(name)
    await each.count()
    return each
  })
  await measure(`first query, nothing cached (${what})`, () => opened.query({ vector: queryAt(i) }))
  await measure('another query, most not cached', () => opened.query({ vector: queryAt(i + 1) }))
  await measure('the first query again, strong', () => opened.query({ vector: queryAt(i) }))
  await measure('the same, eventual', () => opened.query({ vector: queryAt(i), consistency: 'eventual' }))
  await bucket.close()
}

/** What a store that searches in memory does first. */
async function download(bucket: Bucket): Promise<void> {
  const whole = await bucket.collection(name)
  await whole.query({ vector: queryAt(0), recall: 1 })
}

await cold('flushed', 0)
const bucket = await far()
await measure('download all vectors, then search', () => download(bucket))
await bucket.close()

const writing = await far()
const target = await writing.getOrCreateCollection('written', { dimension, metric: 'cosine' })
const before = (await target.count()) ?? 0
const [batches, size, writers] = [40, 500, 8]
const durable = performance.now()
await measure(`${batches} batches of ${size} x ${dimension}, ${writers} writers`, async () => {
  let next = 0
  await Promise.all(
    Array.from({ length: writers }, async () => {
      for (let batch = next++; batch < batches; batch = next++) await target.put(Array.from({ length: size }, (_, i) => ({ key: `w${before}-${batch}-${i}`, vector: vectorAt(batch * size + i) })))
    }),
  )
})
console.log(`${Math.round((batches * size * 1000) / (performance.now() - durable))} records a second durable`)
await writing.close()

const tail = await open(url, { store: { endpoint }, engine: { ...engine, flushCommits: 1000, flushAgeMs: 1e9 } })
const growing = await tail.collection(name)
for (let i = 0; i < 200; i++) await growing.put([{ key: `tail${i}`, vector: vectorAt(i * 3) }])
await cold('200 unflushed commits', 10)
await growing.delete(Array.from({ length: 200 }, (_, i) => `tail${i}`))
await growing.flush()
await tail.close()

const head = ['', 'ms', 'requests', 'waves', 'MB read', 'MB written']
console.log([head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n'))
proxy.kill()
