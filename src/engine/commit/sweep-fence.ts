import type { Manifest } from '../../format/manifest.ts'
import { decodeSweepPlan, sweepKey } from '../../format/sweep-plan.ts'
import type { CollectionCore } from '../core.ts'

/**
 * Which of a committer's uploads may still be named, after it lost a manifest put: a sweep may have planned to delete the rest.
 *
 * The committer read `before` ahead of its first upload. One sweep later, what that sweep's plan lists is gone or going; after more
 * than one, no plan tells any more, and nothing may be named (docs/protocol.md, C2).
 * @param keys Below the collection's prefix.
 */
export async function survivingUploads(core: CollectionCore, before: Manifest['sweep'], now: Manifest['sweep'], keys: readonly string[]): Promise<Set<string>> {
  if (now.count === before.count) return new Set(keys)
  if (now.count !== before.count + 1 || now.id === null) return new Set()
  const key = core.prefix + sweepKey(now.id)
  const answer = await core.context.store.get(key, { fresh: true })
  if (answer.kind !== 'found') return new Set()
  const planned = new Set(decodeSweepPlan(answer.bytes, key).objects.map((object) => object.key))
  return new Set(keys.filter((each) => !planned.has(each)))
}
