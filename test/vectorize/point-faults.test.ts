// What goes wrong between a destination of points and its engine, on the doubles of Qdrant and OpenSearch.
import { describe, expect, test } from 'vitest'
import { sha256Hex, toUtf8 } from '../../src/base/bytes.ts'
import type { EmbeddedChunk, HeldDocument, Reference, SearchableDestination } from '../../src/vectorize/destinations/destination.ts'
import { startOpenSearchDouble } from '../doubles/opensearch/double.ts'
import { startQdrantDouble } from '../doubles/qdrant/double.ts'
import type { JsonServer } from '../doubles/json-server.ts'
import { openSearchable } from './point-destinations.ts'

const dimension = 8
const engines: Record<string, () => Promise<{ server: JsonServer; open: () => Promise<SearchableDestination> }>> = {
  Qdrant: async () => {
    const server = await startQdrantDouble()
    return { server, open: () => openSearchable({ type: 'qdrant', url: server.url, collection: 'docs' }) }
  },
  OpenSearch: async () => {
    const server = await startOpenSearchDouble()
    return { server, open: () => openSearchable({ type: 'opensearch', url: server.url, index: 'docs' }) }
  },
  'OpenSearch Serverless': async () => {
    const key = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret-of-the-double' }
    const server = await startOpenSearchDouble({ isServerless: true, aws: { ...key, region: 'eu-west-1', service: 'aoss' } })
    return { server, open: () => openSearchable({ type: 'opensearch', url: server.url, index: 'docs', auth: { type: 'aws', service: 'aoss', region: 'eu-west-1' } }, 'conformance', { AWS_ACCESS_KEY_ID: key.accessKeyId, AWS_SECRET_ACCESS_KEY: key.secretAccessKey }) }
  },
}

describe.each(Object.keys(engines))('%s', (name) => {
  test('a writer that is killed at any request leaves the old version or the new one, and the next run cleans up', async () => {
    const old = ['old a', 'old b', 'old c']
    const parts = ['new a', 'new b', 'new c', 'new d']
    const outcomes = new Set<string>()
    for (let requests = 0; ; requests++) {
      const { server, open } = await engines[name]!()
      const next = server.faults.next.bind(server.faults)
      const destination = await prepared(open)
      const reference = await put(destination, 'a.md', old)
      let left = requests
      // Dead from then on: its requests reach nobody, and nothing repeats them.
      server.faults.next = () => (--left >= 0 ? null : { kind: 'cut' })
      const isDone = await put(destination, 'a.md', parts, reference).then(() => true, () => false)
      server.faults.next = next
      const other = await prepared(open)
      const found = await textsOf(other, 'a.md')
      expect([old, parts], `after ${requests} requests`).toContainEqual(found)
      outcomes.add(found[0]!)
      const again = await put(other, 'a.md', parts, reference)
      expect(await textsOf(other, 'a.md')).toEqual(parts)
      expect((await listed(other)).map((held) => held.reference)).toEqual([again])
      await server.close()
      if (isDone) break
    }
    expect([...outcomes].sort()).toEqual(['new a', 'old a'])
  }, 120_000)

  test('what a killed writer left of a large version is listed, and can be removed by its reference', async () => {
    const { server, open } = await engines[name]!()
    const destination = await prepared(open)
    const reference = await put(destination, 'a.md', ['text'])
    const { document, chunks } = await version('a.md', Array.from({ length: 300 }, (_, i) => `part ${i}`))
    const writer = await destination.begin(document, reference)
    await writer.write(chunks)
    const other = await prepared(open)
    const held = await listed(other)
    expect(held.map(({ reference: { version: id } }) => id === reference.version)).toContain(true)
    expect(held).toHaveLength(2)
    expect(await textsOf(other, 'a.md')).toEqual(['text'])
    for (const { path, reference: each } of held) if (each.version !== reference.version) await other.remove(path, each)
    expect((await listed(other)).map((each) => each.reference)).toEqual([reference])
    expect(await textsOf(other, 'a.md')).toEqual(['text'])
    await server.close()
  })

  test('a server that asks to wait is asked again, after that', async () => {
    const { server, open } = await engines[name]!()
    const destination = await prepared(open)
    server.faults.plan(/points$|_bulk$/, { kind: 'status', status: 429, headers: { 'retry-after': '1' } }, 2)
    server.faults.plan(/points$|_bulk$/, { kind: 'status', status: 503 }, 1)
    await put(destination, 'a.md', ['text'])
    expect(server.journal.filter(({ status }) => status === 429)).toHaveLength(2)
    expect(await textsOf(destination, 'a.md')).toEqual(['text'])
    await server.close()
  })

  test('a server that stays away fails the document as unavailable', async () => {
    const { server, open } = await engines[name]!()
    const destination = await prepared(open)
    server.faults.repeat(1, /./, { kind: 'cut' })
    await expect(put(destination, 'a.md', ['text'])).rejects.toMatchObject({ kind: 'unavailable' })
    await server.close()
  })

  test('vectors of another dimension are refused before anything is sent', async () => {
    const { server, open } = await engines[name]!()
    const destination = await prepared(open)
    const { document, chunks } = await version('a.md', ['text'])
    const writer = await destination.begin(document, null)
    const before = server.journal.length
    await expect(writer.write([{ ...chunks[0]!, vector: new Float32Array(dimension + 1).fill(1) }])).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('9 values') as string })
    expect(server.journal).toHaveLength(before)
    const other = await open()
    await expect(other.prepare({ dimension: dimension + 1, model: 'conformance' })).rejects.toMatchObject({ kind: 'invalid', message: expect.stringMatching(/8 values.*9/) as string })
    await server.close()
  })

  test('vectors of another model are not put beside those that are there', async () => {
    const { server, open } = await engines[name]!()
    await put(await prepared(open), 'a.md', ['text'])
    const other = await open()
    await expect(other.prepare({ dimension, model: 'another' })).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('conformance') as string })
    await server.close()
  })
})

test('documents of a bulk that are refused fail alone, and only those that were busy are sent again', async () => {
  const server = await startOpenSearchDouble()
  const destination = await openSearchable({ type: 'opensearch', url: server.url, index: 'docs' })
  await destination.prepare({ dimension, model: 'conformance' })
  let busy = 3
  const sent: string[] = []
  server.refuse = ({ kind, source }) => {
    if (kind !== 'index') return null
    sent.push(String(source!.text))
    if (source!.path === 'bad.md' && source!.index === 1) return 400
    return source!.text === 'good 1' && busy-- > 0 ? 429 : null
  }
  const outcomes = await Promise.allSettled([put(destination, 'bad.md', ['bad 0', 'bad 1', 'bad 2']), put(destination, 'good.md', ['good 0', 'good 1', 'good 2'])])
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
  expect((outcomes[0] as PromiseRejectedResult).reason).toMatchObject({ kind: 'invalid', message: expect.stringMatching(/1 of 2 refused, with 400/) as string })
  expect(await textsOf(destination, 'good.md')).toEqual(['good 0', 'good 1', 'good 2'])
  expect(await textsOf(destination, 'bad.md')).toEqual([])
  expect(sent.filter((text) => text === 'good 1')).toHaveLength(4)
  expect(sent.filter((text) => text === 'good 2')).toHaveLength(1)
  await server.close()
})

test('Serverless shows writes late: until then the old version is found, whole', async () => {
  const key = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret-of-the-double' }
  const server = await startOpenSearchDouble({ isServerless: true, isSlow: true, aws: { ...key, region: 'eu-west-1', service: 'aoss' } })
  const destination = await openSearchable({ type: 'opensearch', url: server.url, index: 'docs', auth: { type: 'aws', service: 'aoss', region: 'eu-west-1' } }, 'conformance', { AWS_ACCESS_KEY_ID: key.accessKeyId, AWS_SECRET_ACCESS_KEY: key.secretAccessKey })
  await destination.prepare({ dimension, model: 'conformance' })
  const first = await put(destination, 'a.md', ['old a', 'old b'])
  expect(await textsOf(destination, 'a.md')).toEqual([])
  server.refresh()
  expect(await textsOf(destination, 'a.md')).toEqual(['old a', 'old b'])
  await put(destination, 'a.md', ['new a'], first)
  expect(await textsOf(destination, 'a.md')).toEqual(['old a', 'old b'])
  server.refresh()
  expect(await textsOf(destination, 'a.md')).toEqual(['new a'])
  expect(await listed(destination)).toHaveLength(1)
  await server.close()
})

test('a refused key is told, and not shown', async () => {
  const secret = 'key-that-nobody-knows'
  const qdrant = await startQdrantDouble({ apiKey: 'another-key' })
  const opensearch = await startOpenSearchDouble({ basic: { user: 'admin', password: 'another-password' } })
  const destinations = [
    await openSearchable({ type: 'qdrant', url: qdrant.url, collection: 'docs', apiKeyVariable: 'KEY' }, 'v', { KEY: secret }),
    await openSearchable({ type: 'opensearch', url: opensearch.url, index: 'docs', auth: { type: 'basic' } }, 'v', { OPENSEARCH_USER: 'admin', OPENSEARCH_PASSWORD: secret }),
  ]
  for (const destination of destinations) {
    const error = await destination.prepare({ dimension, model: 'conformance' }).then(() => null, (each: Error) => each)
    expect(error).toMatchObject({ kind: 'unauthenticated' })
    expect(`${error!.message} ${String(error!.cause)}`).not.toMatch(/key-that-nobody-knows|a2V5LXRoYXQ/)
  }
  await qdrant.close()
  await opensearch.close()
})

async function prepared(open: () => Promise<SearchableDestination>): Promise<SearchableDestination> {
  const destination = await open()
  await destination.prepare({ dimension, model: 'conformance' })
  return destination
}

async function put(destination: SearchableDestination, path: string, parts: readonly string[], previous: Reference | null = null): Promise<Reference> {
  const { document, chunks } = await version(path, parts)
  const writer = await destination.begin(document, previous)
  await writer.write(chunks)
  return writer.commit()
}

async function version(path: string, parts: readonly string[]) {
  const chunks: EmbeddedChunk[] = await Promise.all(
    parts.map(async (text, index) => ({ chunk: { index, text, embeddingText: text, headingPath: [], tokenCount: 1 }, text, hash: (await sha256Hex(toUtf8(text))).slice(0, 16), vector: Float32Array.from({ length: dimension }, (_, i) => Math.cos(i + index)) })),
  )
  return { document: { path, sha256: await sha256Hex(toUtf8(parts.join())), sizeBytes: 1, metadata: {} }, chunks }
}

async function textsOf(destination: SearchableDestination, path: string): Promise<string[]> {
  const vector = Float32Array.from({ length: dimension }, (_, i) => i + 1)
  const matches = await destination.search({ vector, k: 100, filter: { op: 'eq', key: 'source', value: path } })
  return matches.sort((a, b) => a.place.index - b.place.index).map(({ text }) => text)
}

async function listed(destination: SearchableDestination): Promise<HeldDocument[]> {
  const held: HeldDocument[] = []
  for await (const document of destination.list()) held.push(document)
  return held
}
