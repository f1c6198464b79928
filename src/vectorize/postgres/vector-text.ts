/** A vector as pgvector writes it in text: `[1,2.5,-3]`. Every value that a 32-bit float has comes back as it was. */
export function vectorText(vector: Float32Array): string {
  return `[${vector.join(',')}]`
}

/** Inverse of `vectorText`. */
export function readVector(text: string): Float32Array {
  return Float32Array.from(text.slice(1, -1).split(','), Number)
}
