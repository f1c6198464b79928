import { isWindlassError, WindlassError } from '../../base/errors.ts'
import { decodeManifest, manifestKey, pastManifestKey, type Manifest } from '../../format/manifest.ts'
import { Catalog } from '../catalog.ts'
import type { CollectionCore } from '../core.ts'
import type { LoadedManifest } from './manifest-object.ts'
import { nextManifest, putIfAbsent, putNextManifest } from './next-manifest.ts'

/** What came of a manifest put. `standing`: the newest manifest that was seen. */
export interface Replaced {
  readonly isDone: boolean
  readonly standing: LoadedManifest
}

/**
 * Replaces the manifest that `base` is, by compare-and-swap, after putting aside a copy of it: the way back from a lost
 * manifest, and to a point in time (docs/protocol.md, D4). Version, nonce and past nonces are seen to here.
 *
 * Whoever loses deletes nothing, also not its own output: a manifest put on top of ours may name it (C3).
 * @throws {WindlassError} `not-found` when nothing is left of the collection.
 * @returns whether the change stands, perhaps under later versions: a lost answer is told from a lost race by our nonce.
 */
export async function replaceManifest(core: CollectionCore, base: LoadedManifest, change: Partial<Manifest>): Promise<Replaced> {
  const { store, random } = core.context
  const { manifest } = base
  const key = core.prefix + manifestKey
  const next = nextManifest(base, change, random)
  await putIfAbsent(core, core.prefix + pastManifestKey(manifest.version), base.bytes)
  core.noteManifestPut()
  try {
    const standing = await putNextManifest(core.context, base, next)
    await core.tryAdopt(standing)
    return { isDone: true, standing }
  } catch (error) {
    if (!isWindlassError(error, 'conflict', 'outcome-unknown', 'unavailable')) throw error
    const answer = await store.get(key, { fresh: true })
    // What stood when it was read last is gone only if all of the collection is.
    if (answer.kind !== 'found') {
      await markGone(core)
      throw new WindlassError('not-found', `${store.url}: ${key} is gone: collection ${JSON.stringify(manifest.name)} (${core.id}) was dropped, and removed`, { key, cause: error })
    }
    const standing = { manifest: decodeManifest(answer.bytes, key), bytes: answer.bytes, etag: answer.etag, date: answer.date }
    await core.tryAdopt(standing)
    const { nonce, pastNonces } = standing.manifest
    return { isDone: nonce === next.nonce || pastNonces.includes(next.nonce), standing }
  }
}

/** What a process put that slept until the collection was removed lies there with nobody to look after it: it gets a mark again. */
export async function markGone(core: CollectionCore): Promise<void> {
  const catalog = new Catalog(core.context)
  const name = core.view?.name ?? core.id
  // Missing although a name stands for it: that is damage, and no trash.
  if ((await catalog.find(name)) !== core.id) await catalog.markDropped(core.id, name)
}
