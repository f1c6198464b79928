import { expect, test } from 'vitest'
import { CountingStore, countsBetween } from './counting-store.ts'
import { MemoryStore } from './memory-store.ts'

test('counts requests as S3 would bill them, and the bytes that travel', async () => {
  const store = new CountingStore(new MemoryStore())
  const keys = Array.from({ length: 1001 }, (_, i) => `key-${i}`)
  for (const key of keys) await store.put(key, Uint8Array.of(1, 2))
  const written = store.counts()
  expect(written).toEqual({ requests: { put: 1001 }, bytesRead: 0, bytesWritten: 2002 })
  await store.get('key-1', { range: { start: 1, end: 2 } })
  await store.get('absent')
  await store.head('key-1')
  for await (const _ of store.list('key-')) void _
  await store.delete(keys)
  await store.upload!('stream', (async function* () { yield Uint8Array.of(1, 2, 3) })())
  expect(countsBetween(written, store.counts())).toEqual({ requests: { get: 2, head: 1, list: 2, delete: 2, upload: 1 }, bytesRead: 1, bytesWritten: 3 })
  expect(written.requests.put).toBe(1001)
})
