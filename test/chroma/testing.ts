import { ChromaClient, type EmbeddingFunction } from 'chromadb'
import { expect } from 'vitest'
import type { SettingName } from '../../src/config/settings.ts'
import { startTestServer, type TestServer } from '../http/testing.ts'

/** Embeds nothing: the tests bring their vectors. */
export const noEmbedding: EmbeddingFunction = {
  name: 'none',
  generate: async () => {
    throw new Error('the tests bring their vectors')
  },
  getConfig: () => ({}),
  buildFromConfig: () => noEmbedding,
} as unknown as EmbeddingFunction

/** The official client against a server of ours. */
export class TestChroma {
  readonly server: TestServer
  readonly client: ChromaClient

  constructor(server: TestServer, options: { headers?: Record<string, string>; tenant?: string; database?: string } = {}) {
    this.server = server
    const { hostname, port } = new URL(server.url)
    this.client = new ChromaClient({ host: hostname, port: Number(port), ssl: false, tenant: 'default_tenant', database: 'default_database', ...options })
  }

  static async start(settings: Partial<Record<SettingName, string>> = {}): Promise<TestChroma> {
    return new TestChroma(await startTestServer({ 'allow-reset': 'true', ...settings }))
  }

  stop(): Promise<void> {
    return this.server.stop()
  }

  /** Another client of the same server. */
  as(options: { headers?: Record<string, string>; tenant?: string; database?: string }): TestChroma {
    return new TestChroma(this.server, options)
  }

  /** A call by hand, for what no client sends. `path` below `/api/v2`. */
  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<{ status: number; text: string; json: unknown; headers: Headers }> {
    const response = await fetch(`${this.server.url}/api/v2${path}`, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, text, json: text === '' ? undefined : JSON.parse(text), headers: response.headers }
  }

  /** As `call`, below the default database. */
  inDefault(method: string, path: string, body?: unknown): ReturnType<TestChroma['call']> {
    return this.call(method, `/tenants/default_tenant/databases/default_database${path}`, body)
  }
}

/** The error that a call ends with, as the client sees it. */
export async function errorOf(call: Promise<unknown>): Promise<{ name: string; message: string }> {
  const error = await call.then(
    () => null,
    (each: Error) => each,
  )
  expect(error, 'expected to be refused').not.toBeNull()
  return { name: error!.name, message: error!.message }
}
