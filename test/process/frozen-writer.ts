// A process of frozen.test.ts: writes one record after another with a grace period of seconds, and says what was acknowledged.
import { isWindlassError, open } from '../../src/index.ts'

let running = true
process.on('SIGTERM', () => (running = false))
const [url, name, graceText] = process.argv.slice(2)
const graceMs = Number(graceText)
const bucket = await open(url!, { engine: { graceMs, historyMs: graceMs, refreshIntervalMs: graceMs / 8, flushCommits: 20 } })
const collection = await bucket.collection('c')
for (let i = 0; running; i++) {
  const key = `${name}-${i}`
  try {
    await collection.put([{ key, vector: [i, 1], document: `record ${i}` }])
    process.stdout.write(`acknowledged ${key}\n`)
  } catch (error) {
    if (!isWindlassError(error)) throw error
    process.stdout.write(`${error.kind === 'outcome-unknown' ? 'unknown' : 'refused'} ${key}\n`)
  }
}
await bucket.close()
