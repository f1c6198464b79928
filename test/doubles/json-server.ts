// What doubles of JSON APIs share: a server on 127.0.0.1 that answers, fails on purpose, and remembers what it was asked.
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Faults } from './openai/faults.ts'

export interface JsonServerRequest {
  readonly method: string
  /** Decoded. */
  readonly path: string
  readonly url: URL
  readonly headers: IncomingMessage['headers']
  readonly text: string
}

export interface JsonServerAnswer {
  readonly status?: number
  readonly json?: unknown
}

export interface JsonServer {
  readonly url: string
  readonly faults: Faults
  /** `METHOD /path` and the status that was told, 0 for none. */
  readonly journal: { readonly request: string; readonly status: number }[]
  close(): Promise<void>
}

/** @param errorBody Of an error that is there on purpose. */
export async function startJsonServer(answerTo: (request: JsonServerRequest) => JsonServerAnswer, errorBody: (status: number) => unknown): Promise<JsonServer> {
  const faults = new Faults()
  const journal: { request: string; status: number }[] = []
  const server = createServer((message, response) => {
    const serve = async () => {
      const parts: Buffer[] = []
      for await (const part of message) parts.push(part as Buffer)
      const url = new URL(message.url ?? '/', 'http://double')
      const request = { method: message.method ?? 'GET', path: decodeURIComponent(url.pathname), url, headers: message.headers, text: Buffer.concat(parts).toString() }
      const name = `${request.method} ${request.path}`
      const fault = faults.next(name)
      if (fault?.kind === 'stall') return
      const isDone = fault?.kind !== 'cut' && fault?.kind !== 'status'
      const answer = isDone ? answerTo(request) : {}
      if (fault?.kind === 'cut' || fault?.kind === 'lost') {
        journal.push({ request: name, status: 0 })
        message.socket.destroy()
        return
      }
      const { status = 200, json } = fault ? { status: fault.status ?? 500, json: errorBody(fault.status ?? 500) } : answer
      journal.push({ request: name, status })
      const body = request.method === 'HEAD' ? '' : JSON.stringify(json ?? null)
      response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...fault?.headers })
      response.end(body)
    }
    serve().catch((error: unknown) => {
      process.stderr.write(`double: ${error instanceof Error ? error.stack : String(error)}\n`)
      response.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    journal,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
