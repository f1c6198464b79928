import { toUtf8 } from '../../base/bytes.ts'
import { addTo } from '../../base/groups.ts'
import { decodeMetadata, type Metadata, type Row, type Space, type Stamp } from '../../format/record.ts'
import type { RowCard } from '../../format/row-card.ts'
import { decodeText } from '../../format/segment-sections.ts'
import type { Segment } from '../segment.ts'
import { versionOf, type Include, type RowView } from '../types.ts'
import type { Snapshot } from '../view.ts'

/** Where a live row lies: in the unflushed log, whole, or in a segment, to be read. */
export type RowRef = { readonly row: Row } | { readonly segment: Segment; readonly rowIndex: number; readonly card?: RowCard }

/**
 * Finds the live rows of `keys`. Looks into the memtable before it first waits, so call it right after taking the snapshot.
 * @returns In the order of `keys`; null where a key is absent.
 */
export async function findRows(snapshot: Snapshot, space: Space, keys: readonly string[]): Promise<(RowRef | null)[]> {
  const found: (RowRef | null)[] = keys.map((key) => {
    const row = snapshot.memtable.find(space, key)
    return row ? { row } : null
  })
  if (found.every((ref) => ref !== null)) return found
  const encoded = keys.map((key, i) => (found[i] ? null : toUtf8(key)))
  const sections = await Promise.all(snapshot.segments.map(({ segment }) => segment.keys()))
  snapshot.segments.forEach(({ segment, dead }, s) => {
    encoded.forEach((bytes, i) => {
      if (!bytes) return
      const rowIndex = sections[s]!.find(space, bytes)
      if (rowIndex >= 0 && !dead.has(rowIndex)) found[i] = { segment, rowIndex }
    })
  })
  return found
}

/** When each row was first inserted and last written. */
export async function stampsOf(ref: RowRef): Promise<{ born: Stamp; changed: Stamp }> {
  if ('row' in ref) return ref.row
  const rows = await ref.segment.rows()
  return { born: rows.bornAt(ref.rowIndex), changed: rows.changedAt(ref.rowIndex) }
}

/** Reads what `include` asks for of rows of a snapshot, a segment's together. @returns In the order of `refs`. */
export async function readRows({ collectionId }: Pick<Snapshot, 'collectionId'>, refs: readonly RowRef[], include: Include): Promise<RowView[]> {
  const views = new Array<RowView>(refs.length)
  const bySegment = new Map<Segment, { position: number; rowIndex: number }[]>()
  const carded = new Map<Segment, { position: number; card: RowCard }[]>()
  refs.forEach((ref, position) => {
    if ('row' in ref) {
      const { key, changed, vector, metadata, document } = ref.row
      views[position] = project(key, versionOf(collectionId, changed), vector, metadata, document, include)
      return
    }
    const { segment, rowIndex, card } = ref
    if (card) addTo(carded, segment, { position, card })
    else addTo(bySegment, segment, { position, rowIndex })
  })
  await Promise.all([
    ...[...carded].map(async ([segment, group]) => {
      const cards = group.map(({ card }) => card)
      const texts = cards.filter(({ document }) => document !== null)
      const [vectors, metadata, documents] = await Promise.all([
        include.vector ? segment.vectorsAt(cards, segment.dimension) : null,
        include.metadata ? segment.blobsAt('metadata', cards.map((card) => card.metadata), cards) : null,
        include.document ? segment.blobsAt('documents', texts.map(({ document }) => document!), texts) : null,
      ])
      let text = 0
      group.forEach(({ position, card }, i) => {
        const document = documents && card.document ? decodeText(documents[text++]!, 'documents', card.row, segment.key) : null
        views[position] = project(card.key, versionOf(collectionId, card.changed), vectors?.[i] ?? null, metadata ? decodeMetadata(metadata[i]!, segment.key) : {}, document, include)
      })
    }),
    ...[...bySegment].map(async ([segment, group]) => {
      const rowIndexes = group.map(({ rowIndex }) => rowIndex)
      const [keys, rows, metadata, documents, vectors] = await Promise.all([
        segment.keys(),
        segment.rows(),
        include.metadata ? segment.metadataOf(rowIndexes) : null,
        include.document ? segment.documentsOf(rowIndexes) : null,
        include.vector ? segment.vectorsOf(rowIndexes) : null,
      ])
      group.forEach(({ position, rowIndex }, i) => {
        const version = versionOf(collectionId, rows.changedAt(rowIndex))
        views[position] = project(keys.keyAt(rowIndex), version, vectors?.[i] ?? null, metadata?.[i] ?? {}, documents?.[i] ?? null, include)
      })
    }),
  ])
  return views
}

function project(key: string, version: string, vector: Float32Array | null, metadata: Metadata, document: string | null, include: Include): RowView {
  return {
    key,
    version,
    ...(include.vector && { vector: vector && vector.slice() }),
    ...(include.metadata && { metadata }),
    ...(include.document && { document }),
  }
}
