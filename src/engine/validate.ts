import { utf8Length } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import { encodeMetadata, type Metadata } from '../format/record.ts'
import type { Batch, Operation, RowInput } from './types.ts'

/** A row whose every part has been checked, but for the dimension, which only the log's order decides. */
export interface CheckedRow {
  readonly key: string
  readonly vector: Float32Array | null
  readonly metadata: Metadata
  readonly document: string | null
}

/**
 * Checks a batch before it queues: keys, numbers, sizes, counts.
 * @returns About how many bytes it takes in the log.
 * @throws {WindlassError} `invalid` or `too-large`, naming the record and the limit.
 */
export function checkBatch(batch: Batch): number {
  if (batch.operations.length > limits.batchOperationsMax) {
    throw new WindlassError('too-large', `batch has ${batch.operations.length} operations, at most ${limits.batchOperationsMax}: split it`)
  }
  let size = 64
  for (const operation of batch.operations) size += checkOperation(operation)
  for (const condition of batch.conditions ?? []) checkKey(condition.key)
  if (size > limits.commitBytesMax) {
    throw new WindlassError('too-large', `batch takes ${size} bytes, at most ${limits.commitBytesMax}: split it`)
  }
  return size
}

function checkOperation(operation: Operation): number {
  if (operation.op === 'put') {
    const row = checkRow(operation.row)
    return rowSize(row)
  }
  if (operation.op === 'delete-where') return 64
  checkKey(operation.key)
  let size = 32 + operation.key.length * 3
  if (operation.op === 'patch') {
    if (operation.vector) size += checkVector(operation.key, operation.vector).length * 4
    if (operation.document != null) size += checkDocument(operation.key, operation.document)
    if (operation.metadata) size += checkMetadata(operation.key, operation.metadata)
  }
  return size
}

/** @returns The row with defaults filled in and the vector as float32. @throws {WindlassError} `invalid`, `too-large`. */
export function checkRow(input: RowInput): CheckedRow {
  checkKey(input.key)
  const vector = input.vector == null ? null : checkVector(input.key, input.vector)
  const metadata = input.metadata ?? {}
  checkMetadata(input.key, metadata)
  if (input.document != null) checkDocument(input.key, input.document)
  return { key: input.key, vector, metadata, document: input.document ?? null }
}

function rowSize(row: CheckedRow): number {
  const metadataSize = encodeMetadata(row.metadata).length
  return 48 + utf8Length(row.key) + (row.vector?.length ?? 0) * 4 + metadataSize + (row.document === null ? 0 : utf8Length(row.document))
}

/** @throws {WindlassError} `invalid` unless `key` is 1 to 1,024 bytes of well-formed UTF-8. */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string') throw new WindlassError('invalid', `key must be a string, found ${typeof key}`, { path: 'key' })
  const size = utf8Length(key)
  if (size === 0) throw new WindlassError('invalid', 'key is empty: give it 1 to 1,024 bytes', { path: 'key' })
  if (size > limits.keyBytesMax) {
    throw new WindlassError('too-large', `key ${quote(key)} has ${size} bytes, at most ${limits.keyBytesMax}`, { path: 'key' })
  }
  if (!isWellFormed(key)) throw new WindlassError('invalid', `key ${quote(key)} holds half a surrogate pair`, { path: 'key' })
}

/** @returns The vector as float32. @throws {WindlassError} `invalid` for a wrong type, length, NaN or infinity. */
export function checkVector(key: string, vector: Float32Array | readonly number[]): Float32Array {
  if (!(vector instanceof Float32Array) && !Array.isArray(vector)) {
    throw new WindlassError('invalid', `vector of ${quote(key)} must be an array of numbers`, { path: 'vector' })
  }
  if (vector.length < 1 || vector.length > limits.dimensionMax) {
    throw new WindlassError('invalid', `vector of ${quote(key)} has dimension ${vector.length}, expected 1 to ${limits.dimensionMax}`, { path: 'vector' })
  }
  const floats = vector instanceof Float32Array ? vector : Float32Array.from(vector)
  for (let i = 0; i < floats.length; i++) {
    if (typeof vector[i] !== 'number' || !Number.isFinite(floats[i]!)) {
      throw new WindlassError('invalid', `vector of ${quote(key)} holds ${String(vector[i])} at position ${i}, expected a finite float32`, { path: `vector[${i}]` })
    }
  }
  return floats
}

/** @throws {WindlassError} `invalid` when `vector` is not of the collection's dimension. */
export function checkDimension(what: string, vector: Float32Array, dimension: number | null): void {
  if (dimension !== null && vector.length !== dimension) {
    throw new WindlassError('invalid', `${what} has dimension ${vector.length}, the collection has ${dimension}`, { path: 'vector' })
  }
}

function checkMetadata(key: string, metadata: Metadata): number {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    throw new WindlassError('invalid', `metadata of ${quote(key)} must be an object`, { path: 'metadata' })
  }
  const size = encodeMetadata(metadata).length
  if (size > limits.metadataBytesMax) {
    throw new WindlassError('too-large', `metadata of ${quote(key)} has ${size} bytes, at most ${limits.metadataBytesMax}`, { path: 'metadata' })
  }
  return size
}

function checkDocument(key: string, document: string): number {
  if (typeof document !== 'string') throw new WindlassError('invalid', `document of ${quote(key)} must be a string`, { path: 'document' })
  if (!isWellFormed(document)) throw new WindlassError('invalid', `document of ${quote(key)} holds half a surrogate pair: replace it`, { path: 'document' })
  const size = utf8Length(document)
  if (size > limits.documentBytesMax) {
    throw new WindlassError('too-large', `document of ${quote(key)} has ${size} bytes, at most ${limits.documentBytesMax}: index it as a file, or split it`, { path: 'document' })
  }
  return size
}

function isWellFormed(text: string): boolean {
  return !/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text)
}

function quote(key: string): string {
  return JSON.stringify(key.length > 80 ? `${key.slice(0, 80)}…` : key)
}
