// Writers that come between each other's requests, and what waiting is.
import { expect, test } from 'vitest'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { EmbeddedChunk } from '../../src/vectorize/destinations/destination.ts'
import { JsonService } from '../../src/vectorize/destinations/http-json.ts'
import { PointDestination } from '../../src/vectorize/destinations/point-destination.ts'
import type { PointStore } from '../../src/vectorize/destinations/point-store.ts'
import { QdrantStore, readQdrantMessage } from '../../src/vectorize/destinations/qdrant/qdrant-store.ts'
import { startJsonServer } from '../doubles/json-server.ts'
import { startQdrantDouble, type QdrantDouble } from '../doubles/qdrant/double.ts'

const random = seededRandom(1)
const document = { path: 'a.md', sha256: '0', sizeBytes: 1, metadata: {} }

function storeOf(double: QdrantDouble, clock: Clock = systemClock): QdrantStore {
  return new QdrantStore(new JsonService({ title: 'qdrant', baseUrl: double.url, clock, random, readMessage: readQdrantMessage }), { url: double.url, collection: 'docs' })
}

async function open(store: PointStore): Promise<PointDestination> {
  const destination = new PointDestination(store, 'v', { clock: systemClock, random })
  await destination.prepare({ dimension: 2, model: 'm' })
  return destination
}

function chunksOf(...texts: string[]): EmbeddedChunk[] {
  return texts.map((text, index) => ({ chunk: { index, text, embeddingText: text, headingPath: [], tokenCount: 1 }, text, hash: text, vector: Float32Array.of(1, index) }))
}

async function textsOf(destination: PointDestination): Promise<string[]> {
  const matches = await destination.search({ vector: Float32Array.of(1, 1), k: 20 })
  return matches.sort((a, b) => a.place.index - b.place.index).map(({ text }) => text)
}

/** A store before whose next call of `method` something else happens, once. */
function interrupted(store: QdrantStore, method: 'put' | 'heads', isMeant: (given: unknown) => boolean, interruption: () => Promise<unknown>): PointStore {
  let isDue = true
  return new Proxy(store as PointStore, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (name !== method) return value.bind(target) as unknown
      return async (...given: unknown[]) => {
        if (isDue && isMeant(given[0])) {
          isDue = false
          await interruption()
        }
        return (value as (...given: unknown[]) => unknown).apply(target, given)
      }
    },
  })
}

test('a writer whose chunks another removed just before its head was there gives the document up, and the next attempt puts it right', async () => {
  const double = await startQdrantDouble()
  const other = await open(storeOf(double))
  const isHead = (points: unknown) => (points as { head?: unknown }[])[0]!.head !== undefined
  const late = async () => {
    const writer = await other.begin(document, null)
    await writer.write(chunksOf('theirs 0', 'theirs 1'))
    await writer.commit()
  }
  const slow = await open(interrupted(storeOf(double), 'put', isHead, late))
  const writer = await slow.begin(document, null)
  await writer.write(chunksOf('ours 0', 'ours 1', 'ours 2'))
  await expect(writer.commit()).rejects.toMatchObject({ kind: 'conflict' })
  const again = await slow.begin(document, null)
  await again.write(chunksOf('ours 0', 'ours 1', 'ours 2'))
  await again.commit()
  expect(await textsOf(other)).toEqual(['ours 0', 'ours 1', 'ours 2'])
  expect(double.collections.get('docs')!.points.size).toBe(3)
  await double.close()
})

test('a writer that finds another head than it began with gives way, and leaves nothing of its own', async () => {
  const double = await startQdrantDouble()
  const [first, second] = [await open(storeOf(double)), await open(storeOf(double))]
  const slow = await first.begin(document, null)
  await slow.write(chunksOf(...Array.from({ length: 200 }, (_, i) => `slow ${i}`)))
  const fast = await second.begin(document, null)
  await fast.write(chunksOf('fast'))
  await fast.commit()
  await expect(slow.commit()).rejects.toMatchObject({ kind: 'conflict' })
  expect(await textsOf(first)).toEqual(['fast'])
  expect(double.collections.get('docs')!.points.size).toBe(1)
  await double.close()
})

test('an aborted version leaves nothing of what was written ahead', async () => {
  const double = await startQdrantDouble()
  const destination = await open(storeOf(double))
  const writer = await destination.begin(document, null)
  await writer.write(chunksOf(...Array.from({ length: 200 }, (_, i) => `part ${i}`)))
  expect(double.collections.get('docs')!.points.size).toBe(199)
  await writer.abort()
  expect(double.collections.get('docs')!.points.size).toBe(0)
  await double.close()
})

test('a search that falls between the writes of a replacement is repeated', async () => {
  const double = await startQdrantDouble()
  const writing = await open(storeOf(double))
  const put = async (...texts: string[]) => {
    const writer = await writing.begin(document, null)
    await writer.write(chunksOf(...texts))
    await writer.commit()
  }
  await put('old 0', 'old 1')
  const reading = await open(interrupted(storeOf(double), 'heads', () => true, () => put('new 0', 'new 1', 'new 2')))
  expect(await textsOf(reading)).toEqual(['new 0', 'new 1', 'new 2'])
  await double.close()
})

test('a version sorts after the one it replaces, whatever the clocks say', async () => {
  const double = await startQdrantDouble()
  const ahead: Clock = { ...systemClock, now: () => systemClock.now() + 86_400_000 }
  const destinations = await Promise.all([ahead, systemClock].map(async (clock) => {
    const destination = new PointDestination(storeOf(double), 'v', { clock, random })
    await destination.prepare({ dimension: 2, model: 'm' })
    return destination
  }))
  const versions: string[] = []
  for (const destination of destinations) {
    const writer = await destination.begin(document, null)
    await writer.write(chunksOf('text'))
    versions.push(String((await writer.commit()).version))
  }
  expect([...versions].sort()).toEqual(versions)
  await double.close()
})

test('a server that quotes the key in its answer does not bring it into an error', async () => {
  const server = await startJsonServer(({ headers }) => ({ status: 400, json: { status: { error: `key ${String(headers['api-key'])} may not` } } }), () => null)
  const service = new JsonService({ title: 'qdrant', baseUrl: server.url, clock: systemClock, random, readMessage: readQdrantMessage, authorize: () => ({ 'api-key': 'key-nobody-knows' }), secrets: ['key-nobody-knows'] })
  await expect(service.send({ method: 'GET', path: '/', operation: 'look' })).rejects.toMatchObject({ kind: 'invalid', message: 'qdrant: look: answered 400: key … may not' })
  await server.close()
})

test('waits as long as a server asks, and in between longer each time', async () => {
  const double = await startQdrantDouble()
  const waits: number[] = []
  const clock: Clock = { ...systemClock, sleep: (ms) => Promise.resolve(void waits.push(ms)) }
  const store = storeOf(double, clock)
  await store.prepare({ dimension: 2 })
  double.faults.plan(/scroll$/, { kind: 'status', status: 429, headers: { 'retry-after': '7' } }, 1)
  double.faults.plan(/scroll$/, { kind: 'status', status: 503 }, 1)
  expect(await store.versions('d', [])).toEqual([])
  expect(waits).toHaveLength(2)
  expect(waits[0]).toBeGreaterThanOrEqual(7000)
  expect(waits[0]).toBeLessThanOrEqual(7250)
  expect(waits[1]).toBeLessThanOrEqual(1000)
  // A server that wants an hour is not waited for.
  double.faults.plan(/scroll$/, { kind: 'status', status: 429, headers: { 'retry-after': '3600' } }, 1)
  await expect(store.versions('d', [])).rejects.toMatchObject({ kind: 'unavailable', details: { retryAfterMs: 3_600_000 } })
  await double.close()
})
