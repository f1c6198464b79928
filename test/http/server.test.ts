// Uploads, limits, and the end of a server.
import { connect } from 'node:net'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { startTestServer, type TestServer } from './testing.ts'

async function withServer(settings: Parameters<typeof startTestServer>[0], task: (server: TestServer) => Promise<void>): Promise<void> {
  const server = await startTestServer(settings)
  try {
    await server.call('POST', '/v1/collections', { json: { name: 'c' } })
    await task(server)
  } finally {
    await server.stop()
  }
}

const filesIn = (folder: string) => (readdirSync(folder, { recursive: true, withFileTypes: true }) as { isFile(): boolean; name: string }[]).filter((entry) => entry.isFile())
const line = 'The harbour master writes down every ship that enters.\n'

describe('uploads', () => {
  test('one that is too large for memory goes through a file, and the file goes again', async () => {
    await withServer({}, async (server) => {
      const body = line.repeat(40_000)
      const put = await server.call('PUT', '/v1/collections/c/documents/ships.txt', { body })
      expect(put.json.documents).toMatchObject([{ status: 'new', sizeBytes: body.length }])
      expect(filesIn(server.scratch)).toEqual([])
      const { text } = await server.call('GET', '/metrics')
      expect(text).toMatch(/^windlass_scratch_bytes 0$/m)
    })
  })

  test('over the limit, and over the budget of all, are refused and leave nothing', async () => {
    await withServer({ 'upload-limit': '3MB', 'scratch-budget': '2MB' }, async (server) => {
      const form = new FormData()
      form.append('a', new Blob([line.repeat(60_000)]), 'a.txt')
      const tooLarge = await server.call('POST', '/v1/collections/c/documents', { body: form })
      expect(tooLarge.status).toBe(507)
      const overLimit = await server.call('PUT', '/v1/collections/c/documents/b.txt', { body: line.repeat(20_000) })
      expect(overLimit.status).toBe(200)
      expect(filesIn(server.scratch)).toEqual([])
    })
    await withServer({ 'upload-limit': '1MB' }, async (server) => {
      const { status, json } = await server.call('PUT', '/v1/collections/c/documents/b.txt', { body: line.repeat(20_000) })
      expect([status, json.error.kind]).toEqual([413, 'too-large'])
      const form = new FormData()
      form.append('a', new Blob(['small']), 'a.txt')
      form.append('b', new Blob([line.repeat(20_000)]), 'b.txt')
      expect((await server.call('POST', '/v1/collections/c/documents', { body: form })).status).toBe(413)
      expect((await server.call('GET', '/v1/collections/c/documents')).json.documents).toEqual([])
      expect(filesIn(server.scratch)).toEqual([])
    })
  })

  test('a client that hangs up in the middle leaves nothing behind', async () => {
    await withServer({}, async (server) => {
      const { port } = new URL(server.url)
      const socket = connect(Number(port), '127.0.0.1')
      const head = 'POST /v1/collections/c/documents HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: 9000000\r\n\r\n'
      socket.write(`${head}--x\r\ncontent-disposition: form-data; name="f"; filename="f.txt"\r\n\r\n${line.repeat(40_000)}`)
      for (let i = 0; i < 100 && filesIn(server.scratch).length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 20))
      expect(filesIn(server.scratch)).toHaveLength(1)
      socket.destroy()
      for (let i = 0; i < 100 && filesIn(server.scratch).length > 0; i++) await new Promise((resolve) => setTimeout(resolve, 20))
      expect(filesIn(server.scratch)).toEqual([])
      expect((await server.call('GET', '/v1/collections/c/documents')).json.documents).toEqual([])
    })
  })

  test.each([
    ['without a boundary', 'multipart/form-data', 'x'],
    ['cut short', 'multipart/form-data; boundary=x', '--x\r\ncontent-disposition: form-data; name="f"; filename="f.txt"\r\n\r\nabc'],
    ['without a file', 'multipart/form-data; boundary=x', '--x\r\ncontent-disposition: form-data; name="f"\r\n\r\nabc\r\n--x--\r\n'],
  ])('a multipart body %s is refused', async (_, type, body) => {
    await withServer({}, async (server) => {
      const answer = await server.call('POST', '/v1/collections/c/documents', { body, headers: { 'content-type': type } })
      expect(answer.status).toBe(400)
    })
  })
})

describe('scratch space', () => {
  test('what dead processes left is removed at the start; what is alive, or not ours, stays', async () => {
    const probe = await startTestServer()
    const dead = join(probe.scratch, `windlass-scratch-${hostname()}-999999999-abcdef01`)
    const alive = join(probe.scratch, `windlass-scratch-${hostname()}-${process.ppid}-abcdef01`)
    const foreign = join(probe.scratch, 'somebody-else')
    for (const folder of [dead, alive, foreign]) mkdirSync(folder)
    const second = await startTestServer({ scratch: probe.scratch })
    expect([dead, alive, foreign].map((folder) => existsSync(folder))).toEqual([false, true, true])
    await second.server.stop()
    await probe.stop()
  })

  test('a folder that cannot be written is an error of large uploads only', async () => {
    await withServer({ scratch: '/proc/nothing' }, async (server) => {
      expect((await server.call('PUT', '/v1/collections/c/documents/small.txt', { body: line })).status).toBe(200)
      const { status, json } = await server.call('PUT', '/v1/collections/c/documents/large.txt', { body: line.repeat(40_000) })
      expect([status, json.error.path]).toEqual([503, 'scratch'])
      expect(json.error.message).toContain('WINDLASS_SCRATCH')
    })
  })
})

describe('the end', () => {
  test('what is in work is finished, then nothing is taken', async () => {
    const server = await startTestServer()
    await server.call('POST', '/v1/collections', { json: { name: 'c' } })
    const slow = server.call('PUT', '/v1/collections/c/documents/slow.txt', { body: line.repeat(100_000) })
    await new Promise((resolve) => setTimeout(resolve, 100))
    const stopped = server.stop()
    expect((await slow).json.documents).toMatchObject([{ status: 'new' }])
    await stopped
    await expect(fetch(`${server.url}/ready`)).rejects.toThrow()
  })

  test('a port that is taken is named', async () => {
    await withServer({}, async (server) => {
      const { port } = new URL(server.url)
      await expect(startTestServer({ port })).rejects.toMatchObject({ kind: 'unavailable', message: expect.stringContaining(`port ${port}`) })
    })
  })
})
