// npm run simulate -- --histories=100000 --seed=1: many histories of the protocol on every core, each checked; prints how often each
// fault and race occurred, and the seeds that failed. --seed=N --histories=1 prints that history. --mutants looks for seeds that catch mutants
// (--only=PART of a name, --share=0/2 for every second; --update notes them in mutants.ts).
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { bundle, loadSimulation } from '../test/simulation/build.ts'
import { runHistory } from '../test/simulation/history.ts'
import { mutants } from '../test/simulation/mutants.ts'
import { expectedEvents, Tally } from '../test/simulation/tally.ts'

const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    mutants: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    update: { type: 'boolean', default: false },
    share: { type: 'string', default: '0/1' },
  },
})
const [histories, seed, workers] = [Number(values.histories), Number(values.seed), Number(values.workers)]

if (values.mutants) process.exitCode = await searchMutants()
else if (histories === 1) process.exitCode = await replay()
else process.exitCode = await runMany()

async function replay(): Promise<number> {
  const { problems, hash, counts, bucketOperations } = await runHistory(seed, (line) => console.log(line))
  const tally = new Tally()
  tally.add({ counts, bucketOperations })
  console.log(`\n${tally.print()}\nhash ${hash}`)
  for (const problem of problems) console.log(`PROBLEM: ${problem}`)
  return problems.length > 0 ? 1 : 0
}

async function runMany(): Promise<number> {
  const total = new Tally()
  const failed: number[] = []
  const folder = await mkdtemp(join(tmpdir(), 'windlass-simulation-'))
  const path = join(folder, 'worker.mjs')
  await writeFile(path, await bundle('worker.ts'))
  const run = (worker: number) =>
    new Promise<void>((resolve, reject) => {
      const count = Math.ceil((histories - worker) / workers)
      const thread = new Worker(path, { workerData: { from: seed + worker, count, step: workers } })
      thread.on('message', (message: { tally?: Parameters<typeof Tally.fromJSON>[0]; failed?: { seed: number; problems: string[] } }) => {
        if (message.failed) {
          failed.push(message.failed.seed)
          console.log(`seed ${message.failed.seed}: ${message.failed.problems.length} problems, the first: ${message.failed.problems[0]!.slice(0, 500)}`)
        }
        if (!message.tally) return
        total.merge(Tally.fromJSON(message.tally))
        if (process.stderr.isTTY) process.stderr.write(`\r${total.historyCount} of ${histories}`)
      })
      thread.on('error', reject)
      thread.on('exit', () => resolve())
    })
  try {
    await Promise.all(Array.from({ length: workers }, (_, worker) => run(worker)))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  console.log(total.print())
  const missing = expectedEvents.filter((name) => total.countOf(name) === 0)
  if (missing.length > 0) console.log(`never occurred: ${missing.join(', ')}`)
  console.log(failed.length === 0 ? 'all checks hold' : `failed: ${failed.sort((a, b) => a - b).join(' ')}; see one with npm run simulate -- --seed=${failed[0]} --histories=1`)
  return failed.length > 0 || missing.length > 0 ? 1 : 0
}

/** Notes in mutants.ts which seed catches a mutant now. */
async function noteSeed(name: string, caughtBy: number): Promise<void> {
  const path = join(import.meta.dirname, '../test/simulation/mutants.ts')
  const text = await readFile(path, 'utf8')
  const start = [`name: '${name}'`, `name: "${name}"`].map((line) => text.indexOf(line)).find((found) => found >= 0)
  if (start === undefined) throw new Error(`mutants.ts does not hold ${name}`)
  await writeFile(path, text.slice(0, start) + text.slice(start).replace(/seed: \d+/, `seed: ${caughtBy}`))
}

/** For each mutant, the seeds that catch it and find nothing without it. */
async function searchMutants(): Promise<number> {
  let missed = 0
  const [share, shares] = values.share.split('/').map(Number) as [number, number]
  for (const [i, { name, edits, seed: known }] of mutants.entries()) {
    if (!name.includes(values.only) || i % shares !== share) continue
    const mutant = await loadSimulation(edits).catch((error: unknown) => console.log(`STALE ${JSON.stringify(name)}: ${String(error).slice(0, 300)}`))
    if (!mutant) {
      missed++
      continue
    }
    const hits: string[] = []
    let caughtBy = known
    for (let next = seed, first = true; next < seed + histories && hits.length < 1; first ? (first = false) : next++) {
      const tried = first ? known : next
      const { problems } = await mutant.runHistory(tried)
      if (problems.length > 0 && (await runHistory(tried)).problems.length === 0) {
        caughtBy = tried
        hits.push(`${tried} (${problems[0]!.slice(0, 120).replaceAll('\n', ' ')})`)
      }
    }
    if (values.update && caughtBy !== known) await noteSeed(name, caughtBy)
    if (hits.length === 0) missed++
    console.log(`${hits.length > 0 ? 'caught' : 'MISSED'} ${JSON.stringify(name)}: ${hits.join('; ')}`)
  }
  return missed > 0 ? 1 : 0
}
