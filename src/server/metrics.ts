import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Bucket } from '../library/types.ts'

/** What `/metrics` shows. Labels have few values: routes and operations, never names of collections or files. */
export class Metrics {
  readonly contentType: string
  readonly #registry = new Registry()
  readonly #requests: Counter
  readonly #seconds: Histogram
  readonly #inWork: Gauge

  constructor(bucket: Bucket, { scratchBytes }: { scratchBytes: () => number }) {
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    this.contentType = this.#registry.contentType
    this.#requests = new Counter({ name: 'windlass_http_requests_total', help: 'Requests answered', labelNames: ['method', 'route', 'status'], registers })
    this.#seconds = new Histogram({
      name: 'windlass_http_request_duration_seconds',
      help: 'Time from the first byte of a request to its answer',
      labelNames: ['method', 'route'],
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
      registers,
    })
    this.#inWork = new Gauge({ name: 'windlass_http_requests_in_work', help: 'Requests being worked on', registers })
    const counts = () => bucket.requestCounts()
    new Counter({
      name: 'windlass_store_requests_total',
      help: 'Requests sent to the bucket',
      labelNames: ['operation'],
      registers,
      collect() {
        this.reset()
        for (const [operation, count] of Object.entries(counts().requests)) this.inc({ operation }, count)
      },
    })
    new Counter({
      name: 'windlass_store_bytes_total',
      help: 'Bytes exchanged with the bucket',
      labelNames: ['direction'],
      registers,
      collect() {
        this.reset()
        this.inc({ direction: 'read' }, counts().bytesRead)
        this.inc({ direction: 'written' }, counts().bytesWritten)
      },
    })
    new Counter({
      name: 'windlass_recall_neighbors_total',
      help: 'Nearest rows that exact searches found for sampled queries (expected), and how many of them these had found (found)',
      labelNames: ['result'],
      registers,
      collect() {
        this.reset()
        const { expected, found } = bucket.liveRecall()
        this.inc({ result: 'expected' }, expected)
        this.inc({ result: 'found' }, found)
      },
    })
    new Gauge({
      name: 'windlass_scratch_bytes',
      help: 'Bytes of temporary files',
      registers,
      collect() {
        this.set(scratchBytes())
      },
    })
  }

  begin(): void {
    this.#inWork.inc()
  }

  end(method: string, route: string, status: number, seconds: number): void {
    this.#inWork.dec()
    this.#requests.inc({ method, route, status })
    this.#seconds.observe({ method, route }, seconds)
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }
}
