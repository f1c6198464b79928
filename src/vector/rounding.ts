/**
 * Rounds `n` values to 8 bits: codes of -127 to 127, of which each stands for itself times the step.
 * @returns the step, a float32; 0 for values that are all zero, whose codes are left as they are.
 */
export function roundTo8Bits(values: Float32Array, from: number, n: number, codes: Int8Array, to: number): number {
  let most = 0
  for (let i = 0; i < n; i++) most = Math.max(most, Math.abs(values[from + i]!))
  const step = Math.fround(most / 127)
  if (step > 0) for (let i = 0; i < n; i++) codes[to + i] = Math.min(127, Math.max(-127, Math.round(values[from + i]! / step)))
  return step
}

/** What the codes stand for. */
export function expand8Bits(codes: Int8Array, from: number, n: number, step: number, values: Float32Array, to: number): void {
  for (let i = 0; i < n; i++) values[to + i] = codes[from + i]! * step
}
