// The service, tenants, databases and collections, with the official JavaScript client.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { errorOf, noEmbedding, TestChroma } from './testing.ts'
import { startTestServer } from '../http/testing.ts'

let door: TestChroma
beforeAll(async () => void (door = await TestChroma.start()))
afterAll(() => door.stop())
beforeEach(() => door.client.reset())
const make = (name: string, options: object = {}) => door.client.createCollection({ name, embeddingFunction: noEmbedding, ...options })

describe('the service', () => {
  test('heartbeat, version, limits, identity, health', async () => {
    expect(Math.abs((await door.client.heartbeat()) / 1e6 - Date.now())).toBeLessThan(60_000)
    expect(await door.client.version()).toMatch(/^\d+\.\d+\.\d+$/)
    expect(await door.client.getMaxBatchSize()).toBe(5461)
    expect(await door.client.getUserIdentity()).toEqual({ user_id: '', tenant: 'default_tenant', databases: ['default_database'] })
    expect((await door.call('GET', '/healthcheck')).json).toEqual({ is_executor_ready: true, is_log_client_ready: true })
  })

  test('reset takes everything, and is refused unless it is allowed', async () => {
    await make('ships')
    await door.call('POST', '/tenants', { name: 'acme' })
    await door.call('POST', '/tenants/acme/databases', { name: 'prod' })
    await door.as({ tenant: 'acme', database: 'prod' }).client.createCollection({ name: 'boats', embeddingFunction: noEmbedding })
    await door.client.reset()
    expect(await door.client.countCollections()).toBe(0)
    expect((await door.call('GET', '/tenants/acme')).status).toBe(404)
    expect((await door.call('GET', '/tenants/acme/databases/prod/collections')).json).toEqual([])
    const careful = new TestChroma(await startTestServer())
    try {
      expect(await careful.call('POST', '/reset')).toMatchObject({ status: 403, json: { error: 'ChromaError', message: 'Reset is disabled by config' } })
    } finally {
      await careful.stop()
    }
  })

  test('what is no call has no body; what was version 1 is gone', async () => {
    for (const [method, path, status] of [['GET', '/nope', 404], ['DELETE', '/version', 405], ['GET', '/reset', 405]] as const) {
      expect(await door.call(method, path)).toMatchObject({ status, text: '' })
    }
    const old = await fetch(`${door.server.url}/api/v1/heartbeat`)
    expect([old.status, await old.json()]).toEqual([410, { error: 'Unimplemented', message: 'The v1 API is deprecated. Please use /v2 apis' }])
    expect((await door.call('POST', '/tenants', undefined, { 'content-type': 'text/plain' })).status).toBe(415)
  })
})

describe('tenants and databases', () => {
  test('are made, told, listed and removed with what is in them', async () => {
    const post = (path: string, name: string) => door.call('POST', path, { name })
    expect(await post('/tenants', 'a/c me')).toMatchObject({ status: 200, json: {} })
    expect(await post('/tenants', 'a/c me')).toMatchObject({ status: 409, json: { error: 'ChromaError', message: 'Tenant [a/c me] already exists' } })
    const tenant = `/tenants/${encodeURIComponent('a/c me')}`
    expect((await door.call('PATCH', tenant, { resource_name: 'r' })).status).toBe(200)
    expect((await door.call('GET', tenant)).json).toEqual({ name: 'a/c me', resource_name: 'r' })
    for (const name of ['beta', 'alpha']) await post(`${tenant}/databases`, name)
    const listed = (await door.call('GET', `${tenant}/databases`)).json as { id: string; name: string; tenant: string }[]
    expect(listed.map(({ name, tenant }) => [name, tenant])).toEqual([['alpha', 'a/c me'], ['beta', 'a/c me']])
    expect((await door.call('GET', `${tenant}/databases/alpha`)).json).toEqual(listed[0])
    expect((await door.call('GET', `${tenant}/databases?limit=1&offset=1`)).json).toEqual([listed[1]])
    const inAlpha = door.as({ tenant: 'a/c me', database: 'alpha' })
    const boats = await inAlpha.client.createCollection({ name: 'boats', embeddingFunction: noEmbedding })
    await boats.add({ ids: ['x'], embeddings: [[1]] })
    expect((await inAlpha.client.listCollections()).map(({ name }) => name)).toEqual(['boats'])
    expect(await door.client.countCollections()).toBe(0)
    expect((await door.call('DELETE', `${tenant}/databases/alpha`)).json).toEqual({})
    expect(await errorOf(boats.count())).toMatchObject({ name: 'ChromaNotFoundError' })
    expect(await door.call('GET', `${tenant}/databases/alpha`)).toMatchObject({ status: 404, json: { error: 'NotFoundError', message: 'Database [alpha] not found. Are you sure it exists?' } })
  })

  test.each([
    ['GET', '/tenants/nope', undefined, 404, 'Tenant [nope] not found'],
    ['POST', '/tenants', { name: 'ab' }, 400, 'Validation error: name'],
    ['POST', '/tenants', {}, 422, 'missing field `name`'],
    ['POST', '/tenants/default_tenant/databases', { name: 'x' }, 400, 'Expected a name containing 3-512 characters'],
    ['POST', '/tenants/default_tenant/databases', { name: 'default_database' }, 409, 'Database [default_database] already exists'],
    ['DELETE', '/tenants/default_tenant/databases/nope', undefined, 404, 'Database [nope] not found'],
    ['POST', '/tenants/default_tenant/databases/nope/collections', { name: 'abc' }, 400, 'Database [nope] does not exist'],
    ['GET', '/tenants/default_tenant/databases?limit=x', undefined, 400, 'invalid digit'],
  ])('%s %s %j is %i', async (method, path, body, status, message) => {
    expect(await door.call(method, path, body)).toMatchObject({ status, json: { message: expect.stringContaining(message) as string } })
  })

  test('a collection is reached only through its own database', async () => {
    await door.call('POST', '/tenants/default_tenant/databases', { name: 'other' })
    const ships = await make('ships')
    const elsewhere = await door.call('GET', `/tenants/default_tenant/databases/other/collections/${ships.id}/count`)
    expect(elsewhere).toMatchObject({ status: 404, json: { message: `Collection [${ships.id}] does not exist.` } })
  })
})

describe('collections', () => {
  test('come back as they were made', async () => {
    const made = await make('ships', { metadata: { a: 1, b: 'x' }, configuration: { hnsw: { space: 'cosine', ef_search: 77 } } })
    for (const found of [await door.client.getCollection({ name: 'ships', embeddingFunction: noEmbedding }), await door.client.getCollectionById(made.id)]) {
      expect(found.id).toBe(made.id)
      expect(found.metadata).toEqual({ a: 1, b: 'x' })
      expect(found.configuration.hnsw).toMatchObject({ space: 'cosine', ef_search: 77, max_neighbors: 16 })
    }
    const { json } = await door.inDefault('GET', '/collections/ships')
    expect(json).toMatchObject({ tenant: 'default_tenant', database: 'default_database', dimension: null, log_position: 0, version: 0, schema: { keys: { '#document': {}, '#embedding': {} } } })
    expect((await door.call('GET', '/collections/default_tenant:default_database:ships')).json).toEqual(json)
  })

  test('get_or_create returns the old one, unchanged', async () => {
    const made = await make('ships', { metadata: { a: 1 } })
    const again = await door.client.getOrCreateCollection({ name: 'ships', metadata: { a: 2 }, embeddingFunction: noEmbedding })
    expect([again.id, again.metadata]).toEqual([made.id, { a: 1 }])
    expect(await errorOf(make('ships'))).toMatchObject({ name: 'ChromaUniqueError' })
  })

  test('an embedding function is kept as it is sent', async () => {
    const configuration = { embedding_function: { type: 'known', name: 'mine', config: { model: 'm', scale: 1.0, deep: [{ x: null }] } } }
    await door.inDefault('POST', '/collections', { name: 'ships', configuration })
    expect((await door.inDefault('GET', '/collections/ships')).json).toMatchObject({ configuration_json: configuration })
  })

  describe('schemas', () => {
    const named = (name: string) => ({ type: 'known', name, config: {} })
    const schema = (config: object, more: object = {}) => ({ defaults: {}, keys: { '#embedding': { float_list: { vector_index: { enabled: true, config } } }, ...more } })

    test('say what a configuration says, and come back whole', async () => {
      const made = await door.inDefault('POST', '/collections', { name: 'ships', configuration: { hnsw: { space: 'l2' }, embedding_function: named('default') }, schema: schema({ space: 'cosine', embedding_function: named('mine'), hnsw: { ef_search: 55 } }) })
      expect(made.json).toMatchObject({
        configuration_json: { hnsw: { space: 'cosine', ef_search: 55 }, embedding_function: named('mine') },
        schema: { defaults: { float_list: { vector_index: { enabled: false, config: { space: 'cosine' } } } }, keys: { '#embedding': { float_list: { vector_index: { enabled: true, config: { space: 'cosine', source_key: '#document', hnsw: { ef_search: 55, ef_construction: 100 } } } } } } },
      })
    })

    test('that say something else than the configuration are refused', async () => {
      const both = { name: 'ships', configuration: { hnsw: { space: 'ip' } }, schema: schema({ space: 'cosine' }) }
      expect(await door.inDefault('POST', '/collections', both)).toMatchObject({ status: 400, json: { message: expect.stringContaining('schema') as string } })
    })

    test('that switch an index off make conditions on it a mistake', async () => {
      const off = { enabled: false, config: {} }
      const { json } = await door.inDefault('POST', '/collections', { name: 'ships', schema: schema({}, { a: { string: { string_inverted_index: off } }, '#document': { string: { fts_index: off } } }) })
      const path = `/collections/${(json as { id: string }).id}`
      const text = "Cannot filter using metadata key 'a' with type 'Str' because indexing is disabled"
      for (const [call, body] of [['get', {}], ['query', { query_embeddings: [[1]] }], ['delete', {}]] as const) {
        expect(await door.inDefault('POST', `${path}/${call}`, { ...body, where: { a: 'x' } })).toMatchObject({ status: 400, json: { message: text } })
        expect((await door.inDefault('POST', `${path}/${call}`, { ...body, where: { $or: [{ a: 1 }, { b: { $in: ['x'] } }] } })).status).toBe(200)
        expect(await door.inDefault('POST', `${path}/${call}`, { ...body, where_document: { $contains: 'x' } })).toMatchObject({ status: 400, json: { message: expect.stringContaining('FTS') as string } })
      }
    })
  })

  test('settings of old clients lie in the metadata', async () => {
    await door.inDefault('POST', '/collections', { name: 'ships', metadata: { 'hnsw:space': 'ip', 'hnsw:M': 5 } })
    expect((await door.inDefault('GET', '/collections/ships')).json).toMatchObject({ configuration_json: { hnsw: { space: 'ip', max_neighbors: 5 } }, metadata: { 'hnsw:M': 5 } })
  })

  test('are listed in pages and counted', async () => {
    for (const name of ['ccc', 'aaa', 'bbb']) await make(name)
    expect((await door.client.listCollections({ limit: 2 })).map(({ name }) => name)).toEqual(['aaa', 'bbb'])
    expect((await door.client.listCollections({ limit: 2, offset: 2 })).map(({ name }) => name)).toEqual(['ccc'])
    expect(await door.client.countCollections()).toBe(3)
  })

  test('are renamed, keeping id and records; a new map of metadata replaces the old', async () => {
    const ships = await make('ships', { metadata: { a: 1, b: 2 } })
    await ships.add({ ids: ['x'], embeddings: [[1, 2]] })
    await ships.modify({ name: 'boats', metadata: { c: 3 }, configuration: { hnsw: { ef_search: 33 } } })
    const boats = await door.client.getCollection({ name: 'boats', embeddingFunction: noEmbedding })
    expect([boats.id, boats.metadata, boats.configuration.hnsw?.ef_search, await ships.count()]).toEqual([ships.id, { c: 3 }, 33, 1])
    expect(await errorOf(door.client.getCollection({ name: 'ships' }))).toMatchObject({ name: 'ChromaNotFoundError' })
    await make('ships')
    expect(await errorOf(boats.modify({ name: 'ships' }))).toMatchObject({ name: 'ChromaUniqueError' })
    await door.client.deleteCollection({ name: 'boats' })
    expect((await door.client.listCollections()).map(({ name }) => name)).toEqual(['ships'])
  })

  test('one that was dropped and made again is another one', async () => {
    const old = await make('ships')
    await door.client.deleteCollection({ name: 'ships' })
    const made = await make('ships')
    expect(made.id).not.toBe(old.id)
    expect(await errorOf(old.add({ ids: ['x'], embeddings: [[1]] }))).toMatchObject({ name: 'ChromaNotFoundError' })
    expect(await made.count()).toBe(0)
  })

  test('a fork begins as the other is, and goes its own way', async () => {
    const ships = await make('ships')
    await ships.add({ ids: ['x'], embeddings: [[1, 2]] })
    const fork = await ships.fork({ name: 'fork' })
    await fork.add({ ids: ['y'], embeddings: [[3, 4]] })
    await ships.delete({ ids: ['x'] })
    expect([(await fork.get()).ids, (await ships.get()).ids]).toEqual([['x', 'y'], []])
    expect((await door.inDefault('GET', `/collections/${ships.id}/fork_count`)).json).toEqual({ count: 1 })
    expect((await door.inDefault('GET', `/collections/${fork.id}/fork_count`)).json).toEqual({ count: 0 })
    expect((await door.inDefault('GET', `/collections/${ships.id}/indexing_status`)).json).toMatchObject({ num_unindexed_ops: expect.any(Number) as number, op_indexing_progress: expect.any(Number) as number })
    expect(await door.inDefault('POST', `/collections/${ships.id}/fork`, { new_name: 'fork' })).toMatchObject({ status: 409 })
  })

  test('what /v1 makes is seen here, and the other way round', async () => {
    await fetch(`${door.server.url}/v1/collections`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name: 'made-there', metric: 'dot' }) })
    const found = await door.client.getCollection({ name: 'made-there', embeddingFunction: noEmbedding })
    expect(found.configuration.hnsw?.space).toBe('ip')
    await found.add({ ids: ['x'], embeddings: [[1, 2]], documents: ['anchor chain'] })
    const there = (await (await fetch(`${door.server.url}/v1/collections/made-there/records/x`)).json()) as { record?: unknown }
    expect(JSON.stringify(there)).toContain('anchor chain')
  })

  test.each([
    ['POST', '', { name: 'ab' }, 400, 'Expected a name containing 3-512 characters from [a-zA-Z0-9._-], starting and ending with a character in [a-zA-Z0-9]. Got: ab'],
    ['POST', '', { name: 'a..b' }, 400, 'two consecutive periods'],
    ['POST', '', { name: '1.2.3.4' }, 400, 'not a valid ip address'],
    ['POST', '', { name: 1 }, 422, 'name: invalid type: integer `1`, expected a string'],
    ['POST', '', { name: 'abc', metadata: {} }, 400, 'Metadata cannot be empty'],
    ['POST', '', { name: 'abc', metadata: { a: null } }, 422, 'metadata.a'],
    ['POST', '', { name: 'abc', configuration: { hnsw: { space: 'zz' } } }, 422, 'unknown variant `zz`, expected one of `l2`, `cosine`, `ip`'],
    ['POST', '', { name: 'abc', configuration: { hnsw: {}, spann: {} } }, 400, 'Multiple vector index configurations provided'],
    ['POST', '', { name: 'abc', metadata: { 'hnsw:space': 'zz' } }, 400, 'Failed to parse hnsw parameters from segment metadata'],
    ['GET', '/nope', undefined, 404, 'Collection [nope] does not exist'],
    ['DELETE', '/nope', undefined, 404, 'Collection [nope] does not exist'],
    ['GET', '/by-id/x', undefined, 400, 'Invalid collection ID format, expected UUID'],
    ['GET', '/by-id/00000000-0000-4000-8000-000000000000', undefined, 404, 'Collection [00000000-0000-4000-8000-000000000000] does not exist'],
    ['GET', '/x/count', undefined, 400, 'Collection ID is not a valid UUIDv4'],
    ['GET', '/00000000-0000-4000-8000-000000000000/count', undefined, 404, 'Collection [00000000-0000-4000-8000-000000000000] does not exist.'],
    ['PUT', '/00000000-0000-4000-8000-000000000000', { new_name: 'x' }, 400, 'Validation error: new_name'],
  ])('%s %s %j is %i', async (method, path, body, status, message) => {
    expect(await door.inDefault(method, `/collections${path}`, body)).toMatchObject({ status, json: { message: expect.stringContaining(message) as string } })
  })

  test('what cannot be changed is refused, and changes nothing', async () => {
    const ships = await make('ships')
    const put = await door.inDefault('PUT', `/collections/${ships.id}`, { new_name: 'boats', new_configuration: { hnsw: { space: 'l2' } } })
    expect(put).toMatchObject({ status: 422, json: { message: expect.stringContaining('unknown field `space`') as string } })
    expect((await door.client.listCollections()).map(({ name }) => name)).toEqual(['ships'])
    expect((await door.inDefault('GET', `/collections/${ships.id}/count?read_level=zz`)).status).toBe(400)
  })
})

describe('sync', () => {
  const sync = async (method: string, query = '', body?: object) => {
    const response = await fetch(`${door.server.url}/api/s3/sync${query}`, { method, ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }) })
    return { status: response.status, json: (await response.json()) as { collections: { collection: string; flushed: boolean; records: number }[] } }
  }

  test('refreshes, flushes when it is a POST, and says what it did', async () => {
    for (const name of ['ships', 'boats']) await (await make(name)).add({ ids: ['x'], embeddings: [[1, 2]] })
    expect((await sync('GET')).json.collections).toMatchObject([{ collection: 'boats', flushed: false, records: 1 }, { collection: 'ships', flushed: false }])
    expect((await sync('POST', '', { collection: 'ships' })).json.collections).toMatchObject([{ collection: 'ships', flushed: true }])
    expect((await sync('POST')).json.collections.map(({ flushed }) => flushed)).toEqual([true, false])
    expect((await sync('POST', '?collection=nope')).status).toBe(404)
  })
})

test('eventual reads cost no request to the bucket while they are young, and see what was written here', async () => {
  const eventual = await TestChroma.start({ consistency: 'eventual' })
  const requests = async () => {
    const text = await (await fetch(`${eventual.server.url}/metrics`)).text()
    return [...text.matchAll(/^windlass_store_requests_total\{[^}]*\} (\d+)/gm)].reduce((sum, [, count]) => sum + Number(count), 0)
  }
  try {
    const ships = await eventual.client.createCollection({ name: 'ships', embeddingFunction: noEmbedding })
    await ships.add({ ids: ['x'], embeddings: [[1, 2]] })
    const before = await requests()
    expect(before).toBeGreaterThan(0)
    for (let i = 0; i < 5; i++) {
      expect((await ships.get()).ids).toEqual(['x'])
      expect((await ships.query({ queryEmbeddings: [[1, 2]] })).ids).toEqual([['x']])
      expect(await ships.count()).toBe(1)
    }
    expect(await requests()).toBe(before)
  } finally {
    await eventual.stop()
  }
})
