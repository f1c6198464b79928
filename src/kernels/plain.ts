import type { Address, Kernels } from './kernels.ts'
import { dot, squaredDistance } from './distance.ts'
import { encodePlainBits, encodePlainBytes, encodePlainWords } from './plain-encode.ts'
import { makePlainTable, scanPlainLists } from './plain-scan.ts'

const pageBytes = 65_536

/** Memory of the plain twin: grows by copying, so views of it are lost as WebAssembly's are. */
export class PlainMemory {
  buffer = new ArrayBuffer(pageBytes)

  grow(pages: number): number {
    const before = this.buffer.byteLength / pageBytes
    const grown = new ArrayBuffer(this.buffer.byteLength + pages * pageBytes)
    new Uint8Array(grown).set(new Uint8Array(this.buffer))
    this.buffer = grown
    return before
  }

  floats(at: Address, length: number): Float32Array {
    return new Float32Array(this.buffer, at, length)
  }
}

/** The kernels in plain TypeScript: where WebAssembly is missing, and as the oracle of its tests. */
export function plainKernels(): Kernels {
  const memory = new PlainMemory()
  const keys = (at: Address, count: number) => new BigInt64Array(memory.buffer, at, count)
  const sortDescending = (at: Address, count: number) => {
    keys(at, count).sort((a, b) => (a < b ? 1 : a > b ? -1 : 0))
  }
  return {
    memory,
    plain: true,
    dotMany: (query, rows, stride, count, n, out) => {
      const q = memory.floats(query, n)
      for (let r = 0; r < count; r++) memory.floats(out, count)[r] = dot(q, 0, memory.floats(rows + r * stride, n), 0, n)
    },
    squaredMany: (query, rows, stride, count, n, out) => {
      const q = memory.floats(query, n)
      for (let r = 0; r < count; r++) memory.floats(out, count)[r] = squaredDistance(q, 0, memory.floats(rows + r * stride, n), 0, n)
    },
    dotAt: (query, pointers, count, n, out) => {
      const rows = new Uint32Array(memory.buffer, pointers, count)
      for (let r = 0; r < count; r++) memory.floats(out, count)[r] = dot(memory.floats(query, n), 0, memory.floats(rows[r]!, n), 0, n)
    },
    dotExact: (a, b, n) => dot(memory.floats(a, n), 0, memory.floats(b, n), 0, n),
    squaredExact: (a, b, n) => squaredDistance(memory.floats(a, n), 0, memory.floats(b, n), 0, n),
    dotCodes: (query, codes, stride, count, n, out) => {
      const q = new Int16Array(memory.buffer, query, n)
      const sums = new Int32Array(memory.buffer, out, count)
      for (let r = 0; r < count; r++) sums[r] = dotBytes(q, new Int8Array(memory.buffer, codes + r * stride, n))
    },
    squaredCodes: (query, codes, stride, count, n, out) => {
      const q = new Int8Array(memory.buffer, query, n)
      const sums = new Int32Array(memory.buffer, out, count)
      for (let r = 0; r < count; r++) sums[r] = new Int8Array(memory.buffer, codes + r * stride, n).reduce((sum, code, i) => sum + (code - q[i]!) ** 2, 0)
    },
    scoreCodesAt: (query, scale, pointers, count, n, out) => {
      const q = new Int16Array(memory.buffer, query, n)
      const records = new Uint32Array(memory.buffer, pointers, count)
      const view = new DataView(memory.buffer)
      for (let r = 0; r < count; r++) {
        const at = records[r]!
        const product = dotBytes(q, new Int8Array(memory.buffer, at, n))
        const scaled = Math.fround(Math.fround(view.getFloat32(at + n, true) * Math.fround(scale)) * Math.fround(product))
        view.setFloat32(out + r * 4, view.getFloat32(at + n + 4, true) + scaled, true)
      }
    },
    rotate: (vector, signs, n) => rotatePlain(memory.floats(vector, n), memory.floats(signs, 2 * n)),
    makeTable: (query, n, table) => makePlainTable(memory.floats(query, n), new Uint8Array(memory.buffer, table, 4 * n)),
    scanLists: (lists, count, planes, table, scale, bias, reservoir) =>
      scanPlainLists(memory.buffer, lists, count, planes, table, scale, bias, reservoir),
    selectKeys: (at, count) => sortDescending(at, count),
    sortKeys: sortDescending,
    encodeBits: (vector, centroid, n, euclidean, block, lane) =>
      encodePlainBits(memory.floats(vector, n), memory.floats(centroid, n), euclidean !== 0, new DataView(memory.buffer, block), lane),
    encodeBytes: (vector, n, codes) => encodePlainBytes(memory.floats(vector, n), new DataView(memory.buffer, codes)),
    encodeWords: (vector, n, most, codes) => encodePlainWords(memory.floats(vector, n), most, new Int16Array(memory.buffer, codes, n)),
    sumMagnitudes: (vector, n) => {
      // In four lanes of float32, as the vector version adds.
      const lanes = new Float32Array(4)
      memory.floats(vector, n).forEach((value, i) => (lanes[i & 3]! += Math.abs(value)))
      return lanes[0]! + lanes[1]! + (lanes[2]! + lanes[3]!)
    },
    addTo: (sums, vector, n) => {
      const [to, from] = [memory.floats(sums, n), memory.floats(vector, n)]
      for (let i = 0; i < n; i++) to[i]! += from[i]!
    },
    assignRows: (vectors, rows, centroids, norms, count, n, out) => {
      const found = new Int32Array(memory.buffer, out, rows)
      const all = memory.floats(centroids, count * n)
      for (let r = 0; r < rows; r++) {
        const x = memory.floats(vectors + r * n * 4, n)
        let best = -Infinity
        found[r] = 0
        for (let c = 0; c < count; c++) {
          const score = Math.fround(2 * Math.fround(dot(x, 0, all, c * n, n)) - memory.floats(norms, count)[c]!)
          if (score > best) [best, found[r]] = [score, c]
        }
      }
    },
  }
}

function dotBytes(query: Int16Array, codes: Int8Array): number {
  let sum = 0
  for (let i = 0; i < codes.length; i++) sum += query[i]! * codes[i]!
  return sum
}

function rotatePlain(vector: Float32Array, signs: Float32Array): void {
  const n = vector.length
  const head = 2 ** (31 - Math.clz32(n))
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < n; i++) vector[i]! *= signs[round * n + i]!
    hadamard(vector.subarray(0, head))
    if (head !== n) hadamard(vector.subarray(n - head))
  }
}

function hadamard(values: Float32Array): void {
  const scale = Math.fround(1 / Math.sqrt(values.length))
  for (let half = 1; half < values.length; half *= 2) {
    for (let i = 0; i < values.length; i++) {
      if ((i & half) !== 0) continue
      const [x, y] = [values[i]!, values[i + half]!]
      values[i] = x + y
      values[i + half] = x - y
    }
    // After two stages, as the vector version does: the same bits.
    if (half === 2) for (let i = 0; i < values.length; i++) values[i]! *= scale
  }
}
