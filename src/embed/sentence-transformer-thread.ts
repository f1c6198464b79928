import type { Worker } from 'node:worker_threads'
import { WindlassError } from '../base/errors.ts'
import { startWorker } from '../threads/start-worker.ts'
import type { Recipe, Weights } from './sentence-transformer-recipe.ts'

/** What the thread is started with. */
export interface ModelThreadData {
  /** Where transformers.js is. */
  readonly modulePath: string
  readonly folder: string | null
  /** Paths in the repository that there are: bytes, or null where they lie in `folder`. */
  readonly files: Readonly<Record<string, Uint8Array<ArrayBuffer> | null>>
  readonly recipe: Recipe
  readonly weights: Weights
}

export interface ToModelThread {
  readonly id: number
  readonly texts: readonly string[]
}

export type FromModelThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'vectors'; readonly id: number; readonly vectors: Float32Array }
  | { readonly kind: 'failed'; readonly id: number | null; readonly message: string }

/** A model in a thread of its own: the one that answers requests is not held up. The process ends although the thread waits for work. */
export class ModelThread {
  readonly #name: string
  readonly #worker: Worker
  readonly #waiting = new Map<number, { resolve(vectors: Float32Array): void; reject(error: Error): void }>()
  #ready!: { resolve(): void; reject(error: Error): void }
  #ended: Error | null = null
  #count = 0

  private constructor(name: string, worker: Worker) {
    this.#name = name
    this.#worker = worker
    worker.on('message', (message: FromModelThread) => this.#take(message))
    worker.on('error', (error) => this.#fail(new WindlassError('unavailable', `the thread of model ${name} failed: ${error.message}`, { cause: error })))
    worker.on('exit', (code) => this.#fail(new WindlassError('unavailable', `the thread of model ${name} ended with ${code}`)))
  }

  /** @throws {WindlassError} `corrupt` when the model cannot be loaded. */
  static async start(name: string, data: ModelThreadData): Promise<ModelThread> {
    const moved = Object.values(data.files).flatMap((bytes) => (bytes ? [bytes.buffer] : []))
    const thread = new ModelThread(name, startWorker('./sentence-transformer-worker', import.meta.url, { workerData: data, transferList: moved }))
    await new Promise<void>((resolve, reject) => (thread.#ready = { resolve, reject }))
    thread.#worker.unref()
    return thread
  }

  /** Vectors of a batch, one after another. */
  async embed(texts: readonly string[]): Promise<Float32Array> {
    if (this.#ended) throw this.#ended
    const id = ++this.#count
    this.#worker.ref()
    try {
      return await new Promise<Float32Array>((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject })
        this.#worker.postMessage({ id, texts } satisfies ToModelThread)
      })
    } finally {
      this.#waiting.delete(id)
      if (this.#waiting.size === 0) this.#worker.unref()
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }

  #take(message: FromModelThread): void {
    if (message.kind === 'ready') this.#ready.resolve()
    else if (message.kind === 'vectors') this.#waiting.get(message.id)?.resolve(message.vectors)
    else if (message.id === null) {
      this.#ready.reject(new WindlassError('corrupt', `model ${this.#name} cannot be run: ${message.message}`, { path: 'embedding-model' }))
      void this.#worker.terminate()
    } else this.#waiting.get(message.id)?.reject(new WindlassError('unavailable', `model ${this.#name} failed: ${message.message}`, { path: 'embedding-model' }))
  }

  #fail(error: Error): void {
    this.#ended = error
    this.#ready.reject(error)
    for (const { reject } of this.#waiting.values()) reject(error)
  }
}
