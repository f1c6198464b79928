// Round trips are the product: a change that adds a request fails here.
import { expect, test } from 'vitest'
import { CountingStore } from '../store/counting-store.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { newDatabase, schema } from './testing.ts'

const row = (i: number) => ({ op: 'put' as const, row: { key: `k${i}`, vector: [i, 1, 2], document: `text number ${i}`, metadata: { i } } })

async function requestsOf(store: CountingStore, task: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = store.counts().requests
  await task()
  const after = store.counts().requests
  return Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)] as const).filter(([, count]) => count > 0))
}

test('a write is one put, however many batches share it', async () => {
  const store = new CountingStore(new MemoryStore())
  const c = await newDatabase(store).create('c', schema())
  await c.write({ operations: [row(0)] })
  expect(await requestsOf(store, () => c.write({ operations: [row(1)] }))).toEqual({ put: 1 })
  expect(await requestsOf(store, () => Promise.all([2, 3, 4, 5].map((i) => c.write({ operations: [row(i)] }))))).toEqual({ put: 1 })
})

test('a warm strong read is two gets side by side, a warm eventual read none', async () => {
  const store = new CountingStore(new MemoryStore())
  const c = await newDatabase(store).create('c', schema())
  await c.write({ operations: [row(0), row(1)] })
  await c.flush()
  const ask = (consistency: 'strong' | 'eventual') => c.query({ vector: [1, 1, 1], text: 'number', k: 2, consistency, include: { metadata: true, document: true } })
  await ask('strong')
  expect(await requestsOf(store, () => ask('strong'))).toEqual({ get: 2 })
  expect(await requestsOf(store, () => ask('eventual'))).toEqual({})
  expect(await requestsOf(store, () => Promise.all([1, 2, 3].map(() => ask('strong')))), 'reads that begin together share a probe').toEqual({ get: 2 })
})

test('a cold query of a small collection: name, manifest, log window beside the segment', async () => {
  const inner = new MemoryStore()
  const c = await newDatabase(inner).create('c', schema())
  await c.write({ operations: [row(0), row(1)] })
  await c.flush()
  const store = new CountingStore(inner)
  const requests = await requestsOf(store, async () => {
    const cold = await newDatabase(store).collection('c')
    await cold.query({ vector: [1, 1, 1], text: 'number', k: 2, consistency: 'eventual', include: { metadata: true, document: true } })
  })
  // catalog 1, manifest 1, log window 4, segment whole 1
  expect(requests).toEqual({ get: 7 })
})

test('a flush is a segment, a copy of the old manifest, and the manifest', async () => {
  const store = new CountingStore(new MemoryStore())
  const c = await newDatabase(store).create('c', schema())
  await c.write({ operations: [row(0)] })
  expect((await requestsOf(store, () => c.flush())).put).toBe(3)
})

test('an idle collection costs no requests', async () => {
  const store = new CountingStore(new MemoryStore())
  const c = await newDatabase(store).create('c', schema())
  await c.write({ operations: [row(0)] })
  await c.flush()
  expect(await requestsOf(store, () => new Promise((resolve) => setTimeout(resolve, 300)))).toEqual({})
})
