import { dataPrefix } from '../../src/format/catalog-entry.ts'
import { deletesKey } from '../../src/format/deletes.ts'
import { logKey } from '../../src/format/log-record.ts'
import type { Manifest } from '../../src/format/manifest.ts'
import { segmentKey } from '../../src/format/segment.ts'
import { decodeSnapshot, snapshotKey, type Snapshot } from '../../src/format/snapshot.ts'
import type { Bucket } from './bucket.ts'

/** The newest manifest of each collection. */
export type NewestManifests = ReadonlyMap<string, Manifest>

/**
 * Which objects of the bucket somebody needs, going by the newest manifests of all collections, their snapshots and their branches; and
 * since when the others are not needed any more. Written anew, on purpose: it shares nothing with the engine's walk.
 */
export class Naming {
  /** Objects that were named once and are not any more: since when. */
  readonly retiredAt = new Map<string, number>()
  readonly #bucket: Bucket
  /** Object -> ids of the collections that name it. */
  #named = new Map<string, string[]>()

  constructor(bucket: Bucket) {
    this.#bucket = bucket
  }

  has(key: string): boolean {
    return this.#named.has(key)
  }

  /** Ids of the collections that name an object. */
  namedBy(key: string): readonly string[] {
    return this.#named.get(key) ?? []
  }

  /** Looks at all manifests anew. @returns the keys that collection `id` names. */
  update(manifests: NewestManifests, id: string, at: number): Set<string> {
    const named = new Map<string, string[]>()
    let own = new Set<string>()
    for (const [each, manifest] of manifests) {
      const keys = this.#namesOf(each, manifest, manifests)
      for (const key of keys) named.set(key, [...(named.get(key) ?? []), each])
      if (each === id) own = keys
    }
    for (const key of named.keys()) this.retiredAt.delete(key)
    for (const key of this.#named.keys()) if (!named.has(key) && !isAboveFloor(key, manifests)) this.retiredAt.set(key, at)
    this.#named = named
    return own
  }

  /** What one manifest keeps: as full keys. Whose log has ended keeps nothing for itself, but snapshots for what is still to name them. */
  #namesOf(id: string, manifest: Manifest, manifests: NewestManifests): Set<string> {
    const keys = new Set<string>()
    if (manifest.state === 'live') addObjects(keys, id, manifest)
    const hasHeir = [...manifests.values()].some(({ state, restores }) => state === 'live' && restores?.from === id)
    for (const pin of manifest.pins) {
      // A branch that has a manifest speaks for itself.
      if (pin.kind === 'branch' ? !manifests.has(pin.id) : manifest.state === 'live' || hasHeir) this.#addSnapshot(keys, pin.owner ?? id, pin.id)
    }
    return keys
  }

  #addSnapshot(keys: Set<string>, holder: string, id: string): void {
    const key = dataPrefix(holder) + snapshotKey(id)
    keys.add(key)
    const snapshot = this.readSnapshot(key)
    if (!snapshot) return
    const { manifest, seq } = snapshot
    addObjects(keys, holder, manifest)
    for (let each = manifest.floor + 1; each <= seq; each++) keys.add(dataPrefix(holder) + logKey(each))
  }

  /** Null when it is not there. */
  readSnapshot(key: string): Snapshot | null {
    const object = this.#bucket.objects.get(key)
    return object ? decodeSnapshot(object.bytes, key) : null
  }
}

/** Segments and bitmaps that a manifest of collection `holder` names, wherever they lie. */
export function objectsNamedBy(holder: string, manifest: Manifest): Set<string> {
  const keys = new Set<string>()
  addObjects(keys, holder, manifest)
  return keys
}

function addObjects(keys: Set<string>, holder: string, { segments }: Manifest): void {
  for (const { id, owner, deletes } of segments) {
    keys.add(dataPrefix(owner ?? holder) + segmentKey(id))
    if (deletes) keys.add(dataPrefix(deletes.owner ?? holder) + deletesKey(deletes.id))
  }
}

/** A commit that no segment holds yet is needed, pinned or not. */
function isAboveFloor(key: string, manifests: NewestManifests): boolean {
  const match = /^data\/([^/]+)\/log\/(\d+)$/.exec(key)
  return match !== null && Number(match[2]) > (manifests.get(match[1]!)?.floor ?? 0)
}
