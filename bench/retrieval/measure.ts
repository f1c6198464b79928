/** Quality of a run: the means over its questions. */
export interface Quality {
  readonly ndcg10: number
  readonly recall10: number
}

/**
 * nDCG@10 (Järvelin & Kekäläinen 2002) and recall@10 where each question has one relevant document: 1 / log2(1 + rank), 0 beyond 10.
 * @param rankings Documents of each question, best first; ten are enough.
 */
export function measureQuality(rankings: readonly (readonly number[])[], relevant: readonly number[]): Quality {
  if (rankings.length !== relevant.length || rankings.length === 0)
    throw new Error(`${rankings.length} rankings for ${relevant.length} questions`)
  let ndcg = 0
  let found = 0
  rankings.forEach((ranking, i) => {
    const rank = ranking.slice(0, 10).indexOf(relevant[i]!) + 1
    if (rank === 0) return
    ndcg += 1 / Math.log2(1 + rank)
    found++
  })
  return { ndcg10: ndcg / rankings.length, recall10: found / rankings.length }
}
