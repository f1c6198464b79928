import { toUtf8 } from '../base/bytes.ts'
import {
  checkFormatVersion,
  checkNeeds,
  envelopeSize,
  openEnvelope,
  sealEnvelope,
  type ObjectKind,
} from './envelope.ts'
import { JsonShape, parseJson } from './json-shape.ts'
import { checkSchema, type CollectionSchema } from './schema.ts'

export type { CollectionSchema, TextField } from './schema.ts'

/**
 * What a collection is now: everything a reader needs to find the rest.
 *
 * Stored as the object `manifest` and replaced by compare-and-swap; replacing it never changes content, which is a
 * function of the log alone. Layout: docs/format.md, "Manifest".
 */
export interface Manifest {
  readonly formatVersion: 1
  /** Features of the format that a reader must understand; an unknown one is an error, never skipped. */
  readonly needs: readonly string[]
  readonly collectionId: string
  /** Grows by one each time it is replaced, from 1. */
  readonly version: number
  /** Fresh for every put, so no two puts have equal bytes and no ETag comes back. */
  readonly nonce: string
  /** Nonces of the versions before, newest first, at most `pastNoncesMax`: how a committer recognizes its success later. */
  readonly pastNonces: readonly string[]
  readonly name: string
  readonly schema: CollectionSchema
  readonly state: 'live' | 'dropped' | { readonly movedTo: string }
  /** Last log sequence inside segments; 0 = none. Readers apply the log from `floor + 1`. */
  readonly floor: number
  /** When the floor was reached, milliseconds since 1970 by the flusher's clock. For people and point-in-time opening. */
  readonly floorTime: number
  readonly segments: readonly SegmentRef[]
  readonly pins: readonly Pin[]
  /** How many sweeps there were, and the last plan's id: who commits compares it with what it read first. */
  readonly sweep: { readonly count: number; readonly id: string | null }
  /** Of which collection this one is a branch: it may have a pin there, which goes before this manifest does. */
  readonly parent?: string
  /**
   * Set while this collection is to take the place of `from`: real once commit `at` of that one's log says `moved` to this one; absent
   * again when it has that one's snapshots.
   */
  readonly restores?: { readonly from: string; readonly at: number } | undefined
  /**
   * Set by a sweep that takes a live collection for nameless, before it looks at the names for the last time; absent again after any other
   * change. Who writes takes it back first.
   */
  readonly abandoned?: boolean | undefined
  /** What the rows add up to; absent where it is not known. */
  readonly content?: ContentSum
}

/** A segment as the manifest names it. */
export interface SegmentRef {
  readonly id: string
  /** Bytes of the object. */
  readonly size: number
  /** Rows, dead ones included: `recordCount` of space records and `documentRowCount` of space documents. */
  readonly rowCount: number
  readonly recordCount: number
  readonly documentRowCount: number
  /** The commits whose rows it holds: first and last log sequence. */
  readonly seqStart: number
  readonly seqEnd: number
  readonly sections: readonly SectionRef[]
  /** Which of its rows are dead; null = none. */
  readonly deletes: DeletesRef | null
  /** Collection id under whose prefix the segment lies, where a branch names another's; absent = our own. */
  readonly owner?: string
}

/** A deletion bitmap as the manifest names it. */
export interface DeletesRef {
  readonly id: string
  /** Dead rows. */
  readonly count: number
  /** Those of space records among them. */
  readonly recordCount: number
  /** As for the segment: a branch has bitmaps of its own on segments of its parent. */
  readonly owner?: string
}

/** Where a section lies in its segment, and its CRC-32C. */
export interface SectionRef {
  readonly name: string
  readonly offset: number
  readonly size: number
  readonly checksum: number
}

/** Something that keeps old objects from the sweep: snapshot `id`, or branch with collection id `id`, at log `seq`. */
export interface Pin {
  readonly name: string
  readonly id: string
  readonly seq: number
  readonly kind: 'snapshot' | 'branch'
  /** Milliseconds since 1970. */
  readonly createdAt: number
  /** Collection id under which the snapshot lies, where it is not this one: a restored collection keeps the snapshots it had. */
  readonly owner?: string
}

/** Sum over all live rows in segments, at `floor`: see `content-sum.ts`. Written by a version that knows not of it, `floor` lags. */
export interface ContentSum {
  readonly floor: number
  /** 64 hexadecimal digits. */
  readonly sum: string
}

/** Key of the manifest below the collection's prefix. */
export const manifestKey = 'manifest'

/** How many nonces of replaced versions a manifest carries. */
export const pastNoncesMax = 64

const kind: ObjectKind = { magic: 'WMAN', subject: 'manifest', formatVersion: 1 }

/** Prefix of the copies of replaced versions below the collection's prefix. */
export const pastManifestPrefix = 'manifests/'

/** Key of the copy that is kept of version `version` before it is replaced. */
export function pastManifestKey(version: number): string {
  return `${pastManifestPrefix}${String(version).padStart(20, '0')}`
}

/** @throws {WindlassError} `invalid` for a manifest that could not be read back. */
export function encodeManifest(manifest: Manifest): Uint8Array<ArrayBuffer> {
  checkManifest(new JsonShape('invalid', kind.subject, manifestKey), manifest)
  const head = toUtf8(JSON.stringify(manifest))
  const bytes = new Uint8Array(envelopeSize + head.length)
  bytes.set(head, envelopeSize)
  sealEnvelope(kind, bytes)
  return bytes
}

/**
 * The manifest of an object's bytes. Members that this version does not know are kept, so that replacing it loses none.
 * @param key The object the bytes come from, for errors.
 * @throws {WindlassError} `corrupt`, or `unsupported` when a newer version wrote it.
 */
export function decodeManifest(bytes: Uint8Array, key: string): Manifest {
  const value = parseJson(openEnvelope(kind, bytes, key), kind.subject, key)
  return checkManifest(new JsonShape('corrupt', kind.subject, key), value, key)
}

/** Checks a parsed manifest in place. @throws {WindlassError} of the kind that `shape` throws. */
export function checkManifest(shape: JsonShape, value: unknown, key: string = manifestKey): Manifest {
  const manifest = shape.object(value, 'manifest')
  checkFormatVersion(shape.integer(manifest.formatVersion, 'formatVersion', 0), kind.formatVersion, kind.subject, key)
  shape.list(manifest.needs, 'needs', (item, path) => shape.text(item, path))
  checkNeeds(manifest.needs as string[], kind.subject, key)
  shape.id(manifest.collectionId, 'collectionId')
  shape.integer(manifest.version, 'version', 1)
  shape.nonce(manifest.nonce, 'nonce')
  shape.list(manifest.pastNonces, 'pastNonces', (item, path) => shape.nonce(item, path), pastNoncesMax)
  shape.text(manifest.name, 'name')
  checkSchema(shape, manifest.schema, 'schema')
  if (manifest.state !== 'live' && manifest.state !== 'dropped')
    shape.id(shape.object(manifest.state, 'state').movedTo, 'state.movedTo')
  const floor = shape.integer(manifest.floor, 'floor', 0)
  shape.finite(manifest.floorTime, 'floorTime')
  const ids = new Set<string>()
  shape.list(manifest.segments, 'segments', (item, path) => {
    const { id } = checkSegmentRef(shape, item, path, floor)
    if (ids.has(id)) shape.fail(`${path}.id`, 'an id that no other segment has', id)
    ids.add(id)
  })
  shape.list(manifest.pins, 'pins', (item, path) => checkPin(shape, item, path))
  const sweep = shape.object(manifest.sweep, 'sweep')
  shape.integer(sweep.count, 'sweep.count', 0)
  if (sweep.id !== null) shape.id(sweep.id, 'sweep.id')
  if (manifest.parent !== undefined) shape.id(manifest.parent, 'parent')
  if (manifest.restores !== undefined) {
    const restores = shape.object(manifest.restores, 'restores')
    shape.id(restores.from, 'restores.from')
    shape.integer(restores.at, 'restores.at', 1)
  }
  if (manifest.abandoned !== undefined && typeof manifest.abandoned !== 'boolean') shape.fail('abandoned', 'true or false', manifest.abandoned)
  if (manifest.content !== undefined) {
    const content = shape.object(manifest.content, 'content')
    shape.integer(content.floor, 'content.floor', 0)
    if (!/^[0-9a-f]{64}$/.test(shape.text(content.sum, 'content.sum'))) shape.fail('content.sum', '64 hexadecimal digits', content.sum)
  }
  return value as Manifest
}

function checkSegmentRef(shape: JsonShape, value: unknown, path: string, floor: number): SegmentRef {
  const ref = shape.object(value, path)
  shape.id(ref.id, `${path}.id`)
  const size = shape.integer(ref.size, `${path}.size`, 0)
  const rowCount = shape.integer(ref.rowCount, `${path}.rowCount`, 0, 0xffffffff)
  const recordCount = shape.integer(ref.recordCount, `${path}.recordCount`, 0, rowCount)
  shape.integer(ref.documentRowCount, `${path}.documentRowCount`, rowCount - recordCount, rowCount - recordCount)
  const seqStart = shape.integer(ref.seqStart, `${path}.seqStart`, 1, floor)
  shape.integer(ref.seqEnd, `${path}.seqEnd`, seqStart, floor)
  checkSections(shape, ref.sections, `${path}.sections`, size)
  if (ref.deletes !== null) {
    const deletes = shape.object(ref.deletes, `${path}.deletes`)
    shape.id(deletes.id, `${path}.deletes.id`)
    const count = shape.integer(deletes.count, `${path}.deletes.count`, 0, rowCount)
    shape.integer(deletes.recordCount, `${path}.deletes.recordCount`, 0, Math.min(count, recordCount))
    if (deletes.owner !== undefined) shape.id(deletes.owner, `${path}.deletes.owner`)
  }
  if (ref.owner !== undefined) shape.id(ref.owner, `${path}.owner`)
  return value as SegmentRef
}

/** Checks a list of sections: names differ, all lie within `size` bytes, in order and apart. */
export function checkSections(shape: JsonShape, value: unknown, path: string, size: number): readonly SectionRef[] {
  const names = new Set<string>()
  let end = 0
  shape.list(value, path, (item, itemPath) => {
    const section = shape.object(item, itemPath)
    const name = shape.text(section.name, `${itemPath}.name`)
    if (names.has(name)) shape.fail(`${itemPath}.name`, 'a name that no other section has', name)
    names.add(name)
    const offset = shape.integer(section.offset, `${itemPath}.offset`, end, size)
    end = offset + shape.integer(section.size, `${itemPath}.size`, 0, size - offset)
    shape.integer(section.checksum, `${itemPath}.checksum`, 0, 0xffffffff)
  })
  return value as readonly SectionRef[]
}

function checkPin(shape: JsonShape, value: unknown, path: string): void {
  const pin = shape.object(value, path)
  shape.text(pin.name, `${path}.name`)
  shape.id(pin.id, `${path}.id`)
  shape.integer(pin.seq, `${path}.seq`, 0)
  shape.oneOf(pin.kind, `${path}.kind`, ['snapshot', 'branch'])
  shape.finite(pin.createdAt, `${path}.createdAt`)
  if (pin.owner !== undefined) shape.id(pin.owner, `${path}.owner`)
}
