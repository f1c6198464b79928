import { Agent, request } from 'node:http'

/** What came of a load: milliseconds of each request, and seconds of all. */
export interface Load {
  readonly latencies: readonly number[]
  readonly seconds: number
}

/** Sends bodies that were written before, over connections that stay: as little work as a client can do. */
export class LoadClient {
  readonly #url: URL
  readonly #agent: Agent

  constructor(url: string, connectionsMax: number) {
    this.#url = new URL(url)
    this.#agent = new Agent({ keepAlive: true, maxSockets: connectionsMax })
  }

  /** @throws {Error} for any status that is no success. */
  post(operation: string, body: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.#url
      const sent = request({ hostname, port, path: `/${operation}`, method: 'POST', agent: this.#agent, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } }, (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('end', () => {
          const text = Buffer.concat(parts).toString()
          if (response.statusCode! < 300) resolve(text)
          else reject(new Error(`${operation}: ${response.statusCode} ${text.slice(0, 200)}`))
        })
      })
      sent.on('error', reject)
      sent.end(body)
    })
  }

  /** Each body once, or over and over for `seconds`. */
  async run(operation: string, bodies: readonly string[], { connections, seconds }: { connections: number; seconds?: number }): Promise<Load> {
    const latencies: number[] = []
    const started = performance.now()
    const until = seconds === undefined ? Infinity : started + seconds * 1000
    let next = 0
    const worker = async () => {
      while ((seconds !== undefined || next < bodies.length) && performance.now() < until) {
        const body = bodies[next++ % bodies.length]!
        const sent = performance.now()
        await this.post(operation, body)
        latencies.push(performance.now() - sent)
      }
    }
    await Promise.all(Array.from({ length: connections }, worker))
    return { latencies, seconds: (performance.now() - started) / 1000 }
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** The value that a share of `values` does not exceed; nearest rank. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}
