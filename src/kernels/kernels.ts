import { kernelsWasm } from './kernels-wasm.ts'
import { plainKernels } from './plain.ts'

/** A byte address in the kernels' memory. */
export type Address = number

/**
 * Loops over numbers in one linear memory: WebAssembly with vector instructions, or plain TypeScript over an ArrayBuffer with the same
 * answers (whole numbers and selections equal; float32 sums within rounding, because they are added in another order).
 *
 * Addresses are bytes; float32 and integers need no alignment in WebAssembly but multiples of 4 in the plain twin, 64-bit keys of 8.
 *
 * Block of 32 records, of `planes` = dimension / 4 nibbles each: `planes` times 16 bytes, where byte i holds four sign bits of record i in
 * its low nibble and of record i + 16 in its high nibble (lowest bit: lowest dimension; 1: not negative); then 32 float32 bases, 32 float32
 * slopes and 32 uint32 ids. A record scores base + slope * (sum of sign_j query_j) + its cluster's term.
 *
 * Reservoir: int32 count, int32 keep, int32 capacity (at least keep + 64), float32 threshold, uint32 address of a filter bitmap (0: none), uint32
 * address of a table id -> row of that bitmap (0: id is row), 8 unused bytes, then `capacity` 64-bit keys. It takes in what scores above the
 * threshold; when full, it drops all but the best `keep` and raises the threshold to the least of them.
 *
 * Key: the score's bits made to sort like integers in the high half, the id in the low half.
 */
export interface Kernels {
  /** Grows; every view of its buffer is lost then. */
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
  /** Whether this is the plain twin. */
  readonly plain: boolean

  /** `count` float32 dot products of `query` with rows `stride` bytes apart, to `out`. Any `n`. */
  dotMany(query: Address, rows: Address, stride: number, count: number, n: number, out: Address): void
  /** As `dotMany`: squared Euclidean distances. */
  squaredMany(query: Address, rows: Address, stride: number, count: number, n: number, out: Address): void
  /** As `dotMany`, for rows at the uint32 addresses in `pointers`. */
  dotAt(query: Address, pointers: Address, count: number, n: number, out: Address): void
  /** In float64, bit for bit what `dot` of distance.ts answers. */
  dotExact(a: Address, b: Address, n: number): number
  /** In float64, bit for bit what `squaredDistance` of distance.ts answers. */
  squaredExact(a: Address, b: Address, n: number): number
  /** int32 dot products of an int16 query (within ±8191) with int8 rows. Any `n` up to 4,096. */
  dotCodes(query: Address, codes: Address, stride: number, count: number, n: number, out: Address): void
  /** int32 squared distances of an int8 query to int8 rows. Any `n`. */
  squaredCodes(query: Address, codes: Address, stride: number, count: number, n: number, out: Address): void
  /** For records (n int8, float32 step, float32 base) at `pointers`: float32 base + step * scale * product. `n`: a multiple of 16. */
  scoreCodesAt(query: Address, scale: number, pointers: Address, count: number, n: number, out: Address): void

  /** Rotates `n` float32 (a multiple of 16) in place; `signs`: 2 n float32 of ±1. */
  rotate(vector: Address, signs: Address, n: number): void

  /** The lookup table (4 n bytes) of a rotated query; returns its scale: sum of sign_j query_j = scale * entries - sum of |query_j|. */
  makeTable(query: Address, n: number, table: Address): number
  /** Scans lists (uint32 address, uint32 blocks, float32 term: 12 bytes each) into the reservoir. `scores`: room for 32 float32. */
  scanLists(lists: Address, count: number, planes: number, table: Address, scale: number, bias: number, reservoir: Address, scores: Address): void

  /** Moves the `keep` largest of `count` keys to the front, in no order. */
  selectKeys(keys: Address, count: number, keep: number): void
  /** Sorts keys, largest first. */
  sortKeys(keys: Address, count: number): void

  /** Writes the 1-bit code and the two factors of `vector` relative to `centroid` as record `lane` of a block; its bits must be zero before. */
  encodeBits(vector: Address, centroid: Address, n: number, euclidean: number, block: Address, lane: number): void
  /** Writes `n` (a multiple of 16) 8-bit codes and their float32 step; returns the squared norm of what they stand for. */
  encodeBytes(vector: Address, n: number, codes: Address): number
  /** Writes `n` (a multiple of 8) int16 codes within ±`most` (at most 8191); returns what a code of 1 stands for. */
  encodeWords(vector: Address, n: number, most: number, codes: Address): number
  /** Sum of the magnitudes of `n` float32 (a multiple of 4). */
  sumMagnitudes(vector: Address, n: number): number

  /** Adds `n` float32 (a multiple of 4) to as many sums. */
  addTo(sums: Address, vector: Address, n: number): void
  /** For each vector the centroid with the largest 2 <x, c> - norms[c], int32 each; `n`: a multiple of 4. */
  assignRows(vectors: Address, rows: number, centroids: Address, norms: Address, count: number, n: number, out: Address): void
}

/** Bytes of a reservoir before its keys. */
export const reservoirHeader = 32

/** Bytes of a block of 32 records of `n` dimensions. */
export function blockBytes(n: number): number {
  return n * 4 + 384
}

/**
 * Instantiates the kernels, each time with a memory of their own.
 * @param source - The compiled module, its bytes, or nothing for what this package carries. Where code may not be compiled at run time
 * (some edge runtimes), pass a module that the platform compiled.
 * @returns The plain twin where WebAssembly or its vector instructions are missing.
 */
export async function loadKernels(source?: WebAssembly.Module | Uint8Array<ArrayBuffer>): Promise<Kernels> {
  if (typeof WebAssembly === 'undefined') return plainKernels()
  try {
    const module = source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source ?? packagedKernels())
    const { exports } = await WebAssembly.instantiate(module)
    return { ...(exports as unknown as Kernels), plain: false }
  } catch (error) {
    // A module that was passed must work; without vector instructions, the one we carry cannot.
    if (source !== undefined) throw error
    return plainKernels()
  }
}

/** The bytes of kernels.wasm, for a worker or a file. */
export function packagedKernels(): Uint8Array<ArrayBuffer> {
  const text = atob(kernelsWasm)
  return Uint8Array.from({ length: text.length }, (_, i) => text.charCodeAt(i))
}
