import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readHubPath, readRange } from '../../src/api/hub/hub-request.ts'
import { startTestServer, type TestServer } from '../http/testing.ts'
import { ModelWorld, s3Settings, testBytes } from './testing.ts'

const files = { 'config.json': Buffer.from('{"a": 1}'), 'onnx/model.onnx': testBytes(300_000), 'a/b/c.txt': Buffer.from('deep'), 'empty.txt': new Uint8Array() }
const weights = files['onnx/model.onnx']
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

let world: ModelWorld
let server: TestServer
let commit: string
const keys = JSON.stringify([
  { id: 'reader', secret: 'reader-secret-0123456789', role: 'read' },
  { id: 'writer', secret: 'writer-secret-0123456789', role: 'write' },
  { id: 'scoped', secret: 'scoped-secret-0123456789', role: 'admin', collections: ['docs'] },
])
beforeEach(async () => {
  world = await ModelWorld.start()
  commit = world.hub.publish('o/m', { files })
})
afterEach(async () => {
  await server.stop()
  await world.end()
})
const start = async (settings: Parameters<typeof startTestServer>[0] = {}) => {
  server = await startTestServer({ bucket: world.bucketUrl, ...s3Settings, 'model-cache': join(world.folder, 'disk'), 'hf-endpoint': world.hub.url, 'model-cache-budget': '10MB', ...settings })
  return (path: string, init: RequestInit = {}) => fetch(`${server.url}/hf${path}`, init)
}

describe('what clients of the hub ask for', () => {
  test('the model, by branch and by commit, with sizes and hashes', async () => {
    const get = await start()
    for (const path of ['/api/models/o/m', '/api/models/o/m/revision/main', `/api/models/o/m/revision/${commit}?blobs=true`]) {
      const response = await get(path)
      expect(response.headers.get('x-repo-commit')).toBe(commit)
      const info = (await response.json()) as { siblings: unknown[] }
      expect(info).toMatchObject({ id: 'o/m', sha: commit })
      expect(info.siblings).toHaveLength(4)
      expect(info.siblings).toContainEqual({ rfilename: 'onnx/model.onnx', size: 300_000, blobId: expect.any(String), lfs: { sha256: sha256(weights), size: 300_000, pointerSize: 134 } })
    }
  })

  test('the tree, of a folder, and recursively', async () => {
    const get = await start()
    const paths = async (path: string) => ((await (await get(path)).json()) as { path: string; type: string }[]).map((entry) => `${entry.type[0]}:${entry.path}`).sort()
    expect(await paths('/api/models/o/m/tree/main')).toEqual(['d:a', 'd:onnx', 'f:config.json', 'f:empty.txt'])
    expect(await paths('/api/models/o/m/tree/main/a?recursive=True')).toEqual(['d:a/b', 'f:a/b/c.txt'])
    expect(await paths('/api/models/o/m/tree/main?recursive=true&expand=false')).toEqual(['d:a', 'd:a/b', 'd:onnx', 'f:a/b/c.txt', 'f:config.json', 'f:empty.txt', 'f:onnx/model.onnx'])
    const missing = await get('/api/models/o/m/tree/main/additional_chat_templates')
    expect([missing.status, missing.headers.get('x-error-code')]).toEqual([404, 'EntryNotFound'])
    const some = await get('/api/models/o/m/paths-info/main', { method: 'POST', body: new URLSearchParams([['paths', 'config.json'], ['paths', 'nope']]) })
    expect(((await some.json()) as unknown[]).length).toBe(1)
  })

  test('a file: head without a download, whole, in ranges, by its etag', async () => {
    const get = await start()
    const head = await get('/o/m/resolve/main/onnx/model.onnx', { method: 'HEAD' })
    const told: Record<string, string> = {}
    head.headers.forEach((value, name) => (told[name] = value))
    expect(told).toMatchObject({ 'content-length': '300000', etag: `"${sha256(weights)}"`, 'x-linked-etag': `"${sha256(weights)}"`, 'x-linked-size': '300000', 'x-repo-commit': commit, 'accept-ranges': 'bytes' })
    expect(world.hub.downloads('model.onnx')).toBe(0)
    const whole = await get('/o/m/resolve/main/onnx/model.onnx')
    expect(Buffer.from(await whole.arrayBuffer()).equals(weights)).toBe(true)
    const ranges = { 'bytes=10-19': [10, 20], 'bytes=299990-': [299_990, 300_000], 'bytes=-7': [299_993, 300_000], 'bytes=5-999999999': [5, 300_000] } as const
    for (const [range, [from, to]] of Object.entries(ranges)) {
      const part = await get(`/o/m/resolve/${commit}/onnx/model.onnx`, { headers: { range } })
      expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes ${from}-${to - 1}/300000`])
      expect(Buffer.from(await part.arrayBuffer()).equals(weights.subarray(from, to))).toBe(true)
    }
    const past = await get('/o/m/resolve/main/onnx/model.onnx', { headers: { range: 'bytes=300000-' } })
    expect([past.status, past.headers.get('content-range')]).toEqual([416, 'bytes */300000'])
    expect((await get('/o/m/resolve/main/onnx/model.onnx', { headers: { 'if-none-match': `"${sha256(weights)}"` } })).status).toBe(304)
    const small = await get('/o/m/resolve/main/config.json', { method: 'HEAD' })
    expect(small.headers.get('etag')).toBe(`"${createHash('sha1').update('blob 8\0{"a": 1}').digest('hex')}"`)
    expect(small.headers.get('x-linked-etag')).toBeNull()
    expect((await (await get('/o/m/resolve/main/empty.txt')).arrayBuffer()).byteLength).toBe(0)
    expect(world.hub.downloads('model.onnx')).toBe(1)
  })

  test('what is not there is said in the words of the hub', async () => {
    const get = await start({ 'hf-token': 'hf_double_with_access' })
    const codes: [string, number, string | null][] = [
      ['/o/m/resolve/main/nope.bin', 404, 'EntryNotFound'],
      ['/o/m/resolve/v9/config.json', 404, 'RevisionNotFound'],
      ['/o/none/resolve/main/config.json', 404, 'RepoNotFound'],
      ['/api/models/o/none', 404, 'RepoNotFound'],
      ['/api/whoami-v2', 404, null],
      ['/o/m/resolve/main/..%2f..%2fetc%2fpasswd', 400, null],
      ['/o/m/resolve/main/a%2f..%2fconfig.json', 400, null],
      ['/o/m/resolve/main/%zz', 400, null],
      ['/..%2fo/m/resolve/main/x', 400, null],
      ['/https:%2f%2fevil/x/resolve/main/x', 400, null],
    ]
    for (const [path, status, code] of codes) {
      const response = await get(path)
      expect([path, response.status, response.headers.get('x-error-code')]).toEqual([path, status, code])
    }
    expect((await get('/o/m/resolve/main/nope.bin', { method: 'HEAD' })).headers.get('x-repo-commit')).toBe(commit)
    expect((await get('/o/m/resolve/main/config.json', { method: 'DELETE' })).status).toBe(405)
  })

  test('a gated model is refused as the hub does, which clients explain', async () => {
    world.hub.publish('o/gated', { files, gated: true })
    const get = await start()
    const refused = await get('/o/gated/resolve/main/config.json')
    expect([refused.status, refused.headers.get('x-error-code')]).toEqual([403, 'GatedRepo'])
    expect(refused.headers.get('x-error-message')).toMatch(/accept its terms/)
  })
})

test('keys: one that may read gets what the bucket has; one that may write makes the server ask the hub', async () => {
  const get = await start({ keys })
  const as = (secret: string) => ({ headers: { authorization: `Bearer ${secret}-secret-0123456789` } })
  const path = '/o/m/resolve/main/config.json'
  expect((await get(path)).status).toBe(401)
  expect((await get(path, as('scoped'))).status).toBe(403)
  expect((await get(path, as('reader'))).status).toBe(404)
  expect(world.hub.journal).toEqual([])
  expect((await get(path, as('writer'))).status).toBe(200)
  for (let i = 0; i < 100 && (await get(path, as('reader'))).status !== 200; i++) await new Promise((resolve) => setTimeout(resolve, 20))
  expect((await get(path, as('reader'))).status).toBe(200)
  expect((await get('/o/m/resolve/main/onnx/model.onnx', as('reader'))).status).toBe(403)
  expect(world.hub.downloads('model.onnx')).toBe(0)
})

test('health and metrics tell of the store once it is used', async () => {
  const get = await start()
  const health = async () => ((await (await fetch(`${server.url}/health`)).json()) as { checks: { name: string; detail: string }[] }).checks.find(({ name }) => name === 'models')
  expect(await health()).toBeUndefined()
  await (await get('/o/m/resolve/main/onnx/model.onnx')).arrayBuffer()
  expect((await health())?.detail).toMatch(/^300000 of 10000000 bytes on the local disk/)
  const metrics = await (await fetch(`${server.url}/metrics`)).text()
  expect(metrics).toMatch(/windlass_model_fetched_bytes_total\{tier="hub"\} 300000/)
  expect(metrics).toMatch(/windlass_model_disk_bytes\{kind="used"\} 300000/)
})

test('paths and ranges are read as RFC 9110 and the hub have them', async () => {
  await start()
  expect(readHubPath('/bert/resolve/refs%2Fpr%2F1/x')).toEqual({ kind: 'file', name: { repository: 'bert', revision: 'refs/pr/1' }, path: 'x' })
  expect(readHubPath('/resolve/resolve/main/resolve/x')).toMatchObject({ name: { repository: 'resolve' }, path: 'resolve/x' })
  expect(readHubPath('/api/models/tree/tree/main')).toMatchObject({ kind: 'tree', name: { repository: 'tree' } })
  expect(readHubPath('/o/m/x/resolve/main/y')).toBeNull()
  expect(readRange('bytes=0-0', 10)).toEqual({ start: 0, end: 1 })
  expect(readRange('bytes=5-2', 10)).toBeNull()
  expect(readRange('bytes=0-1,3-4', 10)).toBeNull()
  expect(readRange('items=0-1', 10)).toBeNull()
  expect(readRange('bytes=-0', 10)).toBe('unsatisfiable')
  expect(readRange('bytes=-50', 10)).toEqual({ start: 0, end: 10 })
})
