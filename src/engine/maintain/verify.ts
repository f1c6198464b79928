import { isWindlassError, messageOf } from '../../base/errors.ts'
import { ContentSummer } from '../../format/content-sum.ts'
import { decodeDeletes, deletesKey } from '../../format/deletes.ts'
import { decodeLogRecord, logKey } from '../../format/log-record.ts'
import { decodeManifest, manifestKey, type SegmentRef } from '../../format/manifest.ts'
import { decodeMetadata, rowChecksum } from '../../format/record.ts'
import { segmentKey } from '../../format/segment.ts'
import { decodeText } from '../../format/segment-sections.ts'
import { viewF32 } from '../../format/typed-views.ts'
import { dataPrefix } from '../../format/catalog-entry.ts'
import type { CollectionCore } from '../core.ts'
import type { View } from '../view.ts'
import { summedRow } from './content.ts'
import { readDeletes, SegmentScan } from './segment-scan.ts'
import { readLastPlan } from './sweep.ts'

/** What a verification read, and what was wrong with it. */
export interface Verification {
  readonly objectCount: number
  readonly sizeBytes: number
  readonly problems: { readonly object: string; readonly message: string }[]
  /** What looks odd and is not damage: objects that belong to no state of the collection. */
  readonly notes: { readonly object: string; readonly message: string }[]
}

/** Of one segment, problems beyond this many are counted only: one lost page damages thousands of rows. */
const rowProblemsMax = 10

/**
 * Reads manifest, log tail, segments and bitmaps of a view, and checks every checksum: of objects and sections, of every row by its
 * content, and of the collection as a whole. A few megabytes at a time.
 */
export async function verifyCollection(core: CollectionCore, view: View): Promise<Verification> {
  const verifier = new Verifier(core)
  const { manifest } = view
  await verifier.check(core.prefix + manifestKey, (bytes, key) => void decodeManifest(bytes, key))
  for (const { record } of view.tail) await verifier.check(core.prefix + logKey(record.seq), (bytes, key) => void decodeLogRecord(bytes, key, record.seq))
  for (const ref of manifest.segments) await verifier.checkSegment(ref)
  if (manifest.content?.floor === manifest.floor) verifier.checkSum(manifest.content.sum)
  const last = await readLastPlan(core)
  for (const seq of last?.plan.breaches ?? []) {
    // Its writer was told that it failed, or died: what was acknowledged never lies there.
    verifier.notes.push({ object: logKey(seq), message: 'written below the floor after it had been swept, by a writer that stalled past every fence: it is not part of the collection, and was never acknowledged' })
  }
  return verifier
}

/** Checks objects and segments one after the other, and keeps what it found. */
export class Verifier implements Verification {
  objectCount = 0
  sizeBytes = 0
  readonly problems: { object: string; message: string }[] = []
  readonly notes: { object: string; message: string }[] = []
  readonly #core: CollectionCore
  readonly #sum = new ContentSummer()
  #hasWholeSum = true

  constructor(core: CollectionCore) {
    this.#core = core
  }

  /** @param key Reported without the collection's own prefix. */
  report(key: string, message: string): void {
    const { prefix } = this.#core
    this.problems.push({ object: key.startsWith(prefix) ? key.slice(prefix.length) : key, message })
  }

  /** Reads an object and tests it. */
  async check(key: string, test: (bytes: Uint8Array, key: string) => void): Promise<boolean> {
    this.objectCount++
    return this.#attempt(key, async () => {
      const answer = await this.#core.context.store.get(key, { fresh: true })
      if (answer.kind !== 'found') throw new Error('missing')
      this.sizeBytes += answer.size
      test(answer.bytes, key)
    })
  }

  /** Reads a segment and its bitmap, and checks every row against its content. */
  async checkSegment(ref: SegmentRef): Promise<void> {
    const { store } = this.#core.context
    const { deletes } = ref
    const key = dataPrefix(ref.owner ?? this.#core.id) + segmentKey(ref.id)
    let isBitmapRight = true
    if (deletes) isBitmapRight = await this.check(dataPrefix(deletes.owner ?? this.#core.id) + deletesKey(deletes.id), (bytes, at) => void decodeDeletes(bytes, at, ref))
    this.objectCount++
    this.sizeBytes += ref.size
    let isRight = false
    await this.#attempt(key, async () => {
      const scan = await SegmentScan.open(store, this.#core.id, ref)
      // What follows reads vectors, metadata and documents row by row; the rest as wholes, the vector index in pieces.
      for (const { name } of ref.sections) {
        if (name.startsWith('vector-')) await this.#attempt(`${key}#${name}`, () => scan.checkSection(name))
        if (name === 'columns' || name.startsWith('text.')) await this.#attempt(`${key}#${name}`, async () => void (await scan.section(name)))
      }
      await this.#attempt(`${key}#directory`, async () => void (await scan.directory()))
      isRight = await this.#checkRows(key, scan)
      if (!isBitmapRight) return
      const dead = await readDeletes(store, this.#core.id, ref)
      for (let row = 0; row < ref.rowCount; row++) if (!dead.has(row)) this.#sum.add(summedRow(scan.rows, scan.keys, row))
    })
    this.#hasWholeSum &&= isRight && isBitmapRight
  }

  /** Whether the rows add up to what the manifest says. Says nothing where a segment could not be read: that was reported. */
  checkSum(expected: string): void {
    const found = this.#sum.toHex()
    if (this.#hasWholeSum && found !== expected) this.report(manifestKey, `the rows of its segments add up to ${found}, expected ${expected}: rows are lost, doubled or alive again`)
  }

  /** Computes every row's checksum from its content. @returns whether all are right. */
  async #checkRows(key: string, scan: SegmentScan): Promise<boolean> {
    const { rows, keys, ref } = scan
    const [metadata, documents, vectors] = [scan.blobs('metadata'), scan.blobs('documents'), scan.vectors()]
    let wrongCount = 0
    for (let row = 0; row < ref.rowCount; row++) {
      const isRight = await this.#attempt(
        `${key}#row ${row}`,
        async () => {
          const encoded = await metadata(row)
          const text = await documents(row)
          const vector = await vectors(row)
          const content = {
            space: rows.spaceAt(row),
            key: keys.keyAt(row),
            vector: rows.hasVector(row) ? viewF32(vector, 0, scan.dimension) : null,
            metadata: decodeMetadata(encoded, key),
            document: rows.hasDocument(row) ? decodeText(text, 'documents', row, key) : null,
          }
          if (rowChecksum(content, encoded) !== rows.checksumAt(row)) throw new Error(`${JSON.stringify(content.key)} is not what was written: its checksum differs`)
        },
        wrongCount < rowProblemsMax,
      )
      if (!isRight) wrongCount++
    }
    if (wrongCount > rowProblemsMax) this.report(key, `${wrongCount - rowProblemsMax} more rows are damaged`)
    return wrongCount === 0
  }

  async #attempt(object: string, task: () => Promise<void>, isReported = true): Promise<boolean> {
    try {
      await task()
      return true
    } catch (error) {
      // An answer that the store did not give says nothing about the object.
      if (isWindlassError(error, 'unavailable', 'denied', 'unauthenticated', 'cancelled')) throw error
      if (isReported) this.report(object, messageOf(error))
      return false
    }
  }
}
