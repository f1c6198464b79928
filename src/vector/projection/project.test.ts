import { expect, test } from 'vitest'
import { seededRandom } from '../../base/random.ts'
import { finish } from '../../base/steps.ts'
import { buildNeighborGraph } from './neighbor-graph.ts'
import { projectOnPrincipalAxes } from './principal-axes.ts'
import { projectInSteps, projectionDefaults } from './project.ts'
import { measureMap } from './quality.ts'
import { clusteredVectors, rowsOf } from './testing.ts'

const quick = { ...projectionDefaults, iterations: 160 }
const clustered = clusteredVectors({ centers: 6, count: 50, dimension: 24, spread: 0.2 }, seededRandom(3))

test('the same rows give the same map, and another seed another one', async () => {
  const draw = async (seed: number) => finish(projectInSteps(await rowsOf(clustered), { ...quick, iterations: 60, seed }))
  const first = await draw(1)
  expect(await draw(1)).toEqual(first)
  expect(await draw(2)).not.toEqual(first)
})

test('clusters of the space are clusters of the map: of each point the nearest on the map is of its own', async () => {
  const positions = finish(projectInSteps(await rowsOf(clustered), quick))
  let strangers = 0
  for (let i = 0; i < clustered.length; i++) {
    let [best, nearest] = [-1, Infinity]
    for (let j = 0; j < clustered.length; j++) {
      const distance = (positions[i * 2]! - positions[j * 2]!) ** 2 + (positions[i * 2 + 1]! - positions[j * 2 + 1]!) ** 2
      if (j !== i && distance < nearest) [best, nearest] = [j, distance]
    }
    if (best % 6 !== i % 6) strangers++
  }
  expect(strangers).toBe(0)
})

test('a map keeps far more neighbours than the principal axes do', async () => {
  // Points on a sphere's surface in 12 dimensions: two axes show little of them.
  const vectors = clusteredVectors({ centers: 300, count: 3, dimension: 12, spread: 0.3 }, seededRandom(5))
  const asked = Array.from({ length: 150 }, (_, i) => i * 6)
  const rows = await rowsOf(vectors, { isCosine: true })
  const axes = measureMap(rows, finish(projectOnPrincipalAxes(rows, seededRandom(1))), asked)
  const map = measureMap(rows, finish(projectInSteps(await rowsOf(vectors, { isCosine: true }), quick)), asked)
  expect(map.nearest10).toBeGreaterThan(axes.nearest10 * 2)
  expect(map.trustworthiness).toBeGreaterThan(0.9)
  expect(map.trustworthiness).toBeGreaterThan(axes.trustworthiness)
})

test.each([0, 1, 2, 3, 4, 5])('%i rows have as many finite places, no two the same', async (count) => {
  const vectors = clusteredVectors({ centers: 5, count: 1, dimension: 8, spread: 0 }, seededRandom(2)).slice(0, count)
  const positions = finish(projectInSteps(await rowsOf(vectors), quick))
  expect(positions.length).toBe(count * 2)
  expect(positions.every(Number.isFinite)).toBe(true)
  expect(new Set(Array.from({ length: count }, (_, i) => `${positions[i * 2]} ${positions[i * 2 + 1]}`)).size).toBe(count)
})

test.each([
  ['equal rows', Array.from({ length: 300 }, () => [1, 2, 3])],
  ['rows of zeros', Array.from({ length: 40 }, () => [0, 0, 0])],
  ['rows on a line', Array.from({ length: 60 }, (_, i) => [i, 2 * i, 0])],
  ['rows of two dimensions', Array.from({ length: 60 }, (_, i) => [Math.cos(i), Math.sin(i)])],
  ['rows of one dimension', Array.from({ length: 30 }, (_, i) => [i])],
  ['huge and tiny values', Array.from({ length: 30 }, (_, i) => [10 ** (i - 15), -(10 ** (15 - i))])],
])('%s have finite places', async (_, vectors) => {
  for (const isCosine of [true, false]) {
    const positions = finish(projectInSteps(await rowsOf(vectors, { isCosine }), quick))
    expect(positions.every(Number.isFinite)).toBe(true)
    expect(Math.max(...positions) - Math.min(...positions)).toBeGreaterThan(0)
  }
})

test('more equal rows than any block holds are cut into blocks: the work does not grow with their square', async () => {
  const rows = await rowsOf(Array.from({ length: 20_000 }, () => [3, 4]))
  let dots = 0
  const { dotMany, dotAt } = rows.heap.kernels
  Object.assign(rows.heap.kernels, {
    dotMany: (...args: Parameters<typeof dotMany>) => ((dots += args[3]), dotMany(...args)),
    dotAt: (...args: Parameters<typeof dotAt>) => ((dots += args[2]), dotAt(...args)),
  })
  finish(buildNeighborGraph(rows, projectionDefaults, seededRandom(1)))
  expect(dots).toBeGreaterThan(20_000)
  expect(dots).toBeLessThan(20_000 * 512 * (projectionDefaults.blocksCompared + 2))
})

test('the graph finds most of the true neighbours, nearest first, and no row twice', async () => {
  const vectors = clusteredVectors({ centers: 900, count: 1, dimension: 16, spread: 0 }, seededRandom(9))
  const { graph, order } = finish(buildNeighborGraph(await rowsOf(vectors), projectionDefaults, seededRandom(1)))
  const distance = (a: number, b: number) => vectors[a]!.reduce((sum, value, i) => sum + (value - vectors[b]![i]!) ** 2, 0)
  let found = 0
  for (let place = 0; place < vectors.length; place += 9) {
    const row = order[place]!
    const mine = [...graph.neighbors.subarray(place * graph.k, (place + 1) * graph.k)].map((near) => order[near]!)
    expect(new Set([...mine, row]).size).toBe(graph.k + 1)
    const distances = mine.map((other) => distance(row, other))
    for (let i = 1; i < distances.length; i++) expect(distances[i]!).toBeGreaterThanOrEqual(distances[i - 1]! - 1e-4)
    const truth = vectors.map((_, other) => other).filter((other) => other !== row).sort((a, b) => distance(row, a) - distance(row, b)).slice(0, graph.k)
    found += truth.filter((other) => mine.includes(other)).length
  }
  expect(found / (100 * graph.k)).toBeGreaterThan(0.9)
})

test('rows of more dimensions than a map keeps are projected, and their clusters stay', async () => {
  const vectors = clusteredVectors({ centers: 4, count: 20, dimension: 1000, spread: 0.3 }, seededRandom(4))
  const rows = await rowsOf(vectors, { isCosine: true })
  expect(rows.padded).toBe(512)
  const { graph, order } = finish(buildNeighborGraph(rows, { ...projectionDefaults, k: 10 }, seededRandom(1)))
  graph.neighbors.forEach((near, i) => expect(order[near]! % 4).toBe(order[Math.floor(i / 10)]! % 4))
})

test('progress goes from neighbours to the layout and never back', async () => {
  const seen: string[] = []
  const steps = projectInSteps(await rowsOf(clustered), { ...quick, iterations: 20 })
  for (let last = -1; ; ) {
    const { value, done } = steps.next()
    if (done) break
    if (seen.at(-1) !== value.part) {
      seen.push(value.part)
      last = -1
    }
    expect(value.done).toBeGreaterThanOrEqual(last)
    expect(value.done).toBeLessThanOrEqual(1)
    last = value.done
  }
  expect(seen).toEqual(['neighbors', 'axes', 'layout'])
})
