import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { restRoutes } from '../../src/api/rest/rest-api.ts'
import type { Route } from '../../src/api/rest/route.ts'
import { errorSchema } from '../../src/api/rest/schemas.ts'
import { Configuration } from '../../src/config/configuration.ts'
import type { SettingName } from '../../src/config/settings.ts'
import { serve, type RunningServer } from '../../src/server/serve.ts'

/** Operations whose answers have been checked so far, by id. */
export const visited = new Set<string>()

/** A server on a free port over a bucket in memory, with a scratch folder of its own. */
export async function startTestServer(settings: Partial<Record<SettingName, string>> = {}, parts: Omit<Parameters<typeof serve>[1], 'version'> = {}): Promise<TestServer> {
  const scratch = mkdtempSync(join(tmpdir(), 'windlass-http-'))
  const commandLine = { bucket: 'memory:', port: '0', 'log-level': 'silent', scratch, ...settings }
  const server = await serve(Configuration.read({ commandLine, environment: {} }), { version: '0.0.0', ...parts })
  return new TestServer(server, scratch)
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // Held against its schema before a test looks into it.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly json: any
  readonly text: string
}

export class TestServer {
  readonly server: RunningServer
  readonly scratch: string
  readonly url: string

  constructor(server: RunningServer, scratch: string) {
    this.server = server
    this.scratch = scratch
    this.url = server.url
  }

  /** Calls the server and holds its answer against the schema that the route table has for it. */
  async call(method: string, path: string, init: { json?: unknown; body?: BodyInit; headers?: Record<string, string> } = {}): Promise<Answer> {
    const headers = { ...(init.json !== undefined && { 'content-type': 'application/json' }), ...init.headers }
    const body = init.json === undefined ? init.body : JSON.stringify(init.json)
    const response = await fetch(this.url + path, { method, headers, ...(body !== undefined && { body, duplex: 'half' }) })
    const text = await response.text()
    const isJson = response.headers.get('content-type') === 'application/json'
    const json: unknown = isJson ? JSON.parse(text) : undefined
    const route = routeOf(method, new URL(this.url + path).pathname)
    const answer = route?.answers[response.status]
    if (answer) {
      visited.add(route.operationId)
      if (answer.schema) expect(answer.schema.safeParse(json).error, `${method} ${path}: ${text.slice(0, 500)}`).toBeUndefined()
    } else {
      expect(response.status, text).toBeGreaterThanOrEqual(400)
      expect(errorSchema.safeParse(json).error, text).toBeUndefined()
      expect((json as { error: { requestId: string } }).error.requestId).toBe(response.headers.get('x-request-id'))
    }
    return { status: response.status, headers: response.headers, json, text }
  }

  async stop(): Promise<void> {
    await this.server.stop()
    rmSync(this.scratch, { recursive: true, force: true })
  }
}

function routeOf(method: string, path: string): Route | undefined {
  return restRoutes.find((route) => {
    const pattern = route.path.replace(/\{\w+\*\}/g, '.+').replace(/\{\w+\}/g, '[^/]+')
    return route.method === method.toLowerCase() && new RegExp(`^${pattern}$`).test(path)
  })
}
