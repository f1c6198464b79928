// The plain twins of assembly/scan.ts, rounded to float32 where that rounds: the same bits.
import type { Address } from './kernels.ts'

const f = Math.fround
const entryMax = 31

/** @returns The scale. */
export function makePlainTable(query: Float32Array, table: Uint8Array): number {
  let widest = 0
  for (let i = 0; i < query.length; i += 4) {
    const [a, b, c, d] = [0, 1, 2, 3].map((j) => Math.abs(query[i + j]!)) as [number, number, number, number]
    widest = Math.max(widest, f(f(a + b) + f(c + d)))
  }
  const scale = f(f(widest * 2) / entryMax)
  const inverse = scale > 0 ? f(2 / scale) : 0
  for (let i = 0; i < query.length; i += 4) {
    const [q0, q1, q2, q3] = [0, 1, 2, 3].map((j) => f(query[i + j]! * inverse)) as [number, number, number, number]
    const low = (value: number) => Math.min(value, 0)
    const lowest = f(f(low(q0) + low(q1)) + f(low(q2) + low(q3)))
    const start = f(0.5 - lowest)
    for (let entry = 0; entry < 16; entry++) {
      let value = f([0, q0, q1, f(q0 + q1)][entry & 3]! + start)
      if (entry & 4) value = f(value + q2)
      if (entry & 8) value = f(value + q3)
      table[i * 4 + entry] = Math.min(entryMax, Math.max(0, Math.trunc(value)))
    }
  }
  return scale
}

/** As `Kernels.scanLists`, in `buffer`. */
export function scanPlainLists(
  buffer: ArrayBuffer,
  lists: Address,
  count: number,
  planes: number,
  table: Address,
  scale: number,
  bias: number,
  reservoir: Address,
): void {
  const view = new DataView(buffer)
  const entries = new Uint8Array(buffer, table, planes * 16)
  const codeBytes = planes * 16
  for (let l = 0; l < count; l++) {
    const address = view.getUint32(lists + l * 12, true)
    const blocks = view.getUint32(lists + l * 12 + 4, true)
    const term = view.getFloat32(lists + l * 12 + 8, true)
    for (let b = 0; b < blocks; b++) {
      const block = address + b * (codeBytes + 384)
      const threshold = view.getFloat32(reservoir + 12, true)
      const codes = new Uint8Array(buffer, block, codeBytes)
      for (let lane = 0; lane < 32; lane++) {
        const sum = sumEntries(codes, entries, lane)
        const factors = block + codeBytes + lane * 4
        const product = f(view.getFloat32(factors + 128, true) * f(f(sum * f(scale)) + f(bias)))
        const score = f(f(view.getFloat32(factors, true) + product) + term)
        if (score > threshold) offer(view, reservoir, score, view.getUint32(factors + 256, true))
      }
      drain(view, reservoir)
    }
  }
}

function sumEntries(codes: Uint8Array, entries: Uint8Array, lane: number): number {
  const shift = lane >= 16 ? 4 : 0
  let sum = 0
  for (let i = lane & 15; i < codes.length; i += 16) sum += entries[(i & ~15) + ((codes[i]! >>> shift) & 15)]!
  return sum
}

function offer(view: DataView, reservoir: Address, score: number, id: number): void {
  const filter = view.getUint32(reservoir + 16, true)
  const rowOfId = view.getUint32(reservoir + 20, true)
  if (filter !== 0) {
    const row = rowOfId === 0 ? id : view.getUint32(rowOfId + id * 4, true)
    if (((view.getUint8(filter + (row >>> 3)) >>> (row & 7)) & 1) === 0) return
  }
  const count = view.getInt32(reservoir, true)
  const at = reservoir + 32 + count * 8
  view.setUint32(at, id, true)
  view.setFloat32(at + 4, score, true)
  const bits = view.getInt32(at + 4, true)
  view.setInt32(at + 4, bits ^ ((bits >> 31) & 0x7fffffff), true)
  view.setInt32(reservoir, count + 1, true)
}

/** Drops all but the best when less than a block's room is left. */
function drain(view: DataView, reservoir: Address): void {
  const [count, keep, capacity] = [0, 4, 8].map((at) => view.getInt32(reservoir + at, true)) as [number, number, number]
  if (count + 32 <= capacity) return
  new BigInt64Array(view.buffer, reservoir + 32, count).sort((a, b) => (a < b ? 1 : a > b ? -1 : 0))
  const bits = view.getInt32(reservoir + 32 + (keep - 1) * 8 + 4, true)
  view.setInt32(reservoir + 12, bits ^ ((bits >> 31) & 0x7fffffff), true)
  view.setInt32(reservoir, keep, true)
}
