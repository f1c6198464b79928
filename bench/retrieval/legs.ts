import { fuseConvex, fuseReciprocalRank } from '../../src/engine/query/fuse.ts'
import { createAnalyzer } from '../../src/text/analyzer.ts'
import { bm25Scores } from '../../src/text/bm25.ts'
import { MemoryPostings } from '../../src/text/postings.ts'
import type { Task } from './tasks.ts'

/** Scores of every document for every question, question by question; higher is better. */
export type Leg = readonly Float32Array[]

/** As the engine: candidates of each leg. */
const depth = 100

/** BM25 with the engine's analyzer and defaults. */
export function textLeg(task: Task): Leg {
  const analyzer = createAnalyzer({ language: 'english' })
  const source = new MemoryPostings()
  task.documents.forEach((text, row) => source.add(row, analyzer.terms(text)))
  return task.questions.map(({ text }) => {
    const scores = new Float32Array(task.documents.length)
    const [found] = bm25Scores(analyzer.terms(text), [{ source }])
    found!.rows.forEach((row, i) => (scores[row] = found!.scores[i]!))
    return scores
  })
}

/** Cosines of unit vectors. */
export function vectorLeg(documents: readonly Float32Array[], questions: readonly Float32Array[]): Leg {
  return questions.map((question) => {
    return Float32Array.from(documents, (document) => {
      let sum = 0
      for (let d = 0; d < question.length; d++) sum += question[d]! * document[d]!
      return sum
    })
  })
}

/** The best documents of each question; equal scores keep the lower document first. */
export function rank(leg: Leg): number[][] {
  return leg.map((scores) => best(scores, 10))
}

/** Both legs' scores, and their first `depth` documents, worked out once for every fusion. */
export interface Fusible {
  readonly text: Leg
  readonly vector: Leg
  readonly textTop: readonly number[][]
  readonly vectorTop: readonly number[][]
}

/** Lists the candidates of both legs; a document without any term of the question is not one of text's. */
export function pairLegs(text: Leg, vector: Leg): Fusible {
  const textTop = text.map((scores) => best(scores, depth).filter((row) => scores[row]! > 0))
  return { text, vector, textTop, vectorTop: vector.map((scores) => best(scores, depth)) }
}

/** Reciprocal rank fusion. */
export function rankReciprocal({ textTop, vectorTop }: Fusible): number[][] {
  return textTop.map((list, q) =>
    fuseReciprocalRank([list, vectorTop[q]!])
      .slice(0, 10)
      .map(({ id }) => id),
  )
}

/** The engine's convex fusion: distances scaled between the candidates' nearest and farthest, BM25 divided by its best. */
export function rankConvex(pair: Fusible, weight: number): number[][] {
  return pair.text.map((scores, q) => {
    const candidates = candidatesOf(pair, q).map((id) => ({
      id,
      distance: 1 - pair.vector[q]![id]!,
      text: scores[id]!,
    }))
    return fuseConvex(candidates, { weight })
      .slice(0, 10)
      .map(({ id }) => id)
  })
}

/** To compare with: weight * cosine as it is + (1 - weight) * BM25 / best BM25. */
export function rankRawCosine(pair: Fusible, weight: number): number[][] {
  return pair.text.map((scores, q) => {
    const ids = candidatesOf(pair, q)
    const top = Math.max(...ids.map((id) => scores[id]!), 1e-9)
    const fused = ids.map((id) => ({ id, score: weight * pair.vector[q]![id]! + ((1 - weight) * scores[id]!) / top }))
    return fused
      .sort((a, b) => b.score - a.score || a.id - b.id)
      .slice(0, 10)
      .map(({ id }) => id)
  })
}

function candidatesOf({ textTop, vectorTop }: Fusible, question: number): number[] {
  return [...new Set([...textTop[question]!, ...vectorTop[question]!])]
}

function best(scores: Float32Array, count: number): number[] {
  const worst = count >= scores.length ? -Infinity : scores.slice().sort()[scores.length - count]!
  const rows: number[] = []
  for (let row = 0; row < scores.length; row++) if (scores[row]! >= worst) rows.push(row)
  return rows.sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, count)
}
