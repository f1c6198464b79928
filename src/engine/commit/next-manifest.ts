import { isWindlassError } from '../../base/errors.ts'
import { newNonce, type Random } from '../../base/random.ts'
import { dataPrefix } from '../../format/catalog-entry.ts'
import { encodeManifest, manifestKey, pastManifestKey, pastNoncesMax, type Manifest } from '../../format/manifest.ts'
import type { EngineContext } from '../core.ts'
import { findManifest, type LoadedManifest } from './manifest-object.ts'

/** The version after `base`: whatever is changed, it is not abandoned any more, unless that is the change. */
export function nextManifest({ manifest }: LoadedManifest, change: Partial<Manifest>, random: Random): Manifest {
  return {
    ...manifest,
    abandoned: undefined,
    ...change,
    version: manifest.version + 1,
    nonce: newNonce(random),
    pastNonces: [manifest.nonce, ...manifest.pastNonces].slice(0, pastNoncesMax),
  }
}

/** Puts `next` where `base` stands. @throws {WindlassError} `conflict` where it stands no more; `outcome-unknown`, `unavailable`. */
export async function putNextManifest({ store }: EngineContext, base: LoadedManifest, next: Manifest): Promise<LoadedManifest> {
  const bytes = encodeManifest(next)
  const { etag, date } = await store.put(dataPrefix(next.collectionId) + manifestKey, bytes, { condition: { ifMatch: base.etag } })
  return { manifest: next, bytes, etag, date }
}

/**
 * Says of `id`, which has a name, that it is in use, where a sweep took it for nameless: nothing is acknowledged before that
 * (docs/protocol.md, H3).
 * @returns false when the sweep was faster, or nothing is there: then it must not be used.
 */
export async function takeBack(context: EngineContext, id: string): Promise<boolean> {
  const prefix = dataPrefix(id)
  for (;;) {
    const base = await findManifest(context.store, prefix)
    if (base?.manifest.state !== 'live') return false
    if (!base.manifest.abandoned) return true
    try {
      await putIfAbsent({ context }, prefix + pastManifestKey(base.manifest.version), base.bytes)
      await putNextManifest(context, base, nextManifest(base, {}, context.random))
    } catch (error) {
      if (!isWindlassError(error, 'conflict', 'outcome-unknown')) throw error
    }
  }
}

/** Puts an object of which only one version can ever be. */
export async function putIfAbsent({ context }: { readonly context: EngineContext }, key: string, bytes: Uint8Array): Promise<void> {
  try {
    await context.store.put(key, bytes, { condition: { ifAbsent: true } })
  } catch (error) {
    if (!isWindlassError(error, 'conflict', 'outcome-unknown')) throw error
  }
}
