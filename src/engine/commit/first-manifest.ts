import { isWindlassError, WindlassError } from '../../base/errors.ts'
import { dataPrefix } from '../../format/catalog-entry.ts'
import { decodeManifest, encodeManifest, manifestKey, type Manifest } from '../../format/manifest.ts'
import type { EngineContext } from '../core.ts'

const attemptsMax = 6

/**
 * Puts the first manifest of a new id. The same bytes are put until they, or another's, are seen to be there: S3 may answer 409 although
 * nobody has the key, and an answer that was lost tells nothing (docs/protocol.md, B2, H3).
 * @returns whether what is there is ours.
 */
export async function putFirstManifest({ store, clock, random }: EngineContext, manifest: Manifest): Promise<boolean> {
  const key = dataPrefix(manifest.collectionId) + manifestKey
  const bytes = encodeManifest(manifest)
  for (let attempt = 1; ; attempt++) {
    try {
      await store.put(key, bytes, { condition: { ifAbsent: true } })
      return true
    } catch (error) {
      if (!isWindlassError(error, 'conflict', 'outcome-unknown')) throw error
      const answer = await store.get(key, { fresh: true })
      if (answer.kind === 'found') return decodeManifest(answer.bytes, key).nonce === manifest.nonce
      if (attempt === attemptsMax) throw new WindlassError('unavailable', `${store.url}: ${key} could not be put in ${attemptsMax} tries: try again`, { key, cause: error })
    }
    await clock.sleep(random.next() * 50 * 2 ** attempt)
  }
}
