// A random rotation in O(n log n): random signs, then fast Hadamard transforms over the head and the tail, which overlap where n is no
// power of two; twice. Ailon & Chazelle 2006 (the idea), and the RaBitQ library's overlapping transforms for other dimensions.

/** In-place fast Hadamard transform of `n` float32 (a power of two, at least 16), scaled to keep norms. */
function hadamard(p: usize, n: i32): void {
  const bytes = <usize>n << 2
  const end = p + bytes
  const plusMinus = f32x4(1, -1, 1, -1)
  const plusPlus = f32x4(1, 1, -1, -1)
  const scale = f32x4.splat(<f32>(1.0 / Math.sqrt(<f64>n)))
  for (let a = p; a < end; a += 16) {
    let v = v128.load(a)
    v = f32x4.add(v128.shuffle<f32>(v, v, 0, 0, 2, 2), f32x4.mul(v128.shuffle<f32>(v, v, 1, 1, 3, 3), plusMinus))
    v = f32x4.add(v128.shuffle<f32>(v, v, 0, 1, 0, 1), f32x4.mul(v128.shuffle<f32>(v, v, 2, 3, 2, 3), plusPlus))
    v128.store(a, f32x4.mul(v, scale))
  }
  for (let half: usize = 16; half < bytes; half <<= 1) {
    for (let block = p; block < end; block += half << 1) {
      for (let a = block; a < block + half; a += 16) {
        const x = v128.load(a)
        const y = v128.load(a + half)
        v128.store(a, f32x4.add(x, y))
        v128.store(a + half, f32x4.sub(x, y))
      }
    }
  }
}

/** Rotates `n` float32 (a multiple of 16) in place. `signs`: 2 n float32 of +1 and -1. */
export function rotate(vector: usize, signs: usize, n: i32): void {
  const head = 1 << (31 - clz(n))
  const bytes = <usize>n << 2
  for (let round: usize = 0; round < 2; round++) {
    const flips = signs + round * bytes
    for (let i: usize = 0; i < bytes; i += 16) v128.store(vector + i, f32x4.mul(v128.load(vector + i), v128.load(flips + i)))
    hadamard(vector, head)
    if (head != n) hadamard(vector + (<usize>(n - head) << 2), head)
  }
}
