import { toUtf8 } from '../base/bytes.ts'
import { checkFormatVersion, checkNeeds, envelopeSize, openEnvelope, sealEnvelope, type ObjectKind } from './envelope.ts'
import { JsonShape, parseJson } from './json-shape.ts'
import { checkManifest, type Manifest } from './manifest.ts'

/** A collection as it was at log number `seq`: a manifest, and the log above its floor. Real once a manifest pins it. */
export interface Snapshot {
  readonly formatVersion: 1
  readonly needs: readonly string[]
  readonly id: string
  readonly seq: number
  readonly manifest: Manifest
}

const kind: ObjectKind = { magic: 'WSNP', subject: 'snapshot', formatVersion: 1 }

/** Prefix of all snapshots below the collection's prefix. */
export const snapshotPrefix = 'snapshots/'

export function snapshotKey(id: string): string {
  return snapshotPrefix + id
}

/** @throws {WindlassError} `invalid` for a snapshot that could not be read back. */
export function encodeSnapshot(snapshot: Snapshot): Uint8Array<ArrayBuffer> {
  checkSnapshot(new JsonShape('invalid', kind.subject, snapshotPrefix), snapshot, snapshotPrefix)
  const body = toUtf8(JSON.stringify(snapshot))
  const bytes = new Uint8Array(envelopeSize + body.length)
  bytes.set(body, envelopeSize)
  sealEnvelope(kind, bytes)
  return bytes
}

/** @throws {WindlassError} `corrupt`, or `unsupported` when a newer version wrote it. */
export function decodeSnapshot(bytes: Uint8Array, key: string): Snapshot {
  return checkSnapshot(new JsonShape('corrupt', kind.subject, key), parseJson(openEnvelope(kind, bytes, key), kind.subject, key), key)
}

function checkSnapshot(shape: JsonShape, value: unknown, key: string): Snapshot {
  const snapshot = shape.object(value, 'snapshot')
  checkFormatVersion(shape.integer(snapshot.formatVersion, 'formatVersion', 0), kind.formatVersion, kind.subject, key)
  shape.list(snapshot.needs, 'needs', (item, path) => shape.text(item, path))
  checkNeeds(snapshot.needs as string[], kind.subject, key)
  shape.id(snapshot.id, 'id')
  const { floor } = checkManifest(shape, snapshot.manifest, key)
  shape.integer(snapshot.seq, 'seq', floor)
  return value as Snapshot
}
