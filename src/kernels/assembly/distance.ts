// Dot products and squared distances: one vector to many rows. Pointers are bytes; rows lie `stride` bytes apart.
// Any dimension: the last few values, which fill no vector register, are added one by one.

/** Dot product of `n` float32 values, summed in sixteen lanes. */
// @ts-ignore: decorator
@inline
function dotOne(a: usize, b: usize, n: i32): f32 {
  let s0 = f32x4.splat(0)
  let s1 = f32x4.splat(0)
  let s2 = f32x4.splat(0)
  let s3 = f32x4.splat(0)
  let i = 0
  for (; i + 16 <= n; i += 16) {
    const p = a + (<usize>i << 2)
    const q = b + (<usize>i << 2)
    s0 = f32x4.add(s0, f32x4.mul(v128.load(p), v128.load(q)))
    s1 = f32x4.add(s1, f32x4.mul(v128.load(p, 16), v128.load(q, 16)))
    s2 = f32x4.add(s2, f32x4.mul(v128.load(p, 32), v128.load(q, 32)))
    s3 = f32x4.add(s3, f32x4.mul(v128.load(p, 48), v128.load(q, 48)))
  }
  const s = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3))
  let sum: f32 = f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1) + (f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3))
  for (; i < n; i++) sum += load<f32>(a + (<usize>i << 2)) * load<f32>(b + (<usize>i << 2))
  return sum
}

// @ts-ignore: decorator
@inline
function squaredOne(a: usize, b: usize, n: i32): f32 {
  let s0 = f32x4.splat(0)
  let s1 = f32x4.splat(0)
  let i = 0
  for (; i + 8 <= n; i += 8) {
    const p = a + (<usize>i << 2)
    const q = b + (<usize>i << 2)
    const d0 = f32x4.sub(v128.load(p), v128.load(q))
    const d1 = f32x4.sub(v128.load(p, 16), v128.load(q, 16))
    s0 = f32x4.add(s0, f32x4.mul(d0, d0))
    s1 = f32x4.add(s1, f32x4.mul(d1, d1))
  }
  const s = f32x4.add(s0, s1)
  let sum: f32 = f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1) + (f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3))
  for (; i < n; i++) {
    const d = load<f32>(a + (<usize>i << 2)) - load<f32>(b + (<usize>i << 2))
    sum += d * d
  }
  return sum
}

export function dotMany(query: usize, rows: usize, stride: i32, count: i32, n: i32, out: usize): void {
  for (let r = 0; r < count; r++) store<f32>(out + (<usize>r << 2), dotOne(query, rows + <usize>r * stride, n))
}

export function squaredMany(query: usize, rows: usize, stride: i32, count: i32, n: i32, out: usize): void {
  for (let r = 0; r < count; r++) store<f32>(out + (<usize>r << 2), squaredOne(query, rows + <usize>r * stride, n))
}

/** As `dotMany`, for the rows at the byte addresses in `pointers`. */
export function dotAt(query: usize, pointers: usize, count: i32, n: i32, out: usize): void {
  for (let r = 0; r < count; r++) store<f32>(out + (<usize>r << 2), dotOne(query, load<u32>(pointers + (<usize>r << 2)), n))
}

/** Dot product in float64, added in the order of `dot` in ../distance.ts: the same bits. */
export function dotExact(a: usize, b: usize, n: i32): f64 {
  let s0 = f64x2.splat(0)
  let s1 = f64x2.splat(0)
  let i = 0
  for (; i + 4 <= n; i += 4) {
    const p = a + (<usize>i << 2)
    const q = b + (<usize>i << 2)
    s0 = f64x2.add(s0, f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(p)), f64x2.promote_low_f32x4(v128.load64_zero(q))))
    s1 = f64x2.add(s1, f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(p, 8)), f64x2.promote_low_f32x4(v128.load64_zero(q, 8))))
  }
  let first = f64x2.extract_lane(s0, 0)
  for (; i < n; i++) first += <f64>load<f32>(a + (<usize>i << 2)) * <f64>load<f32>(b + (<usize>i << 2))
  return first + f64x2.extract_lane(s0, 1) + (f64x2.extract_lane(s1, 0) + f64x2.extract_lane(s1, 1))
}

/** Squared distance in float64, added in the order of `squaredDistance` in ../distance.ts: the same bits. */
export function squaredExact(a: usize, b: usize, n: i32): f64 {
  let s = f64x2.splat(0)
  let i = 0
  for (; i + 2 <= n; i += 2) {
    const p = a + (<usize>i << 2)
    const q = b + (<usize>i << 2)
    const d = f64x2.sub(f64x2.promote_low_f32x4(v128.load64_zero(p)), f64x2.promote_low_f32x4(v128.load64_zero(q)))
    s = f64x2.add(s, f64x2.mul(d, d))
  }
  let first = f64x2.extract_lane(s, 0)
  if (i < n) {
    const d = <f64>load<f32>(a + (<usize>i << 2)) - <f64>load<f32>(b + (<usize>i << 2))
    first += d * d
  }
  return first + f64x2.extract_lane(s, 1)
}

/** Dot product of 16-bit query values and 8-bit codes. Four lanes of 32 bits hold 4,096 dimensions of 14-bit queries. */
// @ts-ignore: decorator
@inline
function dotCodesOne(query: usize, codes: usize, n: i32): i32 {
  let s0 = i32x4.splat(0)
  let s1 = i32x4.splat(0)
  let i = 0
  for (; i + 16 <= n; i += 16) {
    const c = v128.load(codes + i)
    const q = query + (<usize>i << 1)
    s0 = i32x4.add(s0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(c), v128.load(q)))
    s1 = i32x4.add(s1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(c), v128.load(q, 16)))
  }
  const s = i32x4.add(s0, s1)
  let sum = i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1) + i32x4.extract_lane(s, 2) + i32x4.extract_lane(s, 3)
  for (; i < n; i++) sum += <i32>load<i8>(codes + i) * <i32>load<i16>(query + (<usize>i << 1))
  return sum
}

export function dotCodes(query: usize, codes: usize, stride: i32, count: i32, n: i32, out: usize): void {
  for (let r = 0; r < count; r++) store<i32>(out + (<usize>r << 2), dotCodesOne(query, codes + <usize>r * stride, n))
}

/** Squared distance of 8-bit codes to an 8-bit query. */
export function squaredCodes(query: usize, codes: usize, stride: i32, count: i32, n: i32, out: usize): void {
  for (let r = 0; r < count; r++) {
    const row = codes + <usize>r * stride
    let s = i32x4.splat(0)
    let i = 0
    for (; i + 16 <= n; i += 16) {
      const a = v128.load(query + i)
      const b = v128.load(row + i)
      const low = i16x8.sub(i16x8.extend_low_i8x16_s(a), i16x8.extend_low_i8x16_s(b))
      const high = i16x8.sub(i16x8.extend_high_i8x16_s(a), i16x8.extend_high_i8x16_s(b))
      s = i32x4.add(s, i32x4.add(i32x4.dot_i16x8_s(low, low), i32x4.dot_i16x8_s(high, high)))
    }
    let sum = i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1) + i32x4.extract_lane(s, 2) + i32x4.extract_lane(s, 3)
    for (; i < n; i++) {
      const d = <i32>load<i8>(query + i) - <i32>load<i8>(row + i)
      sum += d * d
    }
    store<i32>(out + (<usize>r << 2), sum)
  }
}

// Codes of this many candidates are asked for before the first is used: WebAssembly has no prefetch, but loads that nothing waits for run
// side by side, where a candidate alone would wait a whole trip to memory (0.4 to 0.7 µs) for its own.
const ahead = 8

/**
 * Scores records by their 8-bit codes (record: `n` codes, then float32 step, float32 base): base + step * scale * product.
 * Records are at the byte addresses in `pointers`.
 */
export function scoreCodesAt(query: usize, scale: f32, pointers: usize, count: i32, n: i32, out: usize): void {
  let touched: i32 = 0
  for (let r = 0; r < count; r += ahead) {
    const end = min(r + ahead, count)
    for (let i = r; i < end; i++) {
      const record: usize = load<u32>(pointers + (<usize>i << 2))
      for (let line = 0; line < n + 8; line += 64) touched |= load<u8>(record + line)
    }
    // Never true: keeps the loads above from being optimized away.
    if (touched == -1) unreachable()
    for (let i = r; i < end; i++) {
      const record: usize = load<u32>(pointers + (<usize>i << 2))
      const product = <f32>dotCodesOne(query, record, n)
      store<f32>(out + (<usize>i << 2), load<f32>(record + n, 4) + load<f32>(record + n) * scale * product)
    }
  }
}
