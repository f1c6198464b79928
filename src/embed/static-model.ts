import { throwIfAborted, WindlassError } from '../base/errors.ts'
import type { EmbeddingModel, TextKind } from './embedding-model.ts'
import { WordPiece } from './wordpiece.ts'

const magic = 'WLSTATIC'
const formatVersion = 1
const textsPerAbortCheck = 256

/** What a model file says of itself; see the model's README.md. */
export interface StaticModelHeader {
  readonly name: string
  readonly dimension: number
  readonly vocabularySize: number
  readonly vocabularyBytes: number
}

/**
 * A model without a network: the vector of a text is the sum of its tokens' vectors, each times the square root of its count,
 * at length 1. It needs no download and embeds some ten thousand short texts a second on one core.
 *
 * After Tulkens & van Dongen 2024, "Model2Vec"; trained, not only reduced: see scripts/train-static-model.
 * A question and a passage are embedded alike. Word order is lost.
 */
export class StaticModel implements EmbeddingModel {
  readonly name: string
  readonly dimension: number
  readonly tokensMax = undefined
  readonly #wordPiece: WordPiece
  readonly #scales: Float32Array
  readonly #rows: Int8Array

  constructor(name: string, wordPiece: WordPiece, scales: Float32Array, rows: Int8Array) {
    this.name = name
    this.dimension = rows.length / scales.length
    this.#wordPiece = wordPiece
    this.#scales = scales
    this.#rows = rows
  }

  /** Zeros for a text without one known token, as an empty one. */
  async embed(
    texts: readonly string[],
    options: { kind?: TextKind; signal?: AbortSignal } = {},
  ): Promise<Float32Array[]> {
    return texts.map((text, i) => {
      if (i % textsPerAbortCheck === 0) throwIfAborted(options.signal)
      return this.#embedOne(text)
    })
  }

  countTokens(text: string): number {
    return this.#wordPiece.encode(text).length
  }

  #embedOne(text: string): Float32Array {
    const sum = new Float32Array(this.dimension)
    // Sorted, so that equal bags of tokens are summed in one order and give the same bytes.
    const ids = Int32Array.from(this.#wordPiece.encode(text)).sort()
    for (let i = 0; i < ids.length;) {
      const id = ids[i]!
      let end = i + 1
      while (end < ids.length && ids[end] === id) end++
      this.#add(sum, id, Math.sqrt(end - i))
      i = end
    }
    return normalize(sum)
  }

  #add(sum: Float32Array, id: number, weight: number): void {
    const factor = weight * this.#scales[id]!
    if (factor === 0) return
    const rows = this.#rows
    const start = id * sum.length
    for (let d = 0; d < sum.length; d++) sum[d]! += factor * rows[start + d]!
  }
}

function normalize(vector: Float32Array): Float32Array {
  let squares = 0
  for (const value of vector) squares += value * value
  if (squares === 0) return vector
  const factor = 1 / Math.sqrt(squares)
  for (let d = 0; d < vector.length; d++) vector[d]! *= factor
  return vector
}

/**
 * Reads a model file: magic, u32 format version, u32 header size, a JSON header, padding up to a multiple of 4, one float32 scale a
 * token, one int8 row a token, and the tokens in UTF-8, one a line; all little-endian. A token's vector is scale times row.
 * @param bytes The whole file; kept, not copied.
 * @throws {WindlassError} `corrupt` when the parts do not fill the file, `unsupported` for a newer format.
 */
export function decodeStaticModel(bytes: Uint8Array): StaticModel {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const text = new TextDecoder()
  if (bytes.length < 16 || text.decode(bytes.subarray(0, 8)) !== magic) {
    throw new WindlassError('corrupt', `not a static model file: expected it to start with ${magic}`)
  }
  const version = view.getUint32(8, true)
  if (version !== formatVersion) {
    throw new WindlassError(
      'unsupported',
      `static model file has format ${version}, expected ${formatVersion}: upgrade`,
    )
  }
  const headerEnd = 16 + view.getUint32(12, true)
  const header = headerEnd <= bytes.length ? parseHeader(text.decode(bytes.subarray(16, headerEnd))) : undefined
  if (!header)
    throw new WindlassError(
      'corrupt',
      `static model file of ${bytes.length} bytes has no readable header: install it again`,
    )
  const { dimension, vocabularySize, vocabularyBytes } = header
  const scalesAt = Math.ceil(headerEnd / 4) * 4
  const rowsAt = scalesAt + vocabularySize * 4
  const tokensAt = rowsAt + vocabularySize * dimension
  const expected = tokensAt + vocabularyBytes
  if (expected !== bytes.length) {
    throw new WindlassError(
      'corrupt',
      `static model file has ${bytes.length} bytes, expected ${expected}: install it again`,
    )
  }
  const tokens = text.decode(bytes.subarray(tokensAt)).split('\n')
  if (tokens.length !== vocabularySize) {
    throw new WindlassError(
      'corrupt',
      `static model file has ${tokens.length} tokens, expected ${vocabularySize}: install it again`,
    )
  }
  const scales = readFloats(view, scalesAt, vocabularySize)
  const rows = new Int8Array(bytes.buffer, bytes.byteOffset + rowsAt, vocabularySize * dimension)
  return new StaticModel(header.name, new WordPiece(tokens), scales, rows)
}

function readFloats(view: DataView, at: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => view.getFloat32(at + i * 4, true))
}

function parseHeader(json: string): StaticModelHeader | undefined {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const header = value as Record<string, unknown>
  const isCount = (field: unknown) => Number.isSafeInteger(field) && (field as number) > 0
  const isComplete =
    typeof header.name === 'string' &&
    isCount(header.dimension) &&
    isCount(header.vocabularySize) &&
    isCount(header.vocabularyBytes)
  return isComplete ? (header as unknown as StaticModelHeader) : undefined
}
