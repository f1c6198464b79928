// The other side of index-thread.ts: builds one index and gives it out, cluster by cluster.
import { parentPort } from 'node:worker_threads'
import { messageOf } from '../base/errors.ts'
import { finish } from '../base/steps.ts'
import { KernelHeap } from '../kernels/heap.ts'
import { loadKernels } from '../kernels/kernels.ts'
import type { BuiltIndex } from '../vector/build.ts'
import { buildInSteps, nextBatch } from '../vector/index-builder.ts'
import type { FromIndexWorker, ToIndexWorker } from './index-thread.ts'

const port = parentPort!
let built: BuiltIndex | null = null
let given = 0

function post(message: FromIndexWorker, moved: ArrayBuffer[] = []): void {
  port.postMessage(message, moved)
}

async function handle(message: ToIndexWorker): Promise<void> {
  if (message.kind === 'next') {
    const batch = nextBatch(built!, given)
    given += batch.length
    post({ kind: 'batch', batch }, batch.flatMap(({ list, records }) => [list.buffer, records.buffer]))
    return
  }
  built = finish(buildInSteps(new KernelHeap(await loadKernels()), message.job))
  post({ kind: 'built', head: built.head })
}

port.on('message', (message: ToIndexWorker) => {
  handle(message).catch((error: unknown) => post({ kind: 'failed', message: messageOf(error) }))
})
post({ kind: 'ready' })
