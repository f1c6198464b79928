import { Bitset } from '../../base/bitset.ts'
import { concatBytes } from '../../base/bytes.ts'
import { newId } from '../../base/random.ts'
import { deletesKey, encodeDeletes } from '../../format/deletes.ts'
import type { DeletesRef, Manifest, SegmentRef } from '../../format/manifest.ts'
import { segmentKey } from '../../format/segment.ts'
import type { LoadedManifest } from '../commit/manifest-object.ts'
import { replaceManifest } from '../commit/replace-manifest.ts'
import { survivingUploads } from '../commit/sweep-fence.ts'
import type { CollectionCore } from '../core.ts'
import { SegmentMerge } from './merge-segments.ts'
import { liveBytes, pickEverything, pickMerge } from './pick-merge.ts'
import { readDeletes, SegmentScan } from './segment-scan.ts'

const attemptsMax = 8
/** What is put in one request, for want of reasons to stream it. */
const wholeBytesMax = 8 * 1024 * 1024

/** What a merge made, and of what. */
interface Merged {
  readonly inputs: readonly SegmentRef[]
  /** Rows of each input that were dead when it was merged. */
  readonly dead: readonly Bitset[]
  readonly merge: SegmentMerge
  /** Null when nothing lived. */
  readonly output: SegmentRef | null
}

export interface MergeOptions {
  /** Merges what fits one segment, whether or not it is due. */
  readonly isForced?: boolean
  /** Called every few megabytes. */
  readonly onProgress?: () => Promise<void>
}

/**
 * Replaces several segments by one with the same live rows, if that is due. Content does not change.
 *
 * Rows that died while it worked are carried over: it commits only if each input's bitmap now is a superset of the one it merged,
 * and the difference goes through the merge's row map into a bitmap of its output (docs/protocol.md, D2).
 * @returns whether segments were replaced.
 */
export async function merge(core: CollectionCore, { isForced = false, onProgress }: MergeOptions = {}): Promise<boolean> {
  const { settings } = core.context
  // Read before the first upload: what a sweep counts from here on concerns what is uploaded below.
  const base = await core.readManifest()
  if (base.manifest.state !== 'live') return false
  const inputs = (isForced ? pickEverything : pickMerge)(base.manifest.segments, settings)
  if (!inputs) return false
  try {
    const merged = await writeMerged(core, base.manifest, inputs, onProgress)
    return await core.manifestLane.run(() => commitMerge(core, base, merged))
  } catch (error) {
    // Others merged the inputs, and they were swept, while this process slept.
    await core.renewAfter(error)
    return false
  }
}

async function writeMerged(core: CollectionCore, manifest: Manifest, inputs: readonly SegmentRef[], onProgress: MergeOptions['onProgress']): Promise<Merged> {
  const { store, clock, random } = core.context
  const [scans, dead] = await Promise.all([
    Promise.all(inputs.map((ref) => SegmentScan.open(store, core.id, ref))),
    Promise.all(inputs.map((ref) => readDeletes(store, core.id, ref))),
  ])
  const id = newId(clock.now(), random)
  const merge = new SegmentMerge(id, scans, dead, manifest.schema, core.context)
  if (merge.order.rowCount === 0) return { inputs, dead, merge, output: null }
  const isSmall = inputs.reduce((sum, ref) => sum + liveBytes(ref), 0) <= wholeBytesMax
  const size = await putChunks(core, segmentKey(id), watched(merge.chunks(), onProgress), isSmall)
  const { rowCount } = merge.order
  const output: SegmentRef = {
    id,
    size,
    rowCount,
    recordCount: merge.recordCount,
    documentRowCount: rowCount - merge.recordCount,
    seqStart: Math.min(...inputs.map(({ seqStart }) => seqStart)),
    seqEnd: Math.max(...inputs.map(({ seqEnd }) => seqEnd)),
    sections: merge.sections,
    deletes: null,
  }
  return { inputs, dead, merge, output }
}

async function* watched(chunks: AsyncIterable<Uint8Array>, onProgress: MergeOptions['onProgress']): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    yield chunk
    await onProgress?.()
  }
}

/** @returns the object's size. */
async function putChunks(core: CollectionCore, key: string, chunks: AsyncIterable<Uint8Array>, isSmall: boolean): Promise<number> {
  const { store } = core.context
  let size = 0
  if (store.upload && !isSmall) {
    const counted = async function* () {
      for await (const chunk of chunks) {
        size += chunk.length
        yield chunk
      }
    }
    await store.upload(core.prefix + key, counted())
    return size
  }
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  const bytes = concatBytes(parts)
  await store.put(core.prefix + key, bytes)
  return bytes.length
}

async function commitMerge(core: CollectionCore, base: LoadedManifest, merged: Merged): Promise<boolean> {
  const { clock, random } = core.context
  const { output } = merged
  // What this process has put meanwhile need not be lost against first.
  let current = newer(base, (await core.open()).loaded)
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    await core.paceManifest()
    const { manifest } = current
    if (output) {
      const survivors = await survivingUploads(core, base.manifest.sweep, manifest.sweep, [segmentKey(output.id)])
      if (survivors.size === 0) return false
    }
    const died = await diedSince(core, manifest, merged)
    if (!died) return false
    const segments = replaceSegments(manifest.segments, merged, output && { ...output, deletes: await putDeletes(core, output, merged.merge, died) })
    const { isDone, standing } = await replaceManifest(core, current, { segments })
    if (isDone) return true
    current = newer(current, standing)
    await clock.sleep(random.next() * 50 * 2 ** attempt)
  }
  return false
}

function newer(a: LoadedManifest, b: LoadedManifest): LoadedManifest {
  return b.manifest.version > a.manifest.version ? b : a
}

/**
 * The output's rows that died since their input was merged; null when the merge must not be committed, because an input is
 * gone or a row that it left out lives again.
 */
async function diedSince(core: CollectionCore, manifest: Manifest, { inputs, dead, merge }: Merged): Promise<Bitset | null> {
  const died = new Bitset(merge.order.rowCount)
  for (const [i, input] of inputs.entries()) {
    const now = manifest.segments.find(({ id, owner }) => id === input.id && owner === input.owner)
    if (!now) return null
    if (now.deletes?.id === input.deletes?.id) continue
    const deadNow = await readDeletes(core.context.store, core.id, now)
    if (!dead[i]!.clone().andNot(deadNow).isEmpty()) return null
    const map = merge.order.maps[i]!
    deadNow.andNot(dead[i]!).forEach((row) => void died.set(map[row]!))
  }
  return died
}

async function putDeletes(core: CollectionCore, output: SegmentRef, merge: SegmentMerge, died: Bitset): Promise<DeletesRef | null> {
  const count = died.count()
  if (count === 0) return null
  const { store, clock, random } = core.context
  const id = newId(clock.now(), random)
  let recordCount = 0
  died.forEach((row) => void (merge.isRecord(row) && recordCount++))
  await store.put(core.prefix + deletesKey(id), encodeDeletes({ segmentId: output.id, rowCount: output.rowCount, count, bitmap: died.toBytes() }))
  return { id, count, recordCount }
}

/** The output stands where the first of its inputs stood. */
function replaceSegments(segments: readonly SegmentRef[], { inputs }: Merged, output: SegmentRef | null): SegmentRef[] {
  const gone = new Set(inputs.map(({ id }) => id))
  const first = segments.findIndex(({ id }) => gone.has(id))
  return segments.flatMap((ref, i) => (!gone.has(ref.id) ? [ref] : i === first && output ? [output] : []))
}
