// Asks: does the model that ships find what was meant, does fusing it with BM25 beat BM25 alone, and which weight is best on questions
// that do not judge it? Prints one Markdown table of nDCG@10 (recall@10).
//
// npx tsx bench/retrieval/main.ts [folder of more tasks]     WINDLASS_SHARED: the shared data's folder (default ../shared)
import { join } from 'node:path'
import { loadStaticModel } from '../../src/embed/load-static-model.ts'
import { defaultVectorWeight } from '../../src/engine/query/fuse.ts'
import { pairLegs, rank, rankConvex, rankRawCosine, rankReciprocal, textLeg, vectorLeg, type Leg } from './legs.ts'
import { measureQuality } from './measure.ts'
import { loadTasks, type Task } from './tasks.ts'

const weights = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
const shared = process.env['WINDLASS_SHARED'] ?? join(import.meta.dirname, '../../../shared')
const tasks = loadTasks(shared, process.argv[2])
const model = await loadStaticModel()

const rows = new Map<string, string[]>()
function note(run: string, task: Task, rankings: number[][]): void {
  const { ndcg10, recall10 } = measureQuality(
    rankings,
    task.questions.map(({ relevant }) => relevant),
  )
  rows.set(run, [...(rows.get(run) ?? []), `${ndcg10.toFixed(3)} (${recall10.toFixed(3)})`])
}

function noteFusions(name: string, task: Task, text: Leg, vector: Leg): void {
  note(name, task, rank(vector))
  const pair = pairLegs(text, vector)
  note(`BM25 + ${name}, convex ${defaultVectorWeight} (default)`, task, rankConvex(pair, defaultVectorWeight))
  note(`BM25 + ${name}, RRF`, task, rankReciprocal(pair))
  for (const weight of weights) note(`BM25 + ${name}, convex ${weight}`, task, rankConvex(pair, weight))
  for (const weight of weights) note(`BM25 + ${name}, raw cosine ${weight}`, task, rankRawCosine(pair, weight))
}

for (const task of tasks) {
  const text = textLeg(task)
  note('BM25', task, rank(text))
  const documents = await model.embed(task.documents)
  noteFusions(
    model.name,
    task,
    text,
    vectorLeg(
      documents,
      await model.embed(
        task.questions.map(({ text }) => text),
        { kind: 'query' },
      ),
    ),
  )
  if (task.vectors) {
    const all = Array.from({ length: task.vectors.length / 384 }, (_, i) =>
      task.vectors!.subarray(i * 384, (i + 1) * 384),
    )
    noteFusions(
      'all-MiniLM-L6-v2',
      task,
      text,
      vectorLeg(all.slice(0, task.documents.length), all.slice(task.documents.length)),
    )
  } else {
    for (const [run, cells] of rows) if (run.includes('MiniLM')) cells.push('-')
  }
}

console.log(`| run | ${tasks.map(({ name, use }) => `${name} (${use})`).join(' | ')} |`)
console.log(`|---|${tasks.map(() => '---|').join('')}`)
for (const [run, cells] of rows) console.log(`| ${run} | ${cells.join(' | ')} |`)
