// Maps over HTTP; run by rest.test.ts, which sees to it that every route is called.
import { describe, expect, test, vi } from 'vitest'
import type { Api } from '../../console/api.ts'
import { MapData } from '../../console/map/map-data.ts'
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

    test('of which another was made are told of no more by the console: its points would have the names of others', async () => {
      const server = serverOf()
      const api = {
        get: async (to: string, query: Record<string, string | number> = {}) => (await server.call('GET', `${to}?${new URLSearchParams(Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]))}`)).json,
        post: async (to: string, json: unknown) => (await server.call('POST', to, { json })).json,
      } as unknown as Pick<Api, 'get' | 'post'>
      const { signal } = new AbortController()
      const onStale = vi.fn()
      const { map: before } = await made()
      const early = await MapData.load(api, 'mapped', before, { signal, onStale })
      const late = await MapData.load(api, 'mapped', before, { signal, onStale })
      expect(await early.keyOf(29)).toBe('key 29')
      expect(onStale).not.toHaveBeenCalled()
      await server.call('POST', '/v1/collections/mapped/records/delete', { json: { keys: ['key 0'] } })
      await server.call('POST', path, { json: { force: true } })
      const { map: after } = await made()
      expect(after.version).not.toBe(before.version)
      await expect(late.keyOf(0)).rejects.toMatchObject({ kind: 'conflict' })
      await expect(late.search('anything', signal)).rejects.toMatchObject({ kind: 'conflict' })
      expect(onStale).toHaveBeenCalledTimes(2)
      await expect(MapData.load(api, 'mapped', before, { signal, onStale })).rejects.toMatchObject({ kind: 'conflict' })
      expect(onStale).toHaveBeenCalledTimes(3)
      const now = await MapData.load(api, 'mapped', after, { signal, onStale })
      expect({ first: await now.keyOf(0), values: now.positions.length }).toEqual({ first: 'key 1', values: 58 })
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
