import { WindlassError } from '../../base/errors.ts'
import { checkNeeds, envelopeSize, openEnvelope, sealEnvelope, type ObjectKind } from '../../format/envelope.ts'
import { ByteReader, ByteWriter } from '../../format/varint.ts'
import type { MapField } from './map-fields.ts'

/** A map of a collection as it is kept: made anew when the collection has changed, never changed. */
export interface MapObject {
  readonly collectionId: string
  /** The log's last number when the reading began; changes after it may be in, or not. */
  readonly logSequence: number
  /** Records of the collection then; more than there are points where the map is of a sample, or some have no vector. */
  readonly recordCount: number
  /** Records that were to be points, and have no vector. */
  readonly vectorlessCount: number
  /** Milliseconds since 1970. */
  readonly madeAt: number
  /** Name of the method and its version: another makes another map of the same records. */
  readonly method: string
  readonly keys: readonly string[]
  /** Versions of the records, in the order of `keys`. */
  readonly versions: readonly string[]
  /** x, y of each point: 0 to 65,535, with one scale for both. */
  readonly positions: Uint16Array<ArrayBuffer>
  readonly fields: readonly MapField[]
}

const kind: ObjectKind = { magic: 'WMAP', subject: 'map', formatVersion: 1 }

/** Folder of all maps, beside those of collections: nothing of the engine looks there. */
export const mapsPrefix = 'maps/'

/** Key of the map of a collection. */
export function mapKey(collectionId: string): string {
  return `${mapsPrefix}${collectionId}`
}

/** The bytes of a map: docs/format.md draws them. */
export function encodeMap(map: MapObject): Uint8Array<ArrayBuffer> {
  const count = map.keys.length
  if (map.versions.length !== count || map.positions.length !== count * 2) throw new WindlassError('invalid', `a map has ${count} keys, ${map.versions.length} versions and ${map.positions.length / 2} positions: expected as many of each`)
  const writer = new ByteWriter(envelopeSize + 256 + count * 40)
  writer.bytes(new Uint8Array(envelopeSize))
  writer.varint(0)
  writer.text(map.collectionId)
  writer.varint(map.logSequence)
  writer.varint(map.recordCount)
  writer.varint(map.vectorlessCount)
  writer.varint(map.madeAt)
  writer.text(map.method)
  writer.u32(count)
  for (const position of map.positions) writer.u16(position)
  for (const key of map.keys) writer.text(key)
  for (const version of map.versions) writer.text(version)
  writer.varint(map.fields.length)
  for (const field of map.fields) {
    writer.text(field.name)
    if (field.kind === 'number') {
      writer.u8(1)
      writer.f64(field.least)
      writer.f64(field.most)
    } else {
      writer.u8(0)
      writer.varint(field.values.length)
      for (const { value, count: many } of field.values) {
        writer.text(value)
        writer.varint(many)
      }
    }
    writer.bytes(field.codes)
  }
  const bytes = writer.toBytes()
  sealEnvelope(kind, bytes)
  return bytes
}

/** @throws {WindlassError} `corrupt`, or `unsupported` when a newer version wrote it. */
export function decodeMap(bytes: Uint8Array, key: string): MapObject {
  openEnvelope(kind, bytes, key)
  const reader = new ByteReader(bytes, kind.subject, key, envelopeSize)
  const texts = (many: number) => Array.from({ length: many }, () => reader.text())
  checkNeeds(texts(reader.count('needs')), kind.subject, key)
  const collectionId = reader.text()
  const [logSequence, recordCount, vectorlessCount, madeAt] = [reader.varint(), reader.varint(), reader.varint(), reader.varint()]
  const method = reader.text()
  const count = reader.u32()
  if (count * 4 > reader.remaining) reader.fail(`${count} positions expected, ${reader.remaining} bytes left`)
  const positions = Uint16Array.from({ length: count * 2 }, () => reader.u16())
  const keys = texts(count)
  const versions = texts(count)
  const fields = Array.from({ length: reader.count('fields') }, () => readField(reader, count))
  reader.end()
  return { collectionId, logSequence, recordCount, vectorlessCount, madeAt, method, keys, versions, positions, fields }
}

function readField(reader: ByteReader, count: number): MapField {
  const name = reader.text()
  const type = reader.u8()
  if (type > 1) reader.fail(`field type is ${type}, expected 0 or 1`)
  if (type === 1) {
    const [least, most] = [reader.f64(), reader.f64()]
    return { name, kind: 'number', least, most, codes: reader.bytes(count).slice() }
  }
  const values = Array.from({ length: reader.count('values') }, () => ({ value: reader.text(), count: reader.varint() }))
  return { name, kind: 'text', values, codes: reader.bytes(count).slice() }
}

/** Positions as they are kept: the larger extent from 0 to 65,535, the other in the middle. */
export function quantizePositions(positions: Float32Array): Uint16Array<ArrayBuffer> {
  const least = [Infinity, Infinity]
  const most = [-Infinity, -Infinity]
  positions.forEach((value, i) => {
    if (value < least[i % 2]!) least[i % 2] = value
    if (value > most[i % 2]!) most[i % 2] = value
  })
  const extent = Math.max(most[0]! - least[0]!, most[1]! - least[1]!)
  const scale = extent > 0 ? 65_535 / extent : 0
  return Uint16Array.from(positions, (value, i) => Math.round(32_767.5 + (value - (least[i % 2]! + most[i % 2]!) / 2) * scale))
}
