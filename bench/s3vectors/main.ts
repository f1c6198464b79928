// Asks: what does the S3 Vectors door cost beside the search behind it? A server in its own process on a folder, the real set, puts in
// batches of 500 and queries (top 10, with and without a filter that a tenth of the rows match) from 1, 8 and 32 connections; then
// the same queries through the library in this process. Latency, requests a second, and the server's CPU per request, which other
// load on the machine disturbs least. Answers are held against the library's.
//
// npx tsx bench/s3vectors/main.ts [--rows 116658] [--seconds 5] [--profile <folder>]
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { open } from '../../src/index.ts'
import { readNormalized } from '../vector/dataset.ts'
import { LoadClient, quantile, type Load } from './load-client.ts'

const { values } = parseArgs({ options: { rows: { type: 'string' }, seconds: { type: 'string', default: '5' }, profile: { type: 'string' } } })
const dimension = 384
const batch = 500
const connections = [1, 8, 32]
const place = { vectorBucketName: 'bench', indexName: 'words' }
const filter = { tenth: { $eq: 3 } }
const seconds = Number(values.seconds)
const base = readNormalized('base.f16', dimension)
const queries = readNormalized('queries.f16', dimension)
const rowCount = Math.min(Number(values.rows ?? Infinity), base.length / dimension)
const folder = mkdtempSync(join(tmpdir(), 'windlass-bench-'))
const bucketUrl = `file:${join(folder, 'bucket')}`
const servers: ChildProcess[] = []
const rowOf = (matrix: Float32Array, i: number) => matrix.subarray(i * dimension, (i + 1) * dimension)
const put = (start: number, end: number) => ({
  ...place,
  vectors: Array.from({ length: end - start }, (_, i) => ({ key: `r${start + i}`, data: { float32: Array.from(rowOf(base, start + i)) }, metadata: { tenth: (start + i) % 10, row: start + i } })),
})
const question = (i: number, options: object) => ({ ...place, topK: 10, queryVector: { float32: Array.from(rowOf(queries, i % (queries.length / dimension))) }, returnDistance: true, ...options })

try {
  await main()
} finally {
  for (const child of servers) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
}

async function main(): Promise<void> {
  const writing = await startServer()
  let client = new LoadClient(writing.url, connections.at(-1)!)
  await client.post('CreateVectorBucket', JSON.stringify(place))
  await client.post('CreateIndex', JSON.stringify({ ...place, dataType: 'float32', dimension, distanceMetric: 'cosine' }))
  console.log(`${rowCount} rows of ${dimension}, ${seconds} s a line\n`)
  console.log('| what | connections | requests/s | vectors/s | p50 ms | p99 ms | server CPU ms per request |\n|---|---:|---:|---:|---:|---:|---:|')
  const batchCount = Math.ceil(rowCount / batch)
  for (const [i, count] of connections.entries()) {
    const [from, to] = [i, i + 1].map((part) => Math.floor((batchCount * part) / connections.length)) as [number, number]
    const share = Array.from({ length: to - from }, (_, b) => JSON.stringify(put((from + b) * batch, Math.min(rowCount, (from + b + 1) * batch))))
    // Writing them took longer than the server keeps an idle connection.
    client.close()
    client = new LoadClient(writing.url, connections.at(-1)!)
    tell('put 500', count, await measure(client, writing.child, 'PutVectors', count, { bodies: share, repeat: false }), batch)
  }
  client.close()
  // Stopped and started: what waits in memory is flushed, as it is anyway after a minute, and the questions are put to segments.
  await stop(writing.child)
  const { child, url } = await startServer()
  client = new LoadClient(url, connections.at(-1)!)
  const perQuery: Record<string, number> = {}
  for (const [name, options] of [['query', {}], ['query, filter', { filter }]] as const) {
    const asked = Array.from({ length: 1000 }, (_, i) => JSON.stringify(question(i, options)))
    await measure(client, child, 'QueryVectors', 4, { bodies: asked.slice(0, 50), repeat: false })
    for (const count of connections) {
      const load = await measure(client, child, 'QueryVectors', count, { bodies: asked, repeat: true })
      tell(name, count, load, 1)
      perQuery[name] = load.cpuMs / load.latencies.length
    }
  }
  const answers = (JSON.parse(await client.post('QueryVectors', JSON.stringify(question(0, {})))) as { vectors: { key: string }[] }).vectors.map(({ key }) => key)
  client.close()
  await stop(child)
  await compareWithLibrary(answers, perQuery)
}

/** The search itself: the same questions to the library, on what the server left. */
async function compareWithLibrary(answers: readonly string[], perQuery: Readonly<Record<string, number>>): Promise<void> {
  const bucket = await open(bucketUrl)
  const collection = await bucket.collection(`${place.vectorBucketName}/${place.indexName}`)
  const ask = (i: number, options: object) => collection.query({ vector: rowOf(queries, i % (queries.length / dimension)), k: 10, ...options })
  const own = (await ask(0, {})).matches.map(({ key }) => key)
  if (own.join() !== answers.join()) throw new Error(`the door answers ${answers.join()}, the library ${own.join()}`)
  console.log('\n| CPU ms per query | server | library | door: the difference |\n|---|---:|---:|---:|')
  for (const [name, options] of [['query', {}], ['query, filter', { filter }]] as const) {
    for (let i = 0; i < 50; i++) await ask(i, options)
    const [until, started] = [performance.now() + seconds * 1000, process.cpuUsage()]
    let count = 0
    while (performance.now() < until) await ask(count++, options)
    const { user, system } = process.cpuUsage(started)
    const own = (user + system) / 1000 / count
    console.log(`| ${name} | ${perQuery[name]!.toFixed(2)} | ${own.toFixed(2)} | ${(perQuery[name]! - own).toFixed(2)} |`)
  }
  await bucket.close()
}

async function measure(client: LoadClient, child: ChildProcess, operation: string, count: number, { bodies, repeat }: { bodies: readonly string[]; repeat: boolean }): Promise<Load & { cpuMs: number }> {
  const before = cpuMsOf(child)
  const load = await client.run(operation, bodies, { connections: count, ...(repeat && { seconds }) })
  return { ...load, cpuMs: cpuMsOf(child) - before }
}

function tell(name: string, count: number, { latencies, seconds: taken, cpuMs }: Load & { cpuMs: number }, vectors: number): void {
  const rate = latencies.length / taken
  const cells = [name, count, rate.toFixed(1), vectors === 1 ? '' : (rate * vectors).toFixed(0), quantile(latencies, 0.5).toFixed(1), quantile(latencies, 0.99).toFixed(1), (cpuMs / latencies.length).toFixed(2)]
  console.log(`| ${cells.join(' | ')} |`)
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM')
  await new Promise((resolve) => child.once('exit', resolve))
}

/** User and system time of a process so far; ticks are 10 ms on Linux. */
function cpuMsOf({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

async function startServer(): Promise<{ child: ChildProcess; url: string }> {
  const profile = values.profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', values.profile]
  const main = join(import.meta.dirname, '../../src/cli/main.ts')
  const child = spawn(process.execPath, [...profile, '--import', 'tsx', main, 'serve', '--bucket', bucketUrl, '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, WINDLASS_LOG_LEVEL: 'warn', AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' } })
  servers.push(child)
  let output = ''
  return new Promise((resolve, reject) => {
    // Read to its end: a server whose output nobody reads would stop.
    child.stdout!.on('data', (part) => {
      output += String(part)
      const [url] = /http:\S+/.exec(output) ?? []
      if (url) resolve({ child, url })
    })
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${output}`)))
  })
}
