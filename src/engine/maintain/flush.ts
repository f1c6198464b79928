import type { Bitset } from '../../base/bitset.ts'
import { toUtf8 } from '../../base/bytes.ts'
import { newId } from '../../base/random.ts'
import type { ContentSummer } from '../../format/content-sum.ts'
import { encodeDeletes, deletesKey } from '../../format/deletes.ts'
import type { Manifest, SegmentRef } from '../../format/manifest.ts'
import type { Row } from '../../format/record.ts'
import { encodeSegment, segmentKey } from '../../format/segment.ts'
import type { LoadedManifest } from '../commit/manifest-object.ts'
import { replaceManifest } from '../commit/replace-manifest.ts'
import type { CollectionCore } from '../core.ts'
import { encodeColumns } from '../query/columns.ts'
import { compareStamps } from '../query/list.ts'
import type { SegmentState, View } from '../view.ts'
import { contentBefore, removeDied } from './content.ts'

const attemptsMax = 8

/** What a flush is about to commit: taken from the view in one step, so that writes may go on beside it. */
interface FlushPlan {
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
    const outcome = await core.manifestLane.run(() => flushOnce(core))
    if (outcome !== 'lost') return outcome === 'done'
    await clock.sleep(random.next() * 100 * 2 ** attempt)
  }
  return false
}

async function flushOnce(core: CollectionCore): Promise<'done' | 'nothing' | 'lost'> {
  await core.paceManifest()
  await core.refresh()
  await core.reload()
  const plan = await core.lane.run(async () => planFlush(await core.openInLane()))
  if (!plan) return 'nothing'
  return (await commitFlush(core, plan)) ? 'done' : 'lost'
}

function planFlush(view: View): FlushPlan | null {
  if (view.seq === view.manifest.floor) return null
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

async function commitFlush(core: CollectionCore, plan: FlushPlan): Promise<boolean> {
  const { store, clock, random } = core.context
  const { manifest } = plan.base
  const replaced = new Map<string, SegmentRef>()
  await Promise.all(
    plan.changedDeletes.map(async ({ state, dead, recordCount }) => {
      const { ref } = state.segment
      const id = newId(clock.now(), random)
      const count = dead.count()
      const object = encodeDeletes({ segmentId: ref.id, rowCount: ref.rowCount, count, bitmap: dead.toBytes() })
      await store.put(core.prefix + deletesKey(id), object)
      replaced.set(ref.id, { ...ref, deletes: { id, count, recordCount } })
    }),
  )
  const content = await contentBefore(core, manifest)
  for (const { state, dead } of plan.changedDeletes) await removeDied(content, state.segment, dead)
  const added = plan.rows.length > 0 ? [await putSegment(core, plan, content)] : []
  const { isDone } = await replaceManifest(core, plan.base, {
    name: plan.name,
    schema: plan.schema,
    state: plan.state,
    floor: plan.floor,
    floorTime: clock.now(),
    segments: [...manifest.segments.map((ref) => replaced.get(ref.id) ?? ref), ...added],
    content: { floor: plan.floor, sum: content.toHex() },
  })
  return isDone
}

async function putSegment(core: CollectionCore, plan: FlushPlan, content: ContentSummer): Promise<SegmentRef> {
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
  const { bytes, sections, checksums } = encodeSegment({ id, rows, dimension: plan.schema.dimension ?? 0, extraSections: extra })
  await store.put(core.prefix + segmentKey(id), bytes)
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
