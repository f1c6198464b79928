import { isWindlassError } from '../base/errors.ts'
import { claimed } from './claim.ts'
import { ContentCheck } from './content-check.ts'
import type { ModelTiers } from './context.ts'
import { absentEverywhere } from './file-flight.ts'
import type { ModelBucket } from './model-bucket.ts'
import { fileOf, type ModelFile, type ModelManifest } from './model-manifest.ts'

/** The range [start, end) of a file past the disk: from the bucket, which is filled from the hub first where it lacks the file. */
export async function* readDirectly(tiers: ModelTiers, manifest: ModelManifest, file: ModelFile, { start, end, signal }: { start: number; end: number; signal?: AbortSignal | undefined }): AsyncGenerator<Uint8Array> {
  const { bucket, hub, journal, clock } = tiers
  const started = clock.monotonic()
  if (bucket) {
    const stored = await storedIn(tiers, bucket, manifest, file).catch((error: unknown) => {
      if (!hub || !isWindlassError(error, 'denied', 'unavailable', 'corrupt', 'unsupported')) throw error
      journal.problem('bucket-write', error)
      return null
    })
    if (stored) {
      let given = false
      try {
        for await (const bytes of bucket.read(stored, { start, end, signal })) {
          given = true
          yield bytes
        }
        journal.fetched(manifest.repository, file.path, 'bucket', end - start, clock.monotonic() - started)
        return
      } catch (error) {
        if (given || !hub || !isWindlassError(error, 'corrupt')) throw error
        journal.problem('damaged', error)
        await fillBucket(tiers, bucket, manifest, { ...file, isStored: true })
        yield* bucket.read(stored, { start, end, signal })
        return
      }
    }
  }
  if (!hub) throw absentEverywhere(manifest, file, bucket?.store.url)
  yield* cutTo(fromHub(tiers, manifest, file), start, end)
  journal.fetched(manifest.repository, file.path, 'hub', file.sizeBytes, clock.monotonic() - started)
}

/** The file as the bucket has it; put there if nobody has. Null where there is no hub to put it there from. */
async function storedIn(tiers: ModelTiers, bucket: ModelBucket, manifest: ModelManifest, file: ModelFile): Promise<ModelFile | null> {
  if (file.isStored) return file
  const find = async () => {
    const current = await bucket.manifest(manifest.repository, manifest.commit)
    const found = current && fileOf(current.manifest, file.path)
    return found?.isStored ? found : null
  }
  const found = await find()
  if (found || !tiers.hub) return found
  return claimed(`claims/${file.oid.replace(':', '-')}`, { ...tiers, store: bucket.store, signal: tiers.closing }, find, () => fillBucket(tiers, bucket, manifest, file))
}

/** Puts a file of the hub into the bucket past the disk; what is there is replaced. */
export async function fillBucket(tiers: ModelTiers, bucket: ModelBucket, manifest: ModelManifest, file: ModelFile): Promise<ModelFile> {
  const { clock, journal, closing } = tiers
  const started = clock.monotonic()
  // A small file is held until it is written anyway; of a large one the key is only known when it is known from the hub's list.
  const check = new ContentCheck(file)
  const checked = async function* () {
    for await (const bytes of tiers.hub!.read(manifest.repository, manifest.commit, file, 0, closing)) {
      check.update(bytes)
      yield bytes
    }
    content = check.finish(tiers.hub!.endpoint)
  }
  let content: ReturnType<ContentCheck['finish']> | null = null
  if (file.sha256 !== null) await bucket.write(file.sha256, file.sizeBytes, checked(), { isBroken: true, signal: closing })
  else {
    const parts: Uint8Array[] = []
    for await (const bytes of checked()) parts.push(bytes)
    const whole = async function* () {
      yield* parts
    }
    await bucket.write(content!.sha256, file.sizeBytes, whole(), { signal: closing })
  }
  journal.fetched(manifest.repository, file.path, 'hub', file.sizeBytes, clock.monotonic() - started)
  const known = { sha256: content!.sha256, parts: content!.parts, isStored: true }
  await bucket.updateFiles(manifest, new Map([[file.oid, known]]))
  journal.stored(manifest.repository, file.path, file.sizeBytes, clock.monotonic() - started)
  return { ...file, ...known }
}

/** All of a file, its last chunk only when everything was right. */
async function* fromHub(tiers: ModelTiers, manifest: ModelManifest, file: ModelFile): AsyncGenerator<Uint8Array> {
  const check = new ContentCheck(file)
  let held: Uint8Array | null = null
  for await (const bytes of tiers.hub!.read(manifest.repository, manifest.commit, file, 0, tiers.closing)) {
    check.update(bytes)
    if (held) yield held
    held = bytes
  }
  check.finish(tiers.hub!.endpoint)
  if (held) yield held
}

async function* cutTo(chunks: AsyncIterable<Uint8Array>, start: number, end: number): AsyncGenerator<Uint8Array> {
  let at = 0
  for await (const bytes of chunks) {
    const part = bytes.subarray(Math.max(0, start - at), Math.max(0, end - at))
    at += bytes.length
    if (part.length > 0) yield part
  }
}
