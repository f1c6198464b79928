import { isWindlassError, messageOf } from '../../base/errors.ts'
import { decodeDeletes, deletesKey } from '../../format/deletes.ts'
import { decodeLogRecord, logKey } from '../../format/log-record.ts'
import { decodeManifest, manifestKey } from '../../format/manifest.ts'
import { segmentKey, verifySection } from '../../format/segment.ts'
import type { CollectionCore } from '../core.ts'
import type { View } from '../view.ts'
import { readLastPlan } from './sweep.ts'

/** What a verification read, and what was wrong with it. */
export interface Verification {
  readonly objectCount: number
  readonly sizeBytes: number
  readonly problems: { readonly object: string; readonly message: string }[]
}

/** Reads manifest, log tail, segments and bitmaps of a view, and checks every checksum; sections one at a time, so memory is bounded. */
export async function verifyCollection(core: CollectionCore, view: View): Promise<Verification> {
  const { store } = core.context
  const problems: Verification['problems'] = []
  let objectCount = 0
  let sizeBytes = 0
  const check = async (key: string, test: (bytes: Uint8Array) => void) => {
    objectCount++
    await attempt(key, problems, async () => {
      const answer = await store.get(core.prefix + key, { fresh: true })
      if (answer.kind !== 'found') throw new Error('missing')
      sizeBytes += answer.size
      test(answer.bytes)
    })
  }
  await check(manifestKey, (bytes) => void decodeManifest(bytes, core.prefix + manifestKey))
  for (const { record } of view.tail) {
    const key = logKey(record.seq)
    await check(key, (bytes) => void decodeLogRecord(bytes, core.prefix + key, record.seq))
  }
  for (const { segment } of view.segments) {
    const { ref } = segment
    const key = segmentKey(ref.id)
    objectCount++
    for (const section of ref.sections) {
      await attempt(`${key}#${section.name}`, problems, async () => {
        const range = { start: section.offset, end: section.offset + section.size }
        const answer = await store.get(core.prefix + key, { fresh: true, range })
        if (answer.kind !== 'found') throw new Error('missing')
        sizeBytes += answer.bytes.length
        verifySection(answer.bytes, section, core.prefix + key)
      })
    }
    if (ref.deletes) {
      const { id } = ref.deletes
      await check(deletesKey(id), (bytes) => void decodeDeletes(bytes, core.prefix + deletesKey(id), ref))
    }
  }
  const last = await readLastPlan(core)
  for (const seq of last?.plan.breaches ?? []) {
    problems.push({ object: logKey(seq), message: 'written below the floor after it had been swept, by a writer that stalled past every fence: it is not part of the collection' })
  }
  return { objectCount, sizeBytes, problems }
}

async function attempt(object: string, problems: Verification['problems'], task: () => Promise<void>): Promise<void> {
  try {
    await task()
  } catch (error) {
    // An answer that the store did not give says nothing about the object.
    if (isWindlassError(error, 'unavailable', 'denied', 'unauthenticated', 'cancelled')) throw error
    problems.push({ object, message: messageOf(error) })
  }
}
