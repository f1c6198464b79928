// The plain twins of assembly/encode.ts.

/** @param block - From the block's first byte. */
export function encodePlainBits(vector: Float32Array, centroid: Float32Array, euclidean: boolean, block: DataView, lane: number): void {
  const n = vector.length
  let sumAbs = 0
  let sumSquares = 0
  let withCentroid = 0
  let signedCentroid = 0
  for (let i = 0; i < n; i++) {
    const c = centroid[i]!
    const r = Math.fround(vector[i]! - c)
    sumAbs += Math.abs(r)
    sumSquares += r * r
    withCentroid += r * c
    signedCentroid += r < 0 ? -c : c
    if (r >= 0) {
      const at = (i >>> 2) * 16 + (lane & 15)
      block.setUint8(at, block.getUint8(at) | (1 << ((i & 3) + (lane >= 16 ? 4 : 0))))
    }
  }
  const slope = sumAbs > 0 ? sumSquares / sumAbs : 0
  const factors = n * 4 + lane * 4
  block.setFloat32(factors, euclidean ? -sumSquares - 2 * slope * signedCentroid : withCentroid - slope * signedCentroid, true)
  block.setFloat32(factors + 128, euclidean ? 2 * slope : slope, true)
}

/** @param record - From the record's first byte. */
export function encodePlainBytes(vector: Float32Array, record: DataView): number {
  let most = 0
  for (const value of vector) most = Math.max(most, Math.abs(value))
  const step = Math.fround(most / 127)
  const inverse = step > 0 ? Math.fround(1 / step) : 0
  let squares = 0
  vector.forEach((value, i) => {
    const code = Math.min(127, Math.max(-127, roundToEven(Math.fround(value * inverse))))
    record.setInt8(i, code)
    squares += code * code
  })
  record.setFloat32(vector.length, step, true)
  return step * step * squares
}

export function encodePlainWords(vector: Float32Array, most: number, codes: Int16Array): number {
  let widest = 0
  for (const value of vector) widest = Math.max(widest, Math.abs(value))
  const step = Math.fround(widest / Math.fround(most))
  const inverse = step > 0 ? Math.fround(1 / step) : 0
  vector.forEach((value, i) => (codes[i] = roundToEven(Math.fround(value * inverse))))
  return step
}

function roundToEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1
}
