import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { seededRandom } from '../../src/base/random.ts'
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

/** A set to search: rows and held-out queries, normalized, row-major. Both also lie as float32 in bench/cache, for the peers' processes. */
export interface VectorSet {
  readonly name: string
  readonly about: string
  readonly dimension: number
  readonly rows: Float32Array
  readonly queries: Float32Array
}

/** The sets that peers are measured on. `real`: the shared embeddings. `mixed`: see `mixWords`. @throws for another name. */
export function loadSet(name: string): VectorSet {
  const [rows, queries] = [readNormalized('base.f16', 384), readNormalized('queries.f16', 384)]
  if (name === 'real') return keep({ name, about: 'all-MiniLM-L6-v2 embeddings of WordNet synsets', dimension: 384, rows, queries })
  if (name === 'mixed') return keep(mixWords(name, rows.subarray(0, mixedCount * 384), queries))
  throw new Error(`no set is named ${name}; there are real and mixed`)
}

const mixedCount = 20_000

/**
 * 768 dimensions, made here: beside each of the first 20,000 embeddings (0.8 of it) a lexical vector of its text (0.6 of it), in which every
 * word is a fixed Gaussian direction, weighted by ln(1 + texts / texts with it), summed and normalized.
 */
function mixWords(name: string, rows: Float32Array, queries: Float32Array): VectorSet {
  const [rowTexts, queryTexts] = [readTexts('texts.jsonl.gz').slice(0, mixedCount), readTexts('queries.jsonl.gz')]
  const wordsOf = (text: string) => new Set(text.toLowerCase().match(/[a-z]+/g) ?? [])
  const texts = new Map<string, number>()
  for (const text of rowTexts) for (const word of wordsOf(text)) texts.set(word, (texts.get(word) ?? 0) + 1)
  const random = seededRandom(768)
  const gauss = () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
  const directions = new Map([...texts.keys()].map((word) => [word, Float32Array.from({ length: 384 }, gauss)]))
  const mix = (dense: Float32Array, lines: string[]) => {
    const mixed = new Float32Array(lines.length * 768)
    lines.forEach((text, row) => {
      const lexical = new Float32Array(384)
      for (const word of wordsOf(text)) {
        const weight = Math.log(1 + mixedCount / (texts.get(word) ?? Infinity))
        directions.get(word)?.forEach((value, i) => (lexical[i]! += weight * value))
      }
      const norm = Math.sqrt(lexical.reduce((sum, value) => sum + value * value, 0)) || 1
      for (let i = 0; i < 384; i++) {
        mixed[row * 768 + i] = 0.8 * dense[row * 384 + i]!
        mixed[row * 768 + 384 + i] = (0.6 * lexical[i]!) / norm
      }
    })
    return mixed
  }
  return { name, about: 'synthetic: embeddings beside lexical vectors of the same texts', dimension: 768, rows: mix(rows, rowTexts), queries: mix(queries, queryTexts) }
}

function readTexts(name: string): string[] {
  const lines = gunzipSync(readFileSync(join(shared, 'data', name))).toString('utf8').trimEnd().split('\n')
  return lines.map((line) => (JSON.parse(line) as { text: string }).text)
}

function keep(set: VectorSet): VectorSet {
  mkdirSync(cache, { recursive: true })
  for (const part of ['rows', 'queries'] as const) {
    const path = join(cache, `${set.name}-${part}.f32`)
    if (!existsSync(path)) writeFileSync(path, set[part])
  }
  return set
}

/** A file of float32. */
export function floatsOf(path: string): Float32Array {
  const bytes = readFileSync(path)
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
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
