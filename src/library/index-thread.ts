import type { Worker } from 'node:worker_threads'
import { WindlassError } from '../base/errors.ts'
import { startWorker } from '../threads/start-worker.ts'
import type { BuiltHead } from '../vector/build.ts'
import { builderInSteps, type ClusterBytes, type IndexBuild, type IndexBuilder, type IndexJob } from '../vector/index-builder.ts'

export type ToIndexWorker = { readonly kind: 'build'; readonly job: IndexJob } | { readonly kind: 'next' }

export type FromIndexWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'built'; readonly head: BuiltHead }
  | { readonly kind: 'batch'; readonly batch: ClusterBytes[] }
  | { readonly kind: 'failed'; readonly message: string }

/** Fewer values than these (rows times dimension) are built in this thread: starting another takes longer. */
const threadValuesMin = 1_000_000

/**
 * Builds indexes in a worker thread, one at a time, so that queries never wait for one. Where threads cannot be had, it builds in this one.
 * @param giveWay Lets others of this thread work.
 */
export function builderInThread(giveWay: () => Promise<void>): IndexBuilder {
  const here = builderInSteps(giveWay)
  let last: Promise<unknown> = Promise.resolve()
  return {
    async build(job) {
      if (job.vectors.count * job.vectors.dimension < threadValuesMin) return here.build(job)
      const before = last
      let done = (): void => undefined
      last = new Promise<void>((resolve) => (done = resolve))
      await before
      try {
        const thread = await IndexThread.start()
        return thread ? await thread.build(job, done) : await released(here.build(job), done)
      } catch (error) {
        done()
        throw error
      }
    },
  }
}

async function released(building: Promise<IndexBuild>, done: () => void): Promise<IndexBuild> {
  const build = await building
  const release = () => {
    build.release()
    done()
  }
  return { head: build.head, next: () => build.next(), release }
}

class IndexThread {
  readonly #worker: Worker
  #waiting: { resolve(message: FromIndexWorker): void; reject(error: Error): void } | null = null

  private constructor(worker: Worker) {
    this.#worker = worker
    worker.on('message', (message: FromIndexWorker) => {
      const waiting = this.#waiting
      this.#waiting = null
      if (message.kind === 'failed') waiting?.reject(new WindlassError('unavailable', `building a vector index failed: ${message.message}`))
      else waiting?.resolve(message)
    })
    const fail = (error: Error) => {
      this.#waiting?.reject(error)
      this.#waiting = null
    }
    worker.on('error', fail)
    worker.on('exit', (code) => fail(new WindlassError('unavailable', `the thread that builds a vector index ended with ${code}`)))
  }

  /** Null where there are no threads. */
  static async start(): Promise<IndexThread | null> {
    try {
      const thread = new IndexThread(startWorker('./index-worker', import.meta.url))
      await thread.#answer()
      return thread
    } catch {
      return null
    }
  }

  async build(job: IndexJob, done: () => void): Promise<IndexBuild> {
    const release = () => {
      void this.#worker.terminate()
      done()
    }
    try {
      const { values, steps } = job.vectors
      const built = await this.#ask({ kind: 'build', job }, steps ? [values.buffer, steps.buffer] : [values.buffer])
      if (built.kind !== 'built') throw new WindlassError('unavailable', `a thread answered ${built.kind} to build`)
      const next = async () => {
        const answer = await this.#ask({ kind: 'next' })
        return answer.kind === 'batch' ? answer.batch : []
      }
      return { head: built.head, next, release }
    } catch (error) {
      void this.#worker.terminate()
      throw error
    }
  }

  #ask(message: ToIndexWorker, moved: ArrayBuffer[] = []): Promise<FromIndexWorker> {
    const answer = this.#answer()
    this.#worker.postMessage(message, moved)
    return answer
  }

  #answer(): Promise<FromIndexWorker> {
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }))
  }
}
