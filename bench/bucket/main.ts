// Asks: what does a write, a warm query and a first query cost on a bucket: time, requests, bytes? Records are the first 10,000 rows of
// the shared embeddings with their texts. Prints one Markdown table.
//
// npx tsx bench/bucket/main.ts <bucket URL> [records]     WINDLASS_SHARED: the shared data's folder (default ../shared)
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { open, type Bucket } from '../../src/index.ts'

const [url = 'memory:', countText = '10000'] = process.argv.slice(2)
const recordCount = Number(countText)
const shared = process.env['WINDLASS_SHARED'] ?? join(import.meta.dirname, '../../../shared')
const dimension = 384
const vectors = readVectors('base.f16', recordCount)
const queries = readVectors('queries.f16', 200)
const texts = gunzipSync(readFileSync(join(shared, 'data/texts.jsonl.gz'))).toString().split('\n').slice(0, recordCount).map((line) => (JSON.parse(line) as { text: string }).text)

function readVectors(name: string, count: number): Float32Array[] {
  const bytes = readFileSync(join(shared, 'data', name))
  return Array.from({ length: count }, (_, row) => Float32Array.from({ length: dimension }, (_unused, i) => halfAt(bytes, (row * dimension + i) * 2)))
}

/** IEEE 754 half precision. */
function halfAt(bytes: Buffer, offset: number): number {
  const bits = bytes.readUInt16LE(offset)
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  const value = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15)
  return bits & 0x8000 ? -value : value
}

const rows: string[] = []
async function measure(name: string, bucket: Bucket, times: number, task: (i: number) => Promise<unknown>): Promise<void> {
  const before = bucket.requestCounts()
  const durations: number[] = []
  for (let i = 0; i < times; i++) {
    const started = performance.now()
    await task(i)
    durations.push(performance.now() - started)
  }
  durations.sort((a, b) => a - b)
  const after = bucket.requestCounts()
  const requests = Object.entries(after.requests).flatMap(([operation, count]) => {
    const sent = (count - (before.requests[operation] ?? 0)) / times
    return sent === 0 ? [] : [`${Number(sent.toFixed(2))} ${operation}`]
  })
  const kilobytes = (after.bytesRead - before.bytesRead + after.bytesWritten - before.bytesWritten) / 1000 / times
  const at = (share: number) => durations[Math.min(times - 1, Math.floor(times * share))]!.toFixed(1)
  rows.push(`| ${name} | ${at(0)} | ${at(0.5)} | ${at(0.95)} | ${requests.join(', ') || 'none'} | ${kilobytes.toFixed(1)} |`)
}

const bucket = await open(url)
const name = `bench-${Date.now()}`
const collection = await bucket.createCollection(name, { dimension })
const batch = 500
await measure(`put of ${batch} records`, bucket, recordCount / batch, (b) =>
  collection.put(Array.from({ length: batch }, (_, j) => ({ key: `r${b * batch + j}`, vector: vectors[b * batch + j]!, document: texts[b * batch + j]!, metadata: { n: j } }))),
)
await collection.flush()
await measure('put of 1 record', bucket, 50, (i) => collection.put([{ key: `single${i}`, vector: vectors[i]!, document: texts[i]! }]))
await collection.query({ vector: queries[0]!, text: 'a small boat' })
const query = (i: number) => ({ vector: queries[i % queries.length]!, k: 10, include: { metadata: true } })
await measure('warm query, strong', bucket, 100, (i) => collection.query(query(i)))
await measure('warm query, eventual', bucket, 100, (i) => collection.query({ ...query(i), consistency: 'eventual' }))
await measure('warm hybrid query, strong', bucket, 100, (i) => collection.query({ ...query(i), text: texts[i * 7]!.slice(0, 60) }))
// A new opening has nothing in memory; the operating system's and the server's caches stay.
for (const [label, more] of [['vector', {}], ['hybrid', { text: 'a small boat' }]] as const) {
  const cold: Bucket[] = []
  for (let i = 0; i < 5; i++) cold.push(await open(url))
  const counts = cold.map((each) => each.requestCounts())
  const durations: number[] = []
  for (const each of cold) {
    const started = performance.now()
    await (await each.collection(name)).query({ ...query(1), ...more })
    durations.push(performance.now() - started)
  }
  const { requests, bytesRead } = cold[0]!.requestCounts()
  durations.sort((a, b) => a - b)
  const sent = Object.entries(requests).map(([operation, count]) => `${count - (counts[0]!.requests[operation] ?? 0)} ${operation}`)
  rows.push(`| first ${label} query of a process | ${durations[0]!.toFixed(1)} | ${durations[2]!.toFixed(1)} | ${durations[4]!.toFixed(1)} | ${sent.join(', ')} | ${(bytesRead / 1000).toFixed(1)} |`)
  for (const each of cold) await each.close()
}
await bucket.dropCollection(name)
await bucket.close()
console.log(`${recordCount} records of ${dimension} dimensions, ${url}, Node ${process.version}\n`)
console.log('| | best ms | median ms | 95 % ms | requests each | kB each |\n|---|---|---|---|---|---|')
for (const row of rows) console.log(row)
