// Runs a share of the histories on a thread of its own.
import { parentPort, workerData } from 'node:worker_threads'
import { runHistory } from './history.ts'
import { Tally } from './tally.ts'

/** What the runner tells a worker. */
export interface Share {
  readonly from: number
  readonly count: number
  /** Every how many seeds is ours. */
  readonly step: number
}

const { from, count, step } = workerData as Share
const reportEvery = 100
let tally = new Tally()
for (let i = 0; i < count; i++) {
  const seed = from + i * step
  const result = await runHistory(seed)
  tally.add(result)
  if (result.problems.length > 0) parentPort!.postMessage({ failed: { seed, problems: result.problems } })
  if ((i + 1) % reportEvery === 0 || i + 1 === count) {
    parentPort!.postMessage({ tally: tally.toJSON() })
    tally = new Tally()
  }
}
