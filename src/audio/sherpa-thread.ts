import type { Worker } from 'node:worker_threads'
import { WindlassError } from '../base/errors.ts'
import { startWorker } from '../threads/start-worker.ts'

/** What the thread is started with: where sherpa-onnx is, and files of models on this disk; null: not used. */
export interface SherpaThreadData {
  readonly modulePath: string
  readonly voiceActivity: string | null
  readonly segmentation: string | null
  readonly embedding: string | null
  readonly whisper: { readonly encoder: string; readonly decoder: string; readonly tokens: string } | null
}

/** What the thread is asked; `stream` numbers recordings on their way through voice activity. */
export type SherpaQuestion =
  | { readonly ask: 'speech'; readonly stream: number; readonly samples: Float32Array }
  | { readonly ask: 'speech-end'; readonly stream: number }
  | { readonly ask: 'turns'; readonly samples: Float32Array }
  | { readonly ask: 'voice'; readonly samples: Float32Array }
  | { readonly ask: 'text'; readonly samples: Float32Array; readonly language: string }

export interface SherpaAnswers {
  readonly speech: readonly { readonly start: number; readonly end: number }[]
  readonly 'speech-end': readonly { readonly start: number; readonly end: number }[]
  readonly turns: readonly { readonly start: number; readonly end: number; readonly speaker: number }[]
  readonly voice: Float32Array | null
  readonly text: { readonly text: string; readonly language: string }
}

export type FromSherpaThread =
  | { readonly kind: 'ready'; readonly dimension: number }
  | { readonly kind: 'answer'; readonly id: number; readonly value: SherpaAnswers[keyof SherpaAnswers] }
  | { readonly kind: 'failed'; readonly id: number | null; readonly message: string }

/** Models of sherpa-onnx in a thread of their own: they hold a thread up for as long as they compute. The process ends although the thread waits for work. */
export class SherpaThread {
  /** Values of a voice; 0 without a model for them. */
  dimension = 0
  readonly #worker: Worker
  readonly #waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>()
  #ready!: { resolve(): void; reject(error: Error): void }
  #ended: Error | null = null
  #count = 0

  private constructor(worker: Worker) {
    this.#worker = worker
    worker.on('message', (message: FromSherpaThread) => this.#take(message))
    worker.on('error', (error) => this.#fail(new WindlassError('unavailable', `the thread of the speech models failed: ${error.message}`, { cause: error })))
    worker.on('exit', (code) => this.#fail(new WindlassError('unavailable', `the thread of the speech models ended with ${code}`)))
  }

  /** @throws {WindlassError} `invalid` when a model cannot be loaded. */
  static async start(data: SherpaThreadData): Promise<SherpaThread> {
    const thread = new SherpaThread(startWorker('./sherpa-worker', import.meta.url, { workerData: data }))
    await new Promise<void>((resolve, reject) => (thread.#ready = { resolve, reject }))
    thread.#worker.unref()
    return thread
  }

  async ask<Question extends SherpaQuestion>(question: Question): Promise<SherpaAnswers[Question['ask']]> {
    if (this.#ended) throw this.#ended
    const id = ++this.#count
    this.#worker.ref()
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject })
        this.#worker.postMessage({ id, question })
      })
    } finally {
      this.#waiting.delete(id)
      if (this.#waiting.size === 0) this.#worker.unref()
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }

  #take(message: FromSherpaThread): void {
    if (message.kind === 'ready') {
      this.dimension = message.dimension
      this.#ready.resolve()
    } else if (message.kind === 'answer') this.#waiting.get(message.id)?.resolve(message.value as never)
    else if (message.id === null) {
      this.#ready.reject(new WindlassError('unsupported', `a speech model cannot be run: ${message.message}`, { path: 'audio' }))
      void this.#worker.terminate()
    } else this.#waiting.get(message.id)?.reject(new WindlassError('unavailable', `a speech model failed: ${message.message}`, { path: 'audio' }))
  }

  #fail(error: Error): void {
    this.#ended = error
    this.#ready.reject(error)
    for (const { reject } of this.#waiting.values()) reject(error)
  }
}
