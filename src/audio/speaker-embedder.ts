/** Turns a stretch of one person's speech into a vector; vectors of one voice lie near each other. */
export interface SpeakerEmbedder {
  /** Vectors of another name are not comparable. */
  readonly name: string
  readonly dimension: number
  readonly metric: 'cosine' | 'euclidean'
  /** Up to this distance two voices are taken for one, of each of which there is much speech: 1 - cosine, or euclidean. */
  readonly sameVoiceMax: number
  /** The same for a second of each, where what is said weighs more than who says it. */
  readonly sameWindowMax: number
  /** @param samples Some seconds. @returns null where there is no voice in them. */
  embed(samples: Float32Array): Float32Array | null | Promise<Float32Array | null>
}

/** How far apart two voices are, by the embedder's metric. */
export function voiceDistance(a: Float32Array, b: Float32Array, metric: SpeakerEmbedder['metric']): number {
  let [dot, aa, bb, square] = [0, 0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!
    aa += a[i]! ** 2
    bb += b[i]! ** 2
    square += (a[i]! - b[i]!) ** 2
  }
  return metric === 'euclidean' ? Math.sqrt(square) : 1 - dot / Math.max(1e-12, Math.sqrt(aa * bb))
}
