import { createServer, type RequestListener } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { serveObjects, type ObjectServer } from '../testing/object-server.ts'
import { testObjectStore } from '../testing/store-conformance.ts'
import { DirectoryStore } from './directory-store.ts'
import { HttpStore } from './http-store.ts'
import type { GetOptions, ObjectStore } from './object-store.ts'
import { WrappingStore } from './wrapping-store.ts'

const scratch = mkdtempSync(join(tmpdir(), 'windlass-http-'))
const servers: ObjectServer[] = []
afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()))
  rmSync(scratch, { recursive: true, force: true })
})
let folders = 0

/** Reads over HTTP what is written past it. */
class ReadingOverHttp extends WrappingStore {
  readonly #http: HttpStore

  constructor(inner: ObjectStore, url: string) {
    super(inner)
    this.#http = new HttpStore(url)
  }

  override get(key: string, options?: GetOptions) {
    return this.#http.get(key, options)
  }

  override head(key: string, options?: { signal?: AbortSignal }) {
    return this.#http.head(key, options)
  }
}

async function serveDirectory(options: { withRanges?: boolean } = {}) {
  const directory = new DirectoryStore(join(scratch, `${folders++}`))
  const server = await serveObjects(directory, options)
  servers.push(server)
  return { directory, url: server.url }
}

for (const withRanges of [true, false]) {
  describe(`HttpStore reads what a directory ${withRanges ? 'with' : 'without'} ranges serves`, () => {
    const open = async () => {
      const { directory, url } = await serveDirectory({ withRanges })
      return new ReadingOverHttp(directory, url)
    }
    testObjectStore(test, open)
  })
}

/** A server that answers as `listener` says. */
async function answering(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  servers.push({ url: '', close: () => new Promise((resolve) => (server.close(() => resolve()), server.closeAllConnections())) })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/public`
}

describe('HttpStore', () => {
  test('writes nothing and lists nothing, and says how to', async () => {
    const store = new HttpStore('https://example.invalid/bucket/')
    expect(store.url).toBe('https://example.invalid/bucket')
    await expect(store.put('key')).rejects.toThrow(/put of key: a bucket over HTTP is read-only: open it as s3:/)
    await expect(store.delete(['key'])).rejects.toMatchObject({ kind: 'unsupported' })
    await expect(store.list('')[Symbol.asyncIterator]().next()).rejects.toMatchObject({ kind: 'unsupported' })
  })

  test.each([
    [401, 'denied'],
    [403, 'denied'],
    [429, 'unavailable'],
    [500, 'unavailable'],
    [503, 'unavailable'],
    [405, 'invalid'],
  ])('a server that answers %i is %s', async (status, kind) => {
    const store = new HttpStore(await answering((_, response) => response.writeHead(status).end()))
    await expect(store.get('a b/c')).rejects.toMatchObject({ kind, details: { status, key: 'a b/c', operation: 'get' } })
    await expect(store.head('a b/c')).rejects.toMatchObject({ kind })
  })

  test('a server that does not answer, or not to the end, is unavailable; an abort is the caller’s', async () => {
    const silent = await answering((_, response) => response.writeHead(200, { 'content-length': '10' }).write('12345'))
    const store = new HttpStore(silent, { requestTimeoutMs: 100 })
    await expect(store.get('key')).rejects.toThrow(/no answer within 100 ms/)
    await expect(store.get('key', { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ kind: 'cancelled' })
    const broken = await answering((_, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('12345')
      response.flushHeaders()
      setTimeout(() => response.destroy(), 20)
    })
    await expect(new HttpStore(broken).get('key')).rejects.toMatchObject({ kind: 'unavailable' })
    const nobody = new HttpStore('http://127.0.0.1:1/bucket')
    await expect(nobody.get('key')).rejects.toThrow(/no answer came/)
  })

  test('a URL with a password is refused, and not shown', () => {
    expect(() => new HttpStore('https://name:hidden@host/bucket')).toThrow(/bucket host: a URL must not hold a password/)
    expect(() => new HttpStore('https://host/bucket?token=x')).toThrow(/query/)
  })
})
