// Asks: how many neighbours does a map of a collection keep, beside the two principal axes, and what does it cost? On the shared embeddings
// (WordNet, 384 dimensions): npx tsx bench/map/main.ts [rows, 100000] [rows asked, 1000]. Prints the table of docs/map.md; seconds are of one
// core's work, not of the clock on the wall.
import { cpus } from 'node:os'
import { seededRandom } from '../../src/base/random.ts'
import { finish } from '../../src/base/steps.ts'
import { KernelHeap } from '../../src/kernels/heap.ts'
import { loadKernels } from '../../src/kernels/kernels.ts'
import { projectOnPrincipalAxes } from '../../src/vector/projection/principal-axes.ts'
import { pickRows, ProjectionRows } from '../../src/vector/projection/projection-rows.ts'
import { projectInSteps, projectionDefaults } from '../../src/vector/projection/project.ts'
import { measureMap } from '../../src/vector/projection/quality.ts'
import { readNormalized } from '../vector/dataset.ts'

const dimension = 384
const count = Number(process.argv[2] ?? 100_000)
const asked = [...pickRows(count, Number(process.argv[3] ?? 1000), seededRandom(99))]
const vectors = readNormalized('base.f16', dimension)
const heap = new KernelHeap(await loadKernels())

function rowsAsRead(): ProjectionRows {
  const rows = new ProjectionRows(heap, { dimension, countMax: count, isCosine: true })
  for (let i = 0; i < count; i++) rows.add(vectors.subarray(i * dimension, (i + 1) * dimension))
  return rows
}

function measure(name: string, project: (rows: ProjectionRows) => Float32Array): void {
  const rows = rowsAsRead()
  const before = process.cpuUsage()
  const positions = project(rows)
  const seconds = process.cpuUsage(before).user / 1e6
  rows.release()
  // Projecting moves rows: the truth is found in those as they were read.
  const truth = rowsAsRead()
  const { nearest10, nearest50, trustworthiness } = measureMap(truth, positions, asked)
  truth.release()
  console.log(`| ${name} | ${(nearest10 * 100).toFixed(2)} % | ${(nearest50 * 100).toFixed(2)} % | ${trustworthiness.toFixed(4)} | ${seconds.toFixed(1)} |`)
}

console.log(`${count} rows, ${asked.length} asked; ${cpus()[0]?.model}, Node ${process.version}`)
console.log('| map | 10 nearest among 10 of the map | among 50 | trustworthiness | seconds of one core |')
console.log('|---|---:|---:|---:|---:|')
measure('two principal axes', (rows) => finish(projectOnPrincipalAxes(rows, seededRandom(1))))
measure('ours', (rows) => finish(projectInSteps(rows)))
measure('ours, graph of 30 neighbours', (rows) => finish(projectInSteps(rows, { ...projectionDefaults, k: 30 })))
measure('ours, 250 iterations', (rows) => finish(projectInSteps(rows, { ...projectionDefaults, iterations: 250 })))
