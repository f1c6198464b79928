// The other side of map-thread.ts: keeps the rows of one map, and projects them.
import { parentPort } from 'node:worker_threads'
import { systemClock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import { KernelHeap } from '../../kernels/heap.ts'
import { loadKernels } from '../../kernels/kernels.ts'
import { projectInSteps } from '../../vector/projection/project.ts'
import { ProjectionRows } from '../../vector/projection/projection-rows.ts'
import type { FromMapWorker, ProjectionJob, ToMapWorker } from './map-thread.ts'

const port = parentPort!
const kernels = await loadKernels()
const progressMs = 200
let job: ProjectionJob | null = null
let rows: ProjectionRows | null = null

function post(message: FromMapWorker, moved: ArrayBuffer[] = []): void {
  port.postMessage(message, moved)
}

function handle(message: ToMapWorker): void {
  if (message.kind === 'open') {
    job = message.job
    rows = new ProjectionRows(new KernelHeap(kernels), job)
  } else if (message.kind === 'rows') {
    for (let start = 0; start < message.values.length; start += job!.dimension) rows!.add(message.values.subarray(start, start + job!.dimension))
  } else {
    const steps = projectInSteps(rows!)
    for (let told = -Infinity; ; ) {
      const { value, done } = steps.next()
      if (done) return post({ kind: 'positions', positions: value as Float32Array<ArrayBuffer> }, [value.buffer as ArrayBuffer])
      if (systemClock.monotonic() - told < progressMs) continue
      told = systemClock.monotonic()
      post({ kind: 'progress', progress: value })
    }
  }
}

port.on('message', (message: ToMapWorker) => {
  try {
    handle(message)
  } catch (error) {
    post({ kind: 'failed', message: messageOf(error) })
  }
})
post({ kind: 'ready' })
