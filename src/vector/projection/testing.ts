import type { Random } from '../../base/random.ts'
import { KernelHeap } from '../../kernels/heap.ts'
import { loadKernels } from '../../kernels/kernels.ts'
import { plainKernels } from '../../kernels/plain.ts'
import { ProjectionRows } from './projection-rows.ts'

/** Rows for a test, in kernel memory of their own. */
export async function rowsOf(vectors: readonly (readonly number[] | Float32Array)[], { isCosine = false, isPlain = false }: { isCosine?: boolean; isPlain?: boolean } = {}): Promise<ProjectionRows> {
  const heap = new KernelHeap(isPlain ? plainKernels() : await loadKernels())
  const rows = new ProjectionRows(heap, { dimension: vectors[0]?.length ?? 1, countMax: vectors.length, isCosine })
  for (const vector of vectors) rows.add(Float32Array.from(vector))
  return rows
}

/** `count` vectors around each of `centers` random places, row i of cluster i % centers. */
export function clusteredVectors({ centers, count, dimension, spread }: { centers: number; count: number; dimension: number; spread: number }, random: Random): number[][] {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
  const places = Array.from({ length: centers }, () => Array.from({ length: dimension }, normal))
  return Array.from({ length: centers * count }, (_, i) => places[i % centers]!.map((value) => value + spread * normal()))
}
