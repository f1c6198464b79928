import type { FieldNames } from './fields.ts'
import { KeyTable } from './key-table.ts'
import type { Layout } from './layout.ts'
import type { LegacySource } from './legacy-source.ts'
import { placeOf } from './move-records.ts'
import { checkRecord, type MovedRecord, type Problem } from './record.ts'
import type { RecordSource } from './source.ts'

/** What the first objects look like: shown to a person, who says whether it is right. */
export interface LayoutSample {
  readonly objects: number
  readonly records: number
  readonly layouts: Readonly<Partial<Record<Layout, number>>>
  /** Under which names the parts were found, the most frequent first; `file name` for an id that is the object's. */
  readonly fields: Readonly<Record<keyof FieldNames, readonly string[]>>
  readonly dimensions: readonly DimensionCount[]
  /** As the records say, the most frequent first. */
  readonly models: readonly string[]
  readonly example: { readonly key: string; readonly metadata: unknown; readonly text: string | null } | null
  readonly withText: readonly MovedRecord[]
  readonly problems: readonly Problem[]
}

export interface DimensionCount {
  readonly dimension: number
  readonly records: number
}

/** Everything in a source, read once and written nowhere. */
export interface Scan {
  readonly records: number
  readonly duplicates: number
  readonly unreadable: number
  /** Of vectors, metadata and texts, as they will be stored. */
  readonly sizeBytes: number
  readonly dimensions: readonly DimensionCount[]
  readonly problems: readonly Problem[]
  readonly duplicateKeys: readonly string[]
}

const sampleObjects = 40
const sampleItems = 400
const textsKept = 16
const toldMax = 100

/** Looks at the first objects of a home-made layout. */
export async function sampleLayout(source: LegacySource): Promise<LayoutSample> {
  const objects = new Set<string>()
  const layouts: Partial<Record<Layout, number>> = {}
  const names: Record<keyof FieldNames, Map<string, number>> = { vector: new Map(), id: new Map(), text: new Map(), metadata: new Map() }
  const dimensions = new Map<number, number>()
  const models = new Map<string, number>()
  const problems: Problem[] = []
  const withText: MovedRecord[] = []
  let [records, items] = [0, 0]
  let example: LayoutSample['example'] = null
  for await (const { object, index, layout, read } of source.look(null)) {
    if ((objects.size === sampleObjects && !objects.has(object)) || items++ >= sampleItems) break
    objects.add(object)
    if ('reason' in read) {
      problems.push({ where: index === undefined ? object : `${object}, item ${index + 1}`, reason: read.reason })
      continue
    }
    records++
    layouts[layout] = (layouts[layout] ?? 0) + 1
    const { record, used, model } = read
    for (const part of ['vector', 'text', 'metadata'] as const) if (used[part] !== undefined) count(names[part], used[part])
    count(names.id, used.id ?? 'file name')
    count(dimensions, record.vector.length)
    if (model !== undefined) count(models, model)
    if (record.document !== undefined && withText.length < textsKept) withText.push(record)
    example ??= { key: record.key, metadata: record.metadata, text: record.document ?? null }
  }
  const fields = { vector: ranked(names.vector), id: ranked(names.id), text: ranked(names.text), metadata: ranked(names.metadata) }
  return { objects: objects.size, records, layouts, fields, dimensions: countsOf(dimensions), models: ranked(models), example, withText, problems }
}

/** Reads all of a source. @param dimension What records must have; null: what most have. */
export async function scanSource(source: RecordSource, { dimension, check = checkRecord, onProgress }: { dimension: number | null; check?: (record: MovedRecord) => string | null; onProgress?: (read: number) => void }): Promise<Scan> {
  const seen = new KeyTable()
  const dimensions = new Map<number, number>()
  const problems: Problem[] = []
  const duplicateKeys: string[] = []
  let [records, duplicates, unreadable, sizeBytes, read] = [0, 0, 0, 0, 0]
  const tell = (problem: Problem) => {
    unreadable++
    if (problems.length < toldMax) problems.push(problem)
  }
  for await (const item of source.read(null)) {
    if (++read % 1000 === 0) onProgress?.(read)
    if ('problem' in item) {
      tell(item.problem)
      continue
    }
    const { key, vector, metadata, document = '' } = item.record
    count(dimensions, vector.length)
    const wrong = dimension !== null && vector.length !== dimension ? `the vector has ${vector.length} values, expected ${dimension}` : check(item.record)
    if (wrong !== null) tell({ where: placeOf(item.where, key), reason: wrong })
    else if (!seen.add(key)) {
      duplicates++
      if (duplicateKeys.length < toldMax) duplicateKeys.push(key)
    } else {
      records++
      sizeBytes += 4 * vector.length + key.length + JSON.stringify(metadata, plain).length + document.length
    }
  }
  return { records, duplicates, unreadable, sizeBytes, dimensions: countsOf(dimensions), problems, duplicateKeys }
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function ranked(counts: Map<string, number>): string[] {
  return [...counts].sort(([, a], [, b]) => b - a).map(([name]) => name)
}

function countsOf(dimensions: Map<number, number>): DimensionCount[] {
  return [...dimensions].sort(([, a], [, b]) => b - a).map(([dimension, records]) => ({ dimension, records }))
}

function plain(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}
