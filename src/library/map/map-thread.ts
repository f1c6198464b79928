import type { Worker } from 'node:worker_threads'
import { WindlassError } from '../../base/errors.ts'
import { KernelHeap } from '../../kernels/heap.ts'
import { loadKernels } from '../../kernels/kernels.ts'
import { startWorker } from '../../threads/start-worker.ts'
import type { ProjectionProgress } from '../../vector/projection/neighbor-graph.ts'
import { projectInSteps } from '../../vector/projection/project.ts'
import { ProjectionRows } from '../../vector/projection/projection-rows.ts'

/** What is projected: known before the first row. */
export interface ProjectionJob {
  readonly dimension: number
  readonly countMax: number
  readonly isCosine: boolean
}

export type ToMapWorker =
  | { readonly kind: 'open'; readonly job: ProjectionJob }
  /** Whole rows, one after the other. */
  | { readonly kind: 'rows'; readonly values: Float32Array<ArrayBuffer> }
  | { readonly kind: 'project' }

export type FromMapWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly progress: ProjectionProgress }
  | { readonly kind: 'positions'; readonly positions: Float32Array<ArrayBuffer> }
  | { readonly kind: 'failed'; readonly message: string }

/** Takes rows and projects them, somewhere. */
export interface Projector {
  /** False: in this thread, by steps. */
  readonly hasThread: boolean
  /** Moves `values`: whole rows. */
  add(values: Float32Array<ArrayBuffer>): Promise<void>
  /** x, y of each row, in the order they were added. */
  project(onProgress: (progress: ProjectionProgress) => void): Promise<Float32Array>
  /** Ends it, wherever it is; `project` then fails with `cancelled`. */
  close(): Promise<void>
}

/** Fewer values than these (rows times dimension) are projected in this thread: starting another takes longer. */
const threadValuesMin = 200_000

/** Opens a projector: in a thread of its own where the job is large and threads can be had. @param giveWay Lets others of this thread work. */
export async function openProjector(job: ProjectionJob, giveWay: () => Promise<void>): Promise<Projector> {
  const thread = job.countMax * job.dimension < threadValuesMin ? null : await startThread()
  if (!thread) return projectorHere(job, giveWay)
  thread.send({ kind: 'open', job })
  return thread
}

async function projectorHere(job: ProjectionJob, giveWay: () => Promise<void>): Promise<Projector> {
  const rows = new ProjectionRows(new KernelHeap(await loadKernels()), job)
  let isClosed = false
  return {
    hasThread: false,
    async add(values) {
      for (let start = 0; start < values.length; start += job.dimension) rows.add(values.subarray(start, start + job.dimension))
      return giveWay()
    },
    async project(onProgress) {
      const steps = projectInSteps(rows)
      for (;;) {
        const { value, done } = steps.next()
        if (done) return value
        onProgress(value)
        await giveWay()
        if (isClosed) throw cancelled()
      }
    },
    async close() {
      isClosed = true
    },
  }
}

function cancelled(): WindlassError {
  return new WindlassError('cancelled', 'the map was given up')
}

/** null: where no thread can be had, as in a bundle without the worker's file. */
async function startThread(): Promise<ProjectionThread | null> {
  try {
    const thread = new ProjectionThread(startWorker('./map-worker', import.meta.url))
    await thread.ready
    return thread
  } catch {
    return null
  }
}

class ProjectionThread implements Projector {
  readonly hasThread = true
  readonly ready: Promise<void>
  readonly #worker: Worker
  readonly #positions: Promise<Float32Array>
  #onProgress: (progress: ProjectionProgress) => void = () => undefined

  constructor(worker: Worker) {
    this.#worker = worker
    let started = (): void => undefined
    let failed = (_error: Error): void => undefined
    this.ready = new Promise((resolve, reject) => {
      started = resolve
      failed = reject
    })
    this.#positions = new Promise((resolve, reject) => {
      worker.on('message', (message: FromMapWorker) => {
        if (message.kind === 'ready') started()
        else if (message.kind === 'progress') this.#onProgress(message.progress)
        else if (message.kind === 'positions') resolve(message.positions)
        else reject(new WindlassError('unavailable', `projecting a map failed: ${message.message}`))
      })
      const fail = (error: Error) => {
        failed(error)
        reject(error)
      }
      worker.on('error', fail)
      worker.on('exit', () => fail(cancelled()))
    })
    // Somebody asks for them only later, or never.
    this.#positions.catch(() => undefined)
  }

  send(message: ToMapWorker, moved: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, moved)
  }

  async add(values: Float32Array<ArrayBuffer>): Promise<void> {
    this.send({ kind: 'rows', values }, [values.buffer])
  }

  project(onProgress: (progress: ProjectionProgress) => void): Promise<Float32Array> {
    this.#onProgress = onProgress
    this.send({ kind: 'project' })
    return this.#positions
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }
}
