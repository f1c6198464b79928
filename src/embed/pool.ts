/** How the vectors of a text's tokens become one: their mean over what is no padding, or the first one's (`[CLS]`). */
export type Pooling = 'mean' | 'cls'

/**
 * One vector of length 1 a text, from what a transformer gives a token. As sentence-transformers pools (Reimers & Gurevych 2019,
 * "Sentence-BERT", section 3), with sums in float64.
 * @param hidden texts x tokens x dimension, row-major.
 * @param mask texts x tokens; 0 where a text is filled up to the longest of its batch.
 * @returns texts x dimension; zeros for a text without a token.
 */
export function poolTokens(hidden: Float32Array, mask: ArrayLike<number | bigint>, { texts, tokens, dimension }: { texts: number; tokens: number; dimension: number }, pooling: Pooling): Float32Array {
  const pooled = new Float32Array(texts * dimension)
  const sum = new Float64Array(dimension)
  for (let text = 0; text < texts; text++) {
    sum.fill(0)
    for (let token = 0; token < (pooling === 'cls' ? Math.min(1, tokens) : tokens); token++) {
      if (Number(mask[text * tokens + token]) === 0) continue
      const at = (text * tokens + token) * dimension
      for (let d = 0; d < dimension; d++) sum[d]! += hidden[at + d]!
    }
    // The count that a mean divides by falls out when the length becomes 1.
    let squares = 0
    for (const value of sum) squares += value * value
    const factor = squares === 0 ? 0 : 1 / Math.sqrt(squares)
    for (let d = 0; d < dimension; d++) pooled[text * dimension + d] = sum[d]! * factor
  }
  return pooled
}

/**
 * Batches of texts of about one length, so that little of a batch is padding: longest first, that memory is largest at once and not after
 * an hour.
 * @param sizesMax Of the longest in a batch times its texts.
 * @returns Indexes into `texts`.
 */
export function batchByLength(texts: readonly string[], { textsMax, charactersMax }: { textsMax: number; charactersMax: number }): number[][] {
  const order = texts.map((_, i) => i).sort((a, b) => texts[b]!.length - texts[a]!.length || a - b)
  const batches: number[][] = []
  let longest = 0
  for (const i of order) {
    const batch = batches.at(-1)
    if (batch && batch.length < textsMax && longest * (batch.length + 1) <= charactersMax) batch.push(i)
    else {
      batches.push([i])
      longest = Math.max(1, texts[i]!.length)
    }
  }
  return batches
}
