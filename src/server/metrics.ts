import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Bucket } from '../library/types.ts'
import type { ModelStoreState } from '../models/store-state.ts'

/** What `/metrics` shows. Labels have few values: routes and operations, never names of collections or files. */
export class Metrics {
  readonly contentType: string
  readonly #registry = new Registry()
  readonly #requests: Counter
  readonly #seconds: Histogram
  readonly #inWork: Gauge

  /** @param modelState Null until the model store is used. */
  constructor(bucket: Bucket, { scratchBytes, modelState }: { scratchBytes: () => number; modelState: () => Promise<ModelStoreState> | null }) {
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
    this.#addModels(modelState)
  }

  begin(): void {
    this.#inWork.inc()
  }

  end(method: string, route: string, status: number, seconds: number): void {
    this.#inWork.dec()
    this.#requests.inc({ method, route, status })
    this.#seconds.observe({ method, route }, seconds)
  }

  #addModels(modelState: () => Promise<ModelStoreState> | null): void {
    const registers = [this.#registry]
    new Gauge({
      name: 'windlass_model_disk_bytes',
      help: 'Model files on the local disk: all, those in use, what they may take, and what the file system has free',
      labelNames: ['kind'],
      registers,
      async collect() {
        const state = await modelState()
        if (!state) return
        this.set({ kind: 'used' }, state.usedBytes)
        this.set({ kind: 'in_use' }, state.pinnedBytes)
        this.set({ kind: 'budget' }, state.budgetBytes)
        if (state.freeBytes !== null) this.set({ kind: 'free' }, state.freeBytes)
      },
    })
    new Counter({
      name: 'windlass_model_fetched_bytes_total',
      help: 'Bytes of model files, by where they were found',
      labelNames: ['tier'],
      registers,
      async collect() {
        this.reset()
        for (const [tier, bytes] of Object.entries((await modelState())?.fetchedBytes ?? {})) this.inc({ tier }, bytes)
      },
    })
    new Gauge({
      name: 'windlass_model_warnings',
      help: 'What is wrong, or soon will be, with the model store; /health says what',
      registers,
      async collect() {
        this.set((await modelState())?.warnings.length ?? 0)
      },
    })
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }
}
