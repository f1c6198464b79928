import { concatBytes, toUtf8 } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import { blockBytes } from '../kernels/kernels.ts'
import { crc32c } from '../format/checksum.ts'
import { JsonShape, parseJson } from '../format/json-shape.ts'
import { viewF32, viewU32, writeF32 } from '../format/typed-views.ts'
import type { Effort, IndexHead, Spread } from './index-layout.ts'
import { recordBytes } from './list-codec.ts'
import { expand8Bits, roundTo8Bits } from './rounding.ts'
import { paddedDimension } from './space.ts'

/** Names of the three sections of a segment that make up its vector index. */
export const indexSections = { head: 'vector-index', lists: 'vector-lists', rows: 'vector-rows' } as const

/**
 * A head as a segment holds it. The section `vector-lists` has one *unit* a cluster, in order: its posting list, its records, and cards (see
 * row-card.ts). A query that probes a cluster reads its unit, and needs nothing else of the segment but the vectors of the best and what it returns.
 */
export interface StoredHead {
  /** Without `rowOfSlot`: that is the section `vector-rows`, which only filters and deletions need. */
  readonly head: IndexHead
  /** `clusters + 1`: bytes of cards before each unit's. */
  readonly cardEnds: Uint32Array
  /**
   * Whether a unit has a card for each entry of its list, in their order, or for its slots only, as version 1 had it: then who finds a row in
   * the list of its second cluster has to read the unit of the first.
   */
  readonly hasEntryCards: boolean
  /** CRC-32C of each unit. */
  readonly checksums: Uint32Array
}

/** Centroids as they are stored and used: n int8 and one float32 step each. */
export interface CentroidCodes {
  readonly codes: Int8Array<ArrayBuffer>
  readonly steps: Float32Array<ArrayBuffer>
}

/** Rounds centroids to 8 bits a dimension, so that a head of 6,000 takes 2.3 instead of 9.2 MB to read. Codes are made relative to what comes back. */
export function encodeCentroids(centroids: Float32Array, n: number): CentroidCodes {
  const count = centroids.length / n
  const codes = new Int8Array(centroids.length)
  const steps = new Float32Array(count)
  for (let c = 0; c < count; c++) steps[c] = roundTo8Bits(centroids, c * n, n, codes, c * n)
  return { codes, steps }
}

/** What codes stand for. */
export function decodeCentroids({ codes, steps }: CentroidCodes, n: number): Float32Array<ArrayBuffer> {
  const centroids = new Float32Array(codes.length)
  for (let c = 0; c < steps.length; c++) expand8Bits(codes, c * n, n, steps[c]!, centroids, c * n)
  return centroids
}

/** Where a cluster's unit lies in `vector-lists`, and its parts in the unit. */
export function unitRange({ head, cardEnds }: StoredHead, cluster: number): { start: number; records: number; cards: number; end: number } {
  const n = paddedDimension(head.space.dimension)
  const start = unitStart(head, cardEnds, cluster, n)
  const records = start + (head.listBlocks[cluster + 1]! - head.listBlocks[cluster]!) * blockBytes(n)
  const cards = records + (head.slots[cluster + 1]! - head.slots[cluster]!) * recordBytes(n)
  return { start, records, cards, end: unitStart(head, cardEnds, cluster + 1, n) }
}

function unitStart({ listBlocks, slots }: IndexHead, cardEnds: Uint32Array, cluster: number, n: number): number {
  return listBlocks[cluster]! * blockBytes(n) + slots[cluster]! * recordBytes(n) + cardEnds[cluster]!
}

/** @throws {WindlassError} `corrupt`, naming the cluster. @returns `bytes`. */
export function verifyUnit(stored: StoredHead, cluster: number, bytes: Uint8Array, key: string): Uint8Array {
  if (crc32c(bytes) !== stored.checksums[cluster]) {
    throw new WindlassError('corrupt', `${key}: section ${indexSections.lists} is damaged: cluster ${cluster} fails its checksum`, { key })
  }
  return bytes
}

/**
 * Section `vector-index`: uint32 size of the JSON, the JSON padded with spaces to a multiple of 4, then float32 center (Euclidean), float32 steps
 * of the centroids, uint32 list blocks, slots and card ends (`clusters + 1` each), uint32 checksums, int8 centroid codes.
 */
export function encodeHead({ head, cardEnds, hasEntryCards, checksums }: StoredHead): Uint8Array<ArrayBuffer> {
  const { space, clusters, count, rowCount } = head
  const { metric, dimension, seed, scale } = space
  const effort = head.effort.map((each) => ({ ...each, margin: Number.isFinite(each.margin) ? each.margin : null }))
  const json = JSON.stringify({ version: hasEntryCards ? 2 : 1, metric, dimension, seed, scale, centered: space.center.length > 0, clusters, count, rowCount, spread: head.spread, effort })
  const text = toUtf8(json.padEnd(Math.ceil(toUtf8(json).length / 4) * 4))
  const { codes, steps } = encodeCentroids(head.centroids, paddedDimension(dimension))
  return concatBytes([words(Uint32Array.of(text.length)), text, floats(space.center), floats(steps), words(head.listBlocks), words(head.slots), words(cardEnds), words(checksums), new Uint8Array(codes.buffer)])
}

/** @throws {WindlassError} `corrupt` for anything that is not a head, `unsupported` for a newer one. */
export function decodeHead(bytes: Uint8Array, listsSize: number, key: string): StoredHead {
  const shape = new JsonShape('corrupt', `section ${indexSections.head}`, key)
  const textSize = bytes.length < 4 ? -1 : viewU32(bytes, 0, 1)[0]!
  if (textSize < 0 || textSize % 4 !== 0 || 4 + textSize > bytes.length) throw damaged(key, `it has ${bytes.length} bytes, ${textSize} of them JSON`)
  const json = shape.object(parseJson(bytes.subarray(4, 4 + textSize), `section ${indexSections.head}`, key), 'head')
  const version = shape.integer(json.version, 'version', 1)
  if (version > 2) throw new WindlassError('unsupported', `${key}: the vector index has version ${version}, this windlass reads 1 and 2: upgrade`, { key })
  shape.oneOf(json.metric, 'metric', ['cosine', 'dot', 'euclidean'])
  const dimension = shape.integer(json.dimension, 'dimension', 1, 4096)
  const rowCount = shape.integer(json.rowCount, 'rowCount', 1, 0xffffffff)
  const count = shape.integer(json.count, 'count', 1, rowCount)
  const clusters = shape.integer(json.clusters, 'clusters', 1, 1 << 24)
  const n = paddedDimension(dimension)
  const centerSize = json.centered === true ? dimension : 0
  const size = 4 + textSize + 4 * (centerSize + clusters + 3 * (clusters + 1) + clusters) + clusters * n
  if (bytes.length !== size) throw damaged(key, `it has ${bytes.length} bytes, expected ${size}`)
  let at = 4 + textSize
  const next = <T>(view: (bytes: Uint8Array, offset: number, length: number) => T, length: number): T => {
    at += 4 * length
    return view(bytes, at - 4 * length, length)
  }
  const center = next(viewF32, centerSize)
  const steps = next(viewF32, clusters)
  const [listBlocks, slots, cardEnds] = [next(viewU32, clusters + 1), next(viewU32, clusters + 1), next(viewU32, clusters + 1)]
  const checksums = next(viewU32, clusters)
  for (const ends of [listBlocks, slots, cardEnds]) for (let c = 0; c < clusters; c++) if (ends[c]! > ends[c + 1]!) throw damaged(key, `cluster ${c} ends before it starts`)
  const codes = new Int8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset + at, clusters * n)
  const space = { metric: json.metric as 'cosine', dimension, seed: shape.integer(json.seed, 'seed', 0), scale: shape.finite(json.scale, 'scale'), center }
  const head: IndexHead = { space, count, rowCount, clusters, centroids: decodeCentroids({ codes, steps }, n), listBlocks, slots, rowOfSlot: null, spread: decodeSpread(shape, json.spread), effort: decodeEffort(shape, json.effort) }
  const end = unitStart(head, cardEnds, clusters, n)
  if (listBlocks[0] !== 0 || slots[0] !== 0 || cardEnds[0] !== 0 || slots[clusters] !== count || end !== listsSize) {
    throw damaged(key, `its units end at byte ${end} and slot ${slots[clusters]}, expected ${listsSize} and ${count}`)
  }
  return { head, cardEnds, hasEntryCards: version === 2, checksums }
}

function decodeSpread(shape: JsonShape, value: unknown): Spread | null {
  if (value === null) return null
  const { residual, deviation } = shape.object(value, 'spread')
  return { residual: shape.finite(residual, 'spread.residual'), deviation: shape.finite(deviation, 'spread.deviation') }
}

function decodeEffort(shape: JsonShape, value: unknown): Effort[] {
  const effort: Effort[] = []
  shape.list(value, 'effort', (item, path) => {
    const each = shape.object(item, path)
    effort.push({
      recall: shape.finite(each.recall, `${path}.recall`),
      depth: shape.integer(each.depth, `${path}.depth`, 1),
      probes: shape.integer(each.probes, `${path}.probes`, 1),
      margin: each.margin === null ? Infinity : shape.finite(each.margin, `${path}.margin`),
      usual: shape.finite(each.usual, `${path}.usual`),
      rest: shape.finite(each.rest, `${path}.rest`),
      candidates: shape.integer(each.candidates, `${path}.candidates`, 1),
    })
  })
  return effort
}

/** Section `vector-rows`: uint32 row of each slot. */
export function encodeRows(rowOfSlot: Uint32Array): Uint8Array<ArrayBuffer> {
  return words(rowOfSlot)
}

/** @throws {WindlassError} `corrupt` for another size or a row twice. */
export function decodeRows(bytes: Uint8Array, { count, rowCount }: IndexHead, key: string): Uint32Array {
  if (bytes.length !== count * 4) throw new WindlassError('corrupt', `${key}: section ${indexSections.rows} is damaged: it has ${bytes.length} bytes, expected ${count * 4}`, { key })
  const rows = viewU32(bytes, 0, count)
  const seen = new Uint8Array(rowCount)
  for (const row of rows) {
    if (row >= rowCount || seen[row]) throw new WindlassError('corrupt', `${key}: section ${indexSections.rows} is damaged: row ${row} of ${rowCount} twice or beyond the end`, { key })
    seen[row] = 1
  }
  return rows
}

function words(values: Uint32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(values.length * 4)
  const view = new DataView(bytes.buffer)
  values.forEach((value, i) => view.setUint32(4 * i, value, true))
  return bytes
}

function floats(values: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(values.length * 4)
  writeF32(bytes, 0, values)
  return bytes
}

function damaged(key: string, what: string): WindlassError {
  return new WindlassError('corrupt', `${key}: section ${indexSections.head} is damaged: ${what}`, { key })
}
