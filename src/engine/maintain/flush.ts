import type { Bitset } from '../../base/bitset.ts'
import { concatBytes, toUtf8 } from '../../base/bytes.ts'
import { addTo } from '../../base/groups.ts'
import { newId } from '../../base/random.ts'
import { dataPrefix } from '../../format/catalog-entry.ts'
import type { ContentSummer } from '../../format/content-sum.ts'
import { encodeDeletes, deletesKey } from '../../format/deletes.ts'
import type { ContentSum, DeletesRef, Manifest, SegmentRef } from '../../format/manifest.ts'
import type { Row } from '../../format/record.ts'
import { beginSegment, segmentKey, type BegunSegment } from '../../format/segment.ts'
import type { LoadedManifest } from '../commit/manifest-object.ts'
import { replaceManifest } from '../commit/replace-manifest.ts'
import type { CollectionCore } from '../core.ts'
import { encodeColumns } from '../query/columns.ts'
import { compareStamps } from '../../format/segment-sections.ts'
import type { SegmentState, View } from '../view.ts'
import { contentBefore, removeDied } from './content.ts'
import { SegmentIndexing } from './index-sections.ts'

const attemptsMax = 8

/** What a flush is about to commit: taken from the view in one step, so that writes may go on beside it. */
export interface FlushPlan {
  readonly base: LoadedManifest
  readonly floor: number
  readonly schema: Manifest['schema']
  readonly name: string
  readonly state: Manifest['state']
  /** Live rows of the unflushed log, sorted by insertion. */
  readonly rows: readonly { row: Row; slot: number }[]
  readonly view: View
  readonly changedDeletes: readonly { state: SegmentState; dead: Bitset; recordCount: number }[]
}

/**
 * Moves the unflushed log into a segment and commits by replacing the manifest. Content does not change.
 *
 * Reads the manifest before its first upload; on a lost race it starts again from the new one. It deletes nothing,
 * also not its own output: a manifest put on top of ours may name it (docs/protocol.md, C3).
 * @returns Whether there was anything to flush.
 */
export async function flush(core: CollectionCore): Promise<boolean> {
  const { clock, random } = core.context
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const outcome = await core.manifestLane.run(() => flushOnce(core)).catch(async (error: unknown) => {
      await core.renewAfter(error)
      return 'lost' as const
    })
    if (outcome !== 'lost') return outcome === 'done'
    await clock.sleep(random.next() * 100 * 2 ** attempt)
  }
  return false
}

async function flushOnce(core: CollectionCore): Promise<'done' | 'nothing' | 'lost'> {
  await core.paceManifest()
  await core.refresh()
  await core.reload()
  const plan = await core.lane.run(async () => {
    const view = await core.openInLane()
    return view.seq === view.manifest.floor ? null : planFlush(view)
  })
  if (!plan) return 'nothing'
  const { name, schema, state, floor } = plan
  const uploaded = await uploadFlush(core, plan)
  const { isDone } = await replaceManifest(core, plan.base, { name, schema, state, floor, floorTime: core.context.clock.now(), ...uploaded })
  return isDone ? 'done' : 'lost'
}

/** What of a view no segment holds yet. */
export function planFlush(view: View): FlushPlan {
  const rows: { row: Row; slot: number }[] = []
  for (const space of ['records', 'documents'] as const) {
    view.memtable.liveSlots(space).forEach((slot) => void rows.push({ row: view.memtable.rows[slot]!, slot }))
  }
  rows.sort((a, b) => compareStamps(a.row.born, b.row.born))
  const changedDeletes = view.segments
    .filter(({ died }) => died.records + died.documents > 0)
    .map((state) => {
      const { segment, dead, died } = state
      const recordCount = (segment.ref.deletes?.recordCount ?? 0) + died.records
      return { state, dead: dead.clone(), recordCount }
    })
  const state: Manifest['state'] = view.ended === null ? 'live' : view.ended.kind === 'dropped' ? 'dropped' : { movedTo: view.ended.to }
  return { base: view.loaded, floor: view.seq, schema: view.schema, name: view.name, state, rows, view, changedDeletes }
}

/**
 * Uploads the segment and the bitmaps that a view's unflushed log comes to.
 * @param target The collection whose manifest will name them: the view's own, or a branch of it.
 * @returns what that manifest says of segments, with owners where they lie elsewhere.
 */
export async function uploadFlush(core: CollectionCore, plan: FlushPlan, target: string = core.id): Promise<{ segments: SegmentRef[]; content: ContentSum }> {
  const { store, clock, random } = core.context
  const { manifest } = plan.base
  const prefix = dataPrefix(target)
  const replaced = new Map<string, DeletesRef>()
  await Promise.all(
    plan.changedDeletes.map(async ({ state, dead, recordCount }) => {
      const { ref } = state.segment
      const id = newId(clock.now(), random)
      const count = dead.count()
      await store.put(prefix + deletesKey(id), encodeDeletes({ segmentId: ref.id, rowCount: ref.rowCount, count, bitmap: dead.toBytes() }))
      replaced.set(ref.id, { id, count, recordCount })
    }),
  )
  const content = await contentBefore(core, manifest)
  for (const { state, dead } of plan.changedDeletes) await removeDied(content, state.segment, dead)
  const kept = target === core.id ? manifest.segments : manifest.segments.map((ref) => ownedBy(core.id, ref))
  const segments = kept.map((ref) => (replaced.has(ref.id) ? { ...ref, deletes: replaced.get(ref.id)! } : ref))
  if (plan.rows.length > 0) segments.push(await putSegment(core, prefix, plan, content))
  return { segments, content: { floor: plan.floor, sum: content.toHex() } }
}

/** As another collection names what lies under `holder`. */
export function ownedBy(holder: string, ref: SegmentRef): SegmentRef {
  const deletes = ref.deletes && { ...ref.deletes, owner: ref.deletes.owner ?? holder }
  return { ...ref, owner: ref.owner ?? holder, deletes }
}

async function putSegment(core: CollectionCore, prefix: string, plan: FlushPlan, content: ContentSummer): Promise<SegmentRef> {
  const { store, clock, random } = core.context
  const id = newId(clock.now(), random)
  const rowBySlot = new Map(plan.rows.map(({ slot }, row) => [slot, row]))
  const extra = [
    { name: 'columns', bytes: encodeColumns(plan.rows.map(({ row }) => row.metadata), { skip: new Set(plan.schema.nonFilterableKeys) }) },
    ...[...plan.view.memtable.postings].map(([field, postings]) => ({
      name: `text.${field}`,
      bytes: postings.toBytes((slot) => rowBySlot.get(slot) ?? -1, plan.rows.length),
    })),
  ]
  const rows = plan.rows.map(({ row }) => row)
  const dimension = plan.schema.dimension ?? 0
  const begun = beginSegment({ id, rows, dimension })
  const { checksums, writer } = begun
  for (const section of extra) writer.add(section.name, section.bytes)
  const indexed = Uint32Array.from(rows.flatMap(({ space, vector }, row) => (space === 'records' && vector ? [row] : [])))
  const indexing = SegmentIndexing.start(core.context, indexed, dimension, plan.schema.metric, true)
  if (indexing) await addIndex(indexing, indexed, rows, begun)
  const { bytes, sections } = writer.finish(begun.counts)
  await store.put(prefix + segmentKey(id), bytes)
  rows.forEach(({ space, key, born, changed }, i) => content.add({ space, key: toUtf8(key), born, changed, checksum: checksums[i]! }))
  const recordCount = rows.filter(({ space }) => space === 'records').length
  return {
    id,
    size: bytes.length,
    rowCount: rows.length,
    recordCount,
    documentRowCount: rows.length - recordCount,
    seqStart: plan.base.manifest.floor + 1,
    seqEnd: plan.floor,
    sections,
    deletes: null,
  }
}

async function addIndex(indexing: SegmentIndexing, indexed: Uint32Array, rows: readonly Row[], { writer, indexes, counts }: BegunSegment): Promise<void> {
  for (const row of indexed) indexing.add(rows[row]!.vector!)
  await indexing.build()
  const parts = new Map<string, Uint8Array[]>()
  for await (const { name, bytes } of indexing.sections(indexes, counts.rowCount, segmentKey(counts.id))) {
    addTo(parts, name, bytes)
  }
  for (const [name, pieces] of parts) writer.add(name, concatBytes(pieces))
}
