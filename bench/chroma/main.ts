// Asks: is the Chroma door at least level with Chroma's own server? Both in a process of their own on the same machine and data (the real
// set, its texts as documents), asked by one load client: adds in batches of 1,000 as the official clients send them (base64), queries
// (top 10) from 1 and 8 connections, with and without a condition, $contains on every document, the server's CPU for each, resident
// memory, and the time from starting the process to the answer of the first query. Recall is held against the exact neighbours.
//
// npx tsx bench/chroma/main.ts [--rows 100000] [--seconds 5] [--reference <path of the chroma command>] [--only ours|reference]
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { LoadClient, quantile } from '../s3vectors/load-client.ts'
import { exactNeighbors, readNormalized, shared } from '../vector/dataset.ts'

const { values } = parseArgs({ options: { rows: { type: 'string', default: '100000' }, seconds: { type: 'string', default: '5' }, reference: { type: 'string' }, only: { type: 'string' } } })
const dimension = 384
const batch = 1000
const port = 18_124
const seconds = Number(values.seconds)
const whole = readNormalized('base.f16', dimension)
const rowCount = Math.min(Number(values.rows), whole.length / dimension)
const base = whole.subarray(0, rowCount * dimension)
const queries = readNormalized('queries.f16', dimension)
const queryCount = queries.length / dimension
const truth = await exactNeighbors('real-first', base, queries, dimension, 10)
const texts = gunzipSync(readFileSync(join(shared, 'data/texts.jsonl.gz'))).toString().split('\n').slice(0, rowCount).map((line) => (JSON.parse(line) as { text: string }).text)
const rowOf = (matrix: Float32Array, i: number) => matrix.subarray(i * dimension, (i + 1) * dimension)
const root = 'api/v2/tenants/default_tenant/databases/default_database/collections'

interface Contestant {
  readonly name: string
  start(folder: string): ChildProcess
}

const ours: Contestant = {
  name: 'Windlass',
  start: (folder) => {
    const main = join(import.meta.dirname, '../../src/cli/main.ts')
    return spawn(process.execPath, ['--import', 'tsx', main, 'serve', '--bucket', `file:${folder}`, '--port', String(port)], { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, WINDLASS_LOG_LEVEL: 'warn', AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' } })
  },
}
const reference: Contestant = {
  name: 'Chroma',
  start: (folder) => spawn(values.reference!, ['run', '--path', folder, '--host', '127.0.0.1', '--port', String(port)], { stdio: 'ignore' }),
}
const contestants = [ours, ...(values.reference === undefined ? [] : [reference])].filter(({ name }) => values.only === undefined || (values.only === 'ours') === (name === 'Windlass'))
console.log(`${rowCount} rows of ${dimension}, ${seconds} s a line\n`)
for (const contestant of contestants) {
  const folder = mkdtempSync(join(tmpdir(), 'windlass-bench-'))
  try {
    await measure(contestant, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measure(contestant: Contestant, folder: string): Promise<void> {
  console.log(`| ${contestant.name} | connections | a second | p50 ms | p99 ms | server CPU ms | recall |\n|---|---:|---:|---:|---:|---:|---:|`)
  let { child, client } = await startServer(contestant, folder)
  const { id } = JSON.parse(await client.post(root, JSON.stringify({ name: 'bench', configuration: { hnsw: { space: 'cosine' } } }))) as { id: string }
  const bodies = Array.from({ length: Math.ceil(rowCount / batch) }, (_, b) => addBody(b * batch, Math.min(rowCount, (b + 1) * batch)))
  await line('add 1,000', client, child, `${root}/${id}/add`, { bodies, connections: 2, perRequest: batch })
  console.log(`| resident after adding | | ${residentMb(child)} MB | | | | |`)
  client.close()
  await stop(child)

  const started = performance.now()
  ;({ child, client } = await startServer(contestant, folder))
  await client.post(`${root}/${id}/query`, question(0))
  console.log(`| start to first answer | | | ${(performance.now() - started).toFixed(0)} | | | |`)
  const asked = Array.from({ length: queryCount }, (_, i) => question(i))
  await client.run(`${root}/${id}/query`, asked, { connections: 2 })
  let found = 0
  for (let i = 0; i < 200; i++) {
    const { ids } = JSON.parse(await client.post(`${root}/${id}/query`, asked[i]!)) as { ids: string[][] }
    const exact = new Set(Array.from(truth.subarray(i * 10, i * 10 + 10), (row) => `r${row}`))
    found += ids[0]!.filter((key) => exact.has(key)).length
  }
  for (const connections of [1, 8]) await line('query', client, child, `${root}/${id}/query`, { bodies: asked, connections, recall: found / 2000 })
  const filtered = Array.from({ length: queryCount }, (_, i) => question(i, { where: { tenth: 3 } }))
  await line('query, a tenth', client, child, `${root}/${id}/query`, { bodies: filtered, connections: 8 })
  const containing = ['harbor', 'mammal', 'of the 19th century', 'quickly'].map((word) => JSON.stringify({ where_document: { $contains: word }, limit: 10, include: ['documents'] }))
  await client.post(`${root}/${id}/get`, containing[0]!)
  await line('get, $contains', client, child, `${root}/${id}/get`, { bodies: containing, connections: 1 })
  console.log(`| resident after queries | | ${residentMb(child)} MB | | | | |\n`)
  client.close()
  await stop(child)
}

interface Line {
  readonly bodies: readonly string[]
  readonly connections: number
  /** Things a request brings; with it each body is sent once. */
  readonly perRequest?: number
  readonly recall?: number
}

async function line(name: string, client: LoadClient, child: ChildProcess, path: string, { bodies, connections, perRequest, recall }: Line): Promise<void> {
  const before = cpuMs(child)
  const load = await client.run(path, bodies, { connections, ...(perRequest === undefined && { seconds }) })
  const cells = [
    name,
    connections,
    ((load.latencies.length * (perRequest ?? 1)) / load.seconds).toFixed(0),
    quantile(load.latencies, 0.5).toFixed(1),
    quantile(load.latencies, 0.99).toFixed(1),
    ((cpuMs(child) - before) / load.latencies.length).toFixed(2),
    recall?.toFixed(3) ?? '',
  ]
  console.log(`| ${cells.join(' | ')} |`)
}

function addBody(start: number, end: number): string {
  const rows = Array.from({ length: end - start }, (_, i) => start + i)
  return JSON.stringify({
    ids: rows.map((row) => `r${row}`),
    embeddings: rows.map((row) => Buffer.from(rowOf(base, row).slice().buffer).toString('base64')),
    documents: rows.map((row) => texts[row]!),
    metadatas: rows.map((row) => ({ tenth: row % 10, row })),
  })
}

function question(i: number, more: object = {}): string {
  return JSON.stringify({ query_embeddings: [Array.from(rowOf(queries, i))], n_results: 10, include: ['distances'], ...more })
}

async function startServer(contestant: Contestant, folder: string): Promise<{ child: ChildProcess; client: LoadClient }> {
  const child = contestant.start(folder)
  for (let i = 0; i < 6000; i++) {
    if (await fetch(`http://127.0.0.1:${port}/api/v2/heartbeat`).then(({ ok }) => ok, () => false)) return { child, client: new LoadClient(`http://127.0.0.1:${port}`, 8) }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`${contestant.name} does not answer`)
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM')
  await new Promise((resolve) => child.once('exit', resolve))
}

/** User and system time of a process and what it started; ticks are 10 ms on Linux. */
function cpuMs(child: ChildProcess): number {
  return processes(child.pid!).reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    return sum + (Number(fields[11]) + Number(fields[12])) * 10
  }, 0)
}

function residentMb(child: ChildProcess): string {
  const kb = processes(child.pid!).reduce((sum, pid) => sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0), 0)
  return (kb / 1024).toFixed(0)
}

/** A process and those below it: the chroma command is a script around its server. */
function processes(root: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      parents.set(Number(name), Number(readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1]!.split(' ')[1]))
    } catch {
      // It ended between the two looks.
    }
  }
  const all = [root]
  for (const pid of all) for (const [child, parent] of parents) if (parent === pid && !all.includes(child)) all.push(child)
  return all
}
