import { Bitset } from '../../src/base/bitset.ts'
import { dataPrefix } from '../../src/format/catalog-entry.ts'
import { decodeDeletes, deletesKey } from '../../src/format/deletes.ts'
import type { Manifest, SegmentRef } from '../../src/format/manifest.ts'
import { segmentKey } from '../../src/format/segment.ts'
import { SegmentScan } from '../../src/engine/maintain/segment-scan.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import type { Bucket } from './bucket.ts'
import { inOrder, type Model } from './model.ts'
import { hasEnded, lastSeqOf, type TrueCollection } from './observer.ts'

/**
 * The invariant: replacing the manifest never changes content. The live rows of every manifest's segments, as they were put, are
 * exactly the model's rows at its floor; every row once.
 */
export async function checkManifests(collection: TrueCollection, model: Model, reader: SegmentReader): Promise<string[]> {
  const problems: string[] = []
  const { id, manifests, log } = collection
  for (const manifest of manifests) {
    // What has ended holds nothing any more, as soon as a sweep says so; what was given up never did.
    const isEmptied = manifest.state !== 'live' && manifest.segments.length === 0
    if (manifest.floor > lastSeqOf(collection) || (isEmptied && (hasEnded(log) || log.length === 0))) continue
    try {
      const rows = await reader.liveRows(id, manifest)
      const expected = inOrder(model.at(manifest.floor)).map(({ key, changed, born }) => `${key}@${changed}<${born}`)
      const found = rows.sort().join('\n')
      if (found !== expected.sort().join('\n')) problems.push(`manifest ${manifest.version} of ${id} with floor ${manifest.floor} holds ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`)
    } catch (error) {
      problems.push(`manifest ${manifest.version} of ${id}: ${String(error)}`)
    }
  }
  return problems
}

/** Reads every row of a segment, once, as it was put, whether or not it has been swept since. */
export class SegmentReader {
  readonly #everPut = new Map<string, Uint8Array>()
  readonly #rows = new Map<string, Promise<string[]>>()

  constructor({ events }: Bucket) {
    for (const { kind, key, bytes } of events) if (kind === 'put' && /\/(segments|deletes)\//.test(key)) this.#everPut.set(key, bytes!)
  }

  /** The live rows of a manifest of collection `holder`. */
  async liveRows(holder: string, manifest: Manifest): Promise<string[]> {
    const live: string[] = []
    for (const ref of manifest.segments) {
      const { deletes, owner = holder } = ref
      const rows = await this.#read(owner, ref)
      const dead = deletes ? Bitset.fromBytes(decodeDeletes(this.#bytes(dataPrefix(deletes.owner ?? holder) + deletesKey(deletes.id)), 'deletes', ref).bitmap, ref.rowCount) : null
      rows.forEach((row, i) => void (dead?.has(i) || live.push(row)))
    }
    return live
  }

  #read(owner: string, ref: SegmentRef): Promise<string[]> {
    let rows = this.#rows.get(ref.id)
    if (!rows) this.#rows.set(ref.id, (rows = this.#scan(owner, ref)))
    return rows
  }

  async #scan(owner: string, ref: SegmentRef): Promise<string[]> {
    const key = dataPrefix(owner) + segmentKey(ref.id)
    const store = new MemoryStore({ clock: { now: () => 0, monotonic: () => 0, sleep: () => Promise.resolve() } })
    await store.put(key, this.#bytes(key))
    const { keys, rows } = await SegmentScan.open(store, owner, ref)
    return Array.from({ length: ref.rowCount }, (_, i) => {
      const [changed, born] = [rows.changedAt(i), rows.bornAt(i)]
      return `${keys.keyAt(i)}@${changed.seq}.${changed.ordinal}<${born.seq}.${born.ordinal}`
    })
  }

  #bytes(key: string): Uint8Array {
    const bytes = this.#everPut.get(key)
    if (!bytes) throw new Error(`${key} was never put`)
    return bytes
  }
}
