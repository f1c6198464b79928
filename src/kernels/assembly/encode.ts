// Vectors to codes. What the factors mean: ../../vector/quantize.ts.

/**
 * Writes the 1-bit code of `vector` relative to `centroid` (both rotated, `n` float32, a multiple of 32) as record `lane` of a block of 32,
 * with its two factors. The record's bits must be zero before. `euclidean`: 1 to score by distance, 0 by dot product.
 */
export function encodeBits(vector: usize, centroid: usize, n: i32, euclidean: i32, block: usize, lane: i32): void {
  let sumAbs: f64 = 0
  let sumSquares: f64 = 0
  let withCentroid: f64 = 0
  let signedCentroid: f64 = 0
  const shift: u8 = lane >= 16 ? 4 : 0
  const codes = block + <usize>(lane & 15)
  const zero = f32x4.splat(0)
  for (let i = 0; i < n; i += 32) {
    let abs4 = zero
    let square4 = zero
    let with4 = zero
    let signed4 = zero
    for (let j = i; j < i + 32; j += 4) {
      const c = v128.load(centroid + (<usize>j << 2))
      const r = f32x4.sub(v128.load(vector + (<usize>j << 2)), c)
      const negative = f32x4.lt(r, zero)
      abs4 = f32x4.add(abs4, f32x4.abs(r))
      square4 = f32x4.add(square4, f32x4.mul(r, r))
      with4 = f32x4.add(with4, f32x4.mul(r, c))
      // Flips the sign of the centroid's value where the residual is negative.
      signed4 = f32x4.add(signed4, v128.xor(c, v128.and(negative, i32x4.splat(<i32>0x80000000))))
      const bits = <u8>(~i32x4.bitmask(negative) & 15)
      const place = codes + (<usize>j << 2)
      store<u8>(place, load<u8>(place) | (bits << shift))
    }
    sumAbs += addLanes(abs4)
    sumSquares += addLanes(square4)
    withCentroid += addLanes(with4)
    signedCentroid += addLanes(signed4)
  }
  // |r| / <unit code, unit residual>, divided by sqrt(n) once more because the scan's sum is over signs, not over sign / sqrt(n).
  const slope = sumAbs > 0 ? sumSquares / sumAbs : 0
  const base = withCentroid - slope * signedCentroid
  const factors = block + (<usize>n << 2) + (<usize>lane << 2)
  if (euclidean != 0) {
    store<f32>(factors, <f32>(-sumSquares - 2 * slope * signedCentroid))
    store<f32>(factors, <f32>(2 * slope), 128)
    return
  }
  store<f32>(factors, <f32>base)
  store<f32>(factors, <f32>slope, 128)
}

// @ts-ignore: decorator
@inline
function addLanes(v: v128): f64 {
  return <f64>f32x4.extract_lane(v, 0) + <f64>f32x4.extract_lane(v, 1) + (<f64>f32x4.extract_lane(v, 2) + <f64>f32x4.extract_lane(v, 3))
}

/**
 * Writes the 8-bit codes of `n` float32 (a multiple of 16), then their step (float32). Returns the squared norm of what the codes stand for.
 */
export function encodeBytes(vector: usize, n: i32, codes: usize): f64 {
  let widest = f32x4.splat(0)
  for (let i: usize = 0; i < <usize>n << 2; i += 16) widest = f32x4.max(widest, f32x4.abs(v128.load(vector + i)))
  const most = max(max(f32x4.extract_lane(widest, 0), f32x4.extract_lane(widest, 1)), max(f32x4.extract_lane(widest, 2), f32x4.extract_lane(widest, 3)))
  const step: f32 = most / 127
  const inverse: f32 = step > 0 ? 1 / step : 0
  let squares: i64 = 0
  for (let i: usize = 0; i < <usize>n; i += 4) {
    const rounded = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(vector + (i << 2)), f32x4.splat(inverse))))
    const code = i32x4.max_s(i32x4.min_s(rounded, i32x4.splat(127)), i32x4.splat(-127))
    const c0 = i32x4.extract_lane(code, 0)
    const c1 = i32x4.extract_lane(code, 1)
    const c2 = i32x4.extract_lane(code, 2)
    const c3 = i32x4.extract_lane(code, 3)
    store<u32>(codes + i, (c0 & 255) | ((c1 & 255) << 8) | ((c2 & 255) << 16) | (c3 << 24))
    squares += <i64>(c0 * c0 + c1 * c1 + (c2 * c2 + c3 * c3))
  }
  store<f32>(codes + n, step)
  return <f64>step * <f64>step * <f64>squares
}

/** Writes `n` float32 (a multiple of 8) as 16-bit codes within ±`most`; returns what a code of 1 stands for. */
export function encodeWords(vector: usize, n: i32, most: f32, codes: usize): f32 {
  let widest = f32x4.splat(0)
  for (let i: usize = 0; i < <usize>n << 2; i += 16) widest = f32x4.max(widest, f32x4.abs(v128.load(vector + i)))
  const top = max(max(f32x4.extract_lane(widest, 0), f32x4.extract_lane(widest, 1)), max(f32x4.extract_lane(widest, 2), f32x4.extract_lane(widest, 3)))
  const step: f32 = top / most
  const inverse = f32x4.splat(step > 0 ? 1 / step : 0)
  for (let i: usize = 0; i < <usize>n; i += 8) {
    const low = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(vector + (i << 2)), inverse)))
    const high = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(vector + (i << 2), 16), inverse)))
    v128.store(codes + (i << 1), i16x8.narrow_i32x4_s(low, high))
  }
  return step
}

/** Sum of |v_i| over `n` float32 (a multiple of 4), in four lanes. */
export function sumMagnitudes(vector: usize, n: i32): f64 {
  let sum = f32x4.splat(0)
  for (let i: usize = 0; i < <usize>n << 2; i += 16) sum = f32x4.add(sum, f32x4.abs(v128.load(vector + i)))
  return addLanes(sum)
}
