// Asks: what do merges and sweeps cost and leave when four processes write a million records in batches of 1,000 to one collection?
// Prints write amplification, objects and bytes left, the peak memory of each process, and verifies everything at the end.
//
// npx tsx bench/million/main.ts <bucket URL> [records] [dimension]
import { fork } from 'node:child_process'
import { seededRandom } from '../../src/base/random.ts'
import { open } from '../../src/index.ts'

const [url = 'file:./million', recordText = '1000000', dimensionText = '128', part] = process.argv.slice(2)
const recordCount = Number(recordText)
const dimension = Number(dimensionText)
const batch = 1000
const processes = 4

if (part === undefined) await lead()
else await write(Number(part))

async function write(index: number): Promise<void> {
  const bucket = await open(url)
  const collection = await bucket.collection('million')
  const random = seededRandom(index)
  for (let b = index; b * batch < recordCount; b += processes) {
    const records = Array.from({ length: batch }, (_, i) => ({
      key: `r${b * batch + i}`,
      vector: Float32Array.from({ length: dimension }, () => random.next() - 0.5),
      metadata: { batch: b },
    }))
    await collection.put(records)
  }
  const { requests, bytesRead, bytesWritten } = bucket.requestCounts()
  await bucket.close()
  process.send!({ requests, bytesRead, bytesWritten, peakBytes: process.resourceUsage().maxRSS * 1024 })
}

interface Report {
  readonly requests: Record<string, number>
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly peakBytes: number
}

async function lead(): Promise<void> {
  const bucket = await open(url)
  const collection = await bucket.createCollection('million', { dimension })
  const started = performance.now()
  const reports = await Promise.all(
    Array.from({ length: processes }, (_, i) => {
      const child = fork(import.meta.filename, [url, recordText, dimensionText, String(i)], { execArgv: process.execArgv })
      return new Promise<Report>((resolve, reject) => {
        child.once('message', (message) => resolve(message as Report))
        child.once('exit', (code) => code !== 0 && reject(new Error(`writer ${i} ended with ${code}`)))
      })
    }),
  )
  const seconds = (performance.now() - started) / 1000
  const stats = await collection.stats()
  if (stats.recordCount !== recordCount) throw new Error(`${stats.recordCount} records, expected ${recordCount}`)
  const { objectCount, problems } = await bucket.verify('million')
  if (problems.length > 0) throw new Error(JSON.stringify(problems.slice(0, 3)))
  const put = reports.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0)
  const payload = recordCount * (dimension * 4 + 16)
  const total = (name: string) => reports.reduce((sum, { requests }) => sum + (requests[name] ?? 0), 0)
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`
  console.log(`${recordCount} records of ${dimension} dimensions from ${processes} processes, ${url}, Node ${process.version}`)
  console.log(`${seconds.toFixed(1)} s, ${Math.round(recordCount / seconds)} records/s; vectors and keys ${mb(payload)}, put ${mb(put)} (${(put / payload).toFixed(2)} times), read ${mb(reports.reduce((sum, { bytesRead }) => sum + bytesRead, 0))}`)
  console.log(`requests: ${total('put')} put, ${total('get')} get, ${total('list')} list, ${total('delete')} delete`)
  console.log(`left: ${stats.segmentCount} segments, ${mb(stats.sizeBytes)}, ${objectCount} objects named; peak memory of a writer ${mb(Math.max(...reports.map(({ peakBytes }) => peakBytes)))}`)
  await bucket.close()
}
