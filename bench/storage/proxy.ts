// An HTTP proxy that waits before the first byte of every answer, as a bucket that is not next door does, and counts what passes.
// A process of its own: node --import tsx proxy.ts <endpoint> <delay in ms>; prints its address, answers `counts` on its channel.
import { Agent, createServer, request } from 'node:http'

const [endpoint, delayText] = process.argv.slice(2)
const target = new URL(endpoint!)
const delayMs = Number(delayText)
const agent = new Agent({ keepAlive: true, maxSockets: 256 })
const counts = { requests: 0, bytesRead: 0, bytesWritten: 0, waves: 0 }
// A wave: requests that were under way together. A lower bound of round trips, one after the other.
let underWay = 0

const server = createServer((incoming, outgoing) => {
  counts.requests++
  if (underWay++ === 0) counts.waves++
  const forwarded = request({ host: target.hostname, port: target.port, method: incoming.method, path: incoming.url, headers: incoming.headers, agent }, (answer) => {
    setTimeout(() => {
      outgoing.writeHead(answer.statusCode!, answer.headers)
      answer.on('data', (part: Buffer) => (counts.bytesRead += part.length))
      answer.pipe(outgoing)
    }, delayMs)
  })
  forwarded.on('error', () => outgoing.destroy())
  outgoing.on('close', () => underWay--)
  incoming.on('data', (part: Buffer) => (counts.bytesWritten += part.length))
  incoming.pipe(forwarded)
})
server.keepAliveTimeout = 60_000
process.on('message', () => {
  process.send!({ ...counts })
  Object.assign(counts, { requests: 0, bytesRead: 0, bytesWritten: 0, waves: 0 })
})
server.listen(0, '127.0.0.1', () => process.send!({ url: `http://127.0.0.1:${(server.address() as { port: number }).port}` }))
