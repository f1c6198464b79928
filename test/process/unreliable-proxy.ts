import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** How the proxy treats what comes: passes it on, drops it, or refuses it as S3 does. */
export type Mood = 'well' | 'gone' | 'denied' | 'slow-down'

/** An S3 endpoint before the real one, whose mood can change: a network that breaks, a permission that is withdrawn. */
export interface UnreliableProxy {
  readonly url: string
  mood: Mood
  readonly passed: number
  close(): Promise<void>
}

const refusals: Partial<Record<Mood, { status: number; code: string }>> = {
  denied: { status: 403, code: 'AccessDenied' },
  'slow-down': { status: 503, code: 'SlowDown' },
}

/** Starts a proxy on a free port. The Host header stays that of the proxy's caller, which signed it. */
export async function startProxy(target: string): Promise<UnreliableProxy> {
  const { hostname, port } = new URL(target)
  const state = { mood: 'well' as Mood, passed: 0 }
  const server: Server = createServer((incoming, outgoing) => {
    const refusal = refusals[state.mood]
    if (state.mood === 'gone') return void incoming.socket.destroy()
    if (refusal) {
      incoming.resume()
      outgoing.writeHead(refusal.status, { 'content-type': 'application/xml' })
      return void outgoing.end(incoming.method === 'HEAD' ? undefined : `<?xml version="1.0"?><Error><Code>${refusal.code}</Code><Message>no</Message></Error>`)
    }
    state.passed++
    const passed = request({ hostname, port, path: incoming.url, method: incoming.method, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(outgoing)
    })
    passed.on('error', () => outgoing.destroy())
    incoming.pipe(passed)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get mood() {
      return state.mood
    },
    set mood(mood) {
      state.mood = mood
      if (mood === 'gone') server.closeAllConnections()
    },
    get passed() {
      return state.passed
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
