// Plain loops. Four accumulators hide the latency of additions; sums are in float64, so that results are as exact as float32 input allows.

/** Dot product of `dimension` values of `a` from `aStart` and of `b` from `bStart`. */
export function dot(a: Float32Array, aStart: number, b: Float32Array, bStart: number, dimension: number): number {
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  let i = 0
  for (const end = dimension - 3; i < end; i += 4) {
    s0 += a[aStart + i]! * b[bStart + i]!
    s1 += a[aStart + i + 1]! * b[bStart + i + 1]!
    s2 += a[aStart + i + 2]! * b[bStart + i + 2]!
    s3 += a[aStart + i + 3]! * b[bStart + i + 3]!
  }
  for (; i < dimension; i++) s0 += a[aStart + i]! * b[bStart + i]!
  return s0 + s1 + (s2 + s3)
}

/** Squared Euclidean distance, as `dot`. */
export function squaredDistance(a: Float32Array, aStart: number, b: Float32Array, bStart: number, dimension: number): number {
  let s0 = 0
  let s1 = 0
  let i = 0
  for (const end = dimension - 1; i < end; i += 2) {
    const d0 = a[aStart + i]! - b[bStart + i]!
    const d1 = a[aStart + i + 1]! - b[bStart + i + 1]!
    s0 += d0 * d0
    s1 += d1 * d1
  }
  if (i < dimension) {
    const d = a[aStart + i]! - b[bStart + i]!
    s0 += d * d
  }
  return s0 + s1
}
