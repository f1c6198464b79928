// Maps over HTTP; run by rest.test.ts, which sees to it that every route is called.
import { describe, expect, test, vi } from 'vitest'
import type { TestServer } from './testing.ts'

export function describeMaps(serverOf: () => TestServer): void {
  describe('maps', () => {
    const path = '/v1/collections/mapped/map'
    const made = async () => vi.waitFor(async () => {
      const { json } = await serverOf().call('GET', path)
      expect(json.run).toBeNull()
      return json
    }, { timeout: 50_000, interval: 50 })

    test('are made on request, and give places, colours and keys of one version', async () => {
      const server = serverOf()
      await server.call('POST', '/v1/collections', { json: { name: 'mapped', dimension: 4 } })
      const records = Array.from({ length: 30 }, (_, i) => ({ key: `key ${i}`, vector: [i % 3, (i + 1) % 3, 1, i / 30], metadata: { kind: `kind ${i % 3}` } }))
      await server.call('POST', '/v1/collections/mapped/records', { json: { records } })
      expect((await server.call('GET', path)).json).toEqual({ map: null, run: null, error: null })
      expect((await server.call('GET', `${path}/points`)).status).toBe(404)
      expect((await server.call('POST', path, { json: {} })).status).toBe(202)
      const { map } = await made()
      expect(map).toMatchObject({ pointCount: 30, recordCount: 30, isCurrent: true, fields: [{ name: 'kind', kind: 'text', values: [{ count: 10 }, { count: 10 }, { count: 10 }] }] })
      const { json: points } = await server.call('GET', `${path}/points`)
      expect(points).toMatchObject({ version: map.version, pointCount: 30, fields: [{ name: 'kind' }] })
      expect(Buffer.from(points.positions, 'base64').length).toBe(30 * 4)
      expect([...Buffer.from(points.fields[0].codes, 'base64').subarray(0, 4)]).toEqual([1, 2, 3, 1])
      const { json: page } = await server.call('GET', `${path}/keys?limit=20`)
      const { json: rest } = await server.call('GET', `${path}/keys?start=${page.next}`)
      expect([...page.keys, ...rest.keys]).toEqual(records.map(({ key }) => key))
      expect({ page: page.version, rest: rest.version, next: rest.next }).toEqual({ page: map.version, rest: map.version, next: undefined })
    })

    test('are given up and forgotten', async () => {
      expect((await serverOf().call('POST', path, { json: { force: true } })).status).toBe(202)
      expect((await serverOf().call('DELETE', path)).status).toBe(204)
      expect((await made()).map).toBeNull()
      expect((await serverOf().call('POST', path, { json: { force: 'yes' } })).status).toBe(400)
      expect((await serverOf().call('GET', '/v1/collections/nowhere/map')).status).toBe(404)
    })
  })
}
