import { toUtf8 } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import { checkNeeds, envelopeSize, openEnvelope, sealEnvelope, type ObjectKind } from './envelope.ts'
import { JsonShape, parseJson } from './json-shape.ts'
import { readMetadata, writeMetadata, type RowContent, type Space, type Stamp } from './record.ts'
import { checkSchema, storedDimensionMax, type CollectionSchema } from './schema.ts'
import { ByteReader, ByteWriter } from './varint.ts'

/** One commit: what one object of the log says. It holds effects only, so all versions apply it alike. */
export interface LogRecord {
  /** Its number: dense, from 1. */
  readonly seq: number
  readonly collectionId: string
  /** 32 hexadecimal digits, fresh for each commit: whose put won a number. */
  readonly nonce: string
  /** Milliseconds since 1970 by the writer's clock; for people only. */
  readonly writtenAt: number
  /** Each stands or falls as a whole for its client; here they all stand. */
  readonly batches: readonly LogBatch[]
  readonly event: LogEvent | null
}

export interface LogBatch {
  readonly effects: readonly LogEffect[]
  /** What the writer learnt that effects do not show; absent = none. Version 1 writes none and passes on what it reads. */
  readonly outcomes?: readonly LogOutcome[]
}

export interface LogOutcome {
  readonly code: number
  readonly value: number
}

/** Its stamp is (the record's `seq`, its position among all effects of the record). */
export type LogEffect = PutEffect | DeleteEffect

/** Leaves a whole row under `key`; `changed` is the effect's own stamp. */
export interface PutEffect extends RowContent {
  readonly kind: 'put'
  /** Equal to the effect's own stamp when the key had no live row. */
  readonly born: Stamp
}

/** Leaves no row under `key`. */
export interface DeleteEffect {
  readonly kind: 'delete'
  readonly space: Space
  readonly key: string
}

/** What changes the collection itself. Nothing follows `dropped` or `moved`. */
export type LogEvent =
  | { readonly kind: 'created'; readonly name: string; readonly schema: CollectionSchema }
  | { readonly kind: 'schema'; readonly schema: CollectionSchema }
  | { readonly kind: 'renamed'; readonly name: string }
  | { readonly kind: 'dropped' }
  | { readonly kind: 'moved'; readonly to: string }

const kind: ObjectKind = { magic: 'WLOG', subject: 'log record', formatVersion: 1 }

// The position in this list is the number on the wire; append only.
const eventKinds = [null, 'created', 'schema', 'renamed', 'dropped', 'moved'] as const

// Bits of the byte before each effect.
const isPut = 1
const isOfDocuments = 2
const hasDocument = 4
const isBornEarlier = 8
const effectBits = 15

const vectorAlignment = 8

/** Key of commit `seq` below the collection's prefix; keys sort as the numbers do. */
export function logKey(seq: number): string {
  return `log/${String(seq).padStart(20, '0')}`
}

/** @throws {WindlassError} `invalid` for a record that could not be read back. */
export function encodeLogRecord(record: LogRecord): Uint8Array<ArrayBuffer> {
  const shape = new JsonShape('invalid', kind.subject, 'log')
  shape.integer(record.seq, 'seq', 1)
  shape.id(record.collectionId, 'collectionId')
  shape.nonce(record.nonce, 'nonce')
  shape.finite(record.writtenAt, 'writtenAt')
  const writer = new ByteWriter(4096)
  writer.bytes(new Uint8Array(envelopeSize))
  // No feature beside version 1 exists yet; one that does names itself here.
  writer.varint(0)
  writer.varint(record.seq)
  writer.text(record.collectionId)
  writeNonce(writer, record.nonce)
  writer.f64(record.writtenAt)
  writeEvent(writer, shape, record.event)
  const vectors: Float32Array[] = []
  let ordinal = 0
  writer.varint(record.batches.length)
  for (const { effects, outcomes = [] } of record.batches) {
    writer.varint(effects.length)
    for (const effect of effects) writeEffect(writer, effect, { seq: record.seq, ordinal: ordinal++ }, vectors)
    writer.varint(outcomes.length)
    for (const { code, value } of outcomes) {
      writer.varint(code)
      writer.varint(value)
    }
  }
  writer.align(vectorAlignment)
  for (const vector of vectors) writer.f32Array(vector)
  const bytes = writer.toBytes()
  sealEnvelope(kind, bytes)
  return bytes
}

function writeEffect(writer: ByteWriter, effect: LogEffect, own: Stamp, vectors: Float32Array[]): void {
  const space = effect.space === 'documents' ? isOfDocuments : 0
  if (effect.kind === 'delete') {
    writer.u8(space)
    writer.text(effect.key)
    return
  }
  const { vector, document, born } = effect
  const age = compare(born, own)
  if (age > 0) {
    throw new WindlassError(
      'invalid',
      `row ${JSON.stringify(effect.key)} is put at ${own.seq}.${own.ordinal} but born later, at ${born.seq}.${born.ordinal}`,
    )
  }
  writer.u8(isPut | space | (document === null ? 0 : hasDocument) | (age < 0 ? isBornEarlier : 0))
  writer.text(effect.key)
  if (vector && (vector.length === 0 || vector.length > storedDimensionMax)) {
    throw new WindlassError(
      'invalid',
      `vector of ${JSON.stringify(effect.key)} has dimension ${vector.length}, expected 1 to ${storedDimensionMax}`,
    )
  }
  writer.varint(vector?.length ?? 0)
  if (vector) vectors.push(vector)
  writeMetadata(writer, effect.metadata)
  if (document !== null) writer.text(document)
  if (age < 0) {
    writer.varint(born.seq)
    writer.varint(born.ordinal)
  }
}

function writeNonce(writer: ByteWriter, nonce: string): void {
  for (let i = 0; i < 32; i += 2) writer.u8(Number.parseInt(nonce.slice(i, i + 2), 16))
}

function writeEvent(writer: ByteWriter, shape: JsonShape, event: LogEvent | null): void {
  writer.u8(eventKinds.indexOf(event?.kind ?? null))
  if (!event) return
  if (event.kind === 'created' || event.kind === 'renamed') writer.text(event.name)
  if (event.kind === 'moved') writer.text(shape.id(event.to, 'event.to'))
  if (event.kind === 'created' || event.kind === 'schema') {
    checkSchema(shape, event.schema, 'schema')
    const json = toUtf8(JSON.stringify(event.schema))
    writer.varint(json.length)
    writer.bytes(json)
  }
}

/**
 * The record of an object's bytes. Its vectors share memory with `bytes` where these are aligned.
 * @param key The object the bytes come from, for errors.
 * @param seq The number it must have; omitted = any.
 * @throws {WindlassError} `corrupt`, or `unsupported` when a newer version wrote it.
 */
export function decodeLogRecord(bytes: Uint8Array, key: string, seq?: number): LogRecord {
  openEnvelope(kind, bytes, key)
  // The whole object, so that positions in messages, and the alignment, are the object's.
  const reader = new ByteReader(bytes, kind.subject, key, envelopeSize)
  checkNeeds(
    Array.from({ length: reader.count('needs') }, () => reader.text()),
    kind.subject,
    key,
  )
  const found = reader.varint()
  if (found === 0) reader.fail('its number is 0, expected at least 1')
  if (seq !== undefined && found !== seq) reader.fail(`its number is ${found}, expected ${seq}`)
  const shape = new JsonShape('corrupt', kind.subject, key)
  const collectionId = shape.id(reader.text(), 'collectionId')
  const nonce = Array.from(reader.bytes(16), (byte) => byte.toString(16).padStart(2, '0')).join('')
  const writtenAt = shape.finite(reader.f64(), 'writtenAt')
  const event = readEvent(reader, shape, key)
  const dimensions: number[] = []
  let ordinal = 0
  const batches: OpenBatch[] = []
  for (let left = reader.count('batches', 2); left > 0; left--) {
    const effects: OpenEffect[] = []
    for (let effectsLeft = reader.count('effects', 2); effectsLeft > 0; effectsLeft--) {
      effects.push(readEffect(reader, { seq: found, ordinal: ordinal++ }, dimensions))
    }
    const outcomes = Array.from({ length: reader.count('outcomes', 2) }, () => ({
      code: reader.varint(),
      value: reader.varint(),
    }))
    batches.push(outcomes.length > 0 ? { effects, outcomes } : { effects })
  }
  readVectors(reader, batches, dimensions)
  return { seq: found, collectionId, nonce, writtenAt, batches, event }
}

/** An effect whose vector is filled in when the vectors, which come last, are read. */
type OpenEffect = (Omit<PutEffect, 'vector'> & { vector: Float32Array | null }) | DeleteEffect
type OpenBatch = Omit<LogBatch, 'effects'> & { readonly effects: OpenEffect[] }

/** @param dimensions Gets one number for each put: the vector's length, 0 = none. */
function readEffect(reader: ByteReader, own: Stamp, dimensions: number[]): OpenEffect {
  const bits = reader.u8()
  const space: Space = bits & isOfDocuments ? 'documents' : 'records'
  if (bits & ~effectBits || (!(bits & isPut) && bits & ~isOfDocuments))
    reader.fail(`effect ${own.ordinal} has unknown bits ${bits}`)
  const key = reader.text()
  if (!(bits & isPut)) return { kind: 'delete', space, key }
  const dimension = reader.varint()
  if (dimension > storedDimensionMax)
    reader.fail(`effect ${own.ordinal} has dimension ${dimension}, at most ${storedDimensionMax}`)
  dimensions.push(dimension)
  const metadata = readMetadata(reader)
  const document = bits & hasDocument ? reader.text() : null
  let born = own
  if (bits & isBornEarlier) {
    born = { seq: reader.varint(), ordinal: reader.varint() }
    if (compare(born, own) >= 0)
      reader.fail(`effect ${own.ordinal} was born at ${born.seq}.${born.ordinal}, not before ${own.seq}.${own.ordinal}`)
  }
  return { kind: 'put', space, key, vector: null, metadata, document, born }
}

function readVectors(reader: ByteReader, batches: readonly OpenBatch[], dimensions: readonly number[]): void {
  reader.align(vectorAlignment)
  const total = dimensions.reduce((sum, dimension) => sum + dimension, 0)
  const values = reader.f32Array(total)
  reader.end()
  let put = 0
  let start = 0
  for (const { effects } of batches) {
    for (const effect of effects) {
      if (effect.kind !== 'put') continue
      const dimension = dimensions[put++]!
      if (dimension > 0) effect.vector = values.subarray(start, start + dimension)
      start += dimension
    }
  }
}

function readEvent(reader: ByteReader, shape: JsonShape, key: string): LogEvent | null {
  const number = reader.u8()
  const eventKind = eventKinds[number]
  if (eventKind === undefined) reader.fail(`event has number ${number}, expected 0 to ${eventKinds.length - 1}`)
  switch (eventKind) {
    case null:
    case undefined:
      return null
    case 'created':
      return { kind: 'created', name: reader.text(), schema: readSchema(reader, shape, key) }
    case 'schema':
      return { kind: 'schema', schema: readSchema(reader, shape, key) }
    case 'renamed':
      return { kind: 'renamed', name: reader.text() }
    case 'dropped':
      return { kind: 'dropped' }
    case 'moved':
      return { kind: 'moved', to: shape.id(reader.text(), 'event.to') }
  }
}

function readSchema(reader: ByteReader, shape: JsonShape, key: string): CollectionSchema {
  const json = reader.bytes(reader.count('bytes of schema'))
  return checkSchema(shape, parseJson(json, 'schema', key), 'schema')
}

function compare(a: Stamp, b: Stamp): number {
  return a.seq - b.seq || a.ordinal - b.ordinal
}
