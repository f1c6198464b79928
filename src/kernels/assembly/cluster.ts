// What k-means and SOAR need beyond distances.

/** Adds `n` float32 (a multiple of 4) to as many float32 sums. */
export function addTo(sums: usize, vector: usize, n: i32): void {
  for (let i: usize = 0; i < <usize>n << 2; i += 16) v128.store(sums + i, f32x4.add(v128.load(sums + i), v128.load(vector + i)))
}

/**
 * The nearest of `count` centroids (`n` float32 each, a multiple of 4) to each of `rows` vectors: the largest 2 <x, c> - norms[c] for
 * Euclidean distance, or <x, c> where norms are zero. Four centroids share each load of the row. Equal scores keep the lower centroid.
 */
export function assignRows(vectors: usize, rows: i32, centroids: usize, norms: usize, count: i32, n: i32, out: usize): void {
  const stride = <usize>n << 2
  for (let r = 0; r < rows; r++) {
    const x = vectors + <usize>r * stride
    let best: f32 = f32.NEGATIVE_INFINITY
    let bestAt = 0
    for (let c = 0; c < count; c += 4) {
      const p0 = centroids + <usize>c * stride
      // The last group reads its last centroid again instead of reading past the end.
      const p1 = centroids + <usize>min(c + 1, count - 1) * stride
      const p2 = centroids + <usize>min(c + 2, count - 1) * stride
      const p3 = centroids + <usize>min(c + 3, count - 1) * stride
      let s0 = f32x4.splat(0)
      let s1 = f32x4.splat(0)
      let s2 = f32x4.splat(0)
      let s3 = f32x4.splat(0)
      for (let i: usize = 0; i < stride; i += 16) {
        const v = v128.load(x + i)
        s0 = f32x4.add(s0, f32x4.mul(v, v128.load(p0 + i)))
        s1 = f32x4.add(s1, f32x4.mul(v, v128.load(p1 + i)))
        s2 = f32x4.add(s2, f32x4.mul(v, v128.load(p2 + i)))
        s3 = f32x4.add(s3, f32x4.mul(v, v128.load(p3 + i)))
      }
      const t01 = f32x4.add(v128.shuffle<f32>(s0, s1, 0, 4, 1, 5), v128.shuffle<f32>(s0, s1, 2, 6, 3, 7))
      const t23 = f32x4.add(v128.shuffle<f32>(s2, s3, 0, 4, 1, 5), v128.shuffle<f32>(s2, s3, 2, 6, 3, 7))
      const sums = f32x4.add(v128.shuffle<f32>(t01, t23, 0, 1, 4, 5), v128.shuffle<f32>(t01, t23, 2, 3, 6, 7))
      for (let j = 0; j < 4 && c + j < count; j++) {
        const product = j == 0 ? f32x4.extract_lane(sums, 0) : j == 1 ? f32x4.extract_lane(sums, 1) : j == 2 ? f32x4.extract_lane(sums, 2) : f32x4.extract_lane(sums, 3)
        const score: f32 = 2 * product - load<f32>(norms + (<usize>(c + j) << 2))
        if (score > best) {
          best = score
          bestAt = c + j
        }
      }
    }
    store<i32>(out + (<usize>r << 2), bestAt)
  }
}
