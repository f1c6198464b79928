import type { Answer, Contender } from './contender.ts'
import type { Setting } from './peer.ts'

/** Recall of some answers against the true neighbors, `k` a query. */
export function recallOf({ rows }: Answer, queries: readonly number[], truth: Uint32Array, k: number): number {
  let hits = 0
  queries.forEach((query, i) => {
    const expected = new Set(truth.subarray(query * k, (query + 1) * k))
    for (const row of rows[i]!) if (expected.has(row)) hits++
  })
  return hits / (queries.length * k)
}

/** A setting and the recall it had on the tuning queries. */
export interface Tuned {
  readonly setting: Setting
  readonly recall: number
}

/**
 * Of each family the first member that reaches `target` on `queries`, found by bisection; of those the one that takes the least processor time.
 * Where none reaches it, the last member with the best recall.
 */
export async function tune(contender: Contender, target: number, queries: readonly number[], truth: Uint32Array, k: number): Promise<Tuned> {
  const reached: (Tuned & { cpuMs: number })[] = []
  const missed: Tuned[] = []
  for (const family of contender.families) {
    const measure = async (place: number) => {
      const answer = await contender.ask(family[place]!, queries, 10)
      return { setting: family[place]!, recall: recallOf(answer, queries, truth, k), cpuMs: answer.cpuMs }
    }
    let [low, high] = [0, family.length - 1]
    // Doubling first: the last members take much longer than those that suffice.
    let best = await measure(high = Math.min(high, 3))
    while (best.recall < target && high < family.length - 1) {
      low = high + 1
      best = await measure(high = Math.min(family.length - 1, 2 * high))
    }
    if (best.recall < target) {
      missed.push(best)
      continue
    }
    while (low < high) {
      const middle = (low + high) >> 1
      const found = await measure(middle)
      if (found.recall >= target) [high, best] = [middle, found]
      else low = middle + 1
    }
    reached.push(best)
  }
  return reached.sort((a, b) => a.cpuMs - b.cpuMs)[0] ?? missed.sort((a, b) => b.recall - a.recall)[0]!
}
