import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KernelHeap } from '../../src/kernels/heap.ts'
import { loadKernels } from '../../src/kernels/kernels.ts'

export const shared = process.env['WINDLASS_SHARED'] ?? join(import.meta.dirname, '../../../shared')
export const cache = join(import.meta.dirname, '../cache')

/** A float16 file as float32 rows, normalized again after their rounding. */
export function readNormalized(name: string, dimension: number): Float32Array {
  const values = readHalves(name)
  for (let start = 0; start < values.length; start += dimension) {
    const row = values.subarray(start, start + dimension)
    const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
    for (let i = 0; i < dimension; i++) row[i]! /= norm
  }
  return values
}

function readHalves(name: string): Float32Array {
  const bytes = readFileSync(join(shared, 'data', name))
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)
  const table = Float32Array.from({ length: 65_536 }, (_, bits) => {
    const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023]
    const value = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15)
    return bits & 0x8000 ? -value : value
  })
  return Float32Array.from(halves, (bits) => table[bits]!)
}

/** The `k` nearest rows by cosine of each query, exactly; kept in bench/cache under `name`. Vectors are taken as normalized. */
export async function exactNeighbors(name: string, rows: Float32Array, queries: Float32Array, dimension: number, k: number): Promise<Uint32Array> {
  // Bound to the data by count and dimension only: the folder is ours to empty.
  const path = join(cache, `truth-${name}-${rows.length / dimension}-${queries.length / dimension}-${k}.u32`)
  if (existsSync(path)) return new Uint32Array(new Uint8Array(readFileSync(path)).buffer)
  const kernels = await loadKernels()
  const heap = new KernelHeap(kernels)
  const [chunk, count] = [4096, rows.length / dimension]
  const [block, query, out] = [heap.allocate(chunk * dimension * 4), heap.allocate(queries.length * 4), heap.allocate(chunk * 4)]
  heap.put(query, queries)
  const best = Array.from({ length: queries.length / dimension }, () => [] as { row: number; score: number }[])
  for (let start = 0; start < count; start += chunk) {
    const size = Math.min(chunk, count - start)
    heap.put(block, rows.subarray(start * dimension, (start + size) * dimension))
    best.forEach((list, q) => {
      kernels.dotMany(query + q * dimension * 4, block, dimension * 4, size, dimension, out)
      for (let i = 0; i < size; i++) {
        const score = heap.floats[(out >>> 2) + i]!
        if (list.length === k && score <= list[k - 1]!.score) continue
        list.push({ row: start + i, score })
        list.sort((a, b) => b.score - a.score)
        if (list.length > k) list.pop()
      }
    })
  }
  const truth = Uint32Array.from(best.flatMap((list) => list.map(({ row }) => row)))
  mkdirSync(cache, { recursive: true })
  writeFileSync(path, truth)
  return truth
}
