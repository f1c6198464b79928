// What the console asks of /v1 beyond what programs do; run by rest.test.ts, which sees to it that every route is called.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Vectorizer } from '../../src/library/types.ts'
import { startTestServer, type TestServer } from './testing.ts'

/** @param server Asked for when tests run. */
export function describeOverview(server: () => TestServer): void {
  describe('fields', () => {
    test('tell what metadata there is, under a filter, and whether all of it was looked at', async () => {
      const call = (query = '') => server().call('GET', `/v1/collections/fielded/fields${query}`)
      await server().call('POST', '/v1/collections', { json: { name: 'fielded' } })
      const records = Array.from({ length: 30 }, (_, i) => ({ key: `k${i}`, metadata: { year: 2000 + (i % 3), tags: i % 2 === 0 ? ['even', 'all'] : ['all'] } }))
      await server().call('POST', '/v1/collections/fielded/records', { json: { records } })
      const { json } = await call()
      expect(json).toMatchObject({ sampledCount: 30, isComplete: true, hasAllFields: true })
      expect(json.fields).toEqual([
        { field: 'tags', types: ['list'], count: 30, values: [{ value: 'all', count: 30 }, { value: 'even', count: 15 }], isComplete: true },
        { field: 'year', types: ['number'], count: 30, values: [2000, 2001, 2002].map((value) => ({ value, count: 10 })), isComplete: true, min: 2000, max: 2002 },
      ])
      const filtered = (await call(`?filter=${encodeURIComponent('{"year": 2001}')}`)).json
      expect(filtered.sampledCount).toBe(10)
      expect(filtered.fields[1].values).toEqual([{ value: 2001, count: 10 }])
      // More than are read at once, and not one too many.
      const more = Array.from({ length: 230 }, (_, i) => ({ key: `m${i}`, metadata: { year: 2003 } }))
      await server().call('POST', '/v1/collections/fielded/records', { json: { records: more } })
      expect((await call()).json).toMatchObject({ sampledCount: 260, isComplete: true, fields: [{ field: 'tags', count: 30 }, { field: 'year', count: 260 }] })
      expect((await call('?sample=259')).json).toMatchObject({ sampledCount: 259, isComplete: false })
      expect((await call('?sample=29')).json).toMatchObject({ sampledCount: 29, isComplete: false })
      expect((await call('?sample=10001')).status).toBe(400)
    })
  })

  describe('storage', () => {
    test('counts the objects of a collection by kind, and none of another', async () => {
      await server().call('POST', '/v1/collections', { json: { name: 'stored' } })
      const put = (key: string) => server().call('POST', '/v1/collections/stored/records', { json: { records: [{ key, vector: [1, 2] }] } })
      const storage = async () => (await server().call('GET', '/v1/collections/stored/storage')).json
      await put('a')
      await put('b')
      expect((await storage()).kinds.log.objectCount).toBe(2)
      await server().call('POST', '/v1/collections/stored/flush')
      const { kinds, objectCount, sizeBytes, isComplete } = await storage()
      expect(kinds.segments.objectCount).toBe(1)
      expect(kinds.manifest.objectCount).toBe(1)
      const all = Object.values(kinds as Record<string, { objectCount: number; sizeBytes: number }>)
      expect(all.reduce((total, kind) => total + kind.objectCount, 0)).toBe(objectCount)
      expect(all.reduce((total, kind) => total + kind.sizeBytes, 0)).toBe(sizeBytes)
      expect(sizeBytes).toBeGreaterThan(100)
      expect(isComplete).toBe(true)
      expect((await server().call('GET', '/v1/collections/nothing/storage')).status).toBe(404)
    })
  })

  describe('search', () => {
    test('says what it did', async () => {
      await server().call('POST', '/v1/collections', { json: { name: 'measured' } })
      await server().call('PUT', '/v1/collections/measured/documents/a.md', { body: 'The windlass hauls the anchor.' })
      for (const answer of [
        await server().call('GET', '/v1/collections/measured/search?q=anchor'),
        await server().call('POST', '/v1/collections/measured/search', { json: { query: 'anchor' } }),
      ]) {
        const { passages, stats } = answer.json
        expect(passages).toHaveLength(1)
        expect(stats.query).toMatchObject({ rowsMatching: 1, rowsScored: 1 })
        // It asks whether there is anything newer: the manifest, and the next place in the log.
        expect(stats.store.requests).toBeGreaterThanOrEqual(2)
        expect(stats.ms).toBeGreaterThanOrEqual(0)
      }
    })
  })

  describe('keys', () => {
    test('are told to admins of everything, and their secrets to nobody', async () => {
      expect((await server().call('GET', '/v1/keys')).json).toEqual({ isOpen: true, caller: { id: 'none', role: 'admin', isUnscoped: true }, keys: [] })
      const keys = [
        { id: 'boss', secret: 'boss-secret-0123456789', role: 'admin' },
        { id: 'part', secret: 'part-secret-0123456789', role: 'admin', collections: ['a*'] },
        { id: 'look', secret: 'look-secret-0123456789', role: 'read' },
      ]
      const keyed = await startTestServer({ keys: JSON.stringify(keys) })
      try {
        const ask = async (secret: string) => keyed.call('GET', '/v1/keys', { headers: { authorization: `Bearer ${secret}` } })
        const { json, text } = await ask('boss-secret-0123456789')
        expect(json).toEqual({ isOpen: false, caller: { id: 'boss', role: 'admin', isUnscoped: true }, keys: keys.map(({ secret: _, ...rest }) => rest) })
        expect(text).not.toContain('secret')
        expect((await ask('part-secret-0123456789')).json).toEqual({ isOpen: false, caller: { id: 'part', role: 'admin', isUnscoped: false } })
        expect((await ask('look-secret-0123456789')).json).toEqual({ isOpen: false, caller: { id: 'look', role: 'read', isUnscoped: true } })
        expect((await ask('no-secret-0123456789')).status).toBe(401)
        // What a key for some collections may not see of the whole.
        const scoped = { headers: { authorization: 'Bearer part-secret-0123456789' } }
        expect((await keyed.call('GET', '/v1/vectorizers', scoped)).status).toBe(403)
        expect((await keyed.call('GET', '/v1/models', scoped)).status).toBe(403)
        expect((await keyed.call('GET', '/v1/models', { headers: { authorization: 'Bearer look-secret-0123456789' } })).status).toBe(200)
        expect((await keyed.call('GET', '/v1/collections/b/storage', scoped)).status).toBe(403)
        expect((await keyed.call('GET', '/v1/collections/b/fields', scoped)).status).toBe(403)
      } finally {
        await keyed.stop()
      }
    })
  })

  describe('models', () => {
    test('are none at first', async () => {
      const { json } = await server().call('GET', '/v1/models')
      expect(json).toMatchObject({ models: [], warnings: [] })
      expect(json.disk.budgetBytes).toBeGreaterThan(0)
    })
  })

  describe('vectorizers', () => {
    test('show their runs and what failed, which can be made due again', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'windlass-overview-'))
      writeFileSync(join(folder, 'good.md'), '# Good\n\nThe anchor holds.\n')
      writeFileSync(join(folder, 'bad.pdf'), 'no pdf at all')
      let vectorizer: Vectorizer | undefined
      const own = await startTestServer({}, { vectorizers: (bucket) => [(vectorizer = bucket.vectorizer({ name: 'docs', source: { type: 'folder', path: folder }, destinations: [{ type: 'collection', name: 'docs' }] }))] })
      try {
        expect((await own.call('GET', '/v1/vectorizers')).json.vectorizers).toMatchObject([{ name: 'docs', documents: 0, runs: [], every: '5m', source: { type: 'folder', place: folder } }])
        expect((await own.call('GET', '/v1/vectorizers/docs/errors')).json).toEqual({ errors: [], isComplete: true })
        expect((await own.call('POST', '/v1/vectorizers/docs/retry', { json: {} })).json).toEqual({ count: 0 })
        expect((await own.call('POST', '/v1/vectorizers/docs/retry', { json: { paths: ['bad.pdf'] } })).status).toBe(404)
        // Looking at it has written nothing.
        expect((await own.call('GET', '/v1/collections/.vectorizer.docs')).status).toBe(404)
        await vectorizer!.run()
        expect((await own.call('GET', '/v1/collections/.vectorizer.docs')).status).toBe(200)
        const [shown] = (await own.call('GET', '/v1/vectorizers')).json.vectorizers
        expect(shown).toMatchObject({ documents: 2, failed: 1, embedding: 'static', destinations: [{ type: 'collection', place: 'docs' }], runs: [{ new: 1, failed: 1 }] })
        const { json } = await own.call('GET', '/v1/vectorizers/docs/errors')
        expect(json).toMatchObject({ errors: [{ path: 'bad.pdf', attempts: 1 }], isComplete: true })
        expect((await own.call('POST', '/v1/vectorizers/docs/retry', { json: { paths: ['bad.pdf'] } })).json).toEqual({ count: 1 })
        expect((await own.call('GET', '/v1/vectorizers/docs/errors')).json.errors[0]).toMatchObject({ attempts: 0, retryAt: '1970-01-01T00:00:00.000Z' })
        expect((await own.call('POST', '/v1/vectorizers/docs/retry', { json: { paths: ['good.md'] } })).status).toBe(404)
        expect((await own.call('GET', '/v1/vectorizers/other/errors')).json.error.message).toContain('is declared here: docs')
      } finally {
        await own.stop()
        rmSync(folder, { recursive: true, force: true })
      }
    })

    test('show no user and password of an address', async () => {
      const declared = { name: 'site', source: { type: 'urls' as const, urls: ['https://me:hunter2@example.org/a?token=hunter3'] }, destinations: [{ type: 'qdrant' as const, url: 'http://admin:hunter4@127.0.0.1:1', collection: 'c' }] }
      const own = await startTestServer({}, { vectorizers: (bucket) => [bucket.vectorizer(declared)] })
      try {
        const { json, text } = await own.call('GET', '/v1/vectorizers')
        expect(json.vectorizers[0].source.place).toBe('https://example.org/a')
        expect(text).not.toMatch(/hunter/)
      } finally {
        await own.stop()
      }
    })
  })
}
