// The REST door over real HTTP: what it does, and that every answer is the one its OpenAPI document promises.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { operationsTable } from '../../src/api/rest/operations-table.ts'
import { restRoutes } from '../../src/api/rest/rest-api.ts'
import { describeAudio } from './audio.ts'
import { describeMaps } from './maps.ts'
import { describeOverview } from './overview.ts'
import { startTestServer, visited, type TestServer } from './testing.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(async () => {
  await server.stop()
  // Last of all: a route that no test calls could say anything.
  expect(restRoutes.map(({ operationId }) => operationId).filter((id) => !visited.has(id))).toEqual([])
})

const newCollection = async (name: string, options: object = {}) => {
  const { status, json } = await server.call('POST', '/v1/collections', { json: { name, ...options } })
  expect(status).toBe(201)
  return json
}

describeAudio()
describeOverview(() => server)
describeMaps(() => server)

describe('vectorizers', () => {
  test('take the notifications of buckets', async () => {
    const secret = 'a-secret-of-some-length'
    const declared = { name: 'docs', source: { type: 's3' as const, url: 's3://theirs/docs', endpoint: 'http://127.0.0.1:9' }, destinations: [{ type: 'collection' as const, name: 'docs' }] }
    const environment = { AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 'secret' }
    const keyed = await startTestServer({ keys: JSON.stringify([{ id: 'minio', secret, role: 'write' }]) }, { vectorizers: (bucket) => [bucket.vectorizer(declared, { environment })] })
    try {
      const send = (json: unknown) => keyed.call('POST', '/v1/vectorizers/docs/events', { json, headers: { authorization: `Bearer ${secret}` } })
      expect((await send({ Event: 's3:TestEvent' })).json).toEqual({ done: true, new: 0, changed: 0, unchanged: 0, removed: 0, failed: 0, skipped: 0 })
      expect((await send({ Records: [{ eventName: 'ObjectCreated:Put', s3: { bucket: { name: 'another' }, object: { key: 'x' } } }] })).json).toMatchObject({ done: true, skipped: 1 })
      expect((await send({ Records: 'none' })).status).toBe(400)
    } finally {
      await keyed.stop()
    }
  })
})

describe('service', () => {
  test('the OpenAPI document is valid, and names every route', async () => {
    const { json } = await server.call('GET', '/openapi.json')
    const { valid, errors } = await new Validator().validate(structuredClone(json))
    expect(errors).toBeUndefined()
    expect(valid).toBe(true)
    const ids = Object.values(json.paths as Record<string, Record<string, { operationId: string }>>).flatMap((path) => Object.values(path).map(({ operationId }) => operationId))
    expect(ids.sort()).toEqual(restRoutes.map(({ operationId }) => operationId).sort())
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('the documentation has the table of operations', () => {
    const page = join(import.meta.dirname, '../../docs/rest.md')
    const table = `<!-- operations -->\n\n${operationsTable(restRoutes)}`
    const text = readFileSync(page, 'utf8')
    if (process.env.UPDATE_FILES) writeFileSync(page, text.slice(0, text.indexOf('<!-- operations -->')) + table)
    expect(readFileSync(page, 'utf8')).toContain(table)
  })

  test('every reference in the OpenAPI document leads somewhere', async () => {
    const { json, text } = await server.call('GET', '/openapi.json')
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, id]) => id!)
    expect(references.length).toBeGreaterThan(10)
    for (const id of references) expect(Object.keys(json.components.schemas)).toContain(id)
  })

  test('ready, healthy, and counted', async () => {
    await newCollection('counted')
    expect((await server.call('GET', '/ready')).json).toEqual({ ready: true })
    const { json } = await server.call('GET', '/health')
    expect(json.ok).toBe(true)
    expect(json.checks.map(({ name }: { name: string }) => name)).toEqual(expect.arrayContaining(['bucket', 'conditional writes', 'collection counted']))
    const { text } = await server.call('GET', '/metrics')
    expect(text).toMatch(/windlass_http_requests_total\{method="GET",route="\/ready",status="200"\} [1-9]/)
    expect(text).toMatch(/windlass_store_requests_total\{operation="put"\} [1-9]/)
  })

  test('a path that is no route, and a method that a route does not have', async () => {
    const { status, json } = await server.call('GET', '/v1/nothing')
    expect([status, json.error.kind]).toEqual([404, 'not-found'])
    const refused = await server.call('PATCH', '/v1/collections')
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'POST, GET'])
  })
})

describe('collections', () => {
  test.each(['plain', 'with space', 'a/b', 'ünïcode ✓', '%2F', '..', 'x'.repeat(300)])('%j is made, found, listed, dropped', async (name) => {
    const made = await newCollection(name, { dimension: 3, metric: 'dot' })
    expect(made).toMatchObject({ name, dimension: 3, metric: 'dot', recordCount: 0 })
    if (name !== '..') expect((await server.call('GET', `/v1/collections/${encodeURIComponent(name)}`)).json).toEqual(made)
    const { json } = await server.call('GET', '/v1/collections?limit=1000')
    expect(json.collections).toContainEqual({ name, id: made.id })
    expect((await server.call('POST', '/v1/collections', { json: { name } })).status).toBe(409)
    if (name === '..') return
    expect((await server.call('DELETE', `/v1/collections/${encodeURIComponent(name)}`)).status).toBe(204)
    expect((await server.call('GET', `/v1/collections/${encodeURIComponent(name)}`)).status).toBe(404)
  })

  test('pages of collections', async () => {
    for (const name of ['page-1', 'page-2', 'page-3']) await newCollection(name)
    const first = await server.call('GET', '/v1/collections?prefix=page-&limit=2')
    const second = await server.call('GET', `/v1/collections?prefix=page-&limit=2&after=${first.json.next}`)
    expect([...first.json.collections, ...second.json.collections].map(({ name }: { name: string }) => name)).toEqual(['page-1', 'page-2', 'page-3'])
    expect(second.json.next).toBeUndefined()
  })

  test('flush, merge, warm and verify', async () => {
    await newCollection('flushed')
    await server.call('POST', '/v1/collections/flushed/records', { json: { records: [{ key: 'a', vector: [1, 2] }] } })
    expect((await server.call('POST', '/v1/collections/flushed/flush')).status).toBe(204)
    expect((await server.call('GET', '/v1/collections/flushed')).json).toMatchObject({ segmentCount: 1, unflushedCommits: 0, recordCount: 1 })
    expect((await server.call('POST', '/v1/collections/flushed/merge')).json).toEqual({ merged: false })
    await server.call('POST', '/v1/collections/flushed/records', { json: { records: [{ key: 'b', vector: [2, 1] }] } })
    await server.call('POST', '/v1/collections/flushed/flush')
    expect((await server.call('POST', '/v1/collections/flushed/merge')).json).toEqual({ merged: true })
    expect((await server.call('GET', '/v1/collections/flushed')).json).toMatchObject({ segmentCount: 1, recordCount: 2 })
    expect((await server.call('POST', '/v1/collections/flushed/warm')).status).toBe(204)
    const { matches, stats } = (await server.call('POST', '/v1/collections/flushed/query', { json: { vector: [1, 2], recall: 1, probes: 3 } })).json
    expect(matches.map(({ key }: { key: string }) => key)).toEqual(['a', 'b'])
    expect(stats).toEqual({ rowsMatching: 2, rowsScored: 2, clustersProbed: 0, candidates: 0, requests: 0, bytesRead: 0, roundTrips: 0 })
    expect((await server.call('POST', '/v1/collections/flushed/verify')).json.problems).toEqual([])
    expect((await server.call('POST', '/v1/collections/flushed/repair')).json).toEqual({ repaired: [], problems: [] })
  })
})

describe('records', () => {
  test('put, get, list, query, count, delete', async () => {
    await newCollection('r', { metric: 'euclidean' })
    const base64 = Buffer.from(new Float32Array([0, 1, 0]).buffer).toString('base64')
    const put = await server.call('POST', '/v1/collections/r/records', {
      json: {
        records: [
          { key: 'red', vector: [1, 0, 0], metadata: { warm: true, tags: ['a'] }, document: 'red as a rose' },
          { key: 'green', vector: base64, metadata: { warm: false } },
          { key: 'a/b?c', vector: [0, 0, 1] },
        ],
      },
    })
    expect(put.json).toMatchObject({ putCount: 3, deletedCount: 0 })
    const got = await server.call('POST', '/v1/collections/r/records/get', { json: { keys: ['green', 'none', 'red'] } })
    expect(got.json.records.map((each: { key: string } | null) => each?.key ?? null)).toEqual(['green', null, 'red'])
    expect(got.json.records[0].vector).toEqual([0, 1, 0])
    const one = await server.call('GET', `/v1/collections/r/records/${encodeURIComponent('a/b?c')}?include=vector`)
    expect(one.json).toMatchObject({ key: 'a/b?c', vector: [0, 0, 1] })
    expect(one.json.metadata).toBeUndefined()
    const listed = await server.call('GET', `/v1/collections/r/records?limit=2`)
    const rest = await server.call('GET', `/v1/collections/r/records?limit=2&after=${encodeURIComponent(listed.json.next)}`)
    expect([...listed.json.records, ...rest.json.records].map(({ key }: { key: string }) => key)).toEqual(['red', 'green', 'a/b?c'])
    const filtered = await server.call('GET', `/v1/collections/r/records?filter=${encodeURIComponent('{"warm":true}')}`)
    expect(filtered.json.records).toHaveLength(1)
    const near = await server.call('POST', '/v1/collections/r/query', { json: { vector: [0.9, 0, 0.1], k: 2 } })
    expect(near.json.matches.map(({ key }: { key: string }) => key)).toEqual(['red', 'a/b?c'])
    expect(near.json.matches[0].distance).toBeCloseTo(Math.hypot(0.1, 0.1))
    const words = await server.call('POST', '/v1/collections/r/query', { json: { text: 'roses', filter: { warm: true } } })
    expect(words.json.matches).toMatchObject([{ key: 'red', document: 'red as a rose' }])
    expect((await server.call('GET', '/v1/collections/r/count')).json).toEqual({ count: 3 })
    expect((await server.call('DELETE', `/v1/collections/r/records/${encodeURIComponent('a/b?c')}`)).status).toBe(204)
    expect((await server.call('POST', '/v1/collections/r/records/delete', { json: { filter: { warm: false } } })).json.deletedCount).toBe(1)
    expect((await server.call('POST', '/v1/collections/r/records/delete', { json: { keys: ['red', 'none'] } })).json.deletedCount).toBe(1)
    expect((await server.call('GET', `/v1/collections/r/count?filter=${encodeURIComponent('{}')}`)).json).toEqual({ count: 0 })
  })

  test('whole numbers of 64 bits come back to the digit', async () => {
    await newCollection('digits')
    const body = '{"records":[{"key":"n","metadata":{"id":1234567890123456789,"half":0.5}}]}'
    await server.call('POST', '/v1/collections/digits/records', { body, headers: { 'content-type': 'application/json' } })
    const { text } = await server.call('GET', '/v1/collections/digits/records/n')
    expect(text).toContain('"id":1234567890123456789')
    expect(text).toContain('"half":0.5')
  })

  test.each([
    ['a dimension that is not the collection’s', 'records', { records: [{ key: 'x', vector: [1, 2] }] }, 400, 'vector', /dimension 2.*3/],
    ['a value that is no number', 'records', { records: [{ key: 'x', vector: [1, 'b', 3] }] }, 400, 'records.0.vector', /invalid/i],
    ['a vector beyond float32', 'records', { records: [{ key: 'x', vector: [1e300, 0, 0] }] }, 400, 'vector[0]', /float32/],
    ['base64 of no whole floats', 'records', { records: [{ key: 'x', vector: 'AAAA' }] }, 400, 'records.0.vector', /base64/],
    ['a key that is too long', 'records', { records: [{ key: 'k'.repeat(1025) }] }, 413, 'key', /1025 bytes, at most 1024/],
    ['an empty key', 'records', { records: [{ key: '' }] }, 400, 'key', /key/],
    ['metadata that is too large', 'records', { records: [{ key: 'x', metadata: { a: 'x'.repeat(41_000) } }] }, 413, 'metadata', /at most 40960/],
    ['a field that does not exist', 'records', { records: [{ key: 'x', vectors: [1, 2, 3] }] }, 400, 'records.0', /vectors/],
    ['no records', 'records', { records: [] }, 400, 'records', /1/],
    ['an unknown filter operator', 'query', { vector: [1, 2, 3], filter: { a: { $near: 1 } } }, 400, 'filter.a.$near', /\$near|operator/],
    ['k of zero', 'query', { vector: [1, 2, 3], k: 0 }, 400, 'k', /1/],
    ['a query for nothing', 'query', {}, 400, 'vector', /vector, a text, or both/],
    ['neither keys nor filter', 'records/delete', {}, 400, 'body', /either keys or filter/],
  ])('%s is refused by name', async (_, path, json, status, at, message) => {
    await server.call('POST', '/v1/collections', { json: { name: 'strict', dimension: 3 } })
    const answer = await server.call('POST', `/v1/collections/strict/${path}`, { json })
    expect([answer.status, answer.json.error.path]).toEqual([status, at])
    expect(answer.json.error.message).toMatch(message)
    expect((await server.call('GET', '/v1/collections/strict/count')).json).toEqual({ count: 0 })
  })

  test.each([
    ['broken JSON', '{"records": [', 'application/json', 400, /not JSON/],
    ['bytes that are no UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), 'application/json', 400, /UTF-8/],
    ['another type', '{}', 'text/plain', 400, /content-type/],
    ['nothing', '', 'application/json', 400, /records/],
  ])('a body of %s is refused', async (_, body, type, status, message) => {
    const answer = await server.call('POST', '/v1/collections/strict/records', { body, headers: { 'content-type': type } })
    expect(answer.status).toBe(status)
    expect(answer.json.error.message).toMatch(message)
  })

  test('parameters that are wrong or twice are refused', async () => {
    for (const [query, at] of [
      ['limit=0', 'limit'],
      ['limit=x', 'limit'],
      ['limit=1&limit=2', 'limit'],
      ['nonsense=1', 'query'],
      ['filter={', 'filter'],
      ['include=everything', 'include'],
      ['after=nonsense', 'after'],
      ['consistency=loose', 'consistency'],
    ]) {
      const { status, json } = await server.call('GET', `/v1/collections/strict/records?${query}`)
      expect([query, status, json.error.path]).toEqual([query, 400, at])
    }
  })
})

describe('snapshots', () => {
  const keysAt = async (path: string) => (await server.call('GET', path)).json.records.map(({ key }: { key: string }) => key)
  const put = (collection: string, ...keys: string[]) => server.call('POST', `/v1/collections/${collection}/records`, { json: { records: keys.map((key, i) => ({ key, vector: [i, 1], metadata: { i } })) } })

  test('made, read, branched, restored, let go', async () => {
    await newCollection('s')
    await put('s', 'a', 'b')
    const made = await server.call('POST', '/v1/collections/s/snapshots', { json: { name: 'two / records' } })
    expect([made.status, made.json.seq]).toEqual([201, 1])
    await put('s', 'c')
    await server.call('DELETE', '/v1/collections/s/records/a')
    const at = `snapshot=${encodeURIComponent('two / records')}`
    expect(await keysAt('/v1/collections/s/records')).toEqual(['b', 'c'])
    expect(await keysAt(`/v1/collections/s/records?${at}`)).toEqual(['a', 'b'])
    expect((await server.call('GET', `/v1/collections/s/count?${at}`)).json).toEqual({ count: 2 })
    const asked = { snapshot: 'two / records' }
    expect((await server.call('POST', '/v1/collections/s/records/get', { json: { keys: ['a', 'c'], ...asked } })).json.records.map((each: unknown) => each !== null)).toEqual([true, false])
    expect((await server.call('POST', '/v1/collections/s/query', { json: { vector: [0, 1], k: 5, filter: { i: { $gte: 1 } }, ...asked } })).json.matches).toMatchObject([{ key: 'b' }])
    expect((await server.call('POST', '/v1/collections/s/snapshots', { json: { name: 'first', seq: 0 } })).status).toBe(201)
    expect((await server.call('GET', '/v1/collections/s/snapshots')).json.snapshots.map(({ name }: { name: string }) => name)).toEqual(['two / records', 'first'])
    expect((await server.call('POST', '/v1/collections/s/snapshots', { json: { name: 'first' } })).status).toBe(409)

    expect((await server.call('POST', '/v1/collections/s/branch', { json: { name: 's2', ...asked } })).json).toMatchObject({ name: 's2', recordCount: 2 })
    await put('s2', 'only here')
    expect(await keysAt('/v1/collections/s2/records')).toEqual(['a', 'b', 'only here'])
    expect(await keysAt('/v1/collections/s/records')).toEqual(['b', 'c'])
    expect((await server.call('POST', '/v1/collections/s/branch', { json: { name: 's2' } })).status).toBe(409)

    expect((await server.call('POST', '/v1/collections/s/restore', { json: asked })).json).toMatchObject({ name: 's', recordCount: 2 })
    expect(await keysAt('/v1/collections/s/records')).toEqual(['a', 'b'])
    await put('s', 'after')
    expect((await server.call('DELETE', `/v1/collections/s/snapshots/${encodeURIComponent('two / records')}`)).status).toBe(204)
    expect((await server.call('GET', `/v1/collections/s/records?${at}`)).status).toBe(404)
    expect((await server.call('POST', '/v1/collections/s/restore', { json: asked })).status).toBe(404)
    for (const name of ['s', 's2']) expect((await server.call('POST', `/v1/collections/${name}/verify`)).json.problems).toEqual([])
    expect((await server.call('POST', '/v1/collections/s/sweep')).json).toMatchObject({ isDue: true, deletedCount: 0 })
    expect((await server.call('POST', '/v1/collections/s/sweep')).status).toBe(200)
  })

  test.each([
    ['a number beyond the log', { name: 'x', seq: 999 }, 'seq'],
    ['a number and a time', { name: 'x', seq: 0, time: '2026-01-01T00:00:00Z' }, 'body'],
    ['a time that is none', { name: 'x', time: 'yesterday' }, 'time'],
    ['no name', { name: '' }, 'name'],
  ])('%s is refused', async (_, json, path) => {
    const answer = await server.call('POST', '/v1/collections/s/snapshots', { json })
    expect([answer.status, answer.json.error.path]).toEqual([400, path])
  })
})

describe('documents', () => {
  const harbour = '# Harbour\n\nThe windlass hauls the anchor.\n\n## Night\n\nLanterns burn until morning.\n'

  test('upload, list, find, search, replace, delete', async () => {
    await newCollection('d')
    const put = await server.call('PUT', '/v1/collections/d/documents/notes/harbour.md?metadata=%7B%22year%22%3A1999%7D', { body: harbour })
    expect(put.json.documents).toMatchObject([{ source: 'notes/harbour.md', status: 'new', chunkCount: 2 }])
    const again = await server.call('POST', '/v1/collections/d/documents?source=notes/harbour.md&metadata=%7B%22year%22%3A1999%7D', { body: harbour, headers: { 'content-type': 'text/markdown' } })
    expect(again.json.documents[0].status).toBe('unchanged')
    const listed = await server.call('GET', '/v1/collections/d/documents?prefix=notes/')
    expect(listed.json.documents).toMatchObject([{ source: 'notes/harbour.md', format: 'markdown', sizeBytes: harbour.length, chunkCount: 2, state: 'indexed', metadata: { year: 1999 } }])
    expect((await server.call('GET', '/v1/collections/d/documents?prefix=other/')).json.documents).toEqual([])
    expect((await server.call('GET', `/v1/collections/d/documents?filter=${encodeURIComponent('{"year":{"$lt":1990}}')}`)).json.documents).toEqual([])
    expect((await server.call('GET', '/v1/collections/d/documents/notes%2Fharbour.md')).json.title).toBe('Harbour')
    const found = await server.call('GET', '/v1/collections/d/search?q=lifting%20anchors&k=1')
    expect(found.json.passages).toMatchObject([{ source: 'notes/harbour.md', headingPath: ['Harbour'], metadata: { year: 1999 } }])
    const [{ text, highlights }] = found.json.passages
    expect(highlights.map(({ start, end }: { start: number; end: number }) => text.slice(start, end))).toEqual(['anchor'])
    const posted = await server.call('POST', '/v1/collections/d/search', { json: { query: 'lanterns', mode: 'text', filter: { year: 1999 } } })
    expect(posted.json.passages).toMatchObject([{ headingPath: ['Harbour', 'Night'] }])
    const replaced = await server.call('PUT', '/v1/collections/d/documents/notes/harbour.md', { body: '# Dock\n\nCranes.\n' })
    expect(replaced.json.documents).toMatchObject([{ status: 'changed', chunkCount: 1 }])
    expect((await server.call('GET', '/v1/collections/d/search?q=anchor&mode=text')).json.passages).toEqual([])
    expect((await server.call('DELETE', '/v1/collections/d/documents/notes/harbour.md')).status).toBe(204)
    expect((await server.call('DELETE', '/v1/collections/d/documents/notes/harbour.md')).status).toBe(404)
    expect((await server.call('GET', '/v1/collections/d/count')).json).toEqual({ count: 0 })
  })

  test('several files at once; one that cannot be read does not keep the others out', async () => {
    await newCollection('several')
    const form = new FormData()
    form.append('metadata', '{"batch":7}')
    form.append('files', new Blob([harbour]), 'harbour.md')
    form.append('files', new Blob(['%PDF-1.4 nonsense']), 'broken.pdf')
    form.append('files', new Blob(['a,b\n1,2\n']), 'table.csv')
    const { status, json } = await server.call('POST', '/v1/collections/several/documents', { body: form })
    expect(status).toBe(200)
    expect(json.documents.map(({ source, status: state }: { source: string; status: string }) => [source, state])).toEqual([
      ['harbour.md', 'new'],
      ['broken.pdf', 'failed'],
      ['table.csv', 'new'],
    ])
    const listed = await server.call('GET', '/v1/collections/several/documents')
    expect(listed.json.documents.find(({ source }: { source: string }) => source === 'broken.pdf')).toMatchObject({ state: 'failed', error: expect.stringMatching(/pdf/i) })
    expect(listed.json.documents[0].metadata).toEqual({ batch: 7 })
  })

  test.each([
    ['no name', '', 'text', 400, 'source'],
    ['metadata that is no object', '?source=a.md&metadata=[1]', 'text', 400, 'metadata'],
    ['metadata with a name of ours', '?source=a.md&metadata={"chunk":1}', 'text', 400, 'metadata.chunk'],
    ['bytes of no format', '?source=a.bin', new Uint8Array([0, 1, 2, 3, 0, 255, 254, 0]), 400, undefined],
  ])('a raw upload with %s is refused', async (_, query, body, status, at) => {
    const answer = await server.call('POST', `/v1/collections/several/documents${query}`, { body, headers: { 'content-type': 'application/octet-stream' } })
    expect([answer.status, answer.json.error.path]).toEqual([status, at ?? expect.anything()])
  })

  test('a collection that is not there', async () => {
    const { status, json } = await server.call('PUT', '/v1/collections/none/documents/a.md', { body: 'x' })
    expect([status, json.error.kind]).toEqual([404, 'not-found'])
    expect(json.error.message).toMatch(/create it first/)
  })
})
