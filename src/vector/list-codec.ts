import type { KernelHeap } from '../kernels/heap.ts'
import { viewU32 } from '../format/typed-views.ts'
import { blockBytes, type Address } from '../kernels/kernels.ts'

/** Stands for the slot where a posting list has no entry. */
const noEntry = 0xffffffff

/** Bytes of a record of 8-bit codes: `padded` int8, float32 step, float32 base. */
export function recordBytes(padded: number): number {
  return padded + 8
}

/** Blocks of 32 that `entries` take. */
export function blockCount(entries: number): number {
  return Math.ceil(entries / 32)
}

/**
 * Writes a posting list to `list` (`blockCount` blocks): the 1-bit codes of `count` vectors relative to `centroid`.
 * RaBitQ (Gao & Long 2024): with r = x - c and s the signs of the rotated r, <r, q> is estimated by |r|² / (sum of |r_i|) * <s, q>, without
 * bias, and with an error of about |r| |q| sqrt(1 - a²) / (a sqrt(n)), a = cosine of s and r (about 0.8). Here q - c stands in for q, which
 * is shorter; as <s, q - c> = <s, q> - <s, c>, all that depends on c goes into the record's base, and one lookup table serves every list.
 * Score: dot: [<c, q>] + (<r, c> - f <s, c>) + f <s, q>; Euclidean: [-|c - q|²] + (-|r|² - 2 f <s, c>) + 2 f <s, q>; f = |r|² / sum of
 * |r_i|; in brackets the cluster's term. Lanes past the end have a base of -Infinity.
 */
export function writeList(
  heap: KernelHeap,
  list: Address,
  centroid: Address,
  n: number,
  euclidean: boolean,
  count: number,
  ids: (i: number) => number,
  vectors: (i: number) => Address,
): void {
  const stride = blockBytes(n)
  const blocks = blockCount(count)
  heap.bytes.fill(0, list, list + blocks * stride)
  for (let i = 0; i < blocks * 32; i++) {
    const block = list + (i >>> 5) * stride
    const factors = (block >>> 2) + n + (i & 31)
    if (i < count) {
      heap.kernels.encodeBits(vectors(i), centroid, n, euclidean ? 1 : 0, block, i & 31)
      heap.words[factors + 64] = ids(i)
    } else {
      heap.floats[factors] = -Infinity
      heap.words[factors + 64] = noEntry
    }
  }
}

/** The slots of a posting list's entries, in their order: those of its own cluster first, then those that are here in the second place. */
export function slotsOfList(list: Uint8Array, n: number): Uint32Array {
  const stride = blockBytes(n)
  const slots = new Uint32Array((list.length / stride) * 32)
  for (let block = 0; block * stride < list.length; block++) slots.set(viewU32(list, block * stride + n * 4 + 256, 32), block * 32)
  // What is beyond the end fills the last block.
  let count = slots.length
  while (count > 0 && slots[count - 1] === noEntry) count--
  return slots.subarray(0, count)
}

/** Writes the 8-bit codes of a vector; the base is what its score needs besides the product: 0, or -|x|² for Euclidean. */
export function writeRecord(heap: KernelHeap, record: Address, vector: Address, n: number, euclidean: boolean): void {
  const squares = heap.kernels.encodeBytes(vector, n, record)
  const view = new DataView(heap.bytes.buffer)
  // Euclidean scores are 2 <x, q> - |x|²: the factor 2 goes into the step.
  if (euclidean) view.setFloat32(record + n, 2 * view.getFloat32(record + n, true), true)
  view.setFloat32(record + n + 4, euclidean ? -squares : 0, true)
}
