import { Bitset } from '../../src/base/bitset.ts'
import { decodeDeletes, deletesKey } from '../../src/format/deletes.ts'
import type { Manifest, SegmentRef } from '../../src/format/manifest.ts'
import { segmentKey } from '../../src/format/segment.ts'
import { Segment } from '../../src/engine/segment.ts'
import { SectionCache } from '../../src/engine/section-cache.ts'
import { VectorMemory } from '../../src/engine/vector-memory.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import type { Bucket } from './bucket.ts'
import { inOrder, type Model } from './model.ts'
import { hasEnded, type TrueCollection } from './observer.ts'

/**
 * The invariant: replacing the manifest never changes content. The live rows of every manifest's segments, as they were put, are
 * exactly the model's rows at its floor; every row once.
 */
export async function checkManifests({ id, manifests, log }: TrueCollection, model: Model, bucket: Bucket): Promise<string[]> {
  const problems: string[] = []
  const prefix = `data/${id}/`
  const everPut = new Map<string, Uint8Array>()
  for (const { kind, key, bytes } of bucket.events) if (kind === 'put' && key.startsWith(prefix)) everPut.set(key.slice(prefix.length), bytes!)
  const reader = new SegmentReader(prefix, everPut)
  for (const manifest of manifests) {
    // What has ended holds nothing any more, as soon as a sweep says so.
    if (manifest.floor > log.length || (manifest.state !== 'live' && manifest.segments.length === 0 && hasEnded(log))) continue
    try {
      const rows = await liveRows(manifest, reader, everPut)
      const expected = inOrder(model.states[manifest.floor]!).map(({ key, changed, born }) => `${key}@${changed}<${born}`)
      const found = rows.sort().join('\n')
      if (found !== expected.sort().join('\n')) problems.push(`manifest ${manifest.version} with floor ${manifest.floor} holds ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`)
    } catch (error) {
      problems.push(`manifest ${manifest.version}: ${String(error)}`)
    }
  }
  return problems
}

async function liveRows(manifest: Manifest, reader: SegmentReader, everPut: ReadonlyMap<string, Uint8Array>): Promise<string[]> {
  const live: string[] = []
  for (const ref of manifest.segments) {
    const rows = await reader.read(ref)
    const bytes = ref.deletes && everPut.get(deletesKey(ref.deletes.id))
    if (ref.deletes && !bytes) throw new Error(`${ref.deletes.id} was never put`)
    const dead = bytes ? Bitset.fromBytes(decodeDeletes(bytes, 'deletes', ref).bitmap, ref.rowCount) : null
    rows.forEach((row, i) => void (dead?.has(i) || live.push(row)))
  }
  return live
}

/** Reads every row of a segment, once. */
class SegmentReader {
  readonly #prefix: string
  readonly #everPut: ReadonlyMap<string, Uint8Array>
  readonly #rows = new Map<string, Promise<string[]>>()

  constructor(prefix: string, everPut: ReadonlyMap<string, Uint8Array>) {
    this.#prefix = prefix
    this.#everPut = everPut
  }

  read(ref: SegmentRef): Promise<string[]> {
    let rows = this.#rows.get(ref.id)
    if (!rows) this.#rows.set(ref.id, (rows = this.#read(ref)))
    return rows
  }

  async #read(ref: SegmentRef): Promise<string[]> {
    const bytes = this.#everPut.get(segmentKey(ref.id))
    if (!bytes) throw new Error(`${ref.id} was never put`)
    const store = new MemoryStore({ clock: { now: () => 0, monotonic: () => 0, sleep: () => Promise.resolve() } })
    await store.put(this.#prefix + segmentKey(ref.id), bytes)
    const segment = new Segment(store, this.#prefix, ref, new SectionCache(1 << 20), new VectorMemory(1 << 20))
    const [keys, rows] = await Promise.all([segment.keys(), segment.rows()])
    return Array.from({ length: ref.rowCount }, (_, i) => {
      const [changed, born] = [rows.changedAt(i), rows.bornAt(i)]
      return `${keys.keyAt(i)}@${changed.seq}.${changed.ordinal}<${born.seq}.${born.ordinal}`
    })
  }
}
