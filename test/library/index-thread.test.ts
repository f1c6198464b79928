// Large indexes are built beside the thread that answers queries; also where the sources run.
import type { Worker } from 'node:worker_threads'
import { afterEach, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { open } from '../../src/index.ts'

const told: string[] = []
const listen = (worker: Worker) => void worker.on('message', ({ kind }: { kind: string }) => told.push(kind))
process.on('worker', listen)
afterEach(() => void process.off('worker', listen))

test('an index of more than a million values is built in a thread, and finds what is there', async () => {
  const [count, dimension] = [6000, 192]
  const random = seededRandom(7)
  const vectors = Array.from({ length: count }, () => Array.from({ length: dimension }, () => random.next() - 0.5))
  const bucket = await open('memory:')
  const collection = await bucket.createCollection('c', { dimension })
  for (let start = 0; start < count; start += 1000) await collection.put(vectors.slice(start, start + 1000).map((vector, i) => ({ key: String(start + i), vector })))
  await collection.flush()
  expect(told).toContain('built')
  for (const i of [0, 1234, count - 1]) expect((await collection.query({ vector: vectors[i]!, k: 1 })).matches[0]?.key).toBe(String(i))
  await bucket.close()
})
