import type { Random } from '../../base/random.ts'
import type { Address } from '../../kernels/kernels.ts'
import { cutIntoBlocks, type Blocks } from './blocks.ts'
import { NearestLists } from './nearest-lists.ts'
import type { ProjectionRows } from './projection-rows.ts'

/** The `k` nearest of each row, about, in the order of rows. */
export interface NeighborGraph {
  readonly k: number
  /** `count` times `k` rows, nearest first; where there are fewer others, the rest is -1. */
  readonly neighbors: Int32Array
}

export interface GraphOptions {
  readonly k: number
  /** Blocks that each block is compared with, itself included. */
  readonly blocksCompared: number
  /** Rounds of looking at neighbours of neighbours. */
  readonly rounds: number
}

/** Which part of a projection is done, and how much of it, 0 to 1. */
export interface ProjectionProgress {
  readonly part: 'neighbors' | 'axes' | 'layout'
  readonly done: number
}

/**
 * Finds about the `k` nearest rows of each: all pairs within blocks of neighbouring rows and between near blocks, each pair once, then
 * rounds of comparing each row with the neighbours of its neighbours (NN-descent: Dong, Moses & Li, "Efficient k-nearest neighbor graph
 * construction for generic similarity measures", 2011). Moves the rows: they come to lie by block.
 * @returns The graph of the moved rows, and which row each place holds.
 */
export function* buildNeighborGraph(rows: ProjectionRows, options: GraphOptions, random: Random): Generator<ProjectionProgress, { graph: NeighborGraph; order: Uint32Array }> {
  const { heap } = rows
  const blocks = yield* cutIntoBlocks(rows, random)
  rows.permute(blocks.order)
  const k = Math.min(options.k, Math.max(0, rows.count - 1))
  const lists = new NearestLists(rows.count, k)
  if (k > 0) {
    const norms = rows.norms()
    const out = heap.allocate(Math.max(blocks.rowsMax, (k + reverseMax) * (k + reverseMax + 1)) * 4)
    const pointers = heap.allocate((k + reverseMax) * (k + reverseMax + 1) * 4)
    yield* compareBlocks(rows, blocks, norms, lists, options.blocksCompared, out)
    for (let round = 0; round < options.rounds; round++) {
      const changed = yield* compareNeighbors(rows, norms, lists, { out, pointers, done: 0.6 + (0.4 * round) / options.rounds, share: 0.4 / options.rounds })
      if (changed < rows.count * k * 0.002) break
    }
    heap.release(out)
    heap.release(pointers)
  }
  return { graph: { k, neighbors: lists.rows }, order: blocks.order }
}

function* compareBlocks(rows: ProjectionRows, blocks: Blocks, norms: Float32Array, lists: NearestLists, compared: number, out: Address): Generator<ProjectionProgress, void> {
  const { heap, padded } = rows
  const stride = padded * 4
  const count = blocks.starts.length - 1
  for (let b = 0; b < count; b++) {
    yield { part: 'neighbors', done: 0.1 + (0.5 * b) / count }
    for (const other of blocks.pairs(b, compared)) {
      const [otherStart, otherEnd] = [blocks.starts[other]!, blocks.starts[other + 1]!]
      for (let row = blocks.starts[b]!; row < blocks.starts[b + 1]!; row++) {
        const start = other === b ? row + 1 : otherStart
        if (start >= otherEnd) continue
        heap.kernels.dotMany(rows.rowAt(row), rows.rowAt(start), stride, otherEnd - start, padded, out)
        const products = heap.floats
        for (let i = start, at = out >>> 2; i < otherEnd; i++, at++) {
          const distance = norms[row]! + norms[i]! - 2 * products[at]!
          if (distance < lists.worst[row]!) lists.offer(row, i, distance)
          if (distance < lists.worst[i]!) lists.offer(i, row, distance)
        }
      }
    }
  }
}

/** Rows that have a row as their neighbour, of which so many are looked at. */
const reverseMax = 10
const rowsOfSlice = 1024

function* compareNeighbors(rows: ProjectionRows, norms: Float32Array, lists: NearestLists, { out, pointers, done, share }: { out: Address; pointers: Address; done: number; share: number }): Generator<ProjectionProgress, number> {
  const { heap, padded, count } = rows
  const { k } = lists
  const reverse = lists.reversed(reverseMax)
  const wasNew = lists.takeNew()
  const seen = new Int32Array(count).fill(-1)
  const candidates = new Int32Array((k + reverseMax) * (k + reverseMax + 1))
  let changed = 0
  for (let row = 0; row < count; row++) {
    if (row % rowsOfSlice === 0) yield { part: 'neighbors', done: done + (share * row) / count }
    let found = 0
    seen[row] = row
    for (let i = row * k; i < (row + 1) * k; i++) if (lists.rows[i]! >= 0) seen[lists.rows[i]!] = row
    const look = (near: number) => {
      if (seen[near] !== row) {
        seen[near] = row
        candidates[found++] = near
      }
    }
    const lookAround = (near: number, isNew: boolean) => {
      // An old neighbour of an old neighbour was looked at in the round before.
      for (let j = near * k; j < (near + 1) * k; j++) if ((isNew || wasNew[j]) && lists.rows[j]! >= 0) look(lists.rows[j]!)
      for (let j = near * reverseMax; j < (near + 1) * reverseMax && reverse[j]! >= 0; j++) look(reverse[j]!)
    }
    for (let i = row * k; i < (row + 1) * k; i++) if (lists.rows[i]! >= 0) lookAround(lists.rows[i]!, wasNew[i] === 1)
    if (found === 0) continue
    for (let i = 0; i < found; i++) heap.words[(pointers >>> 2) + i] = rows.rowAt(candidates[i]!)
    heap.kernels.dotAt(rows.rowAt(row), pointers, found, padded, out)
    for (let i = 0; i < found; i++) {
      const other = candidates[i]!
      const distance = norms[row]! + norms[other]! - 2 * heap.floats[(out >>> 2) + i]!
      if (distance < lists.worst[row]!) changed += lists.offer(row, other, distance)
      if (distance < lists.worst[other]!) changed += lists.offer(other, row, distance)
    }
  }
  return changed
}
