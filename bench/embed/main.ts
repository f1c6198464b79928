// Asks: how many short texts a second does the model that ships embed on one core, and how long does loading it take?
//
// npx tsx bench/embed/main.ts
import { join } from 'node:path'
import { loadStaticModel, readStaticModel } from '../../src/embed/load-static-model.ts'

const words = (
  'a tool that draws maps from public data and stores them as images library for reading compressed archives server daemon which ' +
  'keeps messages until they are fetched interactive editor with syntax highlighting simulation of chemical reactions unaffable ' +
  'retrieval configuration documentation Kubernetes PostgreSQL naïve e-mail 3.14 café (experimental), fast; portable.'
).split(' ')
let state = 7
const next = () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648)
const text = (size: number) => Array.from({ length: size }, () => words[next() % words.length]).join(' ')

const loadStart = performance.now()
await readStaticModel(join(import.meta.dirname, '../../models/static-384'))
console.log(`load: ${(performance.now() - loadStart).toFixed(0)} ms`)

const model = await loadStaticModel()
const [vector] = await model.embed(['a tool that draws maps'])
if (Math.abs(Math.hypot(...vector!) - 1) > 1e-5) throw new Error('a vector is not of length 1; not timing it')
for (const [size, count] of [
  [12, 20_000],
  [100, 4_000],
] as const) {
  const texts = Array.from({ length: count }, () => text(size))
  const rates: (readonly [number, number])[] = []
  for (let round = 0; round < 5; round++) {
    const cpu = process.cpuUsage()
    const start = performance.now()
    await model.embed(texts)
    const { user, system } = process.cpuUsage(cpu)
    rates.push([count / ((performance.now() - start) / 1e3), count / ((user + system) / 1e6)])
  }
  const [wall, core] = [0, 1].map((i) => Math.max(...rates.map((rate) => rate[i]!)).toFixed(0))
  console.log(`${size} words: ${wall} texts/s by the clock, ${core} by processor time (best of 5)`)
}
