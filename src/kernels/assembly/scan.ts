// The 1-bit scan: a 4-bit lookup table through a byte shuffle, over blocks of 32 records (André et al. 2015, "Cache locality is not
// enough"; RaBitQ, Gao & Long 2024, section 3.3). Layout of blocks, table and reservoir: ../kernels.ts.
import { keyOf, scoreOf, selectKeys } from './select'

/** Values of lookup table entries go from 0 to this: eight of them add up in a byte. */
const entryMax: f32 = 31

/**
 * Makes the lookup table of a rotated query: 16 bytes for each four dimensions. Entry v is the sum of the dimensions whose bit in v is set,
 * shifted and scaled into 0..31. Returns the scale: sum of sign_i q_i = scale * (sum of entries) - sum of |q_i|.
 */
export function makeTable(query: usize, n: i32, table: usize): f32 {
  let widest = f32x4.splat(0)
  let widestSum: f32 = 0
  for (let i: usize = 0; i < <usize>n << 2; i += 16) {
    const q = f32x4.abs(v128.load(query + i))
    widestSum = max(widestSum, f32x4.extract_lane(q, 0) + f32x4.extract_lane(q, 1) + (f32x4.extract_lane(q, 2) + f32x4.extract_lane(q, 3)))
  }
  const scale: f32 = (widestSum * 2) / entryMax
  const inverse: f32 = scale > 0 ? 2 / scale : 0
  for (let i: usize = 0; i < <usize>n << 2; i += 16) {
    const q = f32x4.mul(v128.load(query + i), f32x4.splat(inverse))
    const q0 = f32x4.extract_lane(q, 0)
    const q1 = f32x4.extract_lane(q, 1)
    const q2 = f32x4.splat(f32x4.extract_lane(q, 2))
    const q3 = f32x4.splat(f32x4.extract_lane(q, 3))
    const low = f32x4.min(q, f32x4.splat(0))
    const lowest = f32x4.extract_lane(low, 0) + f32x4.extract_lane(low, 1) + (f32x4.extract_lane(low, 2) + f32x4.extract_lane(low, 3))
    let v0 = f32x4.splat(0)
    v0 = f32x4.replace_lane(v0, 1, q0)
    v0 = f32x4.replace_lane(v0, 2, q1)
    v0 = f32x4.replace_lane(v0, 3, q0 + q1)
    v0 = f32x4.add(v0, f32x4.splat(<f32>0.5 - lowest))
    const v1 = f32x4.add(v0, q2)
    const v2 = f32x4.add(v0, q3)
    const v3 = f32x4.add(v1, q3)
    const low16 = i16x8.narrow_i32x4_s(i32x4.trunc_sat_f32x4_s(v0), i32x4.trunc_sat_f32x4_s(v1))
    const high16 = i16x8.narrow_i32x4_s(i32x4.trunc_sat_f32x4_s(v2), i32x4.trunc_sat_f32x4_s(v3))
    v128.store(table + i, i8x16.min_u(i8x16.narrow_i16x8_u(low16, high16), i8x16.splat(31)))
  }
  return scale
}

// @ts-ignore: decorator
@inline
function scoreFour(sums: v128, factors: usize, scale: v128, bias: v128, term: v128): v128 {
  const sum = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(sums), scale), bias)
  return f32x4.add(f32x4.add(v128.load(factors), f32x4.mul(v128.load(factors, 128), sum)), term)
}

/** Appends to the reservoir what scores above its threshold and passes its filter. */
function append(reservoir: usize, scores: usize, mask: u32, ids: usize): void {
  let count = load<i32>(reservoir)
  const filter: usize = load<u32>(reservoir, 16)
  const rowOfId: usize = load<u32>(reservoir, 20)
  for (let rest = mask; rest != 0; rest &= rest - 1) {
    const i = <usize>ctz(rest)
    const id = load<u32>(ids + (i << 2))
    if (filter != 0) {
      const row: usize = rowOfId != 0 ? load<u32>(rowOfId + (<usize>id << 2)) : id
      if (((load<u8>(filter + (row >> 3)) >> <u8>(row & 7)) & 1) == 0) continue
    }
    store<i64>(reservoir + 32 + (<usize>count << 3), keyOf(load<f32>(scores + (i << 2)), id))
    count++
  }
  const keep = load<i32>(reservoir, 4)
  if (count + 32 > load<i32>(reservoir, 8)) {
    selectKeys(reservoir + 32, count, keep)
    count = keep
    let least = load<i64>(reservoir + 32)
    for (let i = 1; i < keep; i++) least = min(least, load<i64>(reservoir + 32 + (<usize>i << 3)))
    store<f32>(reservoir, scoreOf(least), 12)
  }
  store<i32>(reservoir, count)
}

/**
 * Scans `blocks` of 32 records of `planes` nibbles (a multiple of 8) and appends to the reservoir. `term` is the cluster's share of the
 * scores. `scores`: room for 32 float32.
 */
function scanBlocks(blocks: usize, count: i32, planes: i32, table: usize, scale: f32, bias: f32, term: f32, reservoir: usize, scores: usize): void {
  const low4 = i8x16.splat(15)
  const scales = f32x4.splat(scale)
  const biases = f32x4.splat(bias)
  const terms = f32x4.splat(term)
  const codeBytes = <usize>planes << 4
  for (let b = 0; b < count; b++) {
    const block = blocks + <usize>b * (codeBytes + 384)
    let s0 = i16x8.splat(0)
    let s1 = i16x8.splat(0)
    let s2 = i16x8.splat(0)
    let s3 = i16x8.splat(0)
    for (let i: usize = 0; i < codeBytes; i += 128) {
      let sumLow = i8x16.splat(0)
      let sumHigh = i8x16.splat(0)
      for (let j: usize = 0; j < 128; j += 16) {
        const codes = v128.load(block + i + j)
        const entries = v128.load(table + i + j)
        sumLow = i8x16.add(sumLow, i8x16.swizzle(entries, v128.and(codes, low4)))
        sumHigh = i8x16.add(sumHigh, i8x16.swizzle(entries, v128.and(i16x8.shr_u(codes, 4), low4)))
      }
      s0 = i16x8.add(s0, i16x8.extend_low_i8x16_u(sumLow))
      s1 = i16x8.add(s1, i16x8.extend_high_i8x16_u(sumLow))
      s2 = i16x8.add(s2, i16x8.extend_low_i8x16_u(sumHigh))
      s3 = i16x8.add(s3, i16x8.extend_high_i8x16_u(sumHigh))
    }
    const factors = block + codeBytes
    const a0 = scoreFour(i32x4.extend_low_i16x8_u(s0), factors, scales, biases, terms)
    const a1 = scoreFour(i32x4.extend_high_i16x8_u(s0), factors + 16, scales, biases, terms)
    const a2 = scoreFour(i32x4.extend_low_i16x8_u(s1), factors + 32, scales, biases, terms)
    const a3 = scoreFour(i32x4.extend_high_i16x8_u(s1), factors + 48, scales, biases, terms)
    const a4 = scoreFour(i32x4.extend_low_i16x8_u(s2), factors + 64, scales, biases, terms)
    const a5 = scoreFour(i32x4.extend_high_i16x8_u(s2), factors + 80, scales, biases, terms)
    const a6 = scoreFour(i32x4.extend_low_i16x8_u(s3), factors + 96, scales, biases, terms)
    const a7 = scoreFour(i32x4.extend_high_i16x8_u(s3), factors + 112, scales, biases, terms)
    const threshold = f32x4.splat(load<f32>(reservoir, 12))
    const m0 = i16x8.narrow_i32x4_s(f32x4.gt(a0, threshold), f32x4.gt(a1, threshold))
    const m1 = i16x8.narrow_i32x4_s(f32x4.gt(a2, threshold), f32x4.gt(a3, threshold))
    const m2 = i16x8.narrow_i32x4_s(f32x4.gt(a4, threshold), f32x4.gt(a5, threshold))
    const m3 = i16x8.narrow_i32x4_s(f32x4.gt(a6, threshold), f32x4.gt(a7, threshold))
    const mask = i8x16.bitmask(i8x16.narrow_i16x8_s(m0, m1)) | (i8x16.bitmask(i8x16.narrow_i16x8_s(m2, m3)) << 16)
    if (mask == 0) continue
    v128.store(scores, a0)
    v128.store(scores, a1, 16)
    v128.store(scores, a2, 32)
    v128.store(scores, a3, 48)
    v128.store(scores, a4, 64)
    v128.store(scores, a5, 80)
    v128.store(scores, a6, 96)
    v128.store(scores, a7, 112)
    append(reservoir, scores, mask, factors + 256)
  }
}

/** Scans `count` lists. `lists`: for each, its address, its blocks (uint32) and its term (float32), 12 bytes. */
export function scanLists(lists: usize, count: i32, planes: i32, table: usize, scale: f32, bias: f32, reservoir: usize, scores: usize): void {
  for (let i = 0; i < count; i++) {
    const list = lists + <usize>i * 12
    scanBlocks(load<u32>(list), load<i32>(list, 4), planes, table, scale, bias, load<f32>(list, 8), reservoir, scores)
  }
}
